"""`doctor` against real brokers and nodes; each finding by itself is in test_diagnosis.py."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dsmq_nodes.announced_qos import AnnouncedQoS, qos_topic
from dsmq_nodes.dsmq import wire
from dsmq_nodes.tools.diagnosing import gathering
from tests.cli.conftest import Place
from tests.launcher.running import launched, write_launch

SCHEMA = {"properties": {"header": {"type": "object"}, "a": {"type": "number"}}, "type": "object"}


def peer(place: Place, name: str, action: str, topic: str, **more: object) -> None:
    """A node that publishes or subscribes a topic, and does nothing else."""
    channel = place.channel(name)
    channel.send(wire.encode_object({"action": action, "topic": topic, **more}))
    assert channel.receive().event in {"advertised", "subscribed"}


def test_faults_of_names_and_types_are_found(own_place: Callable[[], Place]) -> None:
    place = own_place()
    peer(place, "/lidar", "advertise", "/front/scan", type="sensor_msgs/msg/LaserScan")
    peer(place, "/avoider", "subscribe", "/scan", type="sensor_msgs/msg/LaserScan")
    done = place.here("doctor", "--wait", "1", "--json")
    found = {each["kind"]: each for each in json.loads(done[0])}
    assert done[2] == 1
    assert set(found) == {"near miss"}
    assert "/lidar publishes /front/scan" in found["near miss"]["text"]
    assert place.here("doctor", "/lidar", "--wait", "1")[2] == 0


def test_a_broker_without_nodes_is_said_to_have_none(own_place: Callable[[], Place]) -> None:
    place = own_place()
    said, errors, status = place.here("doctor", "--wait", "1")
    assert status == 0, said + errors
    assert said.startswith("WARNING no node is connected to 127.0.0.1:")


def test_a_name_without_its_namespace_is_enough(own_place: Callable[[], Place]) -> None:
    place = own_place()
    peer(place, "/plant1/pump", "subscribe", "/speed")
    said, _, status = place.here("doctor", "pump", "--wait", "1")
    assert status == 0
    assert "subscribed by /plant1/pump, published by nobody" in said


def test_the_emergency_stop_needs_no_publisher(own_place: Callable[[], Place]) -> None:
    place = own_place()
    peer(place, "/motor", "subscribe", "/emergency_stop", type="std_msgs/msg/Bool")
    assert json.loads(place.here("doctor", "--wait", "1", "--json")[0]) == []


@pytest.mark.parametrize("changed_ns", [10**25, 10**400], ids=["far", "no float"])
def test_an_emergency_stop_that_is_pressed_since_no_time_there_is(
    own_place: Callable[[], Place], changed_ns: int
) -> None:
    place = own_place()
    peer(place, "/motor", "subscribe", "/emergency_stop", type="std_msgs/msg/Bool")
    text = f'{{"data": true, "changed_ns": {changed_ns}}}'
    place.latch("/emergency_stop", text, "std_msgs/msg/Bool")
    said, errors, _ = place.here("doctor", "/motor", "--wait", "1")
    assert said.startswith("WARNING /emergency_stop is pressed\n"), said + errors


def test_a_pressed_emergency_stop_is_told_with_how_to_release_it(
    own_place: Callable[[], Place],
) -> None:
    place = own_place()
    peer(place, "/motor", "subscribe", "/emergency_stop", type="std_msgs/msg/Bool")
    pressed = {"data": True, "changed_ns": time.time_ns()}
    place.latch("/emergency_stop", json.dumps(pressed), "std_msgs/msg/Bool")
    place.latch("/light", '{"data": true}', "std_msgs/msg/Bool")
    said = place.here("doctor", "/motor", "--wait", "1")[0]
    assert said.startswith("WARNING /emergency_stop is pressed since 20")
    assert "--once /emergency_stop std_msgs/msg/Bool '{data: false}'`" in said
    assert "/light" not in said


def test_a_stale_stamp_is_found_in_what_is_published(own_place: Callable[[], Place]) -> None:
    place = own_place()
    channel = place.channel("/lidar")
    channel.send(wire.encode_object({"action": "advertise", "topic": "/scan", "schema": SCHEMA}))
    assert channel.receive().event == "advertised"
    peer(place, "/avoider", "subscribe", "/scan")
    doctor = place.start("doctor", "--wait", "3")
    stamp = {"sec": time.time_ns() // 1_000_000_000 - 60, "nanosec": 0}
    text = json.dumps({"header": {"stamp": stamp}, "a": 1.0})
    put = {"action": "put", "topic": "/scan", "message": text}
    while doctor.process.poll() is None:
        channel.send(wire.encode_object({**put, "seq": 1, "stamp": time.time_ns()}))
        with contextlib.suppress(subprocess.TimeoutExpired):
            doctor.process.wait(0.05)
    assert doctor.wait() == 0  # a warning
    assert any("/scan: stamps of /lidar are 6" in line for line in doctor.lines), doctor.lines


def test_a_node_that_was_killed_is_found(tmp_path: Path) -> None:
    nodes = {"talker": "robot:Talker", "listener": "robot:Listener"}
    with launched(write_launch(tmp_path, nodes)) as launch:
        place = Place(launch.wait_for("listening on").split("listening on ")[1].split()[0])
        launch.wait_for("all nodes ready")
        os.kill(launch.pid_of("talker"), signal.SIGKILL)
        launch.wait_for("[launch] talker: killed by SIGKILL")
        output, _, status = place.here("doctor", "/talker", "--wait", "1")
        assert status == 1
        assert "ERROR   talker does not run (failed: killed by SIGKILL)\n" in output
        assert place.here("node", "stop", "listener")[2] == 0
        output, _, status = place.here("doctor", "/listener", "--wait", "1")
    assert status == 0
    assert "NOTE    listener does not run (stopped: exit status 0)\n" in output


STUCK = """\
import time
from dsmq_nodes import Node, run

class Stuck(Node):
    ticks = 0

    def __init__(self):
        super().__init__("stuck")
        self.create_timer(0.1, self.tick)

    def tick(self):
        self.ticks += 1
        if self.ticks == 3:
            print("stands", flush=True)
            time.sleep(600)

run(Stuck)
"""


def test_a_node_that_hangs_is_found_without_a_launch(
    own_place: Callable[[], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher says so on /diagnostics: not of nodes that it has not started."""
    monkeypatch.setattr(gathering, "SILENT_SEC", 2.0)
    place = own_place()
    stuck = place.start_python("-c", STUCK)
    stuck.wait_for("stands")
    output, _, status = place.here("doctor", "/stuck", "--wait", "1")
    stuck.process.kill()  # it is deaf to all else
    assert "ERROR   /stuck has told nothing for 10 s: it hangs" in output
    assert status == 1


def test_without_a_broker_those_that_are_there_are_told(place: Place, nowhere: Place) -> None:
    output, errors, status = nowhere.here("doctor")
    assert (errors, status) == ("", 1)
    first, *others = output.splitlines()
    assert first.startswith("ERROR   no broker at 127.0.0.1:1 (Connection refused): start one")
    assert f"        A broker answers at {place.broker}: `--broker {place.broker}`" in others


def test_a_name_that_is_not_there_is_told_once_each(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"talker": "robot:Talker"})) as launch:
        place = Place(launch.wait_for("listening on").split("listening on ")[1].split()[0])
        launch.wait_for("all nodes ready")
        errors = place.here("doctor", "/zzzzz", "--wait", "1")[1]
    assert errors.startswith("no node or topic /zzzzz; there is: ")
    assert errors.count("/talker") == 1


def test_qos_that_others_are_told_is_shown_and_compared(own_place: Callable[[], Place]) -> None:
    place = own_place()
    for node, action, kind, qos in (
        ("/lidar", "advertise", "publisher", AnnouncedQoS(2, 2, 0, 1)),
        ("/avoider", "subscribe", "subscription", AnnouncedQoS(1, 2, 0, 1)),
    ):
        channel = place.channel(node)
        for topic, what in (("/scan", action), (qos_topic(kind, "/scan", qos), "advertise")):
            channel.send(wire.encode_object({"action": what, "topic": topic}))
            assert channel.receive().event in {"advertised", "subscribed"}
    said = place.here("topic", "info", "-v", "/scan")[0]
    ends = said.split("\n\n")  # as `ros2 topic info -v` writes them, for programs that read it
    for what, reliability in (("PUBLISHER", "BEST_EFFORT"), ("SUBSCRIPTION", "RELIABLE")):
        profile = f"\nQoS profile:\n  Reliability: {reliability}\n  Durability: VOLATILE"
        assert [end.endswith(profile) for end in ends if f"Endpoint type: {what}" in end] == [True]
    said, _, status = place.here("doctor", "/scan", "--wait", "1")
    assert status == 1
    assert said.startswith("ERROR   /scan: /avoider gets nothing from /lidar: it is best effort")
