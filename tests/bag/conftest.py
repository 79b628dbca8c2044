"""A tool that publishes, and bags made of numbers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.recorded_schemas import schema_text
from dsmq_nodes.bag.file.writing import BagWriter
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.messages import Float64
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.dsmq_msgs import Graph
from dsmq_nodes.testing import BrokerProcess
from tests.support.waiting import PATIENCE_SEC

NUMBERS = Channel("/numbers", Float64.type_name, schema_text(Float64.schema()))
SECOND_NS = 1_000_000_000


class Tool:
    """Publishes at a broker; every put is acknowledged before it returns."""

    def __init__(self, broker: BrokerProcess, node: str = "") -> None:
        self._connection = ClientConnection(broker.host, broker.port, node=node)
        self._connection.socket.settimeout(PATIENCE_SEC)
        self._puts = 0

    def advertise(
        self, topic: str, type_name: str, latched: int = 0, schema: dict[str, Any] | None = None
    ) -> None:
        fields = {"topic": topic, "type": type_name, "latched": latched}
        more = {"schema": schema} if schema else {}
        self._ask("advertised", action="advertise", **fields, **more)

    def subscribe(self, topic: str, type_name: str, schema: dict[str, Any] | None = None) -> None:
        more = {"schema": schema} if schema else {}
        self._ask("subscribed", action="subscribe", topic=topic, type=type_name, depth=1, **more)

    def put(self, topic: str, message: Message | str, stamp_ns: int = 0) -> None:
        self._puts += 1
        text = message if isinstance(message, str) else message.to_json()
        fields = {"seq": self._puts, "ack": self._puts, "stamp": stamp_ns}
        self._ask("ack", action="put", topic=topic, message=text, **fields)

    def publishers(self, topic: str) -> int:
        """How many publish a topic now."""
        for action in ("unsubscribe", "subscribe"):
            self._connection.send(
                wire.encode_object({"action": action, "topic": "/dsmq/graph", "depth": 1})
            )
        while (reply := self._connection.receive()).event != "message":
            pass
        found = {each.name: each for each in Graph.from_json(reply.text or "").topics}
        return len(found[topic].publishers) if topic in found else 0

    def _ask(self, answer: str, **fields: object) -> None:
        self._connection.send(wire.encode_object(fields))
        while (reply := self._connection.receive()).event != answer:
            assert reply.event != "error", reply.error

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def tool(broker: BrokerProcess) -> Iterator[Tool]:
    """Publishes at the broker."""
    made = Tool(broker)
    yield made
    made.close()


def number(value: float) -> bytes:
    """A message of `NUMBERS`."""
    return json.dumps({"data": value}).encode()


@pytest.fixture
def numbers(tmp_path: Path) -> Callable[..., Path]:
    """Writes a bag of so many numbers, one every tenth of a second."""

    def write(count: int, name: str = "numbers", every_sec: float = 0.1) -> Path:
        with BagWriter(tmp_path / name, compression="none") as writer:
            for index in range(count):
                at_ns = SECOND_NS + round(index * every_sec * SECOND_NS)
                writer.write(NUMBERS, at_ns, number(index), at_ns, index + 1)
        return writer.paths[0]

    return write
