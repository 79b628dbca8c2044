"""A new file that can be truncated to the last good position."""

import contextlib
import errno
import os
import threading
from pathlib import Path
from typing import Final

from dsmq_nodes.errors import BagError

_CANNOT_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})


def _appending(path: str, flags: int) -> int:
    """Open a file whose writes go to its end, so that it stays short if others truncate it."""
    return os.open(path, flags | os.O_APPEND, 0o666)


class NewFile:
    """The output of MCAP's writer: every write is one system call, without a buffer.

    Attributes:
        grown: whether there were writes since `keep`.
        sync_error: why the disk did not take all that was written; None if it did.
    """

    def __init__(self, path: Path) -> None:
        """Make the file.

        Raises:
            BagError: a file of this name exists already, or the file cannot be created.
        """
        try:
            # Never "w": an existing file is a recording.
            self._raw = open(path, "xb", 0, opener=_appending)  # noqa: SIM115  closed by `close`
        except FileExistsError:
            raise BagError(
                f"{path} exists already and is not overwritten: name another file"
            ) from None
        except OSError as error:
            raise BagError(f"cannot write {path}: {error.strerror}") from None
        self.grown = False
        self.sync_error: OSError | None = None
        self._size_bytes = self._good_bytes = 0
        self._syncing: threading.Thread | None = None

    def write(self, data: bytes) -> int:
        """Append all of `data`.

        Raises:
            OSError: not all of it could be written.
        """
        remaining = memoryview(data)
        while remaining:
            # A full disk may accept a part, and then fails with the rest.
            taken = self._raw.write(remaining) or 0
            self._size_bytes += taken
            self.grown = True
            remaining = remaining[taken:]
        return len(data)

    def tell(self) -> int:
        """Return the size of the file."""
        return self._size_bytes

    @property
    def is_removed(self) -> bool:
        """Whether the file was deleted: its data is lost when it is closed."""
        return os.fstat(self._raw.fileno()).st_nlink == 0

    @property
    def is_cut(self) -> bool:
        """Whether another program has truncated the file."""
        return os.fstat(self._raw.fileno()).st_size < self._size_bytes

    def keep(self) -> None:
        """Mark the current size as good."""
        self._good_bytes = self._size_bytes
        self.grown = False

    def cut(self) -> None:
        """Truncate the file to its size at the last `keep`, and close it."""
        # Save as much as possible: the first error is reported. A closed file is a ValueError.
        with contextlib.suppress(OSError, ValueError):
            self._raw.truncate(self._good_bytes)
        self.close()

    def sync(self) -> bool:
        """Sync to the disk in another thread; return False if a sync is still running.

        Raises:
            OSError: an earlier sync failed.
        """
        if self._syncing is not None and self._syncing.is_alive():
            return False
        if self.sync_error:
            raise self.sync_error
        self._syncing = threading.Thread(target=self._sync, daemon=True)
        self._syncing.start()
        return True

    def _sync(self) -> None:
        try:
            os.fdatasync(self._raw.fileno())
        except OSError as error:
            # Some files cannot be synced (a pipe, some network file systems): that is no error.
            if error.errno not in _CANNOT_SYNC:
                self.sync_error = error

    def close(self) -> None:
        """Sync to the disk, and close; `sync_error` tells whether the disk took all."""
        if self._syncing is not None:
            self._syncing.join()
        if not self._raw.closed:
            self._sync()
            try:
                self._raw.close()
            except OSError as error:  # of a file system over a network
                self.sync_error = error
