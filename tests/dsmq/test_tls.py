"""TLS: the broker's certificate, the clients' certificates, and who is turned away."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from dsmq_nodes import Node
from dsmq_nodes.dsmq import descriptors, wire
from dsmq_nodes.dsmq.broker.listener import Security
from dsmq_nodes.dsmq.broker.loop import Broker as BrokerLoop
from dsmq_nodes.dsmq.broker.peer_connection import Connection
from dsmq_nodes.dsmq.router.topics import ConnectedPeer
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import ConnectionFailedError, InsecureError
from dsmq_nodes.messages import String
from tests.dsmq.conftest import Broker, Start
from tests.graph.conftest import spinning
from tests.support.waiting import until


class Papers:
    """An authority, the broker's certificate and a client's."""

    def __init__(self, folder: Path) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self.other_ca = folder / "other.pem"
        stranger.cert_pem.write_to_path(self.other_ca)
        self.broker = folder / "broker.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(self.broker)
        self.expired = folder / "expired.pem"
        old = authority.issue_cert("robot", not_after=datetime(2001, 1, 1, tzinfo=UTC))
        old.private_key_and_cert_chain_pem.write_to_path(self.expired)
        self.client = folder / "client.pem"
        authority.issue_cert("robot").private_key_and_cert_chain_pem.write_to_path(self.client)


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers(tmp_path)


@pytest.fixture(autouse=True)
def _no_unix_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clients look for it where there is none, and go by TCP."""
    (tmp_path / "run").mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
        yield


def begin(start: Start, tmp_path: Path, *options: str) -> Broker:
    (tmp_path / "broker run").mkdir()
    return start(*options, XDG_RUNTIME_DIR=str(tmp_path / "broker run"))


def test_puts_and_gets_over_tls(
    start: Start, tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = begin(start, tmp_path, "--tls-cert", str(papers.broker))
    monkeypatch.setenv("DSMQ_TLS_CA", str(papers.ca))
    with broker.connect() as client:
        client.put("t", "x" * 1_000_000, ack=True)
        assert len(client.get("t")) == 1_000_000


@pytest.mark.parametrize("trusted", ["nobody", "another authority"])
def test_who_cannot_trust_the_broker_does_not_talk_to_it(
    start: Start, tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    broker = begin(start, tmp_path, "--tls-cert", str(papers.broker))
    if trusted == "another authority":
        monkeypatch.setenv("DSMQ_TLS_CA", str(papers.other_ca))
    with pytest.raises(ConnectionFailedError, match=r"DSMQ_TLS_CA|CERTIFICATE_VERIFY_FAILED"):
        broker.connect()


@pytest.mark.parametrize("trusted", ["other_ca", "key"])
def test_a_broker_that_is_there_and_not_trusted_is_not_told_to_be_started(
    start: Start, tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    broker = begin(start, tmp_path, "--tls-cert", str(papers.broker))
    file = tmp_path / "key.pem"
    file.write_text("-----BEGIN PRIVATE KEY-----")
    if trusted == "other_ca":
        file = papers.other_ca
    monkeypatch.setenv("DSMQ_TLS_CA", str(file))
    with pytest.raises(ConnectionFailedError, match=f"by TLS .*DSMQ_TLS_CA={file}") as told:
        broker.connect()
    assert "start one" not in str(told.value)


def test_a_client_certificate_is_asked_for(
    start: Start, tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = begin(
        start, tmp_path, "--tls-cert", str(papers.broker), "--tls-client-ca", str(papers.ca)
    )
    monkeypatch.setenv("DSMQ_TLS_CA", str(papers.ca))
    with pytest.raises(ConnectionFailedError, match="DSMQ_TLS_CERT"):
        broker.connect()
    monkeypatch.setenv("DSMQ_TLS_CERT", str(papers.client))
    with broker.connect() as client:
        client.put("t", "x", ack=True)


def test_a_client_certificate_without_an_authority_connects_nowhere(
    start: Start, tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = begin(start, tmp_path, "--tls-cert", str(papers.broker))
    monkeypatch.setenv("DSMQ_TLS_CERT", "client.pem")
    with pytest.raises(ConnectionFailedError, match="DSMQ_TLS_CERT is set, but not DSMQ_TLS_CA"):
        broker.connect()


def test_an_empty_variable_of_tls_is_none(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = begin(start, tmp_path)
    for each in ("DSMQ_TLS_CA", "DSMQ_TLS_CERT", "DSMQ_TLS_KEY"):
        monkeypatch.setenv(each, "")
    with broker.connect() as client:
        client.put("t", "x", ack=True)


def test_an_expired_certificate_is_refused(
    start: Start, tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = begin(
        start, tmp_path, "--tls-cert", str(papers.broker), "--tls-client-ca", str(papers.ca)
    )
    monkeypatch.setenv("DSMQ_TLS_CA", str(papers.ca))
    monkeypatch.setenv("DSMQ_TLS_CERT", str(papers.expired))
    with pytest.raises(ConnectionFailedError, match="DSMQ_TLS_CERT"):
        broker.connect()
    status, said = broker.end()
    assert status == 0
    assert said.count("closing 127.0.0.1") == 1
    assert "expired" in said


def test_plain_text_on_a_tls_port_is_refused(start: Start, tmp_path: Path, papers: Papers) -> None:
    broker = begin(start, tmp_path, "--tls-cert", str(papers.broker))
    with broker.raw() as plain:
        plain.sendall(wire.encode_object({"action": "get", "topic": "t"}))
        with contextlib.suppress(ConnectionResetError):
            assert b"message" not in plain.recv(1000)
            assert plain.recv(1000) == b""
    with broker.raw() as silent, contextlib.suppress(ConnectionResetError):
        assert silent.recv(1000) == b"", "a handshake has two seconds"
    status, said = broker.end()
    assert status == 0
    assert said.count("closing 127.0.0.1") == 2


def _begun(trusting: ssl.SSLContext) -> bytes:
    """Return the first bytes of a handshake."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        trusting.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


def test_handshakes_that_begin_at_once_cost_no_other_peer_its_turn(papers: Papers) -> None:
    """A flood of 1,500 stopped all other peers for 2.4 s, after 2 s a broker seems frozen."""
    begun = _begun(ssl.create_default_context(cafile=papers.ca))

    async def answered_in_turns() -> list[int]:
        broker = BrokerLoop(Store(), Security(certificate=papers.broker), shares_memory=False)
        broker.listen("127.0.0.1", 0)
        address = ("127.0.0.1", broker.acceptor.port)
        with contextlib.ExitStack() as opened:
            opened.callback(broker.close)
            flood = [opened.enter_context(socket.create_connection(address)) for _ in range(40)]
            while len(broker.router.peers) < len(flood):
                await asyncio.sleep(0)
            for each in flood:
                each.sendall(begun)
            answered = [0]
            while answered[-1] < len(flood):
                await asyncio.sleep(0)
                answered.append(len(descriptors.ready(flood, timeout_sec=0)))
        return answered

    answered = asyncio.run(answered_in_turns())
    assert max(after - before for before, after in itertools.pairwise(answered)) <= 8


def test_what_has_come_over_tls_is_read_in_one_turn(papers: Papers) -> None:
    """A busy broker fell behind a peer by a message a turn, 3.9 s at 50 messages a second."""
    tls = Security(certificate=papers.broker).tls()
    assert tls is not None
    trusting = ssl.create_default_context(cafile=papers.ca)
    with contextlib.ExitStack() as opened:
        near, far = map(opened.enter_context, socket.socketpair())
        near = tls.wrap_socket(near, server_side=True, do_handshake_on_connect=False)
        shaking = threading.Thread(target=near.do_handshake)
        shaking.start()
        far = opened.enter_context(trusting.wrap_socket(far, server_hostname="127.0.0.1"))
        shaking.join()
        opened.enter_context(near).setblocking(False)
        for _ in range(10):
            far.sendall(wire.encode_object({"action": "put", "topic": "t", "message": "x"}))
        connection = Connection(near, ConnectedPeer("127.0.0.1:1"), 0.0)
        connection.read()
        assert len(list(connection.bodies)) == 10


def test_who_resets_a_connection_before_it_is_accepted_leaves_nothing(
    papers: Papers, caplog: pytest.LogCaptureFixture
) -> None:
    async def accept() -> None:
        broker = BrokerLoop(Store(), Security(certificate=papers.broker), shares_memory=False)
        broker.listen("127.0.0.1", 0)
        with socket.create_connection(("127.0.0.1", broker.acceptor.port)) as rude:
            rude.sendall(b"no handshake")
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        broker.acceptor.accept_waiting()
        assert not broker.router.peers
        broker.close()

    asyncio.run(accept())
    assert "it cannot be accepted" in caplog.text


def test_files_that_are_no_certificates_are_said(start: Start, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    status, said = start("--tls-cert", str(tmp_path / "no.pem")).end()
    assert status == 1
    assert "TLS" in said
    assert said.count("\n") == 1
    assert "it takes a certificate and its own private key, in PEM" in said
    status, said = start("--tls-cert", str(tmp_path / "gone.pem")).end()
    assert status == 1
    assert "No such file or directory" in said


@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names")
def test_a_pipe_in_place_of_a_certificate_is_said_and_not_waited_for(
    start: Start, tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    status, said = start("--tls-cert", str(pipe)).end()
    assert status == 1
    assert f"{pipe} is no file" in said
    broker = begin(start, tmp_path, "--tls-cert", str(papers.broker))
    monkeypatch.setenv("DSMQ_TLS_CA", str(pipe))
    with pytest.raises(ConnectionFailedError, match="is no file"):
        broker.connect()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
def test_a_certificate_may_come_from_a_command(papers: Papers) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb") as pipe:
        pipe.write(papers.broker.read_bytes())
        pipe.close()
        certificate = Path(f"/proc/self/fd/{reading}")
        assert Security(certificate=certificate, key=papers.broker).tls() is not None


def test_a_node_floods_is_stalled_and_reconnects_over_tls(
    start: Start,
    tmp_path: Path,
    papers: Papers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = begin(start, tmp_path, "--tls-cert", str(papers.broker))
    monkeypatch.setenv("DSMQ_TLS_CA", str(papers.ca))
    node, got = Node("a", broker=("127.0.0.1", broker.port)), list[int]()
    node.create_subscription(String, "large", lambda m: got.append(len(m.data)), 100)
    publisher = node.create_publisher(String, "large", 10)

    def publish(size: int) -> bool:
        publisher.publish(String(data="x" * size))
        return True

    with spinning(node):
        until(lambda: publish(300_000) and len(got) > 20)
        broker.process.send_signal(signal.SIGSTOP)
        until(lambda: publish(300_000) and publisher.dropped > 100)
        broker.process.send_signal(signal.SIGCONT)
        until(lambda: publish(3) and got[-1] == 3)
        broker.end(signal.SIGKILL)
        until(lambda: "lost the broker" in caplog.text)
        environment = {"XDG_RUNTIME_DIR": str(tmp_path / "broker run")}
        start("--tls-cert", str(papers.broker), "--port", str(broker.port), **environment)
        until(lambda: "the broker is back" in caplog.text)
        until(lambda: publish(4) and got[-1] == 4)
    assert set(got) == {300_000, 3, 4}
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("given", [Security(key=Path("a.pem")), Security(client_ca=Path("a.pem"))])
def test_what_needs_a_certificate_is_refused_without_one(given: Security) -> None:
    """Such a broker would take everybody in, and neither encrypt nor ask for a token."""
    with pytest.raises(InsecureError, match=r"needs the broker's own certificate \(--tls-cert"):
        given.tls()
