"""Wheels driven by speed, left and right of a base: obeys `cmd_vel`, returns odometry.

Unless the parameters name them, the wheels are found in the model: hinges without limits, across
the base, moved by `velocity` actuators. Their positions give the track, the largest shape on a
wheel's body gives its radius.
"""

import math
from dataclasses import dataclass
from typing import Final

import mujoco
import numpy as np

from dsmq_nodes.errors import SimulationError
from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.nav import Odometry
from dsmq_nodes.sim.mobile_base import Base, heading_quaternion
from dsmq_nodes.sim.world import World

_ACROSS: Final = 0.9  # the least part of the wheel's axis along the base's y


@dataclass(frozen=True)
class _Wheel:
    """One wheel; `forward` is 1, or -1 if it turns in reverse."""

    position: int  # its index in qpos
    actuator: int
    left_m: float  # from the middle of the base; negative on the right
    radius_m: float
    forward: float


class Wheels:
    """The wheels of one base.

    Attributes:
        pose: x, y (m) and heading (rad) from the encoders.
    """

    def __init__(
        self,
        world: World,
        base: Base | None,
        left: list[str],
        right: list[str],
        *,
        radius: float = 0.0,
        track: float = 0.0,
    ) -> None:
        """Find the wheels; a radius or track of 0 is the model's.

        Raises:
            SimulationError: a named joint does not exist, or is no driven wheel.
        """
        self._world, self._base = world, base.body if base else 0
        if bool(left) != bool(right):
            raise SimulationError("left_wheels and right_wheels: give both or none")
        if left and base is None:
            raise SimulationError(
                f"left_wheels: no body of {world.name} moves freely: add <freejoint/> to its base"
            )
        if left:
            self._left = [self._named(each, "left_wheels") for each in left]
            self._right = [self._named(each, "right_wheels") for each in right]
        else:
            found = self._found() if base else []
            self._left = [each for each in found if each.left_m > 0]
            self._right = [each for each in found if each.left_m < 0]
        self.pose = 0.0, 0.0, 0.0
        self._odometry_sec = 0.0
        self._turned = self._read()
        if not self:
            return
        wheels = [*self._left, *self._right]
        self._radius = radius or _mean([each.radius_m for each in wheels])
        sides = [_mean([each.left_m for each in side]) for side in (self._left, self._right)]
        self._track = track or sides[0] - sides[1]
        if self._radius <= 0 or self._track <= 0:
            raise SimulationError(
                f"the model {world.name} gives a wheel radius of {self._radius:g} m and a track of "
                f"{self._track:g} m: set the parameters wheel_radius and track"
            )

    def __bool__(self) -> bool:
        return bool(self._left and self._right)

    @property
    def actuators(self) -> set[int]:
        """The numbers of the wheels' actuators."""
        return {each.actuator for each in (*self._left, *self._right)} if self else set()

    @property
    def label(self) -> str:
        """The radius and the track, as text."""
        count = len(self._left) + len(self._right)
        return f"{count} wheels of {self._radius:g} m, {self._track:g} m apart"

    def command(self, speed: float, turn_rate: float) -> None:
        """Drive, in m/s and rad/s; do nothing without wheels."""
        if not self:
            return
        gears = self._world.model.actuator_gear
        for side, wheels in ((-1, self._left), (1, self._right)):
            wanted = (speed + side * turn_rate * self._track / 2) / self._radius
            for each in wheels:
                self._world.data.ctrl[each.actuator] = (
                    wanted * each.forward * gears[each.actuator, 0]
                )

    def restart(self, pose: tuple[float, float, float]) -> None:
        """Set the pose, and count from the encoders' current values."""
        self.pose = pose
        self._turned = self._read()

    def odometry(self, header: Header, base_frame: str, elapsed_sec: float) -> Odometry:
        """Return the base's pose from the encoders, `elapsed_sec` after the simulation's start."""
        span_sec, self._odometry_sec = elapsed_sec - self._odometry_sec, elapsed_sec
        before, self._turned = self._turned, self._read()
        left, right = (
            (now - then) * self._radius for now, then in zip(self._turned, before, strict=True)
        )
        ahead, turned = (left + right) / 2, (right - left) / self._track
        x, y, heading = self.pose
        x += ahead * math.cos(heading + turned / 2)
        y += ahead * math.sin(heading + turned / 2)
        self.pose = x, y, math.remainder(heading + turned, math.tau)
        msg = Odometry(header=header, child_frame_id=base_frame)
        msg.pose.pose.position.x, msg.pose.pose.position.y = x, y
        msg.pose.pose.orientation = heading_quaternion(self.pose[2])
        msg.twist.twist.linear.x = ahead / span_sec
        msg.twist.twist.angular.z = turned / span_sec
        return msg

    def _read(self) -> tuple[float, float]:
        positions = self._world.data.qpos
        left, right = (
            _mean([float(positions[each.position]) * each.forward for each in wheels])
            for wheels in (self._left, self._right)
        )
        return left, right

    def _named(self, name: str, parameter: str) -> _Wheel:
        wheel = self._wheel(self._world.find("joint", name, parameter))
        if wheel is None:
            raise SimulationError(
                f"the model {self._world.name} has no velocity actuator for the wheel {name}: add "
                f'<velocity joint="{name}" kv="0.2"/> to its <actuator>'
            )
        return wheel

    def _found(self) -> list[_Wheel]:
        world, model = self._world, self._world.model
        across = world.data.xmat[self._base].reshape(3, 3)[:, 1]
        found = [
            self._wheel(each)
            for each in world.one_axis_joints()
            if model.jnt_type[each] == mujoco.mjtJoint.mjJNT_HINGE
            and not model.jnt_limited[each]
            and world.root_of(each) == self._base
            and abs(float(world.data.xaxis[each] @ across)) > _ACROSS
        ]
        return [each for each in found if each is not None]

    def _wheel(self, joint: int) -> _Wheel | None:
        world, model, data = self._world, self._world.model, self._world.data
        actuator = world.actuator_of(joint)
        if actuator is None or world.drive_of(actuator) != "velocity":
            return None
        turned = data.xmat[self._base].reshape(3, 3)
        body = model.jnt_bodyid[joint]
        shapes = np.flatnonzero(model.geom_bodyid == body)
        return _Wheel(
            position=int(model.jnt_qposadr[joint]),
            actuator=actuator,
            left_m=float(((data.xanchor[joint] - data.xpos[self._base]) @ turned)[1]),
            radius_m=max((float(model.geom_aabb[each, 3:].max()) for each in shapes), default=0.0),
            forward=math.copysign(1.0, float(data.xaxis[joint] @ turned[:, 1])),
        )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
