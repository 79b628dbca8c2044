"""Commands from a key or a gamepad: speeds of a base, or of an arm's joints.

Commands are published only while the key or the button is held. When it is released, a base gets a
zero command three times; an arm gets no further command, and its driver holds. Then nothing is
published, so that other commands for the robot are not disturbed. The robot's own timeout covers
the case that this process dies.
"""

import math
from collections.abc import Mapping
from typing import Final

from dsmq_nodes.graph.node import Node
from dsmq_nodes.messages.geometry import Twist, Vector3
from dsmq_nodes.messages.sensor import JointState

_ZEROS: Final = 3
_SAG: Final = 0.1  # rad that a joint may be short of its target; see trajectory_action.py
_LAG_SEC: Final = 0.3  # the delay of a moving joint


class BaseControl:
    """Publishes a base's commands."""

    def __init__(self, node: Node, topic: str = "cmd_vel") -> None:
        """Prepare; nothing is published before `drive`."""
        self._publisher = node.create_publisher(Twist, topic, 1)
        self._zeros = _ZEROS

    def drive(self, linear: float, angular: float) -> None:
        """Drive, in m/s and rad/s; call it again before the robot's timeout."""
        self._zeros = 0
        self._publish(linear, angular)

    def release(self) -> None:
        """Stop, because nothing is held any longer; call it as often as `drive`."""
        if self._zeros < _ZEROS:
            self._zeros += 1
            self._publish(0.0, 0.0)

    def end(self) -> None:
        """Stop now."""
        while self._zeros < _ZEROS:
            self.release()

    def _publish(self, linear: float, angular: float) -> None:
        self._publisher.publish(Twist(linear=Vector3(x=linear), angular=Vector3(z=angular)))


class ArmControl:
    """Publishes target positions of the moving joints, which begin at their current positions.

    A target is never far from the current position: at a limit, or against an obstacle, a joint
    reverses as soon as it is commanded to.

    Attributes:
        names: the joints, in the order of the arm's messages.
    """

    def __init__(
        self, node: Node, states: str = "joint_states", commands: str = "joint_command"
    ) -> None:
        """Prepare; nothing is published before the first state. `states`, `commands` are topics."""
        self.names: list[str] = []
        self._present: dict[str, float] = {}
        self._wanted: dict[str, float] = {}
        node.create_subscription(JointState, states, self.on_state, 1)
        self._node = node
        self._publisher = node.create_publisher(JointState, commands, 1)

    def on_state(self, msg: JointState) -> None:
        """Store the positions of the arm."""
        # A driver omits a joint whose servo did not answer: the others keep their places.
        fewer = set(msg.name) < set(self.names)
        self.names = self.names if fewer else msg.name
        self._present = dict(zip(msg.name, msg.position, strict=False))

    def move(self, speeds: Mapping[str, float], step_sec: float) -> None:
        """Move joints, rad/s; call it again after `step_sec`."""
        for name, speed in speeds.items():
            if name in self._present:
                wanted = self._wanted.setdefault(name, self._present[name])
                self._wanted[name] = _moved(wanted, self._present[name], speed, step_sec)
        if self._wanted:
            names, positions = list(self._wanted), list(self._wanted.values())
            header = self._node.stamp()
            self._publisher.publish(JointState(header=header, name=names, position=positions))

    def release(self) -> None:
        """Stop: the next `move` begins at the arm's position then."""
        self._wanted = {}

    def end(self) -> None:
        """Do nothing: the arm's driver holds."""


def _moved(wanted: float, present: float, speed: float, step_sec: float) -> float:
    """Return the target of a joint after a step."""
    if speed == 0:
        return wanted
    ahead = math.copysign(1.0, speed)
    # Both are distances in the direction of motion; a target in the other direction is dropped.
    distance = max(ahead * (wanted - present), -_SAG)
    most = max(distance, _SAG + abs(speed) * _LAG_SEC)
    return present + ahead * min(distance + abs(speed) * step_sec, most)
