"""The common part of both kinds of servos: registers, answers, and finding answers in bytes.

A status names neither the request nor the register that it answers. A reader therefore accepts, for
one request, only packets of the requested servos, of the requested length, with a right checksum,
and followed by an idle line or by the next header. The last rule covers a byte that was lost on the
line: the packet would then end with the first byte of the next one, and its checksum could be right
by accident.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NamedTuple, Protocol

TICKS: Final = 4096  # ticks in a turn, for both kinds


class Register(NamedTuple):
    """The place of a value in the servo's table; values are little endian."""

    address: int
    size: int
    sign_bit: int = 0  # the sign bit of a magnitude; 0: none
    is_signed: bool = False  # two's complement

    def encode(self, value: int) -> bytes:
        """Return the bytes of a value, limited to the largest that fits."""
        if self.is_signed:
            most = (1 << 8 * self.size - 1) - 1
            clamped = min(max(value, -most - 1), most)
            return clamped.to_bytes(self.size, "little", signed=True)
        bits = self.sign_bit or 8 * self.size
        magnitude = min(abs(value), (1 << bits) - 1)
        sign = (value < 0) << self.sign_bit if self.sign_bit else 0
        return (magnitude | sign).to_bytes(self.size, "little")

    def decode(self, data: bytes, start: int = 0) -> int:
        """Return the value in bytes that begin with register `start`."""
        at = self.address - start
        raw = int.from_bytes(data[at : at + self.size], "little", signed=self.is_signed)
        if not self.sign_bit:
            return raw
        magnitude = raw & (1 << self.sign_bit) - 1
        return -magnitude if raw >> self.sign_bit & 1 else magnitude


class ServoAnswer(NamedTuple):
    """A status: the servo's error byte, and the requested registers."""

    error: int
    data: bytes


class FoundPacket(NamedTuple):
    """A complete packet at the begin of a buffer: its servo, its answer and its size."""

    servo_id: int
    answer: ServoAnswer
    size: int


NOT_WHOLE: Final = "not whole"
STRAY: Final = "stray"
DAMAGED: Final = "damaged"


class AnswerReader(ABC):
    """Finds the answers to one request in the received bytes.

    Attributes:
        found: the answer of each servo so far.
        bad_checksums: the number of damaged packets.
        strays: the number of bytes or packets that answer something else.
    """

    header: ClassVar[bytes]

    def __init__(self, servo_ids: Sequence[int], size: int, echo: bytes = b"") -> None:
        """Wait for a status with `size` bytes of data from each servo.

        Args:
            servo_ids: the requested servos.
            size: the number of bytes that each servo sends.
            echo: the request, if the adaptor returns it; nothing before it is an answer.
        """
        self.found: dict[int, ServoAnswer] = {}
        self.bad_checksums = 0
        self.strays = 0
        self._ids, self._size, self._echo = servo_ids, size, echo
        self._buffer = bytearray()
        self._unsure: int | None = None  # the servo whose packet is not followed by anything yet

    def feed(self, data: bytes) -> bool:
        """Process bytes; return whether all answers are complete."""
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

    @abstractmethod
    def _packet(self, buffer: bytearray) -> FoundPacket | str:
        """Return the packet at the begin of the buffer, where a header is, or why there is none."""

    def _is_awaited(self, servo_id: int) -> bool:
        return servo_id in self._ids and servo_id not in self.found

    def _step(self) -> bool:
        """Read one packet, or skip to where one may begin; return whether to continue."""
        buffer = self._buffer
        if self._unsure is not None and buffer:
            self._check_what_follows(self._unsure)
        at = buffer.find(self.header)
        if at < 0:
            skipped = len(buffer) - self._begun_header()
            self.strays += skipped > 0
            del buffer[:skipped]
            return False
        self.strays += at > 0
        del buffer[:at]
        found = self._packet(buffer)
        if isinstance(found, FoundPacket):
            self.found[found.servo_id] = found.answer
            self._unsure = found.servo_id
            del buffer[: found.size]
            return True
        if found == NOT_WHOLE:
            return False
        self.strays += found == STRAY
        self.bad_checksums += found == DAMAGED
        del buffer[:1]
        return True

    def _begun_header(self) -> int:
        """Return how many bytes at the end may be the begin of a header."""
        sizes = range(len(self.header) - 1, 0, -1)
        return next((n for n in sizes if self._buffer.endswith(self.header[:n])), 0)

    def _check_what_follows(self, servo_id: int) -> None:
        begins = self._buffer[: len(self.header)]
        if begins == self.header:
            self._unsure = None
        elif not self.header.startswith(begins):
            del self.found[servo_id]
            self._unsure = None
            self.bad_checksums += 1


class ServoProtocol(Protocol):
    """The codec that a bus needs; the modules `feetech` and `dynamixel` implement it."""

    PING_BYTES: int  # the data in the answer to a ping
    NOBODYS: Register  # written to no servo, to detect an adaptor that echoes

    def ping(self, servo_id: int) -> bytes:
        """Return a request that tests whether a servo answers."""

    def read(self, servo_id: int, address: int, size: int) -> bytes:
        """Return a request for registers of one servo."""

    def write(self, servo_id: int, address: int, data: bytes) -> bytes:
        """Return a request that writes registers of one servo."""

    def sync_read(self, servo_ids: Sequence[int], address: int, size: int) -> bytes:
        """Return a request for the same registers of several servos."""

    def sync_write(self, register: Register, values: Mapping[int, int]) -> bytes:
        """Return a request that writes one register of several servos; none answers."""

    def status_bytes(self, size: int) -> int:
        """Return the greatest length of a status with `size` bytes of data."""

    def answer_reader(self, servo_ids: Sequence[int], size: int, echo: bytes = b"") -> AnswerReader:
        """Return a reader of the answers to one request."""
