"""A fake servo bus: real packets on a pseudo-terminal or a Unix socket, with faults.

    python -m dsmq_nodes.testing.servo_bus /tmp/arm --ids 1-6 --protocol feetech

Any program that drives the real bus drives this one: it opens `/tmp/arm`. Faults are lines on
standard input, strings on the node's topic `~/fault`, or entries of its parameter `faults` with
their times before them:

    lose 0.1 | corrupt 0.1       the share of answers that lack a byte, or have a wrong one
    late 0.1 0.03                the share of answers that come 0.03 s late
    echo 1                       the adaptor returns the bytes that it is sent
    mute 3 | unmute 3            a servo does not answer, nor do those behind it in a sync read
    temperature 3 75 | voltage 3 4.5
    unplug | replug              the adaptor; the servos also lose their power
    turn 3 2500                  turn a shaft by hand, to these ticks of its encoder
    hold 3                       its motor is on, as a killed driver leaves it
    brownout 3                   one servo loses its power for a moment

`FakeBus` (Feetech) and `FakeDynamixelBus` do no I/O: bytes in, answers with their delays out, `now`
is an argument. The same seed gives the same faults. On a Unix socket (`socket`), which is for
virtual time, bytes are at the other end at once.
"""

import argparse
import asyncio
import contextlib
import io
import os
import socket
import sys
import tty
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from dsmq_nodes.devices.servo_bus.answers import Register
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.std import String
from dsmq_nodes.testing.dynamixel_servos import FakeDynamixelBus
from dsmq_nodes.testing.faulty_bus import FaultyBus
from dsmq_nodes.testing.feetech_servos import FakeBus

__all__ = ["BUSES", "FakeBus", "FakeDynamixelBus", "FakePort", "FakeServoBus", "ServedBus"]

BUSES: Final[Mapping[str, type[FaultyBus[Any]]]] = {
    "feetech": FakeBus,
    "dynamixel": FakeDynamixelBus,
}


class FakePort:
    """A fake bus behind a path, in the running event loop.

    Attributes:
        bus: the servos.
    """

    def __init__(self, path: str, bus: FaultyBus[Any], *, is_socket: bool = False) -> None:
        """Prepare a port that appears with `plug`; `is_socket`: a Unix socket, not a terminal."""
        self.bus = bus
        self._path, self._is_socket = Path(path), is_socket
        self._loop = asyncio.get_running_loop()
        self._open: list[io.FileIO | socket.socket] = []

    def plug(self) -> None:
        """Make the port appear."""
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
        # The slave too: the master ends when no slave is open.
        self._open = [io.FileIO(each, "r+") for each in (master, slave)]
        self._serve(self._open[0])
        link = self._path.with_name(self._path.name + ".new")
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        link.replace(self._path)

    def unplug(self) -> None:
        """Make the port disappear; the servos lose their power."""
        if not self._open:
            return
        self._path.unlink(missing_ok=True)
        for each in self._open:
            self._loop.remove_reader(each)
            each.close()
        self._open = []
        self.bus.lose_power()

    def fault(self, text: str) -> None:
        """Carry out one line of faults; see the module.

        Raises:
            ValueError: the line is not a fault.
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
            "hold": lambda i: bus.servos[int(i)].set(bus.codec.TORQUE_ENABLE, 1),
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

    def _serve(self, end: io.FileIO | socket.socket) -> None:
        self._loop.add_reader(end, self._readable, end)

    def _readable(self, end: io.FileIO | socket.socket) -> None:
        try:
            data = os.read(end.fileno(), 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the driver has closed the port
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

    def _write(self, end: io.FileIO | socket.socket, data: bytes) -> None:
        if end in self._open:  # else it was unplugged meanwhile
            with contextlib.suppress(OSError):
                os.write(end.fileno(), data)


class ServoBusParameters(Parameters):
    """The port of a fake bus, and its faults."""

    port: str = Field("/tmp/dsmq_arm", description="the path that the driver opens")
    protocol: Literal["feetech", "dynamixel"] = "feetech"
    ids: list[int] = Field([1, 2, 3, 4, 5, 6], description="of the servos")
    seed: int = Field(0, description="of the faults")
    latency_sec: float = Field(0.001, ge=0, description="the adaptor's")
    socket: bool = Field(False, description="a Unix socket, for virtual time")
    faults: list[str] = Field([], description="as ['8.0 unplug', '11.0 replug']")


class ServedBus:
    """A fake bus that a node serves while it spins, with faults by time and by topic.

    Attributes:
        wire: the port of the bus; None before the node spins.
    """

    def __init__(self, node: Node, bus: FaultyBus[Any], given: ServoBusParameters) -> None:
        """Make the port appear as soon as the node spins."""
        self.wire: FakePort | None = None
        self._node, self._bus, self._given = node, bus, given
        node.create_subscription(String, "~/fault", self._on_fault, 10)
        node.create_task(self._serve())

    def close(self) -> None:
        """Make the port disappear; for `on_shutdown`."""
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
    """A node that is a servo bus, for launch files: a driver beside it opens `port`."""

    class Params(ServoBusParameters):
        """The port of the bus, and its faults."""

    params: Params

    def __init__(self) -> None:
        """Make the port appear as soon as the node spins."""
        super().__init__("servo_bus")
        given = self.params
        kind = BUSES[given.protocol]
        self.bus = kind(given.ids, seed=given.seed, latency_sec=given.latency_sec)
        self._served = ServedBus(self, self.bus, given)

    @property
    def wire(self) -> FakePort | None:
        """The port of the bus."""
        return self._served.wire

    def on_shutdown(self, *_: object) -> None:
        """Make the port disappear."""
        self._served.close()


async def _serve(path: str, bus: FaultyBus[Any]) -> None:
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


def main() -> None:
    """Serve a bus until standard input ends."""
    parser = argparse.ArgumentParser(description="A fake servo bus.")
    parser.add_argument("path")
    parser.add_argument("--ids", default="1-6")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--protocol", choices=BUSES, default="feetech")
    given = parser.parse_args()
    first, last = map(int, given.ids.split("-"))
    with contextlib.suppress(KeyboardInterrupt):
        bus = BUSES[given.protocol](range(first, last + 1), seed=given.seed)
        asyncio.run(_serve(given.path, bus))


if __name__ == "__main__":
    main()
