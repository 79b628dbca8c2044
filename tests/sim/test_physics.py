"""A model in MuJoCo as a node, in virtual time: its sensors, its commands, its mistakes."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes.errors import NodeConfigurationError, ParameterError, SimulationError
from dsmq_nodes.messages import (
    Bool,
    Clock,
    DiagnosticArray,
    Imu,
    JointState,
    LaserScan,
    Odometry,
    TFMessage,
    Twist,
    Vector3,
)
from dsmq_nodes.messages.std_srvs import Trigger
from dsmq_nodes.testing import Graph

pytest.importorskip("mujoco", reason="MuJoCo is in the extra sim")

from dsmq_nodes.sim import Physics

KNOWN_SEC = 2.5  # by then an emergency stop of before would be known
# A robot of somebody else: four wheels, the axes of two the other way round, no names of ours.
ROVER = """
<mujoco model="rover">
  <compiler angle="radian"/><option integrator="implicitfast"/>
  <worldbody>
    <geom type="plane" size="9 9 .1"/>
    <geom type="box" size=".1 4 1" pos="3 0 0"/>
    <body name="crate" pos="0 2 .1"><freejoint/><geom type="box" size=".1 .1 .1"/></body>
    <body name="rover" pos="0 0 .1">
      <freejoint/>
      <geom type="box" size=".2 .1 .05" mass="2" contype="0" conaffinity="0"/>
      <site name="top" pos="0 0 .2"/>
      <body pos=".15 .15 0"><joint name="fl" axis="0 1 0"/><geom type="cylinder" size=".1 .02" euler="1.5708 0 0" mass=".2"/></body>
      <body pos=".15 -.15 0"><joint name="fr" axis="0 -1 0"/><geom type="cylinder" size=".1 .02" euler="1.5708 0 0" mass=".2"/></body>
      <body pos="-.15 .15 0"><joint name="rl" axis="0 1 0"/><geom type="cylinder" size=".1 .02" euler="1.5708 0 0" mass=".2"/></body>
      <body pos="-.15 -.15 0"><joint name="rr" axis="0 -1 0"/><geom type="cylinder" size=".1 .02" euler="1.5708 0 0" mass=".2"/></body>
      <body pos="0 0 .1"><joint name="mast" axis="0 0 1"/><geom type="box" size=".02 .02 .1" mass=".1"/></body>
    </body>
  </worldbody>
  <actuator>
    <velocity joint="fl" kv="1"/><velocity joint="fr" kv="1"/>
    <velocity joint="rl" kv="1" gear="2"/><velocity joint="rr" kv="1" gear="2"/>
    <position joint="mast" kp="5" kv=".5"/>
  </actuator>
</mujoco>
"""  # noqa: E501

DRONE = """
<mujoco model="drone">
  <worldbody>
    <geom type="plane" size="5 5 .1"/>
    <body name="drone" pos="0 0 .5">
      <freejoint/>
      <geom type="box" size=".1 .1 .02" mass=".5"/>
      <site name="drone" pos="0 0 .02"/><site name="a" pos=".1 0 0"/><site name="b" pos="-.1 0 0"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="front" site="a" gear="0 0 1 0 0 0"/>
    <motor name="rear" site="b" gear="0 0 1 0 0 0"/>
  </actuator>
  <sensor><gyro site="drone"/><framequat objtype="site" objname="drone"/></sensor>
</mujoco>
"""


class Robot:
    """A simulated robot and who commands it."""

    def __init__(self, graph: Graph, **params: Any) -> None:
        self.graph = graph
        self.node = graph.add(Physics, params=params)
        self.joints = graph.observe(JointState, "joint_states")
        self.truth = graph.observe(Odometry, "ground_truth")
        self.odom = graph.observe(Odometry, "odom")
        graph.run_for(KNOWN_SEC)

    def drive(self, sec: float, speed: float, turn_rate: float = 0.0) -> None:
        for _ in range(round(sec / 0.05)):
            msg = Twist(linear=Vector3(x=speed), angular=Vector3(z=turn_rate))
            self.graph.inject("cmd_vel", msg)
            self.graph.run_for(0.05)

    @property
    def speed(self) -> float:
        return self.truth[-1].twist.twist.linear.x


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph


@pytest.mark.slow
def test_the_diffbot_drives_and_senses(graph: Graph) -> None:
    imu, scans = graph.observe(Imu, "imu"), graph.observe(LaserScan, "scan")
    transforms = graph.observe(TFMessage, "tf")
    robot = Robot(graph, pose=[1.0, 1.0, 0.0])
    assert len(robot.joints) == pytest.approx(100 * KNOWN_SEC, abs=1)
    assert len(scans) == pytest.approx(10 * KNOWN_SEC, abs=1)
    ranges = scans[-1].ranges
    walls = [ranges[0], ranges[90], ranges[180], ranges[270]]  # behind, right, ahead, left
    assert walls == pytest.approx([1.0, 1.0, 2.19, 5.0], abs=0.05)
    assert imu[-1].linear_acceleration.z == pytest.approx(9.81, abs=0.3)
    assert imu[-1].orientation_covariance[0] == -1
    robot.drive(2.0, 0.3)
    assert robot.speed == pytest.approx(0.3, abs=0.01)
    assert imu[-1].header.frame_id == "imu"
    robot.drive(2.0, 0.2, 0.8)
    by_wheels, true = robot.odom[-1].pose.pose, robot.truth[-1].pose.pose
    assert true.position.x > 1.5
    assert by_wheels.position.x == pytest.approx(true.position.x, abs=0.05)
    assert by_wheels.position.y == pytest.approx(true.position.y, abs=0.05)
    assert transforms[-1].transforms[0].child_frame_id == "base_link"
    assert robot.joints[-1].name == ["left_wheel", "right_wheel"]


def test_it_stops_when_commands_do_and_while_the_emergency_stop_is_pressed(graph: Graph) -> None:
    robot = Robot(graph)
    robot.drive(1.0, 0.3)
    graph.run_for(0.2)
    assert robot.speed == pytest.approx(0.3, abs=0.02)
    graph.run_for(0.3)
    assert abs(robot.speed) < 0.01
    robot.drive(0.5, 0.3)
    graph.inject("emergency_stop", Bool(data=True))
    robot.drive(0.5, 0.3)
    assert abs(robot.speed) < 0.01
    graph.inject("emergency_stop", Bool(data=False))
    robot.drive(0.5, 0.3)
    assert robot.speed > 0.2
    robot.drive(0.5, math.nan)  # a command, but of no speed
    assert abs(robot.speed) < 0.01


def test_the_bumper_tells_of_a_wall(graph: Graph) -> None:
    touches = graph.observe(Bool, "bumper")
    robot = Robot(graph, pose=[7.6, 3.0, 0.0])
    robot.drive(1.5, 0.3)
    assert [each.data for each in touches] == [False, True]


def test_a_model_of_ones_own_needs_no_parameters(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "rover.xml"
    path.write_text(ROVER)
    robot = Robot(graph, model=str(path))
    before = robot.truth[-1].pose.pose.position.x
    robot.drive(2.0, 0.5)
    assert robot.truth[-1].child_frame_id == "rover"
    assert robot.truth[-1].pose.pose.position.x - before == pytest.approx(1.0, abs=0.1)
    assert robot.odom[-1].pose.pose.position.x == pytest.approx(1.0, abs=0.1)
    for _ in range(10):
        graph.inject("joint_command", JointState(name=["mast"], position=[0.5]))
        graph.run_for(0.1)
    mast = robot.joints[-1].name.index("mast")
    assert robot.joints[-1].position[mast] == pytest.approx(0.5, abs=0.02)
    graph.run_for(1.0)  # held where it is
    assert robot.joints[-1].position[mast] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_actuators_that_move_no_joint_are_commanded_by_their_names(
    graph: Graph, tmp_path: Path
) -> None:
    path = tmp_path / "drone.xml"
    path.write_text(DRONE)
    imu = graph.observe(Imu, "imu")
    robot = Robot(graph, model=str(path))
    landed = robot.truth[-1].pose.pose.position.z
    for _ in range(20):
        graph.inject("joint_command", JointState(name=["front", "rear"], effort=[2.6, 2.6]))
        graph.run_for(0.05)
    assert robot.truth[-1].pose.pose.position.z > landed + 0.1
    assert imu[-1].orientation.w == pytest.approx(1.0, abs=0.01)
    assert imu[-1].header.frame_id == "drone_site"  # `drone` is the base's
    graph.run_for(2.0)  # without commands there is no thrust
    assert robot.truth[-1].pose.pose.position.z == pytest.approx(landed, abs=0.01)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"model": "difbot"}, "there is no model .*difbot; give an MJCF file.*: diffbot, so101"),
        ({"lidar": "lidra"}, "lidar: the model diffbot has no site 'lidra'; did you mean 'lidar'"),
        ({"imu": "lidar"}, 'site lidar of diffbot has no gyro.*add <gyro site="lidar"/>'),
        ({"base": "left_wheel"}, "add <freejoint/> to the body left_wheel"),
        ({"left_wheels": ["left_wheel"]}, "give both or none"),
        ({"left_wheels": ["l"], "right_wheels": ["r"]}, "left_wheels: .* has no joint 'l'"),
        ({"bumper": "gyro"}, "bumper: the sensor gyro of diffbot is no <touch/>"),
        ({"model": "so101", "pose": [0.0, 0.0, 0.0]}, ""),
        ({"pose": [0.0]}, "pose is .x, y, heading."),
        ({"speed": 2.0}, "speed needs clock: true"),
    ],
)
def test_what_the_model_lacks_is_named(
    graph: Graph, caplog: pytest.LogCaptureFixture, params: dict[str, Any], text: str
) -> None:
    if not text:  # the cube is what moves freely there
        graph.add(Physics, params=params)
        return
    with pytest.raises((SimulationError, ParameterError), match=text) as found:
        graph.add(Physics, params=params)
    assert "\n" not in str(found.value)
    assert not caplog.records  # and nothing else


def test_a_wheel_without_its_motor_is_named(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "rover.xml"
    path.write_text(ROVER.replace("<velocity", "<motor").replace(' kv="1"', ""))
    params = {"model": str(path), "left_wheels": ["fl"], "right_wheels": ["fr"]}
    with pytest.raises(SimulationError, match='for the wheel fl: add <velocity joint="fl"'):
        graph.add(Physics, params=params)


def test_what_mujoco_refuses_is_told_in_one_line(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "empty.xml"
    path.write_text("<mujoco>\n  <worldbody>\n    <geom/>\n  </worldbody>\n</mujoco>")
    with pytest.raises(SimulationError, match=r"empty\.xml: .*geom") as found:
        graph.add(Physics, params={"model": str(path)})
    assert "\n" not in str(found.value)


def test_with_clock_it_is_the_clock(graph: Graph) -> None:
    clock = graph.observe(Clock, "clock")
    robot = Robot(graph, clock=True, speed=2.0)
    assert clock[-1].clock.sec == pytest.approx(2 * KNOWN_SEC, abs=1)
    robot.drive(1.0, 0.3)
    assert robot.truth[-1].header.stamp in [each.clock for each in clock[-3:]]
    assert robot.speed == pytest.approx(0.3, abs=0.02)
    graph.run_for(0.3)  # 0.6 s of the simulation
    assert abs(robot.speed) < 0.01


def test_wheels_stop_when_their_commands_do_though_a_joint_is_commanded(
    graph: Graph, tmp_path: Path
) -> None:
    path = tmp_path / "rover.xml"
    path.write_text(ROVER)
    robot = Robot(graph, model=str(path), clock=True)
    robot.drive(1.0, 0.3)
    for _ in range(20):
        graph.inject("joint_command", JointState(name=["mast"], position=[0.5]))
        graph.run_for(0.05)
    assert abs(robot.speed) < 0.05


def test_it_hurries(graph: Graph) -> None:
    clock = graph.observe(Clock, "clock")
    graph.add(Physics, params={"clock": True, "speed": 0.0})
    graph.run_for(0.0005)
    assert clock[-1].clock.sec > 3


def test_it_cannot_go_by_the_clock_that_it_is(graph: Graph) -> None:
    with pytest.raises(NodeConfigurationError, match="use_sim_time: false"):
        graph.add(Physics, params={"clock": True, "use_sim_time": True})


@pytest.mark.slow
def test_reset_and_a_model_that_bursts(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnostics = graph.observe(DiagnosticArray, "diagnostics")
    robot = Robot(graph)
    robot.drive(1.0, 0.3)
    client = robot.node.create_client(Trigger, "~/reset")
    future = client.call_async(Trigger.Request())
    graph.run_for(0.1)
    assert future.result().success
    assert robot.truth[-1].pose.pose.position.x == pytest.approx(1.0, abs=0.01)
    assert robot.odom[-1].pose.pose.position.x == pytest.approx(1.0, abs=0.01)
    monkeypatch.chdir(tmp_path)
    robot.node.world.data.qvel[:] = 1e12
    graph.run_for(1.1)
    assert "unstable" in diagnostics[-1].status[0].message
    assert not list(tmp_path.iterdir())  # MuJoCo writes no file of its own
    assert robot.truth[-1].pose.pose.position.x == pytest.approx(1.0, abs=0.01)
