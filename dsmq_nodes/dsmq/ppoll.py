"""`poll()` with nanoseconds, of Linux: Python's own counts milliseconds."""

import ctypes
import functools
import struct
from typing import Any, Final

_POLLFD: Final = struct.Struct("ihh")  # int fd; short events, revents


def ppoll(events: list[tuple[int, int]], timeout_sec: float | None) -> set[int]:
    """Wait for one of these; returns those that are ready. A signal ends it early."""
    asked = b"".join(_POLLFD.pack(number, event, 0) for number, event in events)
    fds = ctypes.create_string_buffer(asked, len(asked))
    timeout = None
    if timeout_sec is not None:
        sec, fraction = divmod(max(timeout_sec, 0.0), 1.0)
        timeout = (ctypes.c_long * 2)(int(sec), int(fraction * 1e9))
    _libc().ppoll(fds, ctypes.c_ulong(len(events)), timeout, None)
    return {number for number, _, told in _POLLFD.iter_unpack(fds.raw) if told}


@functools.cache  # each opening costs more than the call
def _libc() -> Any:
    return ctypes.CDLL(None)
