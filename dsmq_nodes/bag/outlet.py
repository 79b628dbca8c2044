"""Publishes recorded messages at a broker, as fast as it is told or as its readers take them.

Without flow control a message is put and forgotten. With it nothing is lost on the way: every put
is acknowledged, no more than a window of them is under way, and before half of what the broker
keeps has been put that its readers have not had, their cursors are waited for.
"""

import json
import os
import select
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from dsmq_nodes.bag.cursors import connect
from dsmq_nodes.bag.part import Channel
from dsmq_nodes.bag.schemas import ANYTHING
from dsmq_nodes.bag.types_seen import TYPES_TOPIC, TypesSeen
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.topics import STATISTICS_TOPIC
from dsmq_nodes.errors import BagError, ConnectionFailedError, RequestRefusedError
from dsmq_nodes.graph.graph_view import GRAPH_TOPIC
from dsmq_nodes.messages.dsmq_msgs import BrokerStatistics, Graph

_RECEIVE_BYTES: Final = 64 * 1024
_WINDOW_MESSAGES: Final = 256
_WINDOW_BYTES: Final = 4 << 20
_ANSWER_SEC: Final = 10.0
_READERS_SEC: Final = 60.0
_LOOK_AGAIN_SEC: Final = 0.02


class Outlet:
    """A connection that publishes.

    Attributes:
        messages: how many messages were put.
        types: the types of the graph, known once `graph` was asked for.
    """

    def __init__(self, host: str, port: int) -> None:
        """Connect.

        Raises:
            ConnectionFailedError: no broker of ours answers there.
        """
        self.messages = 0
        self._channel = connect(host, port)
        self._channel.socket.settimeout(_ANSWER_SEC)
        self._decoder = wire.FrameDecoder()
        self._sequences: dict[str, int] = {}
        self._unacknowledged: dict[int, int] = {}  # the bytes of each put under way
        self._acks = 0
        self._graphs: list[Graph] = []
        self._knows_types = False
        self._told: list[BrokerStatistics] = []
        self.types = TypesSeen()
        self._budget_bytes = 0
        self._unread_bytes = 0  # put since the readers were last known to be at the end

    def advertise(self, channels: Iterable[Channel]) -> None:
        """Say what is published."""
        for channel in channels:
            latched = int(dict(channel.metadata).get("latched") == "true")
            fields = {"topic": channel.topic, "type": channel.type_name, "latched": latched}
            schema = told_schema(channel)
            self._send({"action": "advertise", **fields, **({"schema": schema} if schema else {})})

    def graph(self) -> Graph:
        """Who publishes and subscribes what now.

        Raises:
            ConnectionFailedError: the broker does not tell.
        """
        self._graphs.clear()
        if not self._knows_types:
            self._knows_types = True
            self._send({"action": "subscribe", "topic": TYPES_TOPIC, "depth": 0})
        for action in ("unsubscribe", "subscribe"):  # subscribed anew, it is told as it is now
            self._send({"action": action, "topic": GRAPH_TOPIC, "depth": 1})
        self._until(lambda: len(self._graphs) > 0, _ANSWER_SEC)
        if not self._graphs:
            raise ConnectionFailedError(f"the broker at {self._channel.where} does not answer")
        return self._graphs[-1]

    def wait_for_subscribers(self, topics: set[str], count: int) -> None:
        """Wait until each topic has so many subscribers; for ever."""
        graph = self.graph()
        while True:
            found = {each.name: len(each.subscribers) for each in graph.topics}
            if all(found.get(topic, 0) >= count for topic in topics):
                return
            self.pump(1.0)
            graph = self._graphs[-1]

    def put(self, topic: str, text: str) -> None:
        """Publish a message; does not wait for anybody.

        Raises:
            ConnectionFailedError: the broker is gone.
            RequestRefusedError: the broker refused one of the last ones.
        """
        self._put(topic, text, {})

    def put_flow_controlled(self, topic: str, text: str) -> None:
        """Publish a message when it can be taken; nothing of it is lost.

        Raises:
            ConnectionFailedError: the broker is gone.
            RequestRefusedError: the broker refused one of the last ones.
            BagError: a reader has not read for a minute.
        """
        while self._is_window_full():
            self.pump(_ANSWER_SEC)
        self._acks += 1
        self._unacknowledged[self._acks] = len(text)
        self._put(topic, text, {"ack": self._acks})
        self._unread_bytes += len(text)
        if self._unread_bytes > self._most_unread_bytes():
            self.wait_for_readers()

    def _put(self, topic: str, text: str, more: dict[str, object]) -> None:
        sequence = self._sequences[topic] = self._sequences.get(topic, 0) + 1
        fields = {"topic": topic, "seq": sequence, "stamp": time.time_ns(), "message": text}
        self._send({"action": "put", **fields, **more})
        self.messages += 1

    def _is_window_full(self) -> bool:
        under_way = self._unacknowledged
        return len(under_way) >= _WINDOW_MESSAGES or sum(under_way.values()) >= _WINDOW_BYTES

    def _most_unread_bytes(self) -> int:
        if not self._budget_bytes:
            self._ask_statistics(_ANSWER_SEC)
        return self._budget_bytes // 2

    def _ask_statistics(self, timeout_sec: float) -> BrokerStatistics | None:
        """The broker's counters as they are now, or, if others listen too, were a second ago."""
        self._told.clear()
        for action in ("unsubscribe", "subscribe"):
            self._send({"action": action, "topic": STATISTICS_TOPIC, "depth": 1})
        self._until(lambda: len(self._told) > 0, timeout_sec)
        found = self._told[-1] if self._told else None
        self._budget_bytes = found.budget_bytes if found is not None else _WINDOW_BYTES
        return found

    def wait_for_readers(self) -> None:
        """Wait until every reader of what was put has had it all.

        Raises:
            BagError: one does not read.
        """
        self._until(lambda: not self._unacknowledged, _ANSWER_SEC)
        until_sec = time.monotonic() + _READERS_SEC
        while laggards := self._laggards(self._ask_statistics(_ANSWER_SEC)):
            if time.monotonic() > until_sec:
                who = ", ".join(sorted(laggards))
                raise BagError(f"not read to the end for {_READERS_SEC:g} s: {who}; is it stuck?")
            self._until(lambda: False, _LOOK_AGAIN_SEC)
        self._unread_bytes = 0

    def _laggards(self, statistics: BrokerStatistics | None) -> set[str]:
        """Who, as the counters say, has not had all that was put."""
        if statistics is None:
            return {"the broker, which does not tell"}
        pid, found = os.getpid(), set()
        for topic in statistics.topics:
            put = self._sequences.get(topic.name, 0)
            if put > max(
                (each.messages for each in topic.publishers if each.pid == pid), default=0
            ):
                found.add(f"{topic.name}, as far as the broker tells")  # its counters are old
            if put:
                found |= {
                    f"{e.subscriber or 'a tool'} ({topic.name})" for e in topic.edges if e.lag
                }
        return found

    def pump(self, timeout_sec: float) -> None:
        """Read what the broker says, waiting for it no longer than this.

        Raises:
            ConnectionFailedError: the broker is gone.
            RequestRefusedError: the broker refused a put.
        """
        sock = self._channel.socket
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        if not pending and not select.select([sock], [], [], timeout_sec)[0]:
            return
        try:
            data = sock.recv(_RECEIVE_BYTES)
        except OSError as error:
            raise ConnectionFailedError(f"lost the broker: {error}") from None
        if not data:
            raise ConnectionFailedError(f"lost the broker at {self._channel.where}: it has ended")
        for body in self._decoder.feed(data):
            self._take(wire.decode_reply(body))

    def _take(self, reply: wire.Reply) -> None:
        if reply.event == "ack":
            self._unacknowledged.pop(reply.ack or 0, None)
        elif reply.event == "error":
            raise RequestRefusedError(
                f"the broker refused {reply.action} {reply.topic}: {reply.error}"
            )
        elif reply.event == "message" and reply.topic == GRAPH_TOPIC:
            self._graphs = [Graph.from_json(reply.text or "")]
        elif reply.event == "message" and reply.topic == TYPES_TOPIC:
            self.types.take(reply.text or "")
        elif reply.event == "message" and reply.topic == STATISTICS_TOPIC:
            self._told.append(BrokerStatistics.from_json(reply.text or ""))

    def fileno(self) -> int:
        """What `select` waits for, when `pump` has something to read."""
        return self._channel.socket.fileno()

    def _until(self, condition: Callable[[], bool], timeout_sec: float) -> None:
        until_sec = time.monotonic() + timeout_sec
        while not condition() and (left_sec := until_sec - time.monotonic()) > 0:
            self.pump(left_sec)

    def _send(self, fields: dict[str, object]) -> None:
        try:
            self._channel.send(wire.encode_object(fields))
        except TimeoutError:
            raise ConnectionFailedError(
                f"the broker at {self._channel.where} has not read for {_ANSWER_SEC:g} s"
            ) from None

    def close(self) -> None:
        """End the connection; what was put is with the broker."""
        self._channel.close()


def told_schema(channel: Channel) -> dict[str, Any]:
    """The JSON Schema of a channel's messages; empty when nothing is known of them."""
    if channel.schema_encoding != "jsonschema":
        return {}
    try:
        schema = json.loads(channel.schema)
    except ValueError:
        return {}
    return schema if isinstance(schema, dict) and schema != ANYTHING else {}
