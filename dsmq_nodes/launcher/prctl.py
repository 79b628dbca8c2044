"""prctl(2): requests of a process to the Linux kernel. On other systems nothing happens.

Imports little: each process of a launch may need it.
"""

import ctypes
import mmap
import os
import signal
import struct
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

_PDEATHSIG: Final = 1
_SET_NAME: Final = 15
_SET_MM: Final = 35
_SET_MM_MAP: Final = 14
_CHILD_SUBREAPER: Final = 36
# struct prctl_mm_map: addresses, then the auxiliary vector and the executable, both to be kept. The
# layouts of a 64-bit and a 32-bit kernel; each kernel refuses the other's.
_MM_MAPS: Final = (struct.Struct("=12QIi"), struct.Struct("@11QPIi0Q"))
_KEEP_VECTOR: Final = (0, 0)
_KEEP_EXECUTABLE: Final = -1
# Fields of /proc/self/stat after the name, in the order of proc(5), from the third on.
_CODE: Final = (26, 27)
_DATA: Final = (45, 46, 47)
_STACK: Final = 28

_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
if _libc is not None:
    _libc.sbrk.restype = ctypes.c_void_p
_shown: list[mmap.mmap] = []
"""The memory that /proc/self/cmdline and environ are read from."""


def become_subreaper(*, on: bool = True) -> None:
    """Make orphaned descendants children of this process."""
    if _libc is not None:
        _libc.prctl(_CHILD_SUBREAPER, int(on), 0, 0, 0)


def signal_when_parent_ends(number: signal.Signals, parent_pid: int) -> None:
    """Let the kernel send a signal when the parent ends; exit if it has ended already."""
    if _libc is not None:
        _libc.prctl(_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent_pid:  # it was gone before
            os._exit(1)


def show_as(argv: Iterable[str], env: Mapping[str, str]) -> None:
    """Make `ps` and /proc/self show a command line and an environment, as after execve(2).

    Raises:
        OSError: the kernel cannot do that (CONFIG_CHECKPOINT_RESTORE is not set).
    """
    if _libc is None:
        raise OSError("only Linux shows a process under another command line")
    words = b"".join(os.fsencode(word) + b"\0" for word in argv)
    variables = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in env.items())
    # Private: the kernel does not show shared memory as a command line.
    memory = mmap.mmap(-1, len(words + variables), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.write(words + variables)
    at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    between, end = at + len(words), at + len(words + variables)
    *areas, stack = _areas()
    shown = (at, between, between, end, *_KEEP_VECTOR, _KEEP_EXECUTABLE)
    for kind in _MM_MAPS:
        layout = kind.pack(*areas, _libc.sbrk(0), stack, *shown)
        if not _libc.prctl(_SET_MM, _SET_MM_MAP, layout, len(layout), 0):
            break
    else:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_MM_MAP)")
    _shown[:] = [memory]


@cache
def _areas() -> tuple[int, ...]:
    """Return where this process has its code, data and stack; they are the same in a fork."""
    fields = Path("/proc/self/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return tuple(int(fields[number - 3]) for number in (*_CODE, *_DATA, _STACK))


def set_name(name: str) -> None:
    """Set the name of this process that `ps -o comm` and /proc/self/comm show."""
    if _libc is not None:
        _libc.prctl(_SET_NAME, os.fsencode(name), 0, 0, 0)
