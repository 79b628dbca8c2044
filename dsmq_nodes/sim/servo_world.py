"""An arm in MuJoCo whose joints are bus servos: its wire is a pseudo-terminal, as the adaptor's.

    ServoArm  <- Feetech's packets ->  ServedBus  ->  SimulatedServo  ->  MuJoCo

The driver is the one of a real arm. A servo's registers decide what its motor does: torque, goal,
limits, P. A motor that is off is limp. What the wire asks for is stepped up to that moment, so a
position is at most one timestep old. Faults are those of the fake bus.

The servos come calibrated: their ranges are those of the joints, the middle at tick 2048, so that
0 rad of the driver is the middle of a joint's range. Current, temperature and voltage are not
simulated.
"""

from collections.abc import Callable, Iterable
from typing import Final

from pydantic import Field
from typing_extensions import override

from dsmq_nodes.devices.servo_bus import feetech
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from dsmq_nodes.errors import ParameterError, SimulationError
from dsmq_nodes.sim.physics import Physics
from dsmq_nodes.sim.world import World
from dsmq_nodes.testing.servo_bus import FakeBus, FakeServo, ServedBus, ServoBusParameters

_TICKS_PER_RAD: Final = feetech.TICKS / 6.283185307179586
_MIDDLE: Final = feetech.TICKS // 2
_MODELS_P: Final = 16  # the servo's P at which its stiffness is the model's: LeRobot's and ours
_FULL: Final = 1000  # of torques and loads
_FACTORY_N_M: Final = 1.9  # an STS3215 at 7.4 V, where the model has no forcerange


class SimulatedServo(FakeServo):
    """A servo whose shaft is a joint of a model.

    Attributes:
        actuator: the number of its actuator.
    """

    def __init__(self, servo_id: int, world: World, joint: int) -> None:
        """Take over the position actuator of a joint.

        Raises:
            SimulationError: the joint has none.
        """
        model, name = world.model, world.names("joint")[joint]
        actuator = world.actuator_of(joint)
        if actuator is None or world.drive_of(actuator) != "position":
            raise SimulationError(
                f"servo {servo_id}: the model {world.name} has no position actuator for the joint "
                f'{name}: add <position joint="{name}" kp="17.8"/> to its <actuator>'
            )
        self.actuator = actuator
        self._world, self._gain = world, float(model.actuator_gainprm[actuator, 0])
        self._damping = float(model.actuator_biasprm[actuator, 2])
        self._gear = float(model.actuator_gear[actuator, 0])
        limits = model.actuator_forcerange[actuator]
        self._most = float(limits[1]) if model.actuator_forcelimited[actuator] else _FACTORY_N_M
        self._position, self._velocity = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
        low, high = model.jnt_range[joint].tolist() if model.jnt_limited[joint] else (0.0, 0.0)
        self._middle_rad = (low + high) / 2
        super().__init__(servo_id)
        if high > low:
            half = min(round((high - low) / 2 * _TICKS_PER_RAD), _MIDDLE - 1)
            self._calibrate(_MIDDLE - half, _MIDDLE + half)

    @property
    def shaft(self) -> float:
        """Where the joint is, ticks, before the homing offset."""
        at = float(self._world.data.qpos[self._position])
        return (at - self._middle_rad) * _TICKS_PER_RAD + _MIDDLE

    @shaft.setter
    def shaft(self, ticks: float) -> None:
        self._world.data.qpos[self._position] = self._to_rad(ticks)

    def drive(self) -> None:
        """Let the motor do what the registers say."""
        model, actuator = self._world.model, self.actuator
        gain = self._gain * self.get(feetech.P_GAIN) / _MODELS_P if self.is_on else 0.0
        model.actuator_gainprm[actuator, 0] = gain
        model.actuator_biasprm[actuator, 1] = -gain
        model.actuator_biasprm[actuator, 2] = self._damping if self.is_on else 0.0
        limit = min(self.get(feetech.TORQUE_LIMIT), self.get(feetech.MAX_TORQUE)) / _FULL
        model.actuator_forcelimited[actuator] = 1
        model.actuator_forcerange[actuator] = -self._most * limit, self._most * limit
        self._world.data.ctrl[actuator] = self._to_rad(self.goal) * self._gear

    def show(self) -> None:
        """Put into the registers where the joint is."""
        data = self._world.data
        speed = float(data.qvel[self._velocity]) * _TICKS_PER_RAD
        load = float(data.actuator_force[self.actuator]) / self._most * _FULL
        position = round(self.shaft - self.get(feetech.HOMING_OFFSET)) % feetech.TICKS
        self.set(feetech.POSITION, position)
        self.set(feetech.VELOCITY, round(speed))
        self.set(feetech.LOAD, max(-_FULL, min(_FULL, round(load))))
        self.set(feetech.MOVING, int(abs(speed) > 1))

    def _to_rad(self, ticks: float) -> float:
        return (ticks - _MIDDLE) / _TICKS_PER_RAD + self._middle_rad

    def _calibrate(self, low: int, high: int) -> None:
        self.set(feetech.LOCK, 0)
        for register, value in ((feetech.MIN_POSITION, low), (feetech.MAX_POSITION, high)):
            self.write(register.address, register.encode(value))
        self.set(feetech.LOCK, 1)


class _SimulatedBus(FakeBus):
    """A bus whose servos are moved by a simulation, as soon as the wire asks."""

    def __init__(
        self,
        servos: Iterable[SimulatedServo],
        catch_up: Callable[[], None],
        *,
        seed: int,
        latency_sec: float,
    ) -> None:
        super().__init__((), seed=seed, latency_sec=latency_sec)
        self.servos = {each.get(feetech.ID): each for each in servos}
        self._catch_up = catch_up

    @override
    def pass_time(self, now_sec: float) -> None:
        self._catch_up()


class ServoWorld(Physics):
    """A simulated arm behind its adaptor; the driver beside it opens `port`."""

    class Params(Physics.Params, ServoBusParameters):
        """The model, and its bus."""

        model: str = Field("so101", frozen=True, description="an MJCF file, or one of ours: so101")
        seed: int = Field(0, ge=0, frozen=True, description="of all noise, and of the faults")
        servo_joints: list[str] = Field(
            [],
            frozen=True,
            description="joints, one an id; []: the SO-101's, or all with actuators",
        )

    params: Params
    publishes_joints = False  # the driver does, as it reads them
    _served: ServedBus | None = None  # it stays so where the model is refused

    def __init__(self) -> None:
        """Be plugged in as soon as the node spins.

        Raises:
            SimulationError: the model cannot be loaded, or has no actuator for a joint.
            ParameterError: there are not as many joints as ids.
        """
        super().__init__("world")
        self._served = ServedBus(self, self.bus, self.params)

    @override
    def take_over(self) -> set[int]:
        given, world = self.params, self.world
        names = given.servo_joints or self._default_joints()
        if len(names) != len(given.ids):
            raise ParameterError(
                f"parameters of {self.name}: ids has one for each joint; there are "
                f"{len(given.ids)} ids, and the joints {', '.join(names) or 'none'}"
            )
        joints = [world.find("joint", each, "servo_joints") for each in names]
        self._servos = [
            SimulatedServo(servo_id, world, joint)
            for servo_id, joint in zip(given.ids, joints, strict=True)
        ]
        self.bus = _SimulatedBus(
            self._servos, self.catch_up, seed=given.seed, latency_sec=given.latency_sec
        )
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
        """Take the path away."""
        if self._served is not None:
            self._served.close()

    def _default_joints(self) -> list[str]:
        world = self.world
        joints = world.one_axis_joints()
        names = world.names("joint")
        moved = [names[each] for each in joints if world.actuator_of(each) is not None]
        return SO101 if set(SO101) <= set(moved) else moved
