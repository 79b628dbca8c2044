"""The diffbot's sensors: each knows the truth, and tells a part of it, with errors."""

import math
import random

from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import Imu, JointState, LaserScan, Odometry
from examples.diffbot.robot import TICKS_PER_TURN, WheelTicks, frame, mount, pose_of
from examples.diffbot.world import World, beam_directions

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
    """A gyroscope with a bias and noise, and an accelerometer with noise; no compass."""

    class Params(Parameters):
        seed: int = 0
        gyro_bias: float = Field(0.02, ge=0, description="rad/s: the most, to either side")
        gyro_noise: float = Field(0.005, ge=0, description="rad/s, standard deviation")
        acceleration_noise: float = Field(0.05, ge=0, description="m/s^2, standard deviation")

    params: Params
    rate_hz = 100.0

    def __init__(self) -> None:
        super().__init__("imu")
        self.random = random.Random(f"{self.params.seed} {self.name}")
        self.bias = self.random.uniform(-self.params.gyro_bias, self.params.gyro_bias)
        self.speed = self.speed_before = self.turn_rate = 0.0
        self.publisher = self.create_publisher(Imu, "imu", 10)
        mount(self, "imu")
        self.create_subscription(Odometry, "ground_truth", self.on_truth, 10)
        self.create_timer(self.period_sec, self.tick)

    def on_truth(self, msg: Odometry) -> None:
        self.speed, self.turn_rate = msg.twist.twist.linear.x, msg.twist.twist.angular.z

    def tick(self) -> None:
        gain, self.speed_before = self.speed - self.speed_before, self.speed
        msg = Imu(header=self.stamp(frame(self, "imu")))
        msg.orientation_covariance[0] = -1.0  # not measured
        noise = self.random.gauss(0, self.params.gyro_noise)
        msg.angular_velocity.z = self.turn_rate + self.bias + noise
        noise = self.random.gauss(0, self.params.acceleration_noise)
        msg.linear_acceleration.x = gain / self.period_sec + noise
        msg.linear_acceleration.y = self.speed * self.turn_rate
        msg.linear_acceleration.z = GRAVITY
        self.publisher.publish(msg)


class Lidar(Node):
    """Looks around in the plane: one turn of `beams` beams at each tick."""

    class Params(Parameters):
        seed: int = 0
        beams: int = Field(360, ge=4)
        range_min: float = Field(0.05, gt=0, description="m")
        range_max: float = Field(10.0, gt=0, description="m")
        noise: float = Field(0.01, ge=0, description="m, standard deviation")

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
    run(WheelEncoders, ImuSensor, Lidar)
