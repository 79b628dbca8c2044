"""The differences between servo makers, as one table for each family: `FEETECH`, `DYNAMIXEL`.

The driver, the calibration and the command line select a family by its name (`protocol`) and have
no code for one maker. Both families have 4096 ticks in a turn. What does not fit into a table is a
function: units that depend on a servo's model, and the meaning of errors.

A Dynamixel is in its mode of extended position, as in LeRobot: only that mode obeys an offset that
puts the middle of any range at the middle of a turn. It counts turns while it has power; see
`ArmServos`. It accepts lasting registers only while its torque is off.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dsmq_nodes.devices.servo_bus import dynamixel, feetech
from dsmq_nodes.devices.servo_bus.answers import Register, ServoAnswer, ServoProtocol


@dataclass(frozen=True)
class ServoState:
    """The state of a servo: ticks, ticks/s, 0.001 of torque, V, degrees Celsius, A, error byte."""

    position: int
    velocity: float
    load: float
    voltage: float
    temperature: int
    is_moving: bool
    current: float
    error: int


@dataclass(frozen=True, kw_only=True)
class ServoFamily:
    """Servos of one kind.

    Attributes:
        name: the value of the parameter `protocol`.
        codec: the module that makes and reads packets.
        models: LeRobot's names, by model number.
        last_id: the greatest id; greater numbers have other meanings.
        model, id, baud, torque, goal, position: registers.
        rates: the values of `baud`, by the wire's rate, 1/s.
        calibrated: registers of a joint's calibration, by their names in LeRobot's file.
        offset_sign: position = encoder + offset_sign * homing offset.
        most_offset: the largest homing offset.
        state_begin: the first register that is read in each cycle.
        state_bytes: the number of bytes that are read in each cycle.
        table_bytes: the number of bytes that are read at set-up, from register 0.
        eeprom_end: registers below it keep their values without power.
        lock: the register that must be 0 to write these; None: the torque must be off.
        counts_turns: whether positions continue after a whole turn; they begin in the first one at
            power-on.
        wanted: the register values of a servo of an arm.
        gentle: the further values of a gripper's servo: half the torque.
        gains: registers of P, I and D.
        usual_gains: their default values; empty to keep the servo's.
        state: returns the state from an answer of `state_bytes` and the servo's table.
        firmware: returns the version from the servo's table.
        fault: returns the meaning of an error byte and the value of `alarm`; "" for none.
        alarm: the register with details if the error byte has the bits `alert`.
        reboot: the request that clears `alarm`; None if it clears by itself.
    """

    name: str
    codec: ServoProtocol
    models: Mapping[int, str]
    last_id: int
    model: Register
    id: Register
    baud: Register
    rates: Mapping[int, int]
    torque: Register
    goal: Register
    position: Register
    calibrated: Mapping[str, Register]
    offset_sign: int
    most_offset: int
    state_begin: int
    state_bytes: int
    table_bytes: int
    eeprom_end: int
    lock: Register | None
    counts_turns: bool
    wanted: Mapping[Register, int]
    gentle: Mapping[Register, int]
    gains: Sequence[Register]
    usual_gains: Sequence[int]
    state: Callable[[ServoAnswer, ServoAnswer], ServoState]
    firmware: Callable[[ServoAnswer], str]
    fault: Callable[[int, int], str]
    alarm: Register | None = None
    alert: int = 0
    reboot: Callable[[int], bytes] | None = None

    @property
    def reverses(self) -> bool:
        """Whether a servo itself reverses its direction if its calibration says so."""
        return "drive_mode" in self.calibrated

    def state_in(self, table: ServoAnswer) -> ServoState:
        """Return the state from a servo's table."""
        data = table.data[self.state_begin : self.state_begin + self.state_bytes]
        return self.state(ServoAnswer(table.error, data), table)

    def fault_in(self, table: ServoAnswer) -> str:
        """Return the fault of a servo, from its table; "" for none."""
        return self.fault(table.error, self.alarm.decode(table.data) if self.alarm else 0)


def _feetech_state(answer: ServoAnswer, _table: ServoAnswer) -> ServoState:
    data, start = answer.data, feetech.POSITION.address
    return ServoState(
        position=feetech.POSITION.decode(data, start),
        velocity=feetech.VELOCITY.decode(data, start),
        load=feetech.LOAD.decode(data, start),
        voltage=feetech.VOLTAGE.decode(data, start) * 0.1,
        temperature=feetech.TEMPERATURE.decode(data, start),
        is_moving=bool(feetech.MOVING.decode(data, start)),
        current=feetech.CURRENT.decode(data, start) * 0.0065,
        error=answer.error,
    )


FEETECH: Final = ServoFamily(
    name="feetech",
    codec=feetech,
    models={777: "STS3215", 2825: "STS3250", 11272: "SM8512BL"},
    last_id=feetech.LAST_ID,
    model=feetech.MODEL,
    id=feetech.ID,
    baud=feetech.BAUD,
    rates={1_000_000: 0, 500_000: 1, 115_200: 4, 57_600: 6, 38_400: 7},
    torque=feetech.TORQUE_ENABLE,
    goal=feetech.GOAL_POSITION,
    position=feetech.POSITION,
    calibrated={
        "homing_offset": feetech.HOMING_OFFSET,
        "range_min": feetech.MIN_POSITION,
        "range_max": feetech.MAX_POSITION,
    },
    offset_sign=-1,
    most_offset=2047,  # 11 bits and the sign
    state_begin=feetech.POSITION.address,
    state_bytes=feetech.STATE_BYTES,
    table_bytes=feetech.POSITION.address + feetech.STATE_BYTES,
    eeprom_end=feetech.EEPROM_END,
    lock=feetech.LOCK,
    counts_turns=False,
    wanted={feetech.RETURN_DELAY: 0, feetech.STATUS_LEVEL: 1, feetech.OPERATING_MODE: 0},
    # LeRobot's values: grippers burn out at the factory's limits.
    gentle={feetech.MAX_TORQUE: 500, feetech.PROTECTION_CURRENT: 250, feetech.OVERLOAD_TORQUE: 25},
    gains=(feetech.P_GAIN, feetech.I_GAIN, feetech.D_GAIN),
    usual_gains=(16, 0, 32),  # LeRobot's values
    state=_feetech_state,
    firmware=lambda table: f"{table.data[0]}.{table.data[1]}",
    fault=feetech.fault,
)

_TICKS_PER_SPEED: Final = 0.229 * 4096 / 60  # a unit is 0.229 turns a minute
# Models without a current sensor: the register has the load instead, in 0.001.
_WITHOUT_CURRENT: Final = {1060, 1070, 1080}
_AMPERES: Final = dict.fromkeys((1190, 1200, 1210, 1220, 1230, 1240), 0.001)  # XL330 and XC330


def _dynamixel_state(answer: ServoAnswer, table: ServoAnswer) -> ServoState:
    data, start = answer.data, dynamixel.MOVING.address
    strain = dynamixel.CURRENT.decode(data, start)
    model = dynamixel.MODEL.decode(table.data)
    load, amperes = float(strain), 0.0
    if model not in _WITHOUT_CURRENT:
        load = 1e3 * strain / (dynamixel.CURRENT_LIMIT.decode(table.data) or 1)
        amperes = strain * _AMPERES.get(model, 0.00269)
    return ServoState(
        position=dynamixel.POSITION.decode(data, start),
        velocity=dynamixel.VELOCITY.decode(data, start) * _TICKS_PER_SPEED,
        load=load,
        voltage=dynamixel.VOLTAGE.decode(data, start) * 0.1,
        temperature=dynamixel.TEMPERATURE.decode(data, start),
        is_moving=bool(dynamixel.MOVING.decode(data, start)),
        current=amperes,
        error=answer.error,
    )


DYNAMIXEL: Final = ServoFamily(
    name="dynamixel",
    codec=dynamixel,
    models={
        1020: "XM430-W350",
        1060: "XL430-W250",
        1070: "XC430-W150",
        1120: "XM540-W270",
        1190: "XL330-M077",
        1200: "XL330-M288",
    },
    last_id=dynamixel.LAST_ID,
    model=dynamixel.MODEL,
    id=dynamixel.ID,
    baud=dynamixel.BAUD,
    rates={57_600: 1, 115_200: 2, 1_000_000: 3, 2_000_000: 4, 3_000_000: 5, 4_000_000: 6},
    torque=dynamixel.TORQUE_ENABLE,
    goal=dynamixel.GOAL_POSITION,
    position=dynamixel.POSITION,
    calibrated={
        "drive_mode": dynamixel.DRIVE_MODE,
        "homing_offset": dynamixel.HOMING_OFFSET,
        "range_min": dynamixel.MIN_POSITION,
        "range_max": dynamixel.MAX_POSITION,
    },
    offset_sign=1,
    most_offset=1_044_479,
    state_begin=dynamixel.MOVING.address,
    state_bytes=dynamixel.STATE_BYTES,
    table_bytes=dynamixel.MOVING.address + dynamixel.STATE_BYTES,
    eeprom_end=dynamixel.EEPROM_END,
    lock=None,
    counts_turns=True,
    wanted={
        dynamixel.RETURN_DELAY: 0,
        dynamixel.OPERATING_MODE: dynamixel.EXTENDED_POSITION,
        dynamixel.STATUS_LEVEL: 2,
    },
    gentle={dynamixel.GOAL_PWM: 442},  # of 885
    gains=(dynamixel.P_GAIN, dynamixel.I_GAIN, dynamixel.D_GAIN),
    usual_gains=(),
    state=_dynamixel_state,
    firmware=lambda table: f"{dynamixel.FIRMWARE.decode(table.data)}",
    fault=dynamixel.fault,
    alarm=dynamixel.HARDWARE_ERROR,
    alert=dynamixel.ALERT,
    reboot=dynamixel.reboot,
)

FAMILIES: Final = {each.name: each for each in (FEETECH, DYNAMIXEL)}
