"""The joints: their states, and commands by name for those that are no wheels."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Final

import numpy as np

from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.sensor import JointState
from dsmq_nodes.sim.world import World
from dsmq_nodes.suggest import did_you_mean

_VALUES: Final[dict[str, Callable[[JointState], Sequence[float]]]] = {
    "position": lambda msg: msg.position,
    "velocity": lambda msg: msg.velocity,
    "effort": lambda msg: msg.effort,
}


class Joints:
    """The states of all hinges and slides that have names.

    Attributes:
        names: their names, in the model's order.
    """

    def __init__(self, world: World) -> None:
        """Read the joints of a world."""
        joints, names, model = world.one_axis_joints(), world.names("joint"), world.model
        self.names = [names[each] for each in joints]
        self._data = world.data
        self._positions = np.array([model.jnt_qposadr[each] for each in joints], int)
        self._velocities = np.array([model.jnt_dofadr[each] for each in joints], int)

    def measure(self, header: Header) -> JointState:
        """Positions, velocities, and what the actuators exert."""
        data = self._data
        return JointState(
            header=header,
            name=self.names,
            position=data.qpos[self._positions].tolist(),
            velocity=data.qvel[self._velocities].tolist(),
            effort=data.qfrc_actuator[self._velocities].tolist(),
        )


class Motors:
    """What a `JointState` moves: `position` actuators by position, `velocity` ones, `motor`s."""

    def __init__(self, world: World, others: Collection[int]) -> None:
        """Take the actuators of joints, except `others`."""
        self._world = world
        names = world.names("joint")
        moved = ((names[each], each, world.actuator_of(each)) for each in world.one_axis_joints())
        self._joints = {
            name: (joint, actuator)
            for name, joint, actuator in moved
            if actuator is not None and actuator not in others
        }

    @property
    def names(self) -> list[str]:
        """Their joints, in the model's order."""
        return list(self._joints)

    def command(self, msg: JointState) -> str:
        """Obey a command; returns why it is refused, or ""."""
        wanted: dict[int, float] = {}
        for place, name in enumerate(msg.name):
            if name not in self._joints:
                return f"no joint {name!r}; {did_you_mean(name, self._joints)}"
            actuator = self._joints[name][1]
            drive = self._world.drive_of(actuator)
            values = _VALUES[drive](msg)
            if len(values) != len(msg.name) or not math.isfinite(values[place]):
                return f"{name} is moved by {drive}, of which there is none for it"
            wanted[actuator] = values[place] * self._gear(actuator)
        for actuator, value in wanted.items():
            self._world.data.ctrl[actuator] = value
        return ""

    def hold(self) -> None:
        """Stay where each joint is; those without a position controller get no effort."""
        world = self._world
        for joint, actuator in self._joints.values():
            is_held = world.drive_of(actuator) == "position"
            at = float(world.data.qpos[world.model.jnt_qposadr[joint]]) if is_held else 0.0
            world.data.ctrl[actuator] = at * self._gear(actuator)

    def _gear(self, actuator: int) -> float:
        return float(self._world.model.actuator_gear[actuator, 0])
