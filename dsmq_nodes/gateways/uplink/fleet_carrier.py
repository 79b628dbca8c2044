"""The interface between the uplink and the network between machines.

A carrier transports offers, messages, heartbeats and answers from one machine to another. It may
lose, repeat and reorder messages: `cursors.py` handles that. It uses fleet names, and has no rules.

`ZenohCarrier` (over_zenoh/) is the carrier for a network.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Protocol

import msgspec

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.gateways.uplink.cursors import Epoch, MessageId
from dsmq_nodes.printable import is_printable


class TopicOffer(msgspec.Struct, frozen=True):
    """A topic that a machine offers to others.

    Attributes:
        machine: the machine's name; empty if it has none.
        peer: the other uplink's name in the carrier.
        epoch: the epoch of the topic's log.
        fleet_name: the topic's name in the fleet.
        type_name: its type; empty if unknown.
        schema_id: the id of the type's schema; empty if unknown.
        latched: the number of messages kept for late readers.
    """

    machine: str
    peer: str
    epoch: str
    fleet_name: str
    type_name: str = ""
    schema_id: str = ""
    latched: int = 0

    def fault(self) -> str:
        """Return why an offer of another machine is invalid; empty if it is valid."""
        if fault := wire.topic_fault(f"/{self.fleet_name}"):
            return fault
        texts = (self.machine, self.peer, self.epoch, self.type_name, self.schema_id)
        if max(map(len, texts)) > limits.MAX_TOPIC_BYTES or not all(map(is_printable, texts)):
            return f"its type or its log is invalid: {self.type_name[:40]!r}, {self.epoch[:40]!r}"
        if not 0 <= self.latched <= limits.MOST_LATCHED:
            return f"a topic may keep at most {limits.MOST_LATCHED} messages, not {self.latched}"
        return ""


class Question(msgspec.Struct, frozen=True):
    """A request of an uplink to another one about a topic.

    Attributes:
        epoch: the log that `after` counts in; another log is read from its beginning.
        after: only messages with greater ids.
        depth: only the newest `depth` messages; 0 for the topic's schema instead.
    """

    epoch: Epoch = ""
    after: MessageId = 0
    depth: Annotated[int, msgspec.Meta(ge=0, le=limits.MOST_LATCHED)] = 0


class Confirmation(msgspec.Struct, frozen=True):
    """A confirmation that a message arrived.

    Attributes:
        epoch: the message's log.
        id: its id in that log.
        peer: the uplink that has received it.
    """

    epoch: Epoch
    id: MessageId
    peer: str


Item = tuple[bytes, bytes]
"""A head, with the place of a message, and the message."""


class CarrierEvents(Protocol):
    """The callbacks of a carrier; all except `answer` are called in the uplink's thread."""

    def offered(self, offer: TopicOffer) -> None:
        """Handle an offer of a topic."""

    def withdrawn(self, offer: TopicOffer) -> None:
        """Handle the end of an offer, or of the connection to its machine."""

    def refused(self, machine: str, why: str) -> None:
        """Handle an offer that is refused; the text says why."""

    def wanted(self, fleet_name: str, is_wanted: bool) -> None:
        """Handle that another machine wants an offered topic, or that none does any longer."""

    def room(self) -> None:
        """Handle that there is room, after `await_room`."""

    def arrived(self, fleet_name: str, head: bytes, message: bytes, sent_sec: float) -> None:
        """Handle a message of a wanted topic, sent at a time of its machine; 0: unknown."""

    def heartbeat(self, fleet_name: str, head: bytes) -> None:
        """Handle a heartbeat of a topic."""

    def confirmed(self, fleet_name: str, confirmation: Confirmation, *, is_near: bool) -> None:
        """Handle a confirmation of a message; `is_near`: there is no router between."""

    def answered(self, offer: TopicOffer, question: Question, items: list[Item]) -> None:
        """Handle the answer to `ask`; empty if none arrived."""

    def answer(self, fleet_name: str, question: Question) -> Iterable[Item]:
        """Answer another machine's question; called in a thread of the carrier."""

    def namesake(self, host: str) -> None:
        """Handle that a machine on that host, connected for longer, has this one's name."""

    def kept_name(self, host: str) -> None:
        """Handle that a machine on that host had this one's name, and ends."""

    def failed(self, reason: str) -> None:
        """Handle that the carrier cannot be opened."""


class Carrier(Protocol):
    """A network between machines.

    Attributes:
        peer: this uplink's name in the carrier; known after `open`.
    """

    peer: str

    def open(self, events: CarrierEvents, run: Callable[[Callable[[], None]], object]) -> None:
        """Connect without waiting for others; `run` runs a function in the uplink's thread."""

    def offer(self, offer: TopicOffer) -> None:
        """Offer a topic."""

    def withdraw(self, offer: TopicOffer) -> None:
        """Stop offering a topic."""

    def want(self, fleet_name: str) -> None:
        """Receive the messages of a topic."""

    def unwant(self, fleet_name: str) -> None:
        """Stop receiving the messages of a topic."""

    def has_room(self) -> bool:
        """Whether a message would be sent soon, as far as is known."""

    def await_room(self) -> None:
        """Call `room` when there is room."""

    def put(self, fleet_name: str, head: bytes, message: bytes) -> None:
        """Send a message to the machines that want it; never block for long."""

    def send_heartbeat(self, fleet_name: str, head: bytes) -> None:
        """Send a heartbeat of a topic."""

    def confirm(self, offer: TopicOffer, message_id: int) -> None:
        """Confirm to the uplink that offers a topic that a message arrived."""

    def ask(self, offer: TopicOffer, question: Question) -> None:
        """Send a request to the uplink that offers a topic."""

    def links(self) -> list[str]:
        """Return the other ends of the connections, for display."""

    def close(self) -> None:
        """Disconnect."""
