"""Accepts the gateway's connections, and closes the least important one when there are too many.

Anyone who reaches a port can open connections and send nothing, or request a page at a byte a
minute. aiohttp keeps all of them, until there is no descriptor left for users who need to see the
robot or press STOP. The number of connections over all ports is therefore limited. A new connection
replaces one without any request, or else the one with the oldest last request. Websockets have a
separate limit (server.py). Among those without a request, one of the host that has most of them
gives way: a flood from one host ends no connection of another that still shakes hands.
"""

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.broker.listener import Listener

logger = logging.getLogger("dsmq_nodes.web")

_MOST: Final = 256
_BACKLOG: Final = 128
_AT_ONCE: Final = 16  # accepted before clients are served again
_HANDSHAKE_SEC: Final = 5.0


class Connections:
    """The connections of one gateway, except its websockets."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Prepare; `tls` is used at each port."""
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._most = min(_MOST, descriptors.raise_limit() // 2)
        self._listeners: list[Listener] = []
        self._open: dict[asyncio.Protocol, _Arrival] = {}  # the oldest last request first

    async def listen(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> int:
        """Accept at `host`:`port` (0 for any free port), and return the port.

        Raises:
            OSError: the port is taken, or not permitted.
        """
        try:
            bound = await self._loop.create_server(make, host, port, start_serving=False)
        except OSError as error:
            if error.errno is None:  # Python 3.13 and newer: this machine has none of the addresses
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)) from None
            raise
        found: int = bound.sockets[0].getsockname()[1]
        for each in bound.sockets:
            listener = Listener(each.dup())
            listener.sock.listen(_BACKLOG)
            listener.sock.setblocking(False)
            self._loop.add_reader(listener.sock, self._accept, listener, make)
            self._listeners.append(listener)
        bound.close()
        return found

    def asked(self, protocol: asyncio.Protocol) -> None:
        """Note that a connection has sent a complete request."""
        known = self._open.pop(protocol, None)
        if known is not None:
            known.has_asked = True
            self._open[protocol] = known

    def keep(self, protocol: asyncio.Protocol) -> None:
        """Exclude a connection that has become a websocket."""
        self._open.pop(protocol, None)

    def close(self) -> None:
        """Stop listening."""
        for listener in self._listeners:
            self._loop.remove_reader(listener.sock)
            listener.close()
        self._listeners.clear()
        for each in self._open.values():
            each.begin.cancel()

    def _accept(self, listener: Listener, make: Callable[[], asyncio.Protocol]) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted = listener.accept()
            except OSError as error:
                # The descriptor is free in a moment, and this is called again.
                self._forget_ended()
                if descriptors.is_full(error) and not self._end_one():
                    listener.refuse_one()
                return
            if accepted is None:
                return
            if len(self._open) >= self._most and not self._forget_ended():
                self._end_one()
            protocol = make()
            sock, address = accepted
            begin = self._loop.create_task(self._begin(protocol, sock))
            begin.add_done_callback(partial(_close_unless_begun, sock))
            self._open[protocol] = _Arrival(begin, address.rpartition(":")[0])

    async def _begin(self, protocol: asyncio.Protocol, sock: socket.socket) -> None:
        patience_sec = None if self._tls is None else _HANDSHAKE_SEC
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, sock, ssl=self._tls, ssl_handshake_timeout=patience_sec
            )
        except OSError:  # the peer is gone, or does not use TLS
            self._open.pop(protocol, None)
        else:
            if protocol in self._open:
                self._open[protocol].transport = transport

    def _forget_ended(self) -> bool:
        """Remove ended connections; return whether there were any."""
        ended = [each for each, known in self._open.items() if known.is_over]
        for protocol in ended:
            del self._open[protocol]
        return bool(ended)

    def _end_one(self) -> bool:
        """End a connection; return whether there was one."""
        if not self._open:
            return False
        silent = {each: known.host for each, known in self._open.items() if not known.has_asked}
        hosts = Counter(silent.values())
        oldest = next(iter(self._open))
        protocol = max(silent, key=lambda each: hosts[silent[each]], default=oldest)
        self._open.pop(protocol).end()
        logger.warning(
            "there are over %d connections: ended one without a request, or with the oldest one",
            self._most,
        )
        return True


def _close_unless_begun(sock: socket.socket, begin: "asyncio.Task[None]") -> None:
    if begin.cancelled():
        sock.close()


class _Arrival:
    """One connection; it has a transport after the TLS handshake."""

    def __init__(self, begin: "asyncio.Task[None]", host: str) -> None:
        self.begin, self.host = begin, host
        self.transport: asyncio.BaseTransport | None = None
        self.has_asked = False

    @property
    def is_over(self) -> bool:
        return self.transport is not None and self.transport.is_closing()

    def end(self) -> None:
        self.begin.cancel()
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
