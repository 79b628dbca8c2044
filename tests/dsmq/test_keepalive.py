"""Connections over TCP notice that the other machine is gone, and who is stopped is not gone."""

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from dsmq_nodes.dsmq import address, keepalive
from dsmq_nodes.dsmq.listener import Security, tcp_listener
from tests.dsmq.conftest import DEADLINE_SEC

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")


@contextlib.contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The broker's end of a connection, and the client's."""
    listener = tcp_listener("127.0.0.1", 0, Security())
    with address.connect("127.0.0.1", listener.sock.getsockname()[1]) as client:
        select.select([listener.sock], [], [], DEADLINE_SEC)
        accepted = listener.accept()
        assert accepted is not None
        with accepted[0] as server:
            yield server, client
    listener.close()


def test_both_ends_probe_and_the_client_gives_up_what_is_never_acknowledged() -> None:
    with connected() as ends:
        for sock in ends:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, every, count = (
                sock.getsockopt(socket.IPPROTO_TCP, name)
                for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + every * count == keepalive.SILENT_SEC == 11
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        given_up_ms = [
            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for sock in ends
        ]
        assert given_up_ms == [0, 11_000], "a broker waits for who is stopped"


def last_acknowledged_ms(sock: socket.socket) -> int:
    return int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 60)[56:], "little")


def test_who_does_not_read_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepalive, "SILENT_SEC", 0.2)
    with connected() as (server, _):
        with contextlib.suppress(BlockingIOError):
            while server.send(b"x" * 65536):
                pass
        until = time.monotonic() + DEADLINE_SEC
        while last_acknowledged_ms(server) <= 250:
            assert time.monotonic() < until
        assert not keepalive.has_gone_silent(server)


@pytest.fixture
def cable() -> Iterator[tuple[str, str]]:
    """A network of its own behind a cable: its name, and our address on it."""
    name, ours = f"dsmq{os.getpid()}", f"10.213.{os.getpid() % 250}.1"
    theirs = f"{ours[:-1]}2"
    commands = [
        f"ip netns add {name}",
        f"ip link add {name[:12]}a type veth peer name {name[:12]}b netns {name}",
        f"ip addr add {ours}/24 dev {name[:12]}a",
        f"ip link set {name[:12]}a up",
        f"ip netns exec {name} ip addr add {theirs}/24 dev {name[:12]}b",
        f"ip netns exec {name} ip link set {name[:12]}b up",
    ]
    try:
        for command in commands:
            subprocess.run(command.split(), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        subprocess.run(["/bin/sh", "-c", f"ip netns del {name}"], check=False, capture_output=True)
        pytest.skip("this system does not let us lay a cable")
    yield name, ours
    subprocess.run(["ip", "netns", "del", name], check=True)


def test_whose_cable_is_pulled_is_gone(
    cable: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive, "SILENT_SEC", 0.3)
    name, ours = cable
    talk = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)"
    with socket.create_server((ours, 0)) as server:
        port = server.getsockname()[1]
        command = ["ip", "netns", "exec", name, sys.executable, "-c"]
        command += [f"{talk}; s.recv(1); s.recv(1)", ours, str(port)]
        with subprocess.Popen(command) as client:
            sock, _ = server.accept()
            with sock:
                sock.send(b"1")
                assert not keepalive.has_gone_silent(sock)
                pull = f"ip netns exec {name} ip link set {name[:12]}b down"
                subprocess.run(pull.split(), check=True)
                sock.send(b"2")
                until = time.monotonic() + DEADLINE_SEC
                while not keepalive.has_gone_silent(sock):
                    assert time.monotonic() < until
            client.kill()
