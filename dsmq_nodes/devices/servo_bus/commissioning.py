"""What is done to servos once, before an arm runs: find them, give them ids, calibrate them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dsmq_nodes.devices.servo_bus import arm_setup, feetech
from dsmq_nodes.devices.servo_bus.answers import ServoAnswer
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, swept
from dsmq_nodes.devices.servo_bus.feetech import ServoState
from dsmq_nodes.errors import CalibrationError, ServoError

_HALF_TURN = feetech.TICKS // 2
_TRIES = 3
_MOVED_TICKS = 50  # 4 degrees: less is no sweep


@dataclass(frozen=True)
class FoundServo:
    """A servo that answered."""

    id: int
    model: int
    firmware: str
    state: ServoState
    calibration: JointCalibration


async def scan(bus: ServoBus, ids: Iterable[int]) -> list[FoundServo]:
    """The servos that answer.

    Raises:
        PortLostError: the adaptor is gone.
    """
    present = [each for each in ids if await bus.ping(each, _TRIES) is not None]
    found = []
    for servo_id, table in (await arm_setup.read_tables(bus, present) if present else {}).items():
        data = table.data[feetech.POSITION.address :]
        found.append(
            FoundServo(
                id=servo_id,
                model=feetech.MODEL.decode(table.data),
                firmware=f"{table.data[0]}.{table.data[1]}",
                state=ServoState.of(ServoAnswer(table.error, data)),
                calibration=arm_setup.calibration_in(servo_id, table),
            )
        )
    return found


async def set_id(bus: ServoBus, old: int, new: int) -> None:
    """Give a servo another id, which survives the power.

    Raises:
        ServoError: there is no servo `old`, or one with the new id already.
        PortLostError: the adaptor is gone.
    """
    if await bus.ping(old, _TRIES) is None:
        raise ServoError(f"{bus.address}: servo {old} does not answer: `dsmq-nodes servo scan`")
    if await bus.ping(new) is not None:
        raise ServoError(f"{bus.address}: there is a servo {new} already: two would answer at once")
    await bus.write(old, feetech.LOCK, 0)
    await bus.write(old, feetech.ID, new, check=False)
    await bus.write(new, feetech.LOCK, 1)
    if await bus.ping(old) is not None:
        raise ServoError(f"{bus.address}: servo {old} answers still: are there two of this id?")


class Sweep:
    """How far each joint is moved by hand, counted through the wrap of the encoder.

    The homing offset is 0 meanwhile. The offset is chosen when the ends are known: one that is
    chosen first may put the wrap into the range.
    """

    def __init__(self, bus: ServoBus, joints: Mapping[str, int]) -> None:
        """Nothing is written before `begin`; `joints` have the ids of their servos."""
        self.joints = dict(joints)
        self._bus = bus
        self._last: dict[int, int] = {}
        self._ends: dict[int, tuple[int, int]] = {}

    async def begin(self) -> None:
        """Let the joints go limp, and set their offsets to 0 and their ranges to a whole turn.

        Raises:
            DeviceError: a servo does not answer, or the adaptor is gone.
        """
        ids = list(self.joints.values())
        await arm_setup.switch_off(self._bus, ids)
        for servo_id in ids:
            await _write_calibration(self._bus, JointCalibration(id=servo_id))
        await self.look()

    async def look(self) -> None:
        """Read where the joints are; call it several times a second.

        Raises:
            PortLostError: the adaptor is gone.
        """
        register = feetech.POSITION
        ids: Sequence[int] = list(self.joints.values())
        found = await self._bus.sync_read(ids, register.address, register.size)
        for servo_id, each in found.items():
            ticks = register.decode(each.data, register.address)
            last = self._last.get(servo_id, ticks)
            moved = (ticks - last + _HALF_TURN) % feetech.TICKS - _HALF_TURN
            now = self._last[servo_id] = last + moved
            low, high = self._ends.get(servo_id, (now, now))
            self._ends[servo_id] = min(low, now), max(high, now)

    def spans(self) -> dict[str, int]:
        """How far each joint has been moved so far, ticks."""
        ends = {name: self._ends.get(i, (0, 0)) for name, i in self.joints.items()}
        return {name: high - low for name, (low, high) in ends.items()}

    async def finish(self) -> dict[str, JointCalibration]:
        """Write the offsets and ranges to the servos; returns them.

        Raises:
            CalibrationError: a joint was not moved.
            DeviceError: a servo does not answer, or the adaptor is gone.
        """
        still = [name for name, span in self.spans().items() if span < _MOVED_TICKS]
        if still:
            raise CalibrationError(f"{', '.join(still)} was not moved: nothing is written")
        found = {name: swept(i, *self._ends[i]) for name, i in self.joints.items()}
        await restore(self._bus, found)
        return found


async def restore(
    bus: ServoBus,
    joints: Mapping[str, JointCalibration],
    tell: Callable[[str], object] = lambda _: None,
) -> None:
    """Write a calibration to the servos; `tell` is called with each joint's name.

    Raises:
        DeviceError: a servo does not answer, or the adaptor is gone.
    """
    for name, each in joints.items():
        await _write_calibration(bus, each)
        tell(name)


async def _write_calibration(bus: ServoBus, calibration: JointCalibration) -> None:
    wanted = {
        feetech.HOMING_OFFSET: calibration.homing_offset,
        feetech.MIN_POSITION: calibration.range_min,
        feetech.MAX_POSITION: calibration.range_max,
    }
    await arm_setup.write_eeprom(bus, calibration.id, wanted)
