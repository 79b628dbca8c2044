"""Nodes on an unmodified dsmq 0.7.0 server: no push, no graph, but everything arrives."""

from collections.abc import Iterator

import pytest

from dsmq_nodes import Node
from dsmq_nodes.messages import Int64
from tests.dsmq.servers import ORIGINAL, serving
from tests.graph.conftest import spinning
from tests.support.waiting import until


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An original server, which every node made here connects to."""
    with serving(ORIGINAL) as server:
        monkeypatch.setenv("DSMQ_BROKER", f"127.0.0.1:{server.port}")
        monkeypatch.setenv("DSMQ_NODE", "")
        yield


@pytest.mark.usefixtures("original")
def test_nodes_poll_an_original_server(caplog: pytest.LogCaptureFixture) -> None:
    odd: list[int] = []
    even: list[int] = []
    reader, writer = Node("reader"), Node("writer")
    reader.create_subscription(Int64, "odd", lambda m: odd.append(m.data), 100)
    reader.create_subscription(Int64, "even", lambda m: even.append(m.data), 100)
    publishers = [writer.create_publisher(Int64, name, 10) for name in ("even", "odd")]
    with spinning(reader, writer):
        for number in range(20):
            publishers[number % 2].publish(Int64(data=number))
            # One at a time: the original loses messages of one tick of its clock.
            until(lambda: len(odd) + len(even) > number)  # noqa: B023  called here
    assert odd == list(range(1, 20, 2))
    assert even == list(range(0, 20, 2))
    assert caplog.text.count("is an original dsmq server: topics are polled") == 2


@pytest.mark.usefixtures("original")
def test_an_original_server_tells_nothing_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsmq_nodes.graph.topics.graph_view._ANSWER_SEC", 0.05)
    with Node("a") as node:
        publisher = node.create_publisher(Int64, "n", 10)
        assert publisher.get_subscription_count() == 0
        assert node.get_topic_names_and_types() == []
