"""The broker of launch files of ROS belongs to none of them: it ends with its last peer."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dsmq_nodes.dsmq.address import Address
from tests.support.default_port import default_port, port_is_busy
from tests.support.programs import Running
from tests.support.waiting import until

__all__ = ["default_port"]

ADDRESS = Address()
STARTED = f"no broker was there: the one at {ADDRESS} runs until its last peer has gone"
START = Callable[..., Running]


def is_listening() -> bool:
    """It is not connected to: the broker would count a peer."""
    return port_is_busy() is not None


def broker_pids() -> set[int]:
    """Return the brokers of this port, in this network: another may have one of its own."""
    words = {"dsmq_nodes.dsmq.broker", str(ADDRESS.port)}
    network = Path("/proc/self/ns/net").readlink()
    pids = set()
    for each in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(OSError):  # it has just ended
            if words <= {*(each.info["cmdline"] or ())}:
                where = Path(f"/proc/{each.pid}/ns/net").readlink()
                pids |= {each.pid} if where == network else set()
    return pids


@pytest.fixture
def start(tmp_path: Path, default_port: None) -> Iterator[START]:
    """Start a launch of a program that does nothing."""
    assert default_port is None
    with contextlib.ExitStack() as stack:

        def start(name: str) -> Running:
            file = tmp_path / f"{name}.launch.py"
            text = (
                "from launch import LaunchDescription\n"
                "from launch.actions import ExecuteProcess\n"
                "def generate_launch_description():\n"
                "    return LaunchDescription([ExecuteProcess(cmd=['sleep', '1000'])])\n"
            )
            file.write_text(text)
            words = ("-m", "dsmq_nodes", "launch", str(file))
            made = Running([sys.executable, *words], cwd=tmp_path, is_merged=True)
            stack.callback(made.close)
            return made

        yield start
    until(lambda: not is_listening(), "the end of the broker")


def test_a_broker_outlives_the_launch_that_started_it(start: START) -> None:
    first = start("first")
    first.wait_for(STARTED)
    first.wait_for("all nodes ready")
    second = start("second")
    second.wait_for(f"a broker runs at {ADDRESS}: this launch uses it")
    second.wait_for("all nodes ready")
    [broker] = broker_pids()
    assert first.interrupt() == 0
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(broker).wait(1.5)  # longer than a broker stays alone
    assert second.interrupt() == 0
    until(lambda: not is_listening(), "the end of the broker")


def test_a_broker_outlives_a_launch_that_was_killed(start: START) -> None:
    first = start("first")
    first.wait_for("all nodes ready")
    second = start("second")
    second.wait_for("all nodes ready")
    [broker] = broker_pids()
    first.kill()
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(broker).wait(1.5)
    assert second.interrupt() == 0


def test_a_broker_that_was_killed_is_started_again(start: START) -> None:
    first = start("first")
    first.wait_for("all nodes ready")
    [broker] = broker_pids()
    os.kill(broker, signal.SIGKILL)
    first.wait_for(f"the broker {ADDRESS} has ended: it is started again")
    until(lambda: broker_pids() - {broker}, "another broker")
    until(is_listening, "another broker")
    first.wait_for("the broker is back")  # it waits for a first peer for half a minute
    assert first.interrupt() == 0
