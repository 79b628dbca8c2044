"""What a client makes of odd answers and texts: its next answer is always the right one."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.dsmq import address
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import ConnectionFailedError
from tests.dsmq.conftest import Broker
from tests.support.waiting import PATIENCE_SEC


def test_get_latest_skips_and_does_not_come_back(broker: Broker) -> None:
    with broker.connect() as client:
        assert client.get_latest("t", None) is None
        for text in ("1", "2", "3"):
            client.put("t", text)
        assert client.get_latest("t") == "3"
        assert client.get_latest("t", None) is None
        assert client.get("t", None) is None
        for text in ("4", "5", "6"):
            client.put("t", text)
        assert [client.get("t"), client.get_latest("t"), client.get("t")] == ["4", "6", ""]


def test_each_reader_has_its_own_place(broker: Broker) -> None:
    with broker.connect() as one, broker.connect() as two, broker.connect() as writer:
        for number in range(5):
            writer.put("t", str(number), ack=True)
        with broker.connect() as late:
            assert [one.get("t") for _ in range(6)] == [*"01234", ""]
            assert two.get_latest("t") == "4"
            assert late.get("t", None) is None


@pytest.mark.parametrize(
    "text", ["", "x", "\0", 'quo"te\\', "é ☃ \U0001f600", "\u2028\x7f\x1b[0m\r\n", "x" * 1_000_000]
)
def test_any_text_passes_unchanged(broker: Broker, text: str) -> None:
    with broker.connect() as client:
        client.put("t", text)
        assert client.get("t", None) == text


def test_a_refused_put_does_not_shift_the_answers(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with broker.connect() as client:
        client.put("/dsmq/graph", "not yours")
        for number in range(3):
            client.put(f"t{number}", str(number))
        assert [client.get(f"t{number}") for number in range(3)] == ["0", "1", "2"]
    assert "refused a put: this topic is written by the broker itself" in caplog.text


@contextlib.contextmanager
def listener(answer: bytes) -> Iterator[int]:
    """A port where somebody accepts and says `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(PATIENCE_SEC)
                    connection.recv(10)
                    connection.sendall(answer)
                    while connection.recv(1000):
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(PATIENCE_SEC)
        assert not thread.is_alive(), "the client has not closed its connection"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\xff" * 100,
        b'{"msg_length": 1000002}[]',
        b'{"msg_length": 1000000}',
    ],
)
def test_who_answers_something_else_is_no_broker(answer: bytes) -> None:
    with (
        listener(answer) as port,
        pytest.raises(ConnectionFailedError, match=f"127.0.0.1:{port} is no dsmq broker"),
    ):
        dsmq.connect_to_server("127.0.0.1", port)


def test_who_dies_between_our_knock_and_our_first_word_is_no_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A broker that is killed just then: whoever dials again has to hear of it as of any other."""

    def connect(host: str, port: int, timeout_sec: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    monkeypatch.setattr(address, "connect", connect)
    with pytest.raises(ConnectionFailedError, match=r"lost the broker at 127\.0\.0\.1:5"):
        ClientConnection("127.0.0.1", 5)


def hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def test_who_hangs_up_at_once_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=hang_up, args=(server,))
        thread.start()
        with pytest.raises(ConnectionFailedError):
            dsmq.connect_to_server("127.0.0.1", server.getsockname()[1])
        thread.join(PATIENCE_SEC)
