"""ROS 2's lifecycle_msgs."""

from typing import ClassVar

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.fields import uint8, uint64
from dsmq_nodes.messages.service_base import Service


class State(Message):
    """A state of a lifecycle node: a primary state is stable, a transition state is temporary."""

    PRIMARY_STATE_UNKNOWN: ClassVar[uint8] = 0
    PRIMARY_STATE_UNCONFIGURED: ClassVar[uint8] = 1
    PRIMARY_STATE_INACTIVE: ClassVar[uint8] = 2
    PRIMARY_STATE_ACTIVE: ClassVar[uint8] = 3
    PRIMARY_STATE_FINALIZED: ClassVar[uint8] = 4
    TRANSITION_STATE_CONFIGURING: ClassVar[uint8] = 10
    TRANSITION_STATE_CLEANINGUP: ClassVar[uint8] = 11
    TRANSITION_STATE_SHUTTINGDOWN: ClassVar[uint8] = 12
    TRANSITION_STATE_ACTIVATING: ClassVar[uint8] = 13
    TRANSITION_STATE_DEACTIVATING: ClassVar[uint8] = 14
    TRANSITION_STATE_ERRORPROCESSING: ClassVar[uint8] = 15

    id: uint8 = 0
    label: str = ""


class Transition(Message):
    """A step from one state of a lifecycle node to another."""

    TRANSITION_CREATE: ClassVar[uint8] = 0
    TRANSITION_CONFIGURE: ClassVar[uint8] = 1
    TRANSITION_CLEANUP: ClassVar[uint8] = 2
    TRANSITION_ACTIVATE: ClassVar[uint8] = 3
    TRANSITION_DEACTIVATE: ClassVar[uint8] = 4
    TRANSITION_UNCONFIGURED_SHUTDOWN: ClassVar[uint8] = 5
    TRANSITION_INACTIVE_SHUTDOWN: ClassVar[uint8] = 6
    TRANSITION_ACTIVE_SHUTDOWN: ClassVar[uint8] = 7
    TRANSITION_DESTROY: ClassVar[uint8] = 8
    TRANSITION_ON_CONFIGURE_SUCCESS: ClassVar[uint8] = 10
    TRANSITION_ON_CONFIGURE_FAILURE: ClassVar[uint8] = 11
    TRANSITION_ON_CONFIGURE_ERROR: ClassVar[uint8] = 12
    TRANSITION_ON_CLEANUP_SUCCESS: ClassVar[uint8] = 20
    TRANSITION_ON_CLEANUP_FAILURE: ClassVar[uint8] = 21
    TRANSITION_ON_CLEANUP_ERROR: ClassVar[uint8] = 22
    TRANSITION_ON_ACTIVATE_SUCCESS: ClassVar[uint8] = 30
    TRANSITION_ON_ACTIVATE_FAILURE: ClassVar[uint8] = 31
    TRANSITION_ON_ACTIVATE_ERROR: ClassVar[uint8] = 32
    TRANSITION_ON_DEACTIVATE_SUCCESS: ClassVar[uint8] = 40
    TRANSITION_ON_DEACTIVATE_FAILURE: ClassVar[uint8] = 41
    TRANSITION_ON_DEACTIVATE_ERROR: ClassVar[uint8] = 42
    TRANSITION_ON_SHUTDOWN_SUCCESS: ClassVar[uint8] = 50
    TRANSITION_ON_SHUTDOWN_FAILURE: ClassVar[uint8] = 51
    TRANSITION_ON_SHUTDOWN_ERROR: ClassVar[uint8] = 52
    TRANSITION_ON_ERROR_SUCCESS: ClassVar[uint8] = 60
    TRANSITION_ON_ERROR_FAILURE: ClassVar[uint8] = 61
    TRANSITION_ON_ERROR_ERROR: ClassVar[uint8] = 62
    TRANSITION_CALLBACK_SUCCESS: ClassVar[uint8] = 97
    TRANSITION_CALLBACK_FAILURE: ClassVar[uint8] = 98
    TRANSITION_CALLBACK_ERROR: ClassVar[uint8] = 99

    id: uint8 = 0
    label: str = ""


class TransitionDescription(Message):
    """A transition, its start state and its goal state."""

    transition: Transition = Transition()
    start_state: State = State()
    goal_state: State = State()


class TransitionEvent(Message):
    """A transition that was made; `timestamp` is in ns."""

    timestamp: uint64 = 0
    transition: Transition = Transition()
    start_state: State = State()
    goal_state: State = State()


class ChangeState(Service):
    """Trigger a transition of a lifecycle node."""

    class Request(Message):
        """The transition: by its id, or by its label when the id is 0."""

        transition: Transition = Transition()

    class Response(Message):
        """Whether the transition's callback succeeded."""

        success: bool = False


class GetState(Service):
    """Get the current state of a lifecycle node."""

    class Request(Message):
        """No fields."""

    class Response(Message):
        """The current state."""

        current_state: State = State()


class GetAvailableStates(Service):
    """Get all states of a lifecycle node."""

    class Request(Message):
        """No fields."""

    class Response(Message):
        """The states."""

        available_states: list[State] = []


class GetAvailableTransitions(Service):
    """Get the transitions from the current state; as `~/get_transition_graph`, all of them."""

    class Request(Message):
        """No fields."""

    class Response(Message):
        """The transitions."""

        available_transitions: list[TransitionDescription] = []
