"""What the diffbot feels of itself: wheels and IMU. Each tells a part of the truth, with errors."""

import math
import random

from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import Imu, JointState, Odometry
from examples.diffbot.robot import TICKS_PER_TURN, WheelTicks, frame, mount, pose_of

GRAVITY = 9.80665  # m/s^2


class WheelEncoders(Node):
    """Counts whole ticks of each wheel."""

    rate_hz = 50.0

    def __init__(self) -> None:
        super().__init__("wheel_encoders")
        self.position = [0.0, 0.0]
        self.publisher = self.create_publisher(WheelTicks, "wheel_ticks", 10)
        self.create_subscription(JointState, "joint_states", self.on_joint_states, 10)
        self.create_timer(self.period_sec, self.tick)

    def on_joint_states(self, msg: JointState) -> None:
        self.position = msg.position

    def tick(self) -> None:
        left, right = (math.floor(at / (2 * math.pi) * TICKS_PER_TURN) for at in self.position)
        self.publisher.publish(WheelTicks(header=self.stamp(), left=left, right=right))


class ImuSensor(Node):
    """A gyroscope with a bias and noise, and an accelerometer with noise; no compass.

    Both tell the mean since they told last: what a robot has turned is not lost between two ticks.
    """

    class Params(Parameters):
        seed: int = 0
        gyro_bias: float = Field(0.02, ge=0, le=0.5, description="rad/s: the most, to either side")
        gyro_noise: float = Field(0.005, ge=0, le=0.5, description="rad/s, standard deviation")
        acceleration_noise: float = Field(0.05, ge=0, le=5, description="m/s^2, standard deviation")

    params: Params
    rate_hz = 100.0

    def __init__(self) -> None:
        super().__init__("imu")
        self.random = random.Random(f"{self.params.seed} {self.name}")
        self.bias = self.random.uniform(-self.params.gyro_bias, self.params.gyro_bias)
        self.truth: Odometry | None = None
        self.told = (-math.inf, 0.0, 0.0)  # when it told last; heading and speed as they were
        self.publisher = self.create_publisher(Imu, "imu", 10)
        mount(self, "imu")
        self.create_subscription(Odometry, "ground_truth", self.on_truth, 10)
        self.create_timer(self.period_sec, self.tick)

    def on_truth(self, msg: Odometry) -> None:
        self.truth = msg

    def tick(self) -> None:
        if self.truth is None:
            return
        msg = Imu(header=self.stamp(frame(self, "imu")))
        now_sec = self.get_clock().monotonic_sec()
        heading, speed = pose_of(self.truth)[2], self.truth.twist.twist.linear.x
        then_sec, heading_then, speed_then = self.told
        self.told = now_sec, heading, speed
        span_sec = now_sec - then_sec
        turn_rate = math.remainder(heading - heading_then, math.tau) / span_sec
        msg.orientation_covariance[0] = -1.0  # not measured
        noise = self.random.gauss(0, self.params.gyro_noise)
        msg.angular_velocity.z = turn_rate + self.bias + noise
        noise = self.random.gauss(0, self.params.acceleration_noise)
        msg.linear_acceleration.x = (speed - speed_then) / span_sec + noise
        msg.linear_acceleration.y = speed * turn_rate
        msg.linear_acceleration.z = GRAVITY
        self.publisher.publish(msg)


if __name__ == "__main__":
    run(WheelEncoders, ImuSensor)
