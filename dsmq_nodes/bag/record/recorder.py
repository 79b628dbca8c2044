"""Records topics, with a cursor in each topic's log.

The recorder finds the topics in the graph. Topics that exist when it begins are read from then on,
including latched messages. A later topic is read from its first message, however long it took to
find it. A slow disk makes the cursors lag in the broker's log; only messages that leave the log
meanwhile are lost, and they are counted.

A message's log time is its arrival in its topic's log, however late the recorder reads it. Messages
from before the recorder began get the time of its begin. Log times in a topic never decrease: they
are the wall clock at the recorder's start plus the monotonic time since.

A message may arrive before the graph that has its type, if its topic was subscribed before it was
published. The message then waits up to `_TYPE_SEC`, and all later messages wait with it.
"""

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from dsmq_nodes.bag.file.contents import TEXT, Channel, latched_metadata
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.file.recorded_schemas import ANYTHING, class_of, schema_text
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.record.episode_service import REQUESTS, EpisodeService
from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import BagError, MessageError
from dsmq_nodes.json_text import is_json
from dsmq_nodes.messages.rosgraph import Clock
from dsmq_nodes.tools.graph_model import GraphModel, TopicModel, decode_graph, read_schema
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import (
    CLOCK_TOPIC,
    EPISODE_TOPIC,
    GRAPH_TOPIC,
    TYPES_TOPIC,
    is_hidden,
)

_TURN_SEC: Final = 0.05  # the latest reaction to a requested end
_WAIT_SEC: Final = 0.05  # the longest wait for a message
_FLUSH_SEC: Final = 1.0
_CLOCK_SEC: Final = 1.0  # without /clock, until the warning
_DRAIN_SEC: Final = 10.0
_TYPE_SEC: Final = 2.0  # then messages are recorded without a type
_MOST_WAIT_BYTES: Final = 32 << 20  # of messages that wait for a type
_ANYTHING_TEXT: Final = schema_text(ANYTHING)


class _Type(NamedTuple):
    """A type that an endpoint of a topic uses."""

    name: str = ""
    schema_id: str = ""


_NO_TYPE: Final = _Type()


@dataclass(slots=True)
class RecordedTopic:
    """The recording of a topic.

    Attributes:
        name: the topic's name.
        types: the types of its messages.
        messages: the number of recorded messages.
        dropped: the number of messages that could not be recorded: they had left the broker's log,
            never reached it, arrived before the simulated time, or did not fit on the disk.
    """

    name: str
    types: list[str] = field(default_factory=list)
    messages: int = 0
    dropped: int = 0
    latched: int = 0
    by_sender: dict[str, _Type] = field(default_factory=dict)
    any_type: _Type = _NO_TYPE
    log_time_ns: int = 0  # of the newest message
    typed_until_sec: float = 0.0  # the wait for a type ends then; 0: no wait
    channels: dict[str, Channel] = field(default_factory=dict)
    before_clock: list[wire.Reply] = field(default_factory=list)  # latched ones


class Sink(Protocol):
    """The output of a recorder: a `BagWriter`, or `LastSeconds`."""

    messages: int

    def write_record(self, record: Record) -> None:
        """Append a message."""

    def flush(self) -> None:
        """Make the written messages safe."""


class Recorder:
    """Records topics until `run` is asked to end.

    Attributes:
        topics: the recordings so far, by the topics' names.
    """

    def __init__(
        self,
        session: Session,
        writer: Sink,
        selection: Selection,
        *,
        use_sim_time: bool = False,
        from_start: bool = False,
        listeners: Mapping[str, Callable[[wire.Reply], None]] | None = None,
        report: Callable[[str], None] = lambda _: None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare to record.

        Args:
            session: the connection to the broker; it has to be a lasting one.
            writer: the output.
            selection: the topics.
            use_sim_time: use `/clock` for log times; messages before its first message count as
                dropped, except latched ones, which get its time.
            from_start: record existing topics from the first message in their logs.
            listeners: callbacks for the messages of some topics, recorded or not.
            report: called with information.
            warn: called with warnings.
        """
        self.topics: dict[str, RecordedTopic] = {}
        self._from_start = from_start
        self._session = session
        self._writer = writer
        self._selection = selection
        self._report, self._warn = report, warn
        self._uses_sim_time = use_sim_time
        self._sim_ns: int | None = None
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._began_ns = self._now_ns()
        self._flushed = 0
        self._flush_at_sec = time.monotonic() + _FLUSH_SEC
        self._no_clock_at_sec = time.monotonic() + _CLOCK_SEC
        self.knows_graph = self._is_loss_told = False
        self._unwritten: deque[tuple[RecordedTopic, int, wire.Reply]] = deque()
        self._unwritten_bytes = 0
        self._schemas: dict[_Type, bytes] = {}
        self._received_schemas: dict[str, dict[str, Any]] = {}  # by their ids in the graph
        # Subscribe to the types before the graph, which names their schemas.
        own = {TYPES_TOPIC: self._on_type, GRAPH_TOPIC: self._on_graph}
        own |= {CLOCK_TOPIC: self._take_clock} if use_sim_time else {}
        self._episodes = EpisodeService(session)
        own |= {REQUESTS: self._episodes.on_request}
        self._own_topics = set(own)
        self._listeners = {**own, **(listeners or {})}
        for topic in self._listeners:
            session.subscribe(topic)
        self._listeners[EPISODE_TOPIC] = self._episodes.on_mark  # recorded when there is a mark

    @property
    def messages(self) -> int:
        """The number of recorded messages."""
        return sum(topic.messages for topic in self.topics.values())

    @property
    def dropped(self) -> int:
        """The number of lost messages."""
        return sum(topic.dropped for topic in self.topics.values())

    def run(
        self,
        is_over: Callable[[], bool],
        on_turn: Callable[[], None] = lambda: None,
        is_hurried: Callable[[], bool] = lambda: False,
    ) -> None:
        """Record until `is_over`, then read the remaining messages from before that.

        Args:
            is_over: whether to end; called often.
            on_turn: called often, to show progress.
            is_hurried: whether to end without reading the remaining messages.

        Raises:
            BagError: the messages could not be written; the text says what is safe.
        """
        while not is_over():
            self._turn()
            on_turn()
        self._read_rest(is_hurried)
        self._write_typed(is_over=True)

    def _read_rest(self, is_hurried: Callable[[], bool]) -> None:
        self._session.ask_ends()
        until_sec = time.monotonic() + _DRAIN_SEC
        while self._session.behind and self._session.is_connected and not is_hurried():
            self._turn()
            if time.monotonic() > until_sec:
                self._warn(f"{self._session.behind} messages were still to be read: not recorded")
                return

    def lose(self, lost: Mapping[str, int]) -> None:
        """Count written messages of each topic as dropped, because they were lost after all."""
        for name, count in lost.items():
            self.topics[name].messages -= count
            self.topics[name].dropped += count

    def _turn(self) -> None:
        until_sec = time.monotonic() + _TURN_SEC
        while (reply := self._session.next_message(timeout_sec=_WAIT_SEC)) is not None:
            self._record(reply)
            if time.monotonic() > until_sec:
                break
        self._write_typed()
        now_sec = time.monotonic()
        if self._uses_sim_time and self._sim_ns is None and now_sec > self._no_clock_at_sec:
            self._no_clock_at_sec = math.inf
            self._warn(
                "WARNING: no node publishes /clock: with --use-sim-time nothing is recorded before "
                "its first message, and earlier messages are dropped, except latched ones"
            )
        if now_sec >= self._flush_at_sec and self._writer.messages > self._flushed:
            self._writer.flush()
            self._flushed = self._writer.messages
            self._flush_at_sec = now_sec + _FLUSH_SEC

    def _record(self, reply: wire.Reply) -> None:
        if listener := self._listeners.get(reply.topic):  # recorded or not
            listener(reply)
        topic = self.topics.get(reply.topic)
        if topic is None:
            return
        if reply.gap and not self._is_loss_told:
            self._is_loss_told = True
            self._warn(
                f"WARNING: {topic.name}: {reply.gap} messages could not be recorded: they had left "
                "the broker, or it was not there; record fewer topics, or let it keep more "
                "(`dsmq-nodes broker --budget`, or `broker: {budget: ...}` in the launch file)"
            )
        topic.dropped += reply.gap
        log_ns = self._log_time_ns(topic, reply)
        if log_ns is None:  # there is no simulated time yet
            topic.dropped += 1
            if topic.latched:
                topic.before_clock = [*topic.before_clock, reply][-topic.latched :]
            return
        self._record_at(topic, log_ns, reply)

    def _record_at(self, topic: RecordedTopic, log_ns: int, reply: wire.Reply) -> None:
        topic.log_time_ns = log_ns
        if self._unwritten or not self._is_typed(topic, reply.sender):
            self._unwritten.append((topic, log_ns, reply))
            self._unwritten_bytes += len(reply.text or "")
        else:
            self._write(topic, log_ns, reply)

    def _is_typed(self, topic: RecordedTopic, sender: str) -> bool:
        """Whether a message can be written: its type is known, or the wait for it is over."""
        if sender in topic.channels or topic.by_sender.get(sender, topic.any_type).name:
            return True
        now_sec = time.monotonic()
        topic.typed_until_sec = topic.typed_until_sec or now_sec + _TYPE_SEC
        return now_sec >= topic.typed_until_sec

    def _write_typed(self, *, is_over: bool = False) -> None:
        """Write the waiting messages in order, up to the first one that cannot be written yet."""
        unwritten, is_over = self._unwritten, is_over or self._unwritten_bytes > _MOST_WAIT_BYTES
        while unwritten and (is_over or self._is_typed(unwritten[0][0], unwritten[0][2].sender)):
            self._write(*unwritten.popleft())
        if not unwritten:
            self._unwritten_bytes = 0

    def _write(self, topic: RecordedTopic, log_ns: int, reply: wire.Reply) -> None:
        text = reply.text or ""
        channel = topic.channels.get(reply.sender)
        if channel is None:
            channel = self._channel(topic, reply.sender, text)
        times = log_ns, reply.stamp or log_ns
        try:
            self._writer.write_record(Record(channel, *times, reply.seq, text.encode()))
        except BagError:
            topic.dropped += 1
            while self._unwritten:
                self._unwritten.popleft()[0].dropped += 1
            raise
        topic.messages += 1

    def _on_graph(self, reply: wire.Reply) -> None:
        if graph := self._session.understood(reply, decode_graph, exact=True):
            self._take_graph(graph)

    def _on_type(self, reply: wire.Reply) -> None:
        if found := self._session.understood(reply, read_schema, exact=True):
            self._received_schemas[found[0]] = found[1]

    def _take_clock(self, reply: wire.Reply) -> None:
        """Set the simulated time; a message without a valid time changes nothing."""
        with contextlib.suppress(MessageError):
            now_ns = Clock.from_json(reply.text or "").clock.to_nanoseconds()
            self._sim_ns = max(now_ns, 0)
            for topic in self.topics.values():
                while topic.before_clock:
                    topic.dropped -= 1
                    self._record_at(topic, self._sim_ns, topic.before_clock.pop(0))

    def _log_time_ns(self, topic: RecordedTopic, reply: wire.Reply) -> int | None:
        if self._uses_sim_time:
            return self._sim_ns
        now_ns = self._now_ns()
        entered_ns = min(self._offset_ns + reply.at, now_ns) if reply.at else now_ns
        return max(entered_ns, topic.log_time_ns or self._began_ns)

    def _now_ns(self) -> int:
        return self._offset_ns + time.monotonic_ns()

    def _take_graph(self, graph: GraphModel) -> None:
        first, self.knows_graph = not self.knows_graph, True
        for found in graph.topics:
            topic = self.topics.get(found.name)
            if topic is None:
                if found.name not in self._selection and found.name != EPISODE_TOPIC:
                    continue
                topic = self.topics[found.name] = RecordedTopic(found.name)
                if not is_hidden(found.name):
                    self._report(f"Subscribed to topic '{found.name}'")
            if not (found.name in self._own_topics or self._session.is_subscribed(found.name)):
                from_start = self._from_start or not first
                self._session.subscribe(found.name, from_start=from_start, passive=True)
            self._take_types(topic, found)
        if first:
            self._episodes.begin(graph)
            self._session.be_ready()
            for name in self._selection.unmatched(self.topics):
                self._warn(
                    f"WARNING: topic [{name}] does not appear to be published yet: it is recorded "
                    "as soon as it is"
                )

    def _take_types(self, topic: RecordedTopic, found: TopicModel) -> None:
        by_sender = {p.node: _Type(p.type, p.schema_id) for p in found.publishers if p.type}
        changed = {
            sender: (before, by_sender[sender])
            for sender, before in topic.by_sender.items()
            if by_sender.get(sender, before) != before
        }
        for sender, (before, now) in changed.items():
            what = now.name if now.name != before.name else f"another {now.name}"
            self._warn(
                f"WARNING: {topic.name}: {sender or 'a tool'} publishes {what} now, before "
                f"{before.name}: both are recorded, each with its schema"
            )
        # A publisher that has left may still have messages on the way: keep its type.
        topic.by_sender |= by_sender
        known = [_Type(end.type, end.schema_id) for end in found.ends if end.type]
        topic.any_type = known[0] if known else topic.any_type
        topic.latched = found.latched_depth or int(found.latched)
        topic.channels.clear()

    def _channel(self, topic: RecordedTopic, sender: str, text: str) -> Channel:
        of_type = topic.by_sender.get(sender, topic.any_type)
        if of_type.name not in topic.types:
            topic.types.append(of_type.name)
        metadata = latched_metadata(topic.latched)
        if of_type.name:
            schema = self._schema(of_type)
            found = Channel(topic.name, of_type.name, schema, metadata=metadata)
            topic.channels[sender] = found
            return found
        # Only for this message: the next one may have another type.
        if text.startswith("{") and is_json(text):
            return Channel(topic.name, "", _ANYTHING_TEXT, metadata=metadata)
        return Channel(topic.name, "", b"", "", TEXT, metadata)

    def _schema(self, of_type: _Type) -> bytes:
        """Return the publisher's schema of a type, or else that of a class of this name, if any."""
        if of_type not in self._schemas:
            schema = self._received_schemas.get(of_type.schema_id, {})
            if not schema:
                found = class_of(of_type.name)
                schema = found.schema() if found else ANYTHING
            self._schemas[of_type] = schema_text(schema)
        return self._schemas[of_type]


def summary_lines(recorder: Recorder) -> Iterator[str]:
    """Yield one line for each topic; hidden topics only if they had messages."""
    shown = [
        topic
        for topic in recorder.topics.values()
        if topic.messages or topic.dropped or not is_hidden(topic.name)
    ]
    width = max((len(topic.name) for topic in shown), default=0)
    for topic in sorted(shown, key=lambda each: each.name):
        nothing = "nothing was recorded" if topic.dropped else "nothing came"
        types = ", ".join(each or "untyped" for each in topic.types) or nothing
        counts = f"{topic.messages} messages | {topic.dropped} dropped"
        yield f"{topic.name:{width}} | {counts} | {types}"
