"""A tool's connection to the broker: the graph, messages of topics, puts.

A tool is a nameless peer of the broker that reads and writes texts; it needs no node and no types.
"""

import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator
from typing import Any, Final, Self, TypeVar

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import AnyAddress
from dsmq_nodes.errors import CommandError, DsmqError, RequestRefusedError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.printable import one_line, printable_json
from dsmq_nodes.tools.connecting.subscribed import Subscribed
from dsmq_nodes.tools.connecting.tool_connection import ToolConnection, warn
from dsmq_nodes.tools.graph_model import (
    BrokerCounters,
    GraphModel,
    decode_graph,
    decode_statistics,
    read_graph,
    read_schema,
    read_statistics,
)
from dsmq_nodes.topic_names import GRAPH_TOPIC, STATISTICS_TOPIC, TYPES_TOPIC

T = TypeVar("T")

_TYPES_SEC: Final = 1.0  # for all of them: they come at once
_ALL_TYPES_SEC: Final = 0.3
_MOST_KEPT: Final = 100_000
_READ_AHEAD: Final = 1000  # messages that a slow terminal may lag behind, before some are skipped


class Session:
    """An open connection; close it, or use it in a `with`.

    A recorder, or a tool that listens for long, has a `lasting` session. It connects again to a
    broker that was lost, and each subscription resumes where it was. It skips nothing that the
    broker still has: a slow reader lags in the broker's log. Messages that have left the log
    meanwhile are counted in the next message's `gap`, and so are those that were published while
    there was no broker (graph/links/link_reader.py).

    Attributes:
        client: the signature of all its service calls (graph/service_wire.py), by which servers
            notice the end of the connection.
        call_ids: the numbers for its calls.
        published: how many messages were put, by topic.
        unacknowledged: the sizes of the puts whose acknowledgement has not come yet.
        sends_late: whether messages that the network holds up at the end are sent after it, as the
            press of a stop. Others are dropped: they would move a robot that nobody commands.
    """

    def __init__(
        self,
        broker: AnyAddress,
        *,
        node: str = "",
        patient: bool = False,
        lasting: bool = False,
        timeout_sec: float = 5.0,
    ) -> None:
        """Connect.

        Args:
            broker: the broker's address; a text is `host:port`.
            node: the name of the node that it is in the graph; empty: a nameless tool.
            patient: pushes may come a little late, which costs the others less.
            lasting: connect again to a broker that was lost; otherwise its loss is an error.
            timeout_sec: the limit for each answer of the broker.

        Raises:
            ConnectionFailedError: no broker of ours answers there.
        """
        self.client = calls.new_client()
        self.call_ids = itertools.count(1)
        self.published: Counter[str] = Counter()
        self.unacknowledged: dict[int, int] = {}
        self.sends_late = False
        self._node, self._is_lasting = node, lasting
        self._timeout_sec = timeout_sec
        self._is_ready = False
        self._subscribed: dict[str, Subscribed] = {}
        self._asked: Counter[str] = Counter()  # requests to subscribe, by topic
        self._answered: Counter[str] = Counter()
        self._advertised: set[str] = set()
        self._advertising: dict[str, dict[str, object]] = {}  # the advertisement of each topic
        self._acks = 0
        self._skipped: Counter[str] = Counter()  # by topic
        self._has_warned_left_out = False
        # messages that came while we waited for another reply
        self._kept: deque[wire.Reply] = deque()
        self._broker = ToolConnection(
            broker,
            node=node,
            client=self.client,
            patient=patient,
            timeout_sec=timeout_sec,
            on_back=self._restore_topics if lasting else None,
        )

    def another(self) -> "Session":
        """Open another connection to the same broker."""
        return Session(self._broker.address, timeout_sec=self._timeout_sec)

    # Reports of the broker

    def graph(self, *, exact: bool = False) -> GraphModel:
        """Return the current graph, without this tool's subscription to it."""
        with contextlib.closing(self.graphs(self._timeout_sec, exact=exact)) as graphs:
            for graph in graphs:
                return graph
        raise self._broker.silent()

    def graphs(
        self, timeout_sec: float | None = None, *, exact: bool = False
    ) -> Generator[GraphModel, None, None]:
        """Yield the current graph, and again at each change, until none comes for `timeout_sec`.

        Each name in it is escaped to one line, unless `exact`.
        """
        self.subscribe(GRAPH_TOPIC, depth=1)
        try:
            while (reply := self.next_message([GRAPH_TOPIC], timeout_sec)) is not None:
                graph = self._read(reply, decode_graph if exact else read_graph)
                if graph is not None:
                    self._warn_left_out(graph)
                    yield graph
        finally:
            self.unsubscribe(GRAPH_TOPIC)

    def statistics(self, *, exact: bool = False) -> Generator[BrokerCounters, None, None]:
        """Yield the broker's counters, once a second, forever; in the first no topic is new.

        Each name in them is escaped to one line, unless `exact`.

        Raises:
            ConnectionFailedError: no counters have come in time.
        """
        self.subscribe(STATISTICS_TOPIC, depth=1)
        try:
            while (reply := self.next_message([STATISTICS_TOPIC], self._timeout_sec)) is not None:
                statistics = self._read(reply, decode_statistics if exact else read_statistics)
                if statistics is not None:
                    self._warn_left_out(statistics)
                    yield statistics
            raise self._broker.silent()
        finally:
            self.unsubscribe(STATISTICS_TOPIC)

    def _warn_left_out(self, report: GraphModel | BrokerCounters) -> None:
        if report.left_out and not self._has_warned_left_out:
            self._has_warned_left_out = True
            warn(f"the broker's report leaves out {one_line(report.left_out)}")

    def schema(self, schema_id: str) -> dict[str, Any]:
        """Return the JSON Schema with an id, as an end of a topic sent it; empty: unknown."""
        return self.schemas(schema_id).get(schema_id, {})

    def schemas(self, wanted: str = "") -> dict[str, dict[str, Any]]:
        """Return the known JSON Schemas by their ids, reading only up to the `wanted` one."""
        found: dict[str, dict[str, Any]] = {}
        self.subscribe(TYPES_TOPIC)
        try:
            while wanted not in found and (
                reply := self.next_message([TYPES_TOPIC], _TYPES_SEC if wanted else _ALL_TYPES_SEC)
            ):
                read = self._read(reply, read_schema)
                if read is not None:
                    found[read[0]] = read[1]
            return found
        finally:
            self.unsubscribe(TYPES_TOPIC)

    # Subscribing

    def subscribe(
        self,
        topic: str,
        *,
        depth: int = _READ_AHEAD,
        type_name: str = "",
        from_start: bool = False,
        passive: bool = False,
    ) -> None:
        """Subscribe a topic; a latched topic's newest messages come first.

        Args:
            topic: the topic's name.
            depth: how many messages this reader may lag behind before some are skipped; 0: any
                number, as in every lasting session.
            type_name: the expected type; empty: any.
            from_start: begin with all messages that the broker has.
            passive: unsubscribe when all messages are read, and nobody else uses the topic.
        """
        losses = None
        if self._is_lasting:
            # Most commands end before they lose any message.
            from dsmq_nodes.graph.links.link_reader import Losses  # noqa: PLC0415  3 ms

            losses, depth = Losses(self._node or "the reader", topic), 0
        known = self._subscribed.get(topic)
        after = 0 if from_start else None
        subscribed = Subscribed(depth, type_name, after, losses, passive=passive)
        if known is None:
            subscribed.number = self._asked[topic] + 1
        else:
            subscribed.number, subscribed.is_new = known.number, known.is_new
        self._subscribed[topic] = subscribed
        self._subscribe(topic)

    def is_subscribed(self, topic: str) -> bool:
        """Whether the topic is subscribed."""
        return topic in self._subscribed

    def _subscribe(self, topic: str, *, move: bool = True) -> None:
        subscribed = self._subscribed[topic]
        fields: dict[str, object] = {"depth": subscribed.depth, "type": subscribed.type_name}
        if subscribed.passive:
            fields["passive"] = True
        if move and subscribed.resumes_after is not None:
            fields |= {"after": subscribed.resumes_after, "epoch": self._broker.epoch}
        self._asked[topic] += 1
        self._broker.send(action="subscribe", topic=topic, **fields)

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe a topic."""
        self._subscribed.pop(topic, None)
        self._kept = deque(reply for reply in self._kept if reply.topic != topic)
        self._broker.send(action="unsubscribe", topic=topic)

    def next_message(
        self, topics: Collection[str] = (), timeout_sec: float | None = None
    ) -> wire.Reply | None:
        """Return the next message of these topics, or of any subscribed one; `at` is by our clock.

        Returns None if none came for `timeout_sec`, or the broker of a lasting session is lost.

        Raises:
            RequestRefusedError: the broker refused a request.
            ConnectionFailedError: the connection is gone.
        """
        if self._kept:
            for number, kept in enumerate(self._kept):
                if not topics or kept.topic in topics:
                    del self._kept[number]
                    return kept
        until_sec = None if timeout_sec is None else time.monotonic() + timeout_sec
        while (reply := self._broker.receive(timeout_sec)) is not None:
            if reply.event != "message":
                self._take_reply(reply)
            elif self._is_wanted(reply):
                if not topics or reply.topic in topics:
                    return reply
                self._keep(reply)
            timeout_sec = None if until_sec is None else until_sec - time.monotonic()
        return None

    def _is_wanted(self, reply: wire.Reply) -> bool:
        subscribed = self._subscribed.get(reply.topic)
        if subscribed is None or not subscribed.take(reply):
            return False
        if self._broker.ahead_ns and reply.at:
            reply.at -= self._broker.ahead_ns
        return True

    def _keep(self, reply: wire.Reply) -> None:
        self._kept.append(reply)
        if len(self._kept) > _MOST_KEPT:
            self.skip(self._kept.popleft().topic, "too many wait to be read")

    def ask_ends(self) -> None:
        """Request the figures for `behind` again; the answers come with the next messages."""
        for topic, subscribed in self._subscribed.items():
            subscribed.end = None
            self._subscribe(topic, move=False)  # this moves nothing, and is answered

    @property
    def behind(self) -> int:
        """How many messages were still unread when the broker answered `ask_ends`."""
        return sum(each.behind for each in self._subscribed.values())

    # Reading messages

    def understood(
        self, reply: wire.Reply, read: Callable[[str], T], *, exact: bool = False
    ) -> T | None:
        """Return a decoded message, its texts escaped to one line unless `exact`; None: skipped.

        Any peer may write on a topic: a message that `read` refuses is skipped and counted.
        """
        return self._read(reply, read if exact else lambda text: read(printable_json(text)))

    def _read(self, reply: wire.Reply, read: Callable[[str], T]) -> T | None:
        try:
            return read(reply.text or "")
        except CommandError:
            raise  # something that the user named does not exist
        except (DsmqError, ValueError, RecursionError) as error:
            self.skip(reply.topic, str(error))
            return None

    def skip(self, topic: str, why: str) -> None:
        """Count a message that cannot be used; warn of the first, the 10th, the 100th."""
        self._skipped[topic] += 1
        times = self._skipped[topic]
        if str(times).rstrip("0") == "1":
            more = "; others like it are counted" if times == 1 else f" (so far {times})"
            warn(f"skipped a message on {topic}: {one_line(why)}{more}")

    # Publishing

    def advertise(
        self, topic: str, type_name: str, schema: bytes = b"", *, latched: int = 0
    ) -> None:
        """Advertise a topic, with the JSON Schema of its type; empty if it is unknown.

        The newest `latched` messages are kept for late subscribers, even after our end.

        Raises:
            RequestRefusedError: the broker refused the request.
        """
        fields: dict[str, object] = {"type": type_name, "latched": latched}
        self.published.setdefault(topic, 0)
        self._advertised.discard(topic)
        fields |= {"schema": msgspec.Raw(schema)} if schema else {}
        self._advertising[topic] = fields
        self._broker.send(action="advertise", topic=topic, **fields)
        if not self.until(lambda: topic in self._advertised):
            raise self._broker.silent()

    def put(self, topic: str, text: str) -> None:
        """Append a message to a topic, and wait until the broker has stored it.

        Raises:
            RequestRefusedError: the broker refused the message.
            ConnectionFailedError: the broker is gone, or does not answer.
            WireError: the message is too large for a frame.
        """
        self.publish(topic, text, acknowledged=True)
        number = self._acks
        if not self.until(lambda: number not in self.unacknowledged):
            raise self._broker.silent()

    def publish(self, topic: str, text: str, *, acknowledged: bool = False) -> None:
        """Append a message to a topic, without waiting.

        If it is to be `acknowledged`, it is in `unacknowledged` until the broker has stored it.

        Raises:
            ConnectionFailedError: the broker is gone.
            WireError: the message is too large for a frame.
        """
        seq = self.published[topic] + 1
        fields: dict[str, object] = {"seq": seq, "stamp": time.time_ns(), "message": text}
        if acknowledged:
            fields["ack"] = self._acks + 1
        self._broker.send(action="put", topic=topic, **fields)
        self.published[topic] = seq  # a message that is too large does not count
        if acknowledged:
            self._acks += 1
            self.unacknowledged[self._acks] = len(text)

    def be_ready(self) -> None:
        """Show the node as ready in the graph, once."""
        if self._node and not self._is_ready:
            self._is_ready = True
            self._broker.send(action="state", state="ready")

    # The connection

    def pump(self, timeout_sec: float) -> None:
        """Read the broker's replies, waiting for `timeout_sec` at most.

        Messages are kept for `next_message`.

        Raises:
            RequestRefusedError: the broker refused a request.
            ConnectionFailedError: the connection is gone.
        """
        while (reply := self._broker.receive(timeout_sec)) is not None:
            timeout_sec = -1.0  # from here on only messages that have come already
            if reply.event != "message":
                self._take_reply(reply)
            elif self._is_wanted(reply):
                self._keep(reply)

    def until(self, condition: Callable[[], bool], timeout_sec: float | None = None) -> bool:
        """Read until a condition holds, for `timeout_sec` or an answer's time; return if it does.

        Raises:
            RequestRefusedError: the broker refused a request.
            ConnectionFailedError: the connection is gone.
        """
        until_sec = time.monotonic() + (self._timeout_sec if timeout_sec is None else timeout_sec)
        while not condition():
            left_sec = until_sec - time.monotonic()
            if left_sec <= 0:
                return False
            self.pump(left_sec)
        return True

    def fileno(self) -> int:
        """Return the descriptor for `select`, to wait for messages.

        Raises:
            ConnectionFailedError: the connection is gone.
        """
        return self._broker.fileno()

    @property
    def is_connected(self) -> bool:
        """Whether the broker is connected."""
        return self._broker.connection is not None

    def _take_reply(self, reply: wire.Reply) -> None:
        """Handle a reply that is not a message."""
        if reply.event == "error":
            text = f"the broker refused {reply.action}: {one_line(reply.error)}"
            if not self._is_lasting:
                raise RequestRefusedError(text, reason=reply.error)
            warn(text)
        elif reply.event == "ack":
            self.unacknowledged.pop(reply.ack or 0, None)
        elif reply.event == "removed":
            self._subscribed.pop(reply.topic, None)
        elif reply.event == "advertised":
            self._advertised.add(reply.topic)
        elif reply.event == "subscribed":
            self._take_subscribed(reply)

    def _take_subscribed(self, reply: wire.Reply) -> None:
        self._broker.redial.reset()  # it does more than answer a hello
        self._answered[reply.topic] += 1
        subscribed = self._subscribed.get(reply.topic)
        if subscribed is not None and self._answered[reply.topic] >= subscribed.number:
            subscribed.is_new = False
            subscribed.end = reply.id
            if subscribed.resumes_after is None:
                subscribed.resumes_after = reply.id

    def _restore_topics(self, is_new_log: bool) -> None:
        """Subscribe and advertise all topics again on a new connection."""
        self._asked.clear()
        self._answered.clear()
        for topic, subscribed in self._subscribed.items():
            subscribed.number, subscribed.is_new = 1, True
            if is_new_log:  # all messages in it are new
                subscribed.resumes_after = subscribed.cursor.after = 0
            if subscribed.losses is not None:
                subscribed.losses.warn_again()
            self._subscribe(topic)
        for topic, fields in self._advertising.items():
            self._broker.send(action="advertise", topic=topic, **fields)
        if self._is_ready:
            self._broker.send(action="state", state="ready")

    def close(self) -> None:
        """End the connection, after sending all puts."""
        self._broker.close(sends_late=self.sends_late)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
