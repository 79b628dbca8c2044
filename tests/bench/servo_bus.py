"""Measures the cost of six bus servos at 100 Hz, and the time to notice an unplugging.

    python -m tests.bench.servo_bus

The servos are a fake bus in a process of its own, on a pseudo-terminal, with 1 ms of the adaptor.
Own bus and the vendor's SDK take turns; the SDK reads 2 bytes of each servo, the bus all 15.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from dsmq_nodes.devices.servo_bus import arm_setup, feetech
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.servo_family import FEETECH
from dsmq_nodes.errors import DeviceError, PortLostError
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.session import Session

try:
    import scservo_sdk as sdk
except ModuleNotFoundError:
    sdk = None

SIX = range(1, 7)
CYCLES = 1500
PERIOD_SEC = 0.01


def row(what: str, figure: str) -> None:
    print(f"{what:52s} {figure}", flush=True)


class Fake:
    """The fake bus."""

    def __init__(self, folder: str) -> None:
        self.path = str(Path(folder) / "bus")
        command = [sys.executable, "-m", "dsmq_nodes.testing.servo_bus", self.path]
        process: Any = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process = process
        assert self.process.stdout.readline() == "ready\n"

    def fault(self, text: str) -> float:
        """Make a fault; returns when it was there."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"
        return time.monotonic()


def told(cpu_sec: float, wall_sec: float, cycles: list[float]) -> str:
    cuts = [each * 1e3 for each in statistics.quantiles(cycles, n=100)]
    return f"{cpu_sec / wall_sec:5.1%} CPU, cycle p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms"


async def paced(cycle: Callable[[int], Awaitable[None]]) -> str:
    times = []
    cpu, wall = time.process_time(), time.monotonic()
    for number in range(CYCLES):
        began = time.monotonic()
        await cycle(number)
        times.append(time.monotonic() - began)
        await asyncio.sleep(wall + (number + 1) * PERIOD_SEC - time.monotonic())
    return told(time.process_time() - cpu, time.monotonic() - wall, times)


async def ours(fake: Fake) -> str:
    bus = ServoBus(fake.path)
    await bus.open()
    for servo_id in SIX:
        await bus.write(servo_id, feetech.RETURN_DELAY, 0)

    async def cycle(number: int) -> None:
        found = await bus.sync_read(SIX, feetech.POSITION.address, feetech.STATE_BYTES)
        for each in found.values():
            FEETECH.state(each, each)
        await bus.sync_write(feetech.GOAL_POSITION, dict.fromkeys(SIX, 2000 + number % 90))

    try:
        return await paced(cycle)
    finally:
        bus.close()


async def vendors(fake: Fake) -> str:
    port, talk = sdk.PortHandler(fake.path), sdk.PacketHandler(0)
    port.openPort()
    port.setBaudRate(1_000_000)
    read = sdk.GroupSyncRead(port, talk, 56, 2)
    write = sdk.GroupSyncWrite(port, talk, 42, 2)
    for each in SIX:
        read.addParam(each)

    async def cycle(number: int) -> None:
        read.txRxPacket()
        write.clearParam()
        for each in SIX:
            write.addParam(each, [*(2000 + number % 90).to_bytes(2, "little")])
        write.txPacket()

    try:
        return await paced(cycle)
    finally:
        port.closePort()


async def unplugged(fake: Fake) -> tuple[float, float]:
    """How long after the unplugging a reader knew, and after the plug was back it could drive."""
    bus = ServoBus(fake.path)
    await bus.open()
    lost: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        try:
            while True:
                await bus.sync_read(SIX, feetech.POSITION.address, feetech.STATE_BYTES)
                await asyncio.sleep(PERIOD_SEC)
        except PortLostError:
            lost.set_result(time.monotonic())

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0.3)
    gone = await asyncio.to_thread(fake.fault, "unplug")
    noticed = await lost - gone
    await reading
    back = await asyncio.to_thread(fake.fault, "replug")
    while True:
        try:
            await bus.open()
            await arm_setup.read_tables(bus, SIX)
            await arm_setup.switch_on(bus, SIX)
        except DeviceError:
            await asyncio.sleep(0.05)
        else:
            break
    drives = time.monotonic() - back
    bus.close()
    return noticed, drives


def node(fake: Fake) -> None:
    """The whole driver in a process of its own, by what it publishes."""
    with BrokerProcess() as broker:
        address = "{}:{}".format(*broker.address)
        program = f"""
from dsmq_nodes import run
from dsmq_nodes.devices import ServoArm

class Arm(ServoArm):
    class Params(ServoArm.Params):
        port: str = {fake.path!r}

run(Arm)
"""
        environment = {**os.environ, "DSMQ_BROKER": address}
        driver = subprocess.Popen([sys.executable, "-c", program], env=environment)
        with Session(address) as session:
            session.subscribe("/joint_states", depth=1)

            def next_state(wait_sec: float) -> float:
                reply = session.next_message(["/joint_states"], wait_sec)
                return time.monotonic() if reply is not None else 0.0

            assert next_state(20.0)
            used, began, count = psutil.Process(driver.pid).cpu_times(), time.monotonic(), 0
            while time.monotonic() - began < 15:
                count += bool(next_state(1.0))
            now = psutil.Process(driver.pid).cpu_times()
            took = time.monotonic() - began
            cpu = now.user + now.system - used.user - used.system
            row(
                "driver with its broker link", f"{cpu / took:5.1%} CPU, {count / took:.1f} states/s"
            )
            again = []
            for _ in range(5):
                fake.fault("unplug")
                while next_state(0.5):
                    pass
                back = fake.fault("replug")
                again.append(next_state(10.0) - back)
            row("driver: states again after the plug is back", f"{max(again) * 1e3:.0f} ms at most")
        driver.terminate()
        driver.wait()


async def nothing(_: int) -> None:
    """A cycle that only sleeps: how late it is, is the machine."""
    await asyncio.sleep(0.003)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        row("a cycle that sleeps 3 ms, on this machine", asyncio.run(paced(nothing)))
        fake = Fake(folder)
        for _ in range(2):
            row("own bus, 6 servos, 15 bytes, 100 Hz", asyncio.run(ours(fake)))
            if sdk is not None:
                row("feetech-servo-sdk, 2 bytes, 100 Hz", asyncio.run(vendors(fake)))
        found = [asyncio.run(unplugged(fake)) for _ in range(5)]
        row("unplugging noticed", f"{max(each[0] for each in found) * 1e3:.1f} ms at most of 5")
        row("torque on again after the plug", f"{max(each[1] for each in found) * 1e3:.0f} ms")
        node(fake)
        fake.process.stdin.close()
        fake.process.wait()


if __name__ == "__main__":
    main()
