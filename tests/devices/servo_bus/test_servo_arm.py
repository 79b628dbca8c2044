"""The driver of an arm, in virtual time, over real packets on a Unix socket."""

import asyncio
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import ActionClient, ClientGoalHandle, Node
from dsmq_nodes.devices import ServoArm
from dsmq_nodes.devices.servo_bus.answers import TICKS
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, swept, write_calibration
from dsmq_nodes.devices.servo_bus.joint_watch import JointLimits, JointWatch
from dsmq_nodes.devices.servo_bus.servo_family import FAMILIES, ServoState
from dsmq_nodes.errors import CalibrationError, ParameterError
from dsmq_nodes.messages import (
    Bool,
    DiagnosticArray,
    Duration,
    FollowJointTrajectory,
    GoalStatus,
    Header,
    JointState,
    JointTolerance,
    JointTrajectory,
    JointTrajectoryPoint,
)
from dsmq_nodes.messages.std_srvs import SetBool
from dsmq_nodes.testing import Graph
from dsmq_nodes.testing.servo_bus import FakeServoBus

PAN = TICKS / 6.283185307179586

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, params=FAMILIES)
def protocol(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All of it holds for either kind of servos."""
    monkeypatch.setattr(Arm, "protocol", request.param)
    return str(request.param)


class Arm:
    """A driver on a fake bus, and a leader."""

    protocol = ""

    def __init__(self, graph: Graph, path: Path, **params: Any) -> None:
        self.graph = graph
        graph.run_for(2.1)  # the broker is no longer new: an emergency stop would be known
        self.family = FAMILIES[self.protocol]
        given = {"port": str(path / "bus"), "socket": True, "protocol": self.protocol}
        given["faults"] = params.pop("faults", [])
        given["seed"] = params.pop("seed", 0)
        self.fake = graph.add(FakeServoBus, params=given)
        bus = {"port": given["port"], "protocol": self.protocol}
        rate_hz = params.pop("rate_hz", 50.0)  # half the driver's own: half the work
        self.node = graph.add(ServoArm, params={**bus, **params}, rate_hz=rate_hz)
        self.seen = graph.observe(JointState, "joint_states")
        self.diagnostics = graph.observe(DiagnosticArray, "diagnostics")
        graph.run_for(0.5)  # it has all servos

    @property
    def servos(self) -> dict[int, Any]:
        return self.fake.bus.servos

    @property
    def goals(self) -> list[int]:
        return [servo.get(self.family.goal) for servo in self.servos.values()]

    def fault(self, text: str) -> None:
        assert self.fake.wire is not None
        self.fake.wire.fault(text)

    def lead(self, sec: float, name: str = "shoulder_pan", position: float = 0.3) -> None:
        for _ in range(round(sec / 0.02)):
            msg = JointState(name=[name], position=[position])
            self.graph.inject("joint_command", msg)
            self.graph.run_for(0.02)

    def status(self, part: str) -> tuple[int, str]:
        self.graph.run_for(1.1)
        found = {each.name: each for each in self.diagnostics[-1].status}
        return found[f"arm: {part}"].level, found[f"arm: {part}"].message


def moved(position: float) -> int:
    return round(2047.5 + position * PAN)


def test_states_at_100_hz_and_commands(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path, rate_hz=None)
    before = len(arm.seen)
    graph.run_for(1.0)
    assert len(arm.seen) - before == pytest.approx(100, abs=1)
    arm.lead(0.5)
    assert arm.seen[-1].position[0] == pytest.approx(0.3, abs=0.002)
    assert arm.goals[0] == moved(0.3)
    assert arm.status("bus") == (0, "ok")


def test_the_goal_is_not_faster_than_the_limit(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path, max_speed=0.5, first_distance=2.0)
    arm.lead(0.4, position=1.0)
    assert arm.goals[0] == pytest.approx(moved(0.2), abs=20)


def test_it_holds_when_commands_stop_and_obeys_again_only_near(
    graph: Graph, tmp_path: Path
) -> None:
    arm = Arm(graph, tmp_path, max_speed=0.5)
    arm.lead(0.2)
    graph.run_for(0.32)
    held = arm.goals
    assert held[0] < moved(0.28)
    graph.run_for(1.0)
    assert arm.goals == held
    assert all(servo.is_on for servo in arm.servos.values())
    arm.lead(0.4, position=1.5)
    assert arm.goals == held, "a first command far away is refused"
    arm.lead(0.6, position=0.3)
    assert arm.goals[0] == moved(0.3)


@pytest.mark.parametrize("what", ["hold", "limp"])
def test_an_emergency_stop(graph: Graph, tmp_path: Path, what: str) -> None:
    arm = Arm(graph, tmp_path, emergency_stop=what)
    arm.lead(0.1)
    graph.inject("emergency_stop", Bool(data=True))
    graph.run_for(0.03)
    held = arm.goals
    assert all(servo.is_on == (what == "hold") for servo in arm.servos.values())
    arm.lead(0.3)
    assert arm.goals == held
    graph.inject("emergency_stop", Bool(data=False))
    graph.run_for(1.5)
    assert arm.goals == held, "an old command is not resumed"
    assert all(servo.is_on == (what == "hold") for servo in arm.servos.values())


def test_limp_when_told_and_no_jump_afterwards(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    client = graph.add(lambda: Node("caller")).create_client(SetBool, "/arm/torque")

    def call(wanted: bool) -> SetBool.Response:
        future = client.call_async(SetBool.Request(data=wanted))
        graph.run_until(future.done)
        found = future.result()
        assert found is not None
        return found

    assert call(False).success
    assert not any(servo.is_on for servo in arm.servos.values())
    for servo in arm.servos.values():
        servo.shaft = 2500.0  # by hand
    arm.lead(0.2)
    assert call(True).message == "holding"
    graph.run_for(0.5)
    assert all(servo.is_on for servo in arm.servos.values())
    assert [servo.shaft for servo in arm.servos.values()] == pytest.approx([2500.0] * 6, abs=1)


def test_a_leader_is_limp(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path, torque=False)
    before = len(arm.seen)
    graph.run_for(1.5)
    assert not any(servo.is_on for servo in arm.servos.values())
    assert len(arm.seen) - before > 70


@pytest.mark.parametrize("why", ["told", "emergency stop", "leader"])
def test_a_limp_arm_stays_limp_whatever_comes_back(graph: Graph, tmp_path: Path, why: str) -> None:
    stop = "limp" if why == "emergency stop" else "hold"
    arm = Arm(graph, tmp_path, emergency_stop=stop, torque=why != "leader")
    if why == "told":
        client = graph.add(lambda: Node("caller")).create_client(SetBool, "/arm/torque")
        graph.run_until(client.call_async(SetBool.Request(data=False)).done)
    elif why == "emergency stop":
        graph.inject("emergency_stop", Bool(data=True))
        graph.run_for(0.1)
        graph.inject("emergency_stop", Bool(data=False))
    arm.fault("mute 3")
    graph.run_for(0.1)
    arm.fault("unmute 3")
    graph.run_for(2.5)
    assert not any(servo.is_on for servo in arm.servos.values()), "one servo was silent"
    arm.fault("unplug")
    for servo in arm.servos.values():
        servo.set(arm.family.torque, 1)  # the adaptor alone was unplugged
    arm.fault("replug")
    graph.run_for(2.5)
    assert not any(servo.is_on for servo in arm.servos.values()), "the adaptor was unplugged"
    arm.servos[2].set(arm.family.torque, 1)
    graph.run_for(1.5)
    assert not arm.servos[2].is_on, "it has missed the request"


def test_the_first_command_of_each_joint_is_to_be_near(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    arm.lead(0.1, position=0.1)
    held = arm.goals
    arm.lead(0.1, name="elbow_flex", position=1.5)
    assert arm.goals[2] == held[2]


def test_a_leader_leads_a_follower_on_a_second_bus(graph: Graph, tmp_path: Path) -> None:
    follower = Arm(graph, tmp_path)
    leaders, followers = str(tmp_path / "leader.json"), str(tmp_path / "follower.json")
    trigger = JointCalibration(id=2, range_min=1848, range_max=2248)
    pan = JointCalibration(id=1)
    write_calibration(leaders, {"shoulder_pan": pan, "gripper": trigger})
    jaw = JointCalibration(id=6, range_min=1448, range_max=2648)
    write_calibration(followers, {"shoulder_pan": pan, "gripper": jaw})
    bus = graph.add(
        FakeServoBus,
        name="leader_bus",
        params={
            "port": str(tmp_path / "leader"),
            "protocol": Arm.protocol,
            "socket": True,
            "ids": [1, 2],
        },
    )
    bus.bus.servos[2].calibrate(1848, 2248)
    graph.add(
        ServoArm,
        name="leader",
        params={
            "port": str(tmp_path / "leader"),
            "protocol": Arm.protocol,
            "calibration": leaders,
            "like": followers,
            "torque": False,
        },
        remap={"joint_states": "joint_command", "joint_command": "none"},
    )
    graph.run_for(1.0)
    for step in range(50):
        bus.bus.servos[1].shaft = 2048.0 + 4 * step  # by hand
        bus.bus.servos[2].shaft = 2048.0 + 2 * step
        graph.run_for(0.02)
    graph.run_for(0.3)
    assert follower.seen[-1].position[0] == pytest.approx(196 / PAN, abs=0.01)
    assert follower.seen[-1].position[5] == pytest.approx(3 * 98 / PAN, abs=0.01)
    assert bus.wire is not None
    bus.wire.unplug()
    bus.bus.servos[1].shaft = 2900.0
    graph.run_for(0.4)
    held = follower.goals
    bus.wire.plug()
    graph.run_for(2.0)
    assert follower.goals == held, "the leader was moved meanwhile: it has to come back"


def test_a_trajectory(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    points = [
        JointTrajectoryPoint(positions=[0.5, -0.2], time_from_start=Duration(sec=1)),
        JointTrajectoryPoint(positions=[0.0, 0.0], time_from_start=Duration(sec=2)),
    ]
    msg = JointTrajectory(joint_names=["shoulder_pan", "gripper"], points=points)
    graph.inject("joint_trajectory", msg)
    graph.run_for(0.5)
    assert arm.goals[0] == pytest.approx(moved(0.25), abs=12)
    graph.run_for(0.5)
    assert arm.goals[5] == pytest.approx(moved(-0.2), abs=12)
    graph.run_for(1.5)
    assert arm.goals[0] == moved(0.0)


def stamped(graph: Graph, node: Node, begins_sec: float) -> JointTrajectory:
    """To 0.2 in the first second of it, and to 0.6 in the next."""
    points = [
        JointTrajectoryPoint(positions=[0.2], time_from_start=Duration(sec=1)),
        JointTrajectoryPoint(positions=[0.6], time_from_start=Duration(sec=2)),
    ]
    stamp = node.get_clock().now() + Duration(seconds=begins_sec)
    return JointTrajectory(header=Header(stamp=stamp), joint_names=["shoulder_pan"], points=points)


def test_a_trajectory_is_at_its_points_by_its_stamp(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    node = graph.add(lambda: Node("planner"))
    graph.inject("joint_trajectory", stamped(graph, node, 3.0))
    graph.run_for(2.0)
    assert arm.goals[0] == pytest.approx(moved(0.1), abs=12), "half the way to its first point"
    graph.run_for(2.5)
    assert arm.goals[0] == pytest.approx(moved(0.4), abs=12)
    graph.run_for(1.0)
    assert arm.goals[0] == moved(0.6)
    point = JointTrajectoryPoint(positions=[0.3], time_from_start=Duration(sec=1))
    graph.inject("joint_trajectory", JointTrajectory(joint_names=["shoulder_pan"], points=[point]))
    graph.run_for(1.5)
    graph.inject("joint_trajectory", stamped(graph, node, -1.25))
    graph.run_for(0.5)
    assert arm.goals[0] == pytest.approx(moved(0.5), abs=12), "the rest of it"
    graph.run_for(0.5)
    graph.inject("joint_trajectory", stamped(graph, node, -2.5))
    graph.run_for(0.5)
    assert arm.goals[0] == moved(0.6), "it is over"


def test_a_goal_with_a_stamp_ends_when_its_last_point_is_passed(
    graph: Graph, tmp_path: Path
) -> None:
    arm = Arm(graph, tmp_path)
    follower = Follower(arm)
    trajectory = stamped(graph, graph.add(lambda: Node("clock")), 2.0)
    future = follower.client.send_goal_async(FollowJointTrajectory.Goal(trajectory=trajectory))
    graph.run_until(future.done)
    handle: Any = future.result()
    result = handle.get_result_async()
    graph.run_for(3.0)
    assert not result.done()
    assert follower.end(handle) == (GoalStatus.STATUS_SUCCEEDED, 0, "")
    assert arm.goals[0] == moved(0.6)


def test_commands_that_end_do_not_stop_a_trajectory(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    arm.lead(0.2)
    point = JointTrajectoryPoint(positions=[0.6], time_from_start=Duration(sec=1))
    msg = JointTrajectory(joint_names=["shoulder_pan"], points=[point])
    graph.inject("joint_trajectory", msg)
    graph.run_for(1.2)
    assert arm.goals[0] == moved(0.6)


class Follower:
    """A client of the arm's action."""

    def __init__(self, arm: Arm) -> None:
        self.graph = arm.graph
        node = self.graph.add(lambda: Node("planner"))
        self.client = ActionClient(node, FollowJointTrajectory, "/arm/follow_joint_trajectory")
        self.feedback: list[Any] = []

    def send(
        self, names: list[str], *points: list[float], **tolerances: Any
    ) -> ClientGoalHandle[Any, Any, Any]:
        way = [
            JointTrajectoryPoint(positions=each, time_from_start=Duration(sec=at))
            for at, each in enumerate(points, 1)
        ]
        trajectory = JointTrajectory(joint_names=names, points=way)
        goal = FollowJointTrajectory.Goal(trajectory=trajectory, **tolerances)
        future = self.client.send_goal_async(goal, feedback_callback=self.feedback.append)
        self.graph.run_until(future.done)
        found = future.result()
        assert found is not None
        return found

    def end(self, handle: ClientGoalHandle[Any, Any, Any]) -> tuple[int, int, str]:
        future = handle.get_result_async()
        self.graph.run_until(future.done, 20.0)
        found: Any = future.result()
        return found.status, found.result.error_code, found.result.error_string


def test_the_action_follows_and_says_how_it_ended(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    follower = Follower(arm)
    ended = follower.end(follower.send(["shoulder_pan", "gripper"], [0.5, -0.2], [0.2, 0.1]))
    assert ended == (GoalStatus.STATUS_SUCCEEDED, 0, "")
    assert [arm.goals[0], arm.goals[5]] == [moved(0.2), moved(0.1)]
    told = follower.feedback[len(follower.feedback) // 2].feedback
    assert told.joint_names == ["shoulder_pan", "gripper"]
    assert told.error.positions[0] == told.desired.positions[0] - told.actual.positions[0]
    _, code, text = follower.end(follower.send(["knee"], [0.0]))
    assert (code, text[:25]) == (-2, "there is no joint 'knee';")
    _, code, text = follower.end(follower.send(["gripper"], [float("nan")]))
    assert (code, text) == (-1, "the position of gripper is nan")


def test_a_trajectory_out_of_the_limits_is_refused(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    follower, held = Follower(arm), arm.goals
    status, code, text = follower.end(follower.send(["gripper"], [0.2], [-90.0]))
    assert (status, code) == (GoalStatus.STATUS_ABORTED, -1)
    assert text == (
        "gripper cannot go to -90 rad, only from -3.14 to 3.14; positions are rad, not degrees"
    )
    point = JointTrajectoryPoint(positions=[-90.0], time_from_start=Duration(sec=60))
    graph.inject("joint_trajectory", JointTrajectory(joint_names=["gripper"], points=[point]))
    graph.run_for(2.0)
    assert arm.goals == held


def test_the_first_command_after_a_trajectory_is_to_be_near(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    follower = Follower(arm)
    assert follower.end(follower.send(["shoulder_pan"], [0.2]))[1] == 0
    arm.lead(0.2, position=1.5)
    assert arm.goals[0] == moved(0.2)
    arm.lead(0.2, position=0.3)
    assert arm.goals[0] == moved(0.3)


@pytest.mark.parametrize("how", ["cancel", "command", "stop", "unplug", "hot"])
def test_a_goal_that_is_broken_off_holds(graph: Graph, tmp_path: Path, how: str) -> None:
    arm = Arm(graph, tmp_path)
    follower = Follower(arm)
    handle = follower.send(["shoulder_pan"], [0.4], [0.8])
    graph.run_for(0.5)
    if how == "cancel":
        handle.cancel_goal_async()
    elif how == "command":
        arm.lead(0.1, position=0.2)
    elif how == "stop":
        graph.inject("emergency_stop", Bool(data=True))
    else:
        arm.fault("unplug" if how == "unplug" else "temperature 1 80")
    status, _, text = follower.end(handle)
    said = {"cancel": "cancelled", "hot": "shoulder_pan stopped: overheated"}
    assert text.startswith(said.get(how, "the arm holds"))
    assert status == (GoalStatus.STATUS_CANCELED if how == "cancel" else GoalStatus.STATUS_ABORTED)
    graph.run_for(0.05)
    held = arm.goals[0]
    graph.run_for(2.0)
    assert arm.goals[0] == held < moved(0.41)


def test_a_driver_that_stood_still_holds_instead_of_leaving_the_path(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went straight to where the trajectory was by then, and called that a success."""
    arm = Arm(graph, tmp_path)
    follower = Follower(arm)
    handle = follower.send(["shoulder_pan"], [0.4], [0.8], [-0.4])
    graph.run_for(0.5)
    bus, read = arm.node._bus, arm.node._bus.sync_read

    async def read_late(*args: Any) -> Any:
        monkeypatch.setattr(bus, "sync_read", read)
        await asyncio.sleep(1.5)
        return await read(*args)

    monkeypatch.setattr(bus, "sync_read", read_late)
    graph.run_for(0.1)
    held = arm.goals[0]
    status, _, text = follower.end(handle)
    assert (status, text[:13]) == (GoalStatus.STATUS_ABORTED, "the arm holds")
    graph.run_for(2.0)
    assert arm.goals[0] == held < moved(0.41)


def test_a_driver_whose_timeout_is_shorter_than_its_period_does_not_stand_still(
    graph: Graph, tmp_path: Path
) -> None:
    arm = Arm(graph, tmp_path, command_timeout=0.005)
    handle = (follower := Follower(arm)).send(["shoulder_pan"], [0.4], [0.8])
    assert follower.end(handle)[0] == GoalStatus.STATUS_SUCCEEDED


def test_a_goal_that_is_not_reached_is_aborted(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path, max_speed=0.1)
    follower = Follower(arm)
    status, code, text = follower.end(follower.send(["gripper"], [0.3]))
    assert (status, code) == (GoalStatus.STATUS_ABORTED, -5)
    assert "speed limit" in text
    arm.servos[1].move = lambda _: None  # it is stuck
    near = [JointTolerance(name="shoulder_pan", position=0.01)]
    _, code, text = follower.end(follower.send(["shoulder_pan"], [0.05], path_tolerance=near))
    assert code == -4
    assert text.startswith("shoulder_pan is 0.01")


def test_the_plug_is_pulled_in_mid_motion(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    arm.lead(0.3)
    arm.fault("unplug")
    assert arm.status("bus")[0] == 2
    assert arm.status("shoulder_pan")[0] == 3
    for servo in arm.servos.values():
        assert not servo.is_on
        servo.shaft -= 50  # it sags
        servo.set(arm.family.goal, 3000)
    arm.fault("replug")
    before = graph.now_sec
    graph.run_until(lambda: all(servo.is_on for servo in arm.servos.values()), 5.0)
    assert graph.now_sec - before < 0.5
    graph.run_for(0.1)
    assert arm.servos[2].shaft == pytest.approx(2048 - 50, abs=1), "it does not jump"
    arm.lead(0.3)
    assert arm.goals[0] == moved(0.3)
    assert arm.status("bus") == (0, "ok")


def test_one_servo_is_silent_and_comes_back(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    arm.fault("mute 3")
    assert arm.status("bus") == (2, "no answer from [3]")
    held = arm.goals
    arm.lead(0.3)
    assert arm.goals == held
    assert "elbow_flex" not in arm.seen[-1].name
    arm.fault("unmute 3")
    arm.fault("brownout 3")
    graph.run_for(1.5)
    assert arm.servos[3].is_on
    arm.lead(0.3)
    assert arm.goals[0] == moved(0.3)


@pytest.mark.parametrize(
    ("fault", "over", "reason"),
    [
        ("temperature 1 68", "temperature 1 40", "68 degrees"),
        ("voltage 1 3", "voltage 1 7.5", "volt"),
        ("voltage 1 6.8", "voltage 1 7.5", "6.8 V"),
    ],
)
def test_a_joint_with_a_fault_stops_alone(
    graph: Graph, tmp_path: Path, fault: str, over: str, reason: str
) -> None:
    arm = Arm(graph, tmp_path, min_voltage=7.0)
    arm.fault(fault)
    level, text = arm.status("shoulder_pan")
    assert level == 2
    assert reason in text
    arm.lead(0.3)
    arm.lead(0.3, name="gripper")
    assert arm.goals[0] == moved(0.0)
    assert arm.goals[5] == moved(0.3)
    arm.fault(over)
    arm.lead(0.3)
    assert arm.goals[0] == moved(0.3)


def test_a_load_that_lasts_stops_its_joint() -> None:
    watch, limits = JointWatch(), JointLimits(65.0, 0.0, 0.9)

    def see(load: int, now_sec: float) -> str:
        state = ServoState(0, 0, load, 7.4, 30, is_moving=False, current=0.0, error=0)
        return watch.see(state, "", limits, now_sec)

    assert not see(-950, 0.0)
    assert not see(-950, 0.9)
    assert not see(100, 1.0), "it did not last"
    assert not see(950, 1.9)
    assert see(950, 2.1) == "a load of 95% for 1 s"
    assert see(0, 5.0), "it rests"
    assert not see(0, 5.2)


def test_a_servo_that_went_off_is_set_again(graph: Graph, tmp_path: Path) -> None:
    arm = Arm(graph, tmp_path)
    arm.fault("brownout 4")
    graph.run_for(1.5)
    assert arm.servos[4].is_on


def test_limits_of_a_calibration(graph: Graph, tmp_path: Path) -> None:
    path = str(tmp_path / "arm.json")
    joints = {"pan": JointCalibration(id=1, range_min=2000, range_max=2100)}
    write_calibration(path, joints)
    arm = Arm(graph, tmp_path, calibration=path)
    level, text = arm.status("bus")
    assert level == 2
    assert "the file has range_min 2000, servo 1 has 0" in text
    assert not arm.servos[1].is_on
    arm.servos[1].calibrate(2000, 2100)
    graph.run_for(1.0)
    arm.lead(0.5, name="pan", position=0.3)
    assert arm.goals[0] == 2100
    assert arm.seen[-1].name == ["pan"]


@pytest.mark.parametrize(("name", "position"), [("knee", 0.0), ("gripper", float("nan"))])
def test_wrong_commands_are_refused(
    graph: Graph, tmp_path: Path, name: str, position: float
) -> None:
    arm = Arm(graph, tmp_path)
    held = arm.goals
    arm.lead(0.1, name=name, position=position)
    assert arm.goals == held


def test_what_does_not_fit_is_told(
    graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ParameterError, match="there are 6 joints, and ids is"):
        Arm(graph, tmp_path, ids=[1, 2])
    for limit in ("max_temperature", "min_voltage"):  # NaN would switch the check off
        with pytest.raises(ParameterError, match=f"{limit}: Input should be greater than"):
            graph.add(ServoArm, name="other", params={limit: math.nan})
    with pytest.raises(CalibrationError, match="No such file"):
        graph.add(ServoArm, name="other", params={"calibration": str(tmp_path / "none.json")})
    assert "AttributeError" not in capsys.readouterr().err


def a_run(path: Path) -> str:
    seen = hashlib.sha256()
    with Graph(seed=3) as graph:
        arm = Arm(graph, path, faults=["0.1 lose 0.02", "1.4 unplug", "2.0 replug"], seed=5)
        arm.lead(3.0)
        for msg in arm.seen:
            seen.update(msg.to_json().encode())
        assert len(arm.seen) > 100
    return seen.hexdigest()


def test_a_run_with_an_unplugging_repeats_bit_for_bit(tmp_path: Path) -> None:
    assert a_run(tmp_path) == a_run(tmp_path)


def test_an_alarm_lasts_until_its_servo_is_told(
    graph: Graph, tmp_path: Path, protocol: str
) -> None:
    arm = Arm(graph, tmp_path)
    arm.fault("temperature 1 90")
    assert arm.status("shoulder_pan") == (2, "stopped: overheated")
    arm.fault("temperature 1 30")
    graph.run_for(1.5)
    lasts = protocol == "dynamixel"
    assert arm.servos[1].is_on != lasts, "a Feetech servo begins again by itself"
    if lasts:
        arm.servos[1].shaft += 100  # it sagged
    client = graph.add(lambda: Node("caller")).create_client(SetBool, "/arm/torque")
    future = client.call_async(SetBool.Request(data=True))
    graph.run_until(future.done)
    graph.run_for(1.5)
    assert all(servo.is_on for servo in arm.servos.values())
    assert arm.servos[1].shaft == pytest.approx(2148 if lasts else 2048, abs=1), "it does not jump"
    arm.lead(0.3)
    assert arm.goals[0] == moved(0.3)


def test_a_range_over_the_wrap_of_an_encoder(graph: Graph, tmp_path: Path) -> None:
    """The power comes on with the shaft on either side of the wrap; it is the same joint."""
    family = FAMILIES[Arm.protocol]
    path = str(tmp_path / "arm.json")
    joint = swept(1, 3700, 4500, family)
    write_calibration(path, {"pan": joint})
    arm = Arm(graph, tmp_path, calibration=path, first_distance=1.0)
    servo = arm.servos[1]
    for ticks in (4400, 304):  # the same angle, as the encoder may have counted it
        arm.fault("unplug")
        servo.shaft = ticks
        servo.set(family.calibrated["homing_offset"], joint.homing_offset)
        servo.calibrate(joint.range_min, joint.range_max)
        arm.fault("replug")
        graph.run_for(1.0)
        assert arm.seen[-1].position == pytest.approx([300 / PAN], abs=0.002)
        arm.lead(0.6, name="pan", position=0.0)
        assert arm.seen[-1].position == pytest.approx([0.0], abs=0.002)
        assert servo.shaft == pytest.approx(ticks - 300, abs=1), "and no turn more"


def test_settings_of_a_dynamixel_that_holds(graph: Graph, tmp_path: Path, protocol: str) -> None:
    arm = Arm(graph, tmp_path, faults=["0.0 unplug"])
    servo = arm.servos[2]
    servo.set(arm.family.torque, 1)  # by another program, which has set it otherwise
    arm.fault("replug")
    servo.set(arm.family.torque, 1)
    level, text = arm.status("bus")
    assert servo.is_on, "an arm does not fall because its driver begins"
    if protocol == "dynamixel":
        assert level == 2
        assert "servo 2 holds, and accepts its settings only while limp" in text


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph
