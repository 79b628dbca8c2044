"""Leads an arm: never far ahead of where it is, no faster than 1 rad/s; and waves."""

import math

from dsmq_nodes import Node, run
from dsmq_nodes.messages import JointState

STEP = 0.02  # rad, at 50 Hz
AHEAD = 0.3  # rad: a first command further away is refused


class WaveArm(Node):
    rate_hz = 50.0

    def __init__(self) -> None:
        super().__init__("leader")
        self.goal: dict[str, float] = {}
        self.waved_sec = 0.0
        self.publisher = self.create_publisher(JointState, "joint_command", 1)
        self.create_subscription(
            JointState, "joint_states", self.on_state, 1, timeout=0.2, on_timeout=self.lose
        )
        self.create_timer(self.period_sec, self.tick)

    def on_state(self, msg: JointState) -> None:
        for joint, at in zip(msg.name, msg.position, strict=True):
            self.goal[joint] = near(self.goal.get(joint, at), at, AHEAD)

    def lose(self) -> None:
        self.goal = {}  # the arm is gone, and may be elsewhere when it is back

    def tick(self) -> None:
        self.waved_sec += self.period_sec
        for number, (joint, goal) in enumerate(self.goal.items()):
            target = 0.4 * math.sin(1.5 * self.waved_sec + number)
            self.goal[joint] = near(target, goal, STEP)
        if self.goal:
            msg = JointState(name=[*self.goal], position=[*self.goal.values()])
            self.publisher.publish(msg)


def near(value: float, other: float, most: float) -> float:
    return min(max(value, other - most), other + most)


if __name__ == "__main__":
    run(WaveArm)
