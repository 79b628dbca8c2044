"""How a servo is made ready: each register that differs is written, then torque comes on.

A servo that has lost its power has forgotten what is not in its EEPROM, and its motor is off. The
goal is set to where the servo is before its torque comes on: otherwise it would jump to a goal of
before. A servo whose motor is on is not switched off, because the arm would fall.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dsmq_nodes.devices.servo_bus import feetech
from dsmq_nodes.devices.servo_bus.answers import Register, ServoAnswer
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, ServoJoint
from dsmq_nodes.errors import CalibrationError, ServoError

_TABLE_BYTES: Final = feetech.POSITION.address + feetech.STATE_BYTES
_CALIBRATED: Final = {
    "homing_offset": feetech.HOMING_OFFSET,
    "range_min": feetech.MIN_POSITION,
    "range_max": feetech.MAX_POSITION,
}
# LeRobot's: grippers burn out at the factory's limits.
GENTLE: Final = {
    feetech.MAX_TORQUE: 500,
    feetech.PROTECTION_CURRENT: 250,
    feetech.OVERLOAD_TORQUE: 25,
}


async def read_tables(bus: ServoBus, ids: Sequence[int]) -> dict[int, ServoAnswer]:
    """All registers of servos.

    Raises:
        ServoError: some do not answer; the text has their ids.
        PortLostError: the adaptor is gone.
    """
    found = await bus.sync_read(ids, 0, _TABLE_BYTES, tries=3)
    if missing := [each for each in ids if each not in found]:
        raise ServoError(
            f"{bus.address}: no answer from servo {', '.join(map(str, missing))}: look at its "
            "power and cable, or `dsmq-nodes servo scan`"
        )
    return found


def calibration_in(servo_id: int, table: ServoAnswer) -> JointCalibration:
    """The calibration that a servo has in its registers."""
    values = {name: each.decode(table.data) for name, each in _CALIBRATED.items()}
    return JointCalibration(id=servo_id, **values)


def check_calibration(joint: ServoJoint, table: ServoAnswer) -> None:
    """Compare the file with the servo.

    Raises:
        CalibrationError: they differ.
    """
    for name, register in _CALIBRATED.items():
        there, wanted = register.decode(table.data), getattr(joint.calibration, name)
        if there != wanted:
            raise CalibrationError(
                f"{joint.name}: the file has {name} {wanted}, servo {joint.id} has {there}: "
                "calibrate, or write the file to the servos with `dsmq-nodes servo calibrate "
                "--restore`"
            )


def wanted_registers(gains: Sequence[int], *, is_gentle: bool) -> dict[Register, int]:
    """What a servo of an arm has in its EEPROM; `gains` are P, I and D."""
    p, i, d = gains
    wanted = {
        feetech.RETURN_DELAY: 0,
        feetech.STATUS_LEVEL: 1,
        feetech.OPERATING_MODE: 0,
        feetech.P_GAIN: p,
        feetech.I_GAIN: i,
        feetech.D_GAIN: d,
    }
    return wanted | (GENTLE if is_gentle else {})


async def write_eeprom(
    bus: ServoBus, servo_id: int, wanted: Mapping[Register, int], table: ServoAnswer | None = None
) -> None:
    """Write registers that survive the power; none that `table` has already.

    Raises:
        ServoError: the servo does not answer, or does not take a value.
        PortLostError: the adaptor is gone.
    """
    differing = {
        register: value
        for register, value in wanted.items()
        if table is None or register.decode(table.data) != value
    }
    if not differing:
        return
    await bus.write(servo_id, feetech.LOCK, 0)
    for register, value in differing.items():
        await bus.write(servo_id, register, value)
    await bus.write(servo_id, feetech.LOCK, 1)


async def switch_on(bus: ServoBus, ids: Iterable[int]) -> None:
    """Goal := where each servo is, then torque on; both are read back.

    Raises:
        ServoError: a servo does not answer, or does not take it.
        PortLostError: the adaptor is gone.
    """
    for servo_id in ids:
        position = await bus.read(servo_id, feetech.POSITION)
        await bus.write(servo_id, feetech.GOAL_POSITION, position)
        await bus.write(servo_id, feetech.TORQUE_ENABLE, 1)


async def switch_off(bus: ServoBus, ids: Iterable[int]) -> None:
    """Torque off: the joints go limp; it is read back.

    Raises:
        ServoError: a servo does not answer, or does not take it.
        PortLostError: the adaptor is gone.
    """
    for servo_id in ids:
        await bus.write(servo_id, feetech.TORQUE_ENABLE, 0)
