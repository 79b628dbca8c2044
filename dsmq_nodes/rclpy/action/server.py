"""Servers of actions.

A goal is accepted or rejected by `goal_callback`; `handle_accepted_callback` executes it, at once
or later; `execute_callback` runs as a task of the executor and returns the result. The result of an
ended goal is kept `result_timeout` seconds.
"""

import functools
import threading
import traceback
from collections.abc import Callable
from enum import Enum
from types import GenericAlias
from typing import Any, ClassVar, Final

from dsmq_nodes.rclpy.clock import Clock
from dsmq_nodes.rclpy.constants import S_TO_NS
from dsmq_nodes.rclpy.executors import await_or_execute
from dsmq_nodes.rclpy.impl.c_enum import CEnum
from dsmq_nodes.rclpy.impl.c_errors import InvalidHandle, RCLError
from dsmq_nodes.rclpy.impl.calls.action_entities import ActionServerEntities
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.impl.nodes.peer_node import io
from dsmq_nodes.rclpy.qos import (
    QoSProfile,
    qos_profile_action_status_default,
    qos_profile_services_default,
)
from dsmq_nodes.rclpy.service_introspection import ServiceIntrospectionState
from dsmq_nodes.rclpy.task import Future
from dsmq_nodes.rclpy.waitable import NumberOfEntities, SelfWaking

_FEEDBACK_QOS = QoSProfile(depth=10)
_UNKNOWN, _ACCEPTED, _EXECUTING, _CANCELING, _SUCCEEDED, _CANCELED, _ABORTED = range(7)
_STATES: Final = (
    "UNKNOWN",
    "ACCEPTED",
    "EXECUTING",
    "CANCELING",
    "SUCCEEDED",
    "CANCELED",
    "ABORTED",
)
_UNKNOWN_GOAL, _GOAL_TERMINATED = 2, 3  # return codes of a cancel request


class GoalResponse(Enum):
    """The answer of a goal callback."""

    REJECT = 1
    ACCEPT = 2


class CancelResponse(Enum):
    """The answer of a cancel callback."""

    REJECT = 1
    ACCEPT = 2


class GoalEvent(CEnum):
    """The events that change the state of a goal."""

    EXECUTE = 0
    CANCEL_GOAL = 1
    SUCCEED = 2
    ABORT = 3
    CANCELED = 4


_NEXT: Final = {
    (_ACCEPTED, GoalEvent.EXECUTE): _EXECUTING,
    (_ACCEPTED, GoalEvent.CANCEL_GOAL): _CANCELING,
    (_EXECUTING, GoalEvent.CANCEL_GOAL): _CANCELING,
    (_EXECUTING, GoalEvent.SUCCEED): _SUCCEEDED,
    (_EXECUTING, GoalEvent.ABORT): _ABORTED,
    (_CANCELING, GoalEvent.SUCCEED): _SUCCEEDED,
    (_CANCELING, GoalEvent.ABORT): _ABORTED,
    (_CANCELING, GoalEvent.CANCELED): _CANCELED,
}
_CANCELABLE: Final = {_ACCEPTED, _EXECUTING}
_ACTIVE: Final = {*_CANCELABLE, _CANCELING}


class ServerGoalHandle:
    """A goal at its server."""

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # for annotations

    def __init__(self, action_server: "ActionServer", goal_info: Any, goal_request: Any) -> None:
        self._action_server = action_server
        self._goal_info = goal_info
        self._goal_request = goal_request
        self._state = _ACCEPTED
        self._is_destroyed = False
        self._lock = threading.Lock()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServerGoalHandle):
            return False
        return bool(self.goal_id == other.goal_id)

    __hash__ = None  # type: ignore[assignment]

    @property
    def request(self) -> Any:
        """The goal message."""
        return self._goal_request

    @property
    def goal_id(self) -> Any:
        """The goal's id."""
        return self._goal_info.goal_id

    @property
    def goal_info(self) -> Any:
        """The goal's id, and the time of its acceptance."""
        return self._goal_info

    @property
    def is_active(self) -> bool:
        """Whether the goal has not ended."""
        return not self._is_destroyed and self._state in _ACTIVE

    @property
    def is_cancel_requested(self) -> bool:
        """Whether the callback should end, and call `canceled`."""
        return self.status == _CANCELING

    @property
    def status(self) -> int:
        """The goal's state."""
        return _UNKNOWN if self._is_destroyed else self._state

    def _update_state(self, event: GoalEvent) -> None:
        with self._lock:
            if self._is_destroyed:
                return
            state = _NEXT.get((self._state, event))
            if state is None:
                raise RCLError(
                    "Failed to update goal state: goal_handle attempted invalid transition from "
                    f"state {_STATES[self._state]} with event {event.name}"
                )
            self._state = state
        self._action_server.publish_status()
        if state not in _ACTIVE:
            self._action_server.notify_goal_done(self)

    def execute(self, execute_callback: Callable[["ServerGoalHandle"], Any] | None = None) -> None:
        """Execute the goal, by the given callback instead of the server's if there is one."""
        if not self.is_cancel_requested:
            self._update_state(GoalEvent.EXECUTE)
        self._action_server.notify_execute(self, execute_callback)

    def publish_feedback(self, feedback: Any) -> None:
        """Send feedback to the client.

        Raises:
            TypeError: it is no feedback of the action.
        """
        if not isinstance(feedback, self._action_server.action_type.Feedback):
            raise TypeError
        if not self._is_destroyed:
            self._action_server.publish_feedback(self, feedback)

    def succeed(self) -> None:
        """Set the goal's state to succeeded.

        Raises:
            RCLError: it has ended already.
        """
        self._update_state(GoalEvent.SUCCEED)

    def abort(self) -> None:
        """Set the goal's state to aborted; raises as `succeed`."""
        self._update_state(GoalEvent.ABORT)

    def canceled(self) -> None:
        """Set the goal's state to canceled; raises as `succeed`, and if nothing requested that."""
        self._update_state(GoalEvent.CANCELED)

    def destroy(self) -> None:
        """Remove the goal."""
        self._is_destroyed = True


def default_handle_accepted_callback(goal_handle: ServerGoalHandle) -> None:
    """Execute the goal at once."""
    goal_handle.execute()


def default_goal_callback(goal_request: Any) -> GoalResponse:
    """Accept every goal."""
    return GoalResponse.ACCEPT


def default_cancel_callback(cancel_request: Any) -> CancelResponse:
    """Reject every request to cancel."""
    return CancelResponse.REJECT


class ActionServer(SelfWaking):
    """Executes goals."""

    def __init__(
        self,
        node: Any,
        action_type: Any,
        action_name: str,
        execute_callback: Callable[[ServerGoalHandle], Any],
        *,
        callback_group: Any = None,
        goal_callback: Callable[[Any], Any] | None = default_goal_callback,
        handle_accepted_callback: Callable[[ServerGoalHandle], Any]
        | None = default_handle_accepted_callback,
        cancel_callback: Callable[[ServerGoalHandle], Any] | None = default_cancel_callback,
        goal_service_qos_profile: QoSProfile = qos_profile_services_default,
        result_service_qos_profile: QoSProfile = qos_profile_services_default,
        cancel_service_qos_profile: QoSProfile = qos_profile_services_default,
        feedback_pub_qos_profile: QoSProfile = _FEEDBACK_QOS,
        status_pub_qos_profile: QoSProfile = qos_profile_action_status_default,
        result_timeout: float = 10,
    ) -> None:
        super().__init__(callback_group or node.default_callback_group)
        self.register_handle_accepted_callback(handle_accepted_callback)
        self.register_goal_callback(goal_callback)
        self.register_cancel_callback(cancel_callback)
        self.register_execute_callback(execute_callback)
        self._node = node
        self._action_type = action_type
        if not 0 <= result_timeout * 1e9 < 2**63:
            raise ValueError("Failed to create action server: timer period must be non-negative")
        self._result_timeout_ns = int(result_timeout * 1e9)
        self._handle = ActionServerEntities(
            node,
            action_type,
            action_name,
            (
                goal_service_qos_profile,
                result_service_qos_profile,
                cancel_service_qos_profile,
                feedback_pub_qos_profile,
                status_pub_qos_profile,
            ),
        )
        self._goal_handles: dict[bytes, ServerGoalHandle] = {}
        self._result_futures: dict[bytes, Future[Any]] = {}
        self._expiry_ns: dict[bytes, int] = {}
        node.add_waitable(self)
        self._logger = node.get_logger().get_child("action_server")

    @property
    def action_type(self) -> Any:
        """The type of the action."""
        return self._action_type

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    # What has come

    def is_ready(self, wait_set: Any) -> bool:
        """Whether a request has arrived, or a result has expired."""
        entities = self._handle
        if entities.goal.is_ready() or entities.cancel.is_ready() or entities.result.is_ready():
            return True
        return bool(self._expired())

    def _expired(self) -> list[bytes]:
        if not self._expiry_ns:
            return []
        self._node.handle.is_woken = True  # ask again: time alone makes a result expire
        now_ns = self._now_ns()
        return [goal_id for goal_id, at_ns in list(self._expiry_ns.items()) if at_ns <= now_ns]

    def take_data(self) -> dict[str, Any]:
        """Take one of each that has arrived."""
        entities = self._handle
        data: dict[str, Any] = {}
        for name, service in (
            ("goal", entities.goal),
            ("cancel", entities.cancel),
            ("result", entities.result),
        ):
            request, header = service.service_take_request()
            if header is not None:
                data[name] = header.request_id, request
        expired = self._expired()
        for goal_id in expired:
            self._expiry_ns.pop(goal_id, None)
        if expired:
            data["expired"] = expired
        return data

    async def execute(self, taken_data: dict[str, Any]) -> None:
        """Answer requests, and remove expired results."""
        if "goal" in taken_data:
            await self._execute_goal_request(*taken_data["goal"])
        if "cancel" in taken_data:
            await self._execute_cancel_request(*taken_data["cancel"])
        if "result" in taken_data:
            self._execute_get_result_request(*taken_data["result"])
        for goal_id in taken_data.get("expired", ()):
            handle = self._goal_handles.pop(goal_id, None)
            if handle is not None:
                handle.destroy()
            future = self._result_futures.pop(goal_id, None)
            if future is not None and future in self._futures:
                self.remove_future(future)

    async def _execute_goal_request(self, request_id: Any, request: Any) -> None:
        goal_id = bytes(request.goal_id.uuid)
        accepted = False
        if goal_id not in self._goal_handles:
            answer = await await_or_execute(self._goal_callback, request.goal)
            if isinstance(answer, GoalResponse):
                accepted = answer is GoalResponse.ACCEPT
            else:
                self._logger.warning(
                    "Goal request callback did not return a GoalResponse type. Rejecting goal."
                )
        info = interface("action_msgs/msg/GoalInfo")(goal_id=request.goal_id)
        handle = ServerGoalHandle(self, info, request.goal)
        if accepted:
            info.stamp = self._node.get_clock().now().to_msg()
            self._goal_handles[goal_id] = handle
            future = self._result_futures[goal_id] = Future()
            self.add_future(future)
        response = self._action_type.Impl.SendGoalService.Response()
        response.accepted, response.stamp = accepted, info.stamp
        self._respond(self._handle.goal, response, request_id, "goal")
        if accepted:
            self.publish_status()
            await await_or_execute(self._handle_accepted_callback, handle)

    def _respond(self, service: Any, response: Any, request_id: Any, what: str) -> None:
        try:
            service.service_send_response(response, request_id)
        except (RCLError, InvalidHandle):
            self._logger.warning(f"Failed to send {what} response (the client may have gone away)")

    async def _execute_goal(
        self, execute_callback: Callable[[ServerGoalHandle], Any], goal_handle: ServerGoalHandle
    ) -> None:
        goal_id = goal_handle.goal_id.uuid
        try:
            result = await await_or_execute(execute_callback, goal_handle)
        except Exception as error:  # noqa: BLE001  the goal is aborted, the server goes on
            result = self._action_type.Result()
            self._logger.error(f"Error raised in execute callback: {error}")  # noqa: TRY400
            traceback.print_exc()
        if goal_handle.is_active:
            self._logger.warning(f"Goal state not set, assuming aborted. Goal ID: {goal_id}")
            goal_handle.abort()
        response = self._action_type.Impl.GetResultService.Response()
        response.status = goal_handle.status
        response.result = result
        future = self._result_futures.get(bytes(goal_id))
        if future is not None:
            future.set_result(response)

    async def _execute_cancel_request(self, request_id: Any, request: Any) -> None:
        response = self._action_type.Impl.CancelGoalService.Response()
        code, meant = self._selected_goals(request.goal_info)
        response.return_code = code
        for handle in meant:
            if await await_or_execute(self._cancel_callback, handle) is not CancelResponse.ACCEPT:
                continue
            try:
                handle._update_state(GoalEvent.CANCEL_GOAL)  # noqa: SLF001
            except RCLError:
                continue  # it has ended meanwhile
            response.goals_canceling.append(handle.goal_info)
        self._respond(self._handle.cancel, response, request_id, "cancel")

    def _selected_goals(self, wanted: Any) -> tuple[int, list[ServerGoalHandle]]:
        """Return the goals that a request to cancel selects, by the rules of CancelGoal.srv."""
        goal_id = bytes(wanted.goal_id.uuid)
        stamp_ns = _ns(wanted.stamp)
        one = self._goal_handles.get(goal_id)
        if any(goal_id) and not stamp_ns:
            if one is None or one.status == _UNKNOWN:
                return _UNKNOWN_GOAL, []
            return (0, [one]) if one.status in _CANCELABLE else (_GOAL_TERMINATED, [])
        return 0, [
            each
            for each in list(self._goal_handles.values())
            if each.status in _CANCELABLE
            and (not stamp_ns or each is one or _ns(each.goal_info.stamp) <= stamp_ns)
        ]

    def _execute_get_result_request(self, request_id: Any, request: Any) -> None:
        goal_id = request.goal_id.uuid
        future = self._result_futures.get(bytes(goal_id))
        if future is None:
            self._logger.warning(
                f"Sending result response for unknown or expired goal ID: {goal_id}"
            )
            response = self._action_type.Impl.GetResultService.Response()
            self._respond(self._handle.result, response, request_id, "result")
            return
        future.add_done_callback(functools.partial(self._send_result_response, request_id))

    def _send_result_response(self, request_id: Any, future: Future[Any]) -> None:
        result = future.result()
        if result:
            self._respond(self._handle.result, result, request_id, "result")

    def get_num_entities(self) -> NumberOfEntities:
        """Return the numbers of entities: three services and a timer."""
        return NumberOfEntities(num_timers=1, num_services=3)

    # What goals do

    def publish_status(self) -> None:
        """Publish the states of all goals.

        Raises:
            RCLError: the context was shut down, by a signal.
        """
        if self._handle.is_destroyed:
            return
        status = interface("action_msgs/msg/GoalStatus")
        message = self._action_type.Impl.GoalStatusMessage()
        message.status_list = [
            status(goal_info=each.goal_info, status=each.status)
            for each in list(self._goal_handles.values())
        ]
        self._check_context("Failed get goal status array")
        self._handle.status.publish(message)

    def publish_feedback(self, goal_handle: ServerGoalHandle, feedback: Any) -> None:
        """Publish the feedback of a goal; raises as `publish_status`."""
        message = self._action_type.Impl.FeedbackMessage()
        message.goal_id = goal_handle.goal_id
        message.feedback = feedback
        self._check_context("Failed to publish feedback with an action server")
        self._handle.feedback.publish(message)

    def _check_context(self, what: str) -> None:
        if not self._node.context.ok():  # a signal has come
            raise RCLError(f"{what}: feedback publisher is invalid")

    def notify_execute(
        self,
        goal_handle: ServerGoalHandle,
        execute_callback: Callable[[ServerGoalHandle], Any] | None,
    ) -> None:
        """Execute a goal as a task of the executor."""
        callback = execute_callback or self._execute_callback
        executor = self._node.executor
        if executor is not None:
            executor.create_task(self._execute_goal, callback, goal_handle)

    def notify_goal_done(self, goal_handle: ServerGoalHandle) -> None:
        """Note that a goal has ended: its result expires later."""
        goal_id = bytes(goal_handle.goal_id.uuid)
        self._expiry_ns[goal_id] = self._now_ns() + self._result_timeout_ns
        self._node.handle.is_woken = True
        io.later(self._result_timeout_ns * 1e-9 + 0.001, self._node.handle.wake)

    def register_handle_accepted_callback(
        self, handle_accepted_callback: Callable[[ServerGoalHandle], Any] | None
    ) -> None:
        """Set the callback for accepted goals; None: execute them at once."""
        self._handle_accepted_callback = (
            handle_accepted_callback or default_handle_accepted_callback
        )

    def register_goal_callback(self, goal_callback: Callable[[Any], Any] | None) -> None:
        """Set the callback that accepts or rejects goals; None: accept all."""
        self._goal_callback = goal_callback or default_goal_callback

    def register_cancel_callback(
        self, cancel_callback: Callable[[ServerGoalHandle], Any] | None
    ) -> None:
        """Set the callback that decides about requests to cancel; None: reject all."""
        self._cancel_callback: Callable[[Any], Any] = cancel_callback or default_cancel_callback

    def register_execute_callback(
        self, execute_callback: Callable[[ServerGoalHandle], Any]
    ) -> None:
        """Set the callback that executes goals.

        Raises:
            TypeError: it cannot be called.
        """
        if not callable(execute_callback):
            raise TypeError("Failed to register goal execution callback: not callable")
        self._execute_callback = execute_callback

    def configure_introspection(
        self,
        clock: Clock,
        service_event_qos_profile: QoSProfile,
        introspection_state: ServiceIntrospectionState,
    ) -> None:
        """Configure the introspection of the action's services."""
        self._handle.configure_introspection(clock, service_event_qos_profile, introspection_state)

    def destroy(self) -> None:
        """Destroy the server."""
        for goal_handle in self._goal_handles.values():
            goal_handle.destroy()
        for future in self._result_futures.values():
            if future in self._futures:
                self.remove_future(future)
        self._handle.destroy_when_not_in_use()
        self._node.remove_waitable(self)


def _ns(stamp: Any) -> int:
    # Not by Time, which refuses times before 1970: a client may send any.
    return int(stamp.sec * S_TO_NS + stamp.nanosec)
