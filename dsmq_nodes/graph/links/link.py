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
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.graph.links.link_reader import CallNow, Deliver, LinkReader
from dsmq_nodes.topic_names import DIAGNOSTICS_TOPIC, EVERY_NODES_TOPICS, is_call, is_kits_own

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.ring.writer import Writer
    from dsmq_nodes.speedups import Plan

Published = tuple[str, str, bytes | memoryview, int, int]
"""A message as it was published: text, large field, its bytes, number, stamp in ns."""

Append = Callable[[Any], object]
"""Sends a message object; returns None."""

Dump = Callable[[Any], tuple[bytes, str, bytes | memoryview]]
"""A message object as its JSON text without its large field, that field's name, and its bytes."""


_EVERY_NODES: Final = EVERY_NODES_TOPICS | {DIAGNOSTICS_TOPIC}


class UsualMessages(NamedTuple):
    """The messages of a publication that go a short way.

    Attributes:
        msg_type: of the messages.
        dump: gives a message's text.
        plan: does so in the compiled part.
        general: the way of all other messages.
    """

    msg_type: type
    dump: Dump
    plan: "Plan | None"
    general: Append


def is_ours(topic: str) -> bool:
    """Whether every node publishes the topic for the kit."""
    return is_kits_own(topic) or topic in _EVERY_NODES


@dataclass(eq=False, slots=True)
class Publication:
    """One topic that a node publishes.

    `dropped` counts messages that could not be sent; `suppressed` counts those that were not meant
    to be, because a lifecycle node was not active. Of the latched messages in `kept`, the newest
    `owed` still have to be sent. Messages of a topic that is latched, or `is_sure`, never give way
    to newer ones: those of services and actions, and the kit's own.
    """

    topic: str
    type_name: str
    latched: int
    topic_json: bytes
    schema: bytes = b""  # the type's JSON Schema as text; empty: unknown
    messages: int = 0
    dropped: int = 0
    suppressed: int = 0
    writer: "Writer | None" = None  # into shared memory
    kept: "deque[Published]" = field(default_factory=deque)
    owed: int = 0
    is_sure: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_sure = is_call(self.topic) or is_ours(self.topic)

    def keep(self, msg: Published) -> None:
        """Keep a latched message for a broker that has lost its own."""
        text, field, raw, seq, stamp_ns = msg
        self.kept.append((text, field, bytes(raw), seq, stamp_ns))  # a view may change
        while len(self.kept) > self.latched:
            self.kept.popleft()

    def owe(self) -> None:
        """One more of the newest messages could not be sent; it is sent later if it is kept."""
        if self.owed < len(self.kept):
            self.owed += 1
        else:
            self.dropped += 1


def schema_of(end: Publication | LinkReader) -> dict[str, object]:
    """Return the field of a request with the schema of an end, if it is known."""
    return {"schema": msgspec.Raw(end.schema)} if end.schema else {}


OnDiffers = Callable[[wire.Reply, Publication | LinkReader], None]
"""Takes the broker's word that another end of a topic has another type, and this end.

A link is made with one, which `drain` calls: the node compares the types.
"""


class Readable(Protocol):
    """A source of messages: a link's socket, its rings, or the link itself for all of it.

    When one is readable, the spinner drains it, dispatches the messages, and lets it rest.
    """

    def drain(self) -> None:
        """Read and deliver all messages that are there; does not wait."""

    def rest(self) -> bool:
        """Wake the loop at the next message; False when it has come already: drain again."""


OnReadable = Callable[[Readable], None]
Contact = Literal["here", "silent", "lost"]
"""Whether the queue answers; of one that is lost nothing that was known is true any more."""

OnOutage = Callable[[Contact], None]


class Link(Readable, Protocol):
    """The queue, as a node uses it.

    Attributes:
        client: the signature of the node's service calls; see service_wire.py.
        broker_began_sec: when the broker began, by our monotonic clock, as far as is known.
    """

    client: str
    broker_began_sec: float

    @property
    def has_graph(self) -> bool:
        """Whether the queue publishes a graph of publishers and subscribers."""

    def advertise(
        self, topic: str, type_name: str, latched: int, schema: bytes = b""
    ) -> Publication:
        """Advertise a topic; the newest `latched` messages of it are kept for late readers.

        A second call for the same topic returns the same publication.
        """

    def unadvertise(self, publication: Publication) -> None:
        """Stop publishing a topic."""

    def appender(self, publication: Publication, usual: UsualMessages) -> Append | None:
        """Return a short way for the messages of a publication; None where there is none now.

        What is not usual, or of another type, goes the `general` way; after that ask for another
        short one.
        """

    def publish(
        self, publication: Publication, text: str, field: str = "", raw: bytes | memoryview = b""
    ) -> None:
        """Send a message, from any thread; never waits for a subscriber.

        `raw` is the value of the message's `field`, which `text` leaves out; only where
        `publication.writer` is.
        """

    def subscribe(
        self,
        topic: str,
        depth: int,
        type_name: str,
        deliver: Deliver,
        schema: bytes = b"",
        *,
        call_now: CallNow | None = None,
    ) -> None:
        """Deliver the messages of a topic, from now on, in the thread that reads.

        Where messages come in batches, `call_now` is tried first.
        A second call for the same topic delivers the latched messages again, marked as repeated.
        """

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic."""

    def confirm(self) -> None:
        """Wait until the queue has confirmed all subscriptions, at most a second."""

    def set_fault(self, topic: str, pair: int, text: str) -> None:
        """Show in the graph what is wrong between two ends; the broker calls them `pair`."""

    def set_state(self, state: str) -> None:
        """Show a state in the graph."""

    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        on_readable: OnReadable,
        on_outage: OnOutage,
    ) -> None:
        """From now on call `on_readable(readable)` in `loop` when there is something to read.

        `on_outage` is called there when the queue falls silent, is lost, and is there again.
        """

    def detach(self) -> None:
        """Stop calling `on_readable`; publishing still works."""

    def close(self) -> None:
        """End the connection, after sending all published messages."""
