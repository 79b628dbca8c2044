"""The uplink: carries topics of this machine's broker to other machines, and theirs here.

**Demand.** An outgoing topic is read from the broker only while another machine wants it
(`outgoing_topics.py`). An incoming topic is advertised here as soon as it is offered there, so that
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
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.errors import CommandError, WireError
from dsmq_nodes.gateways.hub import Hub, HubWriter
from dsmq_nodes.gateways.uplink.cursors import CursorMessage, LogPlace, Silences
from dsmq_nodes.gateways.uplink.fleet_carrier import Carrier, Item, Question, TopicOffer
from dsmq_nodes.gateways.uplink.incoming_topic import (
    ALIKE_SEC,
    NAMELESS,
    IncomingMessage,
    IncomingTopic,
)
from dsmq_nodes.gateways.uplink.launch_entry import UplinkTopic
from dsmq_nodes.gateways.uplink.outgoing_topics import OutgoingTopics
from dsmq_nodes.gateways.uplink.predecessor import LastPlace, last_places
from dsmq_nodes.gateways.uplink.remote_clients import RemoteClients
from dsmq_nodes.gateways.uplink.uncarried_stop import uncarried_stops
from dsmq_nodes.gateways.uplink.uplink_health import Health
from dsmq_nodes.gateways.uplink.uplink_rules import UplinkRules, is_offered_rightly, is_too_late
from dsmq_nodes.messages.diagnostic import DiagnosticArray
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.graph_model import TopicModel
from dsmq_nodes.topic_names import DIAGNOSTICS_TOPIC, UPLINK, UPLINK_STATUS_TOPIC

logger = logging.getLogger("dsmq_nodes.uplink")

_BEAT_SEC: Final = 1.0
_RETURN_SEC: Final = 10.0  # within that time readers reconnect to a restarted broker
_USUAL: Final = UplinkTopic()
_MOST_REFUSED: Final = 1000  # machines whose refusal is logged


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
        self._outgoing = outgoing = OutgoingTopics(hub, broker, carrier, rules, settings)
        # What the carrier tells of outgoing topics concerns these alone.
        self.wanted, self.room = outgoing.wanted, outgoing.room
        self.confirmed, self.answer = outgoing.confirmed, outgoing.answer
        self._incoming: dict[str, IncomingTopic] = {}  # by fleet name
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
        self._carrier.open(self, loop.call_soon_threadsafe)
        beating = loop.create_task(self._run_beats())
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
            self._returning = self._hub.loop.call_later(_RETURN_SEC, self._end_of_return)
        self._was_connected = self._hub.is_connected
        if self._hub.is_connected and self._hub.graph.epoch:
            self._outgoing.offer(topics)
            self._warn_of_uncarried(topics)
            for incoming in self._incoming.values():
                self._evaluate(incoming, topics.get(incoming.topic))
        elif not self._hub.is_connected:
            self._outgoing.withdraw_all()

    def _end_of_return(self) -> None:
        self._returning = None
        self._graph_changed()

    def _warn_of_uncarried(self, topics: Mapping[str, TopicModel]) -> None:
        uncarried = dict.fromkeys(uncarried_stops(self._rules, topics.values()))
        for text in uncarried:
            if text not in self._uncarried:
                logger.warning("%s", text)
        self._uncarried = uncarried

    async def _run_beats(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SEC)
            self._outgoing.beat()
            self._publish_status()
            if self._diagnostics is not None:
                diagnostics = self._health.diagnostics(self.status(), self._uncarried)
                self._diagnostics.publish(diagnostics.to_json())

    # Topics that come

    def offered(self, offer: TopicOffer) -> None:
        """Handle an offer of a topic."""
        topic = self._rules.topic(offer.fleet_name)
        if not topic or not self._rules.may_receive(topic):
            return
        if fault := offer.fault():
            self.refused(offer.machine, f"has an invalid offer: {fault}")
            return
        if not is_offered_rightly(offer.machine, offer.fleet_name):
            self.refused(offer.machine, f"offers {offer.fleet_name}, which is not below its name")
            return
        incoming = self._incoming.get(offer.fleet_name)
        if incoming is None:
            settings = self._settings.get(topic, _USUAL)
            incoming = IncomingTopic(topic, offer, settings, self._silences)
            self._incoming[offer.fleet_name] = incoming
            if (last := self._last_places.pop(topic, None)) is not None:
                incoming.resume(last)
        known = incoming.offers.get(offer.peer)
        if known is not None and known.epoch != offer.epoch:
            incoming.cursor.offer_ended(known.machine, known.epoch)
        incoming.offers[offer.peer] = offer
        incoming.ending.discard(offer.peer)
        if not offer.schema_id or offer.schema_id in self._schemas:
            self._take_offer(incoming, offer)
        else:
            self._carrier.ask(offer, Question())

    def refused(self, machine: str, why: str) -> None:
        """Log a refused offer, only the first of each machine."""
        if machine not in self._refused and len(self._refused) < _MOST_REFUSED:
            self._refused.add(machine)
            refusal = one_line(f"{machine or NAMELESS} {why}")
            logger.warning("refused: %s; its further offers are not logged", refusal)

    def _take_offer(self, incoming: IncomingTopic, offer: TopicOffer) -> None:
        """Publish an offered topic, after its schema has arrived if it has one."""
        if incoming.offers.get(offer.peer) != offer:
            return  # gone or replaced meanwhile
        if incoming.writer is None:
            logger.info("%s comes from %s", incoming.topic, offer.machine or NAMELESS)
            schema = self._schemas.get(offer.schema_id, b"")
            if time.monotonic() - incoming.ended_sec > ALIKE_SEC:
                self._outgoing.served(incoming.topic)  # before a caller sees the server and calls
            self._outgoing.expect_calls(incoming.topic, is_served=True)
            incoming.writer = self._hub.advertise(
                incoming.topic, offer.type_name, schema, latched=offer.latched
            )
            incoming.writer.publication.messages = incoming.messages
        incoming.cursor.is_sure = bool(offer.latched) or incoming.is_call
        was_wanted = incoming.is_wanted
        self._evaluate(incoming, self._hub.topic(incoming.topic))
        if was_wanted:
            incoming.cursor.offered(offer.machine, offer.epoch, offer.latched)
            self._ask(incoming)

    def _evaluate(self, incoming: IncomingTopic, topic: TopicModel | None) -> None:
        """Receive a topic while it has a reader here; a latched topic always."""
        if incoming.writer is None:
            return
        is_read = topic is not None and any(end.node != UPLINK for end in topic.subscribers)
        # Meanwhile the topic is received: readers begin with everything in the new log.
        is_read = is_read or (incoming.is_wanted and self._returning is not None)
        is_wanted = is_read or incoming.writer.publication.latched > 0
        if is_wanted and not incoming.is_wanted:
            incoming.is_wanted = True
            self._carrier.want(incoming.fleet_name)
            for offer in incoming.offers.values():
                incoming.cursor.offered(offer.machine, offer.epoch, offer.latched)
            self._ask(incoming)
        elif incoming.is_wanted and not is_wanted:
            incoming.is_wanted = False
            self._carrier.unwant(incoming.fleet_name)
            incoming.cursor.forget()
            incoming.again = 0

    def withdrawn(self, offer: TopicOffer) -> None:
        """Handle the end of an offer, or of the connection to its machine."""
        incoming = self._incoming.get(offer.fleet_name)
        if incoming is None or incoming.offers.get(offer.peer) != offer:
            return
        if incoming.cursor.is_asked(offer.epoch) and not incoming.is_call:
            # Its publisher may have ended at once, as `topic pub -1` does: its last messages come
            # with the answer.
            incoming.ending.add(offer.peer)
            return
        del incoming.offers[offer.peer]
        incoming.cursor.offer_ended(offer.machine, offer.epoch)
        if not incoming.offers and incoming.writer is not None:
            logger.info("%s no longer comes from %s", incoming.topic, offer.machine or NAMELESS)
            incoming.messages = incoming.writer.publication.messages
            incoming.writer.close()
            incoming.writer, incoming.ended_sec = None, time.monotonic()
            self._outgoing.expect_calls(incoming.topic, is_served=False)
            self._clients.hide_clients(incoming.topic)

    def _ask(self, incoming: IncomingTopic) -> None:
        for request in incoming.cursor.questions():
            offers = [each for each in incoming.offers.values() if each.epoch == request.epoch]
            if offers:
                incoming.asked_sec[request.epoch] = time.monotonic()
                self._carrier.ask(offers[0], Question(*request))
            else:
                self._publish(incoming, incoming.cursor.answered(request.epoch, []))

    def answered(self, offer: TopicOffer, question: Question, items: list[Item]) -> None:
        """Handle the answer to a request."""
        incoming = self._incoming.get(offer.fleet_name)
        if incoming is None:
            return
        if not question.depth:
            self._schemas[offer.schema_id] = items[0][1] if items else b""
            self._take_offer(incoming, offer)
            return
        # An answer may take long: count its age from the request.
        asked_sec = incoming.asked_sec.pop(offer.epoch, time.monotonic())
        messages = [
            (place, IncomingMessage(text, asked_sec - place.age_sec))
            for head, text in items
            if (place := incoming.read_place(head)) is not None
        ]
        if incoming.writer is not None:
            self._publish(incoming, incoming.cursor.answered(offer.epoch, messages))
            if offer.peer in incoming.ending:
                incoming.cursor.offer_ended(offer.machine, offer.epoch)  # it asks no further
                self.withdrawn(offer)
            self._ask(incoming)

    def arrived(self, fleet_name: str, head: bytes, message: bytes, sent_sec: float) -> None:
        """Handle a message of another machine."""
        incoming = self._incoming.get(fleet_name)
        if incoming is None or incoming.writer is None:
            return  # it is requested when the offer is back
        if (place := incoming.read_place(head)) is not None:
            now_sec = time.monotonic()
            if place.age_sec and not incoming.is_call:
                self._confirm(incoming, place)
            age_sec = place.age_sec + incoming.late_sec(place, sent_sec, now_sec)
            arrived = IncomingMessage(message, now_sec - age_sec)
            self._publish(incoming, incoming.cursor.take(place, arrived, now_sec))
            self._ask(incoming)

    def _confirm(self, incoming: IncomingTopic, place: LogPlace) -> None:
        for offer in incoming.offers.values():
            if offer.epoch == place.epoch:
                self._carrier.confirm(offer, place.id)
                return

    def heartbeat(self, fleet_name: str, head: bytes) -> None:
        """Handle a heartbeat."""
        incoming = self._incoming.get(fleet_name)
        if incoming is None or not incoming.is_wanted:
            return
        if (place := incoming.read_place(head)) is not None:
            incoming.cursor.take_last(place.epoch, place.id)
            self._ask(incoming)

    def _publish(
        self, incoming: IncomingTopic, messages: list[CursorMessage[IncomingMessage]]
    ) -> None:
        writer = incoming.writer
        if writer is None or not messages:
            return
        if not writer.publication.messages and self._first_status is None:
            # A successor needs the first place; one status serves many topics.
            self._first_status = self._hub.loop.call_soon(self._publish_status)
        for each in messages:
            # Subscriptions count a hole in the numbers as dropped messages.
            writer.publication.messages += each.lost
            again, incoming.again = incoming.again - each.lost, 0
            if again > 0 and each.place.epoch == incoming.again_of:
                incoming.again = again - 1
                writer.publication.messages += 1
                continue
            if again > 0:  # from another log nothing is repeated
                writer.publication.messages += again
            age_sec = time.monotonic() - each.message.at_sec
            if is_too_late(incoming.topic, age_sec):
                incoming.refuse_late()
                writer.publication.messages += 1
                continue
            try:
                here = self._hub.topic(incoming.topic)
                text = incoming.text_of(each.message.text, each.place, here)
                self._clients.see(incoming.topic, text)
                writer.publish(text, age_sec=age_sec)  # an Actuator skips a late command
            except (ValueError, WireError) as error:
                incoming.refuse(error)
                incoming.cursor.lost += 1
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
            "going": self._outgoing.status(),
            "coming": {
                incoming.topic: {
                    "from": sorted({each.machine or "-" for each in incoming.offers.values()}),
                    "wanted": incoming.is_wanted,
                    "messages": incoming.messages
                    if incoming.writer is None
                    else incoming.writer.publication.messages,
                    "resumed": incoming.cursor.resumed,
                    "lost": incoming.cursor.lost,
                    "duplicates": incoming.cursor.duplicates,
                    "places": incoming.cursor.places(),
                    "numbers": incoming.cursor.numbers(),
                }
                for incoming in self._incoming.values()
            },
        }
