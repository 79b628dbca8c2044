"""Actuators obey while it is safe, and the emergency stop reaches every one."""

import asyncio
import json
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmq_nodes import ActionServer, Actuator, EmergencyStop, Node, QoSProfile, spin, spin_once
from dsmq_nodes.graph.run import new_event_loop
from dsmq_nodes.graph.safe_state import SafeState
from dsmq_nodes.graph.spin import blocked, shutdown
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages import Bool, Clock, Float64, Time
from dsmq_nodes.testing import BrokerProcess, Graph
from dsmq_nodes.tools.session import Session
from tests.graph.conftest import spinning
from tests.graph.test_actions import Caller, Count, Goal
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC, until

TOPIC = "/emergency_stop"
LATCHED = QoSProfile(depth=1, durability="transient_local")


class Motor(Node):
    def __init__(self, name: str = "motor") -> None:
        super().__init__(name)
        self.log: list[tuple[float, float]] = []
        self.actuator = Actuator(self, Float64, "speed", self.drive, timeout=0.5)

    def drive(self, msg: Float64) -> None:
        self.log.append((round(self.get_clock().monotonic_sec(), 6), msg.data))

    def enter_safe_state(self) -> None:
        self.drive(Float64(data=0.0))

    @property
    def speed(self) -> float:
        return self.log[-1][1] if self.log else 0.0


class Button(Node):
    def __init__(self) -> None:
        super().__init__("button")
        self.stop = EmergencyStop(self)


def test_it_obeys_and_stops_when_nobody_commands_any_more(graph: Graph) -> None:
    motor = graph.add(Motor)
    for at_sec in (0.1, 0.2, 5.0):
        graph.at(at_sec, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.run_for(10.0)
    assert motor.log == [(0.1, 1.0), (0.2, 1.0), (0.7, 0.0), (5.0, 1.0), (5.5, 0.0)]


def test_a_command_that_waited_longer_than_its_timeout_is_not_obeyed(broker: BrokerProcess) -> None:
    """As after the process was stopped, while the commander commanded on and died."""
    commander, motor = Node("commander"), Motor()
    motor.confirm_subscriptions()
    commander.create_publisher(Float64, "speed", 1).publish(Float64(data=1.0))
    came_sec = time.monotonic()
    until(lambda: time.monotonic() > came_sec + 0.6)
    with spinning(commander, motor):
        until(lambda: motor.actuator.subscription.late)
    assert {speed for _, speed in motor.log} <= {0.0}


def test_it_stops_when_its_subscription_is_destroyed(graph: Graph) -> None:
    motor = graph.add(Motor)
    graph.inject("speed", Float64(data=1.0))
    graph.run_for(0.1)
    motor.destroy_subscription(motor.actuator.subscription)
    graph.run_for(0.1)
    assert motor.speed == 0.0


def test_a_command_that_the_network_held_up_is_not_obeyed(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Commander(Node):
        def __init__(self) -> None:
            super().__init__("commander")
            commands = self.create_publisher(Float64, "speed", 1)
            self.timer = self.create_timer(0.1, lambda: commands.publish(Float64(data=1.0)))

    motor, commander = graph.add(Motor), graph.add(Commander)
    graph.run_for(1.95)
    assert motor.speed == 1.0
    graph.faults("speed", delay_sec=0.3)
    graph.run_for(0.5)
    assert motor.speed == 1.0
    graph.faults("speed", delay_sec=2.0)
    graph.run_for(0.05)
    commander.timer.cancel()
    graph.run_for(0.5)
    stopped_at = motor.log[-1]
    # The last command was 0.3 s old when it came, so that it was obeyed for 0.2 s.
    assert stopped_at[0] == pytest.approx(2.9, abs=0.01)
    assert stopped_at[1] == 0.0
    graph.run_for(3.0)
    assert motor.log[-1] == stopped_at
    assert motor.actuator.subscription.late == 1
    too_old = "a command from /commander is 2.0 s old, which is more than its timeout of 0.5 s"
    assert too_old in caplog.text


class Walker(Motor):
    """Obeys whole ways, each of which takes five seconds; the next one waits for its end."""

    def __init__(self) -> None:
        super().__init__("walker")
        self.ways = Actuator(self, Float64, "way", self.walk, timeout=None, depth=10)

    async def walk(self, msg: Float64) -> None:
        self.drive(msg)
        await asyncio.sleep(5.0)


def test_a_command_without_a_timeout_is_not_obeyed_long_after_it_was_given(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Planner(Node):
        def __init__(self) -> None:
            super().__init__("planner")
            self.ways = self.create_publisher(Float64, "way", 10)

        def plan(self, way: float) -> None:
            self.ways.publish(Float64(data=way))

    walker, planner = graph.add(Walker), graph.add(Planner)
    graph.run_for(3.0)
    for way in (1.0, 2.0, 3.0):  # they wait for each other
        planner.plan(way)
    graph.run_for(20.0)
    assert [speed for _, speed in walker.log if speed] == [1.0, 2.0, 3.0]
    graph.faults("way", delay_sec=5.0)
    planner.plan(4.0)
    graph.run_for(20.0)
    graph.faults("way", delay_sec=2.0)
    planner.plan(5.0)
    graph.run_for(20.0)
    assert [speed for _, speed in walker.log if speed] == [1.0, 2.0, 3.0, 5.0]
    assert walker.ways.subscription.late == 1
    assert "is 5.0 s old, which is more than the longest delay of 3 s" in caplog.text


def test_a_command_that_waited_while_another_actuator_blocked_the_node_is_obeyed(
    graph: Graph,
) -> None:
    class Turret(Motor):
        def __init__(self) -> None:
            super().__init__("turret")
            self.pan = Actuator(self, Float64, "pan", self.move, timeout=None)
            self.tilt = Actuator(self, Float64, "tilt", self.move, timeout=None)

        def move(self, msg: Float64) -> None:
            self.drive(msg)
            stand_still(4.0)  # as `time.sleep`

    def stand_still(seconds: float) -> None:
        graph._clock.set_forward(graph._clock.monotonic_sec() + seconds)

    class Hand(Node):
        def __init__(self) -> None:
            super().__init__("hand")
            self.speed = self.create_publisher(Float64, "speed", 1)
            self.topics = [self.create_publisher(Float64, name, 1) for name in ("pan", "tilt")]

        def point(self, *angles: float) -> None:
            for publisher, angle in zip(self.topics, angles, strict=True):
                publisher.publish(Float64(data=angle))

    turret, hand = graph.add(Turret), graph.add(Hand)
    graph.run_for(3.0)
    hand.point(1.0, 2.0)
    graph.run_for(10.0)
    assert [angle for _, angle in turret.log if angle] == [1.0, 2.0]
    graph.faults("tilt", delay_sec=5.0)
    hand.point(3.0, 4.0)
    graph.run_for(20.0)
    assert [angle for _, angle in turret.log if angle] == [1.0, 2.0, 3.0]

    graph.faults("tilt", delay_sec=0.0)
    hand.speed.publish(Float64(data=5.0))  # others command it all the time
    hand.topics[1].publish(Float64(data=5.0))
    stand_still(4.0)  # the whole process
    hand.speed.publish(Float64(data=6.0))
    graph.run_for(0.1)
    assert [angle for _, angle in turret.log if angle] == [1.0, 2.0, 3.0, 6.0]


def test_a_command_that_had_to_wait_is_obeyed_for_no_longer_than_its_timeout(graph: Graph) -> None:
    class Slow(Motor):
        async def drive(self, msg: Float64) -> None:  # type: ignore[override]
            super().drive(msg)
            await asyncio.sleep(0.4)

        def enter_safe_state(self) -> None:
            super().drive(Float64(data=0.0))

    motor = graph.add(Slow)
    for at_sec in (0.1, 0.2):
        graph.at(at_sec, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.run_for(3.0)
    assert motor.log == [(0.1, 1.0), (0.5, 1.0), (0.7, 0.0)]


class Hand(Motor):
    """A motor that also follows whole ways."""

    def __init__(self, *, hands_over: bool) -> None:
        super().__init__("hand")
        self._hands_over = hands_over
        self.ways = Actuator(self, Float64, "way", self.follow, timeout=None)

    def follow(self, msg: Float64) -> None:
        self.drive(msg)
        if self._hands_over:
            self.actuator.hand_over()


@pytest.mark.parametrize("hands_over", [False, True])
def test_of_two_actuators_the_silence_of_one_stops_all_unless_it_has_handed_over(
    graph: Graph, hands_over: bool, caplog: pytest.LogCaptureFixture
) -> None:
    hand = graph.add(lambda: Hand(hands_over=hands_over))
    graph.at(3.0, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.at(3.1, lambda: graph.inject("way", Float64(data=2.0)))
    graph.at(5.0, lambda: graph.inject("speed", Float64(data=3.0)))
    graph.run_for(10.0)
    log = [each for each in hand.log if each[0] > 2.0]
    stopped = [] if hands_over else [(3.5, 0.0)]
    assert log == [(3.0, 1.0), (3.1, 2.0), *stopped, (5.0, 3.0), (5.5, 0.0)]
    assert caplog.text.count("no command for 0.5 s: entering the safe state, which stops what /way")


def test_the_silence_of_one_actuator_cancels_what_another_one_still_obeys(graph: Graph) -> None:
    class Walking(Hand):
        async def follow(self, msg: Float64) -> None:  # type: ignore[override]
            for step in range(20):
                self.drive(Float64(data=msg.data + step))
                await asyncio.sleep(0.2)

    hand = graph.add(lambda: Walking(hands_over=False))
    graph.at(3.0, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.at(3.1, lambda: graph.inject("way", Float64(data=2.0)))
    graph.run_for(10.0)
    log = [each for each in hand.log if each[0] > 2.0]
    assert log == [(3.0, 1.0), (3.1, 2.0), (3.3, 3.0), (3.5, 0.0)]


def test_one_press_enters_the_safe_state_once_however_many_actuators_a_node_has(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    hand = graph.add(lambda: Hand(hands_over=False))
    graph.run_for(3.0)
    graph.inject(TOPIC, Bool(data=True))
    graph.run_for(1.0)
    assert [angle for at_sec, angle in hand.log if at_sec > 2.0] == [0.0]
    graph.inject("way", Float64(data=2.0))
    graph.inject("speed", Float64(data=1.0))
    graph.run_for(0.1)
    assert caplog.text.count("emergency stop pressed") == 1
    assert (hand.actuator.refused, hand.ways.refused) == (1, 1)


def test_it_stops_when_simulated_time_stands_still(graph: Graph) -> None:
    class Simulated(Motor):
        use_sim_time = True

    motor = graph.add(Simulated)
    for tenth in range(30):
        graph.inject("/clock", Clock(clock=Time.from_nanoseconds(10**18 + tenth * 10**8)))
        graph.inject("speed", Float64(data=1.0))
        graph.run_for(0.5)  # a simulation that is slow
    assert {speed for _, speed in motor.log} == {1.0}
    graph.run_for(1.9)
    assert motor.log[-1][1] == 0.0
    graph.inject("speed", Float64(data=2.0))  # nothing would stop it again
    graph.run_for(3.0)
    assert (motor.log[-1][1], motor.actuator.refused) == (0.0, 1)
    graph.inject("/clock", Clock(clock=Time.from_nanoseconds(10**18 + 10**10)))
    graph.run_for(0.1)
    graph.inject("speed", Float64(data=3.0))
    graph.run_for(0.1)
    assert motor.log[-1][1] == 3.0


def test_it_stops_when_the_spinning_ends_and_the_node_does_not(broker: BrokerProcess) -> None:
    class Once(Motor):
        def drive(self, msg: Float64) -> None:
            super().drive(msg)
            if msg.data:
                self.shutdown()

    motor, button = Once(), Button()
    commands = button.create_publisher(Float64, "speed", 1)
    button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    button.stop.release()
    spin(motor, button)
    assert [speed for _, speed in motor.log][-2:] == [1.0, 0.0]


def test_what_a_timer_moves_stops_when_the_spinning_ends_at_a_prompt(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moved on after Ctrl-C, and so did what a service had set."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)

    class Moving(Motor):
        def move(self) -> None:
            self.drive(Float64(data=1.0))
            self.shutdown()

    motor = Moving()
    motor.create_timer(0.01, motor.move)
    spin(motor)
    assert motor.speed == 0.0


def test_no_coroutine_moves_it_again_when_another_thread_ends_it(broker: BrokerProcess) -> None:
    class Driving(Motor):
        def __init__(self) -> None:
            super().__init__()
            self.create_task(self.drive_on())

        async def drive_on(self) -> None:
            while True:
                self.drive(Float64(data=1.0))
                await asyncio.sleep(0.001)

        def on_shutdown(self) -> None:
            time.sleep(0.1)  # while the other thread runs

    motor = Driving()
    with spinning(motor):
        until(lambda: motor.speed)
        motor.destroy_node()
    assert motor.speed == 0.0


def test_it_stops_while_a_callback_blocks(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)

    class Blocked(Motor):
        def block(self) -> None:
            if self.speed:
                until(lambda: self.speed == 0.0)
                self.shutdown()

    motor, button = Blocked(), Button()
    motor.create_timer(0.01, motor.block)
    commands = button.create_publisher(Float64, "speed", 1)
    button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    button.stop.release()
    spin(motor, button)
    until(lambda: "in another thread" in caplog.text)


def test_it_stops_again_when_the_callback_that_blocks_moves_it_again(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where somebody steps through the callback in a debugger."""
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)
    stops = 0

    class Blocked(Motor):
        def block(self) -> None:
            nonlocal stops
            if self.speed:
                until(lambda: self.speed == 0.0)
                self.drive(Float64(data=2.0))
                until(lambda: self.speed == 0.0)
                stops = 2
                self.shutdown()

    motor, button = Blocked(), Button()
    motor.create_timer(0.01, motor.block)
    commands = button.create_publisher(Float64, "speed", 1)
    button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    button.stop.release()
    spin(motor, button)
    assert stops == 2


def test_no_second_call_of_a_safe_state_begins_while_the_first_hangs(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it waits for a lock of the callback that blocks: a thread a second would wait."""
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)
    places: list[int] = []
    check, unlocked, calls = SafeState.check_from_thread, threading.Event(), 0

    def noted(self: SafeState, why: str, *, is_blocked: bool = False, place: int = 0) -> None:
        check(self, why, is_blocked=is_blocked, place=place)
        places.append(place)

    class Locked(Motor):
        def enter_safe_state(self) -> None:
            nonlocal calls
            calls += 1
            if threading.current_thread() is not threading.main_thread():
                unlocked.wait()
            super().enter_safe_state()

        def block(self) -> None:
            if self.speed:
                until(lambda: calls == 1)
                until(lambda: len({*places}) > 1)
                until(lambda: len({*places}) > 2)
                until(lambda: len({*places}) > 3)
                assert calls == 1
                unlocked.set()
                until(lambda: calls == 2)
                self.shutdown()

    motor, button = Locked(), Button()
    motor.create_timer(0.01, motor.block)
    monkeypatch.setattr(SafeState, "check_from_thread", noted)
    commands = button.create_publisher(Float64, "speed", 1)
    button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    button.stop.release()
    spin(motor, button)
    assert motor.log[-1][1] == 0.0


def test_it_stops_while_a_debugger_holds_all_threads(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As debugpy does, at a breakpoint, to all threads that have no such attribute."""
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)
    going_on = threading.Event()
    going_on.set()

    def trace(*_: object) -> Any:
        if getattr(threading.current_thread(), "pydev_do_not_trace", False):
            return None
        going_on.wait()
        return trace

    class Held(Motor):
        def hold(self) -> None:
            if self.speed:
                going_on.clear()
                until(lambda: self.speed == 0.0)
                until(lambda: "in another thread" in caplog.text)
                self.shutdown()

    motor, button = Held(), Button()
    motor.create_timer(0.01, motor.hold)
    commands = button.create_publisher(Float64, "speed", 1)
    button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    button.stop.release()
    before = threading.gettrace()
    threading.settrace(trace)
    try:
        spin(motor, button)
    finally:
        threading.settrace(before)
        going_on.set()


def test_it_stops_when_a_program_that_spins_in_steps_takes_no_further_one(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with Node("commander") as commander, Motor() as motor:
        commands = commander.create_publisher(Float64, "speed", 1)

        def is_obeyed() -> bool:
            commands.publish(Float64(data=1.0))
            spin_once(motor, timeout_sec=0.1)
            return motor.speed == 1.0

        for _ in range(2):  # after a step that comes again, too
            until(is_obeyed)
            until(lambda: motor.speed == 0.0)
        until(lambda: caplog.text.count("while nobody spins the node") == 2)
    assert all(each() != motor._kit.spinner._check_unspun for each in blocked._unspun_checks)


def test_it_stops_when_a_program_stops_the_loop_that_spins_it(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)
    loop = new_event_loop()
    motor, button = Motor(), Button()
    commands = button.create_publisher(Float64, "speed", 1)
    button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    motor.create_timer(0.01, lambda: loop.stop() if motor.speed else None)
    button.stop.release()
    spinning = [loop.create_task(each.spin_async()) for each in (motor, button)]
    loop.run_forever()
    until(lambda: motor.speed == 0.0)
    until(lambda: "while its event loop does not run" in caplog.text)
    for node in (motor, button):
        node.destroy_node()
    loop.run_until_complete(asyncio.wait(spinning))
    loop.close()


def test_it_stops_although_the_log_waits_for_the_callback_that_blocks(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a program draws with a lock that its log takes; a later look finds it overdue."""
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)
    lock = threading.RLock()

    class Waiting(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            with lock:
                pass

    class Blocked(Motor):
        def block(self) -> None:
            if self.speed:
                with lock:
                    until(lambda: self.speed == 0.0)
                self.shutdown()

    handler = Waiting()
    logging.getLogger().addHandler(handler)
    try:
        motor, button = Blocked(), Button()
        motor.create_timer(0.01, motor.block)
        commands = button.create_publisher(Float64, "speed", 1)
        button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
        button.stop.release()
        spin(motor, button)
    finally:
        logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("is_async", [False, True])
def test_the_safe_state_comes_before_what_is_logged_of_it(graph: Graph, is_async: bool) -> None:
    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "emergency stop pressed" in record.getMessage():
                heard.append(motor.speed)

    class Later(Motor):
        async def enter_safe_state(self) -> None:  # type: ignore[override]
            self.drive(Float64(data=0.0))
            await asyncio.sleep(0.1)

    heard: list[float] = []
    motor = graph.add(Later if is_async else Motor)
    graph.at(0.1, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.at(0.2, lambda: graph.inject(TOPIC, Bool(data=True)))
    handler = Telling()
    logging.getLogger().addHandler(handler)
    try:
        graph.run_for(1.0)
    finally:
        logging.getLogger().removeHandler(handler)
    assert heard == [0.0]


class Failing(Motor):
    """Its safe state fails the first times: the bus does not answer."""

    on_exception: Literal["raise", "log"] = "log"
    failures = 2
    error: BaseException = OSError("the bus does not answer")

    def enter_safe_state(self) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise self.error
        super().enter_safe_state()


class Later(Failing):
    """The same, by a coroutine."""

    async def enter_safe_state(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0.01)
        super().enter_safe_state()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("hazard", ["silence", "press"])
def test_a_safe_state_that_fails_is_entered_again(
    graph: Graph, hazard: str, is_async: bool
) -> None:
    motor = graph.add(Later if is_async else Failing)
    graph.at(0.1, lambda: graph.inject("speed", Float64(data=1.0)))
    if hazard == "press":
        graph.at(0.2, lambda: graph.inject(TOPIC, Bool(data=True)))
    graph.run_for(5.0)
    assert [speed for _, speed in motor.log] == [1.0, 0.0]
    assert motor.log[-1][0] < 3.0
    assert motor.statistics().exceptions == 2


@pytest.mark.parametrize("error", [OSError("no answer"), asyncio.CancelledError()])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("failures", [1, 2])
def test_a_safe_state_that_fails_at_the_end_is_entered_a_second_time(
    graph: Graph, failures: int, is_async: bool, error: BaseException
) -> None:
    motor = graph.add(Later if is_async else Failing)
    motor.failures, motor.error = failures, error
    graph.inject("speed", Float64(data=1.0))
    graph.run_for(0.1)
    graph.remove(motor)
    assert motor.speed == failures - 1
    assert motor.failures == 0


def test_a_safe_state_that_fails_is_entered_again_when_the_spinning_has_ended(
    broker: BrokerProcess,
) -> None:
    class Raising(Failing):
        on_exception = "raise"
        failures = 1

    motor, button = Raising(), Button()
    commands = button.create_publisher(Float64, "speed", 1)
    once = button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    button.create_timer(0.01, lambda: once.cancel() if motor.speed else None)
    button.stop.release()
    with pytest.raises(OSError, match="the bus does not answer"):
        spin(motor, button)
    assert motor.speed == 0.0


@pytest.fixture
def no_thread() -> Iterator[Callable[[], None]]:
    """Let the process have no further thread, as at a limit of its user or its container."""
    yield no_further_thread
    threading.stack_size(0)


def no_further_thread() -> None:
    threading.stack_size(1 << 46)
    with pytest.raises(RuntimeError):
        threading.Thread(target=print).start()


@pytest.mark.parametrize("limit", ["failures", "threads", "threads at first"])
def test_it_stops_while_a_callback_blocks_though_the_first_attempt_fails(
    broker: BrokerProcess,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    no_thread: Callable[[], None],
) -> None:
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)

    class Blocked(Failing):
        failures = 2 if limit == "failures" else 0

        def block(self) -> None:
            if not self.speed:
                return
            threading.stack_size(0)
            if limit == "threads at first":
                until(lambda: blocked._thread)
            if limit == "threads":
                no_thread()
            until(lambda: self.speed == 0.0)
            self.shutdown()

    motor, button = Blocked(), Button()
    motor.create_timer(0.01, motor.block)
    commands = button.create_publisher(Float64, "speed", 1)
    button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    button.stop.release()
    if limit == "threads at first":
        no_thread()
    spin(motor, button)


def test_a_safe_state_that_hangs_is_entered_again_at_the_next_silence(graph: Graph) -> None:
    class Hanging(Motor):
        async def enter_safe_state(self) -> None:  # type: ignore[override]
            try:
                await asyncio.sleep(100.0)  # a driver that does not answer
            finally:
                self.drive(Float64(data=0.0))

    motor = graph.add(Hanging)
    for at_sec in (0.1, 5.0):
        graph.at(at_sec, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.run_for(10.0)
    assert motor.log == [(0.1, 1.0), (5.0, 1.0), (5.5, 0.0)]


def test_a_safe_state_that_blocks_holds_up_no_other_node_of_its_process(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)
    monkeypatch.setattr(shutdown, "HANGS_SEC", 0.1)

    class Stuck(Motor):
        def enter_safe_state(self) -> None:
            until(lambda: motor.speed == 0.0)

        def block(self) -> None:
            if self.speed and motor.speed:
                self.enter_safe_state()
                self.shutdown()

    stuck, motor, button = Stuck("stuck"), Motor(), Button()
    stuck.create_timer(0.01, stuck.block)
    commands = button.create_publisher(Float64, "speed", 1)
    button.create_timer(0.05, lambda: commands.publish(Float64(data=1.0)))
    button.stop.release()
    spin(stuck, motor, button)
    motor.drive(Float64(data=1.0))
    assert not shutdown.end_nodes([stuck._kit, motor._kit, button._kit])


def test_a_safe_state_that_hangs_at_the_end_is_told_with_its_line(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No signal interrupts it, so that a person who presses Ctrl-C again must know why."""
    monkeypatch.setattr(shutdown, "HANGS_SEC", 0.1)

    class Stuck(Node):
        def enter_safe_state(self) -> None:
            until(lambda: caplog.records)

    graph.remove(graph.add(lambda: Stuck("stuck")))
    (record,) = caplog.records
    told = record.getMessage()
    assert "Stuck.enter_safe_state stands at tests/support/waiting.py:" in told
    assert "`time.sleep(every_sec)`, and the end of the node takes over 0.1 s: no signal" in told


def test_the_emergency_stop_stops_it_and_commands_are_refused(graph: Graph) -> None:
    motor, button = graph.add(Motor), graph.add(Button)
    for tenth in range(1, 10):
        graph.at(tenth / 10, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.at(0.35, button.stop.press)
    graph.at(0.65, button.stop.release)
    graph.run_for(0.95)
    assert motor.log == [(0.1, 1), (0.2, 1), (0.3, 1), (0.35, 0), (0.7, 1), (0.8, 1), (0.9, 1)]
    assert motor.actuator.refused == 3
    assert sum(each.refused for each in motor.statistics().subscriptions) == 3  # for `doctor`


def test_one_that_is_started_later_is_stopped_too(graph: Graph) -> None:
    button = graph.add(Button)
    button.stop.press()
    graph.run_for(1.0)
    graph.remove(button)
    motor = graph.add(Motor)
    graph.inject("speed", Float64(data=1.0))
    graph.run_for(0.1)
    assert motor.actuator.emergency_stop.is_pressed
    assert all(speed == 0.0 for _, speed in motor.log)


def test_any_tool_can_press_it(graph: Graph) -> None:
    motor = graph.add(Motor)
    graph.inject("/emergency_stop", Bool(data=True))
    graph.run_for(0.1)
    assert motor.log == [(0.0, 0.0)]
    graph.inject("/emergency_stop", Bool(data=True))
    graph.run_for(0.1)
    assert len(motor.log) == 1


def test_an_actuator_needs_a_safe_state(graph: Graph) -> None:
    class Reckless(Node):
        def __init__(self) -> None:
            super().__init__("reckless")
            Actuator(self, Float64, "speed", print, timeout=0.5)

    with pytest.raises(TypeError, match=r"Reckless .* enter_safe_state"):
        graph.add(Reckless)


def test_the_emergency_stop_tells_of_changes_only(graph: Graph) -> None:
    changes: list[bool] = []

    class Lamp(Node):
        def __init__(self) -> None:
            super().__init__("lamp")
            EmergencyStop(self, changes.append)

    button = graph.add(Button)
    graph.add(Lamp)
    for say in (button.stop.release, button.stop.press, button.stop.press, button.stop.release):
        say()
        graph.run_for(0.1)
    assert changes == [True, False]


def state(*, pressed: bool, changed_ns: int) -> str:
    return json.dumps({"data": pressed, "changed_ns": changed_ns})


class Keeper(Node):
    """Only listens; so it keeps the state."""

    def __init__(self, name: str = "keeper") -> None:
        super().__init__(name)
        self.changes: list[bool] = []
        self.stop = EmergencyStop(self, self.changes.append)


def test_it_stops_this_node_from_any_thread_before_the_broker_has_told(graph: Graph) -> None:
    keeper = graph.add(Keeper)
    presses = threading.Thread(target=keeper.stop.press)
    presses.start()
    presses.join()
    is_pressed = keeper.stop.is_pressed
    graph.run_for(0.1)
    assert (is_pressed, keeper.changes) == (True, [True])


def test_a_press_that_is_not_latched_reaches_those_started_later(graph: Graph) -> None:
    keeper = graph.add(Keeper)
    graph.inject(TOPIC, Bool(data=True))
    graph.run_for(0.1)
    graph.remove(keeper)
    later = graph.add(Motor)
    graph.run_for(0.1)
    assert later.actuator.emergency_stop.is_pressed
    graph.inject(TOPIC, Bool(data=False))
    graph.run_for(0.1)
    assert not later.actuator.emergency_stop.is_pressed


def test_to_others_it_is_a_bool(graph: Graph) -> None:
    heard = graph.observe(Bool, TOPIC)
    keeper = graph.add(Keeper)
    keeper.create_publisher(Bool, TOPIC, LATCHED).publish(Bool(data=True))
    keeper.create_subscription(Bool, TOPIC, lambda _: None, 1)
    graph.run_for(0.1)
    keeper.stop.release()
    graph.run_for(0.1)
    assert [each.data for each in heard] == [True, True, False]


@pytest.mark.parametrize("old_ns", [1, 1 << 40])
def test_an_old_state_does_not_undo_a_later_one(graph: Graph, old_ns: int) -> None:
    keepers = [graph.add(Keeper), graph.add(lambda: Keeper("other"))]
    heard = graph.observe(Bool, TOPIC)
    keepers[0].stop.press()
    graph.run_for(0.1)
    graph.inject_text(TOPIC, state(pressed=False, changed_ns=old_ns))  # who was away comes back
    graph.run_for(0.1)
    assert [keeper.changes for keeper in keepers] == [[True], [True]]
    assert heard[-1].data  # and so it is for those that come later
    keepers[1].stop.release()
    graph.inject_text(TOPIC, state(pressed=True, changed_ns=old_ns))
    graph.run_for(0.1)
    assert [keeper.changes for keeper in keepers] == [[True, False], [True, False]]
    assert not heard[-1].data


@pytest.mark.parametrize("far_ns", [2**61, 2**62, 2**63, -5, 10**30])
def test_a_clock_that_is_far_ahead_locks_nobody_out(graph: Graph, far_ns: int) -> None:
    keeper = graph.add(Keeper)
    graph.inject_text(TOPIC, state(pressed=True, changed_ns=far_ns))
    graph.run_for(0.1)
    graph.inject(TOPIC, Bool(data=False))
    graph.run_for(0.1)
    keeper.stop.press()
    graph.run_for(0.1)
    assert keeper.changes == [True, False, True]


@pytest.mark.parametrize("said_sec", [None, 0.5])
def test_under_a_new_broker_commands_wait_for_those_who_know(
    graph: Graph, said_sec: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    motor = graph.add(Motor)
    motor._kit.link.broker_began_sec = 0.0
    for tenth in range(1, 30):
        graph.at(tenth / 10, lambda: graph.inject("speed", Float64(data=1.0)))
    if said_sec is not None:
        graph.at(said_sec + 0.05, lambda: graph.inject(TOPIC, Bool(data=False)))
    graph.run_for(2.95)
    first_sec = min(at_sec for at_sec, speed in motor.log if speed)
    assert first_sec == (2.0 if said_sec is None else 0.6)
    assert motor.actuator.refused == round(first_sec * 10) - 1
    assert caplog.text.count("the broker is new: commands are refused for 1.9 s") == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["press", "release", "tool presses", "tool releases", "start", "end"]),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.01, 0.3]),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=40)
@given(STEPS, st.booleans(), st.integers(0, 1000))
def test_all_who_keep_it_agree_and_the_last_word_counts(
    steps: list[tuple[str, int, float]], is_pressed: bool, seed: int
) -> None:
    with Graph(seed) as graph:
        graph.faults(TOPIC, delay_sec=0.1)  # so states cross on their way
        keepers = [graph.add(Keeper)]
        for number, (what, which, wait_sec) in enumerate(steps):
            keeper = keepers[which % len(keepers)]
            match what:
                case "press":
                    keeper.stop.press()
                case "release":
                    keeper.stop.release()
                case "start":
                    name = f"keeper{number}"
                    keepers.append(graph.add(lambda name=name: Keeper(name)))  # type: ignore[misc]
                case "end" if len(keepers) > 1:
                    keepers.remove(keeper)
                    graph.remove(keeper)
                case "tool presses" | "tool releases":
                    graph.inject(TOPIC, Bool(data=what == "tool presses"))
                case _:
                    pass
            graph.run_for(wait_sec)
        graph.run_for(5.0)
        say = random.Random(seed).choice(keepers).stop
        (say.press if is_pressed else say.release)()
        graph.run_for(5.0)
        late = graph.add(lambda: Keeper("late"))
        graph.run_for(5.0)
        assert {keeper.stop.is_pressed for keeper in [*keepers, late]} == {is_pressed}


class TestBroker:
    """The broker, or everybody else, dies; real connections."""

    def press(self, broker: BrokerProcess, *, pressed: bool = True) -> None:
        with Session(f"{broker.host}:{broker.port}") as tool:
            tool.advertise(TOPIC, Bool.type_name, schema_text(Bool))
            tool.put(TOPIC, Bool(data=pressed).to_json())

    def test_a_new_broker_hears_it_from_whoever_lives(self, broker: BrokerProcess) -> None:
        keeper, late = Keeper(), None
        with spinning(keeper):
            self.press(broker)
            until(lambda: keeper.stop.is_pressed)
            broker.kill()
            broker.start()
            late = Motor("late")
            with spinning(late):
                until(lambda: late.actuator.emergency_stop.is_pressed)
                self.press(broker, pressed=False)
                until(lambda: not late.actuator.emergency_stop.is_pressed)
                until(lambda: not keeper.stop.is_pressed)

    def test_it_is_pressed_while_the_broker_is_away(
        self, broker: BrokerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        keeper, other = Keeper(), Keeper("other")
        with spinning(keeper, other):
            other.stop.press()
            until(lambda: keeper.stop.is_pressed)
            other.stop.release()
            until(lambda: not keeper.stop.is_pressed)
            broker.kill()
            until(lambda: caplog.text.count("lost the broker") == 2)
            keeper.stop.press()
            until(lambda: keeper.changes == [True, False, True])
            broker.start()
            until(lambda: other.stop.is_pressed)
        assert keeper.stop.is_pressed

    def test_nobody_was_there_when_it_was_pressed(self, broker: BrokerProcess) -> None:
        self.press(broker)
        motor = Motor()
        with spinning(motor):
            until(lambda: motor.actuator.emergency_stop.is_pressed)

    def test_one_that_was_killed_while_it_is_pressed(
        self, broker: BrokerProcess, programs: Callable[[str], Program]
    ) -> None:
        text = """
from dsmq_nodes import run
from tests.graph.test_safety import Motor
class Shown(Motor):
    def enter_safe_state(self): print("safe", self.actuator.emergency_stop.is_pressed, flush=True)
run(Shown)
"""
        motor = programs(text)
        node = Node("button")
        publisher = node.create_publisher(Bool, TOPIC, 1)
        assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
        publisher.publish(Bool(data=True))
        motor.wait_for("safe True")
        node.destroy_node()
        motor.process.kill()
        motor.wait()
        again = programs(text)
        again.wait_for("safe True")


class Shuttle(Motor):
    """Also drives for a goal, and stops when it is cancelled."""

    on_exception: Literal["raise", "log"] = "log"

    fails = False

    def __init__(self) -> None:
        super().__init__()
        ActionServer(self, Count, "/count", self.execute)

    async def execute(self, goal: Goal) -> Count.Result:
        while not goal.is_cancel_requested:
            self.drive(Float64(data=1.0))
            await asyncio.sleep(0.1)
        goal.canceled()
        return Count.Result(reached=0)

    def enter_safe_state(self) -> None:
        super().enter_safe_state()
        if self.fails:
            raise OSError("no answer")


@pytest.mark.parametrize("fails", [False, True])
def test_an_emergency_stop_cancels_goals_and_refuses_new_ones(graph: Graph, fails: bool) -> None:
    """The callback of the goal drove on after it."""
    shuttle, caller, button = graph.add(Shuttle), graph.add(Caller), graph.add(Button)
    caller.send(1)
    graph.run_for(1.0)
    assert shuttle.speed == 1.0
    shuttle.fails = fails
    button.stop.press()
    graph.run_for(0.2)
    assert (shuttle.speed, caller.log[-1][1]) == (0.0, ("CANCELED", 0))
    caller.send(1)
    graph.run_for(1.0)
    assert (shuttle.speed, caller.log[-1][1]) == (0.0, "rejected")
    shuttle.fails = False
    button.stop.release()
    caller.send(1)
    graph.run_for(1.25)
    assert shuttle.speed == 1.0


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_what_a_goal_moves_stops_when_its_callback_raises(graph: Graph, is_cancelled: bool) -> None:
    """It moved on: the goal was aborted, and nothing called the hook."""

    class Stumbling(Shuttle):
        async def execute(self, goal: Goal) -> Count.Result:
            await asyncio.sleep(1.0)
            self.drive(Float64(data=1.0))
            await asyncio.sleep(1.0)
            raise asyncio.CancelledError if is_cancelled else OSError("no answer")

    shuttle, caller = graph.add(Stumbling), graph.add(Caller)
    caller.send(1)
    graph.run_for(1.5)
    assert shuttle.speed == 1.0
    if is_cancelled:
        caller.cancel()
    graph.run_for(1.0)
    assert shuttle.speed == 0.0
    assert caller.log[-1][1][0] == ("CANCELED" if is_cancelled else "ABORTED")


def test_the_next_goal_moves_after_the_safe_state_that_a_failed_one_entered(graph: Graph) -> None:
    """An `async def` hook stopped the next goal, which then succeeded without a motion."""

    class Braking(Shuttle):
        async def execute(self, goal: Goal) -> Count.Result:
            self.drive(Float64(data=float(goal.request.to)))
            await asyncio.sleep(1.0)
            if goal.request.to == 1:
                raise OSError("no answer")
            goal.succeed()
            return Count.Result(reached=goal.request.to)

        async def enter_safe_state(self) -> None:  # type: ignore[override]
            await asyncio.sleep(0.5)
            self.drive(Float64(data=0.0))

    shuttle, caller = graph.add(Braking), graph.add(Caller)
    graph.run_for(1.5)  # the first silence of the actuator
    caller.send(1)
    caller.send(2)
    graph.run_for(1.25)
    assert shuttle.speed == 1.0
    graph.run_for(0.5)
    assert shuttle.speed == 2.0
    graph.run_for(1.0)
    assert [end for _, end in caller.log] == [("ABORTED", None), ("SUCCEEDED", 2)]


def test_what_a_goal_moves_stops_when_the_spinning_ends_and_the_node_does_not(
    broker: BrokerProcess,
) -> None:
    """At a prompt, Ctrl-C ended the goal of a base, and the base drove on."""

    class Parting(Shuttle):
        async def execute(self, goal: Goal) -> Count.Result:
            self.drive(Float64(data=1.0))
            self.shutdown()
            return await asyncio.Future()

    shuttle, caller = Parting(), Caller()
    caller.send(1)
    spin(shuttle, caller)
    assert [speed for _, speed in shuttle.log] == [1.0, 0.0]


def test_what_a_goal_moves_stops_while_a_callback_blocks(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moved on, and obeyed no emergency stop."""
    monkeypatch.setattr(blocked, "BLOCKED_SEC", 0.1)

    class Hanging(Shuttle):
        async def execute(self, goal: Goal) -> Count.Result:
            self.drive(Float64(data=1.0))
            self.create_task(self.hang())
            while not goal.is_cancel_requested:
                await asyncio.sleep(0.01)
            goal.canceled()
            return Count.Result(reached=0)

        async def hang(self) -> None:
            until(lambda: self.speed == 0.0)

    shuttle, caller = Hanging(), Caller()
    caller.create_timer(0.01, lambda: caller.shutdown() if caller.log else None)
    caller.send(1)
    spin(shuttle, caller)
    assert caller.log[0][1] == ("CANCELED", 0)
