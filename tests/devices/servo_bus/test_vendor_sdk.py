"""The vendor's own SDK, unmodified, drives the fake bus; where it is installed.

pip install feetech-servo-sdk
"""

import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from tests.support.processes import Popen

sdk: Any = pytest.importorskip("scservo_sdk", reason="pip install feetech-servo-sdk")


def test_the_vendors_sdk(tmp_path: Path) -> None:
    path = str(tmp_path / "tty")
    command = [sys.executable, "-m", "dsmq_nodes.testing.servo_bus", path]
    process: Any
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        port = sdk.PortHandler(path)
        assert port.openPort()
        assert port.setBaudRate(1_000_000)
        talk = sdk.PacketHandler(0)
        assert [talk.ping(port, each) for each in range(1, 7)] == [(777, 0, 0)] * 6
        assert talk.write2ByteTxRx(port, 1, 42, 1234) == (0, 0)
        goals = sdk.GroupSyncWrite(port, talk, 42, 2)
        positions = sdk.GroupSyncRead(port, talk, 42, 2)
        for each in range(1, 7):
            goals.addParam(each, [100 * each & 255, 100 * each >> 8])
            positions.addParam(each)
        goals.txPacket()
        assert positions.txRxPacket() == 0
        assert [positions.getData(each, 42, 2) for each in range(1, 7)] == [*range(100, 700, 100)]
        port.closePort()
        process.stdin.close()
