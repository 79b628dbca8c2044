"""A broker that is found again and dies at once: one more outage, at whatever point it dies."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from dsmq_nodes import Node
from dsmq_nodes.dsmq import wire
from dsmq_nodes.messages import Int64
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.waiting import until

HELLO = {"event": "hello", "version": 1, "epoch": "another", "seq": 0, "at": 1}
GREETING = wire.encode_object(HELLO) + wire.encode_object({"message": "", "empty": True})
SUBSCRIBED = wire.encode_object({"event": "subscribed", "topic": "/n", "id": 0})
WORDS = {
    "nothing": b"",
    "half a header": GREETING[:10],
    "half a hello": GREETING[:60],
    "hello alone": wire.encode_object(HELLO),
    "hello": GREETING,
    "an answer": GREETING + SUBSCRIBED,
    "half an answer": GREETING + SUBSCRIBED[:40],
    "nonsense": GREETING + b"nonsense that is no frame at all",
    "another event": GREETING + wire.encode_frame(b'{"event": [1, 2]}'),
    "memory that is not there": wire.encode_object({**HELLO, "shm": "/nowhere", "number": 5})
    + wire.encode_object({"message": "", "empty": True}),
    "memory that has no name": wire.encode_object({**HELLO, "shm": "/a\0b", "number": 5})
    + wire.encode_object({"message": "", "empty": True}),
    "a refusal": wire.encode_object({"event": "error", "error": "wrong token"}),
    "an original's words": wire.encode_object({"message": ""}) * 5,
}


@contextlib.contextmanager
def dying(port: int, words: bytes, met: list[int]) -> Iterator[None]:
    """Something on a broker's port that says these words to each that connects, and hangs up."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        server.settimeout(0.02)
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.is_set():
                with contextlib.suppress(OSError), server.accept()[0] as peer:
                    peer.settimeout(5.0)
                    peer.recv(1 << 16)
                    peer.sendall(words)
                    with contextlib.suppress(TimeoutError):
                        peer.settimeout(0.02)
                        peer.recv(1 << 16)
                    met.append(time.monotonic_ns())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_a_broker_that_dies_while_a_node_reconnects_is_one_more_outage(
    words: bytes, broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    class Mover(Node):
        broker_timeout_sec = 0.3

        def enter_safe_state(self) -> None:
            is_safe.set()

    is_safe, met, got = threading.Event(), list[int](), list[int]()
    node = Mover("mover")
    publisher = node.create_publisher(Int64, "n", 10)
    node.create_subscription(Int64, "n", lambda m: got.append(m.data), 10)
    node.create_timer(0.005, lambda: publisher.publish(Int64(data=1)))
    with spinning(node):
        until(lambda: got)
        broker.kill()
        with dying(broker.port, words, met):
            until(lambda: len(met) >= 4 and is_safe.is_set())
        broker.start()
        got.clear()
        until(lambda: got)
    assert not [record for record in caplog.records if record.exc_info]
    refused = caplog.text.count("/mover: the broker is there and refuses it: wrong token")
    assert refused == (words == WORDS["a refusal"])
