"""An emergency stop from a machine whose clock is years behind the robot's."""

import json

import pytest

from dsmq_nodes.graph.emergency_stop import EmergencyStop
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages import Bool
from dsmq_nodes.tools.session import Session
from tests.gateways.uplink.fleet import Fleet, Machine, pair

pytest.importorskip("zenoh")

_AHEAD_NS = 4 * 10**18  # the year 2096


def _set_ahead(robot: Machine) -> None:
    """The robot's last state is of the year 2096."""
    with Session(robot.address) as tool:
        tool.advertise("/emergency_stop", Bool.type_name, schema_text(Bool))
        tool.put("/emergency_stop", json.dumps({"data": False, "changed_ns": _AHEAD_NS}))


@pytest.mark.parametrize("both_ways", [True, False], ids=["both ways", "one way"])
def test_a_stop_is_obeyed_and_released_whatever_the_clocks_say(
    fleet: Fleet, both_ways: bool
) -> None:
    robot, base = pair(
        fleet,
        ["--subscribe", "/emergency_stop", *(["--publish", "/emergency_stop"] * both_ways)],
        ["--publish", "/r1/emergency_stop", *(["--subscribe", "/r1/emergency_stop"] * both_ways)],
    )
    there = EmergencyStop(fleet.node("driver", robot))
    _set_ahead(robot)
    fleet.until(lambda: there.is_known, "the robot's state")
    here = EmergencyStop(fleet.node("desk", base), topic="/r1/emergency_stop")
    if both_ways:
        fleet.until(lambda: here.is_known, "the robot's state at the base")
    for _ in range(2):
        here.press()
        fleet.until(lambda: there.is_pressed, "the stop")
        here.release()
        fleet.until(lambda: not there.is_pressed, "the release")


def test_a_base_that_does_not_know_the_robots_stop_cannot_release_it(fleet: Fleet) -> None:
    robot, base = pair(
        fleet, ["--subscribe", "/emergency_stop"], ["--publish", "/r1/emergency_stop"]
    )
    there = EmergencyStop(fleet.node("driver", robot))
    here = EmergencyStop(fleet.node("desk", base), topic="/r1/emergency_stop")
    there.press()
    here.release()
    here.press()
    heard_of = len(there._state.stops)
    fleet.until(lambda: len(there._state.stops) > heard_of, "the base's stop")
    here.release()
    base_stop = here._state.stops[-1]
    fleet.until(lambda: base_stop in there._state.stops, "the base's release")
    assert there.is_pressed
    there.release()
    fleet.until(lambda: not there.is_pressed, "its own release")
