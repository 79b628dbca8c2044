"""The launch files of a fleet, and the guide's page about several machines."""

import os
import sys

import pytest

from dsmq_nodes.dsmq.address import Address
from tests.gateways.uplink.fleet import command, free_port
from tests.support.processes import ROOT
from tests.support.programs import Running

pytest.importorskip("zenoh")


def launch(file: str, *words: str) -> Running:
    return Running(
        [sys.executable, "-m", "dsmq_nodes", "launch", f"launch/{file}", *words],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        is_merged=True,
    )


@pytest.fixture
def own_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSMQ_BROKER", raising=False)


@pytest.mark.usefixtures("own_ports")
def test_the_base_hears_the_robot_that_the_guide_starts() -> None:
    ports = [str(free_port()) for _ in range(3)]
    text = (ROOT / ".github" / "guide" / "several_machines.md").read_text("utf-8")
    for line in (
        "dsmq-nodes launch launch/fleet_base.yaml listen:=0.0.0.0",
        "dsmq-nodes launch launch/fleet_robot.yaml name:=r1 base:=192.168.1.5",
        "dsmq-nodes uplink status --broker 127.0.0.1:30010",
    ):
        assert line in text
    base = launch("fleet_base.yaml", "listen:=127.0.0.1", f"hub:={ports[0]}", f"port:={ports[1]}")
    robot = launch("fleet_robot.yaml", "name:=r1", f"hub:={ports[0]}", f"port:={ports[2]}")
    try:
        base.wait_for("Hello from r1")
        status = command("uplink", "status", "--broker", str(Address("127.0.0.1", int(ports[1]))))
        status.wait_for(r"comes /r1/chatter from r1: \d+ messages, \d+ resumed, 0 lost")
        assert status.wait() == 0
        status.close()
    finally:
        assert robot.interrupt() == 0
        assert base.interrupt() == 0
        robot.close()
        base.close()
