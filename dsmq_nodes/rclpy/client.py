"""Clients of services."""

import math
import threading
import time
from typing import Any

from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.executors import ExternalShutdownException
from dsmq_nodes.rclpy.impl.calls.call_handles import ClientHandle
from dsmq_nodes.rclpy.impl.calls.service_end import ServiceEnd
from dsmq_nodes.rclpy.impl.log_output import log_inside
from dsmq_nodes.rclpy.impl.logging_severity import LoggingSeverity
from dsmq_nodes.rclpy.impl.nodes.ends import wait_for_server
from dsmq_nodes.rclpy.impl.wakeup import Wakeup
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.rclpy.task import Future

_LONG_SEC = 3.0


class Client(ServiceEnd):
    """Calls a service; made by `Node.create_client`."""

    def __init__(
        self,
        context: Context,
        client_impl: ClientHandle,
        srv_type: Any,
        srv_name: str,
        qos_profile: QoSProfile,
        callback_group: Any,
    ) -> None:
        super().__init__(client_impl, srv_type, srv_name, callback_group, qos_profile)
        self.context = context
        self._pending_requests: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()

    def call(self, request: Any, timeout_sec: float | None = None) -> Any:
        """Call, and wait for the response; another thread has to spin the node.

        Unlike in ROS 2 the shutdown of the context ends the wait, and a long wait is logged.

        Raises:
            TypeError: the request is of another type.
            TimeoutError: there was no response in time.
            ExternalShutdownException: the context was shut down, by a signal or another thread.
        """
        wakeup = Wakeup()
        future = self.call_async(request)
        if timeout_sec is not None and not timeout_sec > 0 and not future.done():
            self.remove_pending_request(future)
            raise TimeoutError
        future.add_done_callback(lambda _: wakeup.set())
        until_sec = math.inf if timeout_sec is None else time.monotonic() + timeout_sec
        with self.context.waking(wakeup):
            if not future.done() and not wakeup.wait(min(_LONG_SEC, until_sec - time.monotonic())):
                self._warn_of_wait(until_sec)
            while not future.done():
                if not self.context.ok():
                    self.remove_pending_request(future)
                    raise ExternalShutdownException
                left_sec = until_sec - time.monotonic()
                if not wakeup.wait(None if left_sec == math.inf else left_sec) and left_sec <= 0:
                    self.remove_pending_request(future)
                    raise TimeoutError
        error = future.exception()
        if error is not None:
            raise error
        return future.result()

    def _warn_of_wait(self, until_sec: float) -> None:
        if time.monotonic() < until_sec:
            log_inside(
                LoggingSeverity.WARN,
                self.handle.get_logger_name(),
                f"{self.srv_name} has not answered for {_LONG_SEC:g} s. A callback that waits in "
                "`call` gets no answer unless another thread spins the node: use `call_async`, or "
                "a MultiThreadedExecutor with the client in a callback group of its own",
            )

    def call_async(self, request: Any) -> Future[Any]:
        """Call without waiting; return a future of the response, for which the node must be spun.

        Raises:
            TypeError: the request is of another type.
        """
        if not isinstance(request, self.srv_type.Request):
            raise TypeError
        future: Future[Any] = Future()
        with self._lock:
            with self.handle:
                sequence = self.handle.send_request(request)
            self._pending_requests[sequence] = future
            future.add_done_callback(self.remove_pending_request)
        return future

    def get_pending_request(self, sequence_number: int) -> Future[Any]:
        """Return the future of a call by its number.

        Raises:
            KeyError: there is no such call.
        """
        with self._lock:
            return self._pending_requests[sequence_number]

    def remove_pending_request(self, future: Future[Any]) -> None:
        """Forget a call: its future will not be done."""
        with self._lock:
            for sequence, each in self._pending_requests.items():
                if each is future:
                    del self._pending_requests[sequence]
                    break

    def take(self, executor: Any) -> Any:
        """Take a response; return the function that settles the call's future, and its argument."""
        self.handle.check()
        header, response = self.handle.take_response(self.srv_type.Response)
        if header is None:
            return None
        try:
            future = self.get_pending_request(header.request_id.sequence_number)
        except KeyError:
            return None
        future._set_executor(executor)  # noqa: SLF001
        return future.set_result, (response,)

    def service_is_ready(self) -> bool:
        """Whether the service has a server.

        Raises:
            RCLError: the context was shut down.
        """
        with self.handle:
            self.handle.node.check_context("failed to check service availability")
            return bool(self.handle.service_server_is_available())

    def wait_for_service(self, timeout_sec: float | None = None) -> bool:
        """Wait until the service has a server; False on timeout.

        Raises:
            RCLError: the context was shut down.
        """
        return wait_for_server(self.service_is_ready, timeout_sec, self.context)
