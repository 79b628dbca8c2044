"""Connections over TCP notice that the other machine is gone."""

import socket
import sys

import pytest

from dsmq_nodes.dsmq import address
from dsmq_nodes.dsmq.listener import Security, tcp_listener

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")


def test_both_ends_probe_a_silent_peer_and_give_up_what_is_never_acknowledged() -> None:
    listener = tcp_listener("127.0.0.1", 0, Security())
    with (
        address.connect("127.0.0.1", listener.sock.getsockname()[1]) as client,
        listener.sock,
    ):
        accepted = None
        while accepted is None:
            accepted = listener.accept()
        with accepted[0] as server:
            for sock in (client, server):
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                idle, every, count, unacknowledged_ms = (
                    sock.getsockopt(socket.IPPROTO_TCP, name)
                    for name in (
                        socket.TCP_KEEPIDLE,
                        socket.TCP_KEEPINTVL,
                        socket.TCP_KEEPCNT,
                        socket.TCP_USER_TIMEOUT,
                    )
                )
                assert idle + every * count <= 12
                assert 30_000 < unacknowledged_ms <= 60_000, "who is stopped 30 s is not dropped"
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    listener.close()
