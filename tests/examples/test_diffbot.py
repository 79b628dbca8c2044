"""The diffbot on the virtual clock, from its own launch file."""

import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import parse

import pytest

from dsmq_nodes import Node, Parameter
from dsmq_nodes.messages import (
    Bool,
    Imu,
    JointState,
    LaserScan,
    Message,
    OccupancyGrid,
    Odometry,
    Time,
    Twist,
)
from dsmq_nodes.testing import Graph, Observed
from dsmq_nodes.tf import Buffer, TransformListener
from examples.diffbot import Avoider, Mapper, Plant, Safety
from examples.diffbot.monitor import MOST_POINTS, Point, extend
from examples.diffbot.odometry import OdometryNode
from examples.diffbot.robot import BODY_RADIUS_M, WheelTicks, pose_of
from examples.diffbot.world import SIZE_M, World

LAUNCH = Path(__file__).parents[2] / "launch"
FORWARD = Twist()
FORWARD.linear.x = 0.5


def diffbot(seed: int = 1, *without: str, picture: str = "") -> Graph:
    args: dict[str, int | str] = {"seed": seed, "picture": picture}
    return Graph.from_launch(LAUNCH / "diffbot.yaml", args=args, without=without)


@pytest.fixture
def robot() -> Iterator[Graph]:
    """All but what draws."""
    with diffbot(1, "/monitor", "/mapper") as graph:
        yield graph


def driven_m(truth: Observed[Odometry]) -> float:
    places = [pose_of(msg)[:2] for msg in truth]
    return sum(map(math.dist, places, places[1:]))


def speed(truth: Observed[Odometry]) -> float:
    return truth[-1].twist.twist.linear.x


@pytest.mark.slow
@pytest.mark.timeout(900)  # it computes, however busy the machine is
def test_half_a_minute_touches_nothing_knows_where_it_is_and_what_is_around() -> None:
    with diffbot(1, "/monitor") as graph:
        truth, odom = graph.observe(Odometry, "ground_truth"), graph.observe(Odometry, "odom")
        bumper, maps = graph.observe(Bool, "bumper"), graph.observe(OccupancyGrid, "map")
        graph.run_for(30.0)
    assert [msg.data for msg in bumper] == [False]
    assert min(World().distance(*pose_of(msg)[:2]) for msg in truth[::20]) > BODY_RADIUS_M
    assert driven_m(truth) > 7.5
    # Four truths for each odometry; what comes in between has moved no more than 2 cm.
    pairs = zip(truth[3::4], odom, strict=False)
    off_m = [math.dist(pose_of(one)[:2], pose_of(other)[:2]) for one, other in pairs]
    assert len(off_m) > 1450
    assert max(off_m) < 0.05 * driven_m(truth)
    assert_it_is_the_world(maps[-1])


def assert_it_is_the_world(grid: OccupancyGrid) -> None:
    occupied: list[float] = []  # how far from a wall
    free: list[bool] = []  # whether within the world
    for cell, value in enumerate(grid.data):
        row, column = divmod(cell, grid.info.width)
        x = grid.info.origin.position.x + (column + 0.5) * grid.info.resolution
        y = grid.info.origin.position.y + (row + 0.5) * grid.info.resolution
        if value > 60:
            occupied.append(World().distance(x, y))
        elif value >= 0:
            free.append(0 < x < SIZE_M[0] and 0 < y < SIZE_M[1])
    assert sum(each < 0.2 for each in occupied) > 0.9 * len(occupied)
    assert sum(free) > 0.98 * len(free), "nothing is free beyond the walls"
    area_m2 = len(free) * grid.info.resolution**2
    assert area_m2 > 0.8 * SIZE_M[0] * SIZE_M[1]


@pytest.mark.slow
def test_two_runs_are_the_same_message_for_message() -> None:
    def run(seed: int) -> list[list[str]]:
        observed: list[list[Message]] = []
        with diffbot(seed, "/monitor") as graph:
            for kind, topic in (
                (Odometry, "ground_truth"),
                (Odometry, "odom"),
                (Imu, "imu"),
                (LaserScan, "scan"),
                (Twist, "cmd_vel"),
                (WheelTicks, "wheel_ticks"),
                (OccupancyGrid, "map"),
            ):
                observed.append(graph.observe(kind, topic))
            graph.run_for(2.0)
            return [[msg.to_json() for msg in messages] for messages in observed]

    first, again, other = run(1), run(1), run(2)
    assert first == again
    assert all(one != another for one, another in zip(first, other, strict=True))


def test_every_node_keeps_the_rate_that_the_launch_file_declares(robot: Graph) -> None:
    robot.run_for(5.0)
    rates = {}
    for name, node in robot.nodes.items():
        timers = node.statistics().timers
        if timers:
            assert timers[0].achieved_hz == pytest.approx(node.rate_hz, rel=1e-6)
            assert timers[0].overruns == 0
            rates[name] = node.rate_hz
    assert rates == {
        "/plant": 200, "/wheel_encoders": 50, "/imu": 100, "/lidar": 10, "/odometry": 50,
        "/avoider": 20,
    }  # fmt: skip


@pytest.mark.slow
def test_the_emergency_stop_stops_it_and_nothing_old_moves_it_afterwards(robot: Graph) -> None:
    truth = robot.observe(Odometry, "ground_truth")
    robot.run_for(2.0)
    assert speed(truth) > 0.2
    robot.inject("/emergency_stop", Bool(data=True))
    before_m = driven_m(truth)
    robot.run_for(0.5)
    assert abs(speed(truth)) < 0.01
    assert driven_m(truth) - before_m < 0.08, "0.5 m/s times the motors' lag, and a little more"
    robot.run_for(2.0)
    assert abs(speed(truth)) < 0.001
    robot.inject("/emergency_stop", Bool(data=False))
    robot.run_for(2.0)
    assert speed(truth) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("topic", "timeout_sec"), [("scan", 0.3), ("cmd_vel", 0.2), ("wheel_command", 0.3)]
)
def test_it_stands_still_when_a_link_of_the_chain_falls_silent(
    robot: Graph, topic: str, timeout_sec: float
) -> None:
    truth = robot.observe(Odometry, "ground_truth")
    robot.run_for(2.0)
    assert speed(truth) > 0.2
    robot.faults(topic, drop=1.0)
    robot.run_for(timeout_sec + 0.5)
    assert abs(speed(truth)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("step_sec", [10_800, -10_800])
def test_a_clock_that_is_set_turns_no_odometry(graph: Graph, step_sec: int) -> None:
    odometry = graph.add(OdometryNode)
    imu, ticks = Imu(), WheelTicks()
    for n in range(1, 201):
        at_ns = (20_000 + step_sec * (n > 100)) * 10**9 + n * 10**7
        imu.angular_velocity.z = 0.01 + (0.005 if n % 2 else -0.005)  # its bias and noise
        imu.header.stamp = ticks.header.stamp = Time.from_nanoseconds(at_ns)
        graph.inject("imu", imu)
        if n % 2:
            graph.inject("wheel_ticks", ticks)
        graph.run_for(0.001)
    assert odometry.bias == pytest.approx(0.01, abs=0.002)
    assert odometry.heading == pytest.approx(0.0, abs=0.02)


def test_a_pause_of_the_process_leaps_over_no_wall(graph: Graph) -> None:
    plant = graph.add(Plant)
    plant.on_command(FORWARD)
    graph.run_for(0.2)
    plant.moved_sec -= 30.0
    plant.step()
    assert plant.world.distance(plant.x, plant.y) > BODY_RADIUS_M
    assert plant.x < 1.3  # it has begun at 1 m


def test_a_bump_presses_the_emergency_stop() -> None:
    with diffbot(1, "/monitor", "/mapper", "/avoider") as graph:
        truth, stop = graph.observe(Odometry, "ground_truth"), graph.observe(Bool, "emergency_stop")
        joints = graph.observe(JointState, "joint_states")
        for tick in range(200):
            graph.at(0.05 * tick, lambda: graph.inject("cmd_vel", FORWARD))
        graph.run_until(lambda: stop and stop[-1].data, timeout_sec=10.0)
        assert World().distance(*pose_of(truth[-1])[:2]) < BODY_RADIUS_M + 0.01
        graph.run_for(1.0)
        assert max(map(abs, joints[-1].velocity)) < 0.01, (
            "commands still come; the wheels obey no more"
        )


@pytest.mark.parametrize("topic", ["cmd_vel", "wheel_command"])
def test_a_command_that_is_no_number_stops_it_and_the_next_one_drives(topic: str) -> None:
    """It was nowhere from then on, and its encoders, lidar and odometry ended."""
    with diffbot(1, "/monitor", "/mapper", "/avoider") as graph:
        truth = graph.observe(Odometry, "ground_truth")
        sent = graph.observe(Twist, "wheel_command")

        def command(speed: float, turn_rate: float) -> None:
            msg = Twist()
            msg.linear.x, msg.angular.z = speed, turn_rate
            for _ in range(20):
                graph.inject(topic, msg)
                graph.run_for(0.05)

        command(0.1, 0.0)
        assert speed(truth) > 0.05
        command(0.1, math.nan)
        assert abs(speed(truth)) < 0.01
        command(0.1, 0.0)
        assert speed(truth) > 0.05
        assert topic == "wheel_command" or all(math.isfinite(each.angular.z) for each in sent)


@pytest.mark.parametrize(
    ("node_class", "name"),
    [
        (Plant, "command_timeout_sec"),
        (Safety, "command_timeout_sec"),
        (Avoider, "scan_timeout_sec"),
    ],
)
def test_a_timeout_that_a_node_reads_at_its_start_is_not_set_later(
    graph: Graph, node_class: type[Node], name: str
) -> None:
    """Setting it was successful, and the old one went on to hold."""
    node = graph.add(node_class)
    assert not node.set_parameters([Parameter(name, value=0.1)])[0].successful


def test_the_map_is_there_for_who_comes_late() -> None:
    with diffbot(1, "/monitor") as graph:
        graph.run_for(1.0)
        maps = graph.observe(OccupancyGrid, "map")
        graph.run_for(0.0)
        assert len(maps) == 1


def test_the_mapper_takes_up_no_range_that_is_none(graph: Graph) -> None:
    mapper = graph.add(Mapper)
    maps = graph.observe(OccupancyGrid, "map")
    graph.inject("odom", Odometry())
    ranges = [math.nan, -math.inf, 0.01, math.inf] * 5
    msg = LaserScan(ranges=ranges, angle_min=-math.pi, angle_increment=math.pi / 10)
    msg.range_min, msg.range_max = 0.05, 2.0
    graph.inject("scan", msg)
    graph.run_for(0.6)
    assert len(maps) == 1
    assert 100 not in maps[0].data
    assert max(maps[0].data) < 50, "where a beam met nothing it is free"
    assert mapper.scan is None


def test_tf_knows_where_the_lidar_is(robot: Graph) -> None:
    odom = robot.observe(Odometry, "odom")
    buffer = Buffer()

    class Asker(Node):
        def __init__(self) -> None:
            super().__init__("asker")
            TransformListener(buffer, self)

    robot.add(Asker)
    robot.run_for(3.0)
    found = buffer.lookup_transform("odom", "lidar", Time()).transform
    x, y, _ = pose_of(odom[-1])
    assert (found.translation.x, found.translation.y) == pytest.approx((x, y))
    assert found.rotation.z == pytest.approx(odom[-1].pose.pose.orientation.z)
    assert x > 1.2, "it has moved"


@pytest.mark.slow
def test_two_robots_share_a_broker_and_nothing_else() -> None:
    with Graph.from_launch(
        LAUNCH / "two_diffbots.yaml", without=["/robot1/monitor", "/robot2/monitor"]
    ) as graph:
        truths = [graph.observe(Odometry, f"/robot{n}/ground_truth") for n in (1, 2)]
        scans = [graph.observe(LaserScan, f"/robot{n}/scan") for n in (1, 2)]
        graph.run_for(3.5)
        assert all(driven_m(truth) > 1.0 for truth in truths)
        assert [scan[-1].header.frame_id for scan in scans] == ["robot1/lidar", "robot2/lidar"]
        assert pose_of(truths[0][-1]) != pose_of(truths[1][-1])
        assert len(graph.nodes) == 16


@pytest.mark.slow
def test_the_monitor_tells_how_it_goes_and_draws_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "diffbot.svg"
    with diffbot(1, picture=str(file)) as graph:
        graph.run_for(11.0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("emergency stop released; all rates are kept" in line for line in lines)
    space = "{http://www.w3.org/2000/svg}"
    svg = parse(file).getroot()
    texts = [element.text or "" for element in svg.iter(f"{space}text")]
    assert {"true path", "odometry", "true walls", "1 m"} < set(texts)
    lengths = [len((line.get("points") or "").split()) for line in svg.iter(f"{space}polyline")]
    assert sum(length > 100 for length in lengths) == 2, "the true path and odometry's"


def test_a_path_has_an_end_however_far_a_robot_drives() -> None:
    path: list[Point] = []
    msg = Odometry()
    for number in range(MOST_POINTS + 500):
        msg.pose.pose.position.x = number * 0.05
        assert extend(path, msg) == pytest.approx(0.05 if number else 0.0)
    assert len(path) == MOST_POINTS
    assert path[-1] == (msg.pose.pose.position.x, 0.0)
