"""The offer to all Foxglove clients: a channel for each topic, and services.

A channel has an id, and the schema by which a viewer shows its messages. Standard messages are
converted to Foxglove's well-known ones (messages/schema/foxglove_types.py), others are shown
unchanged. When the type of a topic changes, the topic gets a new channel. While the broker is away,
and shortly after, nothing is withdrawn: nodes are reconnecting.
"""

import itertools
import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.foxglove.flat_schema import flat_schema
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.known_types import KnownService, KnownType, message_type, service_type
from dsmq_nodes.gateways.message_json import decoded, plain_json
from dsmq_nodes.graph.service_wire import NODE_SERVICES
from dsmq_nodes.messages.schema.dynamic import without_special
from dsmq_nodes.messages.schema.foxglove_types import CONVERSIONS, schema_of

_GATHER_SEC: Final = 0.1  # many changes arrive together, and types a little after the graph
_BACK_SEC: Final = 10.0  # nodes of a busy machine take seconds to connect again

Wire = dict[str, Any]


class OfferedChannel(NamedTuple):
    """A topic in the form for viewers.

    Attributes:
        key: changes when the topic's type changes.
        convert: makes Foxglove's message; None to show the message unchanged.
        wire: the advertisement for the client.
    """

    id: int
    topic: str
    key: tuple[str, bytes]
    kind: KnownType
    convert: Callable[[Wire], Wire] | None
    wire: Wire


class OfferedService(NamedTuple):
    """A service, and its advertisement."""

    id: int
    name: str
    kind: KnownService
    wire: Wire


class Change(NamedTuple):
    """The new channels and services, and the withdrawn ones."""

    channels: list[OfferedChannel]
    removed_channels: list[int]
    services: list[OfferedService]
    removed_services: list[int]

    def __bool__(self) -> bool:
        return any(self)


class ConnectionGraph(NamedTuple):
    """The publishers, subscribers and servers: ids of nodes by the name of a topic or service."""

    published: dict[str, list[str]]
    subscribed: dict[str, list[str]]
    services: dict[str, list[str]]


class Offered:
    """The channels and services of a gateway.

    Attributes:
        channels: by id.
        services: by id.
        listeners: called with each change, and with an empty one when only the graph has changed.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.channels: dict[int, OfferedChannel] = {}
        self.services: dict[int, OfferedService] = {}
        self.listeners: list[Callable[[Change], None]] = []
        self._ids = itertools.count(1)
        self._is_due = False
        self._was_connected = hub.is_connected
        self._keeps_until_sec = 0.0
        self._entry: Entry | None = None
        self._body: bytes | None = None
        hub.watch(self._changed)

    def _changed(self) -> None:
        if self.hub.is_connected != self._was_connected:
            self._was_connected = self.hub.is_connected
            self._keeps_until_sec = self.hub.loop.time() + _BACK_SEC
            self.hub.loop.call_later(_BACK_SEC, self._update_and_notify)
        if not self._is_due:
            self._is_due = True
            self.hub.loop.call_later(_GATHER_SEC, self._update_and_notify)

    def _update_and_notify(self) -> None:
        self._is_due = False
        change = self.update()
        for listener in list(self.listeners):
            listener(change)

    def update(self) -> Change:
        """Compare the offer with the graph, and return the change."""
        keeps = self.hub.loop.time() < self._keeps_until_sec
        channels, removed = self._update_topics(keeps=keeps)
        services, removed_services = self._update_services(keeps=keeps)
        return Change(channels, removed, services, removed_services)

    def _update_topics(self, *, keeps: bool) -> tuple[list[OfferedChannel], list[int]]:
        wanted: dict[str, KnownType] = {}
        for topic in self.hub.topics():
            if (topic.publishers or topic.subscribers) and self.hub.type_of(topic.name):
                wanted[topic.name] = message_type(self.hub, topic.name)
        removed = [
            each.id
            for each in self.channels.values()
            if (each.topic not in wanted and not keeps)
            or (each.topic in wanted and _key(wanted[each.topic]) != each.key)
        ]
        for number in removed:
            del self.channels[number]
        shown = {each.topic for each in self.channels.values()}
        new = [self._channel(name, kind) for name, kind in wanted.items() if name not in shown]
        self.channels.update({each.id: each for each in new})
        return new, removed

    def _channel(self, topic: str, kind: KnownType) -> OfferedChannel:
        name, convert = CONVERSIONS.get(kind.name, (kind.name, None))
        schema = schema_of(name) if convert is not None else flat_schema(kind.schema)
        number = next(self._ids)
        wire = {
            "id": number,
            "topic": topic,
            "encoding": "json",
            "schemaName": name,
            "schema": json.dumps(schema, separators=(",", ":")),
            "schemaEncoding": "jsonschema",
        }
        return OfferedChannel(number, topic, _key(kind), kind, convert, wire)

    def _update_services(self, *, keeps: bool) -> tuple[list[OfferedService], list[int]]:
        wanted = {
            name: offer
            for name, offer in self.hub.services().items()
            if name.rpartition("/")[2] not in NODE_SERVICES
        }
        known = {each.name: each for each in self.services.values()}
        removed = [
            each.id
            for name, each in known.items()
            if (name not in wanted and not keeps)
            or (name in wanted and wanted[name].type != each.kind.name)
        ]
        for number in removed:
            del self.services[number]
        left = {each.name for each in self.services.values()}
        new = [self._service(name) for name in wanted if name not in left]
        self.services.update({each.id: each for each in new})
        return new, removed

    def _service(self, name: str) -> OfferedService:
        kind = service_type(self.hub, name)
        number = next(self._ids)
        wire = {
            "id": number,
            "name": name,
            "type": kind.name,
            "request": _definition(kind.request),
            "response": _definition(kind.response),
        }
        return OfferedService(number, name, kind, wire)

    def connection_graph(self) -> ConnectionGraph:
        """Return the publishers, subscribers and servers of each topic and service."""
        topics = self.hub.topics()
        return ConnectionGraph(
            {each.name: _ids(each.publishers) for each in topics if each.publishers},
            {each.name: _ids(each.subscribers) for each in topics if each.subscribers},
            {name: _ids(offer.servers) for name, offer in self.hub.services().items()},
        )

    def body_of(self, channel: OfferedChannel, entry: Entry) -> bytes:
        """Return a message in the channel's form, made once for all clients.

        Raises:
            OverwrittenError: the large field was overwritten in shared memory.
            CommandError: the message does not match its type.
        """
        if entry is self._entry and self._body is not None:
            return self._body
        self._entry, self._body = entry, None
        if channel.convert is None:
            self._body = plain_json(entry, channel.kind.schema).encode()
            return self._body
        values = without_special(decoded(entry.text or ""), channel.kind.schema)
        try:
            self._body = msgspec.json.encode(channel.convert(values))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise CommandError(f"it is no {channel.kind.name}: {error!r:.100}") from None
        return self._body


def _key(kind: KnownType) -> tuple[str, bytes]:
    return kind.name, kind.schema_text


def _definition(kind: KnownType) -> Wire:
    return {
        "encoding": "json",
        "schemaName": kind.name,
        "schemaEncoding": "jsonschema",
        "schema": json.dumps(flat_schema(kind.schema), separators=(",", ":")),
    }


def _ids(ends: list[Any]) -> list[str]:
    return [end.node or f"tool {end.pid}" for end in ends]
