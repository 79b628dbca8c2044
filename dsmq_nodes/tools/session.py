"""A tool's connection to the broker: the graph, messages of topics, acknowledged puts.

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
from dsmq_nodes.dsmq.address import parse_address
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import CommandError, ConnectionFailedError, DsmqError, RequestRefusedError
from dsmq_nodes.graph.services import service_wire as calls
from dsmq_nodes.printable import one_line, printable_json
from dsmq_nodes.tools.graph_model import (
    BrokerCounters,
    GraphModel,
    read_graph,
    read_schema,
    read_statistics,
)
from dsmq_nodes.topic_names import GRAPH_TOPIC, STATISTICS_TOPIC, TYPES_TOPIC

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")

_TYPES_SEC: Final = 1.0  # all of them come at once, or there is none like it
_ALL_TYPES_SEC: Final = 0.3
_READ_AHEAD: Final = 1000  # messages that a slow terminal may lag behind, before some are skipped


class Session:
    """An open connection; close it, or use it in a `with`.

    Attributes:
        client: what its calls of services are signed with (graph/services/service_wire.py), one
            for all: when the connection ends, whoever works for it can see that.
        call_ids: numbers for its calls.
    """

    def __init__(self, broker: str, *, timeout_sec: float = 5.0) -> None:
        """Connect to the broker at `broker`, a text as `host:port`.

        Raises:
            ConnectionFailedError: no broker of ours answers there.
        """
        self.client = calls.new_client()
        self.call_ids = itertools.count(1)
        self._broker = broker
        self._subscribed: set[str] = set()
        self._skipped: Counter[str] = Counter()  # by topic
        self._has_told_left_out = False
        self._kept: deque[wire.Reply] = deque()  # messages that came while we waited for another
        host, port = parse_address(broker)
        self._connection = ClientConnection(host, port, client=self.client, timeout_sec=timeout_sec)
        self._timeout_sec = timeout_sec
        if self._connection.original:
            self._connection.close()
            raise ConnectionFailedError(
                f"{host}:{port} is an original dsmq server, which cannot tell who publishes what: "
                "start `dsmq-nodes broker` instead"
            )

    def another(self) -> "Session":
        """A connection to the same broker."""
        return Session(self._broker, timeout_sec=self._timeout_sec)

    def graph(self) -> GraphModel:
        """The graph as it is now, without this tool's subscription to it."""
        with contextlib.closing(self.graphs(self._timeout_sec)) as graphs:
            for graph in graphs:
                return graph
        raise self._silent()

    def graphs(self, timeout_sec: float | None = None) -> Generator[GraphModel, None, None]:
        """The graph as it is now, and again at each change, until none comes for `timeout_sec`."""
        self.subscribe(GRAPH_TOPIC, depth=1)
        try:
            while (reply := self.next_message([GRAPH_TOPIC], timeout_sec)) is not None:
                graph = self._read(reply, read_graph)
                if graph is not None:
                    self._tell_left_out(graph)
                    yield graph
        finally:
            self.unsubscribe(GRAPH_TOPIC)

    def statistics(self) -> Generator[BrokerCounters, None, None]:
        """The broker's counters, once a second, for ever; in the first no topic is new.

        Raises:
            ConnectionFailedError: none have come in time.
        """
        self.subscribe(STATISTICS_TOPIC, depth=1)
        try:
            while (reply := self.next_message([STATISTICS_TOPIC], self._timeout_sec)) is not None:
                statistics = self._read(reply, read_statistics)
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
        """The JSON Schema of that id, as an end of a topic has told it; empty: it is not known."""
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

    def subscribe(self, topic: str, *, depth: int = _READ_AHEAD, type_name: str = "") -> None:
        """Have the messages of a topic sent, a latched topic's newest first."""
        self._subscribed.add(topic)
        self._send(action="subscribe", topic=topic, depth=depth, type=type_name)

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe a topic; messages that were sent before may still come."""
        self._subscribed.discard(topic)
        self._kept = deque(reply for reply in self._kept if reply.topic != topic)
        self._send(action="unsubscribe", topic=topic)

    def next_message(
        self, topics: Collection[str], timeout_sec: float | None = None
    ) -> wire.Reply | None:
        """The next message of subscribed topics; None when none came for `timeout_sec`.

        Raises:
            RequestRefusedError: the broker refused the subscription.
            ConnectionFailedError: the connection is gone.
        """
        for reply in self._kept:
            if reply.topic in topics:
                self._kept.remove(reply)
                return reply
        return self._next("message", topics, timeout_sec)

    def understood(
        self, reply: wire.Reply, read: Callable[[str], T], *, exact: bool = False
    ) -> T | None:
        """What a message says, each text of it in one line unless `exact`; None: it is not read.

        Anybody may write on a topic: what `read` refuses is skipped, counted and told.
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
        """Count a message that cannot be used; tell of the first, the tenth, the hundredth."""
        self._skipped[topic] += 1
        times = self._skipped[topic]
        if str(times).rstrip("0") == "1":
            more = "; others like it are counted" if times == 1 else f" (so far {times})"
            _warn(f"skipped a message on {topic}: {one_line(why)}{more}")

    def advertise(self, topic: str, type_name: str, schema: bytes, *, latched: int = 0) -> None:
        """Say that we publish a topic, and the JSON Schema of its type.

        The newest `latched` messages are kept for late subscribers, also when we have ended.

        Raises:
            RequestRefusedError: the broker does not want that.
        """
        fields = {"type": type_name, "schema": msgspec.Raw(schema), "latched": latched}
        self._send(action="advertise", topic=topic, **fields)
        self._answer("advertised", [topic])

    def put(self, topic: str, text: str, seq: int) -> None:
        """Append a message to a topic; returns when the broker has stored it.

        Raises:
            RequestRefusedError: the broker did not take it.
            WireError: the message is too large for a frame.
        """
        self._send(action="put", topic=topic, message=text, seq=seq, stamp=time.time_ns(), ack=seq)
        self._answer("ack")

    def _send(self, **fields: object) -> None:
        self._connection.send(wire.encode_object(fields), self._timeout_sec)

    def _answer(self, event: str, topics: Collection[str] = ()) -> None:
        if self._next(event, topics, self._timeout_sec) is None:
            raise self._silent()

    def _next(
        self, event: str, topics: Collection[str], timeout_sec: float | None
    ) -> wire.Reply | None:
        deadline = None if timeout_sec is None else time.monotonic() + timeout_sec
        while True:
            left_sec = None if deadline is None else deadline - time.monotonic()
            try:
                reply = self._connection.receive(left_sec)
            except TimeoutError:
                return None
            if reply.event == "error":
                raise RequestRefusedError(
                    f"the broker refused {reply.action}: {one_line(reply.error)}"
                )
            if reply.event == event and (not topics or reply.topic in topics):
                return reply
            if reply.event == "message" and reply.topic in self._subscribed:
                self._kept.append(reply)

    def _silent(self) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"the broker at {self._connection.where} has not answered for {self._timeout_sec:g} s: "
            "is it stopped or overloaded?"
        )

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

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
    import logging  # noqa: PLC0415  it takes 3 ms, and most commands warn of nothing

    logging.getLogger("dsmq_nodes.tools").warning("%s", text)
