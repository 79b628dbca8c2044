"""An emergency stop from a machine whose clock is years behind the robot's."""

import pytest

from dsmq_nodes.graph.safety import EmergencyStop
from tests.gateways.uplink.fleet import Fleet, pair

pytest.importorskip("zenoh")

_AHEAD_NS = 4 * 10**18  # the year 2096


def test_a_stop_that_goes_both_ways_is_obeyed_whatever_the_clocks_say(fleet: Fleet) -> None:
    rules = ("--publish", "--subscribe")
    robot, base = pair(
        fleet,
        [word for rule in rules for word in (rule, "/emergency_stop")],
        [word for rule in rules for word in (rule, "/r1/emergency_stop")],
    )
    there = EmergencyStop(fleet.node("driver", robot))
    there.recall(_AHEAD_NS)
    there.release()
    here = EmergencyStop(fleet.node("desk", base), topic="/r1/emergency_stop")
    fleet.until(lambda: here.is_known, "the robot's state")
    here.press()
    fleet.until(lambda: there.is_pressed, "the stop")
    there.release()
    fleet.until(lambda: not here.is_pressed, "the release")
