"""The launch files of a fleet, and the guide's page about several machines."""

import os
import sys

import pytest
import yaml

from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_config import zenoh_config
from tests.gateways.uplink.fleet import command
from tests.support.processes import ROOT
from tests.support.programs import Running
from tests.support.reserved import free_port

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


def test_the_files_of_the_guide_are_accepted_and_carry_the_stop() -> None:
    text = (ROOT / ".github" / "guide" / "several_machines.md").read_text("utf-8")
    files = [block.split("```")[0] for block in text.split("```text\n") if block[:7] == "uplink:"]
    robot, base = (UplinkEntry.model_validate(yaml.safe_load(file)["uplink"]) for file in files)
    for entry in (robot, base):
        zenoh_config(entry)
        entry.rules().check()
    assert base.rules().may_send("/r1/emergency_stop")
    assert robot.rules().may_receive("/emergency_stop")


@pytest.mark.usefixtures("own_ports")
def test_the_base_hears_and_stops_the_robot_that_the_guide_starts() -> None:
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
        base.wait_for("/r1/map comes from r1")
        at_base = ("--broker", str(Address("127.0.0.1", int(ports[1]))))
        for words, told in (
            ("topic echo --once /r1/odom", "child_frame_id: base_link"),
            ("uplink status", r"comes /r1/map from r1: \d+ messages, \d+ resumed, 0 lost"),
            ("topic pub -1 -w 1 /r1/emergency_stop std_msgs/msg/Bool {data:true}", "publishing #1"),
        ):
            said = command(*(word.replace(":", ": ") for word in words.split()), *at_base)
            said.wait_for(told)
            assert said.wait() == 0
            said.close()
        robot.wait_for("emergency stop PRESSED")
    finally:
        assert robot.interrupt() == 0
        assert base.interrupt() == 0
        robot.close()
        base.close()
