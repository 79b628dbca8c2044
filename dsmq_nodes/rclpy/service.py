"""Services."""

import inspect
from collections.abc import Callable
from typing import Any, Self

from dsmq_nodes.rclpy.clock import Clock
from dsmq_nodes.rclpy.impl.calls.call_handles import RequestId, ServiceHandle, ServiceInfo
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.rclpy.service_introspection import ServiceIntrospectionState


class Service:
    """Answers calls; made by `Node.create_service`."""

    def __init__(
        self,
        service_impl: ServiceHandle,
        srv_type: Any,
        srv_name: str,
        callback: Callable[[Any, Any], Any],
        callback_group: Any,
        qos_profile: QoSProfile,
    ) -> None:
        self.handle = service_impl
        self.srv_type = srv_type
        self.srv_name = srv_name
        self.callback = callback
        self.callback_group = callback_group
        self._executor_event = False
        self.qos_profile = qos_profile

    def send_response(self, response: Any, header: Any) -> None:
        """Answer a request.

        Raises:
            TypeError: the response is of another type, or the header is none.
        """
        if not isinstance(response, self.srv_type.Response):
            raise TypeError
        with self.handle:
            if isinstance(header, ServiceInfo):
                self.handle.service_send_response(response, header.request_id)
            elif isinstance(header, RequestId):
                self.handle.service_send_response(response, header)
            else:
                raise TypeError

    def take(self, _executor: Any) -> Any:
        """What an executor runs for a request."""
        self.handle.check()
        request, header = self.handle.service_take_request(self.srv_type.Request)
        if header is None:
            return None
        is_async = inspect.iscoroutinefunction(self.callback)
        answer = self._answer_async if is_async else self._answer
        return answer, (request, header)

    def _answer(self, request: Any, header: ServiceInfo) -> None:
        self.send_response(self.callback(request, self.srv_type.Response()), header)

    async def _answer_async(self, request: Any, header: ServiceInfo) -> None:
        response = await self.callback(request, self.srv_type.Response())
        self.send_response(response, header)

    def configure_introspection(
        self,
        clock: Clock,
        service_event_qos_profile: QoSProfile,
        introspection_state: ServiceIntrospectionState,
    ) -> None:
        """Publish its calls on `<service>/_service_event`."""
        with self.handle:
            self.handle.configure_introspection(
                clock, service_event_qos_profile, introspection_state
            )

    @property
    def service_name(self) -> str:
        """The service's absolute name."""
        with self.handle:
            return self.handle.name

    @property
    def logger_name(self) -> str:
        """The name of the node's logger."""
        with self.handle:
            return self.handle.get_logger_name()

    def destroy(self) -> None:
        """End it; `Node.destroy_service` calls this."""
        self.handle.destroy_when_not_in_use()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()
