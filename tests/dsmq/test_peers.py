"""Peers that do the unusual: none gets stuck, misleads the log, or blocks another."""

import json
import select
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.dsmq.address import unix_path
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import ConnectionFailedError
from tests.dsmq.conftest import Broker, Start, put, subscribe
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC


def settle(broker: Broker) -> None:
    """What was put before this is in the broker when it returns (one writer, one loop)."""
    with broker.connect() as client:
        client.put("settled", "x", ack=True)


@pytest.mark.parametrize("count", [999, 5000])
def test_who_resumes_far_behind_is_sent_everything(broker: Broker, count: int) -> None:
    writer, reader = broker.channel(), broker.channel()
    for seq in range(1, count + 1):
        put(writer, "t", "x", seq)
    writer.send(wire.encode_object({"action": "put", "topic": "t", "message": "last", "ack": 1}))
    assert writer.receive().ack == 1
    subscribe(reader, "t", after=0, epoch=reader.epoch)
    found = [reader.receive() for _ in range(count + 1)]
    assert [reply.id for reply in found] == list(range(1, count + 2))
    assert {reply.gap for reply in found} == {0}
    put(writer, "t", "live")
    assert reader.receive().text == "live"
    writer.close()
    reader.close()


def test_a_late_reader_of_many_latched_messages_has_them_all(broker: Broker) -> None:
    writer = broker.channel("/mapper")
    writer.send(wire.encode_object({"action": "advertise", "topic": "t", "latched": 3000}))
    assert writer.receive().event == "advertised"
    for seq in range(1, 4001):
        put(writer, "t", "x" * 200, seq)
    writer.send(wire.encode_object({"action": "get", "topic": "t", "latest": True}))
    assert writer.receive().id == 4000
    reader = broker.channel()
    subscribe(reader, "t")
    assert [reader.receive().id for _ in range(3000)] == list(range(1001, 4001))
    writer.close()
    reader.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a\nFAKE: all is well", "cannot be printed"),
        ("\x1b[31mred", "cannot be printed"),
        ("n" * 256, "over 255 bytes"),
        ("n" * 1_000_000, "over 255 bytes"),
    ],
    ids=["newline", "escape", "long", "very long"],
)
def test_a_bad_node_name_is_refused_and_the_log_stays_one_line(
    broker: Broker, name: str, words: str
) -> None:
    with broker.raw() as stranger:
        hello = {"action": "hello", "topic": "", "version": 1, "node": name}
        stranger.sendall(wire.encode_object(hello))
        answer = json.loads(stranger.recv(2000)[wire.HEADER_BYTES :])
        assert answer["event"] == "error"
        assert "a node name" in answer["error"]
        assert words in answer["error"]
        assert stranger.recv(1) == b""
    status, said = broker.end()
    assert status == 0
    assert said.count("\n") == 1
    assert len(said) < 500
    assert said.strip().isprintable()


def test_a_second_hello_gives_the_first_name_back(broker: Broker) -> None:
    with broker.raw() as peer:
        for name in ("/first", "/second"):
            hello = {"action": "hello", "topic": "", "version": 1, "node": name}
            peer.sendall(wire.encode_object(hello))
            assert b'"event":"hello"' in peer.recv(2000)
        broker.channel("/first").close()


@pytest.mark.parametrize("port", ["65536", "99999", "-1"])
def test_a_port_that_is_none_is_said(start: Start, port: str) -> None:
    status, said = start("--port", port).end()
    assert (status, said) == (1, f"port {port} is no port: they go from 0 to 65535\n")
    with pytest.raises(ConnectionFailedError, match=f"no broker at 127.0.0.1:{port}"):
        dsmq.connect_to_server("127.0.0.1", int(port))


def test_a_host_that_is_not_ours_is_said(start: Start) -> None:
    status, said = start("--host", "192.0.2.1", DSMQ_TOKEN="secret").end()
    assert status == 1
    assert "cannot listen on 192.0.2.1" in said
    assert said.count("\n") == 1


def test_a_runtime_directory_that_is_gone_is_done_without(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = str(tmp_path / "user-1000")
    monkeypatch.setenv("XDG_RUNTIME_DIR", gone)
    assert Path(tempfile.gettempdir()) in unix_path("127.0.0.1", 1).parents
    with start(XDG_RUNTIME_DIR=gone).connect() as client:
        client.put("t", "x", ack=True)


def test_without_a_place_for_a_unix_socket_there_is_tcp(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    unix_path("127.0.0.1", 1).parent.write_text("not a directory")
    broker = start(XDG_RUNTIME_DIR=str(tmp_path))
    with broker.connect() as client:
        client.put("t", "x", ack=True)
    status, said = broker.end()
    assert status == 0
    assert "no Unix socket at" in said
    assert said.count("\n") == 1


def test_where_nothing_can_be_written_there_is_tcp(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A read-only root without a /tmp."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "gone")])
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert unix_path("127.0.0.1", 1).is_absolute()


def test_a_peer_that_goes_takes_its_waits_along(broker: Broker) -> None:
    reader, writer = broker.channel(), broker.channel()
    reader.send(wire.encode_object({"action": "get", "topic": "t", "wait": 0.2}))
    settle(broker)
    reader.close()
    for _ in range(3):
        put(writer, "t", "x")
    settle(broker)
    writer.close()
    assert broker.end() == (0, "")


def test_who_is_patient_has_everything_a_little_later(broker: Broker) -> None:
    writer, prompt = broker.channel("/writer"), broker.channel("/prompt")
    patient = ClientConnection("127.0.0.1", broker.port, patient=True)
    assert 0 <= patient.age_sec < 3600
    patient.socket.settimeout(PATIENCE_SEC)
    for reader in (prompt, patient):
        assert subscribe(reader, "/t", depth=0).event == "subscribed"
    for number in range(1, 501):
        put(writer, "/t", str(number), number)
    for reader in (prompt, patient):
        replies = [reader.receive() for _ in range(500)]
        assert [(each.id, each.text, each.gap) for each in replies] == [
            (number, str(number), 0) for number in range(1, 501)
        ]
        now_ns = time.monotonic_ns()
        entered_ns = [each.at - reader.ahead_ns for each in replies]
        assert entered_ns == sorted(entered_ns)
        assert now_ns - int(PATIENCE_SEC * 1e9) < entered_ns[0] <= entered_ns[-1] <= now_ns
    for channel in (writer, prompt, patient):
        channel.close()


class SlowWayBack:
    """Between a peer and the broker: what the broker says takes its time."""

    def __init__(self, broker: Broker, delay_sec: float) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE_SEC)
        self.port: int = self._listening.getsockname()[1]
        self._broker, self._delay_sec = broker.raw(), delay_sec
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        peer, _ = self._listening.accept()
        with self._listening, self._broker as broker, peer:
            while ready := select.select([peer, broker], [], [], PATIENCE_SEC)[0]:
                source = ready[0]
                some = source.recv(64 * 1024)
                if not some:
                    return
                if source is broker:
                    time.sleep(self._delay_sec)
                (peer if source is broker else broker).sendall(some)

    def join(self) -> None:
        self._thread.join(PATIENCE_SEC)
        assert not self._thread.is_alive()


def test_an_answer_that_was_long_on_its_way_sets_no_clock_back(broker: Broker) -> None:
    way = SlowWayBack(broker, 0.1)
    reader = ClientConnection("127.0.0.1", way.port)
    assert reader.ahead_ns == 0
    reader.close()
    way.join()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare on this system")
def test_who_has_another_clock_knows_how_far_the_brokers_is_ahead(broker: Broker) -> None:
    program = (
        "import sys; from time import monotonic_ns;"
        "from dsmq_nodes.dsmq.client_connection import ClientConnection;"
        "begin_ns = monotonic_ns(); channel = ClientConnection('127.0.0.1', int(sys.argv[1]));"
        "took_ns = monotonic_ns() - begin_ns; channel.close(); print(channel.ahead_ns, took_ns)"
    )
    elsewhere = ["unshare", "--time", "--fork", "--kill-child", "--monotonic", "1000"]
    run = processes.run(
        [*elsewhere, sys.executable, "-c", program, str(broker.port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SEC,
    )
    if "unshare:" in run.stderr:
        pytest.skip("this user may set no clock of its own")
    assert (run.returncode, run.stderr) == (0, "")
    ahead_ns, took_ns = map(int, run.stdout.split())
    assert abs(ahead_ns + 1000 * 10**9) <= took_ns // 2


@pytest.mark.parametrize("size", [10, 10_000])
def test_who_is_patient_misses_nothing_when_the_broker_ends(broker: Broker, size: int) -> None:
    writer = broker.channel("/writer")
    patient = ClientConnection("127.0.0.1", broker.port, patient=True)
    patient.socket.settimeout(PATIENCE_SEC)
    assert subscribe(patient, "/t", depth=0).event == "subscribed"
    for number in range(1, 301):
        put(writer, "/t", "x" * size, number)
    writer.send(wire.encode_object({"action": "shutdown"}))
    assert [patient.receive().id for _ in range(300)] == list(range(1, 301))
    with pytest.raises(ConnectionFailedError, match="shut down by a client"):
        patient.receive()
    for channel in (writer, patient):
        channel.close()


def test_a_peer_whose_requests_the_broker_leaves_unread_is_not_ended_for_being_slow(
    broker: Broker,
) -> None:
    """It does not read its answers, and so half of a frame may lie here for a long time."""
    count, body = 15_000, {"action": "get", "topic": "t", "pad": "x" * 1000}
    unsent = memoryview(wire.encode_object(body) * count)
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", broker.port))
        peer.sendall(wire.encode_object({"action": "hello", "topic": "", "version": 1}))
        # Longer than a frame of this size may take, once it is begun.
        while select.select([], [peer], [], limits.PATIENCE_SEC + 1.0)[1]:
            unsent = unsent[peer.send(unsent[:65536]) :]
        assert unsent
        rest = threading.Thread(target=peer.sendall, args=(unsent,), daemon=True)
        rest.start()
        peer.settimeout(PATIENCE_SEC)
        decoder, answers = wire.FrameDecoder(), 0
        while answers <= count:
            data = peer.recv(65536)
            assert data, f"ended after {answers} answers"
            answers += len([*decoder.feed(data)])
        rest.join(PATIENCE_SEC)
