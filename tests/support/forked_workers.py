"""The workers of a run are forks of the process that starts them, which has imported the tests.

Otherwise each of them imports pytest, the kit and all test files before its first test, which is
six seconds of CPU time; in a fresh clone it compiles them as well. They are interpreters of their
own where coverage is measured, with DSMQ_TESTS_COLD=1, where what is imported has started a thread,
and in place of a worker that has crashed: by then this process has threads.
"""

import atexit
import contextlib
import gc
import importlib
import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
import types
import warnings
from pathlib import Path
from typing import Any, Final

import execnet.gateway_io
import pytest
from execnet.gateway_base import Popen2IO
from hypothesis.internal.conjecture.providers import _get_local_constants

from dsmq_nodes.launcher.prctl import show_as, signal_when_parent_ends
from tests.support import forked

# They import pyarrow, which starts a thread.
_WITH_THREADS: Final = (
    "tests.bag.lerobot.",
    "tests.bag.test_tables",
    "tests.sim.test_arm_demonstration",
)
_EXECUTED_WITH: Final = [*inspect.signature(subprocess.Popen._execute_child).parameters][1:]  # type: ignore[attr-defined]
_ENDS: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
are_used = False
"""In a worker: whether it is a fork."""


def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Fork all workers, before a thread of this process reads from one."""
    if os.environ.keys() & {forked.COLD, "COVERAGE_PROCESS_START"}:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        _import_tests(config)
    if not _is_alone():
        return
    gc.collect()
    gc.freeze()
    workers = [
        _Worker([*sys.orig_argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in specs
    ]

    class Ends(execnet.gateway_io.Popen2IOMaster):
        def __init__(self, args: list[str], execmodel: Any) -> None:
            if not workers:
                super().__init__(args, execmodel)
                return
            self.popen = workers.pop(0)
            Popen2IO.__init__(self, self.popen.stdin, self.popen.stdout, execmodel)

    execnet.gateway_io.Popen2IOMaster = Ends  # type: ignore[misc]


def _import_tests(config: pytest.Config) -> None:
    """Import what the run will collect; what fails or warns does so again in each worker."""
    for argument in config.args:
        place = config.invocation_params.dir / argument.partition("::")[0]
        for path in [place] if place.is_file() else sorted(place.rglob("test_*.py")):
            with (
                warnings.catch_warnings(action="error"),
                contextlib.suppress(Exception, pytest.skip.Exception),
            ):
                name = ".".join(path.relative_to(config.rootpath).with_suffix("").parts)
                if not name.startswith(_WITH_THREADS):
                    importlib.import_module(name)
    _get_local_constants()  # as hypothesis does after a collection, from all that is imported


def _is_alone() -> bool:
    tasks = Path("/proc/self/task")
    return tasks.exists() and len([*tasks.iterdir()]) == 1


class _Worker(subprocess.Popen[bytes]):
    """A fork that runs what execnet sends to it."""

    def _execute_child(self, *given: Any) -> None:
        ends = dict(zip(_EXECUTED_WITH, given, strict=True))
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            try:
                _begin([ends["p2cread"], ends["c2pwrite"], -1], parent)
            except BaseException as error:  # noqa: BLE001  nothing of the parent's is to go on
                sys.excepthook(type(error), error, error.__traceback__)
            os._exit(1)
        self._child_created = True
        self._close_pipe_fds(*(ends[name] for name in _ENDS))  # type: ignore[attr-defined]


def _begin(streams: list[int], parent: int) -> None:
    """Be a worker, to its end."""
    global are_used  # noqa: PLW0603
    are_used = True
    signal_when_parent_ends(signal.SIGKILL, parent)
    atexit._clear()
    logging.root.handlers.clear()  # of pytest, for the start of the session here
    forked._take_descriptors(streams, ())
    with contextlib.suppress(OSError):  # then a killed run may leave forks of this process
        show_as(sys.orig_argv, os.environ)
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    forked.renew_streams(is_unbuffered=True)
    sys.argv = ["-c"]
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    exec(execnet.gateway_io.popen_bootstrapline, main.__dict__)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    os._exit(0)
