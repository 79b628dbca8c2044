"""A servo bus without servos: Feetech's packets on a pseudo-terminal or a Unix socket, with faults.

    python -m dsmq_nodes.testing.servo_bus /tmp/arm --ids 1-6

Any program that drives the real bus drives this one: it opens `/tmp/arm`. Faults are lines on
standard input, strings on the node's topic `~/fault`, or entries of its parameter `faults` with
their times before them:

    lose 0.1 | corrupt 0.1       the share of answers that lack a byte, or have a wrong one
    late 0.1 0.03                the share of answers that come 0.03 s late
    echo 1                       the adaptor returns what it is sent
    mute 3 | unmute 3            a servo that does not answer, nor do those behind it in a sync read
    temperature 3 75 | voltage 3 4.5
    unplug | replug              the adaptor; the servos lose their power too
    turn 3 2500                  by hand: the encoder's ticks of a shaft
    brownout 3                   one servo loses its power for a moment

`FakeBus` does no I/O: bytes in, answers with their delays out, `now` is an argument. The same seed
gives the same faults. On a Unix socket (`socket`), which is for virtual time, what is sent is at
the other end at once.
"""

import argparse
import asyncio
import contextlib
import os
import random
import socket
import sys
import tty
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import Field

from dsmq_nodes.devices.servo_bus import feetech
from dsmq_nodes.devices.servo_bus.answers import Register
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.std import String

_REGISTERS: Final = 96
_EEPROM_END: Final = 40
_READ_ONLY: Final = {*range(5), *range(56, 71)}
_MIDDLE: Final = 128  # written to the torque register: here is the middle
_FULL_SPEED: Final = 3000.0  # ticks/s
_BITS_A_BYTE: Final = 10
_FACTORY: Final = {
    0: 3, 1: 10, 7: 250, 8: 1, 13: 70, 14: 80, 15: 40, 21: 32, 22: 32, 34: 20, 35: 200, 36: 80,
    55: 1, 62: 74, 63: 30,
}  # fmt: skip
_HOT: Final = 4
_WRONG_VOLTAGE: Final = 1


class FakeServo:
    """The registers of an STS3215, and a shaft that follows its goal.

    Attributes:
        shaft: where the shaft is, ticks, before the homing offset; a simulation may set it.
    """

    def __init__(self, servo_id: int, model: int = feetech.STS3215) -> None:
        """A servo as it comes from the factory, except for its id."""
        self.shaft = 2048.0
        self._registers = bytearray(_REGISTERS)
        self._saved = b""
        self._waiting = b""
        for address, value in {**_FACTORY, 5: servo_id}.items():
            self._registers[address] = value
        for register, value in (
            (feetech.MODEL, model),
            (feetech.MAX_POSITION, feetech.TICKS - 1),
            (feetech.MAX_TORQUE, 1000),
            (feetech.PROTECTION_CURRENT, 500),
            (feetech.TORQUE_LIMIT, 1000),
            (feetech.GOAL_POSITION, 2048),
        ):
            self.set(register, value)
        self._saved = bytes(self._registers[:_EEPROM_END])

    def get(self, register: Register) -> int:
        """The value of a register."""
        return register.decode(bytes(self._registers))

    def set(self, register: Register, value: int) -> None:
        """Set a register, also one that the wire cannot write."""
        data = register.encode(value)
        self._registers[register.address : register.address + len(data)] = data

    @property
    def is_on(self) -> bool:
        """Whether the motor holds."""
        return self.get(feetech.TORQUE_ENABLE) == 1

    @property
    def goal(self) -> float:
        """Where the shaft is to be, ticks, before the homing offset."""
        low, high = self.get(feetech.MIN_POSITION), self.get(feetech.MAX_POSITION)
        goal = min(max(self.get(feetech.GOAL_POSITION), low), high)
        return goal + self.get(feetech.HOMING_OFFSET)

    def move(self, span_sec: float) -> None:
        """Let time pass: the shaft goes towards its goal."""
        speed = 0.0
        if self.is_on:
            most = (self.get(feetech.GOAL_VELOCITY) or _FULL_SPEED) * span_sec
            step = max(-most, min(most, self.goal - self.shaft))
            self.shaft += step
            speed = step / span_sec if span_sec else 0.0
        position = round(self.shaft - self.get(feetech.HOMING_OFFSET)) % feetech.TICKS
        self.set(feetech.POSITION, position)
        self.set(feetech.VELOCITY, int(speed))
        self.set(feetech.LOAD, int(speed / 10))
        self.set(feetech.MOVING, int(abs(speed) > 1))

    def error(self) -> int:
        """The error byte; a servo that is too hot switches its motor off."""
        error = 0
        if self.get(feetech.TEMPERATURE) > self.get(feetech.MAX_TEMPERATURE):
            error |= _HOT
            self.set(feetech.TORQUE_ENABLE, 0)
        low, high = self.get(feetech.MIN_VOLTAGE), self.get(feetech.MAX_VOLTAGE)
        if not low <= self.get(feetech.VOLTAGE) <= high:
            error |= _WRONG_VOLTAGE
        self.set(feetech.STATUS, error)
        return error

    def read(self, address: int, size: int) -> bytes:
        """Registers as they are on the wire."""
        return bytes(self._registers[address : address + size]).ljust(size, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """Write registers; those of the EEPROM survive the power only while it is unlocked."""
        for at, byte in enumerate(data, address):
            if at >= _REGISTERS or at in _READ_ONLY:
                continue
            if at == feetech.TORQUE_ENABLE.address and byte == _MIDDLE:
                self.set(feetech.HOMING_OFFSET, round(self.shaft) - 2048)
                continue
            self._registers[at] = byte
            if at < _EEPROM_END and not self.get(feetech.LOCK):
                self._saved = self._saved[:at] + bytes((byte,)) + self._saved[at + 1 :]

    def prepare(self, parameters: bytes) -> None:
        """Keep a write until `act`."""
        self._waiting = parameters

    def act(self) -> None:
        """Do the write that waits."""
        if self._waiting:
            self.write(self._waiting[0], self._waiting[1:])
            self._waiting = b""

    def lose_power(self) -> None:
        """Lose what is not in the EEPROM; the motor is off afterwards."""
        self._registers[:_EEPROM_END] = self._saved
        self.set(feetech.TORQUE_ENABLE, 0)
        self.set(feetech.LOCK, 1)


class BusRequest(NamedTuple):
    """A packet of the master's."""

    servo_id: int
    instruction: int
    parameters: bytes
    size: int


class FakeBus:
    """Servos on a wire, sans-I/O.

    Attributes:
        servos: by their ids.
        requests: how many were understood.
        sent: how many answers were sent, and `damaged`, `delayed`: how many of them with faults.
        codec: the module whose packets it speaks.
        servo: the class of its servos.
    """

    codec: ClassVar[Any] = feetech
    servo: ClassVar[type[FakeServo]] = FakeServo

    def __init__(
        self,
        ids: Iterable[int] = range(1, 7),
        *,
        seed: int = 0,
        latency_sec: float = 0.001,
        baud: int = 1_000_000,
    ) -> None:
        """Servos with these ids; `latency_sec` is the adaptor's."""
        self.servos = {each: self.servo(each) for each in ids}
        self.lose = self.corrupt = self.late = 0.0
        self.late_sec = 0.03
        self.has_echo = False
        self.muted: set[int] = set()
        self.requests = self.sent = self.damaged = self.delayed = 0
        self._random = random.Random(seed)
        self._latency_sec, self._baud = latency_sec, baud
        self._buffer = b""
        self._now_sec: float | None = None

    def pass_time(self, now_sec: float) -> None:
        """Move all shafts."""
        span_sec = 0.0 if self._now_sec is None else now_sec - self._now_sec
        self._now_sec = now_sec
        for servo in self.servos.values():
            servo.move(span_sec)

    def take(self, data: bytes, now_sec: float) -> list[tuple[float, bytes]]:
        """Bytes of the master; returns what comes back, and after how many seconds."""
        back = [(0.0, data)] if self.has_echo else []
        self._buffer += data
        while (request := self._cut()) is not None:
            self.pass_time(now_sec)
            self.requests += 1
            back += self._sent_back(request, self._obey(request))
        return back

    def lose_power(self) -> None:
        """Every servo loses what is not in its EEPROM."""
        self._buffer = b""
        for servo in self.servos.values():
            servo.lose_power()

    def _cut(self) -> BusRequest | None:
        """The next whole packet; a servo is silent about one that it cannot read."""
        while (at := self._buffer.find(feetech.HEADER)) >= 0:
            self._buffer = self._buffer[at:]
            found = self._buffer
            if len(found) > 2 and found[2] == 0xFF:
                self._buffer = found[1:]
                continue
            if len(found) < 4 or len(found) < found[3] + 4:
                return None
            end = found[3] + 4
            self._buffer = found[end:]
            if end >= 6 and found[end - 1] == feetech.checksum(found[2 : end - 1]):
                return BusRequest(found[2], found[4], found[5 : end - 1], end)
        return None

    def _obey(self, request: BusRequest) -> list[tuple[FakeServo, bytes]]:
        """Do what a packet says; returns who answers, and with what."""
        to, given = request.servo_id, request.parameters
        addressed = [each for i, each in self.servos.items() if to in {i, feetech.BROADCAST}]
        match request.instruction:
            case feetech.PING:
                return [(each, b"") for each in addressed]
            case feetech.READ:
                return [(each, each.read(given[0], given[1])) for each in addressed]
            case feetech.SYNC_READ:
                asked = [self.servos[i] for i in given[2:] if i in self.servos]
                return [(each, each.read(given[0], given[1])) for each in asked]
            case _:
                self._write(request.instruction, addressed, given)
        self.servos = {each.get(feetech.ID): each for each in self.servos.values()}
        is_answered = to != feetech.BROADCAST and request.instruction != feetech.ACTION
        talking = [each for each in addressed if each.get(feetech.STATUS_LEVEL)]
        return [(each, b"") for each in talking] if is_answered else []

    def _write(self, instruction: int, addressed: list[FakeServo], given: bytes) -> None:
        if instruction == feetech.SYNC_WRITE:
            self._sync_write(given)
        for each in addressed:
            if instruction == feetech.WRITE:
                each.write(given[0], given[1:])
            elif instruction == feetech.REG_WRITE:
                each.prepare(given)
            elif instruction == feetech.ACTION:
                each.act()

    def _sync_write(self, given: bytes) -> None:
        step = given[1] + 1
        for at in range(2, len(given), step):
            if given[at] in self.servos:
                self.servos[given[at]].write(given[0], given[at + 1 : at + step])

    def _sent_back(
        self, request: BusRequest, answers: list[tuple[FakeServo, bytes]]
    ) -> list[tuple[float, bytes]]:
        back: list[tuple[float, bytes]] = []
        in_time = b""
        wire_sec = request.size * _BITS_A_BYTE / self._baud + self._latency_sec
        for servo, data in answers:
            servo_id = servo.get(self.codec.ID)
            if servo_id in self.muted:
                if request.instruction == self.codec.SYNC_READ:
                    break  # those behind it wait for it
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


class FakePort:
    """A fake bus behind a path, in the running event loop.

    Attributes:
        bus: the servos.
    """

    def __init__(self, path: str, bus: FakeBus, *, is_socket: bool = False) -> None:
        """Nothing is there before `plug`; a Unix socket is there instead of a terminal if told."""
        self.bus = bus
        self._path, self._is_socket = Path(path), is_socket
        self._loop = asyncio.get_running_loop()
        self._open: list[int | socket.socket] = []
        self._master: int | socket.socket | None = None

    def plug(self) -> None:
        """Be there."""
        self.unplug()
        if self._is_socket:
            listener = socket.socket(socket.AF_UNIX)
            listener.setblocking(False)
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            listener.listen(1)
            self._open = [listener]
            self._loop.add_reader(listener, self._accept, listener)
            return
        master, slave = os.openpty()
        os.set_blocking(master, False)
        tty.setraw(slave)
        self._open = [master, slave]  # the slave too: the master ends with the last one
        self._serve(master)
        link = self._path.with_name(self._path.name + ".new")
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        link.replace(self._path)

    def unplug(self) -> None:
        """Be gone; the servos lose their power."""
        if not self._open:
            return
        self._path.unlink(missing_ok=True)
        for each in self._open:
            self._loop.remove_reader(each)
            if isinstance(each, int):
                os.close(each)
            else:
                each.close()
        self._open, self._master = [], None
        self.bus.lose_power()

    def fault(self, text: str) -> None:
        """Obey one line of faults; see the module.

        Raises:
            ValueError: it is none.
        """
        words = text.split()
        try:
            self._faults(words[0])(*words[1:])
        except (LookupError, TypeError, ValueError):
            raise ValueError(f"{text!r} is no fault of a servo bus") from None

    def _faults(self, verb: str) -> Callable[..., object]:
        bus = self.bus
        verbs: dict[str, Callable[..., object]]

        def late(share: str, sec: str = "0.03") -> None:
            bus.late, bus.late_sec = float(share), float(sec)

        def put(register: Register, scale: float) -> Callable[[str, str], None]:
            return lambda i, v: bus.servos[int(i)].set(register, round(float(v) * scale))

        verbs = {
            "lose": lambda share: setattr(bus, "lose", float(share)),
            "corrupt": lambda share: setattr(bus, "corrupt", float(share)),
            "late": late,
            "echo": lambda wanted: setattr(bus, "has_echo", wanted == "1"),
            "mute": lambda i: bus.muted.add(int(i)),
            "unmute": lambda i: bus.muted.discard(int(i)),
            "temperature": put(bus.codec.TEMPERATURE, 1),
            "voltage": put(bus.codec.VOLTAGE, 10),
            "turn": lambda i, ticks: setattr(bus.servos[int(i)], "shaft", float(ticks)),
            "brownout": lambda i: bus.servos[int(i)].lose_power(),
            "unplug": self.unplug,
            "replug": self.plug,
        }
        return verbs[verb]

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        client.setblocking(False)
        self._open.append(client)
        self._serve(client)

    def _serve(self, end: int | socket.socket) -> None:
        self._master = end
        self._loop.add_reader(end, self._readable, end)

    def _readable(self, end: int | socket.socket) -> None:
        try:
            data = os.read(end if isinstance(end, int) else end.fileno(), 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the driver has gone
            self._loop.remove_reader(end)
            if isinstance(end, socket.socket):
                self._open.remove(end)
                end.close()
            return
        for delay_sec, answer in self.bus.take(data, self._loop.time()):
            if delay_sec:
                self._loop.call_later(delay_sec, self._write, end, answer)
            else:
                self._write(end, answer)

    def _write(self, end: int | socket.socket, data: bytes) -> None:
        if end in self._open:  # else it was unplugged meanwhile
            with contextlib.suppress(OSError):
                os.write(end if isinstance(end, int) else end.fileno(), data)


class ServoBusParameters(Parameters):
    """Where a fake bus is, and what is wrong with it."""

    port: str = Field("/tmp/dsmq_arm", description="the path that the driver opens")
    ids: list[int] = Field([1, 2, 3, 4, 5, 6], description="of the servos")
    seed: int = Field(0, description="of the faults")
    latency_sec: float = Field(0.001, ge=0, description="the adaptor's")
    socket: bool = Field(False, description="a Unix socket, for virtual time")
    faults: list[str] = Field([], description="as ['8.0 unplug', '11.0 replug']")


class ServedBus:
    """A fake bus that a node serves while it spins, with faults by time and by topic.

    Attributes:
        wire: where it is plugged in; None before the node spins.
    """

    def __init__(self, node: Node, bus: FakeBus, given: ServoBusParameters) -> None:
        """Be plugged in as soon as the node spins."""
        self.wire: FakePort | None = None
        self._node, self._bus, self._given = node, bus, given
        node.create_subscription(String, "~/fault", self._on_fault, 10)
        node.create_task(self._serve())

    def close(self) -> None:
        """Take the path away; for `on_shutdown`."""
        if self.wire is not None:
            self.wire.unplug()

    async def _serve(self) -> None:
        self.wire = FakePort(self._given.port, self._bus, is_socket=self._given.socket)
        self.wire.plug()
        time = asyncio.get_running_loop().time
        began_sec = time()
        for each in self._given.faults:
            at_sec, _, fault = each.partition(" ")
            await asyncio.sleep(began_sec + float(at_sec) - time())
            self.wire.fault(fault)

    def _on_fault(self, msg: String) -> None:
        try:
            if self.wire is not None:
                self.wire.fault(msg.data)
        except ValueError as error:
            self._node.get_logger().error(f"{error}")


class FakeServoBus(Node):
    """A node that is a servo bus, for launch files: the driver beside it opens `port`."""

    class Params(ServoBusParameters):
        """Where the bus is, and what is wrong with it."""

    params: Params

    def __init__(self) -> None:
        """Be plugged in as soon as the node spins."""
        super().__init__("servo_bus")
        given = self.params
        self.bus = FakeBus(given.ids, seed=given.seed, latency_sec=given.latency_sec)
        self._served = ServedBus(self, self.bus, given)

    @property
    def wire(self) -> FakePort | None:
        """Where the bus is plugged in."""
        return self._served.wire

    def on_shutdown(self, *_: object) -> None:
        """Take the path away."""
        self._served.close()


async def _serve(path: str, bus: FakeBus) -> None:
    wire = FakePort(path, bus)
    wire.plug()
    print("ready", flush=True)  # noqa: T201  a program of its own
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line == "requests\n":
                print(wire.bus.requests, flush=True)  # noqa: T201
                continue
            try:
                wire.fault(line)
            except ValueError as error:
                print(error, flush=True)  # noqa: T201
            else:
                print("ok", flush=True)  # noqa: T201
    finally:
        wire.unplug()


def main(kind: type[FakeBus] = FakeBus) -> None:
    """Serve a bus of a kind until standard input ends."""
    parser = argparse.ArgumentParser(description="A servo bus without servos.")
    parser.add_argument("path")
    parser.add_argument("--ids", default="1-6")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    first, last = map(int, given.ids.split("-"))
    with contextlib.suppress(KeyboardInterrupt):
        bus = kind(range(first, last + 1), seed=given.seed)
        asyncio.run(_serve(given.path, bus))


if __name__ == "__main__":
    main()
