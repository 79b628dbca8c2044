"""The seam between a node and the queue.

A link carries text messages on topics, and has no types. It holds what the node has advertised and
subscribed. One thread of a node reads; any thread may publish.

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
    """The short way of a publication's usual messages.

    Attributes:
        msg_type: the type of the messages.
        dump: returns a message's text, large field and its bytes.
        plan: does the same in the compiled part; None: nothing is compiled.
        general: publishes all other messages.
    """

    msg_type: type
    dump: Dump
    plan: "Plan | None"
    general: Append


def is_ours(topic: str) -> bool:
    """Whether the kit itself publishes the topic, in every node."""
    return is_kits_own(topic) or topic in _EVERY_NODES


@dataclass(eq=False, slots=True)
class Publication:
    """One topic that a node publishes.

    `dropped` counts messages that could not be sent; `suppressed` counts those that were held back,
    because a lifecycle node was not active. Of the latched messages in `kept`, the newest `pending`
    are still to be sent. Messages of a latched topic, and of one that `is_sure`, are never dropped
    for newer ones: those of services and actions, and the kit's own.
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
    pending: int = 0
    is_sure: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_sure = is_call(self.topic) or is_ours(self.topic)

    def keep(self, msg: Published) -> None:
        """Keep a latched message, for a broker that has lost its copy."""
        text, field, raw, seq, stamp_ns = msg
        self.kept.append((text, field, bytes(raw), seq, stamp_ns))  # a view may change
        while len(self.kept) > self.latched:
            self.kept.popleft()

    def add_pending(self) -> None:
        """Count a message that could not be sent: it is sent later if it is kept, else dropped."""
        if self.pending < len(self.kept):
            self.pending += 1
        else:
            self.dropped += 1


def schema_of(end: Publication | LinkReader) -> dict[str, object]:
    """Return the field of a request with the schema of an end, if there is a schema."""
    return {"schema": msgspec.Raw(end.schema)} if end.schema else {}


OnDiffers = Callable[[wire.Reply, Publication | LinkReader], None]
"""Called with the broker's report that another end of a topic has another type, and with this end.

A link is made with one of these, which `drain` calls: the node compares the types.
"""


class Readable(Protocol):
    """A source of messages: a link's socket, its rings, or the link itself for all of it.

    When one is readable, the spinner drains it, dispatches the messages, and arms it.
    """

    def drain(self) -> None:
        """Read and deliver all messages that are there; does not wait."""

    def arm(self) -> bool:
        """Wake the loop at the next message; False when one has come already: drain again."""


OnReadable = Callable[[Readable], None]
Contact = Literal["here", "silent", "lost"]
"""Whether the queue answers; when it is "lost", nothing known from it is valid any longer."""

OnOutage = Callable[[Contact], None]


class Link(Readable, Protocol):
    """The queue, as a node uses it.

    Attributes:
        client: the signature of the node's service calls; see service_wire.py.
        broker_began_sec: when the broker started, by our monotonic clock, as far as is known.
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

        A message that is not usual, or of another type, goes the `general` way; after that, ask for
        another short way.
        """

    def publish(
        self,
        publication: Publication,
        text: str,
        field: str = "",
        raw: bytes | memoryview = b"",
        *,
        age_sec: float = 0.0,
    ) -> None:
        """Send a message, from any thread; never waits for a subscriber.

        `raw` is the value of the message's `field`, which `text` leaves out. Give them only where
        the publication has a `writer`. A message of another machine may have an age: its stamp is
        that much earlier.
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

        For messages that come in batches, `call_now` is tried first.
        A second call for the same topic delivers the latched messages again, marked as repeated.
        """

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic."""

    def began_after(self, topic: str) -> int | None:
        """Return the id after which the subscription of a topic began; None: not known (yet)."""

    def confirm(self) -> None:
        """Wait until the queue has confirmed all subscriptions, at most a second."""

    def set_fault(self, topic: str, pair: int, text: str) -> None:
        """Report to the graph what is wrong between two ends; the broker calls them `pair`."""

    def set_state(self, state: str) -> None:
        """Show the node's state in the graph."""

    def attach(
        self, loop: asyncio.AbstractEventLoop, on_readable: OnReadable, on_outage: OnOutage
    ) -> None:
        """Call `on_readable(readable)` in `loop` from now on, when there is something to read.

        `on_outage` is called there when the queue falls silent, is lost, and is back.
        """

    def detach(self) -> None:
        """Stop calling `on_readable`; publishing still works."""

    def close(self) -> None:
        """End the connection, after sending all published messages."""
