"""Maps a ring's file into memory, without a file descriptor, and safe when the file is cut.

Python's `mmap` keeps a descriptor of its own for each file that it maps (until 3.13, which has
`trackfd=False`), so that a process would need two for each topic. Here `mmap` only reserves the
addresses, and the C library maps the file there.

Any process of the user may cut the file at any moment, and a process that then touches the missing
part gets a SIGBUS. The compiled part then replaces the whole mapping by memory of the process,
whose numbers say that the ring is damaged (speedups/cut.cpp). Without the compiled part the process
ends.
"""

import ctypes
import functools
import mmap
import os
import sys
import weakref
from typing import Any, Final

from typing_extensions import override

from dsmq_nodes.speedups import forget_cuts, outlive_cuts

_MAP_FIXED: Final = 0x10  # Linux's value on every machine
_MAP_NORESERVE: Final = 0x4000
_FAILED: Final = ctypes.c_void_p(-1).value


class _Mapping(mmap.mmap):
    """A mapped ring that outlives cuts of its file."""

    _forget: Any = None

    def outlive_cuts(self) -> None:
        """Register the mapping, once the file is mapped."""
        if outlive_cuts is not None and forget_cuts is not None:
            self._forget = weakref.finalize(self, forget_cuts, outlive_cuts(self))
            self._forget.atexit = False

    @override
    def close(self) -> None:
        super().close()
        if self._forget is not None:
            self._forget()


def mapped(file: int, size: int) -> mmap.mmap:
    """Map the first `size` bytes of a ring's file, for reading and writing.

    Raises:
        OSError: no range of addresses is left in the process.
        ValueError: the size is 0.
    """
    if sys.platform != "linux":
        return mmap.mmap(file, size)
    reserved = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
    memory = _Mapping(-1, size, flags=reserved)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    access = mmap.PROT_READ | mmap.PROT_WRITE
    if _map_at()(address, size, access, mmap.MAP_SHARED | _MAP_FIXED, file, 0) == _FAILED:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    memory.outlive_cuts()
    return memory


@functools.cache
def _map_at() -> Any:
    found = ctypes.CDLL(None, use_errno=True).mmap
    found.restype = ctypes.c_void_p
    numbers = ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
    found.argtypes = ctypes.c_void_p, *numbers
    return found
