"""The seam between the uplink and the network between machines.

A carrier transports offers, messages, heartbeats and answers between machines. It may lose, repeat
and reorder messages: `cursors.py` repairs that. It uses fleet names, and has no rules.

`ZenohCarrier` (over_zenoh/) is the carrier over a network.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Protocol

import msgspec

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.gateways.uplink.cursors import Epoch, MessageId
from dsmq_nodes.printable import is_printable


class TopicOffer(msgspec.Struct, frozen=True):
    """A topic that a machine has for others.

    Attributes:
        machine: the machine's name; empty for a machine without one.
        peer: the carrier's id of that machine's uplink.
        epoch: the epoch of the topic's log.
        fleet_name: the topic's name in the fleet.
        type_name: its type; empty: unknown.
        schema_id: identifies the type's schema; empty: unknown.
        latched: how many messages are kept for late readers.
    """

    machine: str
    peer: str
    epoch: str
    fleet_name: str
    type_name: str = ""
    schema_id: str = ""
    latched: int = 0

    def fault(self) -> str:
        """Return why the offer is invalid; empty: it is valid. It comes from another machine."""
        if fault := wire.topic_fault(f"/{self.fleet_name}"):
            return fault
        told = (self.machine, self.peer, self.epoch, self.type_name, self.schema_id)
        if max(map(len, told)) > limits.MAX_TOPIC_BYTES or not all(map(is_printable, told)):
            return f"its type or its log cannot be: {self.type_name[:40]!r}, {self.epoch[:40]!r}"
        if not 0 <= self.latched <= limits.MOST_LATCHED:
            return f"a topic keeps at most {limits.MOST_LATCHED} messages, not {self.latched}"
        return ""


class Question(msgspec.Struct, frozen=True):
    """A question of one uplink to another about a topic.

    Attributes:
        epoch: the log in which `after` counts; any other log is read from its beginning.
        after: messages with greater ids are requested.
        depth: at most this many, the newest; 0: the schema of the topic, and no messages.
    """

    epoch: Epoch = ""
    after: MessageId = 0
    depth: Annotated[int, msgspec.Meta(ge=0, le=limits.MOST_LATCHED)] = 0


class Confirmation(msgspec.Struct, frozen=True):
    """The confirmation that a message has arrived.

    Attributes:
        epoch: the epoch of the message's log.
        id: the message's id there.
        peer: the uplink that received it.
    """

    epoch: Epoch
    id: MessageId
    peer: str


Item = tuple[bytes, bytes]
"""A head, which contains the place of a message, and the message."""


class CarrierEvents(Protocol):
    """The functions that a carrier calls, in the uplink's thread except `answer`."""

    def offered(self, offer: TopicOffer) -> None:
        """A machine offers a topic."""

    def gone(self, offer: TopicOffer) -> None:
        """A machine has withdrawn an offer, or cannot be reached."""

    def refused(self, machine: str, why: str) -> None:
        """An offer of a machine cannot be accepted; `why` is the reason."""

    def wanted(self, fleet_name: str, is_wanted: bool) -> None:
        """Another machine wants a topic that is offered here, or no machine does any longer."""

    def room(self) -> None:
        """There is room to send, after a call of `await_room`."""

    def arrived(self, fleet_name: str, head: bytes, message: bytes) -> None:
        """A message of a wanted topic has arrived."""

    def told(self, fleet_name: str, head: bytes) -> None:
        """A heartbeat of a topic has arrived."""

    def confirmed(self, fleet_name: str, confirmation: Confirmation, *, is_near: bool) -> None:
        """Another machine has received a message of ours; `is_near`: without a router between."""

    def answered(self, offer: TopicOffer, question: Question, items: list[Item]) -> None:
        """The answer to `ask` has arrived; empty if none came."""

    def answer(self, fleet_name: str, question: Question) -> Iterable[Item]:
        """Answer another machine's question; called in a thread of the carrier."""

    def namesake(self, host: str) -> None:
        """A machine on `host` has this one's name, and has been connected for longer."""

    def kept_name(self, host: str) -> None:
        """A machine on `host` had this one's name, and ends."""

    def failed(self, reason: str) -> None:
        """The carrier cannot be opened."""


class Carrier(Protocol):
    """A network between machines.

    Attributes:
        peer: the carrier's id of this uplink; known after `open`.
    """

    peer: str

    def open(self, events: CarrierEvents, run: Callable[[Callable[[], None]], None]) -> None:
        """Connect, without waiting for others; `run` runs a function in the uplink's thread."""

    def offer(self, offer: TopicOffer) -> None:
        """Offer a topic."""

    def withdraw(self, offer: TopicOffer) -> None:
        """Stop offering a topic."""

    def want(self, fleet_name: str) -> None:
        """Request the messages of a topic."""

    def unwant(self, fleet_name: str) -> None:
        """Stop requesting the messages of a topic."""

    def has_room(self) -> bool:
        """Whether a message would be sent soon, as far as is known."""

    def await_room(self) -> None:
        """Call `room` when there is room."""

    def put(self, fleet_name: str, head: bytes, message: bytes) -> None:
        """Send a message to those that want it; never waits for long."""

    def tell(self, fleet_name: str, head: bytes) -> None:
        """Send a heartbeat of a topic."""

    def confirm(self, offer: TopicOffer, message_id: int) -> None:
        """Confirm to the uplink that offers a topic that a message has arrived."""

    def ask(self, offer: TopicOffer, question: Question) -> None:
        """Send a question to the uplink that offers a topic."""

    def links(self) -> list[str]:
        """Return the other ends of the current connections, as texts for users."""

    def close(self) -> None:
        """Close all connections."""
