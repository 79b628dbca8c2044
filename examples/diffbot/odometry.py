"""Where the robot is by its own reckoning: distance from the wheels, heading from the gyroscope.

A gyroscope's noise averages out, its bias does not: 0.02 rad/s is more than a radian a minute. So
the bias is learned whenever the wheels say that the robot does not turn.
"""

import math

from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import Imu, Odometry
from dsmq_nodes.tf import TransformBroadcaster
from examples.diffbot.robot import (
    METRES_PER_TICK,
    TRACK_M,
    WheelTicks,
    frame,
    quaternion,
    transform,
)


class OdometryNode(Node):
    """Fuses wheel_ticks and imu to odom, and to the transform odom -> base_link."""

    class Params(Parameters):
        x: float = Field(1.0, description="where it starts, m")
        y: float = Field(1.0, description="where it starts, m")
        heading: float = Field(0.0, description="how it starts, rad")
        still: float = Field(0.2, gt=0, description="rad/s: by the wheels it does not turn")
        bias_gain: float = Field(
            0.005, ge=0, le=1, description="share of a new measurement, later on"
        )

        drift: float = Field(0.01, ge=0, description="standard deviation, m and rad a metre driven")

    params: Params
    rate_hz = 50.0

    def __init__(self) -> None:
        super().__init__("odometry")
        self.x, self.y, self.heading = self.params.x, self.params.y, self.params.heading
        self.bias = self.speed = self.turn_rate = self.driven_m = 0.0
        self.heading_then = self.heading  # when the wheels were read last
        self.gyro: list[float] = []  # what it said since then, rad/s
        self.imu_ns = self.ticks_ns = self.learned = 0
        self.ticks: WheelTicks | None = None
        self.publisher = self.create_publisher(Odometry, "odom", 10)
        self.tf = TransformBroadcaster(self)
        self.create_subscription(Imu, "imu", self.on_imu, 20)
        self.create_subscription(WheelTicks, "wheel_ticks", self.on_wheel_ticks, 10)
        self.create_timer(self.period_sec, self.tick)

    def on_imu(self, msg: Imu) -> None:
        now_ns = msg.header.stamp.to_nanoseconds()
        if 0 < self.imu_ns < now_ns:
            self.turn_rate = msg.angular_velocity.z - self.bias
            self.heading += self.turn_rate * (now_ns - self.imu_ns) * 1e-9
            self.gyro.append(msg.angular_velocity.z)
        self.imu_ns = now_ns

    def on_wheel_ticks(self, msg: WheelTicks) -> None:
        before, self.ticks = self.ticks, msg
        now_ns = msg.header.stamp.to_nanoseconds()
        then_ns, self.ticks_ns = self.ticks_ns, now_ns
        if before is None or now_ns <= then_ns:
            return
        span_sec = (now_ns - then_ns) * 1e-9
        left = (msg.left - before.left) * METRES_PER_TICK
        right = (msg.right - before.right) * METRES_PER_TICK
        self.learn_bias((right - left) / TRACK_M / span_sec)
        ahead = (self.heading_then + self.heading) / 2
        self.heading_then = self.heading
        self.speed = (left + right) / 2 / span_sec
        self.driven_m += abs(left + right) / 2
        self.x += (left + right) / 2 * math.cos(ahead)
        self.y += (left + right) / 2 * math.sin(ahead)

    def learn_bias(self, turn_rate: float) -> None:
        """By the wheels, the robot turned at `turn_rate`, rad/s, while the gyroscope was read."""
        if self.gyro and abs(turn_rate) < self.params.still:
            error = sum(self.gyro) / len(self.gyro) - turn_rate
            self.learned += 1  # the first measurements count more: a plain mean
            self.bias += (error - self.bias) * max(1 / self.learned, self.params.bias_gain)
        self.gyro.clear()

    def tick(self) -> None:
        msg = Odometry(header=self.stamp(frame(self, "odom")))
        msg.child_frame_id = frame(self, "base_link")
        msg.pose.pose.position.x, msg.pose.pose.position.y = self.x, self.y
        msg.pose.pose.orientation = quaternion(self.heading)
        msg.twist.twist.linear.x, msg.twist.twist.angular.z = self.speed, self.turn_rate
        # Of x, y, heading: the further it has driven, the less it knows.
        variance = (self.params.drift * self.driven_m) ** 2
        for place in (0, 7, 35):
            msg.pose.covariance[place] = variance
        self.publisher.publish(msg)
        self.tf.send_transform(transform(msg.header, msg.child_frame_id, msg.pose.pose))


if __name__ == "__main__":
    run(OdometryNode)
