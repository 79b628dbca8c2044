"""The serving end of an action, built of three services and two topics as in ROS 2.

An action `/dock` has the services `/dock/_action/send_goal`, `.../cancel_goal` and
`.../get_result` (answered when the goal has ended), and the topics `.../feedback` and `.../status`
(latched: the goals and their states). A goal that the network delayed by 3 s is refused: its client
may have been told that the server is lost. A goal whose client has gone (goal_clients.py) is
cancelled, or refused if it was not accepted yet. `cancel_callback` is not called for it: the client
cannot receive a refusal, and everything that moves has to stop.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Generic, Literal

from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.graph.actions.goal import GoalState, ServerGoalHandle
from dsmq_nodes.graph.actions.goal_clients import GoalClients
from dsmq_nodes.graph.callback import Result, callback_name, called, check_takes
from dsmq_nodes.graph.given import of_kind, subclass_of
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.time.ages import LATEST_SEC, Ages
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.messages.action import GoalInfo, GoalStatus, GoalStatusArray
from dsmq_nodes.messages.action_srv import CancelGoal
from dsmq_nodes.messages.action_type import (
    Action,
    ActionType,
    FeedbackT,
    GoalT,
    ResultT,
    action_parts,
)
from dsmq_nodes.messages.unique_identifier import UUID
from dsmq_nodes.topic_names import ACTION

if TYPE_CHECKING:
    from dsmq_nodes.messages.base import Message

_LEAST_SEC: Final = 0.1
_MOST_UNWANTED: Final = 1000
_LATCHED: Final = QoSProfile(depth=1, durability="transient_local")
WhenBusy = Literal["queue", "preempt", "reject", "parallel"]
Handle = ServerGoalHandle[GoalT, ResultT, FeedbackT]
ExecuteCallback = Callable[
    [ServerGoalHandle[GoalT, ResultT, FeedbackT]], ResultT | Awaitable[ResultT]
]


class GoalResponse(IntEnum):
    """The answer of a goal callback."""

    REJECT = 1
    ACCEPT = 2


class CancelResponse(IntEnum):
    """The answer of a cancel callback."""

    REJECT = 1
    ACCEPT = 2


class ActionServer(Generic[GoalT, ResultT, FeedbackT]):
    """Executes goals, reports their states, and lets them be cancelled."""

    def __init__(
        self,
        node: Node,
        action_type: ActionType[GoalT, ResultT, FeedbackT],
        action_name: str,
        execute_callback: ExecuteCallback[GoalT, ResultT, FeedbackT],
        *,
        goal_callback: Callable[[GoalT], GoalResponse | Awaitable[GoalResponse]] | None = None,
        handle_accepted_callback: Callable[[Handle[GoalT, ResultT, FeedbackT]], Result]
        | None = None,
        cancel_callback: Callable[
            [Handle[GoalT, ResultT, FeedbackT]], CancelResponse | Awaitable[CancelResponse]
        ]
        | None = None,
        when_busy: WhenBusy = "queue",
        result_timeout: float = 10.0,
    ) -> None:
        """Serve an action; every callback is `def` or `async def`.

        Args:
            node: the node that serves the action.
            action_type: a subclass of `Action`.
            action_name: the name of the action.
            execute_callback: `async def execute(goal_handle)` checks
                `goal_handle.is_cancel_requested` after each `await`, calls `succeed`, `abort` or
                `canceled`, and returns the result. A `def` blocks the node meanwhile.
            goal_callback: decides whether to accept a goal; without it all are accepted.
            handle_accepted_callback: called instead of executing an accepted goal: it calls
                `goal_handle.execute()` when the goal is to start.
            cancel_callback: decides whether a goal may be cancelled; without it all may. A goal
                whose client has gone is cancelled without a call of it.
            when_busy: what happens to a goal that comes while another executes: it waits ("queue"),
                the other is cancelled first ("preempt"), it is refused ("reject"), or it executes
                beside the other ("parallel").
            result_timeout: seconds for which the result of an ended goal is kept; less than 0: as
                long as the server exists.

        Raises:
            TypeError: `action_type` is not an action type, or a callback cannot be called or
                awaited.
            ValueError: this node serves that name already, or `when_busy` is none of the four.
        """
        for name, given, callback in (
            ("execute_callback", "goal_handle", execute_callback),
            ("goal_callback", "goal_request", goal_callback),
            ("handle_accepted_callback", "goal_handle", handle_accepted_callback),
            ("cancel_callback", "goal_handle", cancel_callback),
        ):
            if callback is not None or name == "execute_callback":
                check_takes(callback, f"the {name} of {action_name}", given)
        of_kind(node, Node, "the node of an ActionServer")
        if when_busy not in {"queue", "preempt", "reject", "parallel"}:
            raise ValueError(f"when_busy is queue, preempt, reject or parallel, not {when_busy!r}")
        self.action_type: type[Action] = subclass_of(action_type, Action, "an action's type")
        self.action_name = node.resolve_service_name(action_name)
        self._node = node
        self._execute = execute_callback
        self._goal_callback = goal_callback
        self._accepted_callback = handle_accepted_callback
        self._cancel_callback = cancel_callback
        self._when_busy = when_busy
        self._result_timeout_sec = result_timeout if result_timeout >= 0 else math.inf
        self._goals: dict[bytes, ServerGoalHandle[Any, Any, Any]] = {}
        self._ended_sec: dict[bytes, float] = {}
        self._waiting: list[ServerGoalHandle[Any, Any, Any]] = []
        self._running: dict[bytes, ServerGoalHandle[Any, Any, Any]] = {}
        self._done: dict[bytes, asyncio.Event] = {}
        self._undecided: set[bytes] = set()  # goals that are neither accepted nor refused yet
        self._unwanted: set[bytes] = set()  # those of them that were cancelled meanwhile
        # Cancelled before they came: a request to cancel takes another way than its goal.
        self._unwanted_yet: deque[bytes] = deque(maxlen=_MOST_UNWANTED)
        self._ages = Ages(self.action_name, node._kit.wall_clock, node.get_logger().warning)
        self._is_forgetting = False
        self._is_destroyed = False
        parts = action_parts(action_type)
        start = f"{self.action_name}{ACTION}"
        self._types = parts
        self._feedback = node.create_publisher(parts.feedback_message, f"{start}/feedback", 10)
        self._status = node.create_publisher(GoalStatusArray, f"{start}/status", _LATCHED)
        self._services = [
            node.create_service(parts.send_goal, f"{start}/send_goal", self._on_goal),
            node.create_service(CancelGoal, f"{start}/cancel_goal", self._on_cancel),
            node.create_service(parts.get_result, f"{start}/get_result", self._on_result),
        ]
        self._clients = GoalClients(node, self._cancel_orphaned)
        node._kit.safe_state.cancel_goals.add(self._cancel_all)

    # Accepting and executing goals

    def _on_goal(self, request: Any) -> "Awaitable[Message] | Message":
        server = self._services[0]
        delay_sec = self._ages.delay_ns(server.entry) * 1e-9 if server.entry is not None else 0.0
        if delay_sec > LATEST_SEC:
            self._node.get_logger().warning(
                f"{self.action_name}: the network delayed a goal by {delay_sec:.1f} s: refused"
            )
            response: Message = self._types.send_goal.Response(accepted=False)
            return response
        call = server.caller  # after an `await` it is another call's
        return self._decide(request, call.client if call is not None else "")

    async def _decide(self, request: Any, client: str) -> "Message":
        goal_id = request.goal_id.uuid
        is_accepted = False
        if not any(goal_id in ids for ids in (self._goals, self._undecided, self._unwanted_yet)):
            self._undecided.add(goal_id)
            try:
                is_accepted = await self._is_wanted(request, client)
            finally:
                self._undecided.discard(goal_id)
                self._unwanted.discard(goal_id)
        stamp = self._node.get_clock().now()
        response: Message = self._types.send_goal.Response(accepted=is_accepted, stamp=stamp)
        if is_accepted:
            self._accept(request, GoalInfo(goal_id=request.goal_id, stamp=stamp), client)
        return response

    async def _is_wanted(self, request: Any, client: str) -> bool:
        """Whether to accept a goal; its client may go or cancel it meanwhile."""
        reason = ""
        if not await self._clients.wait_until_shown(client):
            reason = f"{calls.described(client)} has gone"
        elif self._is_too_busy():
            return False
        elif self._goal_callback is not None and not self._node._kit.safe_state.is_stopped:
            if not await self._is_accepted(GoalResponse, self._goal_callback, request.goal):
                return False
            for _ in range(2):  # read messages that came while the callback blocked the node
                await asyncio.sleep(0)
            reason = self._clients.absence(client)
        if self._node._kit.safe_state.is_stopped:
            reason = "the emergency stop is pressed, or the node is not active"
        if reason:
            self._node.get_logger().warning(f"{self.action_name}: {reason}: a goal is refused")
        is_cancelled = request.goal_id.uuid in self._unwanted
        return not (reason or is_cancelled or self._is_destroyed or self._is_too_busy())

    async def _is_accepted(
        self, kind: type[IntEnum], callback: Callable[..., Any], arg: Any
    ) -> bool:
        """Whether a callback returns ACCEPT; any other value is logged and counts as REJECT."""
        answer = await called(callback, arg)
        if not isinstance(answer, kind):
            self._node.get_logger().error(
                f"{self.action_name}: {callback_name(callback)} returned {answer!r:.60}, which is "
                f"taken for REJECT: return {kind.__name__}.ACCEPT or {kind.__name__}.REJECT"
            )
        return answer is kind["ACCEPT"]

    def _is_too_busy(self) -> bool:
        return self._when_busy == "reject" and bool(self._running or self._waiting)

    def _accept(self, request: Any, info: GoalInfo, client: str) -> None:
        self._forget_old()
        handle: ServerGoalHandle[Any, Any, Any] = ServerGoalHandle(
            request.goal,
            info,
            client,
            publish=self._publish_feedback,
            changed=self._publish_status,
            start=self._start,
        )
        self._goals[handle.goal_id] = handle
        self._done[handle.goal_id] = asyncio.Event()
        self._publish_status()
        if self._accepted_callback is None:
            self._start(handle)
        else:
            work = self._hand_over(handle, self._accepted_callback)
            self._node._kit.dispatcher.begin(work, self._accepted_callback)

    async def _hand_over(
        self, handle: ServerGoalHandle[Any, Any, Any], callback: Callable[..., Any]
    ) -> None:
        try:
            await called(callback, handle)
        except Exception as error:  # noqa: BLE001  as for the execute callback
            self._failed("handle_accepted callback", error)
            if handle.status is GoalState.ACCEPTED and handle not in self._waiting:
                handle.become(GoalState.EXECUTING)
                handle.abort()
                self._finish(handle)

    def _start(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        """Execute a goal, now or in its turn, unless it was cancelled or has started."""
        if handle.status is not GoalState.ACCEPTED or handle in self._waiting:
            return
        if self._when_busy == "preempt":
            for other in [*self._waiting, *self._running.values()]:
                self._cancel(other)
        self._waiting.append(handle)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and (not self._running or self._when_busy == "parallel"):
            handle = self._waiting.pop(0)
            self._running[handle.goal_id] = handle
            self._node._kit.safe_state.goals.add(handle)
            handle.become(GoalState.EXECUTING)
            self._node._kit.dispatcher.begin(self._run(handle), self._execute)

    async def _run(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        logger = self._node.get_logger()
        try:
            returned = await called(self._execute, handle)
            if not isinstance(returned, self.action_type.Result | None):
                raise TypeError(
                    f"it is to return {self.action_type.Result.type_name}, not {returned!r:.60}"
                )
            handle.given = returned if returned is not None else handle.given
            if handle.is_active:
                logger.warning(
                    f"{self.action_name}: the execute callback ended a goal without succeed(), "
                    "abort() or canceled(): aborted"
                )
                handle.abort()
        except (Exception, asyncio.CancelledError) as error:
            self._abort_failed(handle, error)
            if not isinstance(error, Exception):  # the node leaves its loop
                raise
            await self._node._kit.safe_state.enter_again()  # before the next goal moves
        finally:
            self._running.pop(handle.goal_id, None)
            self._node._kit.safe_state.goals.discard(handle)
            self._finish(handle)
        self._start_waiting()

    def _abort_failed(self, handle: ServerGoalHandle[Any, Any, Any], error: BaseException) -> None:
        """Abort the goal of an execute callback that has raised.

        If the goal's cancellation was requested, and the callback cancelled what it awaits, the
        goal is canceled instead.
        """
        self._node._kit.safe_state.has_failed = True  # nothing else stops what the goal moves
        is_cut_short = asyncio.CancelledError in {type(error), type(error.__cause__)}
        if is_cut_short and handle.is_cancel_requested:
            handle.canceled()
            return
        if isinstance(error, Exception):
            self._failed("execute callback", error)
        if handle.is_active:
            handle.abort()

    def _failed(self, what: str, error: Exception) -> None:
        self._node.get_logger().traceback(f"{self.action_name}: exception in the {what}", error)

    def _finish(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        """Answer the requests for the result of a goal that has ended."""
        self._ended_sec[handle.goal_id] = self._now_sec()
        self._done[handle.goal_id].set()
        if not self._is_forgetting and self._result_timeout_sec < math.inf:
            self._is_forgetting = True
            self._node._kit.dispatcher.begin(self._forget_in_time())

    # Cancelling goals

    def _cancel(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        if handle.status is GoalState.ACCEPTED:  # it waits for its turn, or was deferred
            if handle in self._waiting:
                self._waiting.remove(handle)
            handle.become(GoalState.CANCELED)
            self._finish(handle)
        elif handle.status is GoalState.EXECUTING:
            handle.become(GoalState.CANCELING)

    async def _on_cancel(self, request: CancelGoal.Request) -> CancelGoal.Response:
        response = CancelGoal.Response()
        wanted = request.goal_info
        response.goals_canceling = self._refuse_soon(wanted)
        one = self._goals.get(wanted.goal_id.uuid)
        is_one_alone = any(wanted.goal_id.uuid) and not wanted.stamp.to_nanoseconds()
        if any(wanted.goal_id.uuid) and one is None and not response.goals_canceling:
            self._unwanted_yet.append(wanted.goal_id.uuid)
            if is_one_alone:
                response.return_code = response.ERROR_UNKNOWN_GOAL_ID
                return response
        if is_one_alone and one is not None and not one.is_active:
            response.return_code = response.ERROR_GOAL_TERMINATED
            return response
        active = [each for each in self._goals.values() if each.is_active]
        meant = [each for each in active if _is_meant(each.goal_info, wanted)]
        for handle in meant:
            if await self._may_cancel(handle):
                self._cancel(handle)
                response.goals_canceling.append(handle.goal_info)
        if meant and not response.goals_canceling:
            response.return_code = response.ERROR_REJECTED
        return response

    def _refuse_soon(self, wanted: GoalInfo) -> list[GoalInfo]:
        """Cancel goals that are not accepted yet, so that they will be refused."""
        now = self._node.get_clock().now()
        infos = [GoalInfo(goal_id=UUID(uuid=each), stamp=now) for each in self._undecided]
        meant = [info for info in infos if _is_meant(info, wanted)]
        self._unwanted.update(info.goal_id.uuid for info in meant)
        return meant

    async def _may_cancel(self, handle: ServerGoalHandle[Any, Any, Any]) -> bool:
        if self._cancel_callback is None:
            return True
        is_yes = await self._is_accepted(CancelResponse, self._cancel_callback, handle)
        return is_yes and handle.is_active  # it may have ended meanwhile

    def _cancel_orphaned(self) -> None:
        for handle in list(self._goals.values()):
            if not handle.is_active or handle.is_cancel_requested:
                continue
            if reason := self._clients.absence(handle.caller):
                self._node.get_logger().warning(
                    f"{self.action_name}: {reason}: its goal is cancelled"
                )
                self._cancel(handle)

    # Results, feedback, status

    async def _on_result(self, request: Any) -> "Message":
        response: Message
        goal_id = request.goal_id.uuid
        handle = self._goals.get(goal_id)
        if handle is None:
            response = self._types.get_result.Response()
            return response
        await self._done[goal_id].wait()
        result = handle.given
        if result is None and not _required(self.action_type.Result):
            result = self.action_type.Result()
        response = self._types.get_result.Response(status=int(handle.status), result=result)
        return response

    def _publish_feedback(self, handle: ServerGoalHandle[Any, Any, Any], feedback: Any) -> None:
        if self._is_destroyed:
            return
        message = self._types.feedback_message
        self._feedback.publish(message(goal_id=handle.goal_info.goal_id, feedback=feedback))

    def _publish_status(self) -> None:
        if self._is_destroyed:
            return
        statuses = [
            GoalStatus(goal_info=each.goal_info, status=int(each.status))
            for each in self._goals.values()
        ]
        self._status.publish(GoalStatusArray(status_list=statuses))

    async def _forget_in_time(self) -> None:
        try:
            while self._ended_sec:
                oldest_sec = next(iter(self._ended_sec.values()))
                left_sec = oldest_sec + self._result_timeout_sec - self._now_sec()
                await asyncio.sleep(max(left_sec, _LEAST_SEC))
                self._forget_old()
        finally:
            self._is_forgetting = False

    def _forget_old(self) -> None:
        for goal_id, ended_sec in list(self._ended_sec.items()):
            if self._now_sec() - ended_sec > self._result_timeout_sec:
                del self._ended_sec[goal_id], self._goals[goal_id], self._done[goal_id]

    def _now_sec(self) -> float:
        return self._node.get_clock().monotonic_sec()

    def _cancel_all(self) -> None:
        for handle in [each for each in self._goals.values() if each.is_active]:
            self._cancel(handle)

    def destroy(self) -> None:
        """Stop serving; goals that have not ended are cancelled."""
        self._clients.close()
        self._node._kit.safe_state.cancel_goals.discard(self._cancel_all)
        self._cancel_all()
        self._is_destroyed = True
        for service in self._services:
            self._node.destroy_service(service)
        for publisher in (self._feedback, self._status):
            self._node.destroy_publisher(publisher)


def _is_meant(info: GoalInfo, wanted: GoalInfo) -> bool:
    """Whether a cancel request includes a goal, by the rules of ROS 2's CancelGoal.srv."""
    stamp_ns = wanted.stamp.to_nanoseconds()
    by_id = any(wanted.goal_id.uuid)
    if by_id and info.goal_id.uuid == wanted.goal_id.uuid:
        return True
    if stamp_ns:
        return info.stamp.to_nanoseconds() <= stamp_ns
    return not by_id


def _required(cls: "type[Message]") -> bool:
    return any(field.is_required() for field in cls.model_fields.values())
