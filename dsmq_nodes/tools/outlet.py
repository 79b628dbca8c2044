"""A tool's connection that publishes, and knows who is there; how fast is flow_control.py's."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import ConnectionFailedError, RequestRefusedError, WireError
from dsmq_nodes.graph.services import service_wire as calls
from dsmq_nodes.messages.dsmq_msgs import Graph
from dsmq_nodes.tools.cursors import TypesSeen, connect
from dsmq_nodes.topic_names import GRAPH_TOPIC, TYPES_TOPIC

ANSWER_SEC: Final = 10.0


class Outlet:
    """A connection that publishes.

    Attributes:
        client: what its calls of services are signed with.
        messages: how many messages were put.
        topics: how many of them on each topic.
        unacknowledged: the sizes of the puts under way that want to be acknowledged.
        listeners: who is given the messages of a topic that is subscribed.
        types: the types of the graph, known once `graph` was asked for.
        refused: topics that the broker does not take, and why; known once `graph` was asked for.
    """

    def __init__(self, host: str, port: int) -> None:
        """Connect.

        Raises:
            ConnectionFailedError: no broker of ours answers there.
        """
        self.messages = 0
        self.client = calls.new_client()
        self._connection = connect(host, port, client=self.client)
        self.topics: dict[str, int] = {}
        self.unacknowledged: dict[int, int] = {}
        self.refused: dict[str, str] = {}
        self.listeners: dict[str, Callable[[wire.Reply], None]] = {
            GRAPH_TOPIC: self._on_graph,
            TYPES_TOPIC: lambda reply: self.types.take(reply.text or ""),
        }
        self._acks = 0
        self._graphs: list[Graph] = []
        self._knows_types = self._is_told_anew = False
        self.types = TypesSeen()

    def advertise(
        self, topic: str, type_name: str, schema: Mapping[str, object], *, latched: int = 0
    ) -> None:
        """Say what is published; an empty schema is not known."""
        self.topics.setdefault(topic, 0)
        fields = {"topic": topic, "type": type_name, "latched": latched}
        self._send({"action": "advertise", **fields, **({"schema": schema} if schema else {})})

    def graph(self) -> Graph:
        """Who publishes and subscribes what now.

        Raises:
            ConnectionFailedError: the broker does not tell.
        """
        self._is_told_anew = False
        if not self._knows_types:
            self._knows_types = True
            self._send({"action": "subscribe", "topic": TYPES_TOPIC, "depth": 0})
        self.subscribe_anew(GRAPH_TOPIC)  # it is told as it is now
        self.until(lambda: self._is_told_anew and len(self._graphs) > 0, ANSWER_SEC)
        if not (self._is_told_anew and self._graphs):
            raise ConnectionFailedError(f"the broker at {self._connection.where} does not answer")
        return self._graphs[-1]

    def wait_for_subscribers(
        self, topics: set[str], count: int, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """Wait until each topic has `count` subscribers, without end; `say` what is missing."""
        graph, said = self.graph(), ""
        while True:
            found = {each.name: len(each.subscribers) for each in graph.topics}
            missing = [
                f"{topic} has {found.get(topic) or 'none'}"
                for topic in sorted(topics)
                if found.get(topic, 0) < count
            ]
            if not missing:
                return
            if (text := ", ".join(missing)) != said:
                said = text
                say(f"Waiting for {count} subscribers of each topic: {text}")
            self.pump(1.0)
            graph = self._graphs[-1]

    def put(self, topic: str, text: str) -> None:
        """Publish a message; does not wait for anybody.

        Raises:
            ConnectionFailedError: the broker is gone.
            RequestRefusedError: the broker refused one of the last ones.
            WireError: it is too long for the protocol.
        """
        self._put(topic, text, {})

    def put_acknowledged(self, topic: str, text: str) -> None:
        """Publish a message; it is in `unacknowledged` until the broker has stored it."""
        self._put(topic, text, {"ack": self._acks + 1})
        self._acks += 1
        self.unacknowledged[self._acks] = len(text)

    def _put(self, topic: str, text: str, more: dict[str, object]) -> None:
        sequence = self.topics.get(topic, 0) + 1
        fields = {"topic": topic, "seq": sequence, "stamp": time.time_ns(), "message": text}
        self._send({"action": "put", **fields, **more})
        self.topics[topic] = sequence  # not of one that is too long
        self.messages += 1

    def subscribe_anew(self, topic: str, *, depth: int = 1) -> None:
        """Have a topic's messages given to its listener; what is latched comes once more."""
        for action in ("unsubscribe", "subscribe"):
            self._send({"action": action, "topic": topic, "depth": depth})

    def pump(self, timeout_sec: float) -> None:
        """Read what the broker says, waiting for it no longer than this.

        Raises:
            ConnectionFailedError: the broker is gone.
            RequestRefusedError: the broker refused a put.
        """
        left_sec = timeout_sec
        while True:
            try:
                reply = self._connection.receive(left_sec)
            except TimeoutError:
                return
            except WireError as error:
                raise ConnectionFailedError(f"lost the broker: {error}") from None
            self._take(reply)
            left_sec = 0.0  # only what has come already

    def _take(self, reply: wire.Reply) -> None:
        if reply.event == "subscribed" and reply.topic == GRAPH_TOPIC:
            self._is_told_anew = True  # what was pushed before may be old
            self._graphs.clear()
        elif reply.event == "ack":
            self.unacknowledged.pop(reply.ack or 0, None)
        elif reply.event == "error" and reply.action == "advertise":
            self.refused[reply.topic] = reply.error
        elif reply.event == "error":
            raise RequestRefusedError(
                f"the broker refused {reply.action} {reply.topic}: {reply.error}"
            )
        elif reply.event == "message" and reply.topic in self.listeners:
            self.listeners[reply.topic](reply)

    def _on_graph(self, reply: wire.Reply) -> None:
        self._graphs = [Graph.from_json(reply.text or "")]

    def fileno(self) -> int:
        """What `select` waits for, when `pump` has something to read."""
        return self._connection.socket.fileno()

    def until(self, condition: Callable[[], bool], timeout_sec: float) -> None:
        """Pump until a condition holds, or the time is up."""
        until_sec = time.monotonic() + timeout_sec
        while not condition() and (left_sec := until_sec - time.monotonic()) > 0:
            self.pump(left_sec)

    def _send(self, fields: dict[str, object]) -> None:
        self._connection.send(wire.encode_object(fields), ANSWER_SEC)

    def close(self) -> None:
        """End the connection; what was put is with the broker."""
        self._connection.close()
