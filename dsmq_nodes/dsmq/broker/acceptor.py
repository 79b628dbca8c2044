"""Accepts connections on a broker's listening sockets: TCP, and a Unix socket beside it."""

import asyncio
import contextlib
import select
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.address import unix_path
from dsmq_nodes.dsmq.broker.closings import Closings
from dsmq_nodes.dsmq.broker.listener import Listener, Security, tcp_listener, unix_listener

if TYPE_CHECKING:
    from pathlib import Path

AddConnection = Callable[[Listener, socket.socket, str], None]

# A connection takes 0.2 ms, with TLS 1 ms, and 1,024 may wait: all other peers would wait for them.
_MOST_A_TURN: Final = 8


class Acceptor:
    """The listening sockets of one broker.

    Attributes:
        host: the host of the TCP listener.
        port: the port of the TCP listener.
        arrivals: returns the listeners on which a connection waits; `arrivals(0)` returns at once.
        unix_path: the path of the Unix socket; None: there is none.
    """

    def __init__(
        self, add_connection: AddConnection, make_room: Callable[[str], bool], closings: Closings
    ) -> None:
        """Accept with the event loop that is running.

        Args:
            add_connection: called with each connection: its listener, its socket, its address.
            make_room: ends a connection that may be ended, with this reason as the log's; returns
                whether there was one.
            closings: logs connections that cannot be accepted.
        """
        self._add_connection, self._make_room, self._closings = add_connection, make_room, closings
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Listener] = []
        self._accepted: Counter[Listener] = Counter()  # in this turn of the loop
        self._polled = select.poll() if hasattr(select, "poll") else None  # not on Windows
        # Called for every chunk that is read: one poll costs 1/18 of two accepts that find nothing.
        self.arrivals: Callable[[int], Sequence[object]] = (
            self._polled.poll if self._polled is not None else lambda _: self._listeners
        )
        self.host = ""
        self.port = 0
        self.unix_path: Path | None = None

    def listen(self, host: str, port: int, security: Security) -> None:
        """Bind TCP `host`:`port` (port 0: any free one) and the Unix socket beside it.

        Raises:
            AddressInUseError: another process listens there already.
            InsecureError: every machine could connect without a token.
        """
        self._listeners.append(tcp_listener(host, port, security))
        self.host, self.port = self._listeners[0].sock.getsockname()[:2]
        listener = unix_listener(path := unix_path(self.host, self.port))
        if listener is not None:
            self.unix_path = path
            self._listeners.append(listener)
        for each in self._listeners:
            self._loop.add_reader(each.sock, self.accept_waiting)
            if self._polled is not None:
                self._polled.register(each.sock, select.POLLIN)

    def accept_waiting(self) -> None:
        """Accept the waiting connections; each is a peer from this moment on.

        A flood of them costs no other peer its turn: those beyond the first ones are accepted in
        the loop's next turn, however often this is called meanwhile.
        """
        for listener in self._listeners:
            try:
                while self._accepted[listener] < _MOST_A_TURN:
                    if (accepted := self._accept(listener)) is None:
                        break
                    if not self._accepted.total():
                        self._loop.call_soon(self._accepted.clear)
                    self._accepted[listener] += 1
                    self._add_connection(listener, *accepted)
            except OSError as error:
                if descriptors.is_full(error):
                    listener.refuse_one()
                reason = f"it cannot be accepted: {error}"
                self._closings.note("a new connection", reason)

    def _accept(self, listener: Listener) -> tuple[socket.socket, str] | None:
        try:
            return listener.accept()
        except OSError as error:
            if descriptors.is_full(error) and self._make_room(descriptors.no_more(error)):
                return listener.accept()
            raise

    def close(self) -> None:
        """Stop listening."""
        for listener in self._listeners:
            self._loop.remove_reader(listener.sock)
            if self._polled is not None:
                with contextlib.suppress(KeyError):  # it could not listen to the end
                    self._polled.unregister(listener.sock)
            listener.close()
        self._listeners.clear()
        if self.unix_path is not None:
            self.unix_path.unlink(missing_ok=True)
            self.unix_path = None
