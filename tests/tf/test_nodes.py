"""Broadcasters, the listener and waiting, between nodes in virtual time; and once for real."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dsmq_nodes import Node
from dsmq_nodes.messages import (
    Duration,
    Header,
    PointStamped,
    Pose,
    PoseStamped,
    PoseWithCovarianceStamped,
    Quaternion,
    TFMessage,
    Time,
    Transform,
    TransformStamped,
    Vector3,
    Vector3Stamped,
)
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.testing import BrokerProcess, Graph
from dsmq_nodes.tf import (
    Buffer,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    StaticTransformBroadcaster,
    TransformBroadcaster,
    TransformException,
    TransformListener,
    do_transform_pose,
)

QUARTER_LEFT = Quaternion(z=0.5**0.5, w=0.5**0.5)


def transform(
    parent: str, child: str, stamp: Time, x: float = 0.0, rotation: Quaternion | None = None
) -> TransformStamped:
    return TransformStamped(
        header=Header(stamp=stamp, frame_id=parent),
        child_frame_id=child,
        transform=Transform(translation=Vector3(x=x), rotation=rotation or Quaternion()),
    )


class Driver(Node):
    """Says ten times a second where the robot is: 1 m/s along x. Its lidar is 0.2 m ahead."""

    def __init__(self) -> None:
        super().__init__("driver")
        self.moving = TransformBroadcaster(self)
        self.fixed = StaticTransformBroadcaster(self)
        self.fixed.sendTransform(transform("base_link", "lidar", Time(), 0.2))
        self.x = 0.0
        self.create_timer(0.1, self.tick)

    def tick(self) -> None:
        self.x += 0.1
        now = self.get_clock().now()
        self.moving.sendTransform([transform("odom", "base_link", now, self.x)])


class Watcher(Node):
    def __init__(self) -> None:
        super().__init__("watcher")
        self.buffer = Buffer()
        self.listener = TransformListener(self.buffer, self)
        self.found: list[Any] = []

    def ask(
        self, target: str, source: str, time: Time, timeout: Duration | float | None = None
    ) -> None:
        async def ask() -> None:
            try:
                found = await self.buffer.lookup_transform_async(target, source, time, timeout)
                self.found.append((self.get_clock().monotonic_sec(), found))
            except Exception as error:  # noqa: BLE001  looked at by the test
                self.found.append((self.get_clock().monotonic_sec(), error))

        self.create_task(ask())


def test_waiting_for_a_transform_ends_when_it_is_there(graph: Graph) -> None:
    watcher = graph.add(Watcher)

    async def wait() -> None:
        there = await watcher.buffer.wait_for_transform_async("base_link", "lidar", Time())
        watcher.found.append(there)

    watcher.create_task(wait())
    graph.run_for(5.0)
    assert watcher.found == []
    graph.add(Driver)
    graph.run_for(0.5)
    assert watcher.found == [True]


def test_what_is_broadcast_is_looked_up(graph: Graph) -> None:
    graph.add(Driver)
    graph.run_for(1.0)
    watcher = graph.add(Watcher)  # late: the static transform is latched
    graph.run_for(1.0)
    found = watcher.buffer.lookup_transform("odom", "lidar", Time())
    assert found.transform.translation.x == pytest.approx(2.2)
    now = watcher.get_clock().now()
    earlier = Time.from_nanoseconds(now.to_nanoseconds() - 250_000_000)
    found = watcher.buffer.lookup_transform("odom", "lidar", earlier)
    assert found.transform.translation.x == pytest.approx(1.95)
    assert {frame.broadcaster for frame in watcher.buffer.frames()} == {"/driver"}
    assert watcher.buffer.can_transform("odom", "lidar", Time())
    assert not watcher.buffer.can_transform("odom", "map", Time())
    can, why = watcher.buffer.can_transform("odom", "map", Time(), return_debug_tuple=True)
    assert not can
    assert '"map" does not exist' in why


def test_each_static_broadcast_has_all_of_its_node(graph: Graph) -> None:
    driver = graph.add(Driver)
    seen = graph.observe(TFMessage, "/tf_static")
    driver.fixed.send_transform(transform("base_link", "camera", Time(), 0.3))
    driver.fixed.send_transform(transform("base_link", "lidar", Time(), 0.4))
    graph.run_for(0.0)
    assert [(t.child_frame_id, t.transform.translation.x) for t in seen[-1].transforms] == [
        ("lidar", 0.4),
        ("camera", 0.3),
    ]


def test_static_broadcasts_of_several_nodes_are_all_kept_for_late_listeners(graph: Graph) -> None:
    for number in range(5):

        class Fixed(Node):
            def __init__(self, number: int = number) -> None:
                super().__init__(f"fixed_{number}")
                StaticTransformBroadcaster(self).send_transform(
                    transform("base_link", f"sensor_{number}", Time(), 1.0)
                )

        graph.add(Fixed)
    watcher = graph.add(Watcher)
    assert [frame.name for frame in watcher.buffer.frames()] == [f"sensor_{n}" for n in range(5)]


def test_a_lookup_waits_for_its_time(graph: Graph) -> None:
    graph.add(Driver)
    watcher = graph.add(Watcher)
    graph.run_for(1.05)
    now_ns = watcher.get_clock().now().to_nanoseconds()
    soon = Time.from_nanoseconds(now_ns + 400_000_000)
    watcher.ask("odom", "lidar", soon)
    watcher.ask("odom", "lidar", soon, timeout=0.2)
    watcher.ask("odom", "mars", soon, timeout=Duration(nanosec=300_000_000))
    watcher.ask("/odom", "lidar", soon)
    graph.run_for(1.0)
    (at_0, first), (at_1, second), (at_2, third), (at_3, fourth) = watcher.found
    assert at_0 == pytest.approx(1.05)
    assert isinstance(first, InvalidArgumentException)  # waiting would not mend it
    assert at_1 == pytest.approx(1.25)
    assert isinstance(second, ExtrapolationException)
    assert at_2 == pytest.approx(1.35)
    assert isinstance(third, LookupException)
    assert at_3 == pytest.approx(1.5)
    assert fourth.transform.translation.x == pytest.approx(0.2 + 1.45)


def test_a_wrong_transform_is_told_once_and_harms_no_other(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = graph.add(Watcher)
    stamp = watcher.get_clock().now()
    wrong = transform("odom", "base_link", stamp, rotation=Quaternion(w=0.0))
    right = transform("odom", "other", stamp, 1.0)
    for _ in range(3):
        graph.inject("/tf", TFMessage(transforms=[wrong, right]))
    graph.run_for(0.1)
    assert watcher.listener.invalid == 3
    assert caplog.text.count("quaternion of length 1") == 1
    assert watcher.buffer.can_transform("odom", "other", Time())


def test_a_transform_that_comes_too_late_is_told_once(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = graph.add(Watcher)
    for sec in (100, 1, 2):
        graph.inject("/tf", TFMessage(transforms=[transform("a", "b", Time(sec=sec))]))
    graph.run_for(0.1)
    assert watcher.buffer.ignored == 2
    assert caplog.text.count('a transform of "b" is too old') == 1


def test_what_is_no_transform_is_refused_at_the_broadcaster(graph: Graph) -> None:
    driver = graph.add(Driver)
    with pytest.raises(InvalidArgumentException, match='"b" in "a"'):
        driver.moving.send_transform(transform("a", "b", Time(), rotation=Quaternion(w=2.0)))
    with pytest.raises(InvalidArgumentException, match="two names"):
        driver.fixed.send_transform(transform("", "b", Time()))


def test_data_is_expressed_in_another_frame(graph: Graph) -> None:
    watcher = graph.add(Watcher)
    stamp = watcher.get_clock().now()
    graph.inject("/tf", TFMessage(transforms=[transform("odom", "base", stamp, 1.0, QUARTER_LEFT)]))
    graph.run_for(0.0)
    header = Header(stamp=stamp, frame_id="base")
    transform_to = watcher.buffer.transform

    point = PointStamped(header=header)
    point.point.x = 2.0
    moved = transform_to(point, "odom")
    assert moved.header == Header(stamp=stamp, frame_id="odom")
    assert (moved.point.x, moved.point.y) == pytest.approx((1.0, 2.0))

    vector = Vector3Stamped(header=header, vector=Vector3(x=2.0))
    turned = transform_to(vector, "odom").vector
    assert (turned.x, turned.y) == pytest.approx((0.0, 2.0))

    pose = PoseStamped(header=header, pose=Pose(orientation=QUARTER_LEFT))
    pose.pose.position.x = 2.0
    at = transform_to(pose, "odom").pose
    assert (at.position.x, at.position.y) == pytest.approx((1.0, 2.0))
    assert (at.orientation.z, at.orientation.w) == pytest.approx((1.0, 0.0))
    back = watcher.buffer.lookup_transform("base", "odom", stamp)
    assert do_transform_pose(at, back).position.x == pytest.approx(2.0)

    pose.pose.orientation = Quaternion(w=0.0)
    with pytest.raises(InvalidArgumentException, match="length 0; no rotation is"):
        transform_to(pose, "odom")
    with pytest.raises(TypeError, match="no transform of a Header; there is one of PointStamped"):
        transform_to(header, "odom")  # type: ignore[type-var]


def test_a_covariance_turns_with_its_pose(graph: Graph) -> None:
    watcher = graph.add(Watcher)
    graph.inject("/tf", TFMessage(transforms=[transform("a", "b", Time(), 1.0, QUARTER_LEFT)]))
    graph.run_for(0.0)
    pose = PoseWithCovarianceStamped(header=Header(frame_id="b"))
    pose.pose.covariance[0] = 4.0  # x
    pose.pose.covariance[1] = pose.pose.covariance[6] = 1.0  # x with y
    pose.pose.covariance[21] = 9.0  # about x
    turned = watcher.buffer.transform(pose, "a").pose.covariance
    expected = [0.0] * 36
    expected[7], expected[1], expected[6], expected[28] = 4.0, -1.0, -1.0, 9.0
    assert turned == pytest.approx(expected, abs=1e-12)


def test_a_callback_does_not_wait_for_a_transform_but_has_one_that_is_there(graph: Graph) -> None:
    watcher = graph.add(Watcher)
    found: list[TransformStamped | str] = []

    def tick() -> None:  # as it is written for rclpy
        try:
            found.append(watcher.buffer.lookup_transform("base_link", "lidar", Time(), timeout=1.0))
        except TransformException as error:
            found.append(str(error))

    watcher.create_task(_call(tick))
    graph.run_for(0.1)
    graph.add(Driver)
    graph.run_for(1.0)
    watcher.create_task(_call(tick))
    graph.run_for(0.1)
    why, there = found
    assert "(a callback does not wait: `await buffer.lookup_transform_async()`)" in str(why)
    assert isinstance(there, TransformStamped)


async def _call(callback: Callable[[], None]) -> None:
    callback()
    await asyncio.sleep(0)


def test_a_buffer_without_a_listener_does_not_wait() -> None:
    with pytest.raises(RuntimeError, match=r"TransformListener\(buffer, node\)"):
        Buffer().lookup_transform("a", "b", Time(), timeout=1.0)


def test_outside_of_callbacks_a_lookup_waits_while_callbacks_run(broker: BrokerProcess) -> None:
    with Driver(), Watcher() as watcher:
        fixed = watcher.buffer.lookup_transform("base_link", "lidar", Time(), timeout=10.0)
        assert fixed.transform.translation.x == 0.2
        with pytest.raises(LookupException, match='"odom" does not exist'):
            watcher.buffer.lookup_transform("odom", "lidar", Time(), timeout=0.01)


class Follower(Node):
    """Knows where things are."""

    def __init__(self) -> None:
        super().__init__("follower")
        self.buffer = Buffer()
        self.listener = TransformListener(self.buffer, self)

    def x(self, child: str) -> float:
        return self.buffer.lookup_transform("map", child, Time()).transform.translation.x


class Stamping(Node):
    """Tells where a frame is, by a clock that may be another machine's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.broadcaster = TransformBroadcaster(self)
        self.off_sec, self.x = 0.0, 0.0
        self.create_timer(0.1, self.tick)

    def tick(self) -> None:
        self.x += 1.0
        stamp = self.get_clock().now() + Duration(seconds=self.off_sec)
        self.broadcaster.sendTransform(transform("map", self.get_name(), stamp, self.x))


@pytest.mark.slow
@pytest.mark.parametrize("step_sec", [-3600.0, -5.0, -0.5])
def test_a_clock_that_is_set_back_leaves_no_transforms_of_the_future(
    graph: Graph, caplog: pytest.LogCaptureFixture, step_sec: float
) -> None:
    follower = graph.add(Follower)
    told = graph.observe(NodeStatistics, "/dsmq/nodes")
    moving = graph.add(lambda: Stamping("moving"))
    graph.run_for(5.0)
    graph.set_wall_clock(step_sec)
    graph.run_for(2.0)
    assert follower.x("moving") == pytest.approx(moving.x, abs=1.1)
    ignored = follower.buffer.ignored
    graph.run_for(10.0)
    assert follower.x("moving") == pytest.approx(moving.x, abs=1.1)
    assert follower.buffer.ignored == ignored
    assert f"/follower: the clock of this machine was set back by {-step_sec:.1f} s" in (
        "\n".join(f"{each.node}: {each.getMessage()}" for each in caplog.records)  # type: ignore[attr-defined]
    )
    assert "time has gone back: transforms forgotten" in caplog.text
    assert told[-1].clock_set_back_sec == pytest.approx(-step_sec)
    graph.run_for(300.0)
    assert told[-1].clock_set_back_sec == 0.0


def test_a_clock_that_is_set_forward_is_told_and_forgets_nothing(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    follower = graph.add(Follower)
    moving = graph.add(lambda: Stamping("moving"))
    graph.run_for(5.0)
    graph.set_wall_clock(3600.0)
    graph.run_for(2.0)
    assert follower.x("moving") == pytest.approx(moving.x, abs=1.1)
    assert "set forward by 3600.0 s" in caplog.text
    assert "transforms forgotten" not in caplog.text


def test_a_clock_of_another_machine_that_is_set_back_forgets_its_transforms_only(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    follower = graph.add(Follower)
    remote = graph.add(lambda: Stamping("remote"))
    graph.add(lambda: Stamping("here"))
    graph.run_for(5.0)
    remote.off_sec = -3600.0
    graph.run_for(1.0)
    assert follower.x("remote") == pytest.approx(remote.x, abs=1.1)
    assert follower.buffer.ignored == 1
    frames = {frame.name: frame for frame in follower.buffer.frames()}
    assert (frames["here"].newest_ns - frames["here"].oldest_ns) * 1e-9 > 5.0
    assert "/tf: the stamps of /remote have gone back" in caplog.text


def test_stragglers_do_not_forget_what_is_newer(graph: Graph) -> None:
    follower = graph.add(Follower)
    remote = graph.add(lambda: Stamping("remote"))
    graph.run_for(5.0)
    for _ in range(3):
        remote.off_sec = -3600.0
        graph.run_for(0.1)  # one of an hour ago
        remote.off_sec = 0.0
        graph.run_for(0.3)
    assert follower.x("remote") == pytest.approx(remote.x, abs=1.1)
    assert follower.buffer.ignored == 3


def test_transforms_of_any_iterable_are_sent_in_one_message(graph: Graph) -> None:
    """As rclpy sends them, for example the values of a dict."""
    driver = graph.add(Driver)
    sent = graph.observe(TFMessage, "/tf_static")
    names = ("gps", "imu")
    found = {name: transform("base_link", name, Time()) for name in names}
    driver.fixed.send_transform(found.values())
    graph.run_for(0.1)
    assert [each.child_frame_id for each in sent[-1].transforms[-2:]] == [*names]
