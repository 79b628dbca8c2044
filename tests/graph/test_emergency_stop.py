"""An emergency stop counts stops and releases; no clock decides."""

import json
import random
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes import EmergencyStop, Node, QoSProfile
from dsmq_nodes.graph.emergency_stop import StopState
from dsmq_nodes.messages import Bool
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.graph.conftest import spinning
from tests.support.waiting import until

TOPIC = "/emergency_stop"
LATCHED = QoSProfile(depth=1, durability="transient_local")
FAR_NS = 4 * 10**18  # the year 2096


class Keeper(Node):
    def __init__(self, name: str = "keeper") -> None:
        super().__init__(name)
        self.changes: list[bool] = []
        self.stop = EmergencyStop(self, self.changes.append)


def said(stops: dict[str, int], changed_ns: int = 1) -> str:
    """What an EmergencyStop of another machine says, whose clock stands at `changed_ns`."""
    return json.dumps({"data": 0 in stops.values(), "changed_ns": changed_ns, "stops": stops})


@pytest.fixture
def keeper(graph: Graph) -> Keeper:
    """One whose own clock was in the year 2096 when it was released last."""
    keeper = graph.add(Keeper)
    graph.inject_text(TOPIC, said({"once": 1}, FAR_NS))
    graph.run_for(0.1)
    return keeper


def test_a_stop_is_obeyed_whatever_the_clocks_say(graph: Graph, keeper: Keeper) -> None:
    for number in range(3):
        for state in (0, 1):
            graph.inject_text(TOPIC, said({f"desk-{number}": state}, changed_ns=1 + number))
            graph.run_for(0.1)
    assert keeper.changes == [True, False] * 3


def test_a_release_is_of_the_stops_that_it_names_alone(graph: Graph, keeper: Keeper) -> None:
    keeper.stop.press()
    graph.inject_text(TOPIC, said({"desk-1": 0}))
    graph.inject_text(TOPIC, said({"desk-1": 1}, changed_ns=FAR_NS + 10**15))
    graph.inject_text(TOPIC, said({"nothing": 1}, changed_ns=FAR_NS + 10**15))
    graph.run_for(0.1)
    assert keeper.stop.is_pressed
    keeper.stop.release()
    graph.run_for(0.1)
    assert keeper.changes == [True, False]


def test_of_a_press_and_a_release_that_cross_the_press_wins(graph: Graph) -> None:
    keepers = [graph.add(Keeper), graph.add(lambda: Keeper("other"))]
    keepers[0].stop.press()
    graph.run_for(0.1)
    keepers[0].stop.press()
    keepers[1].stop.release()
    graph.run_for(1.0)
    assert [each.stop.is_pressed for each in keepers] == [True, True]


def test_a_press_whose_fields_cannot_be_read_is_a_press(graph: Graph, keeper: Keeper) -> None:
    graph.inject_text(TOPIC, said({"desk-1": 0, "far": 2**60}).replace('"desk-1": 0, ', ""))
    graph.run_for(0.1)
    assert keeper.changes == [True]


def test_what_was_released_stays_so_whoever_comes_back(graph: Graph, keeper: Keeper) -> None:
    heard = graph.observe(Bool, TOPIC)
    graph.inject_text(TOPIC, said({"desk-1": 0}))
    graph.run_for(0.1)
    keeper.stop.release()
    graph.run_for(0.1)
    graph.inject_text(TOPIC, said({"desk-1": 0}, FAR_NS + 10**15))
    graph.run_for(0.1)
    assert keeper.changes == [True, False]
    assert not heard[-1].data  # so it is told


def test_a_state_that_was_kept_is_pressed_unless_others_know_better(graph: Graph) -> None:
    keeper = graph.add(Keeper)
    keeper.stop.press()
    kept = keeper.stop.kept
    again = graph.add(lambda: Keeper("again"))
    assert again.stop.recall(kept) == json.loads(kept)["changed_ns"]
    graph.run_for(0.1)
    assert again.stop.is_pressed
    keeper.stop.release()
    later = graph.add(lambda: Keeper("later"))
    later.stop.recall(kept)
    graph.run_for(0.1)
    assert not any(each.stop.is_pressed for each in (keeper, again, later))
    later.stop.recall("half a fi")
    graph.run_for(0.1)
    assert all(each.stop.is_pressed for each in (keeper, again, later))


def test_what_a_publisher_had_said_before_a_new_broker_releases_nothing(
    broker: BrokerProcess,
) -> None:
    keeper, panel = Keeper(), Node("panel")
    panel.create_publisher(Bool, TOPIC, LATCHED).publish(Bool(data=False))
    with spinning(keeper, panel):
        until(lambda: keeper.stop.is_known)
        keeper.stop.press()
        broker.kill()
        broker.start()
        later = Keeper("later")
        with spinning(later):
            until(lambda: later.stop.is_pressed)
            last = panel.create_publisher(Bool, "/told", LATCHED)  # behind its latched messages
            told: list[Bool] = []
            keeper.create_subscription(Bool, "/told", told.append, 1)
            last.publish(Bool())
            until(lambda: told)
            assert (keeper.stop.is_pressed, keeper.changes) == (True, [True])


class Switch(Node):
    """A button on the robot, as a driver publishes it: pressed or not, again and again."""

    def __init__(self, name: str = "switch") -> None:
        super().__init__(name)
        self.is_pressed = False
        self._publisher = self.create_publisher(Bool, TOPIC, LATCHED)
        self.create_timer(0.1, self.say)

    def say(self) -> None:
        self._publisher.publish(Bool(data=self.is_pressed))


def test_a_node_that_says_false_releases_what_it_has_pressed_and_no_other_stop(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, switch, desk = graph.add(Keeper), graph.add(Switch), graph.add(lambda: Keeper("desk"))
    graph.run_for(0.5)
    desk.stop.press()
    graph.run_for(0.5)
    assert keeper.changes == [True]
    late, restarted = graph.add(lambda: Keeper("late")), graph.add(lambda: Switch("other"))
    graph.run_for(0.5)
    assert (keeper.changes, late.changes) == ([True], [True])
    switch.is_pressed = True
    graph.run_for(0.5)
    desk.stop.release()  # of both: it has heard of them
    switch.is_pressed = restarted.is_pressed = False
    graph.run_for(0.5)
    assert (keeper.changes, late.changes) == ([True, False], [True, False])
    switch.is_pressed = True
    graph.run_for(0.5)
    switch.is_pressed = False
    graph.run_for(0.5)
    assert keeper.changes == [True, False, True, False]
    told = [each.getMessage() for each in caplog.records]
    told = [each for each in told if each.startswith("/switch says false")]
    assert len(told) == 3  # by each that keeps it, once
    assert "that releases its own press, not those of others: desk" in told[0]


def test_a_tool_that_says_false_releases_all(graph: Graph, keeper: Keeper) -> None:
    keeper.stop.press()
    graph.add(Switch).is_pressed = True
    graph.run_for(0.05)
    graph.inject(TOPIC, Bool(data=False))
    graph.run_for(0.02)
    assert keeper.changes == [True, False]


NAMES = st.sampled_from("abcdef")
STATES = st.builds(
    lambda ns, stops: StopState().joined(StopState(ns, tuple(stops.items()))),
    st.integers(1, 50),
    st.dictionaries(NAMES, st.integers(0, 5), min_size=1),
)


@given(st.lists(STATES, min_size=1, max_size=6), st.randoms())
def test_states_become_one_in_whatever_order_they_are_heard(
    states: list[StopState], chance: random.Random
) -> None:
    joined = reduce(StopState.joined, states)
    chance.shuffle(states)
    assert reduce(StopState.joined, states).stops == joined.stops
    assert all(joined.joined(each) == joined for each in states)


@given(STATES, st.booleans(), NAMES, st.integers(0, 50))
def test_nodes_of_earlier_versions_take_each_change_for_a_later_state(
    state: StopState, is_pressed: bool, name: str, at_ns: int
) -> None:
    changed = state.pressed(name + "2", at_ns) if is_pressed else state.released(name, at_ns)
    assert changed.for_older_versions > state.for_older_versions
    assert changed.is_pressed == is_pressed
    both = state.joined(changed)
    assert both.is_pressed == is_pressed
    assert both.for_older_versions >= changed.for_older_versions


def test_the_oldest_are_forgotten_first() -> None:
    state = StopState()
    for number in range(300):
        state = state.pressed(f"stop {number}", 1).released("all", 1)
    assert [stop for stop, _ in state.stops] == [f"stop {number}" for number in range(236, 300)]
    for number in range(300):
        state = state.pressed(f"again {number}", 1)
    assert len(state.stops) == 128
    assert not state.released("all", 1).is_pressed
