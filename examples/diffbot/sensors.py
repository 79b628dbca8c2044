"""What the diffbot feels of itself: wheels and IMU. Each tells a part of the truth, with errors."""

import math
import random

from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import Header, Imu, JointState, Odometry
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
        self.told: Odometry | None = None  # the truth that it told last
        self.publisher = self.create_publisher(Imu, "imu", 10)
        mount(self, "imu")
        self.create_subscription(Odometry, "ground_truth", self.on_truth, 10)
        self.create_timer(self.period_sec, self.tick)

    def on_truth(self, msg: Odometry) -> None:
        self.truth = msg

    def tick(self) -> None:
        now, then = self.truth, self.told
        if now is None or (then is not None and then.header.stamp == now.header.stamp):
            return
        self.told = now
        if then is None:
            return
        # By the times of the truth: when a message arrives says nothing about the motion.
        span_ns = now.header.stamp.to_nanoseconds() - then.header.stamp.to_nanoseconds()
        span_sec = span_ns * 1e-9
        turn_rate = math.remainder(pose_of(now)[2] - pose_of(then)[2], math.tau) / span_sec
        speed, speed_then = now.twist.twist.linear.x, then.twist.twist.linear.x
        msg = Imu(header=Header(stamp=now.header.stamp, frame_id=frame(self, "imu")))
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
