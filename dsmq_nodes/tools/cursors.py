"""A tool's cursors in the topics of a broker; a broker that went away is found again.

Nothing is skipped that the broker still has: a reader that is slow lags in the broker's log, and
after an outage each cursor resumes where it was. What is gone from the log meanwhile is counted,
and so is what was published while there was no broker (graph/links/sequence.py).
"""

import json
import logging
import time
from dataclasses import dataclass
from typing import Any, Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection, Redial
from dsmq_nodes.errors import ConnectionFailedError, RequestRefusedError, WireError
from dsmq_nodes.graph.links.sequence import REPEATED, Losses
from dsmq_nodes.messages.dsmq_msgs import TypeDescription

logger = logging.getLogger("dsmq_nodes.bag")

_WAIT_SEC: Final = 0.05


@dataclass(slots=True)
class _Cursor:
    """A place in a topic.

    Attributes:
        losses: what never came.
        after: where to resume; None: not known yet.
        seen: the newest id that was had; 0: none.
        end: the newest id there was when `ask_ends` was answered; None: not answered.
    """

    losses: Losses
    after: int | None
    seen: int = 0
    end: int | None = None

    @property
    def behind(self) -> int:
        """How many messages are still to be had; 1 while nobody knows."""
        return 1 if self.end is None else max(0, self.end - max(self.seen, self.after or 0))

    def take(self, reply: wire.Reply) -> bool:
        """Come to a message, and count what was lost before it; False: it is had already."""
        if self.seen:
            reply.gap = reply.id - self.seen - 1  # ids have no holes
        self.after = self.seen = reply.id
        lost = self.losses.before(reply)
        if lost == REPEATED:  # to a new broker, for others
            return False
        reply.gap += lost
        return True


class Cursors:
    """Reads topics."""

    def __init__(self, host: str, port: int, *, node: str = "", patient: bool = False) -> None:
        """Connect, as a node if it has a name; who is `patient` costs the others less.

        Raises:
            ConnectionFailedError: no broker of ours answers there.
        """
        self._address, self._node, self._patient = (host, port), node, patient
        self._is_ready = False
        self._connection: ClientConnection | None = connect(host, port, node, patient=patient)
        self._epoch = self._connection.epoch
        self._cursors: dict[str, _Cursor] = {}
        self._redial = Redial()

    def subscribe(self, topic: str, *, from_start: bool = False) -> None:
        """Read a topic from now on; or, with `from_start`, all that the broker has of it."""
        losses = Losses(self._node or "the reader", topic)
        self._cursors[topic] = _Cursor(losses, 0 if from_start else None)
        self._subscribe(topic)

    def be_ready(self) -> None:
        """Say, once, that who waits for this node may go on."""
        if self._node and not self._is_ready:
            self._is_ready = True
            self._send({"action": "state", "state": "ready"})

    def _subscribe(self, topic: str, *, move: bool = True) -> None:
        fields: dict[str, object] = {"action": "subscribe", "topic": topic, "depth": 0}
        cursor = self._cursors[topic]
        if move and cursor.after is not None:
            fields |= {"after": cursor.after, "epoch": self._epoch}
        self._send(fields)

    def _send(self, fields: dict[str, object]) -> None:
        connection = self._connection
        if connection is None:
            return  # said when it is back
        try:
            connection.send(wire.encode_object(fields))
        except ConnectionFailedError as error:
            self._lost(error)

    def ask_ends(self) -> None:
        """Ask for `behind` again; the answers come as `receive` reads."""
        for topic, cursor in self._cursors.items():
            cursor.end = None
            self._subscribe(topic, move=False)  # that moves nothing, and is answered

    @property
    def behind(self) -> int:
        """How many messages there still were to be had when the broker answered `ask_ends`."""
        return sum(cursor.behind for cursor in self._cursors.values())

    @property
    def is_connected(self) -> bool:
        """Whether the broker is there."""
        return self._connection is not None

    def receive(self) -> wire.Reply | None:
        """The next message; its `gap` counts what was lost just before it, its clock is ours.

        Returns None when there was none for 50 ms, or the broker is away.
        """
        while (connection := self._connection or self._dial_again()) is not None:
            try:
                reply = connection.receive(_WAIT_SEC)
            except TimeoutError:
                return None
            except (ConnectionFailedError, WireError) as error:
                self._lost(error)
                continue
            self._redial.reset()  # it does more than greet
            if self._take(reply):
                return reply
        return None

    def _take(self, reply: wire.Reply) -> bool:
        """Whether it is a message that was not had before."""
        cursor = self._cursors.get(reply.topic)
        if reply.event == "error":
            logger.error("the broker refused %s: %s", reply.action, reply.error)
        if cursor is None:
            return False
        if reply.event == "subscribed":
            cursor.end = reply.id
            if cursor.after is None:
                cursor.after = reply.id
        if reply.event != "message" or reply.id <= cursor.seen:
            return False
        if reply.at and self._connection is not None:
            reply.at -= self._connection.ahead_ns
        return cursor.take(reply)

    def _lost(self, error: Exception) -> None:
        if self._connection is None:
            return
        logger.warning("%s: trying again until it is back", error)
        self._connection.close()
        self._connection = None
        self._redial.later()

    def _dial_again(self) -> ClientConnection | None:
        """A new connection with all cursors in it; None when it is not to be had yet."""
        if wait_sec := self._redial.left_sec:
            time.sleep(min(wait_sec, _WAIT_SEC))
        if wait_sec > _WAIT_SEC:
            return None
        try:
            connection = connect(*self._address, self._node, patient=self._patient)
        except (ConnectionFailedError, RequestRefusedError):
            self._redial.later()
            return None
        logger.warning("the broker at %s is back", connection.where)
        if connection.epoch != self._epoch:
            # Another log than the one we read: all there is in it is new.
            for cursor in self._cursors.values():
                cursor.after, cursor.seen = 0, 0
        self._connection, self._epoch = connection, connection.epoch
        for topic, cursor in self._cursors.items():
            cursor.losses.tell_again()
            self._subscribe(topic)
        if self._is_ready:
            self._send({"action": "state", "state": "ready"})
        return self._connection

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class TypesSeen:
    """The schemas that nodes have told, by the ids that the graph has for them."""

    def __init__(self) -> None:
        self._schemas: dict[str, dict[str, Any]] = {}

    def take(self, text: str) -> None:
        """A message of `/dsmq/types` has come."""
        told = TypeDescription.from_json(text)
        try:
            schema = json.loads(told.json_schema)
        except (ValueError, RecursionError):
            return  # a node of somebody else's, who told no JSON
        if isinstance(schema, dict):
            self._schemas[told.schema_id] = schema

    def schema(self, schema_id: str) -> dict[str, Any]:
        """A schema; empty when nothing is known."""
        return self._schemas.get(schema_id, {})


def connect(
    host: str, port: int, node: str = "", *, client: str = "", patient: bool = False
) -> ClientConnection:
    """A connection to a broker of ours.

    Raises:
        ConnectionFailedError: none answers there.
    """
    connection = ClientConnection(host, port, node=node, client=client, patient=patient)
    if connection.original:
        connection.close()
        raise ConnectionFailedError(
            f"{connection.where} is an original dsmq server, which cannot tell what is published: "
            "start `dsmq-nodes broker` instead"
        )
    return connection
