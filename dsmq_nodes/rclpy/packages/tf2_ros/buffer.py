"""A buffer of transforms with waiting: in a thread up to a timeout, or by a future."""

import threading
import time as clock
from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes.errors import TransformException
from dsmq_nodes.rclpy.clock import Clock, JumpThreshold, TimeJump
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.interfaces import service_named
from dsmq_nodes.rclpy.logging import get_logger
from dsmq_nodes.rclpy.packages.tf2_py import BufferCore
from dsmq_nodes.rclpy.packages.tf2_ros.buffer_interface import BufferInterface
from dsmq_nodes.rclpy.task import Future

_NANOSECONDS: Final = 1e-9
_JUMP_BACK: Final = Duration(seconds=-1)
_POLL_SEC: Final = 0.2  # new transforms wake a waiting thread; the end of rclpy does not
NO_TIME: Final = Duration()


class Buffer(BufferCore, BufferInterface):
    """Transforms between frames, and waiting for them.

    A lookup with a timeout waits in its thread: another thread has to spin the node. The buffer
    forgets its transforms when the node's clock jumps back by over 1 s.
    """

    def __init__(self, cache_time: Duration | None = None, node: Any = None) -> None:
        BufferCore.__init__(self, cache_time)
        BufferInterface.__init__(self)
        self._new = threading.Condition()
        self._futures: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.clock = Clock() if node is None else node.get_clock()
        self.jump_handle = self.clock.create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=_JUMP_BACK, on_clock_change=True),
            post_callback=self.time_jump_callback,
        )
        if node is not None:
            kind = service_named("tf2_msgs/srv/FrameGraph")
            self.srv = node.create_service(kind, "tf2_frames", self._answer_frames)

    def _answer_frames(self, request: Any, response: Any) -> Any:
        response.frame_yaml = self.all_frames_as_yaml()
        return response

    def set_transform(self, transform: Any, authority: str) -> None:
        """Add a transform."""
        super().set_transform(transform, authority)
        self._changed()

    def set_transform_static(self, transform: Any, authority: str) -> None:
        """Add a transform that holds at all times."""
        super().set_transform_static(transform, authority)
        self._changed()

    def time_jump_callback(self, time_jump: TimeJump) -> None:
        """Forget all transforms: the clock has jumped back, or was replaced."""
        text = "Detected jump back in time. Clearing tf buffer."
        get_logger("tf2_buffer").warning(text)
        self.clear()

    def _changed(self) -> None:
        with self._new:
            self._new.notify_all()
            waiting, self._futures = self._futures, []
        for future, lookup in waiting:
            self._settle(future, lookup)

    def _settle(self, future: "Future[Any]", lookup: Callable[[], Any]) -> None:
        """Set a future's result, or keep the future until the transform is known."""
        try:
            with self._new:  # so that no transform arrives between the lookup and the wait
                try:
                    found = lookup()
                except TransformException:
                    self._futures.append((future, lookup))
                    return
        except Exception as error:  # noqa: BLE001  of wrong arguments: the future raises it
            future.set_exception(error)
        else:
            future.set_result(found)

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Any, timeout: Duration = NO_TIME
    ) -> Any:
        """Return the transform from `source_frame` to `target_frame`; wait up to `timeout` for it.

        Raises:
            TransformException: it is not known.
        """
        self.can_transform(target_frame, source_frame, time, timeout)
        return self.lookup_transform_core(target_frame, source_frame, time)

    def lookup_transform_full(
        self,
        target_frame: str,
        target_time: Any,
        source_frame: str,
        source_time: Any,
        fixed_frame: str,
        timeout: Duration = NO_TIME,
    ) -> Any:
        """Return the transform between two times, by a frame that stands still; raises as above."""
        words = (target_frame, target_time, source_frame, source_time, fixed_frame)
        self.can_transform_full(*words, timeout)
        return self.lookup_transform_full_core(*words)

    async def lookup_transform_async(self, target_frame: str, source_frame: str, time: Any) -> Any:
        """Do as `lookup_transform` in a coroutine, without a timeout."""
        await self.wait_for_transform_async(target_frame, source_frame, time)
        return self.lookup_transform_core(target_frame, source_frame, time)

    async def lookup_transform_full_async(self, *words: Any, **more: Any) -> Any:
        """Do the same between two times; arguments as `lookup_transform_full`."""
        await self.wait_for_transform_full_async(*words, **more)
        return self.lookup_transform_full_core(*words, **more)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Any,
        timeout: Duration = NO_TIME,
        return_debug_tuple: bool = False,
    ) -> Any:
        """Whether a transform is known, at most after `timeout`; and why not, on request."""
        words = (target_frame, source_frame, time)
        return self._awaited(self.can_transform_core, words, timeout, return_debug_tuple)

    def can_transform_full(
        self,
        target_frame: str,
        target_time: Any,
        source_frame: str,
        source_time: Any,
        fixed_frame: str,
        timeout: Duration = NO_TIME,
        return_debug_tuple: bool = False,
    ) -> Any:
        """Whether a transform between two times is known, as `can_transform`."""
        words = (target_frame, target_time, source_frame, source_time, fixed_frame)
        return self._awaited(self.can_transform_full_core, words, timeout, return_debug_tuple)

    def _awaited(
        self, ask: Callable[..., tuple[int, str]], words: Any, timeout: Duration, why: bool
    ) -> Any:
        until_sec = clock.monotonic() + timeout.nanoseconds * _NANOSECONDS
        with self._new:
            found = ask(*words)
            while not found[0] and (left := until_sec - clock.monotonic()) > 0:
                self._new.wait(min(left, _POLL_SEC))
                found = ask(*words)
        return found if why else found[0]

    def wait_for_transform_async(
        self, target_frame: str, source_frame: str, time: Any
    ) -> "Future[Any]":
        """Return a future whose result is the transform, when it is known."""
        return self._future(lambda: self.lookup_transform_core(target_frame, source_frame, time))

    def wait_for_transform_full_async(self, *words: Any, **more: Any) -> "Future[Any]":
        """Do the same between two times; arguments as `lookup_transform_full`."""
        return self._future(lambda: self.lookup_transform_full_core(*words, **more))

    def _future(self, lookup: Callable[[], Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        self._settle(future, lookup)
        return future
