"""Shows the robot while it runs: on a terminal its map, pose and rates, else a line at times.

At the end it writes a picture, if it is told where.
"""

import math
import sys
from pathlib import Path

from pydantic import Field

from dsmq_nodes import EmergencyStop, Node, Parameters, run
from dsmq_nodes.messages import OccupancyGrid, Odometry
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from examples.diffbot.picture import picture
from examples.diffbot.robot import pose_of
from examples.diffbot.screen import Screen

Point = tuple[float, float]
MOST_POINTS = 20_000  # of a path: 400 m of a robot that may drive for weeks
STALE_SEC = 3.0  # who has told nothing for so long is shown as silent


class Monitor(Node):
    """Watches odom, ground_truth, map, the emergency stop, and what nodes tell of themselves."""

    class Params(Parameters):
        picture: str = Field("", description="draw map and paths to this file at the end, as SVG")
        line_every_sec: float = Field(5.0, gt=0, le=60, description="where there is no terminal")

    params: Params
    rate_hz = 5.0

    def __init__(self) -> None:
        super().__init__("monitor")
        self.grid = OccupancyGrid()
        self.odom, self.truth = Odometry(), Odometry()
        self.odom_path: list[Point] = []
        self.true_path: list[Point] = []
        self.driven_m = 0.0
        self.nodes: dict[str, NodeStatistics] = {}
        self.heard_sec = {"odom": -math.inf}  # and of each node
        self.emergency_stop = EmergencyStop(self)
        self.create_subscription(OccupancyGrid, "map", self.on_map, 1)
        self.create_subscription(Odometry, "odom", self.on_odom, 10)
        self.create_subscription(Odometry, "ground_truth", self.on_truth, 10)
        self.create_subscription(NodeStatistics, "/dsmq/nodes", self.on_node, 100)
        self.screen = Screen() if sys.stdout.isatty() else None
        self.next_line_sec = self.get_clock().monotonic_sec() + self.params.line_every_sec
        self.create_timer(self.period_sec, self.show)

    def on_map(self, msg: OccupancyGrid) -> None:
        self.grid = msg

    def on_odom(self, msg: Odometry) -> None:
        self.heard_sec["odom"] = self.get_clock().monotonic_sec()
        self.odom = msg
        extend(self.odom_path, msg)

    def on_truth(self, msg: Odometry) -> None:
        self.truth = msg
        self.driven_m += extend(self.true_path, msg)

    def on_node(self, msg: NodeStatistics) -> None:
        here = self.name.rpartition("/")[0]
        if msg.name.rpartition("/")[0] == here:
            self.nodes[msg.name] = msg
            self.heard_sec[msg.name] = self.get_clock().monotonic_sec()

    def is_silent(self, name: str) -> bool:
        """Whether a node, or `odom`, has told nothing for a while."""
        heard_sec = self.heard_sec.get(name, math.inf)
        return self.get_clock().monotonic_sec() - heard_sec > STALE_SEC

    def facts(self) -> dict[str, str]:
        """What there is to say of the robot."""
        x, y, heading = pose_of(self.odom)
        twist = self.odom.twist.twist
        speed = f"{twist.linear.x:.2f} m/s, {math.degrees(twist.angular.z):.0f}°/s"
        error_m = math.dist((x, y), pose_of(self.truth)[:2])
        return {
            "pose": f"{x:.2f} m, {y:.2f} m, {math.degrees(heading) % 360:.0f}°",
            "speed": "NO ODOM" if self.is_silent("odom") else speed,
            "driven": f"{self.driven_m:.1f} m",
            "odometry": f"{error_m:.2f} m off",
            "emergency stop": "PRESSED" if self.emergency_stop.is_pressed else "released",
        }

    def show(self) -> None:
        now_sec = self.get_clock().monotonic_sec()
        for name, node in self.nodes.items():
            for timer in node.timers if self.is_silent(name) else ():
                timer.achieved_hz = 0.0
        if self.screen is not None:
            pose = pose_of(self.odom)
            self.screen.show(self.facts(), self.nodes, self.grid, self.odom_path, pose)
        elif now_sec >= self.next_line_sec:
            self.next_line_sec = now_sec + self.params.line_every_sec
            facts = "; ".join(f"{name} {value}" for name, value in self.facts().items())
            slow = [
                f"{name} {node.timers[0].achieved_hz:.1f} of {node.rate_hz:g} Hz"
                for name, node in sorted(self.nodes.items())
                if node.timers and node.rate_hz and is_slow(node)
            ]
            print(f"{facts}; {', '.join(slow) or 'all rates are kept'}")

    def on_shutdown(self) -> None:
        if self.screen is not None:
            self.screen.close()
        if self.params.picture:
            facts = self.facts()
            title = f"{facts['driven']} driven, odometry {facts['odometry']}"
            svg = picture(self.grid, self.true_path, self.odom_path, title)
            try:
                Path(self.params.picture).write_text(svg)
            except OSError as error:
                self.get_logger().error(f"no picture: {error}")
            else:
                self.get_logger().info(f"wrote {self.params.picture}")


def is_slow(node: NodeStatistics) -> bool:
    """Whether a node misses the rate that it declares."""
    return abs(node.timers[0].achieved_hz / node.rate_hz - 1) > 0.01


def extend(path: list[Point], msg: Odometry, step_m: float = 0.02) -> float:
    """Add where a robot is to its path, unless it has hardly moved; gives how far it has, m."""
    x, y, _ = pose_of(msg)
    moved_m = math.dist(path[-1], (x, y)) if path else 0.0
    if path and moved_m < step_m:
        return 0.0
    path.append((x, y))
    del path[:-MOST_POINTS]
    return moved_m


if __name__ == "__main__":
    run(Monitor)
