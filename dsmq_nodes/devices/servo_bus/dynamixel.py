"""Dynamixel's protocol 2 on the wire (X series); does no I/O.

    FF FF FD 00 id length(2) instruction parameters... crc(2)     length = number of bytes after it
    a status: instruction 55, then the error byte and the data

Values are little endian, negative ones in two's complement. `FF FF FD` in instruction and
parameters is sent as `FF FF FD FD`, and counts so in the length. The CRC has the polynomial 8005,
begins with 0, is not reflected, and covers all bytes before it. 4096 ticks are one turn. Position =
encoder + homing offset.

`answers.py` finds answers among damaged and late ones.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from typing_extensions import override

from dsmq_nodes.devices.servo_bus.answers import (
    DAMAGED,
    NOT_WHOLE,
    STRAY,
    AnswerReader,
    FoundPacket,
    Register,
    ServoAnswer,
)

HEADER: Final = b"\xff\xff\xfd\x00"
PING: Final = 0x01
READ: Final = 0x02
WRITE: Final = 0x03
REBOOT: Final = 0x08
STATUS: Final = 0x55
SYNC_READ: Final = 0x82
SYNC_WRITE: Final = 0x83
BROADCAST: Final = 0xFE
LAST_ID: Final = 0xFC

ALERT: Final = 0x80  # a bit of the error byte: read `HARDWARE_ERROR`
ERRORS: Final = {  # the other bits: why the request failed
    1: "it failed",
    2: "unknown instruction",
    3: "damaged request",
    4: "value out of range",
    5: "wrong length",
    6: "value beyond its limit",
    7: "no access",
}
HARDWARE_ERROR_BITS: Final = {
    1: "voltage",
    4: "overheated",
    8: "encoder",
    16: "shock",
    32: "overload",
}

MODEL: Final = Register(0, 2)
FIRMWARE: Final = Register(6, 1)
ID: Final = Register(7, 1)
BAUD: Final = Register(8, 1)
RETURN_DELAY: Final = Register(9, 1)  # x 2 us
DRIVE_MODE: Final = Register(10, 1)  # 1: reversed
OPERATING_MODE: Final = Register(11, 1)
HOMING_OFFSET: Final = Register(20, 4, is_signed=True)
MAX_TEMPERATURE: Final = Register(31, 1)
MAX_VOLTAGE: Final = Register(32, 2)
MIN_VOLTAGE: Final = Register(34, 2)
CURRENT_LIMIT: Final = Register(38, 2)
MAX_POSITION: Final = Register(48, 4)
MIN_POSITION: Final = Register(52, 4)
TORQUE_ENABLE: Final = Register(64, 1)  # registers below 64 can be written only while it is 0
STATUS_LEVEL: Final = Register(68, 1)  # 2: every request is answered
HARDWARE_ERROR: Final = Register(70, 1)
D_GAIN: Final = Register(80, 2)
I_GAIN: Final = Register(82, 2)
P_GAIN: Final = Register(84, 2)
GOAL_PWM: Final = Register(100, 2, is_signed=True)
GOAL_POSITION: Final = Register(116, 4, is_signed=True)
MOVING: Final = Register(122, 1)
CURRENT: Final = Register(126, 2, is_signed=True)
VELOCITY: Final = Register(128, 4, is_signed=True)
POSITION: Final = Register(132, 4, is_signed=True)
VOLTAGE: Final = Register(144, 2)  # 0.1 V
TEMPERATURE: Final = Register(146, 1)

POSITION_MODE: Final = 3  # within one turn; offsets up to a quarter of it
EXTENDED_POSITION: Final = 4
EEPROM_END: Final = 64  # registers below are lasting
STATE_BYTES: Final = 25  # moving to temperature
PING_BYTES: Final = 3  # model and firmware
NOBODYS: Final = GOAL_POSITION
_STUFFED: Final = b"\xff\xff\xfd"


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x8005 if crc & 0x8000 else 0)
        table.append(crc & 0xFFFF)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc16(data: bytes | bytearray) -> int:
    """Return the last two bytes of a packet: the CRC of all bytes before them."""
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _CRC_TABLE[crc >> 8 ^ byte]
    return crc


def packet(servo_id: int, instruction: int, parameters: bytes = b"") -> bytes:
    """Return one packet; a status has its error byte before its data."""
    body = bytes((instruction,)) + parameters
    body = body.replace(_STUFFED, _STUFFED + _STUFFED[-1:])
    start = HEADER + bytes((servo_id,)) + (len(body) + 2).to_bytes(2, "little") + body
    return start + crc16(start).to_bytes(2, "little")


def unstuffed(body: bytes) -> bytes:
    """Return instruction and parameters as they were before `packet`."""
    return body.replace(_STUFFED + _STUFFED[-1:], _STUFFED)


def ping(servo_id: int) -> bytes:
    """Return a request that tests whether a servo answers."""
    return packet(servo_id, PING)


def read(servo_id: int, address: int, size: int) -> bytes:
    """Return a request for registers of one servo."""
    return packet(servo_id, READ, _range(address, size))


def write(servo_id: int, address: int, data: bytes) -> bytes:
    """Return a request that writes registers of one servo."""
    return packet(servo_id, WRITE, address.to_bytes(2, "little") + data)


def sync_read(servo_ids: Sequence[int], address: int, size: int) -> bytes:
    """Return a request for the same registers of several servos."""
    return packet(BROADCAST, SYNC_READ, _range(address, size) + bytes(servo_ids))


def sync_write(register: Register, values: Mapping[int, int]) -> bytes:
    """Return a request that writes one register of several servos; none answers."""
    data = b"".join(bytes((i,)) + register.encode(value) for i, value in values.items())
    return packet(BROADCAST, SYNC_WRITE, _range(register.address, register.size) + data)


def status(servo_id: int, error: int, data: bytes) -> bytes:
    """Return the status that a servo answers with."""
    return packet(servo_id, STATUS, bytes((error,)) + data)


def status_bytes(size: int) -> int:
    """Return the greatest length of a status with `size` bytes of data."""
    return size + 11 + _most_stuffing(size)


def reboot(servo_id: int) -> bytes:
    """Return a request to restart a servo: this clears its alarms and switches its torque off."""
    return packet(servo_id, REBOOT)


def fault(error: int, alarm: int) -> str:
    """Return the meaning of an error byte and the bits of `HARDWARE_ERROR`."""
    names = [name for bit, name in HARDWARE_ERROR_BITS.items() if alarm & bit]
    if error & ALERT and not names:
        names.append("alert")
    if refused := error & ~ALERT:
        names.append(ERRORS.get(refused, f"error {refused}"))
    return ", ".join(names)


class DynamixelReader(AnswerReader):
    """Finds the answers to one request."""

    header: ClassVar[bytes] = HEADER

    @override
    def _packet(self, buffer: bytearray) -> FoundPacket | str:
        if len(buffer) < 7:
            return NOT_WHOLE
        servo_id, length = buffer[4], int.from_bytes(buffer[5:7], "little")
        least = self._size + 4  # instruction, error, data, CRC
        is_length = least <= length <= least + _most_stuffing(self._size)
        if not (self._is_awaited(servo_id) and is_length):
            return STRAY
        end = 7 + length
        if len(buffer) < end:
            return NOT_WHOLE
        if crc16(buffer[: end - 2]) != int.from_bytes(buffer[end - 2 : end], "little"):
            return DAMAGED
        body = unstuffed(bytes(buffer[7 : end - 2]))
        if body[0] != STATUS or len(body) != self._size + 2:
            return STRAY
        return FoundPacket(servo_id, ServoAnswer(body[1], body[2:]), end)


answer_reader = DynamixelReader  # the name in `answers.ServoProtocol`


def _range(address: int, size: int) -> bytes:
    return address.to_bytes(2, "little") + size.to_bytes(2, "little")


def _most_stuffing(size: int) -> int:
    """Return how many bytes may be inserted into `size` bytes of data and the two before them."""
    return (size + 2) // len(_STUFFED)
