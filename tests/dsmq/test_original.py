"""Side by side with the real dsmq 0.7.0: its clients on our broker, ours on its server."""

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dsmq as original_package  # type: ignore[import-untyped]
import pytest
from dsmq import dsmq as original

from dsmq_nodes import dsmq as ours
from tests.dsmq.conftest import Broker
from tests.dsmq.servers import ORIGINAL, serving
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC

EXAMPLES = Path(original_package.__file__).parent


@pytest.fixture
def original_port() -> Iterator[int]:
    """An original server's port."""
    with serving(ORIGINAL) as server:
        yield server.port


@contextlib.contextmanager
def its_client(port: int) -> Iterator[Any]:
    client = original.connect_to_server("127.0.0.1", port)
    client.dsmq_conn.settimeout(PATIENCE_SEC)
    try:
        yield client
    finally:
        client.dsmq_conn.close()


def synchronise(client: Any) -> None:
    """Its puts are never answered; after a get they have been read."""
    client.get("nothing here")


def conversation(port: int) -> list[object]:
    """What an unmodified client sees of a server, where the original is deterministic."""
    seen: list[object] = []
    with its_client(port) as early, its_client(port) as writer, its_client(port) as other:
        # The original accepts in a thread: it knows a client when it has answered it.
        seen += [client.get("greetings") for client in (early, writer, other)]
        for value in ("one", "", "drei \N{SNOWMAN} \U0001f600", 5, 1.5, True, None, 'quo"te\n\\'):
            writer.put("greetings", value)
            synchronise(writer)
        with its_client(port) as late:
            seen += [late.get("greetings"), late.get("greetings")]
            writer.put("greetings", "last")
            synchronise(writer)
            seen.append(late.get("greetings"))
        for client in (early, other):
            seen.append([client.get("greetings") for _ in range(10)])
        original._send_message(writer.dsmq_conn, {"action": "dance", "topic": "greetings"})
        seen.append(writer.get("elsewhere"))
        seen.append(sorted(original_reply(writer.dsmq_conn)))
    return seen


def original_reply(conn: socket.socket) -> list[str]:
    """The keys of the answer to a get."""
    original._send_message(conn, {"action": "get", "topic": "elsewhere"})
    header = conn.recv(23, socket.MSG_WAITALL)
    body = conn.recv(json.loads(header)["msg_length"] - 1_000_000, socket.MSG_WAITALL)
    return list(json.loads(body))


def test_its_client_sees_no_difference(broker: Broker, original_port: int) -> None:
    assert conversation(broker.port) == conversation(original_port)


def test_its_client_gets_what_ours_has_put(broker: Broker) -> None:
    with its_client(broker.port) as theirs, broker.connect() as mine:
        assert theirs.get("t") == ""
        mine.put("t", "to you", ack=True)
        assert theirs.get("t") == "to you"
        theirs.put("t", "and back")
        synchronise(theirs)
        assert [mine.get("t"), mine.get("t")] == ["to you", "and back"]


def test_our_client_on_its_server(original_port: int) -> None:
    with (
        ours.connect_to_server("127.0.0.1", original_port) as writer,
        ours.connect_to_server("127.0.0.1", original_port) as reader,
    ):
        assert reader.get("t", None) is None
        for number in range(3):
            writer.put("t", f"message {number}")
            assert writer.get("other") == ""
        assert reader.get("t") == "message 0"
        assert reader.get_latest("t") == "message 2"
        assert reader.get_wait("t", timeout=0.05, default=None) is None
        with pytest.raises(Exception, match="never acks"):
            writer.put("t", "x", ack=True)


def test_its_examples_run_on_our_broker(broker: Broker) -> None:
    def example(name: str) -> subprocess.Popen[str]:
        script = (
            f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); import {name};"
            f"{name}.run('127.0.0.1', {broker.port}, 2)"
        )
        return processes.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)

    with example("example_get_client") as get, example("example_put_client") as put:
        sent, _ = put.communicate(timeout=PATIENCE_SEC)
        received, _ = get.communicate(timeout=PATIENCE_SEC)
    assert sent == "client sent 0. Hello, world\nclient sent 1. Hello, world\n"
    assert received.count("client received") == 2
    assert "Hello, world" in received


def test_large_frames_reach_its_client_and_come_from_it(broker: Broker) -> None:
    """Its own server loses all of 200 kB and more that come in pieces."""
    message = "x" * 8_999_000
    with its_client(broker.port) as theirs, broker.connect() as mine:
        theirs.put("large", message)
        assert mine.get_wait("large", PATIENCE_SEC) == message


def get_sec(port: int) -> float:
    """What most gets take: the system acknowledges the first one of a connection at once."""
    with its_client(port) as client:
        took = []
        for _ in range(20):
            began = time.perf_counter()
            client.get("t")
            took.append(time.perf_counter() - began)
        return statistics.median(took)


def test_its_client_does_not_stall_on_our_broker(broker: Broker, original_port: int) -> None:
    """Nagle's algorithm and delayed acknowledgements cost it 88 ms a get on its own server."""
    assert get_sec(broker.port) * 5 < get_sec(original_port)


def test_puts_of_one_burst_all_arrive_in_order(broker: Broker) -> None:
    """The original orders by wall clock: what came in one tick is lost to its readers."""
    with its_client(broker.port) as writer, its_client(broker.port) as reader:
        reader.get("t")
        for number in range(50):
            writer.put("t", str(number))
        synchronise(writer)
        assert [reader.get("t") for _ in range(51)] == [*map(str, range(50)), ""]
