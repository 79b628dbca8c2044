"""The robot's body: two wheels that slip, motors that lag, walls that stop it."""

import math
import random

from pydantic import Field

from dsmq_nodes import Actuator, Node, Parameters, QoSProfile, run
from dsmq_nodes.messages import Bool, JointState, Odometry, Twist
from examples.diffbot.robot import BODY_RADIUS_M, TRACK_M, WHEEL_RADIUS_M, frame, quaternion
from examples.diffbot.world import World

MOST_SEC = 0.1  # at once: after a pause of the process the robot would be behind the next wall


class Plant(Node):
    """Turns wheel commands into motion, and tells what is true; sensors tell less.

    Publishes: ground_truth, joint_states, and bumper when it changes.
    """

    class Params(Parameters):
        seed: int = 0
        x: float = Field(1.0, description="where it starts, m")
        y: float = Field(1.0, description="where it starts, m")
        heading: float = Field(0.0, description="how it starts, rad")
        motor_lag_sec: float = Field(0.1, gt=0, le=2, description="to 63 % of a new speed")
        slip: float = Field(0.01, ge=0, lt=1, description="share of a wheel's way that is lost")
        command_timeout_sec: float = Field(
            0.3, gt=0, le=5, frozen=True, description="stop without a command"
        )

    params: Params
    rate_hz = 200.0

    def __init__(self) -> None:
        super().__init__("plant")
        self.world = World()
        self.random = random.Random(f"{self.params.seed} {self.name}")
        self.x, self.y, self.heading = self.params.x, self.params.y, self.params.heading
        self.wanted = [0.0, 0.0]  # rad/s of the left and the right wheel
        self.moved_sec = self.get_clock().monotonic_sec()  # up to then it has been moved
        self.joints = JointState(name=["left_wheel", "right_wheel"])
        self.joints.position, self.joints.velocity = [0.0, 0.0], [0.0, 0.0]
        self.truth = Odometry(child_frame_id=frame(self, "base_link"))
        self.is_touching: bool | None = None
        latched = QoSProfile(depth=1, durability="transient_local")
        self.bumper_publisher = self.create_publisher(Bool, "bumper", latched)
        self.joints_publisher = self.create_publisher(JointState, "joint_states", 10)
        self.truth_publisher = self.create_publisher(Odometry, "ground_truth", 10)
        timeout = self.params.command_timeout_sec
        self.motors = Actuator(self, Twist, "wheel_command", self.on_command, timeout=timeout)
        self.create_timer(self.period_sec, self.step)

    def on_command(self, msg: Twist) -> None:
        if not math.isfinite(msg.linear.x + msg.angular.z):
            self.enter_safe_state()
            return
        turn = msg.angular.z * TRACK_M / 2
        self.wanted = [(msg.linear.x + side * turn) / WHEEL_RADIUS_M for side in (-1, 1)]

    def enter_safe_state(self) -> None:
        """Nobody commands, the emergency stop is pressed, or we are ending: stand still."""
        self.wanted = [0.0, 0.0]

    def step(self) -> None:
        now_sec = self.get_clock().monotonic_sec()
        span_sec = min(now_sec - self.moved_sec, MOST_SEC)  # longer after a late tick
        self.moved_sec = now_sec
        left, right = (self.turn_wheel(wheel, span_sec) for wheel in (0, 1))
        speed, turn_rate = (left + right) / 2, (right - left) / TRACK_M
        ahead = self.heading + turn_rate * span_sec / 2
        x = self.x + speed * span_sec * math.cos(ahead)
        y = self.y + speed * span_sec * math.sin(ahead)
        self.heading += turn_rate * span_sec
        is_touching = self.world.distance(x, y) < BODY_RADIUS_M
        if is_touching:
            speed = 0.0  # the wheels go on turning, on the spot
        else:
            self.x, self.y = x, y
        self.tell(speed, turn_rate, is_touching)

    def turn_wheel(self, wheel: int, span_sec: float) -> float:
        """Turn a wheel for a while; gives how fast it moves over the floor, m/s."""
        velocity = self.joints.velocity[wheel]
        share = 1 - math.exp(-span_sec / self.params.motor_lag_sec)
        velocity += (self.wanted[wheel] - velocity) * share
        self.joints.velocity[wheel] = velocity
        self.joints.position[wheel] += velocity * span_sec
        slip = self.params.slip * self.random.uniform(0, 2)
        return velocity * WHEEL_RADIUS_M * (1 - slip)

    def tell(self, speed: float, turn_rate: float, is_touching: bool) -> None:
        header = self.stamp(frame(self, "map"))
        self.truth.header = self.joints.header = header
        pose, twist = self.truth.pose.pose, self.truth.twist.twist
        pose.position.x, pose.position.y = self.x, self.y
        pose.orientation = quaternion(self.heading)
        twist.linear.x, twist.angular.z = speed, turn_rate
        self.joints_publisher.publish(self.joints)
        self.truth_publisher.publish(self.truth)
        if is_touching != self.is_touching:
            self.is_touching = is_touching
            self.bumper_publisher.publish(Bool(data=is_touching))


if __name__ == "__main__":
    run(Plant)
