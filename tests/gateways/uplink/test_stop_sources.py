"""Which press a plain false releases that comes from another machine: none it cannot know of."""

import contextlib
import json

import pytest

from dsmq_nodes import EmergencyStop, Node
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages import Bool
from dsmq_nodes.testing import Graph
from dsmq_nodes.tools.session import Session
from tests.gateways.uplink.fleet import Fleet, Machine, pair
from tests.support.reserved import free_port

TOPIC = "/emergency_stop"
THERE = f"/r1{TOPIC}"
Event = tuple[str, bool, float]  # who, what, and its age in seconds

HERE = "here"  # a tool on the robot
CASES: dict[str, tuple[list[Event], bool]] = {
    "a node's own press": ([("a/joy", True, 0), ("a/joy", False, 0)], False),
    "a tool's press beside a node's false": ([("a", True, 0), ("a/joy", False, 0)], True),
    "a tool's press after a node's": (
        [("a/joy", True, 0), ("a", True, 0), ("a/joy", False, 0)],
        True,
    ),
    "a tool releases the nodes of its machine": ([("a/joy", True, 0), ("a", False, 0)], False),
    "the order of one log counts, not the ages": ([("a", True, 0), ("a", False, 5)], False),
    "nodes of one name on two bases": ([("a/joy", True, 0), ("b/joy", False, 0)], True),
    "an older false of another base": ([("a", True, 0), ("b", False, 5)], True),
    "a newer false of another base": ([("a", True, 5), ("b", False, 0)], False),
    "a false of the base after its restart": ([("a/joy", True, 5), ("b", False, 0)], False),
    "a press on the robot": ([(HERE, True, 5), ("a", False, 0)], True),
    "a false on the robot": ([("a/joy", True, 0), ("b", True, 0), (HERE, False, 0)], False),
    "a kit's press that came as a state": ([("state", True, 5), ("a", False, 0)], True),
    "a press that was kept over a restart": ([("kept", True, 5), ("a", False, 0)], False),
}
STATES = {"state": {"desk-1f": 0}, "kept": {"/uplink:a@1": 0}}


@pytest.mark.parametrize(("events", "is_pressed"), CASES.values(), ids=CASES.keys())
def test_a_false_releases_only_what_it_can_know_of(events: list[Event], is_pressed: bool) -> None:
    with Graph() as graph:
        graph.run_for(60.0)
        there = EmergencyStop(graph.add(lambda: Node("driver")))
        link = graph.add(lambda: Node("uplink"))._kit.link
        uplink = link.advertise(TOPIC, Bool.type_name, 0, schema_text(Bool))
        graph.run_for(0.1)
        for by, data, age_sec in events:
            if by == HERE:
                graph.inject(TOPIC, Bool(data=data))
            elif by in STATES:
                state = {"data": data, "changed_ns": 1, "stops": STATES[by]}
                graph.inject_text(TOPIC, json.dumps(state))
            else:
                text = json.dumps({"data": data, "by": by})
                link.publish(uplink, text, "", b"", age_sec=age_sec)
            graph.run_for(0.1)
        assert there.is_pressed == is_pressed


def tool(machine: Machine, topic: str, data: bool) -> Session:
    """What `topic pub` has published, before it ends."""
    session = Session(machine.address)
    session.advertise(topic, Bool.type_name, schema_text(Bool))
    session.put(topic, json.dumps({"data": data}))
    return session


@pytest.mark.parametrize("name", [TOPIC, "/halt"])
def test_the_false_of_a_node_does_not_release_the_press_of_a_tool_of_its_machine(
    fleet: Fleet, name: str
) -> None:
    pytest.importorskip("zenoh")
    robot, base = pair(fleet, ["--subscribe", name], ["--publish", f"/r1{name}"])
    there = EmergencyStop(fleet.node("driver", robot), topic=name)
    joy = fleet.node("joy", base).create_publisher(Bool, f"/r1{name}", 10)
    marks = fleet.listen(robot, Bool, name)
    fleet.until(joy.get_subscription_count, "the robot")
    joy.publish(Bool())
    fleet.until(lambda: there.is_known, "the node's false")
    with tool(base, f"/r1{name}", data=True):
        fleet.until(lambda: there.is_pressed, "the press")
    heard = len(marks.got)
    joy.publish(Bool())
    fleet.until(lambda: len(marks.got) > heard, "the node's false")
    fleet.spin_for(0.1)
    assert there.is_pressed
    with tool(base, f"/r1{name}", data=False):
        fleet.until(lambda: not there.is_pressed, "the release")


def test_a_base_that_comes_later_does_not_release_the_press_of_another_by_its_older_false(
    fleet: Fleet,
) -> None:
    pytest.importorskip("zenoh")
    router = f"127.0.0.1:{free_port()}"
    fleet.router("--listen", router)
    robot = fleet.machine("--as", "r1", "--connect", router, "--subscribe", TOPIC)
    base = fleet.machine("--connect", router, "--publish", THERE)
    later = fleet.machine()
    later.words = base.words
    there = EmergencyStop(fleet.node("driver", robot))
    plain = fleet.listen(robot, Bool, TOPIC)
    with contextlib.ExitStack() as tools:
        tools.enter_context(tool(later, THERE, data=False))
        fleet.spin_for(1.0)  # older by more than the ways to the robot may differ under load
        tools.enter_context(tool(base, THERE, data=True))
        fleet.until(lambda: there.is_pressed and plain.got, "the press")
        heard = len(plain.got)
        later.start_uplink()
        fleet.until(lambda: len(plain.got) > heard, "the older false")
        fleet.spin_for(0.1)
        assert there.is_pressed
    with tool(later, THERE, data=False):
        fleet.until(lambda: not there.is_pressed, "the new false")
