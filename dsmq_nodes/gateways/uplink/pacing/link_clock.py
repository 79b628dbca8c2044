"""The clock of a link: a link that stands still is not slow. Does no I/O."""

from typing import Final

STILL_SEC: Final = 0.25  # a slow link accepts something within that time, down to 200 kbit/s


class LinkClock:
    """The clock of a link: it stands still while messages wait and the link accepts none.

    Attributes:
        patience_sec: how long it continues without an accepted message.
    """

    def __init__(self) -> None:
        self.patience_sec = STILL_SEC
        self._still_sec = 0.0
        self._moved_sec: float | None = None  # None: nothing waits

    def read(self, now_sec: float) -> float:
        """Return the link's time."""
        return now_sec - self._still_sec - self.stands_sec(now_sec)

    def stands_sec(self, now_sec: float) -> float:
        """Return for how long the link has been standing still."""
        if self._moved_sec is None:
            return 0.0
        return max(0.0, now_sec - self._moved_sec - self.patience_sec)

    def moved(self, now_sec: float, *, is_waiting: bool) -> None:
        """Note that the link has accepted a message, or that the first message begins to wait."""
        self._still_sec += self.stands_sec(now_sec)
        self._moved_sec = now_sec if is_waiting else None
