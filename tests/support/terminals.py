"""A serial device for tests: a pseudo-terminal behind a path, that can be unplugged."""

import os
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self

from dsmq_nodes.testing import Graph
from tests.support.waiting import PATIENCE_SEC


class FakeDevice:
    """The device's end of a serial port."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends: tuple[int, ...] = ()
        self.plug()

    def plug(self) -> None:
        self._ends = os.openpty()
        os.set_blocking(self._ends[0], False)
        tty.setraw(self._ends[1])
        self.path.symlink_to(os.ttyname(self._ends[1]))

    def unplug(self) -> None:
        self.path.unlink(missing_ok=True)
        for each in self._ends:
            os.close(each)
        self._ends = ()

    def send(self, data: bytes) -> None:
        os.write(self._ends[0], data)

    def received(self) -> bytes:
        try:
            return os.read(self._ends[0], 65536)
        except BlockingIOError:
            return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()


def run_until(graph: Graph, condition: Callable[[], object]) -> None:
    """The kernel brings a terminal's bytes when it wants: real time passes beside the virtual."""
    deadline = time.monotonic() + PATIENCE_SEC
    while not condition():
        assert time.monotonic() < deadline
        graph.run_for(0.05)
        time.sleep(0.001)
