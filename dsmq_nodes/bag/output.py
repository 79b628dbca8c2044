"""Where a conversion writes to: it is there whole, or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from dsmq_nodes.errors import BagError

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def file_name(path: str | Path, suffix: str) -> Path:
    """The name of a file, its suffix included.

    Raises:
        BagError: it is no name, as "." is none.
    """
    named = Path(path)
    if named.name in {"", ".."}:
        raise BagError(f"{str(path)!r} is no name for a file: name one, as run{suffix}")
    return named if named.suffix == suffix else named.with_name(f"{named.name}{suffix}")


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[None]:
    """Make a folder, which goes again with all in it when it is not finished.

    Raises:
        BagError: it is there already, or cannot be written.
    """
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        raise BagError(f"{path} is there already, and stays: name another folder") from None
    except OSError as error:
        raise cannot_write(path, error) from None
    with whole_or_gone(path):
        yield


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Make a file, which goes again when it is not finished.

    Raises:
        BagError: it is there already, or cannot be written.
    """
    try:
        stream = path.open("xb")
    except FileExistsError:
        raise BagError(f"{path} is there already, and stays: name another file") from None
    except OSError as error:
        raise cannot_write(path, error) from None
    with whole_or_gone(path), stream:
        yield stream


@contextlib.contextmanager
def whole_or_gone(path: Path) -> Iterator[None]:
    """Take away what was made at `path`, if it is not finished: half of it looks like all of it.

    Raises:
        BagError: the system could not write it.
    """
    try:
        yield
    except OSError as error:
        remove(path)
        raise cannot_write(path, error) from None
    except BaseException:  # Ctrl-C, too
        remove(path)
        raise


def remove(path: Path) -> None:
    """Take a file or a folder away."""
    with contextlib.suppress(OSError):  # the first error is told
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> BagError:
    """The error of an output that the system did not take."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    advice = "; nothing of it is kept: make room first" if error.errno in _NO_ROOM else ""
    return BagError(f"cannot write {path}: {reason}{advice}")
