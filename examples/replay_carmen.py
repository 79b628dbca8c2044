"""Replays a CARMEN log (.gz, .bz2 too): laser scanners, front and rear, and odometry."""

from collections.abc import Iterator

from dsmq_nodes import run
from dsmq_nodes.messages import LaserScan, Odometry
from examples.carmen_log import CarmenLog
from examples.diffbot.robot import Obstacle
from examples.replayer import Replayer, Sample


class ReplayCarmen(Replayer):
    def __init__(self) -> None:
        super().__init__("replay_carmen", Obstacle)
        self.scan = self.create_publisher(LaserScan, "scan", 10)
        self.rear_scan = self.create_publisher(LaserScan, "rear_scan", 10)
        self.odom = self.create_publisher(Odometry, "odom", 10)
        self.log = CarmenLog(self.params.path)
        self.asking = self.scan if self.log.has_front else self.rear_scan

    def samples(self) -> Iterator[Sample]:
        for when, front, rear, odom in self.log.samples():
            told = ((self.odom, odom), (self.scan, front), (self.rear_scan, rear))
            yield when, [(publisher, msg) for publisher, msg in told if msg is not None]
        self.get_logger().info(f"lines: {dict(self.log.counts)}")


if __name__ == "__main__":
    run(ReplayCarmen)
