"""Replays a CARMEN log (FLASER lines; .bz2 too): a laser scanner and odometry."""

import bz2
import math
from collections.abc import Iterator
from pathlib import Path

from dsmq_nodes import run
from dsmq_nodes.messages import Header, LaserScan, Odometry, Quaternion, Time
from examples.diffbot.robot import Obstacle
from examples.replayer import Replayer, Sample


class ReplayCarmen(Replayer):
    def __init__(self) -> None:
        super().__init__("replay_carmen", Obstacle)
        self.scan = self.create_publisher(LaserScan, "scan", 10)
        self.odom = self.create_publisher(Odometry, "odom", 10)

    def samples(self) -> Iterator[Sample]:
        path = self.params.path
        with bz2.open(path, "rt") if path.endswith(".bz2") else Path(path).open() as lines:
            yield from (self.sample(line.split()) for line in lines if line.startswith("FLASER "))

    def sample(self, words: list[str]) -> Sample:
        end = 2 + int(words[1])
        _, _, _, x, y, theta, when = map(float, words[end : end + 7])
        stamp = Time.from_nanoseconds(round(when * 1e9))
        scan = LaserScan(header=Header(stamp=stamp, frame_id="laser"), range_max=50.0)
        scan.ranges = [float(word) for word in words[2:end]]
        scan.angle_min, scan.angle_max, scan.angle_increment = map(math.radians, (-90, 89, 1))
        odom = Odometry(header=Header(stamp=stamp, frame_id="odom"))
        odom.pose.pose.position.x, odom.pose.pose.position.y = x, y
        odom.pose.pose.orientation = Quaternion(z=math.sin(theta / 2), w=math.cos(theta / 2))
        return when, [(self.odom, odom), (self.scan, scan)]


if __name__ == "__main__":
    run(ReplayCarmen)
