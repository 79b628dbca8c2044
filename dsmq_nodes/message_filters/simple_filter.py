"""The base of every filter, which gives messages to registered callbacks; and filters of topics."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVarTuple

from dsmq_nodes.graph.callback import MessageT, Result, check_callback, to_await
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
    """A stamp in ns; that of a program for rclpy may be rclpy's Time."""
    nanoseconds = getattr(stamp, "nanoseconds", None)
    return stamp.sec * _NANOSECONDS + stamp.nanosec if nanoseconds is None else int(nanoseconds)


class SimpleFilter(Generic[*GivenTs]):
    """A filter; subclasses call `signal` with what it gives on."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def register_callback(self, callback: Callable[..., object], *more: Any) -> int:
        """Call `callback` with every message, or messages, and with `more` behind them.

        It is `def` or `async def`. Returns the number of the callback, from 0.

        Raises:
            TypeError: it cannot be called or awaited.
        """
        check_callback(callback, "the callback of a filter")
        self._callbacks.append((callback, more))
        return len(self._callbacks) - 1

    def signal(self, *given: *GivenTs) -> Result:
        """Give messages to all callbacks; returns what is to be awaited, if a coroutine is."""
        called = [to_await(callback(*given, *more), callback) for callback, more in self._callbacks]
        works = [work for work in called if work is not None]
        return works[0] if len(works) == 1 else _await_all(works) if works else None


async def _await_all(works: list[Awaitable[Any]]) -> None:
    await asyncio.gather(*works)


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
        self.subscription = node.create_subscription(msg_type, topic, self._on_message, qos_profile)

    def _on_message(self, msg: MessageT) -> Result:
        return self.signal(msg)

    @property
    def topic_name(self) -> str:
        """The topic's absolute name."""
        return self.subscription.topic_name
