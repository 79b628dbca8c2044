"""The classes that the wrong files name; nothing is wrong with these."""

from dsmq_nodes import Node, Parameters
from dsmq_nodes.messages import LaserScan, String


class Lidar(Node):
    class Params(Parameters):
        beams: int = 360
        range_max: float = 8.0

    def __init__(self) -> None:
        super().__init__("lidar")
        self.create_publisher(LaserScan, "scan", 5)


class Driver(Node):
    class Params(Parameters):
        port: str

    def __init__(self) -> None:
        super().__init__("driver")
        self.create_subscription(LaserScan, "scan", self.on_scan, 5)

    def on_scan(self, msg: LaserScan) -> None:
        pass


class Speaker(Node):
    def __init__(self) -> None:
        super().__init__("speaker")
        self.create_publisher(String, "scan", 5)


class NoNode:
    pass


def make_node() -> Node:
    return Lidar()
