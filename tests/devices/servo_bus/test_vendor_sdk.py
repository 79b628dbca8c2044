"""The vendor's own SDK and LeRobot, unmodified, drive the fake bus; where they are installed.

pip install feetech-servo-sdk
DSMQ_LEROBOT_PYTHON=.../bin/python     its interpreter, with `lerobot[feetech]`, some 5 GB
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from dsmq_nodes.devices.servo_bus import commissioning
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, write_calibration
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from tests.support.processes import Popen
from tests.support.waiting import PATIENCE_SEC


def in_time(call: Callable[..., Any], *given: Any, wanted: Any) -> None:
    """Call until it returns that: the SDKs wait some 30 ms, and a busy machine takes longer."""
    deadline = time.monotonic() + PATIENCE_SEC
    found = None
    while found != wanted:
        assert time.monotonic() < deadline, found
        with contextlib.suppress(IndexError):  # of the SDK itself, when nothing came in time
            found = call(*given)


FOLLOWER = Path(__file__).with_name("lerobot_follower.py")


def test_the_vendors_sdk(tmp_path: Path) -> None:
    sdk: Any = pytest.importorskip("scservo_sdk", reason="pip install feetech-servo-sdk")
    path = str(tmp_path / "tty")
    command = [sys.executable, "-m", "dsmq_nodes.testing.servo_bus", path]
    process: Any
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        port = sdk.PortHandler(path)
        assert port.openPort()
        assert port.setBaudRate(1_000_000)
        talk = sdk.PacketHandler(0)
        for each in range(1, 7):
            in_time(talk.ping, port, each, wanted=(777, 0, 0))
        in_time(talk.write2ByteTxRx, port, 1, 42, 1234, wanted=(0, 0))
        goals = sdk.GroupSyncWrite(port, talk, 42, 2)
        positions = sdk.GroupSyncRead(port, talk, 42, 2)
        for each in range(1, 7):
            goals.addParam(each, [100 * each & 255, 100 * each >> 8])
            positions.addParam(each)
        goals.txPacket()
        in_time(positions.txRxPacket, wanted=0)
        assert [positions.getData(each, 42, 2) for each in range(1, 7)] == [*range(100, 700, 100)]
        port.closePort()
        process.stdin.close()


def test_lerobots_follower_and_its_calibration_file(tmp_path: Path) -> None:
    """Our file and what we have written to the servos are a calibrated arm to LeRobot."""
    python = os.environ.get("DSMQ_LEROBOT_PYTHON")
    if not python:
        pytest.skip("DSMQ_LEROBOT_PYTHON names no Python with lerobot[feetech]")
    path, file = str(tmp_path / "tty"), str(tmp_path / "arm.json")
    joints = {
        name: JointCalibration(id=servo_id, range_min=800, range_max=3300)
        for servo_id, name in enumerate(SO101, 1)
    }
    write_calibration(file, joints)

    async def restore() -> None:
        bus = ServoBus(path)
        await bus.open()
        await commissioning.restore(bus, joints)
        bus.close()

    command = [sys.executable, "-m", "dsmq_nodes.testing.servo_bus", path]
    process: Any
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        asyncio.run(restore())
        done = subprocess.run(
            [python, str(FOLLOWER), path, file], check=True, capture_output=True, text=True
        )
        process.stdin.close()
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["is_calibrated"]
    assert told["begin"]["gripper.pos"] == pytest.approx(50, abs=0.2)
    assert told["end"] == pytest.approx(dict.fromkeys(told["end"], 10.0), abs=0.2)
