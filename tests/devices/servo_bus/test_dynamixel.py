"""Dynamixel's packets on the same bus: golden bytes, the fake bus, the vendor's SDK where it is."""

import asyncio
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.devices.servo_bus import dynamixel
from dsmq_nodes.devices.servo_bus.answers import ServoAnswer
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.dynamixel import DynamixelReader
from dsmq_nodes.errors import ServoError
from dsmq_nodes.testing.servo_bus import FakePort
from tests.devices.servo_bus.test_bus import play
from tests.devices.servo_bus.test_vendor_sdk import in_time
from tests.support.processes import Popen
from tests.support.waiting import PATIENCE_SEC

SIX = range(1, 7)


@pytest.mark.parametrize(
    ("packet", "golden"),
    [
        # From the e-manual of protocol 2.
        (dynamixel.ping(1), "FF FF FD 00 01 03 00 01 19 4E"),
        (dynamixel.status(1, 0, b"\x06\x04\x26"), "FF FF FD 00 01 07 00 55 00 06 04 26 65 5D"),
        (dynamixel.read(1, 132, 4), "FF FF FD 00 01 07 00 02 84 00 04 00 1D 15"),
        (dynamixel.status(1, 0, b"\xa6\0\0\0"), "FF FF FD 00 01 08 00 55 00 A6 00 00 00 8C C0"),
        (
            dynamixel.write(1, 116, (512).to_bytes(4, "little")),
            "FF FF FD 00 01 09 00 03 74 00 00 02 00 00 CA 89",
        ),
        (
            dynamixel.sync_read([1, 2], 132, 4),
            "FF FF FD 00 FE 09 00 82 84 00 04 00 01 02 CE FA",
        ),
        (
            dynamixel.sync_write(dynamixel.GOAL_POSITION, {1: 150, 2: 170}),
            "FF FF FD 00 FE 11 00 83 74 00 04 00 01 96 00 00 00 02 AA 00 00 00 82 87",
        ),
    ],
)
def test_golden_bytes(packet: bytes, golden: str) -> None:
    assert packet == bytes.fromhex(golden)


def test_a_header_in_the_data_is_stuffed() -> None:
    data = b"\xff\xff\xfd\x00"
    packet = dynamixel.status(3, 0, data)
    assert packet[7:-2] == b"\x55\x00\xff\xff\xfd\xfd\x00"
    reader = DynamixelReader([3], 4)
    assert reader.feed(packet)
    assert reader.found == {3: ServoAnswer(0, data)}


# Bytes that make headers and stuffing come often.
_BYTES = st.lists(st.sampled_from(b"\xff\xfd\x00\x55\x01\x80"), min_size=4, max_size=4).map(bytes)


@given(st.lists(_BYTES, min_size=6, max_size=6), st.data())
def test_any_cut_gives_all_answers(values: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(dynamixel.status(i, 0, v) for i, v in zip(SIX, values, strict=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = DynamixelReader(SIX, 4)
    whole = False
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        whole = reader.feed(stream[start:end])
    assert whole
    assert {i: each.data for i, each in reader.found.items()} == dict(zip(SIX, values, strict=True))


@given(st.integers(-(2**31), 2**31 - 1))
def test_values_are_in_twos_complement(value: int) -> None:
    register = dynamixel.POSITION
    assert register.decode(register.encode(value), register.address) == value
    assert register.encode(2**40) == b"\xff\xff\xff\x7f"


@pytest.mark.slow
@pytest.mark.parametrize("echo", [False, True])
def test_the_same_bus_through_faults(tmp_path: Path, echo: bool) -> None:
    async def scene(bus: ServoBus, wire: FakePort) -> None:
        assert await bus.ping(1)
        with pytest.raises(ServoError, match="servo 9 does not answer"):
            await bus.read(9, dynamixel.POSITION, tries=1)
        await bus.write(2, dynamixel.HOMING_OFFSET, -1024)
        await bus.sync_write(dynamixel.TORQUE_ENABLE, dict.fromkeys(SIX, 1))
        await bus.sync_write(dynamixel.GOAL_POSITION, {i: 2000 + i for i in SIX})
        at: list[int] = []
        async with asyncio.timeout(PATIENCE_SEC):
            while at != [2000 + i for i in SIX]:
                found = await bus.sync_read(SIX, dynamixel.POSITION.address, 4)
                at = [dynamixel.POSITION.decode(each.data, 132) for each in found.values()]
        wire.bus.lose = wire.bus.corrupt = 0.1
        for _ in range(20):
            for i, each in (await bus.sync_read(SIX, dynamixel.POSITION.address, 4)).items():
                assert dynamixel.POSITION.decode(each.data, 132) == 2000 + i
        wire.bus.lose = wire.bus.corrupt = 0
        wire.fault("temperature 3 90")
        found = await bus.sync_read(SIX, dynamixel.POSITION.address, 4)
        assert [each.error for each in found.values()] == [0, 0, dynamixel.ALERT, 0, 0, 0]
        alarm = await bus.read(3, dynamixel.HARDWARE_ERROR)
        assert dynamixel.fault(dynamixel.ALERT, alarm) == "overheated"
        assert bus.send_now(dynamixel.TORQUE_ENABLE, dict.fromkeys(SIX, 0))
        assert await bus.read(1, dynamixel.TORQUE_ENABLE) == 0
        wire.unplug()
        wire.plug()
        await bus.open()
        assert await bus.read(2, dynamixel.HOMING_OFFSET) == -1024, "it survives the power"

    play(tmp_path, scene, kind="dynamixel", echo=echo)


def test_the_vendors_sdk(tmp_path: Path) -> None:
    sdk: Any = pytest.importorskip("dynamixel_sdk", reason="pip install dynamixel-sdk")
    path = str(tmp_path / "tty")
    command = [sys.executable, "-m", "dsmq_nodes.testing.servo_bus", path]
    command += ["--protocol", "dynamixel"]
    process: Any
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        port = sdk.PortHandler(path)
        assert port.openPort()
        assert port.setBaudRate(1_000_000)
        talk = sdk.PacketHandler(2.0)
        for each in SIX:
            in_time(talk.ping, port, each, wanted=(1060, 0, 0))
        in_time(talk.write4ByteTxRx, port, 1, 116, 0x00FDFFFF, wanted=(0, 6))  # over its limit
        in_time(talk.write1ByteTxRx, port, 1, 11, 4, wanted=(0, 0))
        in_time(talk.write4ByteTxRx, port, 1, 116, 0x00FDFFFF, wanted=(0, 0))
        in_time(talk.read4ByteTxRx, port, 1, 116, wanted=(0x00FDFFFF, 0, 0))
        goals = sdk.GroupSyncWrite(port, talk, 116, 4)
        read = sdk.GroupSyncRead(port, talk, 116, 4)
        for each in SIX:
            goals.addParam(each, list((100 * each).to_bytes(4, "little")))
            read.addParam(each)
        goals.txPacket()
        in_time(read.txRxPacket, wanted=0)
        assert [read.getData(each, 116, 4) for each in SIX] == [*range(100, 700, 100)]
        port.closePort()
        process.stdin.close()
