"""The blocking client."""

import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import (
    ConnectionFailedError,
    DsmqError,
    RequestRefusedError,
    WireError,
)
from tests.dsmq.conftest import Broker, Start
from tests.dsmq.servers import flooding
from tests.support.waiting import PATIENCE_SEC, until


def test_nothing_is_told_from_the_empty_message(broker: Broker) -> None:
    with broker.connect() as client:
        assert client.get("t") == ""
        assert client.get("t", None) is None
        client.put("t", "", ack=True)
        assert client.get("t", None) == ""
        assert client.get("t", default="nothing") == "nothing"


def test_latest_skips_the_older_ones(broker: Broker) -> None:
    with broker.connect() as client:
        for text in ("old", "older", "newest"):
            client.put("t", text, ack=True)
        assert client.get_latest("t") == "newest"
        assert client.get("t", None) is None
        assert client.get_latest("t", None) is None


def test_waiting_for_a_message(broker: Broker) -> None:
    with broker.connect() as reader, broker.connect() as writer:
        began = time.monotonic()
        assert reader.get_wait("t", 0.2, None) is None
        assert time.monotonic() - began >= 0.2
        timer = threading.Timer(0.1, writer.put, ("t", "at last"))
        timer.start()
        assert reader.get_wait("t", PATIENCE_SEC) == "at last"
        timer.join()


def test_threads_share_a_client_and_never_get_each_others_answers(broker: Broker) -> None:
    """On the original one of two thousand answers was another topic's."""
    wrong: list[str] = []
    with broker.connect() as client:

        def work(topic: str) -> None:
            for number in range(200):
                client.put(topic, f"{topic} {number}", ack=number % 10 == 0)
                found = client.get_wait(topic, PATIENCE_SEC)
                if found != f"{topic} {number}":
                    wrong.append(found)

        threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SEC * 2)
    assert wrong == []


def test_a_thread_that_waits_lets_another_have_its_turn(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came when the one that waits had had another turn, or up to four more."""
    asked, turns, send = list[bytes](), 0, ClientConnection.send

    def note(connection: ClientConnection, frame: bytes, *timeout: float) -> None:
        asked.append(frame)
        send(connection, frame, *timeout)

    monkeypatch.setattr("dsmq_nodes.dsmq.client._WAIT_SLICE_SEC", 0.3)
    monkeypatch.setattr(ClientConnection, "send", note)
    with broker.connect() as client:
        waiting = threading.Thread(target=client.get_wait, args=("t", PATIENCE_SEC))
        waiting.start()
        for _ in range(10):
            asked.clear()
            until(lambda: asked, "the next turn")
            asked.clear()
            client.put("other", "x", ack=True)
            turns += sum(b'"get"' in frame for frame in asked)
        client.put("t", "x")
        waiting.join()
    assert turns < 5


def test_no_broker_is_said_with_what_to_do() -> None:
    with pytest.raises(
        ConnectionFailedError, match=r"no broker at 127.0.0.1:1 .*dsmq-nodes broker"
    ):
        dsmq.connect_to_server("127.0.0.1", 1)


def test_a_port_that_never_answers() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ConnectionFailedError, match="does not answer"),
    ):
        ClientConnection("127.0.0.1", silent.getsockname()[1], timeout_sec=0.3)


def test_a_port_of_something_else() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(ConnectionFailedError):
            ClientConnection("127.0.0.1", server.server_port, timeout_sec=0.3)
        thread.join(PATIENCE_SEC)


@pytest.mark.parametrize("topic", ["", "a\nb", "\x1b[31m", "t" * 256])
def test_topics_that_cannot_be(broker: Broker, topic: str) -> None:
    with broker.connect() as client:
        with pytest.raises(WireError, match="topic name"):
            client.put(topic, "x")
        with pytest.raises(WireError, match="topic name"):
            client.get(topic)
        client.put("t", "still here", ack=True)


def test_messages_that_cannot_be(broker: Broker) -> None:
    with broker.connect() as client:
        with pytest.raises(TypeError, match="not int"):
            client.put("t", 5)  # type: ignore[arg-type]
        with pytest.raises(WireError, match="surrogate"):
            client.put("t", "\ud800")
        with pytest.raises(WireError, match="8999999"):
            client.put("t", "x" * 9_000_000)
        client.put("t", "still here", ack=True)


def test_a_stopped_broker_holds_up_no_call_and_loses_nothing_that_was_stored(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with broker.connect() as client, broker.connect() as other:
        client.put("t", "first", ack=True)
        other.put("t", "second", ack=True)
        assert client.get("t") == "first"
        broker.process.send_signal(signal.SIGSTOP)
        try:
            assert client.get_wait("t", 0.2, None) is None
            assert client.get("t", None) is None
            with pytest.raises(ConnectionFailedError, match=r"stopped|no broker"):
                client.put("t", "x", ack=True)
            while not other.dropped:
                other.put("t", "x" * 100_000)
            with pytest.raises(ConnectionFailedError, match="does not answer"):
                ClientConnection("127.0.0.1", broker.port, timeout_sec=0.2)
        finally:
            broker.process.send_signal(signal.SIGCONT)
        until = time.monotonic() + PATIENCE_SEC
        while (found := client.get("t", None)) is None:
            assert time.monotonic() < until
        assert found == "second"
    assert "is back;" in caplog.text


def test_puts_during_an_outage_are_counted_and_the_client_comes_back(
    broker: Broker, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with broker.connect() as client:
        client.put("t", "before", ack=True)
        broker.end()
        until = time.monotonic() + PATIENCE_SEC
        while client.get("t", None) is not None:  # until it has noticed
            assert time.monotonic() < until
        for number in range(10):
            client.put("t", str(number))
        assert client.dropped == 10
        with pytest.raises(ConnectionFailedError):
            client.put("t", "x", ack=True)
        start("--port", str(broker.port))
        while client.get("nothing", None) is None and "is back;" not in caplog.text:
            assert time.monotonic() < until
        client.put("t", "after", ack=True)
        assert client.get("t") == "after"
        assert client.dropped == 10
    assert "10 puts dropped" in caplog.text
    assert caplog.text.count("lost the broker") == 1


def test_over_tcp_too_no_put_is_lost_uncounted_once_the_broker_is_gone(
    start: Start, tmp_path: Path
) -> None:
    """A socket whose other end has closed takes one more message, and nobody is told."""
    broker = start(XDG_RUNTIME_DIR=str(tmp_path))  # its Unix socket is not where we look
    with broker.connect() as client:
        client.put("t", "before", ack=True)
        broker.end(signal.SIGKILL)
        for number in range(10):
            client.put("t", str(number))
        assert client.dropped == 10


def test_a_closed_client_says_so(broker: Broker) -> None:
    client = broker.connect()
    client.close()
    client.close()
    with pytest.raises(ConnectionFailedError, match="closed"):
        client.put("t", "x")
    with pytest.raises(ConnectionFailedError, match="closed"):
        client.get("t")


def test_the_brokers_own_topics_are_its_own(broker: Broker) -> None:
    with broker.connect() as client, pytest.raises(RequestRefusedError, match="broker itself"):
        client.put("/dsmq/statistics", "x", ack=True)


def test_who_only_puts_is_told_what_is_refused_and_loses_nothing_else(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker stops reading from a peer that does not read its answers."""
    with broker.connect() as client, broker.connect() as reader:
        assert reader.get("good", None) is None
        for number in range(5000):
            client.put("/dsmq/graph", "x")
            client.put("good", str(number))
        client.put("good", "last", ack=True)
        found = [reader.get("good") for _ in range(5001)]
    assert found == [*map(str, range(5000)), "last"]
    assert client.dropped == 0
    assert caplog.text.count("refused a put: this topic is written by the broker itself") == 1


@pytest.mark.parametrize(
    "frame",
    [{"event": "message", "topic": "t"}, {"event": "error", "action": "put", "error": "no"}],
)
def test_a_server_that_sends_without_end_holds_up_no_call(frame: dict[str, object]) -> None:
    with flooding(frame) as port, dsmq.connect_to_server("127.0.0.1", port) as client:
        client.put("t", "x")
        assert client.dropped == 0
        assert client.get_wait("t", 0.1, None) is None
        assert client._connection is None, "it is lost"


def test_the_time_of_an_acknowledgement_begins_when_the_message_was_sent(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one over a slow network takes longer than the broker may take to answer."""
    send, ahead_sec = ClientConnection.send, 0.0

    def send_slowly(connection: ClientConnection, frame: bytes, *timeout: float) -> None:
        nonlocal ahead_sec
        send(connection, frame, *timeout)
        ahead_sec += PATIENCE_SEC

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead_sec)
    with broker.connect() as client:
        monkeypatch.setattr("dsmq_nodes.dsmq.client.time", clock)
        monkeypatch.setattr(ClientConnection, "send", send_slowly)
        client.put("t", "x", ack=True)


def test_an_original_server_whose_topic_never_ends_holds_up_no_call() -> None:
    """It has no request for the newest message: the client reads all up to it."""

    def serve() -> None:
        with server.accept()[0] as connection:
            while connection.recv(65536):
                connection.sendall(wire.encode_object({"message": "and another"}))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        with dsmq.connect_to_server("127.0.0.1", server.getsockname()[1]) as client:
            assert client._get("t", None, 0.2, latest=True) == "and another"
            assert client._connection is not None, "it is not lost"
        thread.join()


@pytest.mark.parametrize("interrupted", ["get_wait", "put", "put_ack"])
@pytest.mark.parametrize("place", ["send", "receive"])
def test_a_signal_handler_may_put_whatever_it_interrupts(
    broker: Broker, interrupted: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler runs in the thread that it interrupts, at any moment of its call."""
    refused: list[str] = []
    with broker.connect() as client, broker.connect() as reader:
        work = getattr(ClientConnection, place)
        outer = client._connection

        def handle() -> None:
            client.put("cmd_vel", "stop")
            client.put("cmd_vel", "stop surely", ack=True)
            try:
                client.get("cmd_vel")
            except DsmqError as error:
                refused.append(str(error))

        def interrupt(connection: ClientConnection, *args: object, **named: object) -> object:
            if connection is outer:
                monkeypatch.setattr(ClientConnection, place, work)
                if place == "receive":
                    until(connection.peek)  # so that a put has something to read
                handle()
            return work(connection, *args, **named)

        client.put("joy", "first")
        monkeypatch.setattr(ClientConnection, place, interrupt)
        if interrupted == "get_wait":
            client.get_wait("joy", 0.1)
        else:
            client.put("joy", "go", ack=interrupted == "put_ack")
        monkeypatch.setattr(ClientConnection, place, work)
        if (interrupted, place) != ("put", "receive"):
            stops = [reader.get_wait("cmd_vel", PATIENCE_SEC) for _ in range(2)]
            assert stops == ["stop", "stop surely"]
            assert len(refused) == 1
        client.put("joy", "on", ack=True)
        assert client.get("joy") in {"first", "on"}
        assert client.dropped == 0
