"""Driving by hand: what moves while a hand holds on, and what does not afterwards."""

import os
import pty
import select
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import Node
from dsmq_nodes.cli.teleop import _single_keys
from dsmq_nodes.devices import GamepadArm, GamepadDrive, ServoArm
from dsmq_nodes.devices.teleop.held_keys import REST_SEC, TerminalKeys
from dsmq_nodes.devices.teleop.keyboard_teleop import KeyboardArm, KeyboardDrive
from dsmq_nodes.messages import Bool, JointState, Joy, Twist
from dsmq_nodes.testing import BrokerProcess, Graph
from dsmq_nodes.testing.servo_bus import FakeServoBus
from tests.support.processes import Popen
from tests.support.waiting import PATIENCE_SEC, until

IN_A_TERMINAL_OF_ITS_OWN = """\
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph


@pytest.fixture
def keys() -> Iterator[tuple[int, Callable[[str], int]]]:
    """What a terminal is to the node, and a hand on its keys."""
    end, hand = os.pipe()
    os.set_blocking(end, False)
    yield end, lambda text: os.write(hand, text.encode())
    os.close(end)
    os.close(hand)


def test_the_keys_of_a_terminal() -> None:
    keys = TerminalKeys()
    assert keys.feed(b"iQ\x1b[A\x1bOD\x1b,", 0) == ["i", "q", "up", "left", "escape", ","]
    home, f1, f5, shift_up = b"\x1b[H\x1bOH\x1b[1~", b"\x1bOP\x1b[[A", b"\x1b[15~", b"\x1b[1;2A"
    assert keys.feed(home + f1 + f5 + shift_up + b"i", 0) == ["other"] * 7 + ["i"]


@pytest.mark.parametrize("sequence", [b"\x1b[A", b"\x1bOA", b"\x1b[15~", b"\x1b[[A"])
def test_a_key_that_comes_in_pieces(sequence: bytes) -> None:
    keys = TerminalKeys()
    for at in range(1, len(sequence)):
        assert keys.feed(sequence[:at], 0) == []
        assert keys.due(REST_SEC - 0.01) == []
        assert keys.feed(sequence[at:] + b"i", 0) in (["up", "i"], ["other", "i"])
        assert keys.due(REST_SEC + 1) == []
    assert keys.feed(b"\x1b", 1.0) == []
    assert keys.due(1.0 + REST_SEC) == ["escape"]
    assert keys.due(9.0) == []


def test_an_arrow_in_pieces_drives_and_a_lone_escape_ends(graph: Graph, keys: Any) -> None:
    end, press = keys
    node = graph.add(lambda: KeyboardDrive(end, linear=0.5))
    seen = graph.observe(Twist, "cmd_vel")
    graph.run_for(0.1)
    press("\x1b")
    graph.run_for(0.1)
    press("[A")
    graph.run_for(0.1)
    assert seen[-1].linear.x == 0.5
    press("\x1b[H")
    graph.run_for(0.1)
    assert seen[-1].linear.x == 0, "it is no key to drive by"
    assert not node._ended.is_set()
    press("\x1b")
    graph.run_for(REST_SEC + 0.1)
    assert node._ended.is_set()


@pytest.mark.parametrize("speed", [0.4, -0.4])
def test_an_arm_at_its_limit_turns_back_at_once(graph: Graph, keys: Any, speed: float) -> None:
    end, press = keys
    graph.add(lambda: KeyboardArm(end, speed=abs(speed)))
    seen = graph.observe(JointState, "joint_command")
    ahead, back = ("q", "a") if speed > 0 else ("a", "q")

    def hold(key: str, sec: float) -> list[float]:
        for _ in range(round(sec / 0.05)):
            press(key)
            graph.inject("joint_states", JointState(name=["a"], position=[1.0]))  # it is stuck
            graph.run_for(0.05)
        return [each.position[0] - 1.0 for each in seen]

    graph.inject("joint_states", JointState(name=["a"], position=[1.0]))
    graph.run_for(0.1)
    assert abs(hold(ahead, 10.0)[-1]) < 0.3, "a person sees that it does not go on"
    assert hold(back, 0.4)[-1] * speed < 0


def test_a_base_is_driven_while_a_key_is_held(graph: Graph, keys: Any) -> None:
    end, press = keys
    graph.add(lambda: KeyboardDrive(end, linear=0.5))
    seen = graph.observe(Twist, "cmd_vel")
    graph.run_for(1.0)
    assert not seen, "it does not fight with others"
    press("u")
    graph.run_for(0.5)
    for _ in range(20):  # the terminal repeats it
        press("u")
        graph.run_for(0.05)
    assert (seen[-1].linear.x, seen[-1].angular.z) == (0.5, 1.0)
    driven = len(seen)
    graph.run_for(0.3)
    assert seen[-1].linear.x == 0, "released"
    graph.run_for(1.0)
    assert [each.linear.x for each in seen[driven:]].count(0) == 3
    press("i")
    graph.run_for(0.06)
    assert seen[-1].linear.x == 0.5
    press(" ")
    graph.run_for(0.06)
    assert seen[-1].linear.x == 0, "at once"


def test_a_key_of_other_programs_stops_a_base_and_is_answered_with_what_ends_it(
    graph: Graph, keys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    end, press = keys
    graph.add(lambda: KeyboardDrive(end))
    seen = graph.observe(Twist, "cmd_vel")
    press("i")
    graph.run_for(0.06)
    press("qzq")
    graph.run_for(0.06)
    assert (seen[0].linear.x > 0, seen[-1].linear.x) == (True, 0)
    assert caplog.text.count("Escape or Ctrl-C ends") == 1
    press("i")
    graph.run_for(0.06)
    assert seen[-1].linear.x > 0, "it goes on"


def test_keys_that_a_network_held_up_drive_no_longer_than_a_moment(graph: Graph, keys: Any) -> None:
    end, press = keys
    graph.add(lambda: KeyboardDrive(end))
    seen = graph.observe(Twist, "cmd_vel")
    graph.run_for(1.0)
    press("i" * 30)  # held for a second, and released: then the cable was plugged in again
    graph.run_for(0.01)
    press("i" * 8)
    graph.run_for(0.06)
    assert not any(each.linear.x for each in seen)
    graph.run_for(0.3)
    press("i")
    graph.run_for(0.06)
    assert seen[-1].linear.x > 0, "pressed again"


def test_a_base_stops_before_ctrl_z_freezes_what_drives_it(graph: Graph, keys: Any) -> None:
    end, press = keys
    node = graph.add(lambda: KeyboardDrive(end))
    seen = graph.observe(Twist, "cmd_vel")
    press("i")
    graph.run_for(0.06)
    assert seen[-1].linear.x > 0
    node.enter_safe_state()
    graph.run_for(0.01)
    assert [each.linear.x for each in seen[-3:]] == [0, 0, 0]


def test_the_end_of_the_terminal_stops_a_base(graph: Graph) -> None:
    end, hand = os.pipe()
    graph.add(lambda: KeyboardDrive(end))
    seen = graph.observe(Twist, "cmd_vel")
    stops = graph.observe(Bool, "/emergency_stop")
    os.write(hand, b"ix")
    graph.run_for(0.1)
    os.write(hand, b"ci")
    graph.run_for(0.1)
    assert [each.data for each in stops] == [True, False]
    assert seen[-1].linear.x > 0
    os.close(hand)
    graph.run_for(0.1)
    assert [each.linear.x for each in seen[-3:]] == [0, 0, 0]
    os.close(end)


class Robot:
    """An arm on a fake bus."""

    def __init__(self, graph: Graph, path: Path) -> None:
        port = str(path / "bus")
        self.bus = graph.add(FakeServoBus, params={"port": port, "socket": True}).bus
        graph.add(ServoArm, params={"port": port}, rate_hz=50.0)
        self.states = graph.observe(JointState, "joint_states")
        graph.run_for(2.5)

    @property
    def position(self) -> list[float]:
        return [*self.states[-1].position]


def test_an_arm_moves_while_a_key_is_held(graph: Graph, tmp_path: Path, keys: Any) -> None:
    end, press = keys
    robot = Robot(graph, tmp_path)
    graph.add(lambda: KeyboardArm(end, speed=0.4))
    graph.run_for(0.1)
    begin = robot.position
    for _ in range(20):
        press("w")  # shoulder_lift
        graph.run_for(0.05)
    graph.run_for(1.0)
    moved = robot.position
    assert moved[1] - begin[1] == pytest.approx(0.4 * 1.25, abs=0.12)
    assert moved[0] == begin[0]
    press("s")
    graph.run_for(2.0)
    assert robot.position[1] < moved[1] - 0.1
    held = robot.position
    graph.run_for(1.0)
    assert robot.position == held


def joy(held: bool = True, axes: dict[int, float] | None = None, button: int = -1) -> Joy:
    buttons = [int(at in {4 if held else -1, button}) for at in range(11)]
    return Joy(axes=[(axes or {}).get(at, 0.0) for at in range(8)], buttons=buttons)


def test_a_pad_drives_while_its_button_is_held(graph: Graph) -> None:
    graph.add(GamepadDrive, params={"linear": 0.4})
    seen = graph.observe(Twist, "cmd_vel")
    stops = graph.observe(Bool, "/emergency_stop")

    def hold(msg: Joy, sec: float = 0.2) -> None:
        for _ in range(round(sec / 0.05)):
            graph.inject("joy", msg)
            graph.run_for(0.05)

    hold(joy(held=False, axes={1: 1.0}))
    assert not seen
    hold(joy(axes={1: 0.5, 3: -1.0}))
    assert (seen[-1].linear.x, seen[-1].angular.z) == pytest.approx((0.2, -1.0))
    hold(joy(held=False, axes={1: 0.5}))
    assert seen[-1].linear.x == 0
    hold(joy(axes={1: 0.5}))
    graph.run_for(0.5)
    assert seen[-1].linear.x == 0, "the pad was unplugged"
    hold(joy(button=1))
    hold(joy(button=7))
    assert [each.data for each in stops] == [True, False]


class Pad(Node):
    """A pad on another machine."""

    def __init__(self) -> None:
        super().__init__("pad")
        self.state = joy(axes={1: 1.0})
        publisher = self.create_publisher(Joy, "joy", 1)
        self.create_timer(0.05, lambda: publisher.publish(self.state))


def test_a_pad_whose_messages_a_network_holds_up_drives_and_releases_nothing(graph: Graph) -> None:
    graph.add(GamepadDrive, params={"linear": 0.4})
    pad = graph.add(Pad)
    seen = graph.observe(Twist, "cmd_vel")
    stops = graph.observe(Bool, "/emergency_stop")
    graph.run_for(2.0)
    assert seen[-1].linear.x == 0.4
    graph.faults("joy", delay_sec=2.0)
    graph.run_for(0.5)
    assert seen[-1].linear.x == 0.0
    del seen[:]
    graph.run_for(3.0)  # for two seconds the hand is what it was two seconds ago
    assert not any(each.linear.x for each in seen)
    pad.state = joy(button=1)
    graph.run_for(2.5)
    assert [each.data for each in stops] == [True], "the emergency stop is never too late"
    pad.state = joy(button=7)
    graph.run_for(2.5)
    assert [each.data for each in stops] == [True]


def test_a_tap_on_the_emergency_stop_counts_in_a_busy_process(graph: Graph) -> None:
    graph.add(GamepadDrive)
    stops = graph.observe(Bool, "/emergency_stop")
    graph.inject("joy", joy(button=1))
    graph.inject("joy", joy())
    graph.run_for(0.1)
    assert [each.data for each in stops] == [True]


def test_keys_mean_the_same_joints_while_a_servo_is_silent(graph: Graph, keys: Any) -> None:
    end, press = keys
    graph.add(lambda: KeyboardArm(end))
    seen = graph.observe(JointState, "joint_command")
    graph.inject("joint_states", JointState(name=["a", "b", "c"], position=[0.0] * 3))
    graph.run_for(0.1)
    graph.inject("joint_states", JointState(name=["a", "c"], position=[0.0] * 2))
    graph.run_for(0.1)
    press("e")
    graph.run_for(0.1)
    assert {name for each in seen for name in each.name} == {"c"}
    press("w")
    graph.run_for(0.1)
    assert {name for each in seen for name in each.name} == {"c"}, "where it is, is not known"


def test_a_pad_moves_an_arm(graph: Graph, tmp_path: Path) -> None:
    robot = Robot(graph, tmp_path)
    graph.add(GamepadArm, params={"speed": 0.5})
    graph.run_for(0.1)
    begin = robot.position
    for _ in range(20):
        graph.inject("joy", joy(axes={0: 1.0, 6: -1.0}))
        graph.run_for(0.05)
    graph.run_for(1.0)
    change = [now - before for now, before in zip(robot.position, begin, strict=True)]
    assert change == pytest.approx([0.5, 0, 0, 0, 0, -0.5], abs=0.2)


def test_keys_count_at_once_also_after_ctrl_z_and_fg() -> None:
    with BrokerProcess() as broker:
        end, slave = pty.openpty()
        before = termios.tcgetattr(slave)
        address = "{}:{}".format(*broker.address)
        words = [sys.executable, "-m", "dsmq_nodes", "teleop", "drive", "--broker", address]
        command = [sys.executable, "-c", IN_A_TERMINAL_OF_ITS_OWN, *words]
        with Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
            until(lambda: not termios.tcgetattr(slave)[3] & termios.ICANON, "single keys")
            until(lambda: b"Escape or Ctrl-C ends" in os.read(end, 4096), "the help")
            termios.tcsetattr(slave, termios.TCSANOW, before)  # as a shell does after Ctrl-Z
            process.send_signal(signal.SIGCONT)
            until(lambda: not termios.tcgetattr(slave)[3] & termios.ICANON, "single keys again")
            os.write(end, b"\x1b")
            assert process.wait(PATIENCE_SEC) == 0
        os.close(end)
        os.close(slave)


def test_a_window_that_is_closed_after_ctrl_z_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its shell continues what it hangs up."""
    end, slave = pty.openpty()
    before = signal.getsignal(signal.SIGCONT)
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with _single_keys("the help"):
            os.close(end)
            signal.raise_signal(signal.SIGCONT)
    signal.signal(signal.SIGCONT, before)


def test_the_command_in_a_terminal() -> None:
    """It shows its keys, drives by them, and leaves the terminal as it was."""
    with BrokerProcess() as broker:
        end, slave = pty.openpty()
        before = termios.tcgetattr(slave)
        address = "{}:{}".format(*broker.address)
        words = [sys.executable, "-m", "dsmq_nodes", "teleop", "drive", "--broker", address]
        with Popen(words, stdin=slave, stdout=slave, stderr=slave) as process:
            told = b""
            deadline = time.monotonic() + PATIENCE_SEC
            while b"Escape or Ctrl-C ends" not in told:
                assert time.monotonic() < deadline
                if select.select([end], [], [], 0.1)[0]:
                    told += os.read(end, 4096)
            os.write(end, b"+")
            while b"speed: 100%" not in told:
                assert time.monotonic() < deadline, told
                if select.select([end], [], [], 0.1)[0]:
                    told += os.read(end, 4096)
            os.write(end, b"\x1b")
            assert process.wait(PATIENCE_SEC) == 0
        assert termios.tcgetattr(slave) == before
        os.close(end)
        os.close(slave)
