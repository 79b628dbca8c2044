"""The loop that nodes run in: its timers, its descriptors, and what a forked process does to it."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

from dsmq_nodes.dsmq.selector import add_straight, timeline_of
from dsmq_nodes.errors import NodeConfigurationError
from dsmq_nodes.graph.spin.event_loop import new_event_loop
from dsmq_nodes.testing import BrokerProcess
from tests.support.programs import Program

MANY = """
import os, resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
from dsmq_nodes import Node, run
from dsmq_nodes.messages import Int64
from dsmq_nodes.testing import Graph
class Echo(Node):
    def __init__(self):
        super().__init__("echo")
        self.publisher = self.create_publisher(Int64, "n", 10)
        self.create_subscription(Int64, "n", self.on_n, 10)
        self.create_timer(0.01, lambda: self.publisher.publish(Int64(data=1)))
    def on_n(self, msg):
        print("heard", resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard, flush=True)
        self.shutdown()
run(Echo)
with Graph() as graph:
    graph.add(Echo)
    graph.run_for(0.1)
"""

# The filter of a container: this system call is answered by this error.
WITHOUT_PWAIT2 = """
import asyncio, ctypes, struct
from dsmq_nodes.graph.spin.event_loop import new_event_loop
refused, allowed = 0x50000 | {error}, 0x7fff0000
steps = (0x20, 0, 0, 0), (0x15, 0, 1, 441), (0x06, 0, 0, refused), (0x06, 0, 0, allowed)
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
prctl = ctypes.CDLL(None).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, filter, 0, 0) == 0
new_event_loop().run_until_complete(asyncio.sleep(0.01))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is a system call of Linux")
@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_a_loop_waits_where_the_newest_system_call_is_not_there_or_not_allowed(
    programs: Callable[[str], Program], error: int
) -> None:
    assert programs(WITHOUT_PWAIT2.format(error=error)).wait() == 0


def test_a_node_lives_in_a_process_with_more_files_than_select_takes(
    broker: BrokerProcess, programs: Callable[[str], Program]
) -> None:
    program = programs(MANY)
    program.wait_for("heard True")
    program.wait_for("heard True")
    assert program.wait() == 0


@pytest.mark.parametrize("error", [MemoryError, SystemError])  # the latter for a frame
def test_a_loop_ends_when_a_callback_of_the_kit_has_no_memory(error: type[Exception]) -> None:
    loop = new_event_loop()

    def fail() -> None:
        raise error

    loop.call_soon(fail)
    with pytest.raises(error):
        loop.run_forever()
    loop.close()


def test_no_timer_is_early() -> None:
    loop = new_event_loop()
    early: list[float] = []

    async def sleep() -> None:
        for number in range(200):
            until_sec = loop.time() + number * 1e-5
            reached = loop.create_future()
            loop.call_at(until_sec, reached.set_result, None)
            await reached
            early.append(until_sec - loop.time())

    with contextlib.closing(loop):
        loop.run_until_complete(sleep())
    assert max(early) <= loop._clock_resolution  # type: ignore[attr-defined]


def test_what_a_forked_child_watches_no_more_its_parent_still_does() -> None:
    loop = new_event_loop()
    here, there = socket.socketpair()
    heard: list[bytes] = []

    def on_readable() -> None:
        heard.append(here.recv(10))
        loop.stop()

    with contextlib.closing(loop), here, there:
        loop.add_reader(here, on_readable)
        child = os.fork()
        if not child:
            watched = loop.remove_reader(here)
            os._exit(0 if watched else 1)
        assert os.waitpid(child, 0)[1] == 0
        there.send(b"x")
        loop.call_later(30.0, loop.stop)
        loop.run_forever()
        loop.remove_reader(here)
    assert heard == [b"x"]


def test_a_forked_child_that_goes_on_hears_what_it_watches() -> None:
    loop = new_event_loop()
    here, there = socket.socketpair()
    with contextlib.closing(loop), here, there:
        loop.add_reader(here, loop.stop)
        child = os.fork()
        if not child:
            there.send(b"x")
            loop.call_later(30.0, os._exit, 1)
            loop.run_forever()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        loop.remove_reader(here)


CROWDED = """
import os, resource
from dsmq_nodes import Node, run
from dsmq_nodes.messages import Int64
class Many(Node):
    def __init__(self):
        super().__init__("many")
        used = max(map(int, os.listdir("/proc/self/fd"))) + 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 5, used + 5))
        self.made = [self.create_publisher(Int64, f"n{number}", 10) for number in range(100)]
        for number in (0, 99):
            self.create_subscription(Int64, f"n{number}", self.on_n, 10)
        self.create_timer(0.01, self.tick)
        self.heard = set()
    def tick(self):
        for each in self.made:
            each.publish(Int64(data=1))
    def on_n(self, msg, info):
        self.heard.add(info.topic_name)
        if len(self.heard) == 2:
            self.held = list(self.files())
            self.shutdown()
    def files(self):
        while True:
            try:
                yield os.open(os.devnull, os.O_RDONLY)
            except OSError:
                return
    async def enter_safe_state(self):
        print("safe", flush=True)
run(Many)
"""


def test_a_node_with_more_topics_than_descriptors_lives_and_ends_safely(
    broker: BrokerProcess, programs: Callable[[str], Program]
) -> None:
    program = programs(CROWDED)
    program.wait_for("^safe")
    assert program.wait() == 0
    assert program.output.count("few file descriptors") <= 1


def test_no_descriptor_left_for_a_loop_is_said() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    loops = list[asyncio.AbstractEventLoop]()
    gc.collect()  # so that no descriptor becomes free meanwhile
    least = os.dup(0)
    os.close(least)
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, before[1]))
    try:
        with contextlib.suppress(NodeConfigurationError):
            loops.append(new_event_loop())  # of what earlier nodes have reserved for one more
        with pytest.raises(NodeConfigurationError, match=r"no event loop: .* files open .*ulimit"):
            new_event_loop()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for loop in loops:
            loop.close()


@pytest.mark.parametrize("last", ["call_soon", "call_later", "stop"])
def test_the_selector_waits_again_until_a_call_leaves_something_to_do(last: str) -> None:
    loop = new_event_loop()
    ours, theirs = socket.socketpair()
    selector: Any = loop._selector  # type: ignore[attr-defined]
    waits: list[float | None] = []

    def select(timeout: float | None = None) -> Any:
        waits.append(timeout)
        return type(selector).select(selector, timeout)

    selector.select = select

    def called() -> None:
        ours.recv(1)
        called_for.append(1)
        if len(called_for) < 5:
            theirs.send(b".")
        elif last == "call_soon":
            loop.call_soon(loop.stop)
        elif last == "call_later":
            loop.call_later(0.01, loop.stop)
        else:
            loop.stop()

    called_for: list[int] = []
    with ours, theirs, contextlib.closing(loop):
        add_straight(loop, ours, called)
        theirs.send(b".")
        loop.run_forever()
        loop.remove_reader(ours)
    assert len(called_for) == 5
    assert len(waits) <= 4, f"the loop has turned for each of them: {waits}"


def test_ticks_come_in_time_in_order_and_from_wherever_they_are_made() -> None:
    loop = new_event_loop()
    ours, theirs = socket.socketpair()
    ticks, began_sec = timeline_of(loop), loop.time()
    told: list[str] = []
    called: list[str] = []

    def from_a_straight_call() -> None:
        ours.recv(1)
        ticks.call_at(loop.time() + 0.02, lambda: called.append("made by a straight call"))

    def early_and_late() -> None:
        called.append("a tick")
        ticks.call_at(0.0, lambda: called.append("made by a tick, long due"))
        raise ValueError("of a tick")

    def handler(_: object, context: dict[str, Any]) -> None:
        told.append(str(context["exception"]))

    loop.set_exception_handler(handler)
    with ours, theirs, contextlib.closing(loop):
        add_straight(loop, ours, from_a_straight_call)
        ticks.call_at(began_sec + 0.2, loop.stop)
        ticks.call_at(began_sec + 0.01, early_and_late)
        ticks.call_at(began_sec + 0.015, lambda: called.append("cancelled")).cancel()
        ticks.call_at(began_sec + 0.1, lambda: theirs.send(b"."))
        loop.call_later(0.05, lambda: called.append("the loop's own"))
        loop.run_forever()
        loop.remove_reader(ours)
    assert called == [
        *("a tick", "made by a tick, long due", "the loop's own", "made by a straight call")
    ]
    assert told == ["of a tick"]


def test_a_socket_of_a_program_may_be_closed_before_it_is_removed() -> None:
    loop = new_event_loop()
    ours, theirs = socket.socketpair()
    with contextlib.closing(loop), theirs:
        loop.add_reader(ours, print)
        ours.close()
        assert loop.remove_reader(ours)
