"""Python processes for tests, without the start time of an interpreter.

`Popen` and `run` are those of `subprocess`. Where they are asked for this Python they fork: the
process is one of its own as any other, made by one that has imported the kit (`warm.py`), so that
it begins within 5 ms of CPU time instead of 250. A new interpreter is started where the fork would
not be the same: for options other than `-u` and `-W`, for another environment as far as an
interpreter reads it, where coverage is measured, outside pytest (a benchmark measures what users
have), in what was started like this, and everywhere with DSMQ_TESTS_COLD=1.

A test of what an import costs, or of what an interpreter begins with, uses `subprocess`.

A signal is only on its way when it has been sent: `suspend` returns when the process stands.
"""

import atexit
import contextlib
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from tests.support.forked import COLD, UNBUFFERED, read_by_interpreters
from tests.support.waiting import until
from tests.support.warm import NUMBER

ROOT: Final = Path(__file__).parents[2]
_KNOWN: Final = {
    "args", "bufsize", "cwd", "env", "start_new_session", "stderr", "stdin", "stdout", "text",
}  # fmt: skip
_EXECUTED_WITH: Final = [*inspect.signature(subprocess.Popen._execute_child).parameters][1:]  # type: ignore[attr-defined]


class Popen(subprocess.Popen[Any]):
    """A process; a process of this Python is a fork if possible."""

    _talk: socket.socket | None = None

    def __init__(self, args: Any, **options: Any) -> None:
        self._request = _request(args, options)
        super().__init__(args, **options)

    def _execute_child(self, *given: Any) -> None:
        if self._request is None:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        ends = dict(zip(_EXECUTED_WITH, given, strict=True))
        sys.audit("subprocess.Popen", sys.executable, ends["args"], ends["cwd"], ends["env"])
        streams = [ends["p2cread"], ends["c2pwrite"], ends["errwrite"]]
        inherited = [number if end == -1 else end for number, end in enumerate(streams)]
        warm = _warm_for(self._request)
        self._talk, self.pid = warm.fork(self._request, inherited)
        self._child_created = True
        names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(ends[name] for name in names))  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._talk is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc,no-any-return]
        try:
            received = self._talk.recv(NUMBER.size, wait_flags and socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0, 0
        self._talk.close()
        return self.pid, NUMBER.unpack(received)[0]

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        if self._talk is None:
            return super()._internal_poll(*given, **named)  # type: ignore[misc,no-any-return]
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):  # type: ignore[attr-defined]
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send a signal; after one that stops a process, wait until it has stopped."""
        super().send_signal(sig)
        if sig == signal.SIGSTOP:
            _wait_for_stop(self.pid)


def suspend(pid: int) -> None:
    """Stop a process, as Ctrl-Z or a frozen container does."""
    os.kill(pid, signal.SIGSTOP)
    _wait_for_stop(pid)


def _wait_for_stop(pid: int) -> None:
    until(lambda: _is_stopped(pid), f"process {pid} to stop")


def _is_stopped(pid: int) -> bool:
    """Whether no thread of a process runs."""
    try:
        tasks = [each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):  # a thread has ended meanwhile
        return False
    return all(status.rpartition(")")[2].split()[0] in "TtZX" for status in tasks)


def run(
    args: Any,
    *,
    timeout: float | None = None,
    check: bool = False,
    capture_output: bool = False,
    input: Any = None,  # noqa: A002  as in subprocess
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a process to its end; return its result."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with Popen(args, **options) as process:
        try:
            output, errors = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, output, errors)
    if check:
        done.check_returncode()
    return done


def _request(args: Any, options: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request for a fork; None if a fork cannot run the program."""
    if os.environ.get(COLD) or "PYTEST_VERSION" not in os.environ:
        return None
    if not hasattr(os, "pidfd_open") or options.keys() - _KNOWN:
        return None
    if not isinstance(args, (list, tuple)) or str(args[0]) != sys.executable:
        return None
    env = dict(os.environ if options.get("env") is None else options["env"])
    if "COVERAGE_PROCESS_START" in env or read_by_interpreters(env) != _ENVIRONMENT:
        return None
    warnings: list[str] = []
    is_unbuffered = bool(env.get(UNBUFFERED))
    words = [os.fspath(word) for word in args[1:]]
    while words and words[0] in {"-u", "-W"}:
        if words.pop(0) == "-u":
            is_unbuffered = True
        else:
            warnings.append(words.pop(0))
    if not words or (words[0].startswith("-") and words[0] not in {"-m", "-c"}):
        return None
    return {
        "arguments": words,
        "cwd": os.fspath(options.get("cwd") or Path.cwd()),
        "env": env | {COLD: "1"},
        "new_session": bool(options.get("start_new_session")),
        "unbuffered": is_unbuffered,
        "warnings": warnings,
    }


# A program that names one of these words may import more than the queue, nodes and messages.
_BEYOND: Final = re.compile(
    r"\b(aiohttp|bag|bench|cli|cv2|devices|diagnostics|examples|gateways|launcher|launch|lifecycle"
    r"|Lifecycle\w*|message_filters|mujoco|numpy|rclpy|sim|subprocess|testing|tests|tf|tools|run_module)\b"
)
_ENVIRONMENT: Final = read_by_interpreters(dict(os.environ))


class _Warm:
    """The process that forks, as this one sees it."""

    def __init__(self, address: bytes | None, *options: str) -> None:
        """Start the process, or use the one that another process of the run has started."""
        self._process: subprocess.Popen[bytes] | None = None
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._maker = os.getpid()
        atexit.register(self._close)
        if address is not None:
            self._control.connect(address)
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind("")  # Linux finds an address
            listener.listen(64)
            self.address: bytes = listener.getsockname()
            self._control.connect(self.address)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(listener.fileno()), *options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )

    def fork(self, request: dict[str, Any], streams: list[int]) -> tuple[socket.socket, int]:
        """Fork a process; return a socket that reports its end, and its pid."""
        ours, theirs = socket.socketpair()
        with theirs, Path("/proc/thread-self/ns/net").open("rb") as network:
            given = [*streams, theirs.fileno(), network.fileno()]
            socket.send_fds(self._control, [b"."], given)
        ours.sendall(json.dumps(request).encode() + b"\n")
        return ours, NUMBER.unpack(ours.recv(NUMBER.size))[0]

    def _close(self) -> None:
        if self._maker != os.getpid():
            return
        self._control.close()
        if self._process is None:
            return
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # a worker has not ended
            self._process.kill()
            self._process.wait()


_starting = threading.Lock()
_warm: list[_Warm] = []
"""One has the whole kit, the other its inner rooms."""


def share() -> list[bytes]:
    """Start the processes that fork, for this process and all that `use` their addresses."""
    return [each.address for each in _started()]


def use(addresses: list[bytes]) -> None:
    """Let the processes at these addresses fork."""
    _warm.extend(_Warm(address) for address in addresses)


def _started() -> list[_Warm]:
    with _starting:
        if not _warm:
            _warm.extend((_Warm(None), _Warm(None, "inner")))
        return _warm


def _warm_for(request: dict[str, Any]) -> _Warm:
    """Return the process that has imported what a program needs, and little else."""
    whole, inner = _started()
    words, text = request["arguments"], ""
    if words[0] == "-c":
        text = words[1]
    elif words[0] != "-m":
        with contextlib.suppress(OSError, ValueError):  # the fork tells that it cannot be read
            text = Path(request["cwd"], words[0]).read_text()
    elif words[1] == "dsmq_nodes.dsmq.broker":
        return inner
    return inner if text and not _BEYOND.search(text) else whole
