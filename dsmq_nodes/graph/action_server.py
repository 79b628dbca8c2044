"""The serving end of an action, built of three services and two topics as in ROS 2.

Of an action `/dock` these are the services `/dock/_action/send_goal`, `.../cancel_goal` and
`.../get_result` (which answers when the goal has ended), and the topics `.../feedback` and
`.../status` (latched: the goals and how far they are). Who has sent a goal and leaves the graph
does not want it any more: the goal is cancelled, as if it had asked.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Generic, Literal

from dsmq_nodes.graph.calls import ACTION
from dsmq_nodes.graph.goal import GoalState, ServerGoalHandle
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.qos import QoSProfile
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

if TYPE_CHECKING:
    from dsmq_nodes.messages.base import Message

_LATCHED: Final = QoSProfile(depth=1, durability="transient_local")
WhenBusy = Literal["queue", "preempt", "reject", "parallel"]
Handle = ServerGoalHandle[GoalT, ResultT, FeedbackT]
ExecuteCallback = Callable[
    [ServerGoalHandle[GoalT, ResultT, FeedbackT]], ResultT | Awaitable[ResultT]
]


class GoalResponse(IntEnum):
    """What a goal callback returns."""

    REJECT = 1
    ACCEPT = 2


class CancelResponse(IntEnum):
    """What a cancel callback returns."""

    REJECT = 1
    ACCEPT = 2


class ActionServer(Generic[GoalT, ResultT, FeedbackT]):
    """Executes goals, tells how far they are, and lets them be cancelled."""

    def __init__(
        self,
        node: Node,
        action_type: ActionType[GoalT, ResultT, FeedbackT],
        action_name: str,
        execute_callback: ExecuteCallback[GoalT, ResultT, FeedbackT],
        *,
        goal_callback: Callable[[GoalT], GoalResponse] | None = None,
        handle_accepted_callback: Callable[[Handle[GoalT, ResultT, FeedbackT]], None] | None = None,
        cancel_callback: Callable[[Handle[GoalT, ResultT, FeedbackT]], CancelResponse]
        | None = None,
        when_busy: WhenBusy = "queue",
        result_timeout: float = 10.0,
    ) -> None:
        """Serve an action.

        Args:
            node: whose action it is.
            action_type: a subclass of `Action`.
            action_name: its name.
            execute_callback: `async def execute(goal_handle)` looks at
                `goal_handle.is_cancel_requested` whenever it has awaited, calls `succeed`, `abort`
                or `canceled` and returns the result. A `def` blocks the node meanwhile.
            goal_callback: says whether to accept a goal; without it all are.
            handle_accepted_callback: called instead of executing an accepted goal: it calls
                `goal_handle.execute()` when it is time.
            cancel_callback: says whether to accept that a goal is cancelled; without it all are.
            when_busy: what becomes of a goal that comes while another executes: it waits
                ("queue"), the other is cancelled first ("preempt"), it is refused ("reject"), or
                it executes beside it ("parallel").
            result_timeout: seconds for which the result of an ended goal is kept.

        Raises:
            TypeError: not an action type.
            ValueError: this node serves that name already, or `when_busy` is none of the four.
        """
        if not (isinstance(action_type, type) and issubclass(action_type, Action)):
            raise TypeError(f"an action's type is a subclass of Action, not {action_type!r}")
        if when_busy not in {"queue", "preempt", "reject", "parallel"}:
            raise ValueError(f"when_busy is queue, preempt, reject or parallel, not {when_busy!r}")
        self.action_type: type[Action] = action_type
        self.action_name = node.resolve_service_name(action_name)
        self._node = node
        self._execute = execute_callback
        self._goal_callback = goal_callback
        self._accepted_callback = handle_accepted_callback
        self._cancel_callback = cancel_callback
        self._when_busy = when_busy
        self._result_timeout_sec = result_timeout
        self._goals: dict[bytes, ServerGoalHandle[Any, Any, Any]] = {}
        self._ended_sec: dict[bytes, float] = {}
        self._waiting: list[ServerGoalHandle[Any, Any, Any]] = []
        self._running: dict[bytes, ServerGoalHandle[Any, Any, Any]] = {}
        self._done: dict[bytes, asyncio.Event] = {}
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
        self._graph = node._topics.graph  # noqa: SLF001  the kit's own
        self._graph.watchers.append(self._on_graph)

    # Goals come

    def _on_goal(self, request: Any) -> "Message":
        response: Message
        goal_id = request.goal_id.uuid
        is_busy = bool(self._running or self._waiting)
        refused = goal_id in self._goals or (is_busy and self._when_busy == "reject")
        if not refused and self._goal_callback is not None:
            refused = self._goal_callback(request.goal) is not GoalResponse.ACCEPT
        stamp = self._node.get_clock().now()
        response = self._types.send_goal.Response(accepted=not refused, stamp=stamp)
        if not refused:
            self._accept(request, GoalInfo(goal_id=request.goal_id, stamp=stamp))
        return response

    def _accept(self, request: Any, info: GoalInfo) -> None:
        self._forget_old()
        caller = self._services[0].caller
        handle: ServerGoalHandle[Any, Any, Any] = ServerGoalHandle(
            request.goal,
            info,
            caller.node if caller is not None else "",
            publish=self._publish_feedback,
            changed=self._publish_status,
            start=self._start,
        )
        handle.client_was_seen = self._graph.has_node(handle.client)
        self._goals[handle.goal_id] = handle
        self._done[handle.goal_id] = asyncio.Event()
        self._publish_status()
        if self._accepted_callback is not None:
            self._accepted_callback(handle)
        else:
            self._start(handle)

    def _start(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        """Execute it, now or when its turn comes."""
        if self._when_busy == "preempt":
            for other in [*self._waiting, *self._running.values()]:
                self._cancel(other)
        self._waiting.append(handle)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and (not self._running or self._when_busy == "parallel"):
            handle = self._waiting.pop(0)
            self._running[handle.goal_id] = handle
            handle.become(GoalState.EXECUTING)
            self._node._spinner.begin(self._run(handle), self._execute)  # noqa: SLF001  the kit's own

    async def _run(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        logger = self._node.get_logger()
        try:
            result = self._execute(handle)
            returned: Any = await result if isinstance(result, Awaitable) else result
            if not isinstance(returned, self.action_type.Result | None):
                raise TypeError(
                    f"it is to return a {self.action_type.Result.type_name}, not {returned!r:.60}"
                )
            handle.given = returned if returned is not None else handle.given
            if handle.is_active:
                logger.warning(
                    f"{self.action_name}: the execute callback ended a goal without succeed(), "
                    "abort() or canceled(): aborted"
                )
                handle.abort()
        except Exception as error:  # noqa: BLE001  it goes to the log, and the goal is aborted
            trace = "".join(traceback.format_exception(error)).rstrip()
            logger.error(  # noqa: TRY400  it has no `exception`
                f"{self.action_name}: exception in the execute callback:\n{trace}"
            )
            if handle.is_active:
                handle.abort()
        finally:
            self._running.pop(handle.goal_id, None)
        self._finish(handle)
        self._go_on()

    def _finish(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        """It has ended and its result is there: tell those who wait."""
        self._ended_sec[handle.goal_id] = self._now_sec()
        self._done[handle.goal_id].set()

    # Goals go

    def _cancel(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        if handle in self._waiting:
            self._waiting.remove(handle)
            handle.become(GoalState.CANCELED)
            self._finish(handle)
        elif handle.status is GoalState.EXECUTING:
            handle.become(GoalState.CANCELING)

    def _on_cancel(self, request: CancelGoal.Request) -> CancelGoal.Response:
        response = CancelGoal.Response()
        wanted = request.goal_info
        one = self._goals.get(wanted.goal_id.uuid)
        if any(wanted.goal_id.uuid) and one is None:
            response.return_code = response.ERROR_UNKNOWN_GOAL_ID
            return response
        if one is not None and not one.is_active:
            response.return_code = response.ERROR_GOAL_TERMINATED
            return response
        for handle in [each for each in self._goals.values() if each.is_active]:
            if _is_meant(handle.goal_info, wanted) and self._may_cancel(handle):
                self._cancel(handle)
                response.goals_canceling.append(handle.goal_info)
        if not response.goals_canceling:
            response.return_code = response.ERROR_REJECTED
        return response

    def _may_cancel(self, handle: ServerGoalHandle[Any, Any, Any]) -> bool:
        if self._cancel_callback is None:
            return True
        return self._cancel_callback(handle) is CancelResponse.ACCEPT

    def _on_graph(self) -> None:
        """Who has left does not want its goals any more."""
        for handle in list(self._goals.values()):
            if not (handle.is_active and handle.client and self._graph.is_known):
                continue
            if self._graph.has_node(handle.client):
                handle.client_was_seen = True
            elif handle.client_was_seen and not handle.is_cancel_requested:
                self._node.get_logger().warning(
                    f"{self.action_name}: {handle.client} has gone: its goal is cancelled"
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

    def _forget_old(self) -> None:
        for goal_id, ended_sec in list(self._ended_sec.items()):
            if self._now_sec() - ended_sec > self._result_timeout_sec:
                del self._ended_sec[goal_id], self._goals[goal_id], self._done[goal_id]

    def _now_sec(self) -> float:
        return self._node.get_clock().monotonic_sec()

    def destroy(self) -> None:
        """Serve no more; goals that execute are cancelled."""
        if self._on_graph in self._graph.watchers:
            self._graph.watchers.remove(self._on_graph)
        for handle in [*self._waiting, *self._running.values()]:
            self._cancel(handle)
        self._is_destroyed = True
        for service in self._services:
            self._node.destroy_service(service)
        for publisher in (self._feedback, self._status):
            self._node.destroy_publisher(publisher)


def _is_meant(info: GoalInfo, wanted: GoalInfo) -> bool:
    """Whether a cancel request means a goal; the rules are those of ROS 2's CancelGoal.srv."""
    stamp_ns = wanted.stamp.to_nanoseconds()
    by_id = any(wanted.goal_id.uuid)
    if by_id and info.goal_id.uuid == wanted.goal_id.uuid:
        return True
    if stamp_ns:
        return info.stamp.to_nanoseconds() <= stamp_ns
    return not by_id


def _required(cls: "type[Message]") -> bool:
    return any(field.is_required() for field in cls.model_fields.values())
