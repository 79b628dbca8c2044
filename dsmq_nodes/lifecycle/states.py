"""The states of a lifecycle node as a table, sans-I/O.

A node rests in a primary state (unconfigured, inactive, active, finalized). A transition takes it
to a transition state (configuring, activating, ...), in which its callback runs. The callback's
result decides the next state: SUCCESS leads to the goal, FAILURE back (from shuttingdown to
finalized), ERROR to errorprocessing, where `on_error` runs. After its SUCCESS the node is
unconfigured, else finalized.

Numbers, labels and arrows are those of ROS 2: lifecycle_msgs, design.ros2.org/articles/
node_lifecycle.html, and rcl_lifecycle's default state machine.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple

from dsmq_nodes.errors import TransitionError
from dsmq_nodes.messages.lifecycle import State
from dsmq_nodes.messages.lifecycle import Transition as Ids
from dsmq_nodes.suggest import nearest


class TransitionCallbackReturn(IntEnum):
    """The result of a transition's callback."""

    SUCCESS = Ids.TRANSITION_CALLBACK_SUCCESS
    FAILURE = Ids.TRANSITION_CALLBACK_FAILURE
    ERROR = Ids.TRANSITION_CALLBACK_ERROR


# Also a coroutine of it: with `Any` an `async def` may override a `def`, and a `def` that returns
# `super().on_activate(state)` has the declared type.
TransitionResult = TransitionCallbackReturn | Any


class LifecycleState(NamedTuple):
    """A state: its number in lifecycle_msgs/msg/State, and its name."""

    state_id: int
    label: str

    def __str__(self) -> str:
        return f"{self.label} [{self.state_id}]"


class StateTransition(NamedTuple):
    """A transition between two states."""

    transition_id: int
    label: str
    start: LifecycleState
    goal: LifecycleState


UNKNOWN: Final = LifecycleState(State.PRIMARY_STATE_UNKNOWN, "unknown")
UNCONFIGURED: Final = LifecycleState(State.PRIMARY_STATE_UNCONFIGURED, "unconfigured")
INACTIVE: Final = LifecycleState(State.PRIMARY_STATE_INACTIVE, "inactive")
ACTIVE: Final = LifecycleState(State.PRIMARY_STATE_ACTIVE, "active")
FINALIZED: Final = LifecycleState(State.PRIMARY_STATE_FINALIZED, "finalized")
CONFIGURING: Final = LifecycleState(State.TRANSITION_STATE_CONFIGURING, "configuring")
CLEANINGUP: Final = LifecycleState(State.TRANSITION_STATE_CLEANINGUP, "cleaningup")
SHUTTINGDOWN: Final = LifecycleState(State.TRANSITION_STATE_SHUTTINGDOWN, "shuttingdown")
ACTIVATING: Final = LifecycleState(State.TRANSITION_STATE_ACTIVATING, "activating")
DEACTIVATING: Final = LifecycleState(State.TRANSITION_STATE_DEACTIVATING, "deactivating")
ERRORPROCESSING: Final = LifecycleState(State.TRANSITION_STATE_ERRORPROCESSING, "errorprocessing")

PRIMARY: Final = (UNKNOWN, UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED)
PASSING: Final = (
    CONFIGURING, CLEANINGUP, SHUTTINGDOWN, ACTIVATING, DEACTIVATING, ERRORPROCESSING,
)  # fmt: skip
STATES: Final = (*PRIMARY, *PASSING)

# Transitions that others request, by number or label.
REQUESTS: Final = (
    StateTransition(Ids.TRANSITION_CONFIGURE, "configure", UNCONFIGURED, CONFIGURING),
    StateTransition(Ids.TRANSITION_CLEANUP, "cleanup", INACTIVE, CLEANINGUP),
    StateTransition(Ids.TRANSITION_ACTIVATE, "activate", INACTIVE, ACTIVATING),
    StateTransition(Ids.TRANSITION_DEACTIVATE, "deactivate", ACTIVE, DEACTIVATING),
    StateTransition(Ids.TRANSITION_UNCONFIGURED_SHUTDOWN, "shutdown", UNCONFIGURED, SHUTTINGDOWN),
    StateTransition(Ids.TRANSITION_INACTIVE_SHUTDOWN, "shutdown", INACTIVE, SHUTTINGDOWN),
    StateTransition(Ids.TRANSITION_ACTIVE_SHUTDOWN, "shutdown", ACTIVE, SHUTTINGDOWN),
)
# The next states after SUCCESS, FAILURE and ERROR, and the number of the first of the three.
_OUTCOMES: Final = (
    (Ids.TRANSITION_ON_CONFIGURE_SUCCESS, CONFIGURING, INACTIVE, UNCONFIGURED, ERRORPROCESSING),
    (Ids.TRANSITION_ON_CLEANUP_SUCCESS, CLEANINGUP, UNCONFIGURED, INACTIVE, ERRORPROCESSING),
    (Ids.TRANSITION_ON_ACTIVATE_SUCCESS, ACTIVATING, ACTIVE, INACTIVE, ERRORPROCESSING),
    (Ids.TRANSITION_ON_DEACTIVATE_SUCCESS, DEACTIVATING, INACTIVE, ACTIVE, ERRORPROCESSING),
    (Ids.TRANSITION_ON_SHUTDOWN_SUCCESS, SHUTTINGDOWN, FINALIZED, FINALIZED, ERRORPROCESSING),
    (Ids.TRANSITION_ON_ERROR_SUCCESS, ERRORPROCESSING, UNCONFIGURED, FINALIZED, FINALIZED),
)
_FOLLOWS: Final = {
    (start, result): StateTransition(
        first_id + number, f"transition_{result.name.lower()}", start, goal
    )
    for first_id, start, *goals in _OUTCOMES
    for number, (result, goal) in enumerate(zip(TransitionCallbackReturn, goals, strict=True))
}
GRAPH: Final = (*REQUESTS, *_FOLLOWS.values())


class StateMachine:
    """The state machine of a lifecycle node.

    Attributes:
        state: the state it is in.
    """

    def __init__(self, name: str) -> None:
        """Begin unconfigured; `name` is for error texts."""
        self.state = UNCONFIGURED
        self._name = name

    def available(self) -> list[StateTransition]:
        """Return the transitions from the current state."""
        return [each for each in GRAPH if each.start == self.state]

    def begin(self, asked: int | str) -> StateTransition:
        """Go to the state of a transition; `asked` is the transition's number or label.

        Raises:
            TransitionError: there is no such transition from the current state.
        """
        requests = [each for each in REQUESTS if each.start == self.state]
        for each in requests:
            if asked in (each.transition_id, each.label):
                return self._move_by(each)
        known = {each.label for each in REQUESTS} | {str(each.transition_id) for each in REQUESTS}
        here = ", ".join(each.label for each in requests)
        if self.state in PASSING:
            here = "none until its callback has returned"
        close = nearest(str(asked), {each.label for each in REQUESTS})
        hint = f"did you mean {close!r}? " if close and str(asked) not in known else ""
        raise TransitionError(
            f"{self._name} is {self.state.label}: no transition {asked!r} from there; {hint}"
            f"there is: {here or 'none, it has ended'}"
        )

    def follow(self, result: TransitionCallbackReturn) -> StateTransition:
        """Leave the state of a transition, by the result of its callback."""
        return self._move_by(_FOLLOWS[self.state, result])

    def _move_by(self, transition: StateTransition) -> StateTransition:
        self.state = transition.goal
        return transition
