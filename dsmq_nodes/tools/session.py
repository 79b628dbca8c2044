"""A tool's connection to the broker: the graph, messages of topics, puts.

A tool is a nameless peer of the broker and speaks in texts; it needs no node and no types.
"""

import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import AnyAddress, address_of
from dsmq_nodes.dsmq.client_connection import ClientConnection, Redial
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.errors import (
    CommandError,
    ConnectionFailedError,
    DsmqError,
    RequestRefusedError,
    WireError,
)
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.printable import one_line, printable_json
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

if TYPE_CHECKING:
    from types import TracebackType

    from dsmq_nodes.graph.links.sequence import Losses

T = TypeVar("T")

_TYPES_SEC: Final = 1.0  # all of them come at once
_ALL_TYPES_SEC: Final = 0.3
_LAST_WORDS_SEC: Final = 1.0  # at the end, for a broker that does not read
_MOST_KEPT: Final = 100_000
_READ_AHEAD: Final = 1000  # messages that a slow terminal may lag behind, before some are skipped


class _Subscribed:
    """A subscribed topic, and how far it was read.

    Attributes:
        cursor: how far it was read.
        resumes_after: None: not known yet.
        losses: what never came, as the messages' numbers tell; None: only the broker tells.
        end: the newest there was when the broker was asked last; None: it has not answered.
        is_new: the broker has not answered the subscription: what comes is of an earlier one.
        number: how many requests to subscribe the topic it has to answer until then.
    """

    __slots__ = (
        "cursor",
        "depth",
        "end",
        "is_new",
        "losses",
        "number",
        "resumes_after",
        "type_name",
    )

    def __init__(
        self, depth: int, type_name: str, resumes_after: int | None, losses: "Losses | None"
    ) -> None:
        self.depth, self.type_name = depth, type_name
        self.resumes_after, self.losses = resumes_after, losses
        self.cursor = Cursor()
        self.end: int | None = None
        self.is_new, self.number = True, 0

    @property
    def behind(self) -> int:
        """How many messages are still unread; 1 while that is unknown."""
        if self.end is None:
            return 1
        return max(0, self.end - max(self.cursor.after, self.resumes_after or 0))

    def take(self, reply: wire.Reply) -> bool:
        """Take a message, and count the lost ones before it; False when it is skipped."""
        if self.is_new or self.losses is None:
            return not self.is_new
        if not self.cursor.follow(reply):
            return False
        self.resumes_after = reply.id
        if lost := self.losses.before(reply):
            reply.gap += max(lost, 0)
        return lost >= 0  # else it was sent once more, to a new broker, for others


class Session:
    """An open connection; close it, or use it in a `with`.

    A recorder, or a tool that listens for long, has a `lasting` one: it finds a broker again that
    went away, and each subscription resumes where it was. It skips nothing that the broker still
    has: a slow reader lags in the broker's log. Messages that are gone from the log meanwhile are
    counted in the next message's `gap`, and so are those that were published while there was no
    broker (graph/links/sequence.py).

    Attributes:
        client: the signature of its service calls (graph/service_wire.py), one for all, so
            that servers see when the connection ends.
        call_ids: numbers for its calls.
        published: how many messages were put on each topic.
        unacknowledged: the sizes of the puts under way that are to be acknowledged.
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
            broker: where the broker is; a text is as `host:port`.
            node: the node that it is in the graph, `ready` or not; empty: a nameless tool.
            patient: pushes may come a little late, which costs the others less.
            lasting: find a broker again that went away; else its loss is an error.
            timeout_sec: how long an answer of the broker is waited for.

        Raises:
            ConnectionFailedError: no broker of ours answers there.
        """
        self.client = calls.new_client()
        self.call_ids = itertools.count(1)
        self.published: Counter[str] = Counter()
        self.unacknowledged: dict[int, int] = {}
        self._broker = address_of(broker)
        self._node, self._patient = node, patient
        self._timeout_sec = timeout_sec
        self._is_lasting = lasting
        self._is_ready = False
        self._subscribed: dict[str, _Subscribed] = {}
        self._asked: Counter[str] = Counter()  # requests to subscribe, by topic
        self._answered: Counter[str] = Counter()
        self._advertised: set[str] = set()
        self._advertising: dict[str, dict[str, object]] = {}  # what is told of each topic
        self._acks = 0
        self._skipped: Counter[str] = Counter()  # by topic
        self._has_told_left_out = False
        self._kept: deque[wire.Reply] = deque()  # messages that came while we waited for another
        self._redial = Redial()
        self._connection: ClientConnection | None = self._dial()
        self._epoch, self._ahead_ns = self._connection.epoch, self._connection.ahead_ns

    def another(self) -> "Session":
        """A connection to the same broker."""
        return Session(self._broker, timeout_sec=self._timeout_sec)

    # What the broker tells

    def graph(self, *, exact: bool = False) -> GraphModel:
        """The graph as it is now, without this tool's subscription to it."""
        with contextlib.closing(self.graphs(self._timeout_sec, exact=exact)) as graphs:
            for graph in graphs:
                return graph
        raise self._silent()

    def graphs(
        self, timeout_sec: float | None = None, *, exact: bool = False
    ) -> Generator[GraphModel, None, None]:
        """The graph as it is now, and again at each change, until none comes for `timeout_sec`.

        Its names are in one line each, unless `exact`.
        """
        self.subscribe(GRAPH_TOPIC, depth=1)
        try:
            while (reply := self.next_message([GRAPH_TOPIC], timeout_sec)) is not None:
                graph = self._read(reply, decode_graph if exact else read_graph)
                if graph is not None:
                    self._tell_left_out(graph)
                    yield graph
        finally:
            self.unsubscribe(GRAPH_TOPIC)

    def statistics(self, *, exact: bool = False) -> Generator[BrokerCounters, None, None]:
        """The broker's counters, once a second, without end; in the first no topic is new.

        Their names are in one line each, unless `exact`.

        Raises:
            ConnectionFailedError: none have come in time.
        """
        self.subscribe(STATISTICS_TOPIC, depth=1)
        try:
            while (reply := self.next_message([STATISTICS_TOPIC], self._timeout_sec)) is not None:
                statistics = self._read(reply, decode_statistics if exact else read_statistics)
                if statistics is not None:
                    self._tell_left_out(statistics)
                    yield statistics
            raise self._silent()
        finally:
            self.unsubscribe(STATISTICS_TOPIC)

    def _tell_left_out(self, report: GraphModel | BrokerCounters) -> None:
        if report.left_out and not self._has_told_left_out:
            self._has_told_left_out = True
            _warn(f"the broker's report leaves out {one_line(report.left_out)}")

    def schema(self, schema_id: str) -> dict[str, Any]:
        """The JSON Schema with an id, as sent by an end of a topic; empty when it is unknown."""
        return self.schemas(schema_id).get(schema_id, {})

    def schemas(self, wanted: str = "") -> dict[str, dict[str, Any]]:
        """The JSON Schemas that are known, by their ids; no further than the `wanted` one."""
        found: dict[str, dict[str, Any]] = {}
        self.subscribe(TYPES_TOPIC)
        try:
            while wanted not in found and (
                reply := self.next_message([TYPES_TOPIC], _TYPES_SEC if wanted else _ALL_TYPES_SEC)
            ):
                told = self._read(reply, read_schema)
                if told is not None:
                    found[told[0]] = told[1]
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
    ) -> None:
        """Subscribe a topic; a latched topic's newest messages come first.

        Args:
            topic: its name.
            depth: how many messages we may lag behind before some are skipped; 0: any number, as
                in every lasting session.
            type_name: the type that is expected; empty: any.
            from_start: all messages that the broker has, too.
        """
        losses = None
        if self._is_lasting:
            # Most commands end before they lose anything.
            from dsmq_nodes.graph.links.sequence import Losses  # noqa: PLC0415  3 ms

            losses, depth = Losses(self._node or "the reader", topic), 0
        known = self._subscribed.get(topic)
        subscribed = _Subscribed(depth, type_name, 0 if from_start else None, losses)
        if known is None:
            subscribed.number = self._asked[topic] + 1
        else:
            subscribed.number, subscribed.is_new = known.number, known.is_new
        self._subscribed[topic] = subscribed
        self._subscribe(topic)

    def is_subscribed(self, topic: str) -> bool:
        """Whether the messages of a topic are sent to us."""
        return topic in self._subscribed

    def _subscribe(self, topic: str, *, move: bool = True) -> None:
        subscribed = self._subscribed[topic]
        fields: dict[str, object] = {"depth": subscribed.depth, "type": subscribed.type_name}
        if move and subscribed.resumes_after is not None:
            fields |= {"after": subscribed.resumes_after, "epoch": self._epoch}
        self._asked[topic] += 1
        self._send(action="subscribe", topic=topic, **fields)

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe a topic."""
        self._subscribed.pop(topic, None)
        self._kept = deque(reply for reply in self._kept if reply.topic != topic)
        self._send(action="unsubscribe", topic=topic)

    def next_message(
        self, topics: Collection[str] = (), timeout_sec: float | None = None
    ) -> wire.Reply | None:
        """The next message of these topics, or of any that is subscribed; its clock is ours.

        Returns None when none came for `timeout_sec`, or the broker of a lasting session is away.

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
        while (reply := self._receive(timeout_sec)) is not None:
            if reply.event != "message":
                self._hear(reply)
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
        if self._ahead_ns and reply.at:
            reply.at -= self._ahead_ns
        return True

    def _keep(self, reply: wire.Reply) -> None:
        self._kept.append(reply)
        if len(self._kept) > _MOST_KEPT:
            self.skip(self._kept.popleft().topic, "too many wait to be read")

    def ask_ends(self) -> None:
        """Ask for `behind` again; the answers come with the next messages."""
        for topic, subscribed in self._subscribed.items():
            subscribed.end = None
            self._subscribe(topic, move=False)  # that moves nothing, and is answered

    @property
    def behind(self) -> int:
        """How many messages were still unread when the broker answered `ask_ends`."""
        return sum(each.behind for each in self._subscribed.values())

    # What messages say

    def understood(
        self, reply: wire.Reply, read: Callable[[str], T], *, exact: bool = False
    ) -> T | None:
        """A decoded message, each text escaped to one line unless `exact`; None when it is skipped.

        Any peer may write on a topic: a message that `read` refuses is skipped and counted.
        """
        return self._read(reply, read if exact else lambda text: read(printable_json(text)))

    def _read(self, reply: wire.Reply, read: Callable[[str], T]) -> T | None:
        try:
            return read(reply.text or "")
        except CommandError:
            raise  # what the user asked for is not there
        except (DsmqError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            self.skip(reply.topic, str(error))
            return None

    def skip(self, topic: str, why: str) -> None:
        """Count a message that cannot be used; warn of the first, the tenth, the hundredth."""
        self._skipped[topic] += 1
        times = self._skipped[topic]
        if str(times).rstrip("0") == "1":
            more = "; others like it are counted" if times == 1 else f" (so far {times})"
            _warn(f"skipped a message on {topic}: {one_line(why)}{more}")

    # Publishing

    def advertise(
        self, topic: str, type_name: str, schema: bytes = b"", *, latched: int = 0
    ) -> None:
        """Advertise a topic, with the JSON Schema of its type; empty when it is unknown.

        The newest `latched` messages are kept for late subscribers, also after our end.

        Raises:
            RequestRefusedError: the broker refused it.
        """
        fields: dict[str, object] = {"type": type_name, "latched": latched}
        self.published.setdefault(topic, 0)
        self._advertised.discard(topic)
        fields |= {"schema": msgspec.Raw(schema)} if schema else {}
        self._advertising[topic] = fields
        self._send(action="advertise", topic=topic, **fields)
        if not self.until(lambda: topic in self._advertised):
            raise self._silent()

    def put(self, topic: str, text: str) -> None:
        """Append a message to a topic; returns when the broker has stored it.

        Raises:
            RequestRefusedError: the broker refused it.
            ConnectionFailedError: the broker is gone, or does not answer.
            WireError: the message is too large for a frame.
        """
        self.publish(topic, text, acknowledged=True)
        number = self._acks
        if not self.until(lambda: number not in self.unacknowledged):
            raise self._silent()

    def publish(self, topic: str, text: str, *, acknowledged: bool = False) -> None:
        """Append a message to a topic, without waiting.

        Where it is to be `acknowledged`, it is in `unacknowledged` until the broker has stored it.

        Raises:
            ConnectionFailedError: the broker is gone.
            WireError: the message is too large for a frame.
        """
        seq = self.published[topic] + 1
        fields: dict[str, object] = {"seq": seq, "stamp": time.time_ns(), "message": text}
        if acknowledged:
            fields["ack"] = self._acks + 1
        self._send(action="put", topic=topic, **fields)
        self.published[topic] = seq  # not of one that is too large
        if acknowledged:
            self._acks += 1
            self.unacknowledged[self._acks] = len(text)

    def be_ready(self) -> None:
        """Show the node as ready, once, for those that wait for it."""
        if self._node and not self._is_ready:
            self._is_ready = True
            self._send(action="state", state="ready")

    # The connection

    def pump(self, timeout_sec: float) -> None:
        """Read the broker's replies, waiting at most `timeout_sec`.

        Messages are kept for `next_message`.

        Raises:
            RequestRefusedError: the broker refused a request.
            ConnectionFailedError: the connection is gone.
        """
        while (reply := self._receive(timeout_sec)) is not None:
            timeout_sec = 0.0  # only messages that have come already
            if reply.event != "message":
                self._hear(reply)
            elif self._is_wanted(reply):
                self._keep(reply)

    def until(self, condition: Callable[[], bool], timeout_sec: float | None = None) -> bool:
        """Read until a condition holds, for `timeout_sec`, else an answer's time; whether it does.

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
        """The descriptor for `select`, to wait for messages.

        Raises:
            ConnectionFailedError: the connection is gone.
        """
        if self._connection is None:
            raise ConnectionFailedError(f"the broker at {self._broker} is away")
        return self._connection.socket.fileno()

    @property
    def is_connected(self) -> bool:
        """Whether the broker is there."""
        return self._connection is not None

    def _hear(self, reply: wire.Reply) -> None:
        """Handle a reply that is not a message."""
        if reply.event == "error":
            text = f"the broker refused {reply.action}: {one_line(reply.error)}"
            if not self._is_lasting:
                raise RequestRefusedError(text, reason=reply.error)
            _warn(text)
        elif reply.event == "ack":
            self.unacknowledged.pop(reply.ack or 0, None)
        elif reply.event == "advertised":
            self._advertised.add(reply.topic)
        elif reply.event == "subscribed":
            self._redial.reset()  # it does more than greet
            self._answered[reply.topic] += 1
            subscribed = self._subscribed.get(reply.topic)
            if subscribed is not None and self._answered[reply.topic] >= subscribed.number:
                subscribed.is_new = False
                subscribed.end = reply.id
                if subscribed.resumes_after is None:
                    subscribed.resumes_after = reply.id

    def _send(self, **fields: object) -> None:
        if self._connection is None:
            return  # said when it is back
        frame = wire.encode_object(fields)
        try:
            self._connection.send(frame, self._timeout_sec)
        except ConnectionFailedError as error:
            self._lost(error)

    def _receive(self, timeout_sec: float | None) -> wire.Reply | None:
        """The broker's next reply; None when there is none in time, or it is away."""
        while (connection := self._connection or self._dial_again(timeout_sec)) is not None:
            try:
                return connection.receive(timeout_sec)
            except TimeoutError:
                return None
            except (ConnectionFailedError, WireError) as error:
                self._lost(error)
        return None

    def _lost(self, error: DsmqError) -> None:
        """The connection is lost.

        Raises:
            ConnectionFailedError: it is not sought again.
        """
        if not self._is_lasting:
            if isinstance(error, ConnectionFailedError):
                raise error
            raise ConnectionFailedError(f"lost the broker: {error}") from None
        _warn(f"{error}: trying again until it is back")
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._redial.later()

    def _dial(self) -> ClientConnection:
        host, port = self._broker.socket
        connection = ClientConnection(
            *(host, port),
            node=self._node,
            client=self.client,
            patient=self._patient,
            timeout_sec=self._timeout_sec,
        )
        if connection.original:
            connection.close()
            raise ConnectionFailedError(
                f"{connection.where} is an original dsmq server, which cannot tell who publishes "
                "what: start `dsmq-nodes broker` instead"
            )
        return connection

    def _dial_again(self, timeout_sec: float | None) -> ClientConnection | None:
        """A new connection with all topics of ours; None when there is none yet."""
        if wait_sec := self._redial.left_sec:
            time.sleep(wait_sec if timeout_sec is None else max(min(wait_sec, timeout_sec), 0.0))
            if self._redial.left_sec:
                return None
        try:
            connection = self._dial()
        except (ConnectionFailedError, RequestRefusedError):
            self._redial.later()
            return None
        _warn(f"the broker at {connection.where} is back")
        is_new_log = connection.epoch != self._epoch
        self._connection, self._epoch = connection, connection.epoch
        self._ahead_ns = connection.ahead_ns
        self._tell_again(is_new_log=is_new_log)
        return self._connection

    def _tell_again(self, *, is_new_log: bool) -> None:
        """Subscribe and advertise all of ours on a new connection."""
        self._asked.clear()
        self._answered.clear()
        for topic, subscribed in self._subscribed.items():
            subscribed.number, subscribed.is_new = 1, True
            if is_new_log:  # all there is in it is new
                subscribed.resumes_after = subscribed.cursor.after = 0
            if subscribed.losses is not None:
                subscribed.losses.tell_again()
            self._subscribe(topic)
        for topic, fields in self._advertising.items():
            self._send(action="advertise", topic=topic, **fields)
        if self._is_ready:
            self._send(action="state", state="ready")

    def _silent(self) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"the broker at {self._broker} has not answered for {self._timeout_sec:g} s: "
            "is it stopped or overloaded?"
        )

    def close(self) -> None:
        """End the connection, after sending all puts."""
        if self._connection is not None:
            self._connection.finish(_LAST_WORDS_SEC)
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        self.close()


def _warn(text: str) -> None:
    import logging  # noqa: PLC0415  3 ms, and most commands warn of nothing

    logging.getLogger("dsmq_nodes.tools").warning("%s", text)
