"""File descriptors: how many a process may have, and waiting for one whatever its number.

`select()` takes no descriptor above 1,023, so nothing in the package waits with it alone if the
system has another way: `poll()`, which rounds the time up to a whole millisecond.
"""

import contextlib
import errno
import math
import os
import select
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol, TypeGuard

if sys.platform != "win32":
    import resource

_LONGEST_SEC: Final = 1e6  # poll() counts milliseconds in 31 bits
_SELECTS: Final = 1024  # FD_SETSIZE
_MOST: Final = 1 << 20  # programs that close all descriptors one by one still end in time
_WITHOUT_LIMITS: Final = 512  # Windows, whose select() takes that many sockets
SCARCE: Final = "few file descriptors are left (`ulimit -Hn`): more topics go through the broker"
_FULL: Final = (errno.EMFILE, errno.ENFILE)
# A socket that can do nothing now raises one of these; TLS has errors of its own for it.
NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class HasFileno(Protocol):
    """An object that `select` and `poll` can wait for."""

    def fileno(self) -> int:
        """Return the descriptor's number."""


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard limit; return the new limit.

    The soft limit is 1,024 almost everywhere, for the sake of programs that use `select()`. Brokers
    and nodes do not use it alone, and a graph of some hundred topics needs more descriptors.
    Programs that a node starts inherit the raised limit; it matters only to one that opens more
    than 1,023 files.
    """
    if sys.platform == "win32":
        return _WITHOUT_LIMITS
    with contextlib.suppress(ValueError, OSError):  # macOS has a lower limit
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return _limit()


def _limit() -> int:
    if sys.platform == "win32":
        return _WITHOUT_LIMITS
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST if soft == resource.RLIM_INFINITY else soft


def is_scarce() -> bool:
    """Whether three quarters of the allowed descriptors are open: then optional uses stop."""
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return True
    os.close(lowest)
    return lowest >= _limit() * 3 // 4


def check_available(count: int) -> None:
    """Check that `count` descriptors are left, before work that needs them all at once.

    Raises:
        OSError: fewer are left.
    """
    with contextlib.ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(Path(os.devnull).open("rb", buffering=0))


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Whether an error says that no descriptor is left."""
    return isinstance(error, OSError) and error.errno in _FULL


def no_more(error: OSError, who: str = "") -> str:
    """Return the text for an error that `is_full` accepts; `who`: for several processes."""
    if error.errno == errno.ENFILE:
        return "the whole system has no file descriptor left: end what holds them (lsof)"
    has = f"{who} has all the files" if who else f"this process has all the {_limit():,} files"
    return (
        f"{has} open that it may have: raise the limit (`ulimit -Hn`, LimitNOFILE= in systemd), or "
        "open less"
    )


def ready(
    reading: Sequence[HasFileno | int],
    writing: Sequence[HasFileno | int] = (),
    timeout_sec: float | None = None,
) -> set[int]:
    """Wait for one of these; return the descriptors that are readable, writable or closed.

    A timeout beyond the system's limits, infinity too, ends after some days without a result.

    Raises:
        ValueError: one of them is closed.
    """
    if timeout_sec is not None:
        timeout_sec = min(timeout_sec, _LONGEST_SEC)
    read, write = [[*map(_number, each)] for each in (reading, writing)]
    if not hasattr(select, "poll") or max(*read, *write, 0) < _SELECTS:
        readable, writable, _ = select.select(read, write, [], timeout_sec)
        return {*readable, *writable}
    poll = select.poll()
    for number in {*read, *write}:
        events = select.POLLIN if number in read else 0
        poll.register(number, events | (select.POLLOUT if number in write else 0))
    timeout_ms = None if timeout_sec is None else max(math.ceil(timeout_sec * 1000), 0)
    return {number for number, _ in poll.poll(timeout_ms)}


def room_to_send(sock: socket.socket) -> "select.poll | None":
    """Return a `poll` that says whether a socket has few unsent bytes; None: do not ask.

    It is for connections to other machines. Linux adds to the last packet, up to 64 KiB, even when
    it would not begin another one.
    """
    if not hasattr(socket, "TCP_NOTSENT_LOWAT") or sock.family == socket.AF_UNIX:
        return None
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return poll


def _number(what: HasFileno | int) -> int:
    number = what if isinstance(what, int) else what.fileno()
    if number < 0:
        raise ValueError("one of the descriptors to wait for is closed")
    return number
