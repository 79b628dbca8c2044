"""A node's view of the graph, which any thread may ask while the node's own thread reads."""

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from dsmq_nodes.dsmq import wire
from dsmq_nodes.graph.topics.graph_view import GraphView
from dsmq_nodes.messages.dsmq_msgs import Endpoint, Graph, GraphTopic


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads that take turns as often as the interpreter lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _graph(count: int) -> wire.Reply:
    ends = [Endpoint(node=f"/n{number}") for number in range(count)]
    text = Graph(topics=[GraphTopic(name="/a", publishers=ends)]).to_json()
    return wire.Reply(message=msgspec.Raw(msgspec.json.encode(text)))


def test_a_thread_that_asks_does_not_keep_a_change_from_those_who_wait_for_it(
    switching: None,
) -> None:
    settle: list[Callable[[], None]] = []
    view = GraphView(lambda: None, lambda work: work.close(), settle.append)
    seen: list[int] = []
    view.watchers.append(lambda: seen.append(len(view.publishers("/a"))))
    graphs = {count: _graph(count) for count in (1000, 2000)}
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            view.publishers("/a")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for count, news in itertools.islice(itertools.cycle(graphs.items()), 200):
            view.take(news)
            time.sleep(0)  # other messages are drained before it is told
            settle.pop()()
            assert seen[-1] == count
    finally:
        is_over.set()
        asking.join()
