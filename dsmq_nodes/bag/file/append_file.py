"""A new file that can be cut back to where it was good."""

import contextlib
import os
import threading
from pathlib import Path

from dsmq_nodes.errors import BagError


class NewFile:
    """What MCAP's writer writes to: every write goes straight to the system.

    Attributes:
        grown: something was written since `keep`.
    """

    def __init__(self, path: Path) -> None:
        """Make the file.

        Raises:
            BagError: there is a file of this name already, or it cannot be made.
        """
        try:
            # Never "w": what is there already is somebody's recording.
            self._raw = path.open("xb", buffering=0)
        except FileExistsError:
            raise BagError(
                f"{path} is there already and is not overwritten: name another"
            ) from None
        except OSError as error:
            raise BagError(f"cannot write {path}: {error.strerror}") from None
        self.grown = False
        self._size_bytes = self._good_bytes = 0
        self._syncing: threading.Thread | None = None

    def write(self, data: bytes) -> int:
        """Append data, all of it.

        Raises:
            OSError: it did not fit, or not all of it.
        """
        left = memoryview(data)
        while left:
            # A system that is short of room may take a part, and fails with the rest.
            taken = self._raw.write(left) or 0
            self._size_bytes += taken
            self.grown = True
            left = left[taken:]
        return len(data)

    def tell(self) -> int:
        """The size of the file."""
        return self._size_bytes

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def keep(self) -> None:
        """What is there now is good."""
        self._good_bytes = self._size_bytes
        self.grown = False

    def cut(self) -> None:
        """Take away what came after `keep`, and end."""
        with contextlib.suppress(OSError):  # what can be saved is saved, the first error is told
            self._raw.truncate(self._good_bytes)
        self.close()

    def sync(self) -> None:
        """Ask the disk to take what there is, in another thread; not again while it is at it."""
        if self._syncing is None or not self._syncing.is_alive():
            self._syncing = threading.Thread(target=self._sync, daemon=True)
            self._syncing.start()

    def _sync(self) -> None:
        # A file system that cannot (a pipe, some network's) is not the recording's fault.
        with contextlib.suppress(OSError, ValueError):
            os.fdatasync(self._raw.fileno())

    def close(self) -> None:
        """End, when the disk has what there is."""
        if self._syncing is not None:
            self._syncing.join()
        if not self._raw.closed:
            self._sync()
            self._raw.close()
