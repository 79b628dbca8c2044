"""The state machine against ROS 2's design, written down once more and walked at random."""

from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dsmq_nodes.lifecycle import TransitionCallbackReturn, TransitionError
from dsmq_nodes.lifecycle.states import GRAPH, STATES, StateMachine
from dsmq_nodes.messages import State, Transition

# design.ros2.org/articles/node_lifecycle.html, one arrow a line; "*" is whatever came before.
DESIGN: Final = """
unconfigured    configure  configuring      inactive      unconfigured  errorprocessing
inactive        activate   activating       active        inactive      errorprocessing
active          deactivate deactivating     inactive      active        errorprocessing
inactive        cleanup    cleaningup       unconfigured  inactive      errorprocessing
unconfigured    shutdown   shuttingdown     finalized     finalized     errorprocessing
inactive        shutdown   shuttingdown     finalized     finalized     errorprocessing
active          shutdown   shuttingdown     finalized     finalized     errorprocessing
*               error      errorprocessing  unconfigured  finalized     finalized
"""
ARROWS: Final = [line.split() for line in DESIGN.split("\n") if line]
LABELS: Final = ["configure", "activate", "deactivate", "cleanup", "shutdown"]


class Walk(RuleBasedStateMachine):
    """Any requests and any results: the node is where the design says."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = StateMachine("/node")
        self.expected = "unconfigured"
        self.outcomes: list[str] = []

    @invariant()
    def it_is_where_the_design_says(self) -> None:
        assert self.machine.state.label == self.expected

    @rule(label=st.sampled_from(LABELS))
    def ask(self, label: str) -> None:
        arrow = next((a for a in ARROWS if a[0] == self.expected and a[1] == label), None)
        if arrow is None:
            with pytest.raises(TransitionError, match=f"/node is {self.expected}"):
                self.machine.begin(label)
            return
        step = self.machine.begin(label)
        assert (step.start.label, step.label) == (self.expected, label)
        self.expected, self.outcomes = arrow[2], arrow[3:]

    @precondition(lambda self: self.outcomes)
    @rule(number=st.integers(0, 2))
    def answer(self, number: int) -> None:
        self.machine.follow(list(TransitionCallbackReturn)[number])
        self.expected, self.outcomes = self.outcomes[number], []
        if self.expected == "errorprocessing":
            self.outcomes = ARROWS[-1][3:]


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_numbers_are_those_of_the_messages() -> None:
    assert TransitionCallbackReturn.SUCCESS == Transition.TRANSITION_CALLBACK_SUCCESS
    for state in STATES:
        names = {f"{kind}_STATE_{state.label.upper()}" for kind in ("PRIMARY", "TRANSITION")}
        (name,) = names & set(vars(State))
        assert getattr(State, name) == state.state_id
    by_id = {each.transition_id: each for each in GRAPH}
    assert len(by_id) == len(GRAPH) == 25
    constants = {
        name: value for name, value in vars(Transition).items() if name.startswith("TRANSITION_")
    }
    for name, value in constants.items():
        if value in (0, 8) or value > 90:  # made by no lifecycle node
            assert value not in by_id
            continue
        what, _, result = name.removeprefix("TRANSITION_").removeprefix("ON_").rpartition("_")
        label = by_id[value].label
        assert label == (f"transition_{result.lower()}" if what and value >= 10 else result.lower())


@pytest.mark.parametrize("asked", ["configure", 1, "shutdown", 5])
def test_a_transition_is_asked_for_by_label_or_number(asked: str | int) -> None:
    step = StateMachine("/node").begin(asked)
    assert asked in (step.label, step.transition_id)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("activate", "no transition 'activate' from there; there is: configure, shutdown"),
        ("confgure", "did you mean 'configure'"),
        (7, "no transition 7 from there; there is: configure"),
    ],
)
def test_what_is_refused_is_told_with_what_there_is(asked: str | int, text: str) -> None:
    with pytest.raises(TransitionError, match=text):
        StateMachine("/node").begin(asked)


def test_nothing_begins_in_the_middle_or_after_the_end() -> None:
    machine = StateMachine("/node")
    machine.begin("shutdown")
    with pytest.raises(TransitionError, match="none until its callback has returned"):
        machine.begin("shutdown")
    machine.follow(TransitionCallbackReturn.SUCCESS)
    with pytest.raises(TransitionError, match="there is: none, it has ended"):
        machine.begin("configure")
