"""The states of a managed node and the transitions between them. No I/O here.

Source: design.ros2.org/articles/node_lifecycle.html; the numbers are those of lifecycle_msgs.
"""

from enum import Enum
from typing import Any, Final, NamedTuple

from dsmq_nodes.lifecycle.states import GRAPH, STATES, UNCONFIGURED
from dsmq_nodes.rclpy.impl.c_enum import CEnumType
from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.log_output import log_inside

_WARN = 30


class TransitionCallbackReturnType(Enum, metaclass=CEnumType):
    """The return values of a transition's callback."""

    SUCCESS = 97
    FAILURE = 98
    ERROR = 99

    def __int__(self) -> int:
        return self.value

    def __hash__(self) -> int:
        return self.value

    def to_label(self) -> str:
        """Return the label of the transition that follows."""
        return f"transition_{self.name.lower()}"


class MachineTransition(NamedTuple):
    """A transition: its number and label, the state where it begins and the one where it ends."""

    id: int
    label: str
    start_id: int
    start_label: str
    goal_id: int
    goal_label: str


_TRANSITIONS: Final = [
    MachineTransition(each.transition_id, each.label, *each.start, *each.goal)
    # In rcl's order: after a transition (5 to 7: shutdown) the three that may follow it.
    for each in sorted(
        GRAPH, key=lambda each: each.transition_id // 10 or min(each.transition_id, 5)
    )
]


class LifecycleMachine:
    """The state of one managed node.

    Attributes:
        publish: called with each transition that was made, unless it is None.
        current_state: its number and label.
        service_change_state, ...: the inner sides of its services; None without them.
    """

    initialized = True

    def __init__(self, publish: Any = None) -> None:
        """Begin unconfigured."""
        self.publish = publish
        self.current_state: tuple[int, str] = (*UNCONFIGURED,)
        self.service_change_state: Any = None
        self.service_get_state: Any = None
        self.service_get_available_states: Any = None
        self.service_get_available_transitions: Any = None
        self.service_get_transition_graph: Any = None

    @property
    def available_states(self) -> list[tuple[int, str]]:
        """All states."""
        return [(*each,) for each in STATES]

    @property
    def available_transitions(self) -> list[MachineTransition]:
        """The transitions that begin in the current state."""
        return [each for each in _TRANSITIONS if each.start_id == self.current_state[0]]

    @property
    def transition_graph(self) -> list[MachineTransition]:
        """All transitions."""
        return list(_TRANSITIONS)

    def get_transition_by_label(self, label: str) -> int:
        """Return the number of the transition of a label that begins in the current state.

        Raises:
            RCLError: there is none.
        """
        for each in self.available_transitions:
            if each.label == label:
                return each.id
        raise self._no_transition(label)

    def _no_transition(self, wanted: object) -> RCLError:
        text = f"No transition matching {wanted} found for current state {self.current_state[1]}"
        log_inside(_WARN, "rcl_lifecycle", text)
        return RCLError(f"Failed to trigger lifecycle state machine transition: {wanted}")

    def trigger_transition_by_id(self, number: int, publish_update: bool) -> None:
        """Make a transition.

        Raises:
            RCLError: it does not begin in the current state.
        """
        self._trigger([each for each in self.available_transitions if each.id == number], number)

    def trigger_transition_by_label(self, label: str, publish_update: bool) -> None:
        """Make a transition; raises as `trigger_transition_by_id`."""
        self._trigger([each for each in self.available_transitions if each.label == label], label)

    def _trigger(self, found: list[MachineTransition], wanted: object) -> None:
        if not found:
            raise self._no_transition(wanted)
        transition = found[0]
        self.current_state = transition.goal_id, transition.goal_label
        if self.publish is not None:
            self.publish(transition)
