"""A client of a buffer in another process, by the action `LookupTransform` of its server."""

import threading
import warnings
from typing import Any, Final

from dsmq_nodes.rclpy.action import ActionClient
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.interfaces import action_named, class_named
from dsmq_nodes.rclpy.packages.tf2_py import TimeoutException, TransformException
from dsmq_nodes.rclpy.packages.tf2_ros.buffer import NO_TIME
from dsmq_nodes.rclpy.packages.tf2_ros.buffer_interface import LOOKUP, NUMBERS, BufferInterface
from dsmq_nodes.rclpy.task import Future
from dsmq_nodes.rclpy.time import Time

_ERRORS: Final = {number: error for error, number in NUMBERS.items()}
_PADDING: Final = Duration(seconds=2.0)
_SERVER: Final = "Something is likely wrong with the server."


class BufferClient(BufferInterface):
    """Looks transforms up in the buffer of a server.

    A lookup waits in its thread: another thread has to spin the node.
    """

    def __init__(
        self,
        node: Any,
        ns: str,
        check_frequency: float = 10.0,
        timeout_padding: Duration = _PADDING,
    ) -> None:
        """Make a client of the server `ns`.

        Args:
            node: the node.
            ns: the name of the server's action.
            check_frequency: as in tf2_ros, without effect: an answer wakes the waiting thread.
            timeout_padding: how much longer than the lookup's timeout the server may take.
        """
        super().__init__()
        self.node = node
        self.action_client = ActionClient(node, action_named(LOOKUP), action_name=ns)
        self.check_frequency = check_frequency
        self.timeout_padding = timeout_padding

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Any, timeout: Duration = NO_TIME
    ) -> Any:
        """Return the transform from `source_frame` to `target_frame`; the server waits for it.

        Raises:
            TransformException: it is not known.
            TimeoutException: there is no server, or it did not answer.
            TypeError: `time` is no time.
        """
        if isinstance(time, class_named("builtin_interfaces/msg/Time")):
            warnings.warn(
                "Passing a builtin_interfaces.msg.Time argument is deprecated, and will be removed "
                "in the near future. Use rclpy.time.Time instead.",
                stacklevel=2,
            )
            time = Time.from_msg(time)
        if not isinstance(time, Time):
            raise TypeError("Must pass a rclpy.time.Time object.")
        return self._ask(target_frame, source_frame, time, timeout, {})

    def lookup_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_TIME,
    ) -> Any:
        """Return the transform between two times, by a frame that stands still; raises as above."""
        more = {"target_time": target_time, "fixed_frame": fixed_frame}
        return self._ask(target_frame, source_frame, source_time, timeout, more)

    def can_transform(
        self, target_frame: str, source_frame: str, time: Any, timeout: Duration = NO_TIME
    ) -> bool:
        """Whether a transform is known, at most after `timeout`."""
        try:
            self.lookup_transform(target_frame, source_frame, time, timeout)
        except TransformException:
            return False
        return True

    def can_transform_full(self, *words: Any, **more: Any) -> bool:
        """Do the same between two times; arguments as `lookup_transform_full`."""
        try:
            self.lookup_transform_full(*words, **more)
        except TransformException:
            return False
        return True

    def destroy(self) -> None:
        """Destroy the action's client."""
        self.action_client.destroy()

    def _ask(
        self, target: str, source: str, time: Time, timeout: Duration, more: dict[str, Any]
    ) -> Any:
        goal = action_named(LOOKUP).Goal(target_frame=target, source_frame=source)
        goal.source_time, goal.timeout = time.to_msg(), timeout.to_msg()
        if more:
            goal.target_time, goal.advanced = more["target_time"].to_msg(), True
            goal.fixed_frame = more["fixed_frame"]
        if not self.action_client.server_is_ready():
            raise TimeoutException("The BufferServer is not ready.")
        came_back = "The LookupTransform goal sent to the BufferServer did not come back"
        accepted = self.action_client.send_goal_async(goal)
        longest = timeout + self.timeout_padding
        if not _is_done(accepted, longest.nanoseconds * 1e-9):
            raise TimeoutException(f"{came_back} in the specified time. {_SERVER}")
        handle: Any = accepted.result()
        if not handle.accepted:
            raise TimeoutException(f"{came_back} with accepted status. {_SERVER}")
        result = handle.get_result().result
        if result.error.error != result.error.NO_ERROR:
            raise _ERRORS.get(result.error.error, TransformException)(result.error.error_string)
        return result.transform


def _is_done(future: Future[Any], timeout_sec: float) -> bool:
    """Wait for a future that another thread settles; False on timeout."""
    event = threading.Event()
    future.add_done_callback(lambda _: event.set())
    return event.wait(timeout_sec)
