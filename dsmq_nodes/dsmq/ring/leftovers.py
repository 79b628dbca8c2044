"""Removes what killed brokers have left in shared memory (directory.py). Imports little."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PLACE: Final = Path("/dev/shm")  # Linux's shared memory; each broker has a directory of its own
LOCK: Final = "lock"  # the file in it that is locked while the broker lives


def remove_leftovers() -> None:
    """Remove the directories of this user's dead brokers from shared memory.

    Every user may write there: only real directories of this user are opened, and links are not
    followed.
    """
    found: list[Path] = []
    with contextlib.suppress(OSError):  # for example when no descriptor is left
        found += PLACE.glob(f"dsmq-{os.getuid()}-*")
    for directory in found:
        with contextlib.suppress(OSError), _opened(directory, os.O_DIRECTORY) as inside:
            if os.fstat(inside).st_uid != os.getuid():
                continue
            # else the directory is being made or removed
            with _opened(LOCK, os.O_RDWR, inside) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(directory, inside)


def remove(directory: Path) -> None:
    """Remove a directory that we have made."""
    with contextlib.suppress(OSError), _opened(directory, os.O_DIRECTORY) as inside:
        _remove(directory, inside)


def _remove(directory: Path, inside: int) -> None:
    """Empty a directory, its lock last: if killed in between, it still counts as a leftover."""
    for name in sorted(os.listdir(inside), key=LOCK.__eq__):
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=inside)
    directory.rmdir()


@contextlib.contextmanager
def _opened(path: Path | str, flags: int, inside: int | None = None) -> Iterator[int]:
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
    try:
        yield file
    finally:
        os.close(file)
