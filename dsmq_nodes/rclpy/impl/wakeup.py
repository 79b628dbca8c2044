"""A flag that one thread waits for and any thread sets: cheaper than `threading.Event`."""

import threading
from typing import Final

_LONGEST_SEC: Final = threading.TIMEOUT_MAX


class Wakeup:
    """A flag: `wait` returns when it is set, and clears it."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the waiting thread, or the next one that waits."""
        if self._lock.locked():
            try:  # noqa: SIM105  four calls fewer, at each message
                self._lock.release()
            except RuntimeError:  # another thread was first
                pass

    def is_set(self) -> bool:
        """Whether the flag was set since the last wait."""
        return not self._lock.locked()

    def clear(self) -> None:
        """Clear the flag."""
        self._lock.acquire(blocking=False)

    def wait(self, timeout_sec: float | None) -> bool:
        """Wait until the flag is set, at most `timeout_sec`; None waits for ever."""
        if timeout_sec is None:
            return self._lock.acquire()
        if timeout_sec <= 0:
            return self._lock.acquire(blocking=False)
        return self._lock.acquire(timeout=min(timeout_sec, _LONGEST_SEC))
