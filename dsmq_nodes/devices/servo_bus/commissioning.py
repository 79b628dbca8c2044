"""Prepares servos once, before an arm runs: finds them, sets their ids, calibrates them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dsmq_nodes.devices.servo_bus import arm_setup
from dsmq_nodes.devices.servo_bus.answers import TICKS
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, swept
from dsmq_nodes.devices.servo_bus.servo_family import ServoState
from dsmq_nodes.errors import CalibrationError, ServoError

_HALF_TURN = TICKS // 2
_TRIES = 2
_MOVED_TICKS = 50  # 4 degrees: a smaller sweep does not count


@dataclass(frozen=True)
class FoundServo:
    """A servo that answered."""

    id: int
    model: str
    firmware: str
    state: ServoState
    fault: str
    calibration: Mapping[str, int]


async def scan(bus: ServoBus, ids: Iterable[int]) -> list[FoundServo]:
    """Return the servos that answer, by id.

    Raises:
        PortLostError: the adaptor is gone.
    """
    present = [each for each in ids if await bus.ping(each, _TRIES) is not None]
    tables = await arm_setup.read_tables(bus, present) if present else {}
    found = []
    family = bus.family
    for servo_id in sorted(tables):  # one that answered late was read last
        table = tables[servo_id]
        model, state = family.model.decode(table.data), family.state_in(table)
        if family.counts_turns:
            state = replace(state, position=state.position % TICKS)
        found.append(
            FoundServo(
                id=servo_id,
                model=family.models.get(model, f"{model}"),
                firmware=family.firmware(table),
                state=state,
                fault=family.fault_in(table),
                calibration=arm_setup.calibration_values(family, table),
            )
        )
    return found


async def set_id(bus: ServoBus, old: int, new: int, baud: int = 0) -> None:
    """Set a servo's id, and its rate of the wire if `baud` is given; both are lasting.

    Raises:
        ServoError: there is no servo `old`, or one with the new id already, or it holds and
            accepts no id meanwhile, or it does not support this rate.
        PortLostError: the adaptor is gone.
    """
    family = bus.family
    if new > family.last_id:
        raise ServoError(f"{new} is not a valid id: the last one is {family.last_id}")
    if baud and baud not in family.rates:
        raise ServoError(f"{baud} is no rate of these servos: {', '.join(map(str, family.rates))}")
    await _check_ids(bus, old, new)
    await arm_setup.unlock(bus, old)
    await bus.write(old, family.id, new, check=False)
    if baud:
        await bus.write(new, family.baud, family.rates[baud], check=False)
        await bus.open(baud)
    if await bus.ping(new, _TRIES) is None:
        raise ServoError(f"{bus.address}: servo {old} does not answer as {new}")
    if family.lock is not None:
        await bus.write(new, family.lock, 1)
    if new != old and await bus.ping(old) is not None:
        raise ServoError(f"{bus.address}: servo {old} still answers: do two have this id?")


async def _check_ids(bus: ServoBus, old: int, new: int) -> None:
    if await bus.ping(old, _TRIES) is None:
        raise ServoError(f"{bus.address}: servo {old} does not answer: `dsmq-nodes servo scan`")
    if new != old and await bus.ping(new, _TRIES) is not None:
        raise ServoError(f"{bus.address}: there already is a servo {new}: both would answer")


class Sweep:
    """Measures how far each joint is moved by hand, counted through the wrap of the encoder.

    The homing offset is 0 meanwhile. The offset is chosen when both ends are known: an offset
    chosen earlier may put the wrap into the range.
    """

    def __init__(self, bus: ServoBus, joints: Mapping[str, int]) -> None:
        """Prepare; nothing is written before `begin`. `joints` has the servo id of each joint."""
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
        await self.read_positions()

    async def read_positions(self) -> None:
        """Read the joints' positions; call this several times a second.

        Raises:
            PortLostError: the adaptor is gone.
        """
        register = self._bus.family.position
        ids: Sequence[int] = list(self.joints.values())
        found = await self._bus.sync_read(ids, register.address, register.size)
        for servo_id, each in found.items():
            ticks = register.decode(each.data, register.address)
            last = self._last.get(servo_id, ticks)
            moved = (ticks - last + _HALF_TURN) % TICKS - _HALF_TURN
            now = self._last[servo_id] = last + moved
            low, high = self._ends.get(servo_id, (now, now))
            self._ends[servo_id] = min(low, now), max(high, now)

    def spans(self) -> dict[str, int]:
        """Return how far each joint has been moved so far, ticks."""
        ends = {name: self._ends.get(i, (0, 0)) for name, i in self.joints.items()}
        return {name: high - low for name, (low, high) in ends.items()}

    async def finish(self) -> dict[str, JointCalibration]:
        """Write the offsets and ranges to the servos, and return them.

        Raises:
            CalibrationError: a joint was not moved.
            DeviceError: a servo does not answer, or the adaptor is gone.
        """
        still = [name for name, span in self.spans().items() if span < _MOVED_TICKS]
        if still:
            raise CalibrationError(f"{', '.join(still)} was not moved: nothing is written")
        found = {
            name: swept(i, *self._ends[i], self._bus.family) for name, i in self.joints.items()
        }
        await restore(self._bus, found)
        return found


async def restore(bus: ServoBus, joints: Mapping[str, JointCalibration]) -> None:
    """Write a calibration to the servos.

    Raises:
        DeviceError: a servo does not answer, or the adaptor is gone.
    """
    for each in joints.values():
        await _write_calibration(bus, each)


async def _write_calibration(bus: ServoBus, calibration: JointCalibration) -> None:
    registers = bus.family.calibrated
    most = bus.family.most_offset
    if abs(calibration.homing_offset) > most:
        raise CalibrationError(
            f"servo {calibration.id}: a homing_offset of {calibration.homing_offset} is over "
            f"its {most}: calibrate it"
        )
    await arm_setup.check_limp(bus, calibration.id)  # a change of the offset would make it jump
    values = {register: getattr(calibration, name) for name, register in registers.items()}
    # Set the mode too: a Dynamixel ignores large offsets in its factory mode.
    await arm_setup.write_registers(bus, calibration.id, {**bus.family.wanted, **values})
