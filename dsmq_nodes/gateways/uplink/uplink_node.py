"""The uplink: carries topics of this machine's broker to other machines, and theirs here.

**Demand.** An outgoing topic is read from the broker only while another machine wants it
(`going_topics.py`). An incoming topic is advertised here as soon as it is offered there, so that
tools, clients and timeouts see it, but it is received only while it has a subscriber here. An idle
fleet thus costs only heartbeats.

**Outages.** When an offer is gone, the topic is withdrawn here too, as if the node on the other
machine had died. When the offer is back, the receiving end requests the messages that it lacks; the
answer is read from the log of the other machine's broker (`log_reader.py`), in order and once
(`cursors.py`). Lost messages are added to the numbers of the messages published here, so each
subscription counts them as dropped.

**Circles.** Messages that the uplink itself has published are not carried on, and a broker has only
one uplink: its node name is unique.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.errors import CommandError, WireError
from dsmq_nodes.gateways.hub import Hub, HubWriter
from dsmq_nodes.gateways.uplink.coming_topic import ALIKE_SEC, NAMELESS, ComingMessage, ComingTopic
from dsmq_nodes.gateways.uplink.cursors import GivenMessage, LogPlace, Silences
from dsmq_nodes.gateways.uplink.fleet_carrier import (
    Carrier,
    Confirmation,
    Item,
    Question,
    TopicOffer,
)
from dsmq_nodes.gateways.uplink.going_topics import GoingTopics
from dsmq_nodes.gateways.uplink.launch_entry import UplinkTopic
from dsmq_nodes.gateways.uplink.predecessor import LastPlace, last_places
from dsmq_nodes.gateways.uplink.remote_clients import RemoteClients
from dsmq_nodes.gateways.uplink.uncarried_stop import uncarried_stops
from dsmq_nodes.gateways.uplink.uplink_health import Health
from dsmq_nodes.gateways.uplink.uplink_rules import (
    UplinkRules,
    is_always_resumed,
    is_offered_rightly,
    is_too_late,
)
from dsmq_nodes.messages.diagnostic import DiagnosticArray
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.graph_model import TopicModel
from dsmq_nodes.topic_names import DIAGNOSTICS_TOPIC, UPLINK, UPLINK_STATUS_TOPIC

logger = logging.getLogger("dsmq_nodes.uplink")

_BEAT_SEC: Final = 1.0
_RETURN_SEC: Final = 10.0  # within that time readers reconnect to a restarted broker
_USUAL: Final = UplinkTopic()
_MOST_REFUSED: Final = 1000  # machines whose refusal is logged


def _run_soon(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(act)


class Uplink:
    """The node: connects a hub and a carrier. It implements the carrier's `CarrierEvents`."""

    def __init__(
        self,
        hub: Hub,
        broker: Address,
        carrier: Carrier,
        rules: UplinkRules,
        settings: Mapping[str, UplinkTopic],
    ) -> None:
        """Make an uplink; the logs are read at the address `broker`."""
        self._hub, self._broker, self._carrier = hub, broker, carrier
        self._rules, self._settings = rules, settings
        self._going = GoingTopics(hub, broker, carrier, rules, settings)
        self._coming: dict[str, ComingTopic] = {}  # by fleet name
        self._silences = Silences()
        self._last_places: dict[str, LastPlace] = {}
        self._schemas: dict[str, bytes] = {}
        self._refused: set[str] = set()
        self._uncarried: dict[str, None] = {}  # the logged warnings about emergency stops
        self._status: HubWriter | None = None
        self._first_status: asyncio.Handle | None = None
        self._diagnostics: HubWriter | None = None
        self._health = Health()
        self._clients = RemoteClients(broker)
        self._was_connected = True
        # Set after a restart of the broker, while readers reconnect.
        self._returning: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Carry until cancelled.

        Raises:
            CommandError: the carrier cannot be opened, or the machine's name is taken.
        """
        loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = loop.create_future()
        self._hub.watch(self._graph_changed)
        self._last_places = await asyncio.to_thread(last_places, self._broker)
        self._status = self._hub.advertise(UPLINK_STATUS_TOPIC, "", latched=1)
        self._diagnostics = self._hub.advertise(
            DIAGNOSTICS_TOPIC,
            DiagnosticArray.type_name,
            msgspec.json.encode(DiagnosticArray.schema()),
        )
        self._hub.link.set_state("ready")
        self._carrier.open(self, lambda act: _run_soon(loop, act))
        beating = loop.create_task(self._beat())
        try:
            await self._end
        finally:
            beating.cancel()
            self._clients.close()

    # Topics that go

    def _graph_changed(self) -> None:
        topics = {topic.name: topic for topic in self._hub.graph.topics}
        if self._hub.is_connected and not self._was_connected:
            self._clients.show_again()
            if self._returning is not None:
                self._returning.cancel()
            self._returning = self._hub.loop.call_later(_RETURN_SEC, self._returned)
        self._was_connected = self._hub.is_connected
        if self._hub.is_connected and self._hub.graph.epoch:
            self._going.offer(topics)
            self._warn_of_uncarried(topics)
            for coming in self._coming.values():
                self._evaluate(coming, topics.get(coming.topic))
        elif not self._hub.is_connected:
            self._going.withdraw_all()

    def _returned(self) -> None:
        self._returning = None
        self._graph_changed()

    def _warn_of_uncarried(self, topics: Mapping[str, TopicModel]) -> None:
        uncarried = dict.fromkeys(uncarried_stops(self._rules, topics.values()))
        for text in uncarried:
            if text not in self._uncarried:
                logger.warning("%s", text)
        self._uncarried = uncarried

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SEC)
            self._going.beat()
            self._publish_status()
            if self._diagnostics is not None:
                diagnostics = self._health.diagnostics(self.status(), self._uncarried)
                self._diagnostics.publish(diagnostics.to_json())

    def wanted(self, fleet_name: str, is_wanted: bool) -> None:
        """Handle that another machine wants an offered topic, or that none does any longer."""
        self._going.wanted(fleet_name, is_wanted)

    def room(self) -> None:
        """Send waiting messages, because the carrier has room."""
        self._going.room()

    def confirmed(self, fleet_name: str, confirmation: Confirmation, *, is_near: bool) -> None:
        """Handle a confirmation of a message."""
        self._going.confirmed(fleet_name, confirmation, is_near=is_near)

    def answer(self, fleet_name: str, question: Question) -> Iterator[Item]:
        """Answer another machine's question, in a thread."""
        return self._going.answer(fleet_name, question)

    # Topics that come

    def offered(self, offer: TopicOffer) -> None:
        """Handle an offer of a topic."""
        topic = self._rules.topic(offer.fleet_name)
        if not topic or not self._rules.comes(topic):
            return
        if fault := offer.fault():
            self.refused(offer.machine, f"has an invalid offer: {fault}")
            return
        if not is_offered_rightly(offer.machine, offer.fleet_name):
            self.refused(offer.machine, f"offers {offer.fleet_name}, which is not below its name")
            return
        coming = self._coming.get(offer.fleet_name)
        if coming is None:
            settings = self._settings.get(topic, _USUAL)
            coming = ComingTopic(topic, offer, settings, self._silences)
            self._coming[offer.fleet_name] = coming
            if (last := self._last_places.pop(topic, None)) is not None:
                coming.go_on(last)
        known = coming.offers.get(offer.peer)
        if known is not None and known.epoch != offer.epoch:
            coming.cursor.gone(known.machine, known.epoch)
        coming.offers[offer.peer] = offer
        if not offer.schema_id or offer.schema_id in self._schemas:
            self._take_offer(coming, offer)
        else:
            self._carrier.ask(offer, Question())

    def refused(self, machine: str, why: str) -> None:
        """Log a refused offer, only the first of each machine."""
        if machine not in self._refused and len(self._refused) < _MOST_REFUSED:
            self._refused.add(machine)
            refusal = one_line(f"{machine or NAMELESS} {why}")
            logger.warning("refused: %s; its further offers are not logged", refusal)

    def _take_offer(self, coming: ComingTopic, offer: TopicOffer) -> None:
        """Publish an offered topic, after its schema has arrived if it has one."""
        if coming.offers.get(offer.peer) != offer:
            return  # gone or replaced meanwhile
        if coming.writer is None:
            logger.info("%s comes from %s", coming.topic, offer.machine or NAMELESS)
            schema = self._schemas.get(offer.schema_id, b"")
            if time.monotonic() - coming.ended_sec > ALIKE_SEC:
                self._going.served(coming.topic)  # before a caller sees the server and calls
            coming.writer = self._hub.advertise(
                coming.topic, offer.type_name, schema, latched=offer.latched
            )
            coming.writer.publication.messages = coming.messages
        coming.cursor.is_sure = bool(offer.latched) or is_always_resumed(coming.topic)
        was_wanted = coming.is_wanted
        self._evaluate(coming, self._hub.topic(coming.topic))
        if was_wanted:
            coming.cursor.offered(offer.machine, offer.epoch, offer.latched)
            self._ask(coming)

    def _evaluate(self, coming: ComingTopic, topic: TopicModel | None) -> None:
        """Receive a topic while it has a reader here; a latched topic always."""
        if coming.writer is None:
            return
        is_read = topic is not None and any(end.node != UPLINK for end in topic.subscribers)
        # Meanwhile the topic is received: readers begin with everything in the new log.
        is_read = is_read or (coming.is_wanted and self._returning is not None)
        is_wanted = is_read or coming.writer.publication.latched > 0
        if is_wanted and not coming.is_wanted:
            coming.is_wanted = True
            self._carrier.want(coming.fleet_name)
            for offer in coming.offers.values():
                coming.cursor.offered(offer.machine, offer.epoch, offer.latched)
            self._ask(coming)
        elif coming.is_wanted and not is_wanted:
            coming.is_wanted = False
            self._carrier.unwant(coming.fleet_name)
            coming.cursor.forget()
            coming.again = 0

    def gone(self, offer: TopicOffer) -> None:
        """Handle the end of an offer, or of the connection to its machine."""
        coming = self._coming.get(offer.fleet_name)
        if coming is None or coming.offers.get(offer.peer) != offer:
            return
        del coming.offers[offer.peer]
        coming.cursor.gone(offer.machine, offer.epoch)
        if not coming.offers and coming.writer is not None:
            logger.info("%s no longer comes from %s", coming.topic, offer.machine or NAMELESS)
            coming.messages = coming.writer.publication.messages
            coming.writer.close()
            coming.writer, coming.ended_sec = None, time.monotonic()
            self._clients.gone(coming.topic)

    def _ask(self, coming: ComingTopic) -> None:
        for request in coming.cursor.questions():
            offers = [each for each in coming.offers.values() if each.epoch == request.epoch]
            if offers:
                coming.asked_sec[request.epoch] = time.monotonic()
                self._carrier.ask(offers[0], Question(*request))
            else:
                self._give(coming, coming.cursor.answered(request.epoch, []))

    def answered(self, offer: TopicOffer, question: Question, items: list[Item]) -> None:
        """Handle the answer to a request."""
        coming = self._coming.get(offer.fleet_name)
        if coming is None:
            return
        if not question.depth:
            self._schemas[offer.schema_id] = items[0][1] if items else b""
            self._take_offer(coming, offer)
            return
        # An answer may take long: count its age from the request.
        asked_sec = coming.asked_sec.pop(offer.epoch, time.monotonic())
        messages = [
            (place, ComingMessage(text, asked_sec - place.age_sec))
            for head, text in items
            if (place := coming.read_place(head)) is not None
        ]
        if coming.writer is not None:
            self._give(coming, coming.cursor.answered(offer.epoch, messages))
            self._ask(coming)

    def arrived(self, fleet_name: str, head: bytes, message: bytes) -> None:
        """Handle a message of another machine."""
        coming = self._coming.get(fleet_name)
        if coming is None or coming.writer is None:
            return  # it is requested when the offer is back
        if (place := coming.read_place(head)) is not None:
            now_sec = time.monotonic()
            if place.age_sec and not coming.is_call:
                self._confirm(coming, place)
            arrived = ComingMessage(message, now_sec - place.age_sec)
            self._give(coming, coming.cursor.take(place, arrived, now_sec))
            self._ask(coming)

    def _confirm(self, coming: ComingTopic, place: LogPlace) -> None:
        for offer in coming.offers.values():
            if offer.epoch == place.epoch:
                self._carrier.confirm(offer, place.id)
                return

    def heartbeat(self, fleet_name: str, head: bytes) -> None:
        """Handle a heartbeat."""
        coming = self._coming.get(fleet_name)
        if coming is None or not coming.is_wanted:
            return
        if (place := coming.read_place(head)) is not None:
            coming.cursor.take_last(place.epoch, place.id)
            self._ask(coming)

    def _give(self, coming: ComingTopic, given: list[GivenMessage[ComingMessage]]) -> None:
        writer = coming.writer
        if writer is None or not given:
            return
        if not writer.publication.messages and self._first_status is None:
            # A successor needs the first place; one status serves many topics.
            self._first_status = self._hub.loop.call_soon(self._publish_status)
        for each in given:
            # Subscriptions count a hole in the numbers as dropped messages.
            writer.publication.messages += each.lost
            again, coming.again = coming.again - each.lost, 0
            if again > 0 and each.place.epoch == coming.again_of:
                coming.again = again - 1
                writer.publication.messages += 1
                continue
            if again > 0:  # from another log nothing is repeated
                writer.publication.messages += again
            if is_too_late(coming.topic, time.monotonic() - each.message.at_sec):
                coming.refuse_late()
                writer.publication.messages += 1
                continue
            try:
                text = each.message.text.decode()
                self._clients.see(coming.topic, text)
                writer.publish(text)
            except (UnicodeDecodeError, WireError) as error:
                coming.refuse(error)
                coming.cursor.lost += 1
                writer.publication.messages += 1

    # The machine

    def namesake(self, host: str) -> None:
        """End, because another machine with this name has been connected for longer."""
        self.failed(
            f"another machine has the name {self._rules.name!r}, on host {host}: give this one "
            "another name (as)"
        )

    def kept_name(self, host: str) -> None:
        """Log that another machine had this one's name, and ends."""
        logger.warning(
            "another machine had the name %s, on host %s: it was told to end, because this one "
            "has been connected for longer",
            *(self._rules.name, host),
        )

    def failed(self, reason: str) -> None:
        """End the uplink with an error."""
        if not self._end.done():
            self._end.set_exception(CommandError(reason))

    # Status

    def _publish_status(self) -> None:
        self._first_status = None
        if self._status is not None:
            self._status.publish(msgspec.json.encode(self.status()).decode())

    def status(self) -> dict[str, Any]:
        """Return the counters of outgoing and incoming topics."""
        return {
            "name": self._rules.name,
            "links": self._carrier.links(),
            "going": self._going.status(),
            "coming": {
                coming.topic: {
                    "from": sorted({each.machine or "-" for each in coming.offers.values()}),
                    "wanted": coming.is_wanted,
                    "messages": coming.messages
                    if coming.writer is None
                    else coming.writer.publication.messages,
                    "resumed": coming.cursor.resumed,
                    "lost": coming.cursor.lost,
                    "duplicates": coming.cursor.duplicates,
                    "places": coming.cursor.places(),
                    "numbers": coming.cursor.numbers(),
                }
                for coming in self._coming.values()
            },
        }
