"""Feetech's STS servos on the wire (their protocol 0), sans-I/O.

    request  FF FF id length instruction parameters... checksum     length = parameters + 2
    status   FF FF id length error data... checksum                 length = data + 2
    checksum = ~(id + ... + last parameter) & FF

Values are little endian; a negative one is its magnitude with a sign bit: bit 15 of positions and
speeds, 11 of the homing offset, 10 of the load. 4096 ticks are one turn. Position = encoder -
homing offset. A sync read is answered by one status a servo, in the order asked; a sync write by
none.

A status names neither the request nor the register that it answers. So a `StatusReader` accepts
for one request: packets of the servos that were asked, of the length that was asked, whose checksum
is right, and behind which the line is idle or the next header begins. The last rule is for a byte
FF that the line has lost: the packet would end with the first byte of the next one, and its
checksum would be right by accident.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

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

TICKS: Final = 4096  # a turn
STS3215: Final = 777  # the model number of the SO-101's servos

ERROR_BITS: Final = {1: "voltage", 2: "sensor", 4: "overheated", 8: "current", 32: "overload"}


class Register(NamedTuple):
    """Where a value is in the servo's table."""

    address: int
    size: int
    sign_bit: int = 0  # 0: it has no sign

    def encode(self, value: int) -> bytes:
        """The bytes of a value; one that does not fit is cut to the largest."""
        bits = self.sign_bit or 8 * self.size
        magnitude = min(abs(value), (1 << bits) - 1)
        sign = (value < 0) << self.sign_bit if self.sign_bit else 0
        return (magnitude | sign).to_bytes(self.size, "little")

    def decode(self, data: bytes, start: int = 0) -> int:
        """The value in bytes that begin with register `start`."""
        at = self.address - start
        raw = int.from_bytes(data[at : at + self.size], "little")
        if not self.sign_bit:
            return raw
        magnitude = raw & (1 << self.sign_bit) - 1
        return -magnitude if raw >> self.sign_bit & 1 else magnitude


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
ACCELERATION: Final = Register(41, 1)
GOAL_POSITION: Final = Register(42, 2, 15)
GOAL_VELOCITY: Final = Register(46, 2, 15)
TORQUE_LIMIT: Final = Register(48, 2)
LOCK: Final = Register(55, 1)  # 1: what is written below 40 is gone with the power
POSITION: Final = Register(56, 2, 15)
VELOCITY: Final = Register(58, 2, 15)
LOAD: Final = Register(60, 2, 10)  # 0.001 of the full torque
VOLTAGE: Final = Register(62, 1)  # 0.1 V
TEMPERATURE: Final = Register(63, 1)
STATUS: Final = Register(65, 1)
MOVING: Final = Register(66, 1)
CURRENT: Final = Register(69, 2, 15)  # 6.5 mA

STATE_BYTES: Final = 15  # position to current


def checksum(body: bytes | bytearray) -> int:
    """The last byte of a packet, of all between the header and it."""
    return ~sum(body) & 0xFF


def packet(servo_id: int, instruction: int, parameters: bytes = b"") -> bytes:
    """One packet; a status has its error byte for an instruction."""
    body = bytes((servo_id, len(parameters) + 2, instruction)) + parameters
    return HEADER + body + bytes((checksum(body),))


def ping(servo_id: int) -> bytes:
    """Ask whether a servo is there."""
    return packet(servo_id, PING)


def read(servo_id: int, address: int, size: int) -> bytes:
    """Ask one servo for registers."""
    return packet(servo_id, READ, bytes((address, size)))


def write(servo_id: int, address: int, data: bytes) -> bytes:
    """Write registers of one servo."""
    return packet(servo_id, WRITE, bytes((address,)) + data)


def sync_read(servo_ids: Sequence[int], address: int, size: int) -> bytes:
    """Ask several servos for the same registers."""
    return packet(BROADCAST, SYNC_READ, bytes((address, size, *servo_ids)))


def sync_write(register: Register, values: Mapping[int, int]) -> bytes:
    """Write one register of several servos; nobody answers."""
    data = b"".join(bytes((i,)) + register.encode(value) for i, value in values.items())
    return packet(BROADCAST, SYNC_WRITE, bytes((register.address, register.size)) + data)


def status_bytes(size: int) -> int:
    """How long a status with so many bytes of data is."""
    return size + 6


def error_text(error: int) -> str:
    """The names of an error byte's bits."""
    names = [name for bit, name in ERROR_BITS.items() if error & bit]
    if rest := error & ~sum(ERROR_BITS):
        names.append(f"bit {rest:#x}")
    return ", ".join(names)


class ServoAnswer(NamedTuple):
    """A status: the servo's error byte, and the registers that were asked for."""

    error: int
    data: bytes


@dataclass(frozen=True)
class ServoState:
    """The 15 bytes from position to current; ticks, ticks/s, 0.001 of the torque, V, C, A."""

    position: int
    velocity: int
    load: int
    voltage: float
    temperature: int
    is_moving: bool
    current: float
    error: int

    @classmethod
    def of(cls, answer: ServoAnswer) -> "ServoState":
        """The state in an answer to a read of `STATE_BYTES` at `POSITION`."""
        data, start = answer.data, POSITION.address
        return cls(
            position=POSITION.decode(data, start),
            velocity=VELOCITY.decode(data, start),
            load=LOAD.decode(data, start),
            voltage=data[6] * 0.1,
            temperature=data[7],
            is_moving=bool(data[10]),
            current=CURRENT.decode(data, start) * 0.0065,
            error=answer.error,
        )


class StatusReader:
    """Finds the answers to one request in the bytes that come.

    Attributes:
        found: the answer of each servo so far.
        bad_checksums: packets that were damaged.
        strays: bytes or packets that answer something else.
    """

    def __init__(self, servo_ids: Sequence[int], size: int, echo: bytes = b"") -> None:
        """Wait for a status with `size` bytes of data of each servo.

        Args:
            servo_ids: the servos that were asked.
            size: how many bytes each sends.
            echo: the request, where the adaptor returns it; nothing before it is an answer.
        """
        self.found: dict[int, ServoAnswer] = {}
        self.bad_checksums = 0
        self.strays = 0
        self._ids, self._size, self._echo = servo_ids, size, echo
        self._buffer = bytearray()
        self._unsure: int | None = None  # whose packet has nothing behind it yet

    def feed(self, data: bytes) -> bool:
        """Take bytes; returns whether all answers are there."""
        self._buffer += data
        if self._echo:
            at = self._buffer.find(self._echo)
            if at < 0:
                return False
            del self._buffer[: at + len(self._echo)]
            self._echo = b""
        while self._step():
            pass
        return len(self.found) == len(self._ids) and not self._buffer

    def _step(self) -> bool:
        """Read one packet, or skip to where one may begin; returns whether to go on."""
        buffer = self._buffer
        if self._unsure is not None and buffer:
            self._check_what_follows()
        at = buffer.find(HEADER)
        if at < 0:
            skipped = len(buffer) - buffer.endswith(HEADER[:1])
            self.strays += skipped > 0
            del buffer[:skipped]
            return False
        self.strays += at > 0
        del buffer[:at]
        end = status_bytes(self._size)
        if len(buffer) < 4:
            return False
        servo_id = buffer[2]
        if servo_id not in self._ids or servo_id in self.found or buffer[3] != self._size + 2:
            self.strays += 1
            del buffer[:1]
            return True
        if len(buffer) < end:
            return False
        if checksum(buffer[2 : end - 1]) != buffer[end - 1]:
            self.bad_checksums += 1
            del buffer[:1]
            return True
        self.found[servo_id] = ServoAnswer(buffer[4], bytes(buffer[5 : end - 1]))
        self._unsure = servo_id
        del buffer[:end]
        return True

    def _check_what_follows(self) -> None:
        assert self._unsure is not None
        begins = self._buffer[: len(HEADER)]
        if begins == HEADER:
            self._unsure = None
        elif not HEADER.startswith(begins):
            del self.found[self._unsure]
            self._unsure = None
            self.bad_checksums += 1
