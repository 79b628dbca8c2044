"""What brokers that were killed have left in shared memory (shared_memory.py). Imports little."""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

PLACE: Final = Path("/dev/shm")  # Linux's shared memory; each broker has a directory of its own
LOCK: Final = "lock"  # the file in it that is locked while the broker lives


def remove_leftovers() -> None:
    """Remove what brokers of this user that are dead have left in shared memory."""
    for directory in PLACE.glob(f"dsmq-{os.getuid()}-*"):
        try:
            lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # it is just being made or removed
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(directory)
        os.close(lock)


def remove(directory: Path) -> None:
    """Remove a directory, its lock last: whoever is killed in between leaves a leftover."""
    for path in directory.iterdir():
        if path.name != LOCK:
            path.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)
