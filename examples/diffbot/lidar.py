"""What the diffbot sees: a lidar turns, and its beams end at walls."""

import math
import random

from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import LaserScan, Odometry
from examples.diffbot.robot import frame, mount, pose_of
from examples.diffbot.world import World, beam_directions


class Lidar(Node):
    """Looks around in the plane: one turn of `beams` beams at each tick."""

    class Params(Parameters):
        seed: int = 0
        beams: int = Field(360, ge=4, le=3600)
        range_min: float = Field(0.05, gt=0, le=1, description="m")
        range_max: float = Field(10.0, gt=0, le=50, description="m")
        noise: float = Field(0.01, ge=0, le=0.5, description="m, standard deviation")

    params: Params
    rate_hz = 10.0

    def __init__(self) -> None:
        super().__init__("lidar")
        self.world = World()
        self.beams = beam_directions(self.params.beams)
        self.random = random.Random(f"{self.params.seed} {self.name}")
        self.truth: Odometry | None = None
        self.publisher = self.create_publisher(LaserScan, "scan", 5)
        mount(self, "lidar")
        self.create_subscription(Odometry, "ground_truth", self.on_truth, 10)
        self.create_timer(self.period_sec, self.look)

    def on_truth(self, msg: Odometry) -> None:
        self.truth = msg

    def look(self) -> None:
        if self.truth is None:
            return
        step = 2 * math.pi / self.params.beams
        msg = LaserScan(header=self.stamp(frame(self, "lidar")), scan_time=self.period_sec)
        msg.angle_min, msg.angle_max, msg.angle_increment = -math.pi, math.pi - step, step
        msg.range_min, msg.range_max = self.params.range_min, self.params.range_max
        lengths = self.world.ranges(*pose_of(self.truth), self.beams)
        msg.ranges = [self.measured(length) for length in lengths]
        self.publisher.publish(msg)

    def measured(self, length: float) -> float:
        """A length as this lidar tells it: to the millimetre, infinite when too far."""
        if length > self.params.range_max:
            return math.inf
        return round(max(length + self.random.gauss(0, self.params.noise), 0.0), 3)


if __name__ == "__main__":
    run(Lidar)
