"""Answers lookups of other processes from a buffer, by the action `LookupTransform`."""

import threading
import time
from typing import Any, Final

from dsmq_nodes.rclpy.action import ActionServer, CancelResponse
from dsmq_nodes.rclpy.callback_groups import ReentrantCallbackGroup
from dsmq_nodes.rclpy.clock import Clock
from dsmq_nodes.rclpy.clock_type import ClockType
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.interfaces import action_named
from dsmq_nodes.rclpy.packages.tf2_py import TransformException
from dsmq_nodes.rclpy.packages.tf2_ros.buffer_interface import LOOKUP, NUMBERS
from dsmq_nodes.rclpy.task import Future
from dsmq_nodes.rclpy.time import Time

_OTHER: Final = 6
_CHECK_PERIOD: Final = Duration(seconds=0.01)


class BufferServer:
    """Serves the transforms of a buffer to the `BufferClient`s of other processes.

    A goal is answered when its transform is known, or when its timeout is over, with the error that
    says why not. A `TransformListener` of the same node fills the buffer. In rclpy's tf2_ros only
    C++ has this class; its program `buffer_server` is here too.
    """

    def __init__(
        self, buffer: Any, node: Any, ns: str, check_period: Duration = _CHECK_PERIOD
    ) -> None:
        """Serve `buffer` by the action `ns`; goals that wait are checked each `check_period`."""
        self._buffer = buffer
        self._waiting: list[tuple[Any, float, Future[None]]] = []  # goal, end of the wait, future
        self._lock = threading.Lock()
        kind, group = action_named(LOOKUP), ReentrantCallbackGroup()
        self._result = kind.Result
        self.action_server = ActionServer(
            *(node, kind, ns, self._execute),
            callback_group=group,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )
        self._timer = node.create_timer(
            *(check_period.nanoseconds * 1e-9, self._wake_done, group),
            Clock(clock_type=ClockType.STEADY_TIME),
            autostart=False,
        )

    def destroy(self) -> None:
        """End the server; goals that wait are not answered."""
        self._timer.cancel()
        self.action_server.destroy()

    def _wake_done(self) -> None:
        """Wake the goals whose wait is over."""
        with self._lock:
            done = [each for each in self._waiting if self._is_over(*each[:2])]
            self._waiting = [each for each in self._waiting if each not in done]
            if not self._waiting:
                self._timer.cancel()
        for _, _, future in done:
            future.set_result(None)

    def _is_over(self, goal: Any, until_sec: float) -> bool:
        if goal.is_cancel_requested or time.monotonic() >= until_sec:
            return True
        return not isinstance(self._found(goal.request), TransformException)

    async def _execute(self, goal: Any) -> Any:
        until_sec = time.monotonic() + Duration.from_msg(goal.request.timeout).nanoseconds * 1e-9
        if not self._is_over(goal, until_sec):
            future: Future[None] = Future()
            with self._lock:
                self._waiting.append((goal, until_sec, future))
                self._timer.reset()
            await future
        result = self._result()
        if goal.is_cancel_requested:
            goal.canceled()
            return result
        found = self._found(goal.request)
        if isinstance(found, TransformException):
            result.error.error = NUMBERS.get(type(found), _OTHER)
            result.error.error_string = str(found)
            goal.abort()
        else:
            result.transform = found
            goal.succeed()
        return result

    def _found(self, wanted: Any) -> Any:
        """Return the transform of a goal, or why it is not known."""
        source_time = Time.from_msg(wanted.source_time)
        try:
            if not wanted.advanced:
                return self._buffer.lookup_transform_core(
                    wanted.target_frame, wanted.source_frame, source_time
                )
            return self._buffer.lookup_transform_full_core(
                *(wanted.target_frame, Time.from_msg(wanted.target_time), wanted.source_frame),
                *(source_time, wanted.fixed_frame),
            )
        except TransformException as error:
            return error
