"""A program that a test watches and disturbs: a process, and its output line by line."""

import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT, Popen
from tests.support.waiting import PATIENCE_SEC


class Running:
    """A command that runs; threads read its output, so it never waits for the test."""

    def __init__(self, command: list[str], *, is_merged: bool = False, **options: Any) -> None:
        self.process = Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if is_merged else subprocess.PIPE,
            text=True,
            **{"cwd": ROOT, **options},
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._incoming: queue.Queue[str | None] = queue.Queue()
        self._readers = [threading.Thread(target=self._read_output)]
        if not is_merged:
            self._readers.append(threading.Thread(target=self._read_errors))
        for reader in self._readers:
            reader.start()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._incoming.put(line.rstrip("\n"))
        self._incoming.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    @property
    def output(self) -> str:
        """The lines read so far."""
        return "\n".join(self.lines)

    def drained(self) -> str:
        """Return all lines so far, also those that `wait_for` has not read."""
        waiting = [line for line in [*self._incoming.queue] if line is not None]
        return "\n".join([*self.lines, *waiting])

    def wait_for(self, pattern: str, patience_sec: float = PATIENCE_SEC) -> re.Match[str]:
        """Wait for the next line that matches; return the match."""
        deadline = time.monotonic() + patience_sec
        while True:
            try:
                line = self._incoming.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"waited in vain for {pattern!r}:\n{self.output}\n{self.errors}")
            if line is None:
                self._incoming.put(None)
                pytest.fail(f"ended without {pattern!r}:\n{self.output}\n{self.errors}")
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def wait_for_error(self, word: str = "") -> None:
        """Wait until there is a line with `word` on standard error."""
        deadline = time.monotonic() + PATIENCE_SEC
        while not any(word in line for line in self.errors):
            assert time.monotonic() < deadline, f"waited in vain for {word!r}: {self.errors}"
            time.sleep(0.005)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def interrupt(self) -> int:
        """Send Ctrl-C; return the exit status."""
        self.send(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait until the program ends by itself; return the exit status."""
        status = self.process.wait(PATIENCE_SEC)
        for reader in self._readers:
            reader.join(PATIENCE_SEC)
        while not self._incoming.empty():
            line = self._incoming.get()
            self.lines += [line] if line is not None else []
        return status

    def close(self) -> None:
        """End the program, first with SIGTERM: a killed broker leaves the file of its socket."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
        self._close_streams()

    def kill(self) -> None:
        """Kill the process, as kill -9 does."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        self._close_streams()

    def _close_streams(self) -> None:
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


class Program(Running):
    """A Python program, both of its streams as one; every warning is an error in it."""

    def __init__(self, *arguments: str, cwd: Path | None = None) -> None:
        command = [sys.executable, "-u", "-W", "error", *arguments]
        super().__init__(command, is_merged=True, cwd=cwd or Path.cwd())
