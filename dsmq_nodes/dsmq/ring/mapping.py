"""Maps a file into memory at the cost of no file descriptor.

Python's `mmap` keeps a descriptor of its own for each file that it maps (until 3.13, which has
`trackfd=False`), so that a process would need two for each topic. Here it reserves the addresses
only, and the C library puts the file there.
"""

import ctypes
import functools
import mmap
import os
import sys
from typing import Any, Final

_MAP_FIXED: Final = 0x10  # Linux, whatever the machine
_MAP_NORESERVE: Final = 0x4000
_FAILED: Final = ctypes.c_void_p(-1).value


def mapped(file: int, size: int) -> mmap.mmap:
    """The first `size` bytes of a file, to be read and written.

    Raises:
        OSError: there is no room for it in the process's addresses.
        ValueError: the size is 0.
    """
    if sys.platform != "linux":
        return mmap.mmap(file, size)
    reserved = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
    memory = mmap.mmap(-1, size, flags=reserved)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    access = mmap.PROT_READ | mmap.PROT_WRITE
    if _map_at()(address, size, access, mmap.MAP_SHARED | _MAP_FIXED, file, 0) == _FAILED:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return memory


@functools.cache
def _map_at() -> Any:
    found = ctypes.CDLL(None, use_errno=True).mmap
    found.restype = ctypes.c_void_p
    numbers = ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
    found.argtypes = ctypes.c_void_p, *numbers
    return found
