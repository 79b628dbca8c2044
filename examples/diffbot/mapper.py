"""Draws the map: what beams go through is free, where they end is occupied.

The ends of a scan's beams are the corners of a polygon with nothing in it: it is filled row by row.

The robot is where its odometry says, so the map is in the frame `odom` and drifts as that does.
"""

import math
from collections import defaultdict, deque

from pydantic import Field

from dsmq_nodes import Node, Parameters, QoSProfile, run
from dsmq_nodes.messages import LaserScan, OccupancyGrid, Odometry
from examples.diffbot.robot import frame, pose_of

UNKNOWN = -1
# What one scan makes of a cell that was 0 (free) to 100 (occupied); the last is for UNKNOWN, -1.
FREE = [max(value - 8, 0) for value in [*range(101), 50]]
OCCUPIED = [min(value + 28, 100) for value in [*range(101), 50]]


class Mapper(Node):
    """Takes up the newest scan at each tick and publishes the map, latched."""

    class Params(Parameters):
        resolution: float = Field(0.05, gt=0, le=1, description="m a cell")
        width: float = Field(9.0, gt=0, le=100, description="m")
        height: float = Field(7.0, gt=0, le=100, description="m")
        x: float = Field(-0.5, description="the lower left corner, m")
        y: float = Field(-0.5, description="the lower left corner, m")

    params: Params
    rate_hz = 2.0

    def __init__(self) -> None:
        super().__init__("mapper")
        self.columns = round(self.params.width / self.params.resolution)
        self.rows = round(self.params.height / self.params.resolution)
        self.cells = [UNKNOWN] * (self.columns * self.rows)
        self.poses: deque[tuple[int, tuple[float, float, float]]] = deque(maxlen=50)  # by stamp
        self.scan: LaserScan | None = None
        latched = QoSProfile(depth=1, durability="transient_local")
        self.publisher = self.create_publisher(OccupancyGrid, "map", latched)
        self.create_subscription(Odometry, "odom", self.on_odom, 10)
        self.create_subscription(LaserScan, "scan", self.on_scan, 1)
        self.create_timer(self.period_sec, self.tick)

    def on_odom(self, msg: Odometry) -> None:
        self.poses.append((msg.header.stamp.to_nanoseconds(), pose_of(msg)))

    def on_scan(self, msg: LaserScan) -> None:
        self.scan = msg

    def tick(self) -> None:
        if self.scan is not None and self.poses:
            self.take_up(self.scan)
            self.scan = None
        msg = OccupancyGrid(header=self.stamp(frame(self, "odom")), data=self.cells)
        msg.info.map_load_time = msg.header.stamp
        msg.info.resolution = self.params.resolution
        msg.info.width, msg.info.height = self.columns, self.rows
        msg.info.origin.position.x, msg.info.origin.position.y = self.params.x, self.params.y
        self.publisher.publish(msg)

    def take_up(self, scan: LaserScan) -> None:
        """Change the cells that a scan has seen."""
        stamp_ns = scan.header.stamp.to_nanoseconds()
        _, (x, y, heading) = min(self.poses, key=lambda pose: abs(pose[0] - stamp_ns))
        x = (x - self.params.x) / self.params.resolution  # in cells from here on
        y = (y - self.params.y) / self.params.resolution
        corners, hits = [], set()
        for beam, length in enumerate(scan.ranges):
            angle = heading + scan.angle_min + beam * scan.angle_increment
            # What was not measured, or too near to be, is free as far as the robot itself.
            reach = min(length, scan.range_max) if length >= scan.range_min else 0.0
            cells = reach / self.params.resolution
            corners.append((x + cells * math.cos(angle), y + cells * math.sin(angle)))
            if scan.range_min <= length <= scan.range_max:
                hits.add((math.floor(corners[-1][0]), math.floor(corners[-1][1])))
        for row, crossings in rows_of(corners).items():
            crossings.sort()
            for begin, end in zip(crossings[::2], crossings[1::2], strict=True):
                self.set_free(row, begin, end)
        for column, row in hits:
            if 0 <= column < self.columns and 0 <= row < self.rows:
                cell = row * self.columns + column
                self.cells[cell] = OCCUPIED[self.cells[cell]]

    def set_free(self, row: int, begin: float, end: float) -> None:
        """Beams have gone through a row, from one column to another."""
        if 0 <= row < self.rows:
            first, stop = (min(max(math.ceil(at - 0.5), 0), self.columns) for at in (begin, end))
            cells = slice(row * self.columns + first, row * self.columns + stop)
            self.cells[cells] = [FREE[value] for value in self.cells[cells]]


def rows_of(corners: list[tuple[float, float]]) -> dict[int, list[float]]:
    """Where the middle of each row crosses the polygon with these corners."""
    rows: dict[int, list[float]] = defaultdict(list)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        for row in range(math.ceil(min(y1, y2) - 0.5), math.ceil(max(y1, y2) - 0.5)):
            rows[row].append(x1 + (row + 0.5 - y1) * (x2 - x1) / (y2 - y1))
    return rows


if __name__ == "__main__":
    run(Mapper)
