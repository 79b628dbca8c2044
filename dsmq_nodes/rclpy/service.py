"""Services."""

import inspect
from collections.abc import Callable
from typing import Any

from dsmq_nodes.rclpy.impl.calls.call_handles import RequestId, ServiceHandle, ServiceInfo
from dsmq_nodes.rclpy.impl.calls.service_end import ServiceEnd
from dsmq_nodes.rclpy.qos import QoSProfile


class Service(ServiceEnd):
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
        super().__init__(service_impl, srv_type, srv_name, callback_group, qos_profile)
        self.callback = callback

    def send_response(self, response: Any, header: Any) -> None:
        """Answer a request.

        Raises:
            TypeError: the response has another type, or the header is not a header.
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
        """Take a request; return the function that answers it, and its arguments."""
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
