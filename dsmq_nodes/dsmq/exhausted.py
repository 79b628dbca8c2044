"""Says in one line which limit of the system an error comes from, and how to raise the limit."""

import errno
from traceback import walk_tb
from typing import Final

from dsmq_nodes.dsmq import descriptors

NO_PROCESS: Final = (
    "the system gives no more threads and processes: raise the limit (`ulimit -u`, TasksMax= in "
    "systemd, --pids-limit of a container) or that of memory (`ulimit -v`), or end some"
)
_MEMORY: Final = (
    "the system gives no more memory: raise the limit (`ulimit -v`, MemoryMax= in systemd, "
    "--memory of a container), or end what uses it"
)
_NO_THREAD: Final = "can't start new thread"  # Python's text
_NOT_LOADED: Final = "failed to map segment"  # that of the system's loader of libraries
# The files, Python's and ours, that start processes.
_STARTS: Final = frozenset({"subprocess.py", "popen_fork.py", "forking.py"})


def exhausted(error: BaseException, who: str = "") -> str:
    """Return which limit of the system an error is of, and how to raise it; "" for other errors.

    `who` is for several processes, as in `descriptors.no_more`.
    """
    if descriptors.is_full(error):
        return descriptors.no_more(error, who)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space is left for {error.filename or 'a file'}: free some (`df -h` shows where)"
    if _is_memory(error):
        return _MEMORY
    return NO_PROCESS if _is_process(error) else ""


def _is_memory(error: BaseException) -> bool:
    is_unloaded = isinstance(error, ImportError) and _NOT_LOADED in str(error)
    is_refused = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or is_unloaded or is_refused


def _is_process(error: BaseException) -> bool:
    if isinstance(error, RuntimeError):
        return str(error) == _NO_THREAD
    if not isinstance(error, OSError) or error.errno != errno.EAGAIN:
        return False
    files = (frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__))
    return any(file.rpartition("/")[2] in _STARTS for file in files)
