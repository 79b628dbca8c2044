"""Nodes as processes, nodes spun in a thread; the broker is the plugin's."""

import contextlib
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmq_nodes import Node, spin
from dsmq_nodes.testing import BrokerProcess
from tests.support import processes


@pytest.fixture(params=["shm", "no-shm"])
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether nodes share memory: what a user sees is the same."""
    monkeypatch.setenv("DSMQ_NO_SHM", "" if request.param == "shm" else "1")


@pytest.fixture
def broker(memory: None, broker: BrokerProcess) -> BrokerProcess:
    """The plugin's, both ways."""
    return broker


PATIENCE_SEC = 30.0  # the longest anything may take on a busy machine


def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until a condition holds, at most `PATIENCE_SEC`."""
    deadline = time.monotonic() + PATIENCE_SEC
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SEC} s in vain {what}"
        time.sleep(0.002)


class Program:
    """A process whose output is read line by line, both streams as one."""

    def __init__(self, *arguments: str, cwd: Path | None = None) -> None:
        self.process = processes.Popen(
            [sys.executable, "-u", "-W", "error", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
        )
        self.lines: list[str] = []
        self._incoming: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._incoming.put(line.rstrip("\n"))
        self._incoming.put(None)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The match in the next line that has one."""
        deadline = time.monotonic() + PATIENCE_SEC
        while True:
            try:
                line = self._incoming.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"waited in vain for {pattern!r}:\n{self.output}")
            if line is None:
                pytest.fail(f"ended without {pattern!r}:\n{self.output}")
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Let it end by itself; the exit status."""
        status = self.process.wait(PATIENCE_SEC)
        self._reader.join(PATIENCE_SEC)
        while not self._incoming.empty():
            line = self._incoming.get()
            self.lines += [line] if line is not None else []
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Starts Python programs from their text; those still running at the end are killed."""
    started: list[Program] = []

    def start(text: str, name: str = "program.py") -> Program:
        path = tmp_path / name
        path.write_text(text)
        started.append(Program(str(path)))
        return started[-1]

    yield start
    for program in started:
        program.close()


@contextlib.contextmanager
def spinning(*nodes: Node) -> Iterator[None]:
    """Spin nodes in a thread meanwhile; what a callback raised there is raised here."""
    raised: list[BaseException] = []

    def target() -> None:
        try:
            spin(*nodes)
        except BaseException as error:  # noqa: BLE001  shown in the test's thread
            raised.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        while thread.is_alive():  # `shutdown` of a node not yet spinning does nothing
            for node in nodes:
                node.shutdown()
            thread.join(0.05)
        for node in nodes:
            node.destroy_node()
    if raised:
        raise raised[0]
