"""An arm in MuJoCo whose joints are bus servos: its wire is a pseudo-terminal.

    ServoArm  <- packets of `protocol` ->  ServedBus  ->  SimulatedServo  ->  MuJoCo

The driver is that of a real arm. A servo's registers control its motor: torque, goal, limits, P. A
motor that is off is limp. The simulation steps up to the present before a request from the wire is
answered, so a position is at most one timestep old. The faults are those of the fake bus.

The servos are calibrated at the start: their ranges are those of the joints, with the middle at
tick 2048, so that 0 rad of the driver is the middle of a joint's range. Current, temperature and
voltage are not simulated.
"""

from typing import Final

from pydantic import Field
from typing_extensions import override

from dsmq_nodes.devices.servo_bus.answers import TICKS
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from dsmq_nodes.errors import ParameterError, SimulationError
from dsmq_nodes.sim.physics import Physics
from dsmq_nodes.sim.world import World
from dsmq_nodes.testing.servo_bus import BUSES, ServedBus, ServoBusParameters
from dsmq_nodes.testing.servo_registers import ServoRegisters

_TICKS_PER_RAD: Final = TICKS / 6.283185307179586
_MIDDLE: Final = TICKS // 2
_FACTORY_N_M: Final = 1.9  # an STS3215 at 7.4 V, if the model has no forcerange


class SimulatedServo:
    """Connects a joint of a model with the shaft of a servo.

    Attributes:
        actuator: the number of its actuator.
    """

    def __init__(self, servo: ServoRegisters, world: World, joint: int) -> None:
        """Take over the position actuator of a joint.

        Raises:
            SimulationError: the joint has no position actuator.
        """
        model, name = world.model, world.names("joint")[joint]
        actuator = world.actuator_of(joint)
        if actuator is None or world.drive_of(actuator) != "position":
            raise SimulationError(
                f"servo {servo.get(servo.family.id)}: the model {world.name} has no position "
                f'actuator for the joint {name}: add <position joint="{name}" kp="17.8"/> to its '
                "<actuator>"
            )
        self.actuator = actuator
        self._servo = servo
        self._world, self._gain = world, float(model.actuator_gainprm[actuator, 0])
        self._damping = float(model.actuator_biasprm[actuator, 2])
        self._gear = float(model.actuator_gear[actuator, 0])
        limits = model.actuator_forcerange[actuator]
        self._most = float(limits[1]) if model.actuator_forcelimited[actuator] else _FACTORY_N_M
        self._position, self._velocity = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
        low, high = model.jnt_range[joint].tolist() if model.jnt_limited[joint] else (0.0, 0.0)
        self._middle_rad = (low + high) / 2
        if high > low:
            half = min(round((high - low) / 2 * _TICKS_PER_RAD), _MIDDLE - 1)
            servo.calibrate(_MIDDLE - half, _MIDDLE + half)
        self.show()

    def drive(self) -> None:
        """Drive the motor as the registers say."""
        model, actuator, servo = self._world.model, self.actuator, self._servo
        if servo.shaft != self._shown:  # turned by hand
            self._world.data.qpos[self._position] = self._to_rad(servo.shaft)
        gain = self._gain * servo.stiffness if servo.is_on else 0.0
        model.actuator_gainprm[actuator, 0] = gain
        model.actuator_biasprm[actuator, 1] = -gain
        model.actuator_biasprm[actuator, 2] = self._damping if servo.is_on else 0.0
        limit = self._most * servo.strength
        model.actuator_forcelimited[actuator] = 1
        model.actuator_forcerange[actuator] = -limit, limit
        self._world.data.ctrl[actuator] = self._to_rad(servo.goal) * self._gear

    def show(self) -> None:
        """Write the joint's position into the registers."""
        data = self._world.data
        at = float(data.qpos[self._position])
        self._servo.shaft = self._shown = (at - self._middle_rad) * _TICKS_PER_RAD + _MIDDLE
        speed = float(data.qvel[self._velocity]) * _TICKS_PER_RAD
        load = 1e3 * float(data.actuator_force[self.actuator]) / self._most
        self._servo.show(speed, load)

    def _to_rad(self, ticks: float) -> float:
        return (ticks - _MIDDLE) / _TICKS_PER_RAD + self._middle_rad


class ServoWorld(Physics):
    """A simulated arm behind its adaptor; the driver opens `port`."""

    class Params(Physics.Params, ServoBusParameters):
        """The model, and its bus."""

        model: str = Field("so101", frozen=True, description="an MJCF file, or built-in: so101")
        seed: int = Field(0, ge=0, frozen=True, description="for all noise and faults")
        servo_joints: list[str] = Field(
            [],
            frozen=True,
            description="one joint for each id; []: the SO-101's, or all with actuators",
        )

    params: Params
    publishes_joints = False  # the driver publishes them
    _served: ServedBus | None = None  # it stays None if the model is refused

    def __init__(self) -> None:
        """Offer the bus as soon as the node spins.

        Raises:
            SimulationError: the model cannot be loaded, or has no actuator for a joint.
            ParameterError: the numbers of joints and of ids differ.
        """
        super().__init__("world")
        self._served = ServedBus(self, self.bus, self.params)

    @override
    def take_over(self) -> set[int]:
        given, world = self.params, self.world
        names = given.servo_joints or self._default_joints()
        if len(names) != len(given.ids):
            raise ParameterError(
                f"parameters of {self.name}: ids needs one for each joint; there are "
                f"{len(given.ids)} ids, and the joints {', '.join(names) or 'none'}"
            )
        joints = [world.find("joint", each, "servo_joints") for each in names]
        self.bus = BUSES[given.protocol](
            given.ids, seed=given.seed, latency_sec=given.latency_sec, move=self.catch_up
        )
        self._servos = [
            SimulatedServo(servo, world, joint)
            for servo, joint in zip(self.bus.servos.values(), joints, strict=True)
        ]
        return {each.actuator for each in self._servos}

    @override
    def before_steps(self) -> None:
        for each in self._servos:
            each.drive()

    @override
    def after_steps(self) -> None:
        for each in self._servos:
            each.show()

    @override
    def on_shutdown(self, *_: object) -> None:
        """Remove the path."""
        if self._served is not None:
            self._served.close()

    def _default_joints(self) -> list[str]:
        world = self.world
        joints = world.one_axis_joints()
        names = world.names("joint")
        moved = [names[each] for each in joints if world.actuator_of(each) is not None]
        return SO101 if set(SO101) <= set(moved) else moved
