"""Connections over TCP notice that the other machine is gone, and who is stopped is not gone."""

import contextlib
import select
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from dsmq_nodes.dsmq import address, keepalive
from dsmq_nodes.dsmq.broker.listener import Security, tcp_listener
from tests.support.network import Network, network
from tests.support.waiting import PATIENCE_SEC

__all__ = ["network"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")


@contextlib.contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The broker's end of a connection, and the client's."""
    listener = tcp_listener("127.0.0.1", 0, Security())
    with address.connect("127.0.0.1", listener.sock.getsockname()[1]) as client:
        select.select([listener.sock], [], [], PATIENCE_SEC)
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


def test_what_an_outage_held_up_is_sent_again_within_a_second() -> None:
    with socket.socket() as usual, connected() as ends:
        try:
            usual.getsockopt(socket.IPPROTO_TCP, keepalive.TCP_RTO_MAX_MS)
        except OSError:
            pytest.skip("the kernel is older than Linux 6.15")
        for sock in ends:
            assert sock.getsockopt(socket.IPPROTO_TCP, keepalive.TCP_RTO_MAX_MS) == 1000


def last_acknowledged_ms(sock: socket.socket) -> int:
    return int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 60)[56:], "little")


@pytest.mark.slow
def test_who_does_not_read_is_not_gone() -> None:
    with connected() as (server, _):
        with contextlib.suppress(BlockingIOError):
            while server.send(b"x" * 65536):
                pass
        until = time.monotonic() + PATIENCE_SEC
        while last_acknowledged_ms(server) <= 250:
            assert time.monotonic() < until
        assert not keepalive.silent_sec(server)


def test_whose_cable_is_pulled_is_gone(network: Network) -> None:
    base, robot = network.host(), network.host()
    with base.entered():
        server = socket.create_server((base.address, 0))
    with server, robot.entered(), socket.create_connection(server.getsockname(), PATIENCE_SEC):
        sock, _ = server.accept()
        with sock:
            sock.send(b"1")
            assert not keepalive.silent_sec(sock)
            robot.lose(100)
            sock.send(b"2")
            until = time.monotonic() + PATIENCE_SEC
            while keepalive.silent_sec(sock) < 0.3:
                assert time.monotonic() < until
