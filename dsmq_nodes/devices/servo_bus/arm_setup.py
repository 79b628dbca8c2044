"""How a servo is made ready: each register that differs is written, then torque comes on.

A servo that has lost its power has forgotten what is not in its EEPROM, and its motor is off. The
goal is set to where the servo is before its torque comes on: otherwise it would jump to a goal of
before. A servo whose motor is on is not switched off, because the arm would fall: one that takes a
register with its torque off only (Dynamixel) is refused with an explanation.
"""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError

from dsmq_nodes.devices.servo_bus.answers import Register, ServoAnswer
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, ServoJoint
from dsmq_nodes.devices.servo_bus.servo_family import ServoFamily
from dsmq_nodes.errors import CalibrationError, ServoError


async def read_tables(bus: ServoBus, ids: Sequence[int]) -> dict[int, ServoAnswer]:
    """All registers of servos.

    Raises:
        ServoError: some do not answer; the text has their ids.
        PortLostError: the adaptor is gone.
    """
    return await _read_all(bus, ids, 0, bus.family.table_bytes)


async def read_positions(bus: ServoBus, ids: Sequence[int]) -> dict[int, int]:
    """Where servos are, ticks.

    Raises:
        ServoError: some do not answer; the text has their ids.
        PortLostError: the adaptor is gone.
    """
    register = bus.family.position
    found = await _read_all(bus, ids, register.address, register.size)
    return {i: register.decode(each.data, register.address) for i, each in found.items()}


async def _read_all(
    bus: ServoBus, ids: Sequence[int], address: int, size: int
) -> dict[int, ServoAnswer]:
    found = await bus.sync_read(ids, address, size, tries=3)
    if missing := [each for each in ids if each not in found]:
        raise ServoError(
            f"{bus.address}: no answer from servo {', '.join(map(str, missing))}: look at its "
            "power and cable, or `dsmq-nodes servo scan`"
        )
    return found


def calibration_values(family: ServoFamily, table: ServoAnswer) -> dict[str, int]:
    """What a servo has in the registers of its calibration."""
    return {name: each.decode(table.data) for name, each in family.calibrated.items()}


def calibration_in(family: ServoFamily, servo_id: int, table: ServoAnswer) -> JointCalibration:
    """The calibration that a servo has in its registers.

    Raises:
        CalibrationError: it is none.
    """
    values = calibration_values(family, table)
    try:
        return JointCalibration(id=servo_id, **values)
    except ValidationError:
        told = ", ".join(f"{name} {value}" for name, value in values.items())
        raise CalibrationError(
            f"servo {servo_id} has {told}, which is no calibration: `dsmq-nodes servo calibrate`"
        ) from None


def check_calibration(family: ServoFamily, joint: ServoJoint, table: ServoAnswer) -> None:
    """Compare the file with the servo.

    Raises:
        CalibrationError: they differ.
    """
    for name, there in calibration_values(family, table).items():
        wanted = getattr(joint.calibration, name)
        if there != wanted:
            raise CalibrationError(
                f"{joint.name}: the file has {name} {wanted}, servo {joint.id} has {there}: "
                "calibrate, or write the file to the servos with `dsmq-nodes servo calibrate "
                "--restore`"
            )


def wanted_registers(
    family: ServoFamily, gains: Sequence[int], *, is_gentle: bool
) -> dict[Register, int]:
    """What a servo of an arm has in its registers; `gains` are P, I and D, or none."""
    wanted = {**family.wanted, **dict(zip(family.gains, gains or family.usual_gains, strict=False))}
    return {**wanted, **(family.gentle if is_gentle else {})}


async def write_registers(
    bus: ServoBus, servo_id: int, wanted: Mapping[Register, int], table: ServoAnswer | None = None
) -> None:
    """Write registers so that they survive the power where they can; none that `table` has already.

    Raises:
        ServoError: the servo does not answer, does not take a value, or is not to be switched off.
        PortLostError: the adaptor is gone.
    """
    differing = {
        register: value
        for register, value in wanted.items()
        if table is None or register.decode(table.data) != value
    }
    is_lasting = any(register.address < bus.family.eeprom_end for register in differing)
    if is_lasting:
        await unlock(bus, servo_id)
        differing = dict(wanted)  # another operating mode resets gains
    for register, value in differing.items():
        await bus.write(servo_id, register, value)
    if is_lasting and bus.family.lock is not None:
        await bus.write(servo_id, bus.family.lock, 1)


async def unlock(bus: ServoBus, servo_id: int) -> None:
    """Let a servo take registers that survive the power.

    Raises:
        ServoError: it does not answer, or takes them with its torque off only, and that is on.
        PortLostError: the adaptor is gone.
    """
    if bus.family.lock is None:
        await check_limp(bus, servo_id)
    else:
        await bus.write(servo_id, bus.family.lock, 0)


async def check_limp(bus: ServoBus, servo_id: int) -> None:
    """Whether settings may be changed that a servo takes with its torque off only, or jumps by.

    Raises:
        ServoError: it does not answer, or its torque is on.
        PortLostError: the adaptor is gone.
    """
    if await bus.read(servo_id, bus.family.torque):
        raise ServoError(
            f"{bus.address}: servo {servo_id} holds, and takes its settings only while it is limp: "
            "support the arm, and switch the servos' power off and on"
        )


async def switch_on(bus: ServoBus, ids: Iterable[int]) -> None:
    """Goal := where each servo is, then torque on; both are read back.

    Raises:
        ServoError: a servo does not answer, or does not take it.
        PortLostError: the adaptor is gone.
    """
    family = bus.family
    for servo_id in ids:
        position = await bus.read(servo_id, family.position)
        await bus.write(servo_id, family.goal, position)
        await bus.write(servo_id, family.torque, 1)


async def switch_off(bus: ServoBus, ids: Iterable[int]) -> None:
    """Torque off: the joints go limp; it is read back.

    Raises:
        ServoError: a servo does not answer, or does not take it.
        PortLostError: the adaptor is gone.
    """
    for servo_id in ids:
        await bus.write(servo_id, bus.family.torque, 0)
