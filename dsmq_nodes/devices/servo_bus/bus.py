"""The master of a servo bus: one request at a time, each with a deadline; ignores late answers.

A status does not name the request that it answers. Before each request, all received bytes are
dropped. After a request that was not answered in full, the next ones request another number of
bytes, so that a late answer has the wrong length. An adaptor that echoes is detected when it is
opened; with it nothing counts before the echo of the request.

The wire is half duplex. `send_now` writes from synchronous code, without waiting for its turn, for
a robot that must stop. While a request is under way it writes again at the end of that request,
because the first copy may have collided with an answer on the wire.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dsmq_nodes.devices.port import Port
from dsmq_nodes.devices.servo_bus.answers import AnswerReader, Register, ServoAnswer
from dsmq_nodes.devices.servo_bus.servo_family import FEETECH, ServoFamily
from dsmq_nodes.errors import PortLostError, ServoError

BAUD: Final = 1_000_000
_BITS_A_BYTE: Final = 10  # start, 8, stop
_RETURN_DELAY_SEC: Final = 0.0005  # of each servo, the factory setting
# An adaptor's own latency: 1 ms, FTDI chips 16 ms until their latency timer is set to 1.
MARGIN_SEC: Final = 0.008
_LENGTHS: Final = 8  # the lengths of answers to rotate after a request without one
_ECHO_TRIES: Final = 2


@dataclass
class BusCounters:
    """Counters of events on the wire."""

    requests: int = 0
    answers: int = 0
    timeouts: int = 0
    bad_checksums: int = 0
    strays: int = 0
    lost_ports: int = 0


class ServoBus:
    """A bus of servos of one kind.

    Attributes:
        family: the kind of servos.
        counters: the counters so far.
        has_echo: whether the adaptor echoes requests.
    """

    def __init__(
        self,
        address: str,
        baud: int = BAUD,
        *,
        margin_sec: float = MARGIN_SEC,
        family: ServoFamily = FEETECH,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            address: the adaptor: a path, or `tcp://HOST:PORT`.
            baud: the wire's rate, 1/s.
            margin_sec: the time that an answer may take beyond the time on the wire.
            family: the servos: `FEETECH` or `DYNAMIXEL`.
        """
        self.counters = BusCounters()
        self.has_echo = False
        self.family, self._protocol = family, family.codec
        self._baud, self._margin_sec = baud, margin_sec
        self._port = Port(address, self._receive, self._lost)
        self._turn = asyncio.Lock()
        self._reader: AnswerReader | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._urgent = b""
        self._longer = 0

    @property
    def address(self) -> str:
        """The address of the adaptor."""
        return self._port.address

    @property
    def is_open(self) -> bool:
        """Whether the adaptor is open."""
        return self._port.is_open

    async def open(self, baud: int = 0) -> None:
        """Open the adaptor, and detect whether it echoes requests.

        Args:
            baud: the wire's rate from now on; 0 for no change.

        Raises:
            PortLostError: the adaptor is missing, or is in use.
        """
        self._baud = baud or self._baud
        await self._port.open(self._baud)
        self.has_echo = False
        # A request to no servo: none answers.
        request = self._protocol.sync_write(self._protocol.NOBODYS, {})
        for _ in range(_ECHO_TRIES):
            reader = self._protocol.answer_reader((), 0, request)
            if await self._exchange(request, reader, 0, 0):
                self.has_echo = True
                return

    def close(self) -> None:
        """Close the adaptor."""
        self._port.close()

    async def ping(self, servo_id: int, tries: int = 1) -> ServoAnswer | None:
        """Ping a servo, and return its answer, or None.

        Raises:
            PortLostError: the adaptor is gone.
        """
        for _ in range(tries):
            request, size = self._protocol.ping(servo_id), self._protocol.PING_BYTES
            found = await self._ask(request, (servo_id,), size)
            if servo_id in found:
                return found[servo_id]
        return None

    async def read(self, servo_id: int, register: Register, tries: int = 3) -> int:
        """Read the value of one register.

        Raises:
            ServoError: the servo does not answer.
            PortLostError: the adaptor is gone.
        """
        for _ in range(tries):
            found = await self._read_from((servo_id,), register.address, register.size)
            if servo_id in found:
                return register.decode(found[servo_id].data, register.address)
        raise ServoError(f"{self.address}: servo {servo_id} does not answer")

    async def sync_read(
        self, servo_ids: Sequence[int], address: int, size: int, tries: int = 2
    ) -> dict[int, ServoAnswer]:
        """Read registers of several servos; a servo that does not answer is not in the result.

        Servos that did not answer are requested again, one by one.

        Raises:
            PortLostError: the adaptor is gone.
        """
        found = await self._read_from(servo_ids, address, size)
        for _ in range(tries - 1):
            for servo_id in [each for each in servo_ids if each not in found]:
                found |= await self._read_from((servo_id,), address, size)
        return found

    async def write(
        self, servo_id: int, register: Register, value: int, *, check: bool = True, tries: int = 3
    ) -> None:
        """Write a register, and read it back.

        Raises:
            ServoError: the servo does not answer, or has another value afterwards.
            PortLostError: the adaptor is gone.
        """
        request = self._protocol.write(servo_id, register.address, register.encode(value))
        there = None
        for _ in range(tries):
            await self._ask(request, (servo_id,), 0)
            if not check:
                return
            with contextlib.suppress(ServoError):
                there = await self.read(servo_id, register)
            if there == value:
                return
        what = "does not answer" if there is None else f"has {there}, not {value}"
        raise ServoError(
            f"{self.address}: wrote {value} to register {register.address} of servo {servo_id}, "
            f"which {what}"
        )

    async def reboot(self, servo_id: int) -> None:
        """Clear the alarm of a servo, if its family needs that; the torque is off afterwards.

        Raises:
            PortLostError: the adaptor is gone.
        """
        if self.family.reboot is not None:
            await self._ask(self.family.reboot(servo_id), (servo_id,), 0)

    async def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """Write one register of several servos; there is no confirmation.

        Raises:
            PortLostError: the adaptor is gone.
        """
        await self._ask(self._protocol.sync_write(register, values), (), 0)

    def send_now(self, register: Register, values: Mapping[int, int]) -> bool:
        """Do `sync_write` at once, from synchronous code; return False if the adaptor is gone."""
        request = self._protocol.sync_write(register, values)
        if self._turn.locked():
            self._urgent += request
        try:
            self._port.write(request)
        except PortLostError:
            return False
        return True

    async def _read_from(
        self, servo_ids: Sequence[int], address: int, size: int
    ) -> dict[int, ServoAnswer]:
        asked = size + self._longer
        if len(servo_ids) == 1:
            request = self._protocol.read(servo_ids[0], address, asked)
        else:
            request = self._protocol.sync_read(servo_ids, address, asked)
        found = await self._ask(request, servo_ids, asked)
        if asked == size:
            return found
        return {i: ServoAnswer(each.error, each.data[:size]) for i, each in found.items()}

    async def _ask(
        self, request: bytes, servo_ids: Sequence[int], size: int
    ) -> dict[int, ServoAnswer]:
        echo = request if self.has_echo else b""
        reader = self._protocol.answer_reader(servo_ids, size, echo)
        async with self._turn:
            if servo_ids:
                count = self._protocol.status_bytes(size) * len(servo_ids)
                await self._exchange(request, reader, count, len(servo_ids))
            else:
                self._write(request)
            self._repeat_urgent()
        return reader.found

    async def _exchange(
        self, request: bytes, reader: AnswerReader, count: int, servos: int
    ) -> bool:
        """Send, and wait for `count` bytes of all servos; return whether they arrived in time."""
        loop, counters = asyncio.get_running_loop(), self.counters
        self._write(request)
        waiting = self._waiting = loop.create_future()
        self._reader = reader
        wire_sec = (len(request) + count) * _BITS_A_BYTE / self._baud
        delays_sec = _RETURN_DELAY_SEC * servos
        deadline = loop.time() + wire_sec + delays_sec + self._margin_sec
        handle = loop.call_at(deadline, _end, waiting)
        is_whole = False
        try:
            await waiting
            is_whole = self._reader is None
        finally:
            handle.cancel()
            self._reader = self._waiting = None
            if not is_whole and count:
                counters.timeouts += 1
                self._longer = (self._longer + 1) % _LENGTHS
            counters.answers += len(reader.found)
            counters.bad_checksums += reader.bad_checksums
            counters.strays += reader.strays
        return is_whole

    def _write(self, request: bytes) -> None:
        if not self._port.is_open:
            raise PortLostError(f"{self.address} is gone")
        self.counters.requests += 1
        self._port.drop_input()
        self._port.write(request)

    def _repeat_urgent(self) -> None:
        urgent, self._urgent = self._urgent, b""
        if urgent:
            self._port.write(urgent)

    def _receive(self, data: bytes) -> None:
        if self._reader is None:
            self.counters.strays += 1
        elif self._reader.feed(data):
            self._reader = None  # all answers are complete
            _end(self._waiting)

    def _lost(self, reason: str) -> None:
        self.counters.lost_ports += 1
        self._urgent = b""  # it would be outdated when the adaptor is back
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(PortLostError(f"{self.address}: {reason}"))


def _end(waiting: "asyncio.Future[None] | None") -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
