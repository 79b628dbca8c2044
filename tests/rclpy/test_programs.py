"""The same programs under real rclpy and under ours: what they print, and their exit status.

Each program in `programs/` has an `.expected` beside it: what real rclpy 9.1.2 printed. Where real
rclpy can be had (tests/support/referee.py), that is checked, too.
"""

import os
import sys
from pathlib import Path

import pytest

from dsmq_nodes.testing import BrokerProcess
from tests.support import processes
from tests.support.referee import referee

PROGRAMS = Path(__file__).parent / "programs"
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py"))


def outcome(*command: str, **environment: str) -> str:
    """What a program prints, then its exit status."""
    done = processes.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    shown = done.stderr[-2000:] if done.returncode else ""
    return f"{done.stdout}exit status {done.returncode}\n{shown}"


@pytest.mark.parametrize("name", NAMES)
def test_a_program_prints_what_it_prints_under_real_rclpy(name: str, broker: BrokerProcess) -> None:
    path = PROGRAMS / f"{name}.py"
    command = (sys.executable, "-W", "ignore", "-m", "dsmq_nodes.rclpy", str(path))
    printed = outcome(*command, DSMQ_BROKER=f"{broker.host}:{broker.port}")
    assert printed == path.with_suffix(".expected").read_text()


@pytest.mark.ros2
@pytest.mark.parametrize("name", NAMES)
def test_what_is_expected_is_what_real_rclpy_prints(name: str) -> None:
    python = str(referee() / "bin" / "python")
    path = PROGRAMS / f"{name}.py"
    printed = outcome(
        *(python, "-W", "ignore", str(path)),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        ROS_DOMAIN_ID=str(os.getpid() % 100),
    )
    assert printed == path.with_suffix(".expected").read_text()
