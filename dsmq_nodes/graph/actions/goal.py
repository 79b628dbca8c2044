r"""One goal of an action at its server, and its state.

    ACCEPTED -> EXECUTING -> SUCCEEDED | ABORTED
        \           \-> CANCELING -> CANCELED | SUCCEEDED | ABORTED
         \-> CANCELED (it waited for its turn, or was deferred)

Source: design.ros2.org/articles/actions.html.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, Generic

from dsmq_nodes.errors import ActionError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.messages.action import GoalInfo
from dsmq_nodes.messages.action_type import FeedbackT, GoalT, ResultT


class GoalState(IntEnum):
    """The state of a goal; the numbers are those of action_msgs/msg/GoalStatus."""

    UNKNOWN = 0
    ACCEPTED = 1
    EXECUTING = 2
    CANCELING = 3
    SUCCEEDED = 4
    CANCELED = 5
    ABORTED = 6


_NEXT: Final = {
    GoalState.ACCEPTED: {GoalState.EXECUTING, GoalState.CANCELED},
    GoalState.EXECUTING: {GoalState.CANCELING, GoalState.SUCCEEDED, GoalState.ABORTED},
    GoalState.CANCELING: {GoalState.CANCELED, GoalState.SUCCEEDED, GoalState.ABORTED},
}


class ServerGoalHandle(Generic[GoalT, ResultT, FeedbackT]):
    """A goal, as the execute callback receives it.

    Attributes:
        request: the goal, as the client sent it.
        goal_info: its id, and when it was accepted.
        client: the node that sent it; empty for a tool.
        caller: the unique signature of that node or tool; see service_wire.py.
        status: its state.
        given: the result, once there is one.
    """

    def __init__(
        self,
        request: GoalT,
        goal_info: GoalInfo,
        caller: str,
        *,
        publish: Callable[["ServerGoalHandle[Any, Any, Any]", Any], None],
        changed: Callable[[], None],
        start: Callable[["ServerGoalHandle[Any, Any, Any]"], None],
    ) -> None:
        self.request = request
        self.goal_info = goal_info
        self.client = calls.node_of(caller)
        self.caller = caller
        self.status = GoalState.ACCEPTED
        self.given: ResultT | None = None
        self._publish = publish
        self._changed = changed
        self._start = start

    @property
    def goal_id(self) -> bytes:
        """The goal's id, 16 bytes."""
        return self.goal_info.goal_id.uuid

    @property
    def is_active(self) -> bool:
        """Whether the goal has not ended."""
        return self.status in _NEXT

    @property
    def is_cancel_requested(self) -> bool:
        """Whether the execute callback should stop and call `canceled`."""
        return self.status is GoalState.CANCELING

    def publish_feedback(self, feedback: FeedbackT) -> None:
        """Publish feedback for the client."""
        self._publish(self, feedback)

    def execute(self) -> None:
        """Execute the goal, after a `handle_accepted_callback` has deferred it.

        Does nothing if the goal was cancelled meanwhile, as it is when its client has gone.
        """
        self._start(self)

    def succeed(self, response: ResultT | None = None) -> None:
        """End a goal that is reached; pass the result here or return it from the callback."""
        self._end(GoalState.SUCCEEDED, response)

    def abort(self, response: ResultT | None = None) -> None:
        """End a goal that cannot be reached."""
        self._end(GoalState.ABORTED, response)

    def canceled(self, response: ResultT | None = None) -> None:
        """End a goal whose cancellation was requested."""
        self._end(GoalState.CANCELED, response)

    def _end(self, state: GoalState, response: ResultT | None) -> None:
        self.given = response if response is not None else self.given
        self.become(state)

    def become(self, state: GoalState) -> None:
        """Change the state.

        Raises:
            ActionError: this state cannot follow the current one.
        """
        if state not in _NEXT.get(self.status, ()):
            raise ActionError(
                f"a goal that is {self.status.name} cannot become {state.name}"
                + (": nobody has asked to cancel it" if state is GoalState.CANCELED else "")
            )
        self.status = state
        self._changed()
