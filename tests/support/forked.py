"""A process that was forked runs a program as a new interpreter does, and forks again.

The child ends as an interpreter does, except that it does not take its modules apart.

What it starts of the kit (`python -m dsmq_nodes...`: the guard of a launch, its warm process and
its broker, the worker of a benchmark) is a fork of its own: the same parent, streams, session,
environment and command line as an interpreter would have, without half a second of imports.
"""

import asyncio
import atexit
import contextlib
import gc
import inspect
import io
import logging
import os
import runpy
import signal
import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from dsmq_nodes.launcher.prctl import set_name, show_as

UNWRITTEN: Final = 120  # the status of an interpreter that could not write what it had printed
COLD: Final = "DSMQ_TESTS_COLD"
UNBUFFERED: Final = "PYTHONUNBUFFERED"
# OpenCV adds to the path of libraries when it is imported.
_SAME_IN_A_FORK: Final = {UNBUFFERED, "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH"}
_FOR_INTERPRETERS: Final = ("PYTHON", "LANG", "LC_", "LD_", "DSMQ_NODES_PURE", "COVERAGE_PROCESS")
_EXECUTED_WITH: Final = [*inspect.signature(subprocess.Popen._execute_child).parameters]  # type: ignore[attr-defined]
_execute: Final = subprocess.Popen._execute_child  # type: ignore[attr-defined]
# A launch runs them as programs, which `runpy` warns of if they are imported.
PROGRAMS: Final = {
    "dsmq_nodes.bag.record.flight",
    "dsmq_nodes.launcher.supervise.child",
    "dsmq_nodes.testing.servo_bus",
}
_beginning: Final[dict[str, Any]] = {}
_kept: Final[list[Any]] = []
"""The objects of the parent; if they were freed, descriptors of this process would be closed."""


def read_by_interpreters(env: Any) -> dict[str, str]:
    """Return the variables that an interpreter begins with; an empty path counts as none."""
    return {
        name: value
        for name, value in env.items()
        if name.startswith(_FOR_INTERPRETERS) and name not in _SAME_IN_A_FORK
        if value or name != "PYTHONPATH"
    }


def stream(number: int, like: TextIO, *, is_unbuffered: bool) -> TextIO:
    """Return a stream as an interpreter makes it at its start."""
    raw = io.FileIO(number, "w" if number else "r", closefd=False)
    raw.name = like.name
    whole: Any = raw
    if not number:
        whole = io.BufferedReader(raw)
    elif not is_unbuffered:
        whole = io.BufferedWriter(raw)
    stream = io.TextIOWrapper(
        whole,
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=not is_unbuffered and (number == 2 or raw.isatty()),
        write_through=is_unbuffered,
    )
    stream.mode = raw.mode[:1]  # type: ignore[misc]
    return stream


def run(arguments: list[str]) -> None:
    """Run `-m module`, `-c program` or a file as an interpreter does."""
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    if arguments[0] == "-m":
        sys.argv = ["-m", *arguments[2:]]
        sys.path[0] = str(Path.cwd())
        if not hasattr(sys.modules.get(arguments[1]), "__path__"):
            sys.modules.pop(arguments[1], None)  # runpy warns of one that is imported already
        runpy._run_module_as_main(arguments[1])  # type: ignore[attr-defined]
        return
    sys.argv = ["-c", *arguments[2:]] if arguments[0] == "-c" else arguments
    if arguments[0] == "-c":
        sys.path[0] = ""
        program = compile(arguments[1], "<string>", "exec")
    else:
        sys.path[0] = str(Path(arguments[0]).parent)
        main.__file__ = arguments[0]
        program = compile(Path(arguments[0]).read_bytes(), arguments[0], "exec")
    exec(program, main.__dict__)


def status_of(error: BaseException) -> int:
    """Print an exception of a program as an interpreter does; return the exit status."""
    trace = error.__traceback__
    while trace and Path(trace.tb_frame.f_code.co_filename).parent == Path(__file__).parent:
        trace = trace.tb_next
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        sys.stderr.write(f"{error.code}\n")
        return 1
    sys.last_value = error
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1


class Ending:
    """The last that the interpreter does for a child: it does not take its modules apart.

    It is registered first, so what else is registered runs before it.
    """

    status: int | None = None

    def __call__(self) -> None:
        if self.status is None:  # the process that forks
            return
        logging.shutdown()  # its own turn would come after this one
        sys.modules["__main__"].__dict__.clear()
        gc.collect()  # a file that is still open gives its ResourceWarning here
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError as error:
                self.status = UNWRITTEN
                text = f"Exception ignored in: {stream!r}\n{type(error).__name__}: {error}\n"
                with contextlib.suppress(OSError):
                    sys.stderr.write(text)
        if self.status < 0:
            signal.signal(-self.status, signal.SIG_DFL)
            os.kill(os.getpid(), -self.status)
        os._exit(self.status)


def fork_the_kit() -> None:
    """From now on, start programs of the kit as forks, in this process and its children.

    It begins with the settings that there are now.
    """
    _beginning["filters"] = [*warnings.filters]
    _beginning["path"] = [*sys.path]
    _beginning["loggers"] = {
        each: (each.level, each.propagate, [*each.handlers]) for each in _loggers()
    }
    subprocess.Popen._execute_child = _fork_or_execute  # type: ignore[attr-defined]


def _fork_or_execute(process: Any, *given: Any) -> None:
    ends = dict(zip(_EXECUTED_WITH, (process, *given), strict=True))
    env = dict(os.environ if ends["env"] is None else ends["env"])
    words = ends["args"] if isinstance(ends["args"], (list, tuple)) else []
    if (
        [*words[:2]] != [sys.executable, "-m"]
        or not words[2].startswith("dsmq_nodes")
        or threading.active_count() > 1
        or read_by_interpreters(env) != read_by_interpreters(os.environ)
    ):
        _execute(process, *given)
        return
    sys.audit("subprocess.Popen", sys.executable, words, ends["cwd"], ends["env"])
    for file in (sys.stdout, sys.stderr):
        file.flush()
    process.pid = os.fork()
    if not process.pid:
        try:
            _begin(ends, [*words], env)
        except BaseException as error:  # noqa: BLE001  nothing of the parent's is to go on
            sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    process._child_created = True
    names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
    process._close_pipe_fds(*(ends[name] for name in names))


def _begin(ends: dict[str, Any], words: list[str], env: dict[str, str]) -> None:
    """Run the requested program to its end."""
    _forget_the_parent()
    _take_descriptors([ends["p2cread"], ends["c2pwrite"], ends["errwrite"]], ends["pass_fds"])
    if ends["cwd"] is not None:
        os.chdir(ends["cwd"])
    if ends["start_new_session"]:
        os.setsid()
    if ends["preexec_fn"] is not None:
        ends["preexec_fn"]()
    os.environ.clear()
    os.environ.update(env)
    show_as(words, env)
    set_name(Path(sys.executable).name)
    sys.orig_argv = words
    for name in PROGRAMS:
        sys.modules.pop(name, None)
    renew_streams(is_unbuffered=bool(env.get(UNBUFFERED)))
    ending = Ending()
    atexit.register(ending)
    ending.status = 0
    try:
        run(words[1:])
    except BaseException as error:  # noqa: BLE001  as an interpreter does
        ending.status = status_of(error)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def _loggers() -> Iterator[logging.Logger]:
    yield logging.root
    for each in logging.root.manager.loggerDict.values():
        if isinstance(each, logging.Logger):
            yield each


def _forget_the_parent() -> None:
    gc.freeze()
    atexit._clear()
    warnings.resetwarnings()
    warnings.filters.extend(_beginning["filters"])  # type: ignore[attr-defined]
    sys.warnoptions.clear()
    sys.path[:] = _beginning["path"]
    sys.excepthook = sys.__excepthook__
    for each in _loggers():
        kept = _beginning["loggers"].get(each, (logging.NOTSET, True, []))
        each.level, each.propagate, each.handlers = kept[0], kept[1], [*kept[2]]
    logging.root.manager._clear_cache()  # type: ignore[attr-defined]
    _kept.extend((sys.modules["__main__"], sys.stdin, sys.stdout, sys.stderr))
    asyncio._set_running_loop(None)
    asyncio.set_event_loop_policy(None)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _take_descriptors(streams: list[int], passed: Any) -> None:
    """Use these as the three streams; close all other descriptors except the passed ones."""
    ends = [os.dup(number if end == -1 else end) for number, end in enumerate(streams)]
    for number, end in enumerate(ends):
        os.dup2(end, number)
    for each in [*Path("/proc/self/fd").iterdir()]:
        if (number := int(each.name)) > 2 and number not in passed:
            with contextlib.suppress(OSError):  # of the listing itself
                os.close(number)
    for number in passed:
        os.set_inheritable(number, True)


def renew_streams(*, is_unbuffered: bool) -> None:
    """Make the streams that an interpreter makes at its start."""
    sys.stdin = stream(0, sys.stdin, is_unbuffered=is_unbuffered)
    sys.stdout = stream(1, sys.stdout, is_unbuffered=is_unbuffered)
    sys.stderr = stream(2, sys.stderr, is_unbuffered=is_unbuffered)
