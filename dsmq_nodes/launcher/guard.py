"""The guard of a launch: the parent of all its processes, so that none outlives the launcher.

    launcher --socket--> guard's keeper -- guard --> broker, nodes --> their children

A launcher that is killed with SIGKILL cannot clean up, so it does not start processes itself. The
guard, a small process in a session of its own, starts them on request, reports how each has ended,
and holds the other end of the launcher's socket. When that socket closes, for whatever reason, the
guard ends everything: first with SIGINT, so that nodes reach their safe state, soon after with
SIGKILL. On Linux the guard is a "child subreaper" (prctl(2)): processes that a node has started
become the guard's children when the node is gone, whatever their session, process group or
environment. On other systems they are found by their process group only.

The guard's parent, its keeper, is a subreaper too and only waits for the guard. If the guard is
killed, the kernel signals its children to end (PR_SET_PDEATHSIG), and the keeper kills those that
are left, and their descendants. If the keeper is killed, the guard ends everything. Processes that
ignore the signal are left only if the launcher, the keeper and the guard are killed at once. If
both keeper and guard are killed while the launcher lives, the launcher cleans up. Either of the two
continues the other if that is stopped (SIGSTOP).

While the launcher is stopped (Ctrl-Z), the guard reads the processes' output, so that nodes
continue.

Requests and answers are lines of JSON:

    {"start": 1, "argv": [...], "env": {...}, "deaf": true, "last": false, "fork": true,
     "nice": 0, "cpus": [], "pipes": 1}
        with file descriptors: standard output, standard error, and the read end of their pipe,
        or of two ("pipes"), which guard and process hold open so that a process that writes at
        its end is not killed by SIGPIPE;
        "deaf": with SIGINT and SIGTERM blocked, until the program handles them (child.py);
        "last": ended when all others are, as the broker is
        "fork": forked by the warm process, if that can be (launcher/warm/)
    -> {"started": 1, "pid": 123, "warning": ""} or {"refused": 1, "errno": 2, "file": "prog"}
    {"pid": 123, "signal": 2}    to the process and all of its group
    -> {"pid": 123, "unread": 5}
        this many of its lines were dropped while the launcher was stopped
    -> {"pid": 123, "status": 0}    -N: signal N has ended it
"""

import contextlib
import errno
import fcntl
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import psutil

from dsmq_nodes.dsmq.descriptors import raise_limit
from dsmq_nodes.dsmq.exhausted import NO_PROCESS
from dsmq_nodes.dsmq.ring.leftovers import remove_leftovers
from dsmq_nodes.launcher.descendants import MARK, descendants, end_descendants
from dsmq_nodes.launcher.prctl import become_subreaper, signal_when_parent_ends
from dsmq_nodes.launcher.supervise.crowd import Ending, is_stopped
from dsmq_nodes.launcher.warm.order import Order
from dsmq_nodes.launcher.warm.warm_process import WarmProcess

_RECEIVE_BYTES: Final = 64 * 1024
_GIVEN_FDS: Final = 2  # and the read end of each pipe
_MOST_FDS: Final = 4
# Everything has ended within 2 s of the launcher's end, even on a busy machine.
_NODES_SEC: Final = 1.0
_BROKER_SEC: Final = 0.3
_PAUSE_SEC: Final = 0.05
_SEARCH_EVERY_SEC: Final = 0.2
_STOPPED_SEC: Final = {False: 0.5, True: 0.02}  # how often to check whether the launcher is stopped
_NEARLY_FULL_BYTES: Final = 48 * 1024
_KEEPER_ENDED: Final = signal.SIGUSR1


@dataclass
class _Child:
    pid: int
    order: Order
    process: subprocess.Popen[bytes] | None  # None if the warm process has forked it
    unread: int = 0  # dropped lines that were not reported yet


class _Guard:
    """Serves one launcher."""

    def __init__(
        self, launcher: socket.socket, launcher_pid: int, keeper_pid: int, *, is_warm: bool
    ) -> None:
        self._launcher = launcher
        self._launcher_pid = launcher_pid
        self._keeper_pid = keeper_pid
        # Programs get the usual limit of descriptors, although the guard needs many.
        self._most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        raise_limit()
        self._children: dict[int, _Child] = {}
        self._ended: list[tuple[_Child, int]] = []  # ended, and not reported yet
        self._over: set[int] = set()  # the numbers of all processes that have ended
        self._over_pids: set[int] = set()  # their sessions
        self._orphan_ended = False
        self._search_sec = 0.0  # when to search again for their descendants
        self._is_stopped = False
        self._fds: list[list[int]] = []  # the descriptors of each request that starts a process
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(launcher, selectors.EVENT_READ, self._serve)
        woken, wakes = os.pipe()
        for fd in (woken, wakes):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, _KEEPER_ENDED):
            signal.signal(number, lambda _number, _frame: None)
        self._selector.register(woken, selectors.EVENT_READ, lambda: self._on_wakeup(woken))
        self._connected = True
        # processes that were reaped before we knew that they are ours
        self._reaped_early: dict[int, int] = {}
        self._warm = WarmProcess(
            self._selector,
            self._environment(0, {"PYTHONUNBUFFERED": "1"}),
            partial(_prepare, os.getpid(), self._most_files, deaf=True, last=False),
            self._forked,
            self._spawn,
        )
        if is_warm:
            self._warm.begin()

    def run(self) -> None:
        """Serve until the launcher or the keeper is gone, then end the remaining processes."""
        while self._connected and os.getppid() == self._keeper_pid:
            self._turn(_SEARCH_EVERY_SEC if self._ended else _STOPPED_SEC[self._is_stopped])
            self._wake_keeper()
            self._report_ends()
            self._read_for_a_stopped_launcher()
        self._selector.unregister(self._launcher)
        self._launcher.close()
        self._wake_keeper()
        self._end_all()

    def _wake_keeper(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._keeper_pid, signal.SIGCONT)

    def _turn(self, timeout_sec: float) -> None:
        for key, _ in self._selector.select(timeout_sec):
            key.data()

    # While the launcher runs

    def _serve(self) -> None:
        try:
            data, fds, flags, _ = socket.recv_fds(self._launcher, _RECEIVE_BYTES, _MOST_FDS)
        except OSError:
            data, fds, flags = b"", [], 0
        self._connected = bool(data)
        # the kernel returns the descriptors of one request at a time
        if fds or flags & socket.MSG_CTRUNC:
            self._fds.append(fds)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "start" in request:
                self._start(request)
            elif request["pid"] in self._children:
                _signal_group(request["pid"], request["signal"])

    def _start(self, request: dict[str, Any]) -> None:
        number, fds = request["start"], self._fds.pop(0)
        if len(fds) < _GIVEN_FDS + request["pipes"]:  # no descriptor is left for us
            for each in fds:
                os.close(each)
            self._send(refused=number, errno=errno.EMFILE, file=request["argv"][0])
            return
        out, err, *pipes = fds
        env = self._environment(number, request["env"])
        order = Order(**request | {"env": env, "pipes": pipes}, out=out, err=err)
        if not (order.fork and self._warm.fork(order)):
            self._spawn(order)

    def _environment(self, number: int, additions: dict[str, str]) -> dict[str, str]:
        return {**os.environ, **additions, MARK: f"{self._keeper_pid}:{number}:"}

    def _spawn(self, order: Order) -> None:
        try:
            process = subprocess.Popen(
                order.argv,
                stdin=subprocess.DEVNULL,
                stdout=order.out,
                stderr=order.err,
                env=order.env,
                pass_fds=order.pipes,
                start_new_session=True,
                # Safe: the guard has one thread.
                preexec_fn=partial(  # noqa: PLW1509
                    _prepare, os.getpid(), self._most_files, deaf=order.deaf, last=order.last
                ),
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            order.close_ends()
            order.close_pipes()
            file = getattr(error, "filename", None) or order.argv[0]
            code = getattr(error, "errno", None) or errno.EINVAL
            self._send(refused=order.start, errno=code, file=str(file))
            return
        self._started(_Child(process.pid, order, process))

    def _forked(self, order: Order, pid: int) -> None:
        child = _Child(pid, order, None)
        self._started(child)
        if (status := self._reaped_early.pop(pid, None)) is not None:
            self._has_ended(child, status)

    def _started(self, child: _Child) -> None:
        order = child.order
        order.close_ends()
        self._children[child.pid] = child
        warning = _adjust(child.pid, order.nice, order.cpus)
        self._send(started=order.start, pid=child.pid, warning=warning)

    def _on_wakeup(self, woken: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        self._warm.poll()
        for pid, status in _reaped():
            if (child := self._children.get(pid)) is not None:
                self._has_ended(child, status)
            elif not self._warm.reaped(pid):
                self._orphan_ended = True  # it may have left other processes behind
                self._reaped_early[pid] = status
        if not self._warm.is_asked:
            self._reaped_early.clear()

    def _has_ended(self, child: _Child, status: int) -> None:
        del self._children[child.pid]
        if child.process is not None:
            child.process.returncode = status
        _signal_group(child.pid, signal.SIGKILL)
        self._over.add(child.order.start)
        self._over_pids.add(child.pid)
        self._ended.append((child, status))

    def _report_ends(self) -> None:
        """Kill the processes that ended ones have left behind, and report the ends.

        By now those left behind are children of the guard. When many end, one search serves all of
        them.
        """
        now_sec = time.monotonic()
        if not (self._ended or self._orphan_ended) or now_sec < self._search_sec:
            return
        self._search_sec, self._orphan_ended = now_sec + _SEARCH_EVERY_SEC, False
        children: list[psutil.Process] = []
        try:
            children = psutil.Process().children() if self._over else []
        except OSError:  # no descriptor is left to look with
            self._orphan_ended = True
        for each in children:
            if each.pid not in self._children and self._belongs_to_ended(each):
                with contextlib.suppress(psutil.Error):
                    each.kill()
        for child, status in self._ended:
            self._report_unread(child)
            child.order.close_pipes()
            self._send(pid=child.pid, status=status)
        self._ended.clear()

    def _belongs_to_ended(self, orphan: psutil.Process) -> bool:
        """Whether a process belongs to an ended one, by its environment or its session."""
        with contextlib.suppress(psutil.Error, OSError):
            keeper, _, number = orphan.environ().get(MARK, "").rstrip(":").partition(":")
            if keeper == f"{self._keeper_pid}":
                return int(number) in self._over
            return os.getsid(orphan.pid) in self._over_pids
        return False

    def _send(self, **answer: object) -> None:
        with contextlib.suppress(OSError):  # the launcher is gone: the selector will report it
            self._launcher.sendall(json.dumps(answer).encode() + b"\n")

    # While the launcher is stopped

    def _read_for_a_stopped_launcher(self) -> None:
        """Read from pipes that are nearly full, so that nothing waits for a stopped launcher."""
        was_stopped, self._is_stopped = self._is_stopped, is_stopped(self._launcher_pid)
        if self._is_stopped:
            for child in self._children.values():
                child.unread += sum(map(_read_if_nearly_full, child.order.pipes))
        elif was_stopped:
            for child in self._children.values():
                self._report_unread(child)

    def _report_unread(self, child: _Child) -> None:
        if child.unread:
            self._send(pid=child.pid, unread=child.unread)
            child.unread = 0

    # After the launcher is gone

    def _end_all(self) -> None:
        self._warm.close()
        for pipe in [each for child in self._children.values() for each in child.order.pipes]:
            os.set_blocking(pipe, False)
            self._selector.register(pipe, selectors.EVENT_READ, partial(self._drain, pipe))
        self._end(lambda child: not child.order.last, signal.SIGINT, _NODES_SEC)
        self._end(lambda child: child.order.last, signal.SIGTERM, _BROKER_SEC)
        try:
            descendants()
        except OSError:  # no descriptor is left to look with: the keeper has its own
            sys.exit(1)
        end_descendants(descendants, lambda _: self._turn(0.02))

    def _drain(self, pipe: int) -> None:
        """Read output whose reader is gone, so that its writer is not blocked."""
        with contextlib.suppress(BlockingIOError):
            if not os.read(pipe, _RECEIVE_BYTES):
                self._selector.unregister(pipe)

    def _end(
        self, which: Callable[[_Child], bool], number: signal.Signals, patience_sec: float
    ) -> None:
        for pid, child in self._children.items():
            if which(child):
                _signal_group(pid, number)
        ending = Ending(lambda: [pid for pid, child in self._children.items() if which(child)])
        for wait_sec in ending.waits(patience_sec):
            if not any(which(child) for child in self._children.values()):
                break
            self._turn(wait_sec)
        for pid, child in self._children.items():
            if which(child):
                _signal_group(pid, signal.SIGKILL)


def _prepare(guard_pid: int, most_files: tuple[int, int], *, deaf: bool, last: bool) -> None:
    """Prepare a new process before it becomes its program."""
    resource.setrlimit(resource.RLIMIT_NOFILE, most_files)
    # Everything that moves has to stop: signal it. The keeper kills processes that do not end.
    signal_when_parent_ends(signal.SIGTERM if last else signal.SIGINT, guard_pid)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not deaf:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
        # Continue a stopped process, so that it gets the signal: everything that moves has to stop.
        os.killpg(pid, signal.SIGCONT)


def _adjust(pid: int, nice: int, cpus: list[int]) -> str:
    """Set a process's niceness and CPUs; return as text what the system refuses."""
    refused = []
    with contextlib.suppress(psutil.NoSuchProcess):
        try:
            if nice:
                psutil.Process(pid).nice(nice)
        except (psutil.AccessDenied, OSError):
            refused.append(f"nice {nice} is not allowed")
        try:
            if cpus:
                psutil.Process(pid).cpu_affinity(cpus)
        except (AttributeError, ValueError, OverflowError, OSError):
            refused.append(f"cpus {cpus} are not available")
    return ", ".join(refused)


def main(arguments: list[str]) -> None:
    """Run the guard, and its keeper, for the launcher at the socket in `arguments`.

    A second argument is "warm" if processes will be forked.

    The launcher has blocked SIGINT and SIGTERM for this process and all that it starts: see
    child.py.
    """
    become_subreaper()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    launcher_pid, keeper_pid = os.getppid(), os.getpid()
    signal_when_parent_ends(signal.SIGCONT, launcher_pid)
    with socket.socket(fileno=int(arguments[0])) as launcher:
        try:
            guard_pid = os.fork()
        except OSError:
            sys.exit(f"the guard of the launch: {NO_PROCESS}")
        if not guard_pid:
            become_subreaper()
            signal.signal(_KEEPER_ENDED, lambda _number, _frame: None)
            signal_when_parent_ends(_KEEPER_ENDED, keeper_pid)
            is_warm = "warm" in arguments[1:]
            _Guard(launcher, launcher_pid, keeper_pid, is_warm=is_warm).run()
            remove_leftovers()
            return
    _keep(guard_pid)


def _keep(guard_pid: int) -> None:
    """Wait for the guard; if it was killed, end the processes that it has left."""
    while os.WIFSTOPPED(status := os.waitpid(guard_pid, os.WUNTRACED)[1]):
        os.kill(guard_pid, signal.SIGCONT)
    if status == 0:
        return
    # The kernel has signalled them to end, and they are our children now.
    remaining: list[psutil.Process] = []
    ending = Ending(lambda: [each.pid for each in remaining])
    for _ in ending.waits(_NODES_SEC):
        with contextlib.suppress(OSError):  # no descriptor is left to look with
            remaining[:] = descendants()
            if not remaining:
                break
        _pause()
    end_descendants(descendants, lambda _: _pause())
    remove_leftovers()


def _pause() -> None:
    time.sleep(_PAUSE_SEC)
    for _ in _reaped():
        pass


def _reaped() -> Iterator[tuple[int, int]]:
    """Yield the children that have ended, with their status."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _read_if_nearly_full(pipe: int) -> int:
    """Make room in a pipe without a reader; return how many lines were dropped."""
    waiting = array("i", [0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)
        if waiting[0] >= _NEARLY_FULL_BYTES:
            return os.read(pipe, _NEARLY_FULL_BYTES // 2).count(b"\n")
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
