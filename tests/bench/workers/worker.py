"""The common part of the worker processes: orders as lines on stdin, answers as lines of JSON.

A worker says `ready` when it is connected, works when it is told `go`, answers `report` with its
figures, and ends when stdin ends: no worker outlives the benchmark.
"""

import json
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any


def options() -> dict[str, Any]:
    """What the benchmark wants of this worker."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def say(answer: object) -> None:
    """Answer the benchmark."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class Commands:
    """The lines on stdin, read by a thread so that work goes on meanwhile."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            self._lines.put(line.strip())
        self._lines.put("")

    @property
    def waiting(self) -> bool:
        """Whether there is a command."""
        return not self._lines.empty()

    def take(self) -> str:
        """The next command, waited for; empty: the benchmark has ended."""
        return self._lines.get()


def paced(rate_hz: float) -> Iterator[int]:
    """The numbers 1, 2, 3 ..., each when it is due; late ones follow at once."""
    began = time.perf_counter()
    number = 0
    while True:
        number += 1
        ahead_sec = began + number / rate_hz - time.perf_counter()
        if ahead_sec > 0:
            time.sleep(ahead_sec)
        yield number
