"""The processes of the benchmark: brokers, workers, and what they use of the machine."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil

from tests.support.processes import Popen

ROOT: Final = Path(__file__).parents[3]
_PATIENCE_SEC: Final = 30.0
_SETTLED_SEC: Final = 0.5
_IDLE_SEC: Final = 0.02  # of CPU, in that time

# Where it is set every process compiles all that it imports anew: a robot does so once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


class Started:
    """A process, killed at the latest where its `with` ends; under pytest it is forked."""

    def __init__(self, *arguments: str, said: bool = True) -> None:
        self.process = Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if said else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.usage = psutil.Process(self.process.pid)
        self._unread = b""

    def line(self, patience_sec: float = _PATIENCE_SEC) -> str:
        """The next line it says."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + patience_sec
        while b"\n" not in self._unread:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError(f"nothing from {self.process.args!r} in {patience_sec:.0f} s")
            data = self.process.stdout.read1(1 << 20)  # type: ignore[attr-defined]
            if not data:
                raise RuntimeError(f"{self.process.args!r} has ended: run it by hand to see why")
            self._unread += data
        found, _, self._unread = self._unread.partition(b"\n")
        return found.decode()

    @property
    def cpu_sec(self) -> float:
        """The CPU time it has used."""
        times = self.usage.cpu_times()
        return float(times.user + times.system)

    def settle(self) -> None:
        """Wait until it has begun all that it begins with, and sleeps."""
        before_sec = -1.0
        while self.cpu_sec - before_sec > _IDLE_SEC:
            before_sec = self.cpu_sec
            time.sleep(_SETTLED_SEC)

    @property
    def rss_kib(self) -> float:
        """The memory it holds."""
        return float(self.usage.memory_info().rss) / 1024

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the process, as kill -9 does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(_PATIENCE_SEC)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


class Broker(Started):
    """Our broker."""

    def __init__(self, *arguments: str, port: int = 0) -> None:
        super().__init__("-m", "dsmq_nodes", "broker", "--port", str(port), *arguments)
        self.port = int(self.line().partition(" (")[0].rpartition(":")[2])


class OriginalServer(Started):
    """The server of dsmq 0.7.0, as it is on PyPI."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_port()
        super().__init__("-m", "dsmq.dsmq", "127.0.0.1", str(self.port), said=False)
        deadline = time.monotonic() + _PATIENCE_SEC
        while not self._listens():
            if time.monotonic() > deadline:
                raise TimeoutError("the original server does not listen")
            time.sleep(0.01)

    def _listens(self) -> bool:
        # Not by connecting: its accept loop keeps the last connection that has ended.
        return any(each.status == psutil.CONN_LISTEN for each in self.usage.net_connections())


Server = Broker | OriginalServer


class Worker(Started):
    """One of the worker modules beside this one."""

    def __init__(self, module: str, **given: object) -> None:
        super().__init__("-m", f"tests.bench.workers.{module}", json.dumps(given))

    def tell(self, command: str) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, patience_sec: float = _PATIENCE_SEC) -> Any:
        """Read its answer."""
        return json.loads(self.line(patience_sec))

    def ask(self, command: str = "report", patience_sec: float = _PATIENCE_SEC) -> Any:
        """Send a command and wait for its answer."""
        self.tell(command)
        return self.answer(patience_sec)


def free_port() -> int:
    """A port that nobody listens on, as far as one can know."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def settle(readers: list[Worker], sent: int, patience_sec: float = 60.0) -> list[Any]:
    """The readers' reports, once they account for `sent` messages, or have had time."""
    deadline = time.monotonic() + patience_sec
    while sum(reader.ask("seen") for reader in readers) < sent and time.monotonic() < deadline:
        time.sleep(0.1)
    return [reader.ask("report", 60.0) for reader in readers]
