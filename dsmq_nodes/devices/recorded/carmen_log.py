"""A recorded robot with laser scanners: a CARMEN log, also as .gz, .bz2 or .xz.

- name: lidar
  node: dsmq_nodes.devices:CarmenLog
  params: {path: aces.clf.bz2, speed: 20}
"""

from collections.abc import Iterator

from typing_extensions import override

from dsmq_nodes.devices.recorded.carmen_lines import CarmenLines
from dsmq_nodes.devices.recorded.replayer import Replayer, Sample
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.nav import Odometry
from dsmq_nodes.messages.sensor import LaserScan


class CarmenLog(Replayer):
    """Publishes `scan`, `rear_scan` and `odom`."""

    def __init__(self, name: str = "lidar", answer_type: type[Message] | None = None) -> None:
        """Replay when the node spins; with an `answer_type`, each front scan gets an answer."""
        super().__init__(name, answer_type)
        self.scan = self.create_publisher(LaserScan, "scan", 10)
        self.rear_scan = self.create_publisher(LaserScan, "rear_scan", 10)
        self.odom = self.create_publisher(Odometry, "odom", 10)
        self.log = CarmenLines(self.params.path)
        self.asking = self.scan if self.log.has_front else self.rear_scan

    @override
    def samples(self) -> Iterator[Sample]:
        for when, front, rear, odom in self.log.samples():
            published = ((self.odom, odom), (self.scan, front), (self.rear_scan, rear))
            yield when, [(publisher, msg) for publisher, msg in published if msg is not None]
        self.get_logger().info(f"lines: {dict(self.log.counts)}")
