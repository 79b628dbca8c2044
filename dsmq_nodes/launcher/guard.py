"""The guard of a launch: parent of all its processes, so that none outlives the launcher.

    launcher --socket--> guard --> broker, nodes --> what they have started

A launcher that is killed with SIGKILL can clean up nothing, so it starts nothing itself either: it
asks the guard, a small process in a session of its own, which starts the processes, tells how each
has ended, and holds the other end of the launcher's socket. When that socket closes, however that
came about, the guard ends everything: SIGINT first, so that nodes still reach their safe state,
SIGKILL soon after. On Linux the guard is a "child subreaper" (prctl(2)): what a node has started
becomes the guard's child when the node is gone, in whatever session or process group it hides.
Elsewhere it is found by its process group only.

Should the guard itself be killed, the kernel kills its children (PR_SET_PDEATHSIG), and the
launcher, a subreaper too, what those have started.

Requests and answers are lines of JSON:

    {"start": 1, "argv": [...], "env": {...}, "deaf": true, "last": false, "nice": 0, "cpus": []}
        with three file descriptors: standard output, standard error, and the read end of their
        pipe, which is held open so that nobody who says a last word is ended by SIGPIPE;
        "deaf": with SIGINT and SIGTERM blocked, until the program takes them (launcher/child.py);
        "last": ended when all others are, as the broker is
    -> {"started": 1, "pid": 123, "warning": ""} or {"refused": 1, "errno": 2, "file": "prog"}
    {"pid": 123, "signal": 2}    to the process and all of its group
    -> {"pid": 123, "status": 0}    -N: signal N has ended it
"""

import contextlib
import ctypes
import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import psutil

MARK: Final = "DSMQ_GUARD"
"""Names, in the environment of all that a launch has started, the guard's pid and the process."""

# prctl(2)
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_RECEIVE_BYTES: Final = 64 * 1024
_MOST_FDS: Final = 32
# All is over within 2 s of the launcher's end, on a busy machine too.
_NODES_SEC: Final = 1.0
_BROKER_SEC: Final = 0.3
_KILL_SEC: Final = 5.0
_BETWEEN_KILLS_SEC: Final = 0.2


_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def become_subreaper(*, on: bool = True) -> None:
    """Have orphaned descendants become children of this process (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)


def marked(mark: str) -> Iterator[psutil.Process]:
    """The descendants of this process whose environment has a mark that starts with `mark`."""
    for each in descendants():
        with contextlib.suppress(psutil.Error, OSError):
            if each.environ().get(MARK, "").startswith(mark):
                yield each


def end_descendants(
    which: Callable[[], Iterable[psutil.Process]], reap: Callable[[list[psutil.Process]], object]
) -> None:
    """Kill descendants of this process until there are no more of them; `reap` waits for some."""
    until_sec = time.monotonic() + _KILL_SEC  # what hangs in the kernel is not waited for
    while (left := list(which())) and time.monotonic() < until_sec:
        for each in left:
            with contextlib.suppress(psutil.Error):
                each.kill()
        reap(left)


def reap(processes: list[psutil.Process]) -> None:
    """Wait a moment for processes that were killed."""
    psutil.wait_procs(processes, _BETWEEN_KILLS_SEC)


def descendants() -> list[psutil.Process]:
    """All that this process has started, and those have, and so on."""
    return psutil.Process().children(recursive=True)


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    number: int
    last: bool
    output: int


class _Guard:
    """Serves one launcher."""

    def __init__(self, launcher: socket.socket) -> None:
        self._launcher = launcher
        self._children: dict[int, _Child] = {}
        self._fds: list[int] = []
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(launcher, selectors.EVENT_READ, self._serve)
        woken, wakes = os.pipe()
        for fd in (woken, wakes):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._selector.register(woken, selectors.EVENT_READ, lambda: self._woken(woken))
        self._connected = True

    def run(self) -> None:
        """Serve until the launcher is gone, then end what is left."""
        while self._connected:
            self._turn(None)
        self._selector.unregister(self._launcher)
        self._end_all()

    def _turn(self, timeout_sec: float | None) -> None:
        for key, _ in self._selector.select(timeout_sec):
            key.data()

    # While the launcher runs

    def _serve(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._launcher, _RECEIVE_BYTES, _MOST_FDS)
        except OSError:
            data, fds = b"", []
        self._connected = bool(data)
        self._fds += fds
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "start" in request:
                self._start(request)
            elif request["pid"] in self._children:
                _signal_group(request["pid"], request["signal"])

    def _start(self, request: dict[str, Any]) -> None:
        out, err, output = self._fds[:3]
        del self._fds[:3]
        number = request["start"]
        mark = {MARK: f"{os.getpid()}:{number}:"}
        try:
            process = subprocess.Popen(
                request["argv"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **request["env"], **mark},
                start_new_session=True,
                # Safe: the guard has one thread.
                preexec_fn=_Birth(os.getpid(), deaf=request["deaf"], last=request["last"]),  # noqa: PLW1509
            )
        except OSError as error:
            os.close(output)
            file = error.filename or request["argv"][0]
            self._tell(refused=number, errno=error.errno or errno.EINVAL, file=str(file))
            return
        finally:
            os.close(out)
            os.close(err)
        self._children[process.pid] = _Child(process, number, request["last"], output)
        warning = _adjust(process.pid, request["nice"], request["cpus"])
        self._tell(started=number, pid=process.pid, warning=warning)

    def _woken(self, woken: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if (child := self._children.pop(pid, None)) is not None:
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: _Child, status: int) -> None:
        """A process is gone: so is what it has started and left behind."""
        child.process.returncode = status
        _signal_group(child.process.pid, signal.SIGKILL)
        for each in marked(f"{os.getpid()}:{child.number}:"):
            with contextlib.suppress(psutil.Error):
                each.kill()
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.output)
        os.close(child.output)
        self._tell(pid=child.process.pid, status=status)

    def _tell(self, **answer: object) -> None:
        with contextlib.suppress(OSError):  # it is gone: the selector will say so
            self._launcher.sendall(json.dumps(answer).encode() + b"\n")

    # When it is gone

    def _end_all(self) -> None:
        for child in self._children.values():
            os.set_blocking(child.output, False)
            drain = _Drain(self._selector, child.output)
            self._selector.register(child.output, selectors.EVENT_READ, drain)
        self._end(lambda child: not child.last, signal.SIGINT, _NODES_SEC)
        self._end(lambda child: child.last, signal.SIGTERM, _BROKER_SEC)
        end_descendants(descendants, lambda _: self._turn(0.02))

    def _end(
        self, which: Callable[[_Child], bool], number: signal.Signals, patience_sec: float
    ) -> None:
        for pid, child in self._children.items():
            if which(child):
                _signal_group(pid, number)
        until_sec = time.monotonic() + patience_sec
        while any(which(child) for child in self._children.values()):
            left_sec = until_sec - time.monotonic()
            if left_sec <= 0:
                break
            self._turn(left_sec)
        for pid, child in self._children.items():
            if which(child):
                _signal_group(pid, signal.SIGKILL)


@dataclass(frozen=True)
class _Drain:
    """Reads what nobody else does any more, so that its writer is not blocked."""

    selector: selectors.BaseSelector
    fd: int

    def __call__(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(self.fd, _RECEIVE_BYTES):
                self.selector.unregister(self.fd)


@dataclass(frozen=True)
class _Birth:
    """What a new process does before it becomes its program."""

    guard_pid: int
    deaf: bool
    last: bool

    def __call__(self) -> None:
        if _libc is not None:
            # The broker removes its socket file when it is asked to end; a node may take its time.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM if self.last else signal.SIGKILL)
            if os.getppid() != self.guard_pid:  # gone before the kernel knew what we want
                os._exit(1)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if not self.deaf:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _adjust(pid: int, nice: int, cpus: list[int]) -> str:
    """Give a process its share of the machine; what the system refuses is returned as text."""
    refused = []
    process = psutil.Process(pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        try:
            if nice:
                process.nice(nice)
        except (psutil.AccessDenied, OSError):
            refused.append(f"nice {nice} is not allowed")
        try:
            if cpus:
                process.cpu_affinity(cpus)
        except (AttributeError, ValueError, OSError):
            refused.append(f"cpus {cpus} are not to be had")
    return ", ".join(refused)


def main(arguments: list[str]) -> None:
    """Be the guard of the launcher at the other end of the socket `arguments` names."""
    become_subreaper()
    # The launcher has blocked SIGINT and SIGTERM for us and for all that we start: see child.py.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with socket.socket(fileno=int(arguments[0])) as launcher:
        _Guard(launcher).run()
    _remove_shared_memory()


def _remove_shared_memory() -> None:
    """A broker that was killed has left its own behind."""
    with contextlib.suppress(ImportError):  # a system without it
        from dsmq_nodes.dsmq.leftovers import remove_leftovers  # noqa: PLC0415

        remove_leftovers()


if __name__ == "__main__":
    main(sys.argv[1:])
