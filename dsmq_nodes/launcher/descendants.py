"""The processes that descend from this one, found by the kernel or a mark in their environment."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import psutil

MARK: Final = "DSMQ_GUARD"
"""The environment variable of a launch's processes, with the keeper's pid and a number."""

_KILL_SEC: Final = 5.0
_BETWEEN_KILLS_SEC: Final = 0.2


def marked(mark: str) -> Iterator[psutil.Process]:
    """Yield the descendants of this process whose environment has a mark that starts with `mark`.

    Yields none while no descriptor is left to look with.
    """
    found: list[psutil.Process] = []
    with contextlib.suppress(OSError):
        found = descendants()
    for each in found:
        with contextlib.suppress(psutil.Error, OSError):
            if each.environ().get(MARK, "").startswith(mark):
                yield each


def end_descendants(
    which: Callable[[], Iterable[psutil.Process]], reap: Callable[[list[psutil.Process]], object]
) -> None:
    """Kill descendants of this process until none is left; `reap` waits for some."""
    until_sec = time.monotonic() + _KILL_SEC  # a process that hangs in the kernel is not waited for
    while time.monotonic() < until_sec:
        remaining: list[psutil.Process] = []
        with contextlib.suppress(OSError):  # those that end give descriptors back
            remaining = list(which())
            if not remaining:
                return
        for each in remaining:
            with contextlib.suppress(psutil.Error):
                each.kill()
        reap(remaining)


def reap(processes: list[psutil.Process]) -> None:
    """Wait a moment for killed processes to end."""
    psutil.wait_procs(processes, _BETWEEN_KILLS_SEC)


def descendants() -> list[psutil.Process]:
    """Return all descendants of this process.

    Raises:
        OSError: no descriptor is left to look with.
    """
    return psutil.Process().children(recursive=True)
