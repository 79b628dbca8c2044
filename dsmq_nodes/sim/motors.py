"""The joints: their states, and commands by name for joints that are not wheels."""

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
        """Return the positions, the velocities, and the efforts of the actuators."""
        data = self._data
        return JointState(
            header=header,
            name=self.names,
            position=data.qpos[self._positions].tolist(),
            velocity=data.qvel[self._velocities].tolist(),
            effort=data.qfrc_actuator[self._velocities].tolist(),
        )


class Motors:
    """The actuators that a `JointState` moves: `position`, `velocity` and `motor` actuators.

    An actuator has the name of its joint; one of a tendon or a site, as a drone's, its own name.

    Attributes:
        names: the names of all, in the model's order.
    """

    def __init__(self, world: World, others: Collection[int]) -> None:
        """Use all actuators except `others`."""
        self._world = world
        self._actuators: dict[str, int] = {}
        joints, own_names = world.names("joint"), world.names("actuator")
        for actuator in range(world.model.nu):
            joint = world.joint_of(actuator)
            name = joints[joint] if joint is not None else ""
            if not name or name in self._actuators:  # a joint may have two actuators
                name = own_names[actuator]
            if name and actuator not in others:
                self._actuators.setdefault(name, actuator)
        self.names = list(self._actuators)

    def command(self, msg: JointState) -> str:
        """Obey a command, or return why it is refused; "" if it is obeyed."""
        wanted: dict[int, float] = {}
        for place, name in enumerate(msg.name):
            if name not in self._actuators:
                return f"no joint {name!r}; {did_you_mean(name, self._actuators)}"
            actuator = self._actuators[name]
            drive = self._world.drive_of(actuator)
            values = _VALUES[drive](msg)
            if len(values) != len(msg.name) or not math.isfinite(values[place]):
                return f"{name} is moved by {drive}, but the command has none for it"
            wanted[actuator] = values[place] * self._gear(actuator)
        for actuator, value in wanted.items():
            self._world.data.ctrl[actuator] = value
        return ""

    def hold(self) -> None:
        """Hold all positions; actuators without a position controller get no effort."""
        data = self._world.data
        for actuator in self._actuators.values():
            is_held = self._world.drive_of(actuator) == "position"
            data.ctrl[actuator] = data.actuator_length[actuator] if is_held else 0.0

    def _gear(self, actuator: int) -> float:
        """Return the factor for a command: the model's gear, but 1 for an effort."""
        is_effort = self._world.drive_of(actuator) == "effort"
        return 1.0 if is_effort else float(self._world.model.actuator_gear[actuator, 0])
