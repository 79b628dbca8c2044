"""ROS's message_filters on this kit's: the same filters with the names and times of rclpy."""

from collections.abc import Callable, Sequence
from typing import Any

from dsmq_nodes import message_filters as ours
from dsmq_nodes.rclpy.clock import ROSClock
from dsmq_nodes.rclpy.logging import get_logger
from dsmq_nodes.rclpy.time import Time


class SimpleFilter(ours.SimpleFilter[Any]):
    """The base of all filters."""

    def registerCallback(self, cb: Callable[..., object], *args: Any) -> int:  # noqa: N802
        """Call `cb` with every message, followed by `args`."""
        return self.register_callback(cb, *args)

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802
        """Pass a message on."""
        self.signal(*msg)


class Subscriber(SimpleFilter):
    """The messages of a topic: `Subscriber(node, msg_type, topic, qos_profile=10)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        names = ("node", "msg_type", "topic", "qos_profile")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        self.node = given.pop("node")
        self.msg_type = given.pop("msg_type")
        self.topic = given.pop("topic")
        qos = given.pop("qos_profile", 10)
        self.sub = self.node.create_subscription(
            self.msg_type, self.topic, self.callback, qos, **given
        )

    def callback(self, msg: Any) -> None:
        """Pass a message on."""
        self.signalMessage(msg)

    def getTopic(self) -> str:  # noqa: N802
        """Return the topic as the program has written it."""
        return str(self.topic)

    def __getattr__(self, name: str) -> Any:
        if name == "sub":
            raise AttributeError(name)
        return getattr(self.sub, name)


def _now_ns() -> int:
    return ROSClock().now().nanoseconds


def _has_no_stamp(msg: Any) -> bool:
    """Whether a message has no stamp; a line of the log then says that it is skipped."""
    if hasattr(msg, "header") and hasattr(msg.header, "stamp"):
        return False
    get_logger("message_filters").warning(
        f"{type(msg).__name__} has no header, and so no stamp: it is left out; with "
        '"allow_headerless" it has the time of its arrival'
    )
    return True


class Cache(SimpleFilter):
    """Keeps the newest messages of a filter."""

    def __init__(self, f: Any = None, cache_size: int = 1, allow_headerless: bool = False) -> None:
        super().__init__()
        self.cache_size = cache_size
        self.allow_headerless = allow_headerless
        now_ns = _now_ns if allow_headerless else None
        self._kept: ours.Cache[Any] = ours.Cache(None, cache_size, now_ns=now_ns)
        if f is not None:
            self.connectInput(f)

    def connectInput(self, f: Any) -> None:  # noqa: N802
        """Add the messages of a filter."""
        f.registerCallback(self.add)

    def add(self, msg: Any) -> None:
        """Store a message and pass it on; one without a stamp is skipped unless that is allowed."""
        if not self.allow_headerless and _has_no_stamp(msg):
            return
        self._kept.add(msg)
        self.signalMessage(msg)

    def getInterval(self, from_stamp: Time, to_stamp: Time) -> list[Any]:  # noqa: N802
        """Return the messages from one time to another."""
        return self._kept.get_interval(from_stamp.to_msg(), to_stamp.to_msg())

    def getElemAfterTime(self, stamp: Time) -> Any:  # noqa: N802
        """Return the oldest message of that time or later."""
        return self._kept.get_elem_after_time(stamp.to_msg())

    def getElemBeforeTime(self, stamp: Time) -> Any:  # noqa: N802
        """Return the newest message of that time or earlier."""
        return self._kept.get_elem_before_time(stamp.to_msg())

    def getLatestTime(self) -> Time | None:  # noqa: N802
        """Return the newest stamp."""
        return _time(self._kept.get_latest_ns())

    getLastestTime = getLatestTime  # noqa: N815  the name that it had first

    def getOldestTime(self) -> Time | None:  # noqa: N802
        """Return the oldest stamp."""
        return _time(self._kept.get_oldest_ns())

    def getLast(self) -> Any:  # noqa: N802
        """Return the message with the newest stamp."""
        return self._kept.get_last()


def _time(nanoseconds: int | None) -> Time | None:
    return None if nanoseconds is None else Time.from_msg(Time(nanoseconds=nanoseconds).to_msg())


class TimeSynchronizer(SimpleFilter):
    """Passes on messages with the same stamp together."""

    def __init__(self, fs: Sequence[Any], queue_size: int) -> None:
        super().__init__()
        self.queue_size = queue_size
        self.connectInput(fs)

    def connectInput(self, fs: Sequence[Any]) -> None:  # noqa: N802
        """Add the messages of these filters."""
        self.input_connections = list(fs)
        places: list[ours.SimpleFilter[Any]] = [ours.SimpleFilter() for _ in fs]
        self._synchronizer = self._made(places)
        self._synchronizer.register_callback(self.signalMessage)
        for place, each in zip(places, fs, strict=True):
            each.registerCallback(self._take, place)

    def _made(self, places: Sequence[ours.SimpleFilter[Any]]) -> Any:
        return ours.TimeSynchronizer(places, self.queue_size)

    def _take(self, msg: Any, place: "ours.SimpleFilter[Any]") -> None:
        place.signal(msg)


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Passes on messages with nearly the same stamp together."""

    def __init__(
        self,
        fs: Sequence[Any],
        queue_size: int,
        slop: float,
        allow_headerless: bool = False,
        sync_arrival_time: bool = False,
    ) -> None:
        self.slop = slop
        self.allow_headerless = allow_headerless
        self.sync_arrival_time = sync_arrival_time
        super().__init__(fs, queue_size)

    def _made(self, places: Sequence[ours.SimpleFilter[Any]]) -> Any:
        now_ns = _now_ns if self.allow_headerless or self.sync_arrival_time else None
        nearer = self.slop - 1e-9  # stamps that are exactly `slop` apart do not belong together
        return ours.ApproximateTimeSynchronizer(
            places, self.queue_size, nearer, now_ns=now_ns, by_arrival=self.sync_arrival_time
        )

    def _take(self, msg: Any, place: "ours.SimpleFilter[Any]") -> None:
        needs_stamp = not (self.allow_headerless or self.sync_arrival_time)
        if not (needs_stamp and _has_no_stamp(msg)):
            super()._take(msg, place)
