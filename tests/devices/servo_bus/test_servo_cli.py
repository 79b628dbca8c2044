"""`dsmq-nodes servo` on a fake bus in a process of its own."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from dsmq_nodes.devices.servo_bus.calibration import read_calibration
from dsmq_nodes.devices.servo_bus.servo_family import FAMILIES
from tests.support.processes import Popen, run
from tests.support.waiting import PATIENCE_SEC, until


class Bus:
    def __init__(self, path: Path, protocol: str) -> None:
        self.path, self.protocol = str(path / "tty"), protocol
        command = [sys.executable, "-m", "dsmq_nodes.testing.servo_bus", self.path, "--ids", "1-3"]
        command += ["--protocol", protocol]
        process: Any = Popen(command, stdin=PIPE, stdout=PIPE, text=True)
        self.process = process
        assert self.process.stdout.readline() == "ready\n"

    def fault(self, text: str) -> str:
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        told: str = self.process.stdout.readline()
        return told

    def servo(self, verb: str, *words: str) -> Any:
        return servo(verb, self.path, *words, "--protocol", self.protocol)


@pytest.fixture(params=FAMILIES)
def bus(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bus]:
    bus = Bus(tmp_path, request.param)
    with bus.process:
        yield bus
        bus.process.stdin.close()


def servo(*words: str) -> Any:
    command = [sys.executable, "-m", "dsmq_nodes", "servo", *words]
    return run(command, capture_output=True, text=True)


def test_scan(bus: Bus) -> None:
    assert bus.fault("temperature 2 75") == "ok\n"
    assert bus.fault("melt 2") == "'melt 2\\n' is no fault of a servo bus\n"
    assert [each["temperature"] for each in scan(bus, [1, 2, 3])] == [30, 75, 30]
    text = bus.servo("scan", "--ids", "2-9").stdout
    assert {"feetech": "STS3215", "dynamixel": "XL430-W250"}[bus.protocol] in text
    assert "overheated" in text


def scan(bus: Bus, ids: list[int]) -> list[Any]:
    """What a scan finds, when all answer in time: on a busy machine that takes a second one."""
    found: list[Any] = []

    def all_answer() -> bool:
        found[:] = json.loads(bus.servo("scan", "--json").stdout)
        return [each["id"] for each in found] == ids

    until(all_answer)
    return found


def test_set_id(bus: Bus) -> None:
    until(lambda: "there already is a servo 2" in bus.servo("set-id", "3", "2").stderr)
    assert "7 is no rate of these servos" in bus.servo("set-id", "3", "3", "--new-baud", "7").stderr
    words = ["set-id", "3", "12", "--new-baud", "500000"]
    words[4] = "2000000" if bus.protocol == "dynamixel" else words[4]
    assert bus.servo(*words).stdout == "servo 3 is servo 12 now\n"
    bus.fault("unplug")
    assert "No such file" in bus.servo("scan").stderr
    bus.fault("replug")
    scan(bus, [1, 2, 12])  # it has survived the power


def test_calibrate(bus: Bus, tmp_path: Path) -> None:
    file = tmp_path / "arm.json"
    words = ["calibrate", bus.path, str(file), "--joint", "pan=1", "--joint", "tilt=2"]
    words += ["--protocol", bus.protocol]
    sign = {"feetech": 1, "dynamixel": -1}[bus.protocol]  # position = encoder - sign * offset
    command = [sys.executable, "-m", "dsmq_nodes", "servo", *words]
    process: Any
    bus.fault("turn 1 3700")
    bus.fault("turn 2 700")
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout.readline().startswith("limp: move each joint")
        # Through the wrap of the encoder: 3700 to 4095, 0 to 300.
        for ticks in (*range(3700, 4500, 100), 4500, 3700):
            assert bus.fault(f"turn 1 {ticks}") == "ok\n"
            assert bus.fault(f"turn 2 {ticks - 3000}") == "ok\n"
            settle(bus)
        process.stdin.write("\n")
        process.stdin.flush()
        out, errors = process.communicate(timeout=PATIENCE_SEC)
        assert not errors, errors
    assert "pan: 70 degrees" in out
    joints = read_calibration(str(file))
    pan = joints["pan"]
    assert (pan.range_min, pan.range_max) == (2048 - 400, 2048 + 400)
    assert pan.homing_offset == sign * ((4100 % 4096) - 2048)
    assert joints["tilt"].homing_offset == sign * (1100 - 2048)
    [found, *_] = scan(bus, [1, 2, 3])
    assert {"drive_mode": 0, **found["calibration"]} == pan.model_dump(exclude={"id"})
    assert found["position"] == 1648
    bus.fault("unplug")
    bus.fault("replug")
    assert bus.servo("calibrate", str(file), "--restore").returncode == 0
    bus.fault("hold 1")  # as a driver that was killed leaves it
    assert "holds" in bus.servo("calibrate", str(file), "--restore").stderr


def settle(bus: Bus) -> None:
    """Wait until the calibration has read the positions several times."""
    begun = requests(bus)
    while requests(bus) < begun + 3:
        pass


def requests(bus: Bus) -> int:
    return int(bus.fault("requests"))


def test_wrong_words(bus: Bus, tmp_path: Path) -> None:
    assert "write FIRST-LAST" in bus.servo("scan", "--ids", "six").stderr
    assert "no servo with an id of 8-9" in bus.servo("scan", "--ids", "8-9").stdout
    assert "No such file" in bus.servo("calibrate", "nothing.json", "--restore").stderr
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"pan": {"id": 1, "range_min": 5, "range_max": 5}}')
    assert "pan: " in bus.servo("calibrate", str(wrong), "--restore").stderr
