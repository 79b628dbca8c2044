"""Files that a user names: their place and their content, which may be a pipe or a device."""

import contextlib
import errno
import os
import pathlib
import select
import stat

from dsmq_nodes.errors import CommandError

MOST_BYTES = 1 << 20
_PATIENCE_SEC = 2.0  # for a program that is to write into a pipe


def bytes_of(path: pathlib.Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Read a file, or only as far as shows that it is larger than `most_bytes`.

    Raises:
        OSError: The file cannot be read.
        ValueError: No file can have this name.
    """
    if not is_endless(path) and path.stat().st_size <= most_bytes:
        return path.read_bytes()
    opener = _open_pipe if path.is_fifo() else None
    with open(path, "rb", opener=opener) as stream:  # Path.open has no opener
        return stream.read(most_bytes + 1)


def _open_pipe(path: str, flags: int) -> int:
    """Open a pipe, as of `launch <(command)`.

    Raises:
        OSError: No process writes into it: reading would wait forever.
    """
    pipe = os.open(path, flags | os.O_NONBLOCK)
    try:
        if not select.select([pipe], [], [], _PATIENCE_SEC)[0]:
            with contextlib.suppress(BlockingIOError):  # it has a writer, which takes time
                if not os.read(pipe, 1):
                    raise OSError(errno.EPIPE, "it is a pipe into which nobody writes")
        os.set_blocking(pipe, True)
    except BaseException:
        os.close(pipe)
        raise
    return pipe


def is_endless(path: pathlib.Path) -> bool:
    """Whether a path leads to something without a fixed size: a device, a pipe."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def working_directory() -> pathlib.Path:
    """Return the working directory.

    Raises:
        CommandError: The working directory is gone: change to another one.
    """
    try:
        return pathlib.Path.cwd()
    except OSError as error:
        raise CommandError(
            f"the working directory cannot be used ({error.strerror}): change to another one (cd)"
        ) from None


def resolved(path: pathlib.Path) -> pathlib.Path:
    """Return the absolute path; of one that leads nowhere, as much as can be resolved.

    Raises:
        CommandError: The path is relative, and the working directory is gone.
    """
    whole = working_directory() / path
    try:
        return whole.resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, half of a surrogate pair
        return whole
