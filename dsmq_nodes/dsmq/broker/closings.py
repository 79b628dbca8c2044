"""Why connections are ended, in the broker's log."""

import logging
from typing import Final

logger = logging.getLogger("dsmq.broker")

_MOST_LOGGED: Final = 20  # a second


class Closings:
    """Logs each closing in one line; beyond some a second they are counted."""

    def __init__(self) -> None:
        self._closings = 0  # in this second
        self._is_crowded = False  # in this second connections had to go for want of room

    def note(self, who: str, reason: str) -> None:
        """Log why a connection is ended."""
        self._closings += 1
        if self._closings <= _MOST_LOGGED:
            # Without a codec: Python imports it late, which fails when descriptors are used up.
            logger.warning("closing %s: %.300s", who, ascii(reason)[1:-1])

    def note_crowded(self, who: str, why: str) -> None:
        """Log that a connection gives way to another: one line for all of the same second."""
        if not self._is_crowded:
            self._is_crowded = True
            reason = f"it has asked for nothing yet, and another wants its place: {why}"
            self.note(who, reason)

    def end_second(self) -> None:
        """Log how many more there were, and begin to count again."""
        if self._closings > _MOST_LOGGED:
            more = self._closings - _MOST_LOGGED
            logger.warning("closed %d more connections in the same second", more)
        self._closings, self._is_crowded = 0, False
