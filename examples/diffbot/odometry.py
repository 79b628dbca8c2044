"""Where the robot is by its own reckoning: distance from the wheels, heading from the gyroscope.

A gyroscope's noise averages out, its bias does not: 0.02 rad/s is more than a radian a minute. So
the bias is learned whenever the wheels say that the robot has not turned for a while. (A while, as
ticks are whole numbers, and messages come a little early or late.)
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

LONGEST_SEC = 1.0  # between two stamps: more, or less than 0, and a clock was set in between


class OdometryNode(Node):
    """Fuses wheel_ticks and imu to odom, and to the transform odom -> base_link."""

    class Params(Parameters):
        x: float = Field(1.0, description="where it starts, m")
        y: float = Field(1.0, description="where it starts, m")
        heading: float = Field(0.0, description="how it starts, rad")
        still: float = Field(
            0.1, gt=0, le=1, description="rad/s: slower, by the wheels, is no turn"
        )
        while_sec: float = Field(0.5, gt=0, le=10, description="how long it must not have turned")
        bias_gain: float = Field(0.1, ge=0, le=1, description="share of a new bias, later on")
        drift: float = Field(
            0.01, ge=0, le=1, description="standard deviation, m and rad a metre driven"
        )

    params: Params
    rate_hz = 50.0

    def __init__(self) -> None:
        super().__init__("odometry")
        self.x, self.y, self.heading = self.params.x, self.params.y, self.params.heading
        self.bias = self.speed = self.turn_rate = self.driven_m = 0.0
        self.heading_then = self.heading  # when the wheels were read last
        self.by_wheels = self.by_gyro = self.while_sec = 0.0  # since the bias was looked at last
        self.imu_ns = self.ticks_ns = self.learned = 0
        self.ticks: WheelTicks | None = None
        self.publisher = self.create_publisher(Odometry, "odom", 10)
        self.tf = TransformBroadcaster(self)
        self.create_subscription(Imu, "imu", self.on_imu, 20)
        self.create_subscription(WheelTicks, "wheel_ticks", self.on_wheel_ticks, 10)
        self.create_timer(self.period_sec, self.tick)

    def on_imu(self, msg: Imu) -> None:
        now_ns = msg.header.stamp.to_nanoseconds()
        span_sec = (now_ns - self.imu_ns) * 1e-9
        if 0 < span_sec < LONGEST_SEC:
            self.by_gyro += msg.angular_velocity.z * span_sec
            self.turn_rate = msg.angular_velocity.z - self.bias
            self.heading += self.turn_rate * span_sec
        self.imu_ns = now_ns

    def on_wheel_ticks(self, msg: WheelTicks) -> None:
        before, self.ticks = self.ticks, msg
        now_ns = msg.header.stamp.to_nanoseconds()
        then_ns, self.ticks_ns = self.ticks_ns, now_ns
        if before is None:
            return
        span_sec = (now_ns - then_ns) * 1e-9
        left = (msg.left - before.left) * METRES_PER_TICK
        right = (msg.right - before.right) * METRES_PER_TICK
        if 0 < span_sec < LONGEST_SEC:
            self.learn_bias((right - left) / TRACK_M, span_sec)
            self.speed = (left + right) / 2 / span_sec
        else:
            self.by_wheels = self.by_gyro = self.while_sec = 0.0
        ahead = (self.heading_then + self.heading) / 2
        self.heading_then = self.heading
        self.driven_m += abs(left + right) / 2
        self.x += (left + right) / 2 * math.cos(ahead)
        self.y += (left + right) / 2 * math.sin(ahead)

    def learn_bias(self, turned: float, span_sec: float) -> None:
        """By the wheels, the robot turned so far, rad, in so much time."""
        self.by_wheels += turned
        self.while_sec += span_sec
        if self.while_sec < self.params.while_sec:
            return
        if abs(self.by_wheels) < self.params.still * self.while_sec:
            error = (self.by_gyro - self.by_wheels) / self.while_sec - self.bias
            self.learned += 1  # the first ones count more: a plain mean
            self.bias += error * max(1 / self.learned, self.params.bias_gain)
        self.by_wheels = self.by_gyro = self.while_sec = 0.0

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
