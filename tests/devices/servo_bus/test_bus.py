"""The master and the fake bus: in virtual time, over a real pseudo-terminal, over TCP."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dsmq_nodes.devices.servo_bus import arm_setup, feetech
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.servo_family import FAMILIES
from dsmq_nodes.errors import PortLostError, ServoError
from dsmq_nodes.testing.servo_bus import BUSES, FakeBus, FakePort
from dsmq_nodes.testing.virtual_clock import VirtualClock, VirtualLoop
from tests.support.waiting import PATIENCE_SEC

pytestmark = pytest.mark.slow  # they wait for answers that do not come

SIX = range(1, 7)
Scene = Callable[[ServoBus, FakePort], Awaitable[None]]


def play(
    tmp_path: Path,
    scene: Scene,
    *,
    kind: str = "feetech",
    echo: bool = False,
    over_terminal: bool = False,
) -> None:
    async def main() -> None:
        wire = FakePort(str(tmp_path / "tty"), BUSES[kind](SIX), is_socket=not over_terminal)
        wire.bus.has_echo = echo
        wire.plug()
        bus = ServoBus(str(tmp_path / "tty"), margin_sec=0.3, family=FAMILIES[kind])
        try:
            await bus.open()
            assert bus.has_echo == echo
            await scene(bus, wire)
        finally:
            bus.close()
            wire.unplug()

    def virtual_loop() -> VirtualLoop:
        return VirtualLoop(VirtualClock())

    with asyncio.Runner(loop_factory=None if over_terminal else virtual_loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("echo", [False, True])
def test_reads_and_writes(tmp_path: Path, echo: bool) -> None:
    async def scene(bus: ServoBus, wire: FakePort) -> None:
        assert await bus.ping(1) is not None
        assert await bus.ping(9) is None
        await bus.write(2, feetech.P_GAIN, 16)
        await bus.sync_write(feetech.GOAL_POSITION, {1: 1000, 2: 3000})
        found = await bus.sync_read([1, 2], feetech.GOAL_POSITION.address, 2)
        assert [feetech.GOAL_POSITION.decode(each.data, 42) for each in found.values()] == [
            1000,
            3000,
        ]
        assert wire.bus.servos[2].get(feetech.P_GAIN) == 16
        with pytest.raises(ServoError, match="servo 9 does not answer"):
            await bus.read(9, feetech.POSITION)
        with pytest.raises(ServoError, match="has 777, not 5"):
            await bus.write(1, feetech.MODEL, 5)

    play(tmp_path, scene, echo=echo)


def test_only_the_silent_one_is_missing(tmp_path: Path) -> None:
    async def scene(bus: ServoBus, wire: FakePort) -> None:
        wire.fault("mute 3")
        assert sorted(await bus.sync_read(SIX, 56, 15)) == [1, 2, 4, 5, 6]

    play(tmp_path, scene)


def test_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    async def scene(bus: ServoBus, wire: FakePort) -> None:
        reading = asyncio.ensure_future(bus.ping(77))
        await asyncio.sleep(0)
        wire.fault("unplug")
        with pytest.raises(PortLostError):
            await reading
        assert not bus.is_open
        with pytest.raises(PortLostError, match="is gone"):
            await bus.ping(1)
        with pytest.raises(PortLostError, match="No such file"):
            await bus.open()
        assert not bus.send_now(feetech.TORQUE_ENABLE, {1: 0})
        wire.fault("replug")
        await bus.open()
        async with asyncio.timeout(PATIENCE_SEC):
            while not await bus.ping(1):  # a busy machine answers late
                pass

    play(tmp_path, scene, over_terminal=True)


def test_a_port_has_one_owner(tmp_path: Path) -> None:
    async def scene(bus: ServoBus, _: FakePort) -> None:
        with pytest.raises(PortLostError, match="another process has it open"):
            await ServoBus(bus.address).open()

    play(tmp_path, scene, over_terminal=True)


def test_what_survives_the_power(tmp_path: Path) -> None:
    async def scene(bus: ServoBus, wire: FakePort) -> None:
        await bus.write(1, feetech.P_GAIN, 11)  # locked: gone with the power
        await arm_setup.write_registers(bus, 1, {feetech.D_GAIN: 12})
        await arm_setup.switch_on(bus, [1])
        wire.fault("brownout 1")
        assert await bus.read(1, feetech.P_GAIN) == 32
        assert await bus.read(1, feetech.D_GAIN) == 12
        assert await bus.read(1, feetech.TORQUE_ENABLE) == 0

    play(tmp_path, scene)


def test_a_request_that_stops_the_arm_does_not_wait(tmp_path: Path) -> None:
    async def scene(bus: ServoBus, wire: FakePort) -> None:
        await bus.sync_write(feetech.TORQUE_ENABLE, dict.fromkeys(SIX, 1))
        reading = asyncio.ensure_future(bus.sync_read(SIX, 56, 15))
        await asyncio.sleep(0)
        assert bus.send_now(feetech.TORQUE_ENABLE, dict.fromkeys(SIX, 0))
        await reading
        assert await bus.ping(1)
        assert not any(servo.is_on for servo in wire.bus.servos.values())

    play(tmp_path, scene)


def test_what_was_urgent_is_forgotten_with_the_adaptor(tmp_path: Path) -> None:
    async def scene(bus: ServoBus, wire: FakePort) -> None:
        reading = asyncio.ensure_future(bus.sync_read(SIX, 56, 15))
        await asyncio.sleep(0)
        assert bus.send_now(feetech.GOAL_POSITION, {1: 1000})
        wire.fault("unplug")
        with pytest.raises(PortLostError):
            await reading
        wire.bus.servos[1].set(feetech.GOAL_POSITION, 2048)
        wire.fault("replug")
        await bus.open()
        assert await bus.read(1, feetech.GOAL_POSITION) == 2048
        assert await bus.read(1, feetech.GOAL_POSITION) == 2048

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "address", ["tcp://nobody", "/dev/null", "tcp://127.0.0.1:1", "tcp://127.0.0.1:99999"]
)
def test_what_is_no_bus_is_told(address: str) -> None:
    async def main() -> None:
        with pytest.raises(PortLostError, match=r"(HOST:PORT|not a serial port|refused)"):
            await ServoBus(address).open()

    asyncio.run(main())


def test_over_tcp() -> None:
    """As a port of another machine, behind ser2net or socat."""
    fake = FakeBus()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                while data := client.recv(4096):
                    for _, answer in fake.take(data, 0.0):
                        client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        async def main() -> None:
            bus = ServoBus(f"tcp://127.0.0.1:{server.getsockname()[1]}", margin_sec=0.1)
            await bus.open()
            async with asyncio.timeout(PATIENCE_SEC):
                while sorted(await bus.sync_read(SIX, 56, 15)) != list(SIX):
                    pass
            bus.close()

        asyncio.run(main())
        thread.join(10)
