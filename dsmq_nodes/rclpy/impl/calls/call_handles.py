"""The inner sides of clients and services.

A request that the I/O thread has received waits in a queue until an executor takes it; the answer
goes back through an asyncio future in the I/O thread.
"""

import asyncio
import itertools
import time
from collections import deque
from functools import cache
from typing import Any

from dsmq_nodes import Service
from dsmq_nodes.rclpy.impl.c_errors import wrong_arguments
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.impl.log_output import log_inside
from dsmq_nodes.rclpy.impl.nodes.ends import CLIENT, SERVICE, End, ends
from dsmq_nodes.rclpy.impl.nodes.node_handle import NodeHandle, graph_follower
from dsmq_nodes.rclpy.impl.nodes.peer_node import io
from dsmq_nodes.rclpy.impl.topics.qos_rules import check_is_known
from dsmq_nodes.rclpy.impl.topics.topic_handles import PublisherHandle
from dsmq_nodes.rclpy.interfaces import conversion_of, from_ros
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.rclpy.service_introspection import ServiceIntrospectionState

_WARN = 30
_CONFIGURE = (
    "configure_introspection(self: rclpy._rclpy_pybind11.Client, arg0: rclpy::Clock, arg1: object, "
    "arg2: rclpy._rclpy_pybind11.service_introspection.ServiceIntrospectionState) -> None"
)
_SOON_SEC = 2.0  # for the broker's graph to show a service that this process has just made


class RequestId:
    """The identity of a service call."""

    def __init__(self, sequence_number: int) -> None:
        self.sequence_number = sequence_number
        self.writer_guid: list[int] = [0] * 16


class ServiceInfo:
    """The metadata of a request or a response.

    When it was sent is not known; both times are when it was received.
    """

    def __init__(self, request_id: RequestId) -> None:
        self.request_id = request_id
        self.source_timestamp = self.received_timestamp = time.time_ns()


class Introspection:
    """Publishes the calls of a client or service on `<service>/_service_event`."""

    def __init__(self, node: NodeHandle, srv_type: Any, name: str) -> None:
        self._node, self._srv_type, self._name = node, srv_type, name
        self._state = 0
        self._clock: Any = None
        self._publisher: PublisherHandle | None = None

    def configure(self, clock: Any, qos: QoSProfile, state: Any) -> None:
        """Publish nothing, metadata alone, or contents too, as `state` says.

        Raises:
            AttributeError: it is no clock, or no profile.
            TypeError: it is no state.
        """
        _ = clock.handle, qos.get_c_qos_profile
        if not isinstance(state, ServiceIntrospectionState):
            raise wrong_arguments(_CONFIGURE, self, clock, qos, state)
        self._clock = clock
        self._state = int(state)
        if self._state and self._publisher is None:
            event, topic = self._srv_type.Event, f"{self._name}/_service_event"
            self._publisher = PublisherHandle(self._node, event, topic, qos)
            self._publisher.begin()
        elif not self._state:
            self.close()

    def publish(self, kind: int, sequence: int, **content: Any) -> None:
        """Publish the event of a request or response that was sent or received."""
        if not self._state or self._publisher is None:
            return
        event = self._srv_type.Event()
        event.info.event_type = kind
        event.info.stamp = self._clock.now().to_msg()
        event.info.sequence_number = sequence
        if self._state > 1:
            for name, message in content.items():
                setattr(event, name, [message])
        self._publisher.publish(event)

    def close(self) -> None:
        """Stop publishing."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.destroy_when_not_in_use()


REQUEST_SENT, REQUEST_RECEIVED, RESPONSE_SENT, RESPONSE_RECEIVED = range(4)


class _CallHandle(InnerHandle):
    """The base of clients and services."""

    def __init__(
        self, kind: str, node: NodeHandle, srv_type: Any, name: str, qos: QoSProfile
    ) -> None:
        super().__init__()
        node.check_context(f"failed to create {kind}")
        check_is_known(qos.get_c_qos_profile(), f"failed to create {kind}")
        self.node = node
        node.inner.add(self)
        self.service_name = name
        self._kit_type = _kit_service(srv_type)
        self._ids = itertools.count(1)
        self.introspection = Introspection(node, srv_type, name)
        self._end = End(kind, name, self._kit_type.type_name, node.name, node.namespace, qos)

    def get_logger_name(self) -> str:
        """Return the name of the node's logger."""
        return self.node.logger_name

    def configure_introspection(self, clock: Any, qos: QoSProfile, state: Any) -> None:
        """Configure introspection, as `Introspection.configure` does."""
        self.introspection.configure(clock, qos, state)

    def _end_kit(self) -> None:
        """End the kit's side; called in the I/O thread."""
        raise NotImplementedError

    def destroy_when_not_in_use(self) -> None:
        """Destroy it."""
        if self.is_destroyed:
            return
        super().destroy_when_not_in_use()
        self.node.inner.discard(self)
        self.introspection.close()
        ends.remove(self._end)
        io.run(self._end_kit)


class ClientHandle(_CallHandle):
    """The inner side of a client."""

    def __init__(self, node: NodeHandle, srv_type: Any, name: str, qos: QoSProfile) -> None:
        super().__init__(CLIENT, node, srv_type, name, qos)
        self._conversion = conversion_of(srv_type.Response)
        self._responses: deque[tuple[ServiceInfo, Any]] = deque()
        self._kit = io.run(node.kit.create_client, self._kit_type, name)
        ends.add(self._end)

    def send_request(self, request: Any) -> int:
        """Send a request; return its number."""
        sequence = next(self._ids)
        ours = from_ros(request)
        self.introspection.publish(REQUEST_SENT, sequence, request=request)
        if self._kit.service_is_ready() or not ends.named(SERVICE, self.service_name):
            self._call(sequence, ours)
        else:
            io.start(self._call_soon(sequence, ours))
        return sequence

    async def _call_soon(self, sequence: int, request: Any) -> None:
        """Call a service of this process that the broker's graph does not show yet."""
        await self._kit.wait_for_service_async(_SOON_SEC)
        self._call(sequence, request)

    def _call(self, sequence: int, request: Any) -> None:
        try:
            answer = self._kit.call_async(request)
        except ValueError as error:
            self._has_failed(error)
            return

        def arrived(response: Any) -> None:
            # At once in the I/O thread: before messages that were sent after the response.
            self._responses.append((ServiceInfo(RequestId(sequence)), response))
            self.node.wake()

        answer.then(arrived, lambda: self._has_failed(answer.exception())).ignore()

    def _has_failed(self, error: BaseException | None) -> None:
        """Log why a call gets no answer; as in ROS 2, none is sent."""
        if not self.is_destroyed and not self.node.is_destroyed and self.node.context.ok():
            log_inside(_WARN, self.node.logger_name, f"no answer: {error}")

    def is_ready(self) -> bool:
        """Whether a response has arrived."""
        return bool(self._responses) and not self.is_destroyed

    def take_response(self, _type: Any = None) -> tuple[ServiceInfo | None, Any]:
        """Return the oldest response; (None, None) if there is none."""
        if not self._responses:
            return None, None
        header, response = self._responses.popleft()
        message = self._conversion.to_ros(response)
        sequence = header.request_id.sequence_number
        self.introspection.publish(RESPONSE_RECEIVED, sequence, response=message)
        return header, message

    def service_server_is_available(self) -> bool:
        """Whether a server of the service exists."""
        if ends.named(SERVICE, self.service_name):
            return True
        graph_follower.ask()
        return bool(ends.named(SERVICE, self.service_name))

    def _end_kit(self) -> None:
        self.node.kit.destroy_client(self._kit)


class ServiceHandle(_CallHandle):
    """The inner side of a service."""

    def __init__(self, node: NodeHandle, srv_type: Any, name: str, qos: QoSProfile) -> None:
        super().__init__(SERVICE, node, srv_type, name, qos)
        self._conversion = conversion_of(srv_type.Request)
        self._requests: deque[tuple[Any, ServiceInfo]] = deque()
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._kit = io.run(self._serve)
        ends.add(self._end)

    def _serve(self) -> Any:
        try:
            kit = self.node.kit.create_service(self._kit_type, self.service_name, self._answer)
        except ValueError as error:
            log_inside(_WARN, self.node.logger_name, f"{error}: the first one answers")
            return None
        self.node.kit.confirm_subscriptions()
        return kit

    async def _answer(self, request: Any) -> Any:
        """Enqueue the request, and wait for an executor's answer; called in the I/O thread."""
        sequence = next(self._ids)
        answer = self._open[sequence] = asyncio.get_running_loop().create_future()
        self._requests.append((request, ServiceInfo(RequestId(sequence))))
        self.node.wake()
        try:
            return await answer
        finally:
            self._open.pop(sequence, None)

    def is_ready(self) -> bool:
        """Whether a request has arrived."""
        return bool(self._requests) and not self.is_destroyed

    def service_take_request(self, _type: Any = None) -> tuple[Any, ServiceInfo | None]:
        """Return the oldest request; (None, None) if there is none."""
        if not self._requests:
            return None, None
        request, header = self._requests.popleft()
        message = self._conversion.to_ros(request)
        sequence = header.request_id.sequence_number
        self.introspection.publish(REQUEST_RECEIVED, sequence, request=message)
        return message, header

    def service_send_response(self, response: Any, request_id: RequestId) -> None:
        """Answer a request."""
        ours = from_ros(response)
        sequence = request_id.sequence_number
        self.introspection.publish(RESPONSE_SENT, sequence, response=response)
        answer = self._open.get(sequence)
        if answer is not None:
            # What the program publishes after this comes after the response.
            io.wait(_sent(answer, ours))

    def _end_kit(self) -> None:
        # Open calls stay without an answer, as in ROS 2.
        if self._kit is not None:
            self.node.kit.destroy_service(self._kit)


async def _sent(answer: "asyncio.Future[Any]", response: Any) -> None:
    if not answer.done():
        answer.set_result(response)
        await asyncio.sleep(0)  # meanwhile the kit sends it


@cache
def _kit_service(srv_type: Any) -> Any:
    """Return a service type of the kit with the messages of a service of ROS."""
    request = conversion_of(srv_type.Request).message_class
    response = conversion_of(srv_type.Response).message_class
    name = request.type_name.removesuffix("_Request")
    # What the kit derives from a message may not be given its name a second time.
    body = {"Request": request, "Response": response, "__module__": request.__module__}
    return type(name.rpartition("/")[2], (Service,), body, type_name=name)
