"""Tests whether packets reach a router, before a working link is ended for them.

The request is the first packet of a connection that is never made. A router answers it with a
cookie, and keeps no state for it. A firewall that blocks UDP thus causes no outage.
"""

import asyncio
import os
import socket
from typing import Final

from dsmq_nodes.gateways.uplink.over_udp import resent_stream
from dsmq_nodes.gateways.uplink.over_udp.packet_socket import Packets, PacketSocket, packet_socket
from dsmq_nodes.gateways.uplink.over_udp.resent_stream import ResentStream

_ANSWER_SEC: Final = 3.0  # in this time the request is sent about ten times


async def is_answered(host: str, port: int) -> bool:
    """Return whether a router answers at an address."""
    try:
        made = await packet_socket(host, port, is_ours=False)
    except OSError:
        return False
    question = _Question(made)
    try:
        return await asyncio.wait_for(question.ask(), _ANSWER_SEC)
    except TimeoutError:
        return False
    finally:
        question.packets.close()


class _Question:
    """A request that is repeated like a connection's first packet."""

    def __init__(self, made: socket.socket) -> None:
        self._stream = ResentStream(os.urandom(resent_stream.CONNECTION_BYTES), is_dialled=True)
        self._answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.packets = PacketSocket(made, self._receive, lambda _: self._settle(is_answered=False))

    async def ask(self) -> bool:
        loop = asyncio.get_running_loop()
        while not self._answer.done():
            for packet in self._stream.packets(loop.time()):
                self.packets.send(packet)
            due_sec = self._stream.due_sec() or loop.time()
            await asyncio.wait([self._answer], timeout=max(0.0, due_sec - loop.time()))
        return self._answer.result()

    def _receive(self, packets: Packets) -> None:
        if any(self._is_cookie(packet) for packet, _ in packets):
            self._settle(is_answered=True)

    def _is_cookie(self, packet: bytes) -> bool:
        try:
            found = resent_stream.header_of(packet)
        except ValueError:
            return False
        return found == (self._stream.connection, resent_stream.COOKIE)

    def _settle(self, *, is_answered: bool) -> None:
        if not self._answer.done():
            self._answer.set_result(is_answered)
