"""Clients of actions."""

import threading
import uuid
import weakref
from collections.abc import Callable
from types import GenericAlias
from typing import Any, ClassVar

from dsmq_nodes.rclpy.clock import Clock
from dsmq_nodes.rclpy.executors import await_or_execute
from dsmq_nodes.rclpy.impl.calls.action_entities import ActionClientEntities
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.impl.nodes.ends import wait_for_server
from dsmq_nodes.rclpy.qos import (
    QoSProfile,
    qos_profile_action_status_default,
    qos_profile_services_default,
)
from dsmq_nodes.rclpy.service_introspection import ServiceIntrospectionState
from dsmq_nodes.rclpy.task import Future
from dsmq_nodes.rclpy.waitable import NumberOfEntities, SelfWaking

_ENDED = {4, 5, 6}  # succeeded, canceled, aborted
_FEEDBACK_QOS = QoSProfile(depth=10)


class ClientGoalHandle:
    """A goal that was sent, with the server's answer."""

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # for annotations

    def __init__(self, action_client: "ActionClient", goal_id: Any, goal_response: Any) -> None:
        self._action_client = action_client
        self._goal_id = goal_id
        self._goal_response = goal_response
        self._status = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClientGoalHandle):
            return False
        return bool(self._goal_id == other.goal_id)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"ClientGoalHandle <id={self.goal_id.uuid}, accepted={self.accepted}, "
            f"status={self.status}>"
        )

    @property
    def goal_id(self) -> Any:
        """The goal's id."""
        return self._goal_id

    @property
    def stamp(self) -> Any:
        """The time at which the server has accepted the goal."""
        return self._goal_response.stamp

    @property
    def accepted(self) -> bool:
        """Whether the server has accepted it."""
        return bool(self._goal_response.accepted)

    @property
    def status(self) -> int:
        """The goal's last known state."""
        return self._status

    def cancel_goal(self) -> Any:
        """Request to cancel the goal and await the answer; another thread has to spin the node."""
        return _wait_for(self.cancel_goal_async())

    def cancel_goal_async(self) -> Future[Any]:
        """Request to cancel the goal; return a future of the answer."""
        return self._action_client._cancel_goal_async(self)  # noqa: SLF001

    def get_result(self) -> Any:
        """Wait for the goal's result; another thread has to spin the node."""
        return _wait_for(self.get_result_async())

    def get_result_async(self) -> Future[Any]:
        """Return a future with its `status` and `result`."""
        return self._action_client._get_result_async(self)  # noqa: SLF001


def _wait_for(future: Future[Any]) -> Any:
    event = threading.Event()
    future.add_done_callback(lambda _: event.set())
    event.wait()
    error = future.exception()
    if error is not None:
        raise error
    return future.result()


class ActionClient(SelfWaking):
    """Sends goals to an action's server."""

    def __init__(
        self,
        node: Any,
        action_type: Any,
        action_name: str,
        *,
        callback_group: Any = None,
        goal_service_qos_profile: QoSProfile = qos_profile_services_default,
        result_service_qos_profile: QoSProfile = qos_profile_services_default,
        cancel_service_qos_profile: QoSProfile = qos_profile_services_default,
        feedback_sub_qos_profile: QoSProfile = _FEEDBACK_QOS,
        status_sub_qos_profile: QoSProfile = qos_profile_action_status_default,
    ) -> None:
        super().__init__(callback_group or node.default_callback_group)
        self._node = node
        self._action_type = action_type
        self._action_name = action_name
        self._entities = ActionClientEntities(
            node,
            action_type,
            action_name,
            (
                goal_service_qos_profile,
                result_service_qos_profile,
                cancel_service_qos_profile,
                feedback_sub_qos_profile,
                status_sub_qos_profile,
            ),
        )
        self._goal_handles: dict[bytes, weakref.ref[ClientGoalHandle]] = {}
        self._last_status: Any = None  # the message
        self._pending_goal_requests: dict[int, tuple[Any, Future[Any]]] = {}
        self._pending_cancel_requests: dict[int, Future[Any]] = {}
        self._pending_result_requests: dict[int, tuple[bytes, Future[Any]]] = {}
        self._feedback_callbacks: dict[bytes, Callable[[Any], Any]] = {}
        self._lock = threading.Lock()
        node.add_waitable(self)
        self._logger = node.get_logger().get_child("action_client")

    # What has come

    def is_ready(self, wait_set: Any) -> bool:
        """Whether a response, feedback or a status has arrived."""
        entities = self._entities
        return any(
            each.is_ready()
            for each in (
                entities.goal,
                entities.cancel,
                entities.result,
                entities.feedback,
                entities.status,
            )
        )

    def take_data(self) -> dict[str, Any]:
        """Take one of each that has arrived, in the order in which a server sends them.

        Feedback waits for the next call when an answer to a goal has arrived, and a result waits
        for feedback, so that the callbacks are called in that order.
        """
        entities = self._entities
        data: dict[str, Any] = {}
        self._take_response("goal", entities.goal, data)
        self._take_response("cancel", entities.cancel, data)
        for name, subscription in (("feedback", entities.feedback), ("status", entities.status)):
            if name == "feedback" and "goal" in data:
                continue
            taken = subscription.take_message(None, False)
            if taken is not None:
                data[name] = taken[0]
        if "feedback" not in data and "goal" not in data:
            self._take_response("result", entities.result, data)
        return data

    def _take_response(self, name: str, client: Any, data: dict[str, Any]) -> None:
        header, response = client.take_response()
        if header is not None:
            data[name] = header.request_id.sequence_number, response

    async def execute(self, taken_data: dict[str, Any]) -> None:
        """Set the results of futures, and call feedback callbacks."""
        if "goal" in taken_data:
            self._goal_answered(*taken_data["goal"])
        if "cancel" in taken_data:
            sequence, response = taken_data["cancel"]
            self._settle(
                self._expected(self._pending_cancel_requests, sequence), response, "cancel"
            )
        if "result" in taken_data:
            sequence, response = taken_data["result"]
            goal_id, future = self._expected(self._pending_result_requests, sequence) or (b"", None)
            self._feedback_callbacks.pop(goal_id, None)
            self._settle(future, response, "result")
        if "feedback" in taken_data:
            await self._feedback_came(taken_data["feedback"])
        if "status" in taken_data:
            self._status_came(taken_data["status"])

    def _expected(self, pending: dict[int, Any], sequence: int) -> Any:
        """Take the pending request of a response; None if no such request was sent."""
        with self._lock:  # held from the sending until the response is expected: it may be faster
            return pending.pop(sequence, None)

    def _settle(self, future: Future[Any] | None, response: Any, what: str) -> None:
        if future is None:
            self._logger.warning(
                f"Ignoring unexpected {what} response. There may be more than one action server "
                f"for the action '{self._action_name}'"
            )
            return
        if future in self._futures:
            self.remove_future(future)
        future.set_result(response)

    def _goal_answered(self, sequence: int, response: Any) -> None:
        unknown: tuple[Any, Any] = (None, None)
        goal_id, future = self._expected(self._pending_goal_requests, sequence) or unknown
        handle = ClientGoalHandle(self, goal_id, response)
        if future is not None and handle.accepted:
            uuid_bytes = bytes(goal_id.uuid)
            if uuid_bytes in self._goal_handles:
                raise RuntimeError(f"Two goals were accepted with the same ID ({handle})")
            self._goal_handles[uuid_bytes] = weakref.ref(handle)
            if self._last_status is not None:  # it may have come before
                self._status_came(self._last_status)
        self._settle(future, handle, "goal")

    async def _feedback_came(self, message: Any) -> None:
        callback = self._feedback_callbacks.get(bytes(message.goal_id.uuid))
        if callback is None:
            return
        await await_or_execute(callback, message)

    def _status_came(self, message: Any) -> None:
        self._last_status = message
        for each in message.status_list:
            goal_id = bytes(each.goal_info.goal_id.uuid)
            found = self._goal_handles.get(goal_id)
            handle = None if found is None else found()
            if handle is not None:
                handle._status = each.status  # noqa: SLF001
            if found is not None and (handle is None or each.status in _ENDED):
                self._goal_handles.pop(goal_id, None)

    def get_num_entities(self) -> NumberOfEntities:
        """Return the numbers of entities: three clients and two subscriptions."""
        return NumberOfEntities(num_subs=2, num_clients=3)

    # Sending

    def send_goal(self, goal: Any, **kwargs: Any) -> Any:
        """Send a goal and wait for its result; another thread has to spin the node.

        Raises:
            TypeError: it is no goal of the action.
        """
        handle = _wait_for(self.send_goal_async(goal, **kwargs))
        return _wait_for(self._get_result_async(handle))

    def send_goal_async(
        self,
        goal: Any,
        feedback_callback: Callable[[Any], Any] | None = None,
        goal_uuid: Any = None,
    ) -> Future[Any]:
        """Send a goal; the future will have its `ClientGoalHandle`.

        Raises:
            TypeError: it is no goal of the action.
        """
        if not isinstance(goal, self._action_type.Goal):
            raise TypeError(
                f"Expected goal type ({type(self._action_type.Goal)}) but received ({type(goal)})"
            )
        request = self._action_type.Impl.SendGoalService.Request()
        request.goal_id = self._generate_random_uuid() if goal_uuid is None else goal_uuid
        request.goal = goal
        if feedback_callback is not None:
            self._feedback_callbacks[bytes(request.goal_id.uuid)] = feedback_callback
        future: Future[Any] = Future()
        about = (request.goal_id, future)
        return self._send("goal", request, future, self._pending_goal_requests, about)

    def _send(
        self, name: str, request: Any, future: Future[Any], pending: dict[int, Any], about: Any
    ) -> Future[Any]:
        """Send a request; `about` waits among the pending ones for its response."""
        self.add_future(future)
        self._entities.check_for(name)
        with self._lock:
            pending[getattr(self._entities, name).send_request(request)] = about
        return future

    def _generate_random_uuid(self) -> Any:
        kind = interface("unique_identifier_msgs/msg/UUID")
        return kind(uuid=list(uuid.uuid4().bytes))

    def _check_handle(self, goal_handle: object) -> None:
        if not isinstance(goal_handle, ClientGoalHandle):
            raise TypeError(f"Expected type ClientGoalHandle but received {type(goal_handle)}")

    def _cancel_goal_async(self, goal_handle: ClientGoalHandle) -> Future[Any]:
        self._check_handle(goal_handle)
        request = self._action_type.Impl.CancelGoalService.Request()
        request.goal_info.goal_id = goal_handle.goal_id
        future: Future[Any] = Future()
        return self._send("cancel", request, future, self._pending_cancel_requests, future)

    def _get_result_async(self, goal_handle: ClientGoalHandle) -> Future[Any]:
        self._check_handle(goal_handle)
        request = self._action_type.Impl.GetResultService.Request()
        request.goal_id = goal_handle.goal_id
        future: Future[Any] = Future()
        about = (bytes(request.goal_id.uuid), future)
        return self._send("result", request, future, self._pending_result_requests, about)

    def server_is_ready(self) -> bool:
        """Whether the action has a server; raises an RCLError after a shutdown by a signal."""
        with self._node.handle:
            return self._entities.is_server_available()

    def wait_for_server(self, timeout_sec: float | None = None) -> bool:
        """Wait until the action has a server; False on timeout."""
        return wait_for_server(self.server_is_ready, timeout_sec, self._node.context)

    def configure_introspection(
        self,
        clock: Clock,
        service_event_qos_profile: QoSProfile,
        introspection_state: ServiceIntrospectionState,
    ) -> None:
        """Configure the introspection of the action's services."""
        self._entities.configure_introspection(
            clock, service_event_qos_profile, introspection_state
        )

    def destroy(self) -> None:
        """Destroy the client."""
        self._entities.destroy_when_not_in_use()
        self._node.remove_waitable(self)
