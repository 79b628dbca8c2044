"""Two machines of one name: the one that was there before stays, whatever their clocks say."""

import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from dsmq_nodes.messages import Int64
from tests.gateways.uplink.fleet import Fleet, Machine, Talker
from tests.support.programs import Running
from tests.support.reserved import free_port
from tests.support.waiting import until

pytest.importorskip("zenoh")
pytest.importorskip("cryptography")

from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_carrier import ZenohCarrier
from dsmq_nodes.gateways.uplink.uplink_keys import make_keys

_ANOTHER_CLOCK = """
import sys, time
now_ns, ahead_ns = time.time_ns, int(sys.argv.pop(1)) * 10**9
time.time_ns = lambda: now_ns() + ahead_ns
from dsmq_nodes.cli import main
sys.argv[0] = "dsmq-nodes"
main()
"""


def connected(fleet: Fleet, machine: Machine) -> Machine:
    fleet.until(lambda: machine.status()["links"], "the connection")
    return machine


def refused(machine: Machine) -> bool:
    assert machine.uplink is not None
    if machine.uplink.process.poll() is None:
        return False
    assert machine.uplink.wait() == 1
    assert "another machine has the name 'r1', on host " in machine.uplink.lines[-1]
    return True


def test_the_newcomer_is_refused_whatever_its_clock_says(fleet: Fleet, tmp_path: Path) -> None:
    where = f"127.0.0.1:{free_port()}"
    make_keys(tmp_path, ["hub", "r1"])
    fleet.router("--listen", where, "--tls", str(tmp_path / "hub"), "--robot", "r1")
    tls = ("--tls", str(tmp_path / "r1"))
    words = ("--as", "r1", "--connect", where, *tls, "--publish", "/odom")
    robot = connected(fleet, fleet.machine(*words))
    for ahead_sec in (-3600, 0, 3600):
        newcomer = fleet.machine()
        line = [sys.executable, "-c", _ANOTHER_CLOCK, str(ahead_sec), "uplink", *words]
        newcomer.uplink = Running([*line, "--broker", newcomer.address], is_merged=True)
        fleet.until(partial(refused, newcomer), "its end")
    assert robot.uplink is not None
    assert robot.uplink.process.poll() is None


def test_of_machines_that_come_at_the_same_time_one_stays(fleet: Fleet) -> None:
    where = f"127.0.0.1:{free_port()}"
    made = [fleet.machine("--as", "r1", "--connect", where, "--publish", "/odom") for _ in range(3)]
    base = fleet.machine("--listen", where, "--subscribe", "/r1/odom")
    fleet.until(lambda: sum(map(refused, made)) == 2, "the end of two")
    (robot,) = (each for each in made if not refused(each))
    Talker(fleet, robot, "/odom")
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: heard.got, "the one that stays")


def test_a_robot_whose_uplink_has_died_unseen_is_back_by_itself(fleet: Fleet) -> None:
    where = f"127.0.0.1:{free_port()}"
    base = fleet.machine("--listen", where, "--subscribe", "/r1/odom")
    words = ("--as", "r1", "--connect", where, "--publish", "/odom")
    dead = connected(fleet, fleet.machine(*words))
    assert dead.uplink is not None
    dead.uplink.send(signal.SIGSTOP)  # it answers nothing, and its connection is still there
    robot = fleet.machine(*words)
    Talker(fleet, robot, "/odom")
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: len(heard.got) > 50, "the robot")
    dead.uplink.kill()
    before = len(heard.got)
    fleet.until(lambda: len(heard.got) > before + 250, "the robot, after the lease")
    assert not refused(robot)


def test_a_machine_that_was_cut_off_does_not_end_the_one_that_came_meanwhile(fleet: Fleet) -> None:
    where = f"127.0.0.1:{free_port()}"
    base = fleet.machine("--listen", where, "--subscribe", "/r1/odom")
    words = ("--as", "r1", "--connect", where, "--publish", "/odom")
    old = connected(fleet, fleet.machine(*words))
    assert old.uplink is not None
    old.uplink.send(signal.SIGSTOP)
    fleet.until(lambda: not base.status()["links"], "the end of the lease")
    new = connected(fleet, fleet.machine(*words))
    old.uplink.send(signal.SIGCONT)
    fleet.until(partial(refused, old), "its end")
    assert new.uplink is not None
    new.uplink.wait_for("another machine had the name r1, on host .*: it was told to end")
    Talker(fleet, new, "/odom")
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: heard.got, "the one that stays")


def test_what_arrives_while_an_uplink_ends_is_no_traceback() -> None:
    """The session was closed, and an answer that came just before was still acted on."""
    calls: list[Any] = []
    carrier, events = ZenohCarrier("r1", {"mode": "wrong", "connect/endpoints": []}), Mock()
    carrier.open(events, calls.append)
    until(lambda: calls, "that it cannot be opened")
    carrier.close()
    calls[0]()
    events.failed.assert_not_called()
