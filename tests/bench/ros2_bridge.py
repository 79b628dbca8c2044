"""Measures `dsmq-nodes bridge ros2` beside real rclpy: losses, the time it adds, its CPU.

    python -m tests.bench.ros2_bridge [SECONDS] [RATE_HZ]

Six types go each way at RATE_HZ for SECONDS (50 Hz, 60 s). Then an Imu at 50 Hz and a scan at 10 Hz
come from ROS alone: the bridge's CPU, and how much later than at a subscriber in ROS itself they
are here. DSMQ_RCLPY_PYTHON names the Python with rclpy (`.ci/ros2 --prepare` makes one).
"""

import statistics
import sys
import time
from functools import partial
from typing import Any

import psutil

from dsmq_nodes import Node
from dsmq_nodes.messages import (
    Header,
    Image,
    Imu,
    LaserScan,
    Message,
    OccupancyGrid,
    String,
    TFMessage,
    TransformStamped,
)
from tests.gateways.ros2.ros_world import RosPeer, World, world_with

FORMS: dict[str, tuple[type[Message], Any]] = {
    "string": (String, {}),
    "imu": (Imu, {}),
    "scan": (LaserScan, {"ranges": [1.5] * 720}),
    "image": (Image, {"data": [7] * 76_800, "encoding": "mono8"}),
    "grid": (OccupancyGrid, {"data": [-1] * 2500}),
    "tf": (TFMessage, {"transforms": [{"child_frame_id": "base"}]}),
}


def marked(msg: Any) -> tuple[int, int]:
    number, sent = place(msg).split()
    return int(number), time.time_ns() - int(sent)


def place(msg: Any) -> str:
    if isinstance(msg, String):
        return msg.data
    header = msg.transforms[0].header if isinstance(msg, TFMessage) else msg.header
    return str(header.frame_id)


def made(kind: type[Message], values: dict[str, Any], number: int) -> Message:
    text = f"{number} {time.time_ns()}"
    if kind is String:
        return String(data=text)
    header = Header(frame_id=text)
    if kind is TFMessage:
        return TFMessage(transforms=[TransformStamped(header=header, child_frame_id="base")])
    if kind is Image:
        return Image(header=header, data=bytes(values["data"]), encoding="mono8")
    return kind.model_validate({"header": header, **values})


class Ours(Node):
    def __init__(self, topics: dict[str, tuple[type[Message], Any]]) -> None:
        super().__init__("ours")
        self.got: dict[str, list[tuple[int, int]]] = {name: [] for name in topics}
        self.topics = topics
        self.outgoing = {}
        for name, (kind, _) in topics.items():
            self.outgoing[name] = self.create_publisher(kind, f"/to_ros/{name}", 1000)
            found = self.got[name]
            self.create_subscription(
                kind, f"/from_ros/{name}", lambda msg, found=found: found.append(marked(msg)), 1000
            )
        self.number = 0

    def send(self) -> None:
        for name, (kind, values) in self.topics.items():
            self.outgoing[name].publish(made(kind, values, self.number))
        self.number += 1


def begin(world: World, talker: RosPeer, topics: dict[str, tuple[type[Message], Any]]) -> Ours:
    node = world.node(lambda: Ours(topics))
    assert isinstance(node, Ours)
    for name, (kind, _) in topics.items():
        talker.do("advertise", topic=f"/from_ros/{name}", type=kind.type_name)
        world.ros.do("tally", topic=f"/to_ros/{name}", type=kind.type_name)
    for name in topics:
        seen = partial(talker.do, "subscribers", topic=f"/from_ros/{name}")
        world.until(seen, "the bridge")
    return node


def both_ways(seconds: float, rate_hz: float) -> None:
    with world_with("--from", "/from_ros/*", "--to", "/to_ros/*") as world:
        # rclpy's executor keeps a process busy: who publishes is another one than who listens.
        world.ros, talker = world.another_peer("--light"), world.another_peer("--light")
        node = begin(world, talker, FORMS)
        node.send()
        world.until(
            lambda: all(world.ros.do("tallied", topic=f"/to_ros/{name}") for name in FORMS), "ROS"
        )
        count = int(rate_hz * seconds)
        values = {f"/from_ros/{name}": form for name, (_, form) in FORMS.items()}
        talker.do("stream", topics=values, rate=rate_hz, seconds=seconds)
        node.number = 1
        timer = node.create_timer(1 / rate_hz, node.send)
        world.until(lambda: node.number > count, "the end", patience_sec=seconds * 3 + 30)
        timer.cancel()
        patience_sec = time.monotonic() + 10
        world.until(
            lambda: has_all(world, node, count) or time.monotonic() > patience_sec, "the last"
        )
        for name in FORMS:
            came = [number for number, _ in node.got[name]]
            went = [number for number, _ in world.ros.do("tallied", topic=f"/to_ros/{name}")]
            print(
                f"{name:8} from ROS {len(came)} of {count}, in order {came == sorted(came)},"
                f" {came[-1] + 1 - len(came)} lost in between;"
                f" to ROS {len(went) - 1} of {count}, in order {went == sorted(went)}"
            )


def has_all(world: World, node: Ours, count: int) -> bool:
    if min(map(len, node.got.values())) < count:
        return False
    time.sleep(0.2)
    went = [world.ros.do("tallied", topic=f"/to_ros/{name}") for name in FORMS]
    return min(map(len, went)) > count


def cost(seconds: float) -> None:
    topics = {name: FORMS[name] for name in ("imu", "scan")}
    with world_with("--from", "/from_ros/*") as world:
        world.ros, talker = world.another_peer("--light"), world.another_peer("--light")
        node = begin(world, talker, topics)
        world.ros.do("tally", topic="/from_ros/imu", type=Imu.type_name)
        bridge = psutil.Process(world.bridge.process.pid)
        before = bridge.cpu_times()
        began = time.monotonic()
        talker.do("stream", topics={"/from_ros/imu": {}}, rate=50, seconds=seconds)
        world.ros.do(
            "stream", topics={"/from_ros/scan": FORMS["scan"][1]}, rate=10, seconds=seconds
        )
        world.until(lambda: len(node.got["imu"]) >= 50 * seconds - 1, "the end", seconds * 3 + 30)
        after = bridge.cpu_times()
        took = time.monotonic() - began
        used = after.user + after.system - before.user - before.system
        direct = [under_way for _, under_way in world.ros.do("tallied", topic="/from_ros/imu")]
        here = [under_way for _, under_way in node.got["imu"]]
        print(
            f"bridge {used / took:.3f} cores; Imu p50 {statistics.median(here) / 1e6:.2f} ms here, "
            f"{statistics.median(direct) / 1e6:.2f} ms in ROS itself"
        )


if __name__ == "__main__":
    given = [float(each) for each in sys.argv[1:]]
    seconds = given[0] if given else 60.0
    both_ways(seconds, given[1] if len(given) > 1 else 50.0)
    cost(min(seconds, 20.0))
