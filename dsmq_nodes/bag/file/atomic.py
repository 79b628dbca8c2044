"""The output of a conversion: it exists completely, or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from dsmq_nodes.errors import BagError

T = TypeVar("T")
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def file_name(path: str | Path, suffix: str) -> Path:
    """Return a file name with its suffix.

    Raises:
        BagError: the path is not a file name, such as ".".
    """
    named = Path(path)
    if named.name in {"", ".."}:
        raise BagError(f"{str(path)!r} is not a file name: give one, such as run{suffix}")
    return named if named.suffix == suffix else named.with_name(f"{named.name}{suffix}")


@contextlib.contextmanager
def removed_if_unfinished(path: Path, make: Callable[[], T]) -> Iterator[T]:
    """Make a file or a folder, and delete it if it is not finished.

    Args:
        path: the output.
        make: creates it; raises FileExistsError if it exists.

    Raises:
        BagError: the output exists already, or could not be written.
    """
    if os.path.lexists(path):
        raise _taken(path)
    is_ours = True
    try:
        try:  # inside the outer `try`: Ctrl-C may arrive right after `make`
            made = make()
        except FileExistsError:
            is_ours = False
            raise _taken(path) from None
        except BagError:  # `make` has deleted its own output
            is_ours = False
            raise
        yield made
    except OSError as error:
        remove(path)
        raise _cannot_write(path, error) from None
    except BaseException:
        if is_ours:
            remove(path)
        raise


def _taken(path: Path) -> BagError:
    return BagError(f"{path} exists already and is not overwritten: name another")


def remove(path: Path) -> None:
    """Delete a file or a folder."""
    with contextlib.suppress(OSError):  # the first error is the one to report
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> BagError:
    """Return the error for an output that could not be written."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    advice = "; no part of it is kept: free some space first" if error.errno in NO_ROOM else ""
    return BagError(f"cannot write {path}: {reason}{advice}")
