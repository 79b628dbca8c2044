"""Ends connections that have not sent the rest of a frame, or their hello, in time."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from dsmq_nodes.dsmq.broker.peer_connection import Connection

_SWEEP_SEC: Final = 0.25


class AwaitedFrames:
    """Checks such connections, at intervals while there are any."""

    def __init__(self, close: Callable[[Connection, str], None]) -> None:
        """Use the event loop that is running; `close` ends a connection, for a reason."""
        self._loop = asyncio.get_running_loop()
        self._close = close
        self._connections: set[Connection] = set()
        self._swept_sec = 0.0

    def add(self, connection: Connection) -> None:
        """Check a connection until its frame is complete."""
        if not self._connections:
            self._swept_sec = time.monotonic()
            self._loop.call_later(_SWEEP_SEC, self._sweep)
        self._connections.add(connection)

    def discard(self, connection: Connection) -> None:
        """Stop checking a connection that has ended."""
        self._connections.discard(connection)

    def is_coming(self, now: float) -> bool:
        """Whether the rest of a frame may still come from a trusted peer."""
        return any(each.peer.trusted and each.overdue(now) is False for each in self._connections)

    def _sweep(self) -> None:
        now = time.monotonic()
        # the broker was stopped, suspended, or without a CPU
        stood_still_sec = now - self._swept_sec - _SWEEP_SEC
        self._swept_sec = now
        for connection in list(self._connections):
            connection.wait_longer(stood_still_sec)
            overdue = connection.overdue(now)
            if overdue:
                self._close(
                    connection, "it began a frame, or has sent no hello, and did not continue"
                )
            if overdue is not False:
                self._connections.discard(connection)
        if self._connections:
            self._loop.call_later(_SWEEP_SEC, self._sweep)
