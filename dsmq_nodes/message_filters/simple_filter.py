"""What every filter is: it gives messages to the callbacks that are registered; and topics."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVarTuple

from dsmq_nodes.graph.callback import MessageT
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.topics.qos import QoSProfile

GivenTs = TypeVarTuple("GivenTs")
_NANOSECONDS = 1_000_000_000


class StampLike(Protocol):
    """A stamp: this kit's, or a ROS message."""

    @property
    def sec(self) -> int:
        """Seconds."""

    @property
    def nanosec(self) -> int:
        """Nanoseconds of the second."""


def stamp_ns(message: Any) -> int | None:
    """The stamp of a message's header in ns; None if it has no header."""
    header = getattr(message, "header", None)
    return None if header is None else as_ns(header.stamp)


def as_ns(stamp: StampLike) -> int:
    """A stamp in ns."""
    return stamp.sec * _NANOSECONDS + stamp.nanosec


class SimpleFilter(Generic[*GivenTs]):
    """A filter; subclasses call `signal` with what it gives on."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def register_callback(self, callback: Callable[..., object], *more: Any) -> int:
        """Call `callback` with every message, or messages, and with `more` behind them.

        Returns the number of the callback, from 0.
        """
        self._callbacks.append((callback, more))
        return len(self._callbacks) - 1

    def signal(self, *given: *GivenTs) -> None:
        """Give messages to all callbacks."""
        for callback, more in self._callbacks:
            callback(*given, *more)


class Subscriber(SimpleFilter[MessageT]):
    """The messages of a topic."""

    def __init__(
        self,
        node: Node,
        msg_type: type[MessageT],
        topic: str,
        qos_profile: QoSProfile | int = 10,
    ) -> None:
        super().__init__()
        self.subscription = node.create_subscription(msg_type, topic, self._heard, qos_profile)

    def _heard(self, msg: MessageT) -> None:
        self.signal(msg)

    @property
    def topic_name(self) -> str:
        """The topic's absolute name."""
        return self.subscription.topic_name
