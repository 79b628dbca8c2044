"""Peers on other machines that were gone for a while: one line in the log when they are back.

A connection that acknowledges nothing is kept for `SILENT_SEC` and then ended (keepalive.py). The
node behind it comes back in the same connection before that, and in a new one afterwards.
"""

import logging
from typing import Final

from dsmq_nodes.dsmq.broker.peer_connection import Connection
from dsmq_nodes.dsmq.keepalive import NOTED_SEC, SILENT_SEC

logger = logging.getLogger("dsmq.broker")

_MOST_REMEMBERED: Final = 1000


class Absences:
    """Who is gone, and since when."""

    def __init__(self) -> None:
        self._since_sec: dict[Connection, float] = {}
        self._gone: dict[str, float] = {}  # by name; their connections have been ended

    def has_gone(self, connection: Connection, now: float) -> bool:
        """Whether a connection has been silent for too long; to be asked at intervals."""
        silent_sec = connection.silent_sec()
        if silent_sec > SILENT_SEC:
            self._note_gone(connection.peer.name, now - silent_sec)
            return True
        if silent_sec > NOTED_SEC:
            self._since_sec.setdefault(connection, now - silent_sec)
        elif not silent_sec and connection in self._since_sec:
            _tell(connection.peer.name, now - self._since_sec.pop(connection))
        return False

    def ended(self, connection: Connection) -> None:
        """A connection has ended, for whatever reason."""
        if (since_sec := self._since_sec.pop(connection, None)) is not None:
            self._note_gone(connection.peer.name, since_sec)

    def greeted(self, name: str, now: float) -> None:
        """A peer has said hello."""
        if (since_sec := self._gone.pop(name, None)) is not None:
            _tell(name, now - since_sec)

    def _note_gone(self, name: str, since_sec: float) -> None:
        if name:
            self._gone[name] = since_sec
            if len(self._gone) > _MOST_REMEMBERED:
                self._gone.pop(next(iter(self._gone)))


def _tell(name: str, absent_sec: float) -> None:
    logger.warning("%s is heard again after %.1f s: its network was gone", name, absent_sec)
