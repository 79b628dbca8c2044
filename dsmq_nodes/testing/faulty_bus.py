"""A wire with servos and faults, sans-I/O: bytes in, delayed answers out."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from dsmq_nodes.testing.servo_registers import ServoRegisters

_BITS_A_BYTE: Final = 10
ServoT = TypeVar("ServoT", bound=ServoRegisters)


class BusRequest(NamedTuple):
    """A packet of the bus master."""

    servo_id: int
    instruction: int
    parameters: bytes
    size: int


class FaultyBus(ABC, Generic[ServoT]):
    """Servos on a wire, sans-I/O.

    Attributes:
        servos: the servos, by their ids.
        requests: how many requests were understood.
        sent: how many answers were sent, and `damaged`, `delayed`: how many of them with faults.
        codec: the module that encodes and decodes the packets.
        servo: the class of the servos.
    """

    codec: ClassVar[Any]
    servo: type[ServoT]

    def __init__(
        self,
        ids: Iterable[int] = range(1, 7),
        *,
        seed: int = 0,
        latency_sec: float = 0.001,
        baud: int = 1_000_000,
        move: Callable[[], None] | None = None,
    ) -> None:
        """Make servos with these ids.

        Args:
            ids: the ids of the servos.
            seed: the seed of the faults.
            latency_sec: the latency of the adaptor.
            baud: the rate of the wire, 1/s.
            move: moves the shafts up to now, for a simulation; None: they move by themselves.
        """
        self.servos = {each: self.servo(each) for each in ids}
        self.lose = self.corrupt = self.late = 0.0
        self.late_sec = 0.03
        self.has_echo = False
        self.muted: set[int] = set()
        self.requests = self.sent = self.damaged = self.delayed = 0
        self._random = random.Random(seed)
        self._latency_sec, self._baud, self._move = latency_sec, baud, move
        self._buffer = b""
        self._now_sec: float | None = None

    def pass_time(self, now_sec: float) -> None:
        """Move all shafts."""
        if self._move is not None:
            self._move()
            return
        span_sec = 0.0 if self._now_sec is None else now_sec - self._now_sec
        self._now_sec = now_sec
        for servo in self.servos.values():
            servo.move(span_sec)

    def take(self, data: bytes, now_sec: float) -> list[tuple[float, bytes]]:
        """Take bytes of the master; return the answers, each with its delay in seconds."""
        back = [(0.0, data)] if self.has_echo else []
        self._buffer += data
        while (request := self._cut()) is not None:
            self.pass_time(now_sec)
            self.requests += 1
            back += self._faulty_answers(request, self._obey(request))
        return back

    def lose_power(self) -> None:
        """Let every servo lose everything that is not in its EEPROM."""
        self._buffer = b""
        for servo in self.servos.values():
            servo.lose_power()

    @abstractmethod
    def _cut(self) -> BusRequest | None:
        """Return the next whole packet; a servo is silent about one that it cannot read."""

    @abstractmethod
    def _obey(self, request: BusRequest) -> list[tuple[ServoT, bytes]]:
        """Carry out a packet; return the servos that answer, with their data."""

    def _sync_write(self, address: int, size: int, values: bytes) -> None:
        for at in range(0, len(values), size + 1):
            if values[at] in self.servos:
                self.servos[values[at]].write(address, values[at + 1 : at + 1 + size])

    def _rename(self) -> None:
        """Update the ids, which a write may have changed."""
        self.servos = {each.get(self.codec.ID): each for each in self.servos.values()}

    def _faulty_answers(
        self, request: BusRequest, answers: list[tuple[ServoT, bytes]]
    ) -> list[tuple[float, bytes]]:
        back: list[tuple[float, bytes]] = []
        in_time = b""
        wire_sec = request.size * _BITS_A_BYTE / self._baud + self._latency_sec
        for servo, data in answers:
            servo_id = servo.get(self.codec.ID)
            if servo_id in self.muted:
                if request.instruction == self.codec.SYNC_READ:
                    break  # those behind it wait for its answer
                continue
            status = self.codec.status(servo_id, servo.error(), data)
            wire_sec += servo.get(self.codec.RETURN_DELAY) * 2e-6
            wire_sec += len(status) * _BITS_A_BYTE / self._baud
            self.sent += 1
            status = self._damage(status)
            if self._random.random() < self.late:
                self.delayed += 1
                back.append((wire_sec + self.late_sec, status))
            else:
                in_time += status
        return [(wire_sec, in_time), *back] if in_time else back

    def _damage(self, status: bytes) -> bytes:
        chance = self._random
        if chance.random() < self.corrupt:
            self.damaged += 1
            at = chance.randrange(len(status))
            wrong = status[at] ^ 1 << chance.randrange(8)
            status = status[:at] + bytes((wrong,)) + status[at + 1 :]
        if chance.random() < self.lose:
            self.damaged += 1
            at = chance.randrange(len(status))
            status = status[:at] + status[at + 1 :]
        return status
