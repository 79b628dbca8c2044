"""Drives about without touching anything: ahead while there is room, else turns to where there is.

The stop rule: something within `stop_distance` in front, `front` to either side of straight ahead.
"""

import math

from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import LaserScan, Twist
from examples.diffbot.robot import Obstacle

_ROUNDING = 1e-6  # beams
_TINY = 1e-3  # m


class Avoider(Node):
    """Answers each scan with a command at once, and repeats it at its rate in between.

    Publishes: cmd_vel, and obstacle, what each scan shows in front.
    """

    class Params(Parameters):
        stop_distance: float = Field(0.5, gt=0, le=2, description="m: nearer in front, it stops")
        front: float = Field(math.radians(15), gt=0, le=1.5, description="rad to either side")
        clear_distance: float = Field(
            0.9, gt=0, le=3, description="m: with so much room it drives on"
        )
        slow_distance: float = Field(
            1.2, gt=0, le=4, description="m: nearer in front, it slows down"
        )
        cruise_speed: float = Field(0.5, gt=0, le=1, description="m/s")
        turn_rate: float = Field(1.2, gt=0, le=3, description="rad/s, when it turns on the spot")
        scan_timeout_sec: float = Field(
            0.3, gt=0, le=10, frozen=True, description="blind for so long, it stops"
        )

    params: Params
    rate_hz = 20.0

    def __init__(self) -> None:
        super().__init__("avoider")
        self.command = Twist()
        self.turning = 0  # 1 to the left, -1 to the right, 0: it drives ahead
        self.publisher = self.create_publisher(Twist, "cmd_vel", 1)
        self.obstacle_publisher = self.create_publisher(Obstacle, "obstacle", 10)
        self.create_subscription(
            LaserScan,
            "scan",
            self.on_scan,
            1,
            timeout=self.params.scan_timeout_sec,
            on_timeout=self.enter_safe_state,
        )
        self.create_timer(self.period_sec, self.tick)

    def on_scan(self, msg: LaserScan) -> None:
        front = self.params.front
        if all(map(math.isnan, beams(msg, -front, front))):
            return  # nothing measured in front: blind, and soon too long
        distance = nearest(msg, -front, front)
        is_near = distance < self.params.stop_distance
        self.command = self.decide(msg, distance, is_near)
        self.tick()
        self.obstacle_publisher.publish(
            Obstacle(header=msg.header, distance=distance, is_near=is_near)
        )

    def decide(self, msg: LaserScan, distance: float, is_near: bool) -> Twist:
        """The command that fits a scan: at most `distance` is free in front."""
        params, command = self.params, Twist()
        right = nearest(msg, math.radians(-75), -params.front)
        left = nearest(msg, params.front, math.radians(75))
        if self.turning:
            if distance > params.clear_distance and min(left, right) > params.clear_distance / 2:
                self.turning = 0
        elif is_near:
            self.turning = 1 if room(msg, 0, math.pi / 2) > room(msg, -math.pi / 2, 0) else -1
        if self.turning:
            command.angular.z = self.turning * params.turn_rate
            return command
        free = min((distance - params.stop_distance) / params.slow_distance, 1.0)
        command.linear.x = params.cruise_speed * max(free, 0.1)
        # Towards open space, and away from what is near at a side.
        open_left, open_right = room(msg, 0, math.pi / 2), room(msg, -math.pi / 2, 0)
        towards = 0.8 * (open_left - open_right) / max(open_left + open_right, _TINY)
        away = 0.2 / max(right, _TINY) - 0.2 / max(left, _TINY)
        command.angular.z = min(max(towards + away, -1.0), 1.0)
        return command

    def enter_safe_state(self) -> None:
        """Blind, or ending: stand still."""
        self.command = Twist()
        self.tick()

    def tick(self) -> None:
        self.publisher.publish(self.command)


def beams(msg: LaserScan, begin: float, end: float) -> list[float]:
    """The ranges from an angle on to, not including, another; none if the scan has no step."""
    if msg.angle_increment <= 0:
        return []
    first, stop = (
        math.ceil((angle - msg.angle_min) / msg.angle_increment - _ROUNDING)
        for angle in (begin, end)
    )
    return msg.ranges[max(first, 0) : max(stop, 0)]


def nearest(msg: LaserScan, begin: float, end: float) -> float:
    """The shortest range between two angles; infinite when nothing is there.

    As REP 117 has it, -infinity is too near to be measured; what is below range_min is none.
    """
    found = beams(msg, begin, end)
    echoes = (length for length in found if msg.range_min <= length <= msg.range_max)
    return 0.0 if -math.inf in found else min(echoes, default=math.inf)


def room(msg: LaserScan, begin: float, end: float) -> float:
    """The sum of the ranges between two angles."""
    found = beams(msg, begin, end)
    return sum(min(length, msg.range_max) for length in found if length >= msg.range_min)


if __name__ == "__main__":
    run(Avoider)
