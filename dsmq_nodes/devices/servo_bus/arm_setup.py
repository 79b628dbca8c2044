"""Sets up servos: writes each register that differs, then switches the torque on.

A servo that has lost its power has only the registers in its EEPROM, and its motor is off. The goal
is set to the servo's position before the torque is switched on: otherwise the servo would jump to
an old goal. A motor that is on is not switched off, because the arm would fall: a servo that
accepts a register only with its torque off (Dynamixel) is refused with an explanation.
"""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError

from dsmq_nodes.devices.servo_bus.answers import Register, ServoAnswer
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, ServoJoint
from dsmq_nodes.devices.servo_bus.servo_family import ServoFamily
from dsmq_nodes.errors import CalibrationError, ServoError


async def read_tables(bus: ServoBus, ids: Sequence[int]) -> dict[int, ServoAnswer]:
    """Read all registers of servos.

    Raises:
        ServoError: some do not answer; the text has their ids.
        PortLostError: the adaptor is gone.
    """
    return await _read_all(bus, ids, 0, bus.family.table_bytes)


async def read_positions(bus: ServoBus, ids: Sequence[int]) -> dict[int, int]:
    """Read the positions of servos, ticks.

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
    """Return the values of a servo's calibration registers."""
    return {name: each.decode(table.data) for name, each in family.calibrated.items()}


def calibration_in(family: ServoFamily, servo_id: int, table: ServoAnswer) -> JointCalibration:
    """Return the calibration in a servo's registers.

    Raises:
        CalibrationError: the registers hold no valid calibration.
    """
    values = calibration_values(family, table)
    try:
        return JointCalibration(id=servo_id, **values)
    except ValidationError:
        found = ", ".join(f"{name} {value}" for name, value in values.items())
        raise CalibrationError(
            f"servo {servo_id} has {found}, which is no calibration: `dsmq-nodes servo calibrate`"
        ) from None


def check_calibration(family: ServoFamily, joint: ServoJoint, table: ServoAnswer) -> None:
    """Compare the calibration file with the servo.

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
    """Return the register values for a servo of an arm; `gains` are P, I and D, or empty."""
    wanted = {**family.wanted, **dict(zip(family.gains, gains or family.usual_gains, strict=False))}
    return {**wanted, **(family.gentle if is_gentle else {})}


async def write_registers(
    bus: ServoBus, servo_id: int, wanted: Mapping[Register, int], table: ServoAnswer | None = None
) -> None:
    """Write registers, lasting where possible, except values that `table` has already.

    Raises:
        ServoError: the servo does not answer, refuses a value, or must not be switched off.
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
        differing = dict(wanted)  # a change of the operating mode resets the gains
    for register, value in differing.items():
        await bus.write(servo_id, register, value)
    if is_lasting and bus.family.lock is not None:
        await bus.write(servo_id, bus.family.lock, 1)


async def unlock(bus: ServoBus, servo_id: int) -> None:
    """Allow writing a servo's lasting registers.

    Raises:
        ServoError: the servo does not answer, or its torque would have to be off and is on.
        PortLostError: the adaptor is gone.
    """
    if bus.family.lock is None:
        await check_limp(bus, servo_id)
    else:
        await bus.write(servo_id, bus.family.lock, 0)


async def check_limp(bus: ServoBus, servo_id: int) -> None:
    """Check that a servo's torque is off, for settings that need that or that make it jump.

    Raises:
        ServoError: the servo does not answer, or its torque is on.
        PortLostError: the adaptor is gone.
    """
    if await bus.read(servo_id, bus.family.torque):
        raise ServoError(
            f"{bus.address}: servo {servo_id} holds, and accepts its settings only while limp: "
            "support the arm, and switch the servos' power off and on"
        )


async def switch_on(bus: ServoBus, ids: Iterable[int]) -> None:
    """Set each servo's goal to its position, then its torque on; both are read back.

    Raises:
        ServoError: a servo does not answer, or does not store the value.
        PortLostError: the adaptor is gone.
    """
    family = bus.family
    for servo_id in ids:
        position = await bus.read(servo_id, family.position)
        await bus.write(servo_id, family.goal, position)
        await bus.write(servo_id, family.torque, 1)


async def switch_off(bus: ServoBus, ids: Iterable[int]) -> None:
    """Switch the torque off, so that the joints go limp; it is read back.

    Raises:
        ServoError: a servo does not answer, or does not store the value.
        PortLostError: the adaptor is gone.
    """
    for servo_id in ids:
        await bus.write(servo_id, bus.family.torque, 0)
