"""Disk space that is set aside beside a store's file, and freed when the disk is full.

SQLite needs that room to fold its WAL into the database. Until the disk has room again the database
uses its free pages and does not grow.
"""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_PAGES: Final = 0xFFFFFFFE  # SQLite's own limit


class DiskReserve:
    """A file that reserves disk space.

    Attributes:
        size_bytes: its greatest size: a quarter of the space that was free, up to 64 MiB.
    """

    def __init__(self, store: Path) -> None:
        """Make the reserve beside the file of a store.

        Raises:
            OSError: the directory does not exist.
        """
        self._path = Path(f"{store}-reserve")
        self.size_bytes = min(_MOST_BYTES, self._free_bytes() // 4)
        self._grows = True  # whether the database may grow

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def allocate(self) -> None:
        """Allocate the space, or half of the free space if that is less."""
        self.free()  # another program may have put a link or a pipe there
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        try:
            size = min(self.size_bytes, self._free_bytes() // 2)
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, max(size, 1))
            finally:
                os.close(descriptor)
        except (OSError, AttributeError):  # no room, it fails, or there is no such call
            self.free()

    def free(self) -> None:
        """Free the space."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def make_room(self, database: sqlite3.Connection) -> int:
        """Stop the database from growing, and free its WAL, since the disk is full.

        Returns:
            The size of the database, in bytes.
        """
        self.free()
        fold_wal(database)
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
        self._grows = False
        self.allocate()
        return int(pages * database.execute("PRAGMA page_size").fetchone()[0])

    def grow_again(self, database: sqlite3.Connection) -> bool:
        """Let the database grow again, once the disk has room for twice the reserve."""
        if self._grows or self._free_bytes() <= 2 * self.size_bytes:
            return False
        database.execute(f"PRAGMA max_page_count = {_MOST_PAGES}")
        self._grows = True
        self.allocate()
        return True


def fold_wal(database: sqlite3.Connection) -> None:
    """Move SQLite's WAL into the database."""
    with contextlib.suppress(sqlite3.DatabaseError):
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
