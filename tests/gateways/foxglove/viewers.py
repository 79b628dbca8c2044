"""A client of Foxglove's protocol in a graph in virtual time."""

import json
import struct
from typing import Any

from dsmq_nodes.gateways.foxglove.foxglove_client import open_foxglove
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web.speaker import Connect
from dsmq_nodes.testing import Graph
from tests.gateways.web.hubs import client_of, frames


class Viewer:
    """Keeps what it was offered.

    Attributes:
        channels: by topic.
        services: by name.
        info: what the server has said of itself.
        heard: every other text frame.
        data: the decoded messages, by subscription.
    """

    def __init__(self, graph: Graph, hub: Hub, connect: Connect | None = None) -> None:
        self.graph, self.hub = graph, hub
        self.connect = connect or open_foxglove(hub)
        self.client = client_of(hub)
        self.channels: dict[str, Any] = {}
        self.services: dict[str, Any] = {}
        self.info: dict[str, Any] = {}
        self.speaker = self.connect(self.client)

    def send(self, op: str, **fields: Any) -> None:
        self.speaker.receive(json.dumps({"op": op, **fields}))

    def got(self, seconds: float = 0.5) -> list[Any]:
        """What has come after a time: objects, and of binary frames tuples; offers are kept."""
        self.graph.run_for(seconds)
        decoded = [_decoded(each) for each in frames(self.client)]
        return [each for each in decoded if not self._keep(each)]

    def _keep(self, frame: Any) -> bool:
        op = frame.get("op") if isinstance(frame, dict) else ""
        if op == "serverInfo":
            self.info = frame
        elif op == "advertise":
            self.channels |= {each["topic"]: each for each in frame["channels"]}
        elif op == "unadvertise":
            gone = set(frame["channelIds"])
            self.channels = {n: each for n, each in self.channels.items() if each["id"] not in gone}
        elif op == "advertiseServices":
            self.services |= {each["name"]: each for each in frame["services"]}
        elif op == "unadvertiseServices":
            gone = set(frame["serviceIds"])
            self.services = {n: each for n, each in self.services.items() if each["id"] not in gone}
        else:
            return False
        return True

    def subscribe(self, topic: str, number: int = 1) -> dict[str, Any]:
        """Subscribe a topic; returns its channel."""
        channel: dict[str, Any] = self.channels[topic]
        subscription = {"id": number, "channelId": channel["id"]}
        self.send("subscribe", subscriptions=[subscription])
        assert self.got() == []
        return channel

    def advertise(self, topic: str, schema: str, number: int = 1, **others: Any) -> None:
        channel = {"id": number, "topic": topic, "encoding": "json", "schemaName": schema, **others}
        self.send("advertise", channels=[channel])

    def publish(self, values: Any, number: int = 1) -> None:
        self.speaker.receive(struct.pack("<BI", 1, number) + json.dumps(values).encode())

    def call(self, service: str, values: Any, encoding: str = "json") -> Any:
        """The answer to a call: a tuple, or the failure."""
        number = self.services[service]["id"] if service in self.services else 99_999
        head = struct.pack("<BIII", 2, number, 7, len(encoding)) + encoding.encode()
        self.speaker.receive(head + json.dumps(values).encode())
        (answer,) = self.got(2.0)
        return answer

    def leave(self) -> None:
        """The socket ends."""
        self.speaker.closed()
        self.client.close()


def _decoded(frame: str | bytes) -> Any:
    if isinstance(frame, str):
        return json.loads(frame)
    kind = frame[0]
    if kind == 1:
        number, stamp_ns = struct.unpack_from("<IQ", frame, 1)
        return "data", number, stamp_ns, json.loads(frame[13:])
    if kind == 2:
        return "time", struct.unpack_from("<Q", frame, 1)[0]
    if kind == 3:
        service, call, length = struct.unpack_from("<III", frame, 1)
        encoding = frame[13 : 13 + length].decode()
        return "response", service, call, encoding, json.loads(frame[13 + length :])
    request, status, length = struct.unpack_from("<IBI", frame, 1)
    return "asset", request, status, frame[10 : 10 + length].decode()
