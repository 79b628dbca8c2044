"""The processes of a benchmark, as their parent uses them."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, Final, Self

import psutil

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.errors import BenchError

_PATIENCE_SEC: Final = 60.0
_LISTENING: Final = re.compile(r"listening on (\S+):(\d+)")
_MODULE: Final = "dsmq_nodes.bench.worker"


class Started:
    """A process that answers by lines; it ends with its input, at the latest with this `with`."""

    def __init__(
        self, what: str, command: Sequence[str], env: dict[str, str] | None = None, cwd: str = ""
    ) -> None:
        """Start it; `what` is its name in errors."""
        self._what = what
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        self.process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd or None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the parent
        )
        self.usage = psutil.Process(self.process.pid)
        self._unread = b""

    def line(self, patience_sec: float = _PATIENCE_SEC) -> str:
        """Return the next line that it writes.

        Raises:
            BenchError: the process has ended, or writes nothing.
        """
        assert self.process.stdout is not None
        until_sec = time.monotonic() + patience_sec
        while b"\n" not in self._unread:
            left_sec = max(0.0, until_sec - time.monotonic())
            if not descriptors.ready([self.process.stdout], timeout_sec=left_sec):
                raise BenchError(f"nothing from the {self._what} in {patience_sec:.0f} s")
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                raise BenchError(
                    f"the {self._what} has ended: {self._error_output() or 'without a word'}"
                )
            self._unread += data
        found, _, self._unread = self._unread.partition(b"\n")
        return found.decode()

    def _error_output(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace").strip()

    def answer(self, patience_sec: float = _PATIENCE_SEC) -> Any:
        """Read its answer.

        Raises:
            BenchError: the process has ended, or does not answer.
        """
        return json.loads(self.line(patience_sec))

    def send(self, order: object) -> None:
        """Send it an order."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the missing answer will report it
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()

    def ask(self, order: object, patience_sec: float = _PATIENCE_SEC) -> Any:
        """Send it an order, and wait for the answer.

        Raises:
            BenchError: the process has ended, or does not answer.
        """
        self.send(order)
        return self.answer(patience_sec)

    @property
    def cpu_sec(self) -> float:
        """The CPU time that it has used, in seconds."""
        times = self.usage.cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        """End it."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def worker(stack: contextlib.ExitStack, role: str, env: dict[str, str], **given: object) -> Started:
    """Start a process of ours, with this Python; it ends with the stack."""
    command = [sys.executable, "-m", _MODULE, json.dumps({"role": role, **given})]
    return start(stack, role, command, env)


def start(
    stack: contextlib.ExitStack,
    what: str,
    command: Sequence[str],
    env: dict[str, str] | None = None,
    cwd: str = "",
) -> Started:
    """Start a process that ends with the stack, even if Ctrl-C comes in between."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return stack.enter_context(Started(what, command, env, cwd))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def broker(stack: contextlib.ExitStack, env: dict[str, str]) -> tuple[Started, str, int]:
    """Start a broker on a free port, until the stack ends; return it and its address.

    Raises:
        BenchError: the broker does not listen.
    """
    found = worker(stack, "broker", env, host="127.0.0.1", port=0)
    line = found.line()
    where = _LISTENING.search(line)
    if where is None:
        raise BenchError(f"the broker does not report its address: {line}")
    return found, where[1], int(where[2])
