"""Feetech's STS servos on the wire (their protocol 0); does no I/O.

    request  FF FF id length instruction parameters... checksum     length = parameters + 2
    status   FF FF id length error data... checksum                 length = data + 2
    checksum = ~(id + ... + last parameter) & FF

Values are little endian; a negative value is its magnitude with a sign bit: bit 15 of positions and
speeds, 11 of the homing offset, 10 of the load. 4096 ticks are one turn. Position = encoder -
homing offset. Each servo answers a sync read with one status, in the requested order; none answers
a sync write.

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

HEADER: Final = b"\xff\xff"
PING: Final = 1
READ: Final = 2
WRITE: Final = 3
REG_WRITE: Final = 4
ACTION: Final = 5
SYNC_READ: Final = 0x82
SYNC_WRITE: Final = 0x83
BROADCAST: Final = 0xFE
LAST_ID: Final = 0xFD

ERROR_BITS: Final = {1: "voltage", 2: "sensor", 4: "overheated", 8: "current", 32: "overload"}


FIRMWARE: Final = Register(0, 2)
MODEL: Final = Register(3, 2)
ID: Final = Register(5, 1)
BAUD: Final = Register(6, 1)
RETURN_DELAY: Final = Register(7, 1)  # x 2 us
STATUS_LEVEL: Final = Register(8, 1)  # 0: only pings and reads are answered
MIN_POSITION: Final = Register(9, 2)
MAX_POSITION: Final = Register(11, 2)
MAX_TEMPERATURE: Final = Register(13, 1)
MAX_VOLTAGE: Final = Register(14, 1)
MIN_VOLTAGE: Final = Register(15, 1)
MAX_TORQUE: Final = Register(16, 2)
P_GAIN: Final = Register(21, 1)
D_GAIN: Final = Register(22, 1)
I_GAIN: Final = Register(23, 1)
PROTECTION_CURRENT: Final = Register(28, 2)
HOMING_OFFSET: Final = Register(31, 2, 11)
OPERATING_MODE: Final = Register(33, 1)  # 0: position
OVERLOAD_TORQUE: Final = Register(36, 1)
TORQUE_ENABLE: Final = Register(40, 1)
GOAL_POSITION: Final = Register(42, 2, 15)
GOAL_VELOCITY: Final = Register(46, 2, 15)
TORQUE_LIMIT: Final = Register(48, 2)
LOCK: Final = Register(55, 1)  # 1: values written below 40 are lost at power-off
POSITION: Final = Register(56, 2, 15)
VELOCITY: Final = Register(58, 2, 15)
LOAD: Final = Register(60, 2, 10)  # 0.001 of the full torque
VOLTAGE: Final = Register(62, 1)  # 0.1 V
TEMPERATURE: Final = Register(63, 1)
STATUS: Final = Register(65, 1)
MOVING: Final = Register(66, 1)
CURRENT: Final = Register(69, 2, 15)  # 6.5 mA

EEPROM_END: Final = 40  # registers below are lasting
STATE_BYTES: Final = 15  # position to current
PING_BYTES: Final = 0
NOBODYS: Final = TORQUE_LIMIT


def checksum(body: bytes | bytearray) -> int:
    """Return the last byte of a packet: the checksum of all bytes after the header."""
    return ~sum(body) & 0xFF


def packet(servo_id: int, instruction: int, parameters: bytes = b"") -> bytes:
    """Return one packet; a status has its error byte in place of the instruction."""
    body = bytes((servo_id, len(parameters) + 2, instruction)) + parameters
    return HEADER + body + bytes((checksum(body),))


def ping(servo_id: int) -> bytes:
    """Return a request that tests whether a servo answers."""
    return packet(servo_id, PING)


def read(servo_id: int, address: int, size: int) -> bytes:
    """Return a request for registers of one servo."""
    return packet(servo_id, READ, bytes((address, size)))


def write(servo_id: int, address: int, data: bytes) -> bytes:
    """Return a request that writes registers of one servo."""
    return packet(servo_id, WRITE, bytes((address,)) + data)


def sync_read(servo_ids: Sequence[int], address: int, size: int) -> bytes:
    """Return a request for the same registers of several servos."""
    return packet(BROADCAST, SYNC_READ, bytes((address, size, *servo_ids)))


def sync_write(register: Register, values: Mapping[int, int]) -> bytes:
    """Return a request that writes one register of several servos; none answers."""
    data = b"".join(bytes((i,)) + register.encode(value) for i, value in values.items())
    return packet(BROADCAST, SYNC_WRITE, bytes((register.address, register.size)) + data)


def status(servo_id: int, error: int, data: bytes) -> bytes:
    """Return the status that a servo answers with."""
    return packet(servo_id, error, data)


def status_bytes(size: int) -> int:
    """Return the length of a status with `size` bytes of data."""
    return size + 6


def fault(error: int, _alarm: int = 0) -> str:
    """Return the names of the bits in an error byte."""
    names = [name for bit, name in ERROR_BITS.items() if error & bit]
    if rest := error & ~sum(ERROR_BITS):
        names.append(f"bit {rest:#x}")
    return ", ".join(names)


class StatusReader(AnswerReader):
    """Finds the answers to one request."""

    header: ClassVar[bytes] = HEADER

    @override
    def _packet(self, buffer: bytearray) -> FoundPacket | str:
        end = status_bytes(self._size)
        if len(buffer) < 4:
            return NOT_WHOLE
        servo_id = buffer[2]
        if not self._is_awaited(servo_id) or buffer[3] != self._size + 2:
            return STRAY
        if len(buffer) < end:
            return NOT_WHOLE
        if checksum(buffer[2 : end - 1]) != buffer[end - 1]:
            return DAMAGED
        return FoundPacket(servo_id, ServoAnswer(buffer[4], bytes(buffer[5 : end - 1])), end)


answer_reader = StatusReader  # the name in `answers.ServoProtocol`
