"""Removes what killed brokers have left in shared memory (directory.py). Imports little."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PLACE: Final = Path("/dev/shm")  # Linux's shared memory; each broker has a directory of its own
_LOCK: Final = "lock"  # the file that brokers of 0.2 have locked instead


def remove_leftovers() -> None:
    """Remove the directories of this user's dead brokers from shared memory.

    A living broker holds a lock on its directory. The kernel ends the lock with the broker, however
    that ends and however far it has come with making or removing the directory. Every user may
    write there: only real directories of this user are opened, and links are not followed.
    """
    found: list[Path] = []
    with contextlib.suppress(OSError):  # for example when no descriptor is left
        found += PLACE.glob(f"dsmq-{os.getuid()}-*")
    for directory in found:
        with contextlib.suppress(OSError), _opened(directory, os.O_DIRECTORY) as inside:
            if os.fstat(inside).st_uid == os.getuid():
                fcntl.flock(inside, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _check_older(inside)
                _empty(inside)
                directory.rmdir()


def _check_older(inside: int) -> None:
    """Raise an OSError if the directory is that of a living broker of 0.2."""
    with contextlib.suppress(FileNotFoundError), _opened(_LOCK, os.O_RDWR, inside) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove(directory: Path) -> None:
    """Remove a directory that we have made."""
    with contextlib.suppress(OSError), _opened(directory, os.O_DIRECTORY) as inside:
        _empty(inside)
        directory.rmdir()


def _empty(inside: int) -> None:
    for name in os.listdir(inside):
        with contextlib.suppress(OSError):
            try:
                os.unlink(name, dir_fd=inside)
            except IsADirectoryError:  # another program has put it in a ring's place
                with _opened(name, os.O_DIRECTORY, inside) as deeper:
                    _empty(deeper)
                os.rmdir(name, dir_fd=inside)


@contextlib.contextmanager
def _opened(path: Path | str, flags: int, inside: int | None = None) -> Iterator[int]:
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
    try:
        yield file
    finally:
        os.close(file)
