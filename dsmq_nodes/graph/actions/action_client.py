"""The calling end of an action; action_server.py has its services and topics."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from dsmq_nodes.graph.actions.goal import GoalState
from dsmq_nodes.graph.callback import Result, check_takes
from dsmq_nodes.graph.given import of_kind, subclass_of
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.services.future import Future
from dsmq_nodes.graph.wrong_message import given_instead
from dsmq_nodes.messages.action import GoalInfo, GoalStatusArray
from dsmq_nodes.messages.action_srv import CancelGoal
from dsmq_nodes.messages.action_type import (
    Action,
    ActionType,
    FeedbackT,
    GoalT,
    ResultT,
    action_parts,
)
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.unique_identifier import UUID
from dsmq_nodes.topic_names import ACTION

_ResultT_co = TypeVar("_ResultT_co", bound=Message, covariant=True)
_FeedbackT_co = TypeVar("_FeedbackT_co", bound=Message, covariant=True)
_ENDED: Final = {GoalState.SUCCEEDED, GoalState.CANCELED, GoalState.ABORTED}
_LATE_SEC: Final = 1.0
_LOST_SEC: Final = 10.0  # a server that was away for this long has lost its goals


class GoalResult(Protocol[_ResultT_co]):
    """The end of a goal, from `get_result_async`: its state, see `GoalState`, and the result."""

    @property
    def status(self) -> int:
        """The state in which the goal ended."""

    @property
    def result(self) -> _ResultT_co:
        """The server's result; None if the goal failed and a field has no default."""


class GoalFeedback(Protocol[_FeedbackT_co]):
    """The argument of a `feedback_callback`."""

    @property
    def goal_id(self) -> UUID:
        """The goal that the feedback belongs to."""

    @property
    def feedback(self) -> _FeedbackT_co:
        """The action's feedback."""


class ClientGoalHandle(Generic[GoalT, ResultT, FeedbackT]):
    """A goal that was sent.

    Attributes:
        accepted: whether the server has accepted it.
        goal_id: its id.
        stamp: when it was accepted.
        status: its last known state; see `GoalState`.
    """

    def __init__(
        self, client: "ActionClient[GoalT, ResultT, FeedbackT]", goal_id: UUID, response: Any
    ) -> None:
        self.goal_id = goal_id
        self.accepted: bool = response.accepted
        self.stamp = response.stamp
        self.status = 0
        self._client = client

    def get_result_async(self) -> Future[GoalResult[ResultT]]:
        """Return a future with `status` (see `GoalState`) and `result`, for the goal's end.

        When the server is lost before that, the future has a ServiceUnavailableError.
        """
        return self._client.get_result_async(self)

    def cancel_goal_async(self) -> Future[CancelGoal.Response]:
        """Request its cancellation; refused if `goals_canceling` of the response is empty."""
        return self._client.cancel_goal_async(self)


class ActionClient(Generic[GoalT, ResultT, FeedbackT]):
    """Sends goals to an action's server."""

    def __init__(
        self, node: Node, action_type: ActionType[GoalT, ResultT, FeedbackT], action_name: str
    ) -> None:
        """Make a client of an action.

        Raises:
            TypeError: not an action type.
        """
        of_kind(node, Node, "the node of an ActionClient")
        self.action_type: type[Action] = subclass_of(action_type, Action, "an action's type")
        self.action_name = node.resolve_service_name(action_name)
        self._node = node
        parts = action_parts(action_type)
        start = f"{self.action_name}{ACTION}"
        self._types = parts
        self._send_goal = node.create_client(parts.send_goal, f"{start}/send_goal")
        self._cancel_goal = node.create_client(CancelGoal, f"{start}/cancel_goal")
        self._get_result = node.create_client(parts.get_result, f"{start}/get_result")
        self._feedback_callbacks: dict[bytes, Callable[[Any], Result]] = {}
        # The status of goals without a known end: it may come before the answer to a goal.
        self._sent: dict[bytes, int] = {}
        self._handles: WeakValueDictionary[bytes, ClientGoalHandle[GoalT, ResultT, FeedbackT]] = (
            WeakValueDictionary()
        )
        self._is_forgetting = False
        self._graph = node._kit.topics.graph
        self._graph.watchers.append(self._on_graph)
        self._subscriptions: list[Any] = [
            node.create_subscription(
                parts.feedback_message, f"{start}/feedback", self._on_feedback, 100
            ),
            node.create_subscription(GoalStatusArray, f"{start}/status", self._on_status, 10),
        ]

    def send_goal_async(
        self,
        goal: GoalT,
        feedback_callback: Callable[[GoalFeedback[FeedbackT]], Result] | None = None,
        goal_uuid: UUID | None = None,
    ) -> Future[ClientGoalHandle[GoalT, ResultT, FeedbackT]]:
        """Send a goal; the future will have its handle, which says whether it was accepted.

        Cancelling the future, as a timeout does, also cancels the goal.

        Args:
            goal: the goal, of the action's type.
            feedback_callback: called with each message, which has `feedback` and `goal_id`.
            goal_uuid: the goal's id; None: a new one.

        Raises:
            TypeError: the goal is not of the action's type.
        """
        if not isinstance(goal, self.action_type.Goal):
            raise TypeError(
                f"{self.action_name} takes a {self.action_type.Goal.type_name}, "
                f"{given_instead(self.action_type.Goal, goal)}"
            )
        if feedback_callback is not None:
            kind = f"the feedback_callback of {self.action_name}"
            check_takes(feedback_callback, kind, "feedback")
        new_id = self._node._kit.services.new_id
        goal_id = goal_uuid or UUID(uuid=new_id())
        if feedback_callback is not None:
            self._feedback_callbacks[goal_id.uuid] = feedback_callback
        self._sent[goal_id.uuid] = 0
        request = self._types.send_goal.Request(goal_id=goal_id, goal=goal)

        def sent(response: Any) -> ClientGoalHandle[GoalT, ResultT, FeedbackT]:
            handle = ClientGoalHandle(self, goal_id, response)
            if handle.accepted:
                handle.status = self._sent.get(goal_id.uuid, 0)
                self._handles[goal_id.uuid] = handle
            else:
                self._forget(goal_id.uuid)
            return handle

        def cancel() -> None:
            if call.cancel():
                self._cancel_unasked(goal_id.uuid)  # it may be accepted later

        call = self._send_goal.call_async(request)
        future = call.then(sent, lambda: self._forget(goal_id.uuid))
        future.on_cancel = cancel
        return future

    def get_result_async(
        self, handle: ClientGoalHandle[GoalT, ResultT, FeedbackT]
    ) -> Future[GoalResult[ResultT]]:
        """Return a future with the goal's result; see `ClientGoalHandle`."""

        def ended(response: Any) -> GoalResult[ResultT]:
            handle.status = response.status
            self._forget(handle.goal_id.uuid)
            return cast("GoalResult[ResultT]", response)

        request = self._types.get_result.Request(goal_id=handle.goal_id)
        return self._get_result.call_async(request).then(ended)

    def cancel_goal_async(
        self, handle: ClientGoalHandle[GoalT, ResultT, FeedbackT]
    ) -> Future[CancelGoal.Response]:
        """Request the cancellation of a goal; see `ClientGoalHandle`."""
        request = CancelGoal.Request(goal_info=GoalInfo(goal_id=handle.goal_id))
        return self._cancel_goal.call_async(request)

    def server_is_ready(self) -> bool:
        """Whether a node serves the action, as far as is known."""
        clients = (self._send_goal, self._cancel_goal, self._get_result)
        return all(client.service_is_ready() for client in clients)

    def wait_for_server(self, timeout_sec: float | None = None) -> bool:
        """Wait until a node serves the action; callbacks run meanwhile. Returns False on timeout.

        Raises:
            SpinError: called from a callback: `await client.wait_for_server_async()` there.
        """
        spinner = self._node._kit.spinner
        work = self.wait_for_server_async(timeout_sec)
        return bool(spinner.block_on(work, "await client.wait_for_server_async()"))

    async def wait_for_server_async(self, timeout_sec: float | None = None) -> bool:
        """Do the same as `wait_for_server`, in a coroutine."""
        return await self._graph.within(self.server_is_ready, timeout_sec)

    def _on_feedback(self, msg: Any) -> Result:
        callback = self._feedback_callbacks.get(msg.goal_id.uuid)
        return callback(msg) if callback is not None else None

    def _on_status(self, msg: GoalStatusArray) -> None:
        ended = []
        for each in msg.status_list:
            goal_id = each.goal_info.goal_id.uuid
            handle = self._handles.get(goal_id)
            if handle is not None:
                handle.status = each.status
            if goal_id in self._sent:
                self._sent[goal_id] = each.status
                if each.status in _ENDED:
                    ended.append(goal_id)
        if ended:
            self._node._kit.dispatcher.begin(self._forget_soon(ended))

    def _on_graph(self) -> None:
        if self._sent and not self._is_forgetting and self._is_server_gone():
            self._is_forgetting = True
            self._node._kit.dispatcher.begin(self._forget_if_lost())

    def _is_server_gone(self) -> bool:
        return self._graph.is_known and not self.server_is_ready()

    async def _forget_soon(self, goal_ids: list[bytes]) -> None:
        await asyncio.sleep(_LATE_SEC)  # the server's last message may still come
        for goal_id in goal_ids:
            self._forget(goal_id)

    async def _forget_if_lost(self) -> None:
        try:
            await asyncio.sleep(_LOST_SEC)
            if self._is_server_gone():
                self._feedback_callbacks.clear()
                self._sent.clear()
        finally:
            self._is_forgetting = False

    def _forget(self, goal_id: bytes) -> None:
        self._feedback_callbacks.pop(goal_id, None)
        self._sent.pop(goal_id, None)

    def _cancel_unasked(self, goal_id: bytes) -> None:
        """Cancel a goal whose result is no longer wanted, without waiting for the answer."""
        if self.server_is_ready():
            request = CancelGoal.Request(goal_info=GoalInfo(goal_id=UUID(uuid=goal_id)))
            self._cancel_goal.call_async(request).ignore()

    def destroy(self) -> None:
        """Stop sending goals; goals that wait for a result fail.

        The client's goals that have not ended are cancelled: no other client could do that.
        """
        for goal_id in sorted(self._sent):
            self._cancel_unasked(goal_id)
        self._sent.clear()
        if self._on_graph in self._graph.watchers:
            self._graph.watchers.remove(self._on_graph)
        for client in (self._send_goal, self._cancel_goal, self._get_result):
            self._node.destroy_client(client)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
