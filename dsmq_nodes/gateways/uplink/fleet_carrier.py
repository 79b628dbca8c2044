"""The seam between the uplink and the network between machines.

A carrier brings offers, messages, heartbeats and answers from one machine to another. It may lose,
repeat and reorder messages: `cursors.py` sees to that. It knows fleet names, and no rules.

`ZenohCarrier` (over_zenoh/) goes over a network.
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
        machine: the machine's name; empty: it has none.
        peer: the uplink over there, as the carrier calls it.
        epoch: the log that the topic lies in.
        fleet_name: the topic.
        type_name: its type; empty: unknown.
        schema_id: which schema the type has; empty: unknown.
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
        """Why it cannot be; empty: it can. It is what another machine says."""
        if fault := wire.topic_fault(f"/{self.fleet_name}"):
            return fault
        told = (self.machine, self.peer, self.epoch, self.type_name, self.schema_id)
        if max(map(len, told)) > limits.MAX_TOPIC_BYTES or not all(map(is_printable, told)):
            return f"its type or its log cannot be: {self.type_name[:40]!r}, {self.epoch[:40]!r}"
        if not 0 <= self.latched <= limits.MOST_LATCHED:
            return f"a topic keeps at most {limits.MOST_LATCHED} messages, not {self.latched}"
        return ""


class Question(msgspec.Struct, frozen=True):
    """What an uplink asks another one about a topic.

    Attributes:
        epoch: the log that `after` counts in; another one is read from its beginning.
        after: messages with greater ids are meant.
        depth: only the newest so many; 0: the schema of the topic, and no messages.
    """

    epoch: Epoch = ""
    after: MessageId = 0
    depth: Annotated[int, msgspec.Meta(ge=0, le=limits.MOST_LATCHED)] = 0


class Confirmation(msgspec.Struct, frozen=True):
    """A message has come.

    Attributes:
        epoch: its log.
        id: its id there.
        peer: the uplink that has it.
    """

    epoch: Epoch
    id: MessageId
    peer: str


Item = tuple[bytes, bytes]
"""A head, which says where a message stands, and the message."""


class CarrierEvents(Protocol):
    """What a carrier calls: all but `answer` in the uplink's thread."""

    def offered(self, offer: TopicOffer) -> None:
        """A machine offers a topic."""

    def gone(self, offer: TopicOffer) -> None:
        """It no longer does, or cannot be reached."""

    def refused(self, machine: str, why: str) -> None:
        """What a machine offers cannot be taken; the text says why."""

    def wanted(self, fleet_name: str, is_wanted: bool) -> None:
        """Another machine wants a topic that is offered here; or none does any more."""

    def room(self) -> None:
        """There is room, which was awaited."""

    def arrived(self, fleet_name: str, head: bytes, message: bytes) -> None:
        """A message of a wanted topic."""

    def told(self, fleet_name: str, head: bytes) -> None:
        """A heartbeat of a topic."""

    def confirmed(self, fleet_name: str, confirmation: Confirmation, *, is_near: bool) -> None:
        """Another machine has a message of ours; `is_near`: no router lies between."""

    def answered(self, offer: TopicOffer, question: Question, items: list[Item]) -> None:
        """The answer to `ask`; empty where none came."""

    def answer(self, fleet_name: str, question: Question) -> Iterable[Item]:
        """Answer another machine's question; called in a thread of the carrier."""

    def namesake(self, host: str) -> None:
        """A machine on that host, which has been connected for longer, has this one's name."""

    def kept_name(self, host: str) -> None:
        """A machine on that host had this one's name, and gives way to it."""

    def failed(self, reason: str) -> None:
        """The carrier cannot be opened."""


class Carrier(Protocol):
    """A network between machines.

    Attributes:
        peer: this uplink, as the carrier calls it; known after `open`.
    """

    peer: str

    def open(self, events: CarrierEvents, run: Callable[[Callable[[], None]], None]) -> None:
        """Join; `run` runs a function in the uplink's thread. Does not wait for other machines."""

    def offer(self, offer: TopicOffer) -> None:
        """Offer a topic."""

    def withdraw(self, offer: TopicOffer) -> None:
        """Stop offering it."""

    def want(self, fleet_name: str) -> None:
        """Bring the messages of a topic."""

    def unwant(self, fleet_name: str) -> None:
        """Stop bringing them."""

    def has_room(self) -> bool:
        """Whether a message would be sent soon, as far as is known."""

    def await_room(self) -> None:
        """Call `room` when there is room."""

    def put(self, fleet_name: str, head: bytes, message: bytes) -> None:
        """Send a message to those that want it; never waits for long."""

    def tell(self, fleet_name: str, head: bytes) -> None:
        """Send a heartbeat of a topic."""

    def confirm(self, offer: TopicOffer, message_id: int) -> None:
        """Tell the uplink that offers a topic that a message has come."""

    def ask(self, offer: TopicOffer, question: Question) -> None:
        """Ask the uplink that offers a topic."""

    def links(self) -> list[str]:
        """The other ends of the connections that are there, for people."""

    def close(self) -> None:
        """Leave."""
