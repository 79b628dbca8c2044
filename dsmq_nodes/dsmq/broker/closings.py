"""Logs why connections are ended."""

import logging
from typing import Final

logger = logging.getLogger("dsmq.broker")

_MOST_LOGGED: Final = 20  # a second


class Closings:
    """Logs each closing in one line; more of one machine, and too many in a second, are counted."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()  # in this second
        self._more = 0

    def note(self, who: str, reason: str) -> None:
        """Log why a connection is ended."""
        logged = who.rpartition(":")[0] or who, reason  # a client that tries again has another port
        if logged in self._logged or len(self._logged) == _MOST_LOGGED:
            self._more += 1
        else:
            self._logged.add(logged)
            # Without a codec: Python imports it late, which fails when descriptors are used up.
            logger.warning("closing %s: %.300s", who, ascii(reason)[1:-1])

    def end_second(self) -> None:
        """Log how many more there were in this second, and begin to count again."""
        if self._more:
            logger.warning("closed %d more connections in the same second", self._more)
        self._logged.clear()
        self._more = 0
