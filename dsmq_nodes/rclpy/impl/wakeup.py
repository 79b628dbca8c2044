"""A flag that one thread waits for and any thread sets: cheaper than `threading.Event`."""

import contextlib
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
        """Wake the one that waits, or the next one that will."""
        if self._lock.locked():
            with contextlib.suppress(RuntimeError):  # another thread was first
                self._lock.release()

    def is_set(self) -> bool:
        """Whether it was set since."""
        return not self._lock.locked()

    def clear(self) -> None:
        """Forget that it was set."""
        self._lock.acquire(blocking=False)

    def wait(self, timeout_sec: float | None) -> bool:
        """Wait until it is set, at most `timeout_sec`; None waits for ever."""
        if timeout_sec is None:
            return self._lock.acquire()
        if timeout_sec <= 0:
            return self._lock.acquire(blocking=False)
        return self._lock.acquire(timeout=min(timeout_sec, _LONGEST_SEC))
