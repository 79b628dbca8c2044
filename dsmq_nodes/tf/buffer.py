"""The transform buffer of a node: lookups that may wait, from any thread."""

import contextlib
from typing import TYPE_CHECKING, Literal, overload

from dsmq_nodes.errors import InvalidArgumentException, TransformException
from dsmq_nodes.graph.spin.event_loop import Notifier
from dsmq_nodes.graph.time.clock import BaseClock, seconds
from dsmq_nodes.tf.apply import StampedT, function_for
from dsmq_nodes.tf.core import BufferCore

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsmq_nodes.graph.node import Node
    from dsmq_nodes.graph.spin.spinner import Spinner
    from dsmq_nodes.messages.base import Duration, Time
    from dsmq_nodes.messages.geometry import TransformStamped


class Buffer(BufferCore):
    """The transforms of the last seconds; a `TransformListener` fills it.

    Times: `Time()` is the latest time at which the transform is known. Timeouts are seconds or a
    Duration, by the node's clock.
    """

    def __init__(self, cache_time: "Duration | float" = 10.0) -> None:
        """Make an empty buffer; it drops transforms `cache_time` older than the newest."""
        super().__init__(seconds(cache_time))
        self._node: Node | None = None
        self._changed = Notifier()

    def attach(self, node: "Node") -> None:
        """Wait in a node's time, while its callbacks run; `TransformListener` calls this."""
        self._node = node

    def lookup_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: "Time",
        timeout: "Duration | float" = 0.0,
    ) -> "TransformStamped":
        """Return the transform that takes coordinates in `source_frame` to those in `target_frame`.

        With a timeout it waits, while the node's callbacks run; in a callback it does not wait:
        `await buffer.lookup_transform_async()` there.

        Raises:
            LookupException: one of the frames is unknown.
            ConnectivityException: the two are not in one tree.
            ExtrapolationException: the transform is not known at that time.
            InvalidArgumentException: a frame's name is empty or begins with a slash.
        """
        return self._wait_for_lookup(
            lambda: self.lookup(target_frame, source_frame, time), seconds(timeout)
        )

    def lookup_transform_full(  # noqa: PLR0917  rclpy's order
        self,
        target_frame: str,
        target_time: "Time",
        source_frame: str,
        source_time: "Time",
        fixed_frame: str,
        timeout: "Duration | float" = 0.0,
    ) -> "TransformStamped":
        """Return the transform from `source_frame` at one time to `target_frame` at another.

        Between the two times the data stands still in `fixed_frame`.

        Raises:
            TransformException: see `lookup_transform`.
        """
        return self._wait_for_lookup(
            lambda: self.lookup_full(
                target_frame, target_time, source_frame, source_time, fixed_frame
            ),
            seconds(timeout),
        )

    async def lookup_transform_async(
        self,
        target_frame: str,
        source_frame: str,
        time: "Time",
        timeout: "Duration | float | None" = None,
    ) -> "TransformStamped":
        """Do as `lookup_transform`, in a coroutine; without a timeout it waits forever.

        Raises:
            TransformException: on timeout; see `lookup_transform`.
        """

        def look_up() -> "TransformStamped":
            return self.lookup(target_frame, source_frame, time)

        await self._until_known(look_up, None if timeout is None else seconds(timeout))
        return look_up()

    async def wait_for_transform_async(
        self, target_frame: str, source_frame: str, time: "Time"
    ) -> bool:
        """Wait, without a timeout, until `lookup_transform` succeeds; returns True.

        Raises:
            InvalidArgumentException: a frame's name is empty or begins with a slash.
        """
        await self.lookup_transform_async(target_frame, source_frame, time)
        return True

    @overload
    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: "Time",
        timeout: "Duration | float" = 0.0,
    ) -> bool: ...

    @overload
    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: "Time",
        timeout: "Duration | float" = 0.0,
        *,
        return_debug_tuple: Literal[True],
    ) -> tuple[bool, str]: ...

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: "Time",
        timeout: "Duration | float" = 0.0,
        *,
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        """Whether `lookup_transform` succeeds; with the debug tuple also why it does not."""
        try:
            self.lookup_transform(target_frame, source_frame, time, timeout)
        except TransformException as error:
            return (False, str(error)) if return_debug_tuple else False
        return (True, "") if return_debug_tuple else True

    def transform(
        self, stamped: StampedT, target_frame: str, timeout: "Duration | float" = 0.0
    ) -> StampedT:
        """Return a stamped point, vector or pose, expressed in another frame at its own time.

        Raises:
            TransformException: see `lookup_transform`.
            TypeError: this type cannot be transformed.
        """
        function, header = function_for(stamped), stamped.header
        return function(
            stamped, self.lookup_transform(target_frame, header.frame_id, header.stamp, timeout)
        )

    def changed(self) -> None:
        """Let waiting lookups try again, since transforms have come; in the node's thread."""
        self._changed.notify_all()

    # Waiting

    def _wait_for_lookup(
        self, look_up: "Callable[[], TransformStamped]", timeout_sec: float
    ) -> "TransformStamped":
        """Return the result of a lookup, now or before the timeout; waits in this thread."""
        try:
            return look_up()
        except InvalidArgumentException:
            raise  # waiting does not help
        except TransformException as error:
            if timeout_sec <= 0:
                raise
            spinner = self._spinner()
            instead = "await buffer.lookup_transform_async()"
            if spinner.is_in_callback():
                raise type(error)(f"{error} (a callback does not wait: `{instead}`)") from None
        spinner.block_on(self._until_known(look_up, timeout_sec), instead)
        return look_up()

    def _spinner(self) -> "Spinner":
        if self._node is None:
            raise RuntimeError(
                "a buffer gets its transforms from a listener: make a "
                "TransformListener(buffer, node) first"
            )
        return self._node._kit.spinner

    def _clock(self) -> BaseClock:
        return BaseClock() if self._node is None else self._node.get_clock()

    async def _until_known(
        self, look_up: "Callable[[], object]", timeout_sec: float | None
    ) -> None:
        """Wait until a lookup succeeds, for the timeout at most."""
        # After a timeout the caller tries again, for the error that says why.
        with contextlib.suppress(TimeoutError):
            async with self._clock().timeout(timeout_sec):
                await self._changed.until(lambda: _succeeds(look_up))


def _succeeds(look_up: "Callable[[], object]") -> bool:
    try:
        look_up()
    except InvalidArgumentException:
        return True  # waiting does not help
    except TransformException:
        return False
    return True
