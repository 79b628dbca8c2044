"""Faults of messages in transit; reproducible by a seed."""

import asyncio
import random
from dataclasses import dataclass

from typing_extensions import override

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.router.topics import ConnectedPeer
from dsmq_nodes.graph.given import number
from dsmq_nodes.graph.links.memory_link import MemoryBroker
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.messages.python_numbers import as_python


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of one topic, the same for all its subscribers.

    Attributes:
        drop: the share of messages that are lost, 0 to 1.
        duplicate: the share that arrives twice.
        reorder: the share that arrives after the next message.
        delay_sec: how much later each message arrives: in seconds, or evenly between two values.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_sec: float | tuple[float, float] = 0.0

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "reorder"):
            share = getattr(self, name)
            if not (isinstance(as_python(share), int | float) and 0 <= share <= 1):
                raise ValueError(f"{name} is a share from 0 to 1, not {share!r}")
        low, high = (number(each, "delay_sec", least=0) for each in self.limits_sec)
        if low > high:
            raise ValueError(f"delay_sec is a time or (least, most), not {self.delay_sec!r}")

    @property
    def limits_sec(self) -> tuple[float, float]:
        """The least and the greatest delay."""
        return self.delay_sec if isinstance(self.delay_sec, tuple) else (self.delay_sec,) * 2


class _FaultyTopic:
    def __init__(self, faults: Faults, seed: str) -> None:
        self.faults = faults
        self.reordered: list[tuple[ConnectedPeer, wire.Request]] = []
        self._random = random.Random(seed)

    def happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def delay_sec(self) -> float:
        return self._random.uniform(*self.faults.limits_sec)


class FaultyBroker(MemoryBroker):
    """A broker in memory whose topics may have faults."""

    def __init__(self, clock: BaseClock, loop: asyncio.AbstractEventLoop, seed: int) -> None:
        super().__init__(clock)
        self._loop = loop
        self._seed = seed
        self._topics: dict[str, _FaultyTopic] = {}

    def set_faults(self, topic: str, faults: Faults) -> None:
        """Give the messages of a topic these faults from now on."""
        before, made = self._topics.get(topic), _FaultyTopic(faults, f"{self._seed} {topic}")
        made.reordered = (
            before.reordered if before is not None else []
        )  # they come after the next message
        self._topics[topic] = made

    @override
    def put(self, peer: ConnectedPeer, request: wire.Request) -> None:
        topic = self._topics.get(request.topic)
        if topic is None:
            self.ask(peer, request)
        elif topic.happens(topic.faults.drop):
            pass
        elif topic.happens(topic.faults.reorder):
            topic.reordered.append((peer, request))
        else:
            self._send_with_faults(topic, peer, request)
            reordered, topic.reordered = topic.reordered, []
            for late_peer, late in reordered:
                self._send_with_faults(topic, late_peer, late)

    def _send_with_faults(
        self, topic: _FaultyTopic, peer: ConnectedPeer, request: wire.Request
    ) -> None:
        for _ in range(2 if topic.happens(topic.faults.duplicate) else 1):
            delay_sec = topic.delay_sec()
            if delay_sec > 0:
                self._loop.call_later(delay_sec, self.ask, peer, request)
            else:
                self.ask(peer, request)
