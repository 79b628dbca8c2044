"""A callback that blocks is told while it does, with the line at which it stands."""

import asyncio
import contextlib
import itertools
import os
import re
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable

import pytest

from dsmq_nodes import Node, spin_once
from dsmq_nodes.graph.spin import blocked
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC, until

LOOK_SEC = 0.1
pytestmark = pytest.mark.parametrize("memory", ["shm"], indirect=True)


@pytest.fixture
def told(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> pytest.LogCaptureFixture:
    """The log, beside a broker; who blocks for a tenth of a second is told."""
    monkeypatch.setattr(blocked, "BLOCKED_SEC", LOOK_SEC)
    return caplog


class Waits(Node):
    """Blocks, in one way or another, until the log has told it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        super().__init__("waits")
        self.caplog = caplog
        self.times = 0

    @property
    def is_told(self) -> bool:
        return "Waits.in_a" in self.caplog.text  # of a busy machine, others may be told, too

    def in_a_callback(self) -> None:
        deadline = time.monotonic() + PATIENCE_SEC
        while not self.is_told and time.monotonic() < deadline:
            time.sleep(0.01)
        self.times += 1

    async def in_a_coroutine(self) -> None:
        await asyncio.sleep(0.01)
        self.in_a_callback()

    def in_another_program(self) -> None:  # subprocess waits in a selector, as a loop does
        if self.times:
            return
        wait = "import sys; sys.stdin.read()"
        with subprocess.Popen([sys.executable, "-c", wait], stdin=subprocess.PIPE) as program:
            while not self.is_told:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.communicate(timeout=3 * LOOK_SEC)
        self.times += 1


@pytest.mark.parametrize("how", ["in_a_callback", "in_a_coroutine", "in_another_program"])
def test_it_is_told_with_its_line(told: pytest.LogCaptureFixture, how: str) -> None:
    node = Waits(told)
    node.create_timer(0.01, getattr(node, how))
    with spinning(node):
        until(lambda: node.times)
    line = next(text for r in told.records if (text := r.getMessage()).startswith("Waits.in_a"))
    assert line.startswith(f"Waits.{how} has blocked the node for 0.1 s and stands at tests")
    assert re.search(r"test_blocked\.py:\d+, `[^`]+`", line), line
    assert line.endswith(": nothing else runs")


_once = vars(asyncio.BaseEventLoop)["_run_once"]


class OtherLoop(asyncio.SelectorEventLoop):
    """A loop that has no frame of asyncio's own in its turns, as uvloop's has none."""

    _run_once = types.FunctionType(_once.__code__.replace(co_name="turn"), _once.__globals__)


def test_it_is_told_in_a_loop_of_another_kind(told: pytest.LogCaptureFixture) -> None:
    node = Node("waits")

    def lines() -> list[str]:
        return [r.getMessage() for r in told.records if "has blocked" in r.getMessage()]

    def block() -> None:
        if timer.ticks == 50:
            assert not lines(), "it has only been busy"
            until(lines)
            node.shutdown()

    timer = node.create_timer(0.01, block)
    with asyncio.Runner(loop_factory=OtherLoop) as runner:
        runner.run(node.spin_async())
    node.destroy_node()
    (line,) = lines()
    assert "block has blocked the node for 0.1 s and stands at tests" in line


def test_a_loop_that_is_busy_or_sleeps_is_not_blocked(told: pytest.LogCaptureFixture) -> None:
    node, ticks = Node("busy"), list[float]()

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) % 40:  # then it sleeps longer than the looks are apart
            time.sleep(LOOK_SEC / 20)

    busy = node.create_timer(LOOK_SEC / 18, tick)
    with spinning(node):
        until(lambda: len(ticks) > 200)
        busy.cancel()
        time.sleep(4 * LOOK_SEC)
    stood_sec = max(b - a for a, b in itertools.pairwise(ticks))
    assert "has blocked" not in told.text or stood_sec > LOOK_SEC, told.text


def test_the_thread_is_one_and_not_there_in_a_fork(told: pytest.LogCaptureFixture) -> None:
    def threads() -> list[str]:
        return [each.name for each in threading.enumerate() if each.name == "blocked callbacks"]

    node = Node("forks")
    timer = node.create_timer(0.001, lambda: None)
    while not timer.ticks:
        spin_once(node)
    assert len(threads()) == 1
    if not (child := os.fork()):
        os._exit(len(threads()))
    assert os.waitpid(child, 0)[1] == 0
    spin_once(node)
    assert len(threads()) == 1
    node.destroy_node()


CROWD = """
import gc, sys, threading, time
from dsmq_nodes import Node, spin_once
from dsmq_nodes.graph.spin import blocked

def collected(*_):  # a destructor that waits: the other threads go on
    if threading.current_thread() is not threading.main_thread():
        time.sleep(0.0001)

functions = []
for size in range(1, 40):
    values = "; ".join(f"v{i} = {i}.5" for i in range(2 * size))
    call = f"functions[(7 * depth + {size}) % 39](depth - 1)"
    names = {"functions": functions}
    exec(f"def f(depth):\\n {values}\\n garbage = [[], []]\\n if depth: {call}", names)
    functions.append(names["f"])

def busy():
    timer.cancel()
    until_sec = time.monotonic() + 1.5
    while time.monotonic() < until_sec:
        for each in functions:
            each(40)

blocked.BLOCKED_SEC = 0
sys.setswitchinterval(2e-4)
node = Node("busy")
timer = node.create_timer(0.001, busy)
gc.callbacks.append(collected)
gc.set_threshold(15)
while not timer.ticks:
    spin_once(node)
gc.callbacks.clear()
node.destroy_node()
print("whole")
"""


@pytest.mark.usefixtures("broker")
def test_a_collection_of_garbage_during_a_look_harms_nobody(
    programs: Callable[[str], Program],
) -> None:
    """In Python 3.11 reading another thread's frames can crash: see `_without_collection`."""
    program = programs(CROWD)
    assert program.wait() == 0, program.output
    assert program.lines[-1] == "whole"
    assert "Traceback" not in program.output
