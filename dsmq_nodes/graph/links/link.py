"""The seam between a node and the queue.

A link carries text messages on topics and knows nothing of types. It holds what the node has
advertised and subscribed. A node's thread reads, any thread may publish.

`DsmqLink` (broker_link.py) goes over a socket to a broker, `MemoryLink` (memory_link.py) to a
router in this process.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dsmq_nodes.dsmq import wire
from dsmq_nodes.graph.links.arrival import Arrival
from dsmq_nodes.graph.links.sequence import REPEATED, Losses

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.ring.writer import Writer

Published = tuple[str, str, bytes | memoryview, int, int]
"""A message as it was published: text, large field, its bytes, number, stamp in ns."""

Deliver = Callable[[Arrival, bool], None]
"""Takes a message, and whether it is sent again for a subscription that came later."""


@dataclass(eq=False, slots=True)
class Publication:
    """One topic that a node publishes.

    Of its messages `dropped` could not be handed to the broker; `suppressed` ones were never meant
    to be, because a lifecycle node was not active. Of the latched ones that are `kept` the newest
    `owed` are still to be handed to it.
    """

    topic: str
    type_name: str
    latched: int
    topic_json: bytes
    schema: bytes = b""  # the type's JSON Schema as text; empty: not told
    messages: int = 0
    dropped: int = 0
    suppressed: int = 0
    writer: "Writer | None" = None  # into shared memory
    kept: "deque[Published]" = field(default_factory=deque)
    owed: int = 0

    def keep(self, msg: Published) -> None:
        """Keep a latched message for a broker that has lost its own."""
        text, field, raw, seq, stamp_ns = msg
        self.kept.append((text, field, bytes(raw), seq, stamp_ns))  # what was a view may change
        while len(self.kept) > self.latched:
            self.kept.popleft()

    def owe(self, count: int) -> None:
        """The newest `count` messages could not be sent; those that are kept are sent later."""
        self.owed += count
        if self.owed > len(self.kept):
            self.dropped += self.owed - len(self.kept)
            self.owed = len(self.kept)


@dataclass(eq=False, slots=True)
class LinkReader:
    """A node's place in a topic that it subscribes."""

    topic: str
    depth: int
    type_name: str
    deliver: Deliver
    schema: bytes = b""
    after: int | None = None  # where to resume; None: where the broker begins for a new reader
    seen: int = 0  # the newest id that was delivered
    losses: Losses | None = None  # where a broker may die

    def take(self, reply: Arrival) -> None:
        """A message of the topic has come."""
        again = reply.id <= self.seen
        if not again and self.seen:
            reply.gap = reply.id - self.seen - 1  # ids have no holes
        if not again and self.losses is not None:
            lost = self.losses.before(reply)
            if lost == REPEATED:  # to a new broker, for others
                self.after = self.seen = reply.id
                return
            reply.gap += lost
        self.after = self.seen = max(self.seen, reply.id)
        self.deliver(reply, again)


OnDiffers = Callable[[wire.Reply, Publication | LinkReader], None]
"""Takes the broker's word that another end of a topic has another type, and this end.

A link is made with one, which `drain` calls: the node compares the types.
"""


class Link(Protocol):
    """What a node needs of the queue.

    Attributes:
        client: what the node's calls of services are signed with; see service_wire.py.
        broker_began_sec: when the broker began, by our monotonic clock, as far as it tells.
    """

    client: str
    broker_began_sec: float

    @property
    def has_graph(self) -> bool:
        """Whether the queue tells who publishes and subscribes what."""

    def advertise(
        self, topic: str, type_name: str, latched: int, schema: bytes = b""
    ) -> Publication:
        """Say that we publish a topic; `latched` messages of it are kept for late readers.

        Said again for the same topic, it is the same publication.
        """

    def unadvertise(self, publication: Publication) -> None:
        """Stop publishing a topic."""

    def publish(
        self, publication: Publication, text: str, field: str = "", raw: bytes | memoryview = b""
    ) -> None:
        """Send a message, from any thread; never waits for a subscriber.

        `raw` is the value of the message's `field`, which `text` leaves out; only where
        `publication.writer` is.
        """

    def subscribe(
        self, topic: str, depth: int, type_name: str, deliver: Deliver, schema: bytes = b""
    ) -> None:
        """Have the messages of a topic delivered, from now on, in the thread that reads.

        Said again for the same topic, what is latched is delivered once more, marked as such.
        """

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic."""

    def set_fault(self, topic: str, pair: int, text: str) -> None:
        """Show in the graph what is wrong between two ends, whom the broker calls `pair`."""

    def set_state(self, state: str) -> None:
        """Show a state in the graph."""

    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        on_readable: Callable[[], None],
        on_outage: Callable[[bool], None],
    ) -> None:
        """From now on call `on_readable` in `loop` when `drain` has something to read.

        `on_outage` is called there with True when the queue is lost, with False when it is back.
        """

    def detach(self) -> None:
        """Stop calling `on_readable`; publishing still works."""

    def drain(self) -> None:
        """Read all there is and deliver it; does not wait."""

    def rest(self) -> bool:
        """What was drained is dispatched; False: more has come already, without `on_readable`."""

    def close(self) -> None:
        """End the connection; what was published before is sent."""
