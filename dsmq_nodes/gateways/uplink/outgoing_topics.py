"""Outgoing topics: topics of this machine that others may receive.

An outgoing topic is offered; it is read from the broker only while another machine wants it. A
client may call as soon as the server is in its graph, before the server's machine wants the
requests: topics of calls are therefore always read, and unwanted calls are held for ten seconds. An
answer from the log includes the age of each message, and so does a call, so that older calls are
not executed on the other machine. A call from before an outage of its server is not sent at all:
its caller got the error that the server is lost. A goal is cancelled however late.

**A link without room** makes messages wait (`Backlog`); when the link is late, only the newest of
each topic is kept. The receiving end gets the number of messages that a slow link has skipped, and
does not request them. Calls are never skipped. A topic of best effort is not requested, and its
messages do not wait long.

**A link that stands still** is not slow: packets were lost, and everything that waits will be sent
at once. The backlog's clock therefore stands still with it (`LinkClock`). If too much waits by
then, messages are skipped after all; the receiving end detects a hole, and requests it. The same
holds while the link is full because another machine reads the log.

**A slow path behind a router** has no room either (`FarWindow`): some messages request a
confirmation.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, Final, NamedTuple

import msgspec

from dsmq_nodes.dsmq import limits
from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.gateways.hub import REQUEST_LASTS_SEC, Hub, HubReader
from dsmq_nodes.gateways.uplink.cursors import LEAST_AGE_SEC, Chain
from dsmq_nodes.gateways.uplink.fleet_carrier import (
    Carrier,
    Confirmation,
    Item,
    Question,
    TopicOffer,
)
from dsmq_nodes.gateways.uplink.launch_entry import UplinkTopic
from dsmq_nodes.gateways.uplink.log_reader import read_log
from dsmq_nodes.gateways.uplink.pacing.far_window import FarWindow
from dsmq_nodes.gateways.uplink.pacing.link_clock import LinkClock
from dsmq_nodes.gateways.uplink.uplink_rules import (
    UplinkRules,
    is_best_effort,
    is_too_late,
    may_be_late,
)
from dsmq_nodes.graph.links.backlog import LATE_SEC, Backlog
from dsmq_nodes.tools.graph_model import TopicModel
from dsmq_nodes.topic_names import REPLY, REQUEST, UPLINK, is_call, is_emergency_stop

logger = logging.getLogger("dsmq_nodes.uplink")

_BEATS: Final = 3  # heartbeats after the last message of a topic
_MOST_PENDING: Final = 100  # calls that no machine wants yet
_LATE_SEC: Final = 0.35  # standing still alone does not make a link late
_ANSWERING_SEC: Final = 1.0  # since the last message of an answer
_MOST_WAITING_BYTES: Final = 1024 * 1024
_HEAD_BYTES: Final = 100  # approximately
_USUAL: Final = UplinkTopic()
_pack: Final = msgspec.msgpack.Encoder().encode


class Thinner:
    """Limits the messages per second, by their time of arrival in the log."""

    def __init__(self, rate_hz: float | None) -> None:
        self._period_ns = 0 if rate_hz is None else 1e9 / rate_hz
        self._due_ns = 0.0

    def passes(self, at_ns: int) -> bool:
        """Whether a message may be sent."""
        if not self._period_ns:
            return True
        if at_ns < self._due_ns:
            return False
        # Slightly early counts as on time: publishers are not exact.
        self._due_ns = max(self._due_ns + self._period_ns, at_ns + self._period_ns / 2)
        return True

    def seq(self, entry: Entry) -> int:
        """Return the number of a message among its sender's; 0 if some of these are not sent."""
        return entry.seq if not self._period_ns and 0 < entry.seq <= limits.MOST_ID else 0


class _Message(NamedTuple):
    """A message to send, and its place in the log; `gap` messages just before it are lost."""

    outgoing: "_OutgoingTopic"
    chain: Chain
    id: int
    gap: int
    text: bytes
    at_sec: float
    sender: str
    seq: int


class _OutgoingTopic:
    """A topic of this machine that others may receive."""

    def __init__(self, topic: str, offer: TopicOffer, settings: UplinkTopic) -> None:
        self.topic, self.offer = topic, offer
        self.is_call = is_call(topic)
        self.is_sure = bool(offer.latched) or self.is_call
        self.is_best_effort = is_best_effort(settings.best_effort, offer.type_name)
        self.is_wanted = False
        self.pending: deque[_Message] = deque(maxlen=_MOST_PENDING)
        self.reader: HubReader | None = None
        self.chain = Chain()
        self.thinner = Thinner(settings.rate)
        self.sent = self.thinned = self.dropped = self.beats_left = 0
        self.skipped = 0  # by a slow link since the last message, and not reported yet
        self.has_hole = False  # since the last message, while the link stood still

    def last_id(self) -> int | None:
        """Return the id of a heartbeat; None: none is due.

        It is the last id of a topic that must arrive completely. Of any other topic it is the one
        after which the subscription began, until the first message is sent: an answer from the log
        may have ended before that id.
        """
        last = self.chain.last
        if last is None and self.reader is not None:
            return self.reader.began_after
        return last if self.is_sure else None


class OutgoingTopics:
    """The outgoing topics: reads them from a hub, and sends them over a carrier."""

    def __init__(
        self,
        hub: Hub,
        broker: Address,
        carrier: Carrier,
        rules: UplinkRules,
        settings: Mapping[str, UplinkTopic],
    ) -> None:
        self._hub, self._broker, self._carrier = hub, broker, carrier
        self._rules, self._settings = rules, settings
        self._topics: dict[str, _OutgoingTopic] = {}  # by fleet name
        self._backlog: Backlog[_Message, _OutgoingTopic] = Backlog(self._skip, _LATE_SEC)
        self._clock, self._far = LinkClock(), FarWindow()
        self._is_slow = False
        self._answers: set[object] = set()  # answers to other machines that are being read
        self._answered_sec = -inf  # when a message was last read for an answer
        self._served_sec: dict[str, float] = {}  # since when the server of a call exists
        self._early: dict[str, tuple[HubReader, deque[Entry]]] = {}  # calls of nobody in the graph
        self._abandoned: dict[str, int] = {}  # the last call that was not sent, by topic

    # Offering

    def offer(self, topics: Mapping[str, TopicModel]) -> None:
        """Offer the existing topics, and withdraw those that are gone."""
        offers = {}
        for name, topic in topics.items():
            if self._rules.may_send(name) and (offer := self._offer_of(topic)) is not None:
                offers[offer.fleet_name] = (name, offer)
        for fleet_name, outgoing in list(self._topics.items()):
            if offers.get(fleet_name) != (outgoing.topic, outgoing.offer):
                self._withdraw(fleet_name)
        for fleet_name, (name, offer) in offers.items():
            if fleet_name not in self._topics:
                outgoing = _OutgoingTopic(name, offer, self._settings.get(name, _USUAL))
                self._topics[fleet_name] = outgoing
                self._read(outgoing, is_wanted=outgoing.is_call)
                self._take_early(outgoing)
                self._carrier.offer(offer)

    def withdraw_all(self) -> None:
        """Withdraw all topics, because the broker is away."""
        for name in list(self._topics):
            self._withdraw(name)

    def _offer_of(self, topic: TopicModel) -> TopicOffer | None:
        ends = [end for end in topic.publishers if end.node != UPLINK]
        if not ends:
            return None
        # A stop of `topic pub -1` may be published before the robot listens.
        is_kept = topic.latched or is_emergency_stop(topic.name)
        return TopicOffer(
            self._rules.name,
            "",
            self._hub.graph.epoch,
            self._rules.fleet_name(topic.name),
            next((end.type for end in ends if end.type), ""),
            next((end.schema_id for end in ends if end.schema_id), ""),
            max(topic.latched_depth, 1) if is_kept else 0,
        )

    def _withdraw(self, fleet_name: str) -> None:
        outgoing = self._topics.pop(fleet_name)
        self._read(outgoing, is_wanted=False)
        self._carrier.withdraw(outgoing.offer)

    def wanted(self, fleet_name: str, is_wanted: bool) -> None:
        """Start or stop reading an offered topic, as another machine wants it, or none does."""
        outgoing = self._topics.get(fleet_name)
        if outgoing is None or outgoing.is_wanted == is_wanted:
            return
        outgoing.is_wanted = is_wanted
        if not outgoing.is_call:
            self._read(outgoing, is_wanted=is_wanted)
        if is_wanted:
            outgoing.beats_left = _BEATS  # a reader that lost the last message requests it
        while is_wanted and outgoing.pending:
            self._send(outgoing.pending.popleft())

    def _read(self, outgoing: _OutgoingTopic, *, is_wanted: bool) -> None:
        if is_wanted and outgoing.reader is None:
            outgoing.chain = Chain()  # earlier readers detect the hole in the ids
            outgoing.reader = self._hub.subscribe(
                outgoing.topic, lambda entry: self._take(outgoing, entry), is_prompt=True
            )
        elif not is_wanted and outgoing.reader is not None:
            outgoing.reader.close()
            outgoing.reader = None

    # Sending

    def _take_early(self, outgoing: _OutgoingTopic) -> None:
        _, early = self._early.get(outgoing.topic, (None, deque[Entry]()))
        while early:
            self._take(outgoing, early.popleft())

    def _take(self, outgoing: _OutgoingTopic, entry: Entry) -> None:
        if entry.sender == UPLINK:
            return
        if not outgoing.thinner.passes(entry.at):
            outgoing.thinned += 1
            return
        text = entry.text
        if text is None:
            return
        # Not the time of reading: it may have waited in the broker for a stopped uplink.
        at_sec = entry.at * 1e-9 if entry.at else time.monotonic()
        message = _Message(
            *(outgoing, outgoing.chain, entry.id, entry.gap, text.encode(), at_sec),
            *(entry.sender, outgoing.thinner.seq(entry)),
        )
        if outgoing.is_wanted:
            self._send(message)
        else:
            outgoing.pending.append(message)

    def _send(self, message: _Message) -> None:
        now_sec = time.monotonic()
        if not len(self._backlog):
            if self._has_room(now_sec):
                self._put(message)
                return
            self._clock.moved(now_sec, is_waiting=True)
        outgoing = message.outgoing
        self._backlog.add(
            message,
            outgoing,
            len(message.text),
            self._clock.read(now_sec),
            is_sure=outgoing.is_call,
        )
        if self._backlog.waiting_bytes > _MOST_WAITING_BYTES:
            outgoing.has_hole = outgoing.has_hole or self._clock.stands_sec(now_sec) > 0
            self._backlog.make_room(outgoing, len(message.text))
        self._await_room(now_sec)

    def _is_answering(self, now_sec: float) -> bool:
        return bool(self._answers) or now_sec - self._answered_sec < _ANSWERING_SEC

    def _has_room(self, now_sec: float) -> bool:
        return self._carrier.has_room() and self._has_far_room(now_sec)

    def _has_far_room(self, now_sec: float) -> bool:
        if self._is_answering(now_sec):  # an answer fills the path, which says nothing of its rate
            self._far.forget()
        return self._far.has_room(now_sec)

    def _await_room(self, now_sec: float) -> None:
        if len(self._backlog) and self._has_far_room(now_sec):  # otherwise wait for `confirmed`
            self._carrier.await_room()

    def room(self) -> None:
        """Send waiting messages, because the carrier has room."""
        now_sec = time.monotonic()
        first = self._backlog.first(self._clock.read(now_sec))
        if first is None:
            return
        if self._has_room(now_sec):
            self._backlog.pop()
            self._clock.moved(now_sec, is_waiting=len(self._backlog) > 0)
            self._put(first[0])
        self._await_room(now_sec)

    def confirmed(self, fleet_name: str, confirmation: Confirmation, *, is_near: bool) -> None:
        """Handle a confirmation; `is_near`: its machine is at the other end of the link."""
        outgoing = self._topics.get(fleet_name)
        if outgoing is not None and outgoing.offer.epoch == confirmation.epoch:
            self._far.confirmed(fleet_name, confirmation.id, time.monotonic(), is_near=is_near)
            self.room()

    def _skip(self, outgoing: _OutgoingTopic, message: _Message) -> None:
        """Count a message that is skipped."""
        outgoing.skipped += 1
        is_answering = self._is_answering(time.monotonic())
        outgoing.has_hole = outgoing.has_hole or message.gap > 0 or is_answering
        if not self._is_slow:
            self._is_slow = True
            logger.warning(
                "the link is too slow, or was down: only the newest message of each topic is sent, "
                "others are skipped; after an outage they are read from the log"
            )

    def _put(self, message: _Message) -> None:
        now_sec, outgoing = time.monotonic(), message.outgoing
        age_sec = now_sec - message.at_sec
        if outgoing.reader is None or message.chain is not outgoing.chain:
            return  # no longer wanted; a new reader gets it from the log
        if outgoing.is_best_effort and age_sec > LATE_SEC:
            self._skip(outgoing, message)
            return
        if self._is_abandoned(outgoing.topic, message.id, message.at_sec):
            return
        before = outgoing.chain.add(message.id, message.gap or outgoing.has_hole)
        skipped = 0 if outgoing.has_hole else outgoing.skipped
        outgoing.dropped += skipped  # those of a hole are still in the log, for requests
        outgoing.skipped, outgoing.has_hole = 0, False
        header = (outgoing.offer.epoch, message.id, before, skipped, message.sender, message.seq)
        name, size, asks = outgoing.offer.fleet_name, len(message.text) + _HEAD_BYTES, False
        if outgoing.is_call:
            self._far.count_unasked(size)
        else:
            asks = self._far.count_sent(name, message.id, size, now_sec)
        sent_age_sec = max(age_sec, LEAST_AGE_SEC if asks else 0.0)
        tells_age = outgoing.is_call or asks or age_sec > LATE_SEC
        head = _pack((*header, sent_age_sec) if tells_age else header)
        self._carrier.put(name, head, message.text)
        outgoing.sent += 1
        outgoing.beats_left = _BEATS

    def served(self, replies: str) -> None:
        """Note that a server of another machine exists now, by the topic of its replies."""
        self._served_sec[replies.removesuffix(REPLY) + REQUEST] = time.monotonic()

    def expect_calls(self, incoming: str, *, is_served: bool) -> None:
        """Keep the first call of each client, which comes before the graph shows the client.

        Called for each topic of another machine that begins or ends; replies are a server's.
        """
        if not incoming.endswith(REPLY):
            return
        requests = incoming.removesuffix(REPLY) + REQUEST
        if requests in self._early and not is_served:
            self._early.pop(requests)[0].close()
        elif requests not in self._early and is_served and self._rules.may_send(requests):
            early: deque[Entry] = deque(maxlen=_MOST_PENDING)
            fleet_name = self._rules.fleet_name(requests)

            def take(entry: Entry) -> None:
                if fleet_name not in self._topics:
                    early.append(entry)

            self._early[requests] = self._hub.subscribe(requests, take), early

    def _is_abandoned(self, topic: str, message_id: int, at_sec: float) -> bool:
        """Whether the caller of a message has got the error that the server is lost."""
        is_older = at_sec < self._served_sec.get(topic, -inf) and not may_be_late(topic)
        if not is_older and not is_too_late(topic, time.monotonic() - at_sec):
            return False
        if message_id > self._abandoned.get(topic, 0):  # it may be requested again
            self._abandoned[topic] = message_id
            logger.warning(
                "a call on %s is not sent: its server was away, and its caller got an error",
                topic.removesuffix(REQUEST),
            )
        return True

    def beat(self) -> None:
        """Send heartbeats; called once a second."""
        for outgoing in self._topics.values():
            if outgoing.beats_left and (last := outgoing.last_id()) is not None:
                outgoing.beats_left -= 1
                self._carrier.send_heartbeat(
                    outgoing.offer.fleet_name, _pack((outgoing.offer.epoch, last, last))
                )
        self._await_room(time.monotonic())
        if self._is_slow and not self._backlog.is_late(self._clock.read(time.monotonic())):
            self._is_slow = False
            dropped = sum(outgoing.dropped for outgoing in self._topics.values())
            logger.info("the link keeps up again; %d messages were lost so far", dropped)

    def answer(self, fleet_name: str, question: Question) -> Iterator[Item]:
        """Answer another machine's question, in a thread."""
        topic = self._rules.topic(fleet_name)
        if not self._rules.may_send(topic):
            return
        if not question.depth:
            schema = self._hub.schema_of(topic)
            yield b"", msgspec.json.encode(schema) if schema else b""
            return
        chain, answer = Chain(question.after), object()
        thinner = Thinner(self._settings.get(topic, _USUAL).rate)
        self._answers.add(answer)
        try:
            for epoch, reply in read_log(
                self._broker,
                topic,
                after=question.after,
                epoch=question.epoch,
                depth=question.depth,
            ):
                if epoch != question.epoch:
                    return  # the broker has been replaced, and so has the offer
                if reply.sender == UPLINK or not thinner.passes(reply.at):
                    continue
                at_sec = reply.at * 1e-9
                is_old = self._is_abandoned(topic, reply.id, at_sec)
                if is_old or (not question.after and self._is_old_false(topic, reply, at_sec)):
                    continue
                before = chain.add(reply.id, reply.gap)
                age_sec = max(0.0, time.monotonic() - at_sec)
                header = (epoch, reply.id, before, 0, reply.sender, thinner.seq(reply), age_sec)
                yield _pack(header), (reply.text or "").encode()
                self._answered_sec = time.monotonic()  # sending may have waited for the link
        except DsmqError as error:
            logger.warning("%s could not be read for another machine: %s", topic, error)
        finally:
            self._answers.discard(answer)

    def _is_old_false(self, name: str, reply: Reply, at_sec: float) -> bool:
        """Whether a message is an old false of an emergency stop that is not latched.

        A machine that is new may have pressed its stop since, and not each reader of a stop can
        tell (`EmergencyStop` can).
        """
        topic, age_sec = self._hub.topic(name), time.monotonic() - at_sec
        if not is_emergency_stop(name) or age_sec < REQUEST_LASTS_SEC:
            return False
        is_false = "".join((reply.text or "").split()) == '{"data":false}'
        if not is_false or (topic is not None and topic.latched):
            return False
        logger.warning(
            "false on %s, %.0f s old, is not sent to a machine that is new: publish it again to "
            "release a stop there",
            *(name, age_sec),
        )
        return True

    def status(self) -> dict[str, Any]:
        """Return the counters of the outgoing topics."""
        return {
            outgoing.topic: {
                "wanted": outgoing.is_wanted,
                "sent": outgoing.sent,
                "thinned": outgoing.thinned,
                "dropped": outgoing.dropped,
            }
            for outgoing in self._topics.values()
        }
