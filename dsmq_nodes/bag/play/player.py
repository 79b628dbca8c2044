"""Plays bags: each message when it is due, or as fast as the readers receive."""

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from dsmq_nodes.bag.bag_source import BagSource, note_omitted
from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.file.prefetch import prefetched
from dsmq_nodes.bag.file.recorded_schemas import recorded_schema
from dsmq_nodes.bag.play.flow_control import Flow
from dsmq_nodes.bag.play.playback_clock import Pace
from dsmq_nodes.bag.play.playing import Playing
from dsmq_nodes.bag.texts import text_of
from dsmq_nodes.errors import BagError, RequestRefusedError, WireError
from dsmq_nodes.graph import names
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.graph.topics.compatible import TopicEnd, compare, explain
from dsmq_nodes.messages.base import Time
from dsmq_nodes.messages.rosgraph import Clock
from dsmq_nodes.tools.graph_model import EndpointModel, read_schema
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import CLOCK_TOPIC, REQUEST, TYPES_TOPIC

_NAME: Final = "player"  # the node name for topics `~/...`
_PAUSE_TURN_SEC: Final = 0.05
_PUMP_EVERY: Final = 64  # messages
_LONGEST_SEC: Final = 2e10  # longer than any file; stands for "inf"
_SHORTEST_ROUND_SEC: Final = 0.1  # of a loop
_STOOD_STILL_SEC: Final = 1.0  # so late comes no message of a player that runs


class Player:
    """Plays a bag through a session.

    Attributes:
        messages: the number of messages played.
        at_ns: the recorded time of the last played message.
        start_ns: the begin of the bag, in recorded time.
        end_ns: the end of the bag, in recorded time.
        pace: the time of the recording, which makes messages due.
        skipped: the number of messages on topics that are not played, by topic.
    """

    def __init__(
        self,
        bag: BagSource,
        session: Session,
        playing: Playing,
        wait: Callable[[float], None] | None = None,
        *,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare to play.

        Args:
            bag: the bag, opened with the topics to play.
            session: the connection to publish with.
            playing: the options.
            wait: called with the seconds to wait, and may wait less; may change the pace.
            report: called with a line about what the player waits for.

        Raises:
            BagError: the bag has no messages, or none in JSON.
            InvalidNameError: a topic is renamed to a name that breaks the rules.
        """
        self.messages = 0
        self.pace = Pace(playing.rate, paused=playing.start_paused)
        self._bag, self._session, self._playing = bag, session, playing
        self._flow = Flow(session)
        self._wait, self._report = wait or session.pump, report
        self._is_stopped = False
        self._clock_due_sec = 0.0
        self.skipped: Counter[str] = Counter()
        self._channels: dict[Channel, Channel] = {}
        for each in bag.counts():
            self._choose(each.channel, each.messages)
        _check_any(self._channels, self.skipped, bag.omitted.topics)
        self.start_ns = self.at_ns = bag.start_ns + _ns(playing.start_offset_sec)
        self.end_ns = bag.end_ns
        if playing.duration_sec is not None:
            self.end_ns = min(self.end_ns, self.start_ns + _ns(playing.duration_sec))
        # Without an offset or a duration, play every message, whatever the index says of the times.
        self._range = (
            self.start_ns if playing.start_offset_sec else None,
            None if playing.duration_sec is None else self.end_ns + 1,
        )
        if self.start_ns > bag.end_ns:
            raise BagError(
                f"a start offset of {playing.start_offset_sec:g} s is beyond the bag's "
                f"{(bag.end_ns - bag.start_ns) * 1e-9:.3f} s"
            )

    def _choose(self, channel: Channel, messages: int) -> None:
        playing = self._playing
        if playing.skips(channel.topic):
            self.skipped[channel.topic] += messages
        elif channel.unreadable:
            self._bag.omitted.topic(channel.topic, channel.unreadable)
        elif not (channel.topic == CLOCK_TOPIC and playing.clock_hz):
            self._channels[channel] = self._as_played(channel)

    def _as_played(self, channel: Channel) -> Channel:
        renamed = self._playing.remap.get(channel.topic)
        if renamed is None:  # a plain client's topic may have any name
            return channel
        return replace(channel, topic=names.resolve_topic(renamed, _NAME, "/", {}))

    def stop(self) -> None:
        """Stop playing."""
        self._is_stopped = True

    def play(self) -> None:
        """Play to the end.

        A message that does not match its channel is skipped and added to the bag's `omitted`.

        Raises:
            BagError: the bag is damaged, or its types differ from those of the graph.
            ConnectionFailedError: the broker is gone.
            RequestRefusedError: the broker refused a message.
        """
        channels = list(self._channels.values())
        self._check_types(channels)
        self._advertise(channels)
        if self._playing.wait_for:
            self._wait_for_subscribers({each.topic for each in channels})
        self._delay(self._playing.delay_sec)
        latched = self._bag.latched_before(self.start_ns) if self._playing.start_offset_sec else []
        while not self._is_stopped:
            self._play_once(latched)
            if not self._playing.loop:
                self._session.graph()  # the broker's refusals come before the answer
                break

    def _advertise(self, channels: list[Channel]) -> None:
        """Advertise; a topic that the broker refuses is left out."""
        for ours, played in list(self._channels.items()):
            schema = recorded_schema(played)
            schema_json = json.dumps(schema).encode() if schema else b""
            try:
                self._session.advertise(
                    played.topic, played.type_name, schema_json, latched=played.latched
                )
            except RequestRefusedError as error:
                self._bag.omitted.topic(ours.topic, error.reason)
                del self._channels[ours]
                channels.remove(played)
        if self._playing.clock_hz:
            self._session.advertise(CLOCK_TOPIC, Clock.type_name)

    def _wait_for_subscribers(self, topics: set[str]) -> None:
        """Wait without a limit until each topic has enough subscribers; report what is missing."""
        count, reported = self._playing.wait_for, ""
        with contextlib.closing(self._session.graphs(exact=True)) as graphs:
            for graph in graphs:
                found = {each.name: len(each.subscribers) for each in graph.topics}
                missing = [
                    f"{topic} has {found.get(topic) or 'none'}"
                    for topic in sorted(topics)
                    if found.get(topic, 0) < count
                ]
                if not missing:
                    return
                if (text := ", ".join(missing)) != reported:
                    reported = text
                    self._report(f"Waiting for {count} subscribers of each topic: {text}")

    def _play_once(self, latched: list[Record]) -> None:
        began_sec, self._clock_due_sec = time.monotonic(), 0.0
        self._begin(latched)
        has_begun = False
        for record in prefetched(self._bag.records(*self._range)):
            if not has_begun:  # not earlier: decompressing the first takes time
                has_begun = True
                self.pace.set(self.start_ns)
                self.at_ns = self.start_ns
            channel = self._channels.get(record.channel)
            if channel is not None:
                self._until_due(record.log_time_ns)
                if self._is_stopped:
                    return
                self._put(record, channel)
        if not self.pace.rate:
            self._flow.wait()
        if self._playing.loop:
            self._fill(began_sec + _SHORTEST_ROUND_SEC)

    def _begin(self, latched: list[Record]) -> None:
        """Publish the latched messages from before the beginning."""
        for record in latched:
            channel = self._channels.get(record.channel)
            if channel is not None:
                self._put(record, channel)

    def _fill(self, until_sec: float) -> None:
        """Wait for the end of a round: without it, a short bag would flood its readers."""
        while not self._is_stopped and (now_sec := time.monotonic()) < until_sec:
            due_sec = until_sec
            if self._playing.clock_hz:
                due_sec = min(due_sec, self._publish_clock(now_sec, self.end_ns))
            self._wait(due_sec - now_sec)

    def _put(self, record: Record, channel: Channel) -> None:
        try:
            text = text_of(record)
        except ValueError as error:
            note_omitted(self._bag, record, error)
            return
        if channel.topic.endswith(REQUEST):
            text = calls.signed(text, self._session.client)
        put = self._session.publish if self.pace.rate else self._flow.put
        try:
            put(channel.topic, text)
        except WireError as error:  # it is too long
            note_omitted(self._bag, record, error)
            return
        self.at_ns = max(record.log_time_ns, self.start_ns)
        self.messages += 1
        if self.messages % _PUMP_EVERY == 0:
            self._wait(0.0)

    def _until_due(self, recorded_ns: int) -> None:
        pace = self.pace
        while not self._is_stopped:
            if pace.is_paused:
                if pace.take_step(recorded_ns):
                    return
                self._wait(_PAUSE_TURN_SEC)
                continue
            now_sec, due_sec = time.monotonic(), pace.due_sec(recorded_ns)
            if pace.rate and now_sec - due_sec > _STOOD_STILL_SEC:
                pace.set(max(recorded_ns, self.at_ns))
            if self._playing.clock_hz:
                due_sec = min(due_sec, self._publish_clock(now_sec, recorded_ns))
            if now_sec >= due_sec:
                return
            self._wait(due_sec - now_sec)

    def _publish_clock(self, now_sec: float, next_ns: int) -> float:
        """Publish `/clock` if it is due, and return when it is due next."""
        if now_sec >= self._clock_due_sec:
            now_ns = min(self.pace.now_ns(), next_ns) if self.pace.rate else next_ns
            clock = Clock(clock=Time.from_nanoseconds(now_ns))
            self._session.publish(CLOCK_TOPIC, clock.to_json())
            period_sec = 1.0 / self._playing.clock_hz
            late_sec = now_sec - self._clock_due_sec
            self._clock_due_sec = now_sec + period_sec - min(late_sec, 0.5 * period_sec)
        return self._clock_due_sec

    def _delay(self, seconds: float) -> None:
        until_sec = time.monotonic() + seconds
        while not self._is_stopped and (left_sec := until_sec - time.monotonic()) > 0:
            self._wait(left_sec)

    def _check_types(self, channels: list[Channel]) -> None:
        """Compare the types with those of the graph's subscribers.

        Raises:
            BagError: a topic is subscribed as another type.
        """
        self._session.subscribe(TYPES_TOPIC, depth=0)
        graph = self._session.graph(exact=True)  # the graph arrives after the schemas that it names
        schemas: dict[str, dict[str, Any]] = {}
        while reply := self._session.next_message([TYPES_TOPIC], 0.0):
            if found := self._session.understood(reply, read_schema, exact=True):
                schemas[found[0]] = found[1]
        self._session.unsubscribe(TYPES_TOPIC)
        subscribed = {topic.name: topic.subscribers for topic in graph.topics}
        faults = [
            fault
            for channel in channels
            for end in subscribed.get(channel.topic, ())
            if (fault := _fault(channel, end, schemas.get(end.schema_id, {})))
        ]
        if faults:
            raise BagError(
                "\n".join(faults)
                + "\nNothing was played: exclude topics with --exclude-topics, or rename them "
                "with --remap"
            )


def _fault(channel: Channel, end: EndpointModel, expected: dict[str, Any]) -> str:
    """Return why a subscriber cannot read the messages; empty when no reason is known."""
    sent = recorded_schema(channel)
    subscriber = TopicEnd(end.node, end.pid, end.type)
    if sent and expected:
        found = compare(expected, sent).differences
        bag = TopicEnd("the bag", os.getpid(), channel.type_name)
        return explain(channel.topic, subscriber, bag, found) if found else ""
    if not (end.type and channel.type_name) or end.type == channel.type_name:
        return ""
    return (
        f"{channel.topic}: subscriber {subscriber} expects {end.type}, the bag has "
        f"{channel.type_name}"
    )


def _ns(seconds: float) -> int:
    return round(min(seconds, _LONGEST_SEC) * 1e9)


def _check_any(
    channels: Mapping[Channel, Channel], skipped: Mapping[str, int], unread: Mapping[str, str]
) -> None:
    """Raise if there is nothing to play."""
    if channels:
        return
    if unread:
        raise BagError("\n".join(f"{topic}: {reason}" for topic, reason in unread.items()))
    if skipped:
        raise BagError(
            f"nothing is played: {', '.join(sorted(skipped))} are services, actions, the kit's "
            "or the emergency stop; --publish-service-requests calls the services again"
        )
    raise BagError("the bag has no messages on these topics: see `dsmq-nodes bag info`")
