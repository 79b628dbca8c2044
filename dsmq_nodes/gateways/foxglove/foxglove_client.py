"""One client of Foxglove's WebSocket protocol.

Text frames are JSON objects with their operation in `op`; binary frames are messages and calls
(binary_frames.py). An invalid message is answered by a status of level 2.
"""

import contextlib
import json
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError, DsmqError, MessageError, OverwrittenError
from dsmq_nodes.gateways.client_values import message_text
from dsmq_nodes.gateways.foxglove.binary_frames import (
    JSON,
    PublishedData,
    ServiceRequest,
    asset_error,
    message_data,
    read_binary,
    service_response,
    time_frame,
)
from dsmq_nodes.gateways.foxglove.followed_parameters import FollowedParameters
from dsmq_nodes.gateways.foxglove.offered import Change, ConnectionGraph, Offered, OfferedChannel
from dsmq_nodes.gateways.hub import Hub, HubReader, HubWriter
from dsmq_nodes.gateways.known_types import KnownType, message_type
from dsmq_nodes.gateways.message_json import decoded
from dsmq_nodes.gateways.web.hub_client import MOST_ADVERTISED, HubClient
from dsmq_nodes.gateways.web.speaker import Connect
from dsmq_nodes.graph.names import resolve_topic
from dsmq_nodes.json_text import read_loose_json
from dsmq_nodes.messages.rosgraph import Clock
from dsmq_nodes.messages.schema.dynamic import without_special
from dsmq_nodes.topic_names import CLOCK_TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable

SUBPROTOCOLS: Final = ("foxglove.sdk.v1", "foxglove.websocket.v1")
ORIGINS: Final = ("https://app.foxglove.dev", "https://studio.foxglove.dev")
"""The origins of the viewers' web pages."""

_INFO, _WARNING, _ERROR = 0, 1, 2
_REPORT_EVERY_SEC: Final = 1.0
_LONGEST_STATUS: Final = 500
_READING: Final = ("parameters", "parametersSubscribe", "connectionGraph")
_WRITING: Final = ("clientPublish", "services")
_MOST_WATCHED: Final = 10_000
_MOST_ITEMS: Final = 10_000  # in one operation: these take 0.1 s

Operation = dict[str, Any]


class FoxgloveServer:
    """The state that all clients share."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.offered = Offered(hub)
        self.parameters = FollowedParameters(hub)
        self.session = secrets.token_hex(8)  # a new one makes a viewer start again
        self.offered.update()


def open_foxglove(hub: Hub) -> Connect:
    """Return the function that opens a client of Foxglove's protocol; see `web/speaker.py`."""
    server = FoxgloveServer(hub)
    return lambda client: FoxgloveClient(client, server)


class _Published(NamedTuple):
    """A channel that the client publishes."""

    topic: str
    writer: HubWriter
    kind: KnownType


class FoxgloveClient:
    """One connection."""

    def __init__(self, client: HubClient, server: FoxgloveServer) -> None:
        self._client, self._server = client, server
        self._offered = server.offered
        self._subscribed: dict[int, _ChannelSubscription] = {}
        self._published: dict[int, _Published] = {}
        self._watched: set[str] = set()
        self._watches_all = False
        self._graph: ConnectionGraph | None = None  # as last sent; None: not requested
        self._reported: dict[str, tuple[int, float]] = {}  # dropped messages, by topic
        self._operations: dict[str, Callable[[Operation], None]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "advertise": self._advertise,
            "unadvertise": self._unadvertise,
            "getParameters": self._get_parameters,
            "setParameters": self._set_parameters,
            "subscribeParameterUpdates": self._watch_parameters,
            "unsubscribeParameterUpdates": self._unwatch_parameters,
            "subscribeConnectionGraph": self._watch_graph,
            "unsubscribeConnectionGraph": self._unwatch_graph,
            "fetchAsset": self._fetch_asset,
        }
        self._welcome()
        server.offered.listeners.append(self._changed)
        server.parameters.listeners.append(self._parameters_changed)

    # To the client

    def _send(self, op: str, **fields: Any) -> None:
        self._client.outbox.answer(json.dumps({"op": op, **fields}, separators=(",", ":")))

    def _status(self, level: int, text: str, status_id: str = "") -> None:
        extra = {"id": status_id} if status_id else {}
        self._send("status", level=level, message=text[:_LONGEST_STATUS], **extra)

    def _welcome(self) -> None:
        capabilities = [*_READING, *(() if self._client.hub.is_read_only else _WRITING)]
        self._has_clock = self._is_clock_there
        if self._has_clock:
            capabilities.append("time")
            self._client.subscribe(CLOCK_TOPIC, self._take_clock, depth=1)
        # Start a new session: the data shown so far has times of another clock.
        session = f"{self._server.session}{' by /clock' if self._has_clock else ''}"
        self._send(
            "serverInfo",
            name="dsmq-nodes",
            capabilities=capabilities,
            supportedEncodings=[JSON],
            metadata={},
            sessionId=session,
        )
        offered = self._offered
        self._send_change(
            Change(list(offered.channels.values()), [], list(offered.services.values()), [])
        )

    @property
    def _is_clock_there(self) -> bool:
        clock = self._client.hub.topic(CLOCK_TOPIC)
        return clock is not None and bool(clock.publishers)

    def _take_clock(self, entry: Entry) -> None:
        with contextlib.suppress(MessageError):  # the nodes that use the clock report it
            now_ns = Clock.from_json(entry.text or "").clock.to_nanoseconds()
            self._client.outbox.offer(f"time of {CLOCK_TOPIC}", time_frame(now_ns), keep=1)

    def _changed(self, change: Change) -> None:
        self._send_change(change)
        if self._is_clock_there and not self._has_clock:
            self._welcome()  # the client receives all again, with that clock

    def _send_change(self, change: Change) -> None:
        if change.removed_channels:
            self._send("unadvertise", channelIds=change.removed_channels)
            for number, each in list(self._subscribed.items()):
                if each.channel.id in change.removed_channels:
                    self._end(number)
        if change.channels:
            self._send("advertise", channels=[each.wire for each in change.channels])
        if not self._client.hub.is_read_only:
            self._send_services(change)
        self._send_graph()

    def _send_services(self, change: Change) -> None:
        if change.removed_services:
            self._send("unadvertiseServices", serviceIds=change.removed_services)
        if change.services:
            self._send("advertiseServices", services=[each.wire for each in change.services])

    # From the client

    def receive(self, data: str | bytes) -> None:
        """Process a message of the client."""
        try:
            if isinstance(data, bytes):
                self._take_binary(data)
                return
            operation = _decoded(data)
            op = operation.get("op")
            act = self._operations.get(op) if isinstance(op, str) else None
            if act is None:
                raise ValueError(f"there is no operation {op!r:.60}")
            try:
                act(operation)
            except KeyError as error:
                raise ValueError(f"{op}: the field {error} is missing") from None
            except (LookupError, TypeError, AttributeError) as error:
                raise ValueError(f"{op}: a field has the wrong type: {error!s:.100}") from None
        except (DsmqError, ValueError) as error:
            self._status(_ERROR, str(error))

    def _take_binary(self, data: bytes) -> None:
        frame = read_binary(data)
        if isinstance(frame, PublishedData):
            self._publish(frame)
        else:
            self._client.spawn(self._call(frame))

    # Channels of the server

    def _subscribe(self, operation: Operation) -> None:
        for each in _items(operation, "subscriptions"):
            try:
                self._subscribe_one(each)
            except DsmqError as error:
                self._status(_ERROR, str(error))

    def _subscribe_one(self, wire: Operation) -> None:
        number = _number_in(wire, "id")
        channel = self._offered.channels.get(wire["channelId"])
        if channel is None:
            self._status(_WARNING, f"there is no channel {wire['channelId']!r:.60}")
        elif number in self._subscribed:
            self._status(_WARNING, f"the subscription {number} exists already")
        else:
            reader = self._client.subscribe(channel.topic, partial(self._take, channel, number))
            self._subscribed[number] = _ChannelSubscription(channel, reader)

    def _unsubscribe(self, operation: Operation) -> None:
        for number in _items(operation, "subscriptionIds"):
            if number in self._subscribed:
                self._end(number)
            else:
                self._status(_WARNING, f"there is no subscription {number!r:.60}")

    def _end(self, number: int) -> None:
        ended = self._subscribed.pop(number)
        self._client.release(ended.reader)
        topic = ended.channel.topic
        if not any(each.channel.topic == topic for each in self._subscribed.values()):
            self._client.outbox.forget(topic)
            self._reported.pop(topic, None)

    def _take(self, channel: OfferedChannel, number: int, entry: Entry) -> None:
        outbox = self._client.outbox
        try:
            body = self._offered.body_of(channel, entry)
        except (OverwrittenError, CommandError) as error:
            outbox.dropped[channel.topic] += 1
            self._report_dropped(channel.topic, str(error))
            return
        outbox.offer(channel.topic, message_data(number, entry.stamp or time.time_ns(), body))
        self._report_dropped(channel.topic, "this client reads too slowly")

    def _report_dropped(self, topic: str, reason: str) -> None:
        dropped = self._client.outbox.dropped[topic]
        reported, reported_sec = self._reported.get(topic, (0, -_REPORT_EVERY_SEC))
        now_sec = self._client.now_sec()
        if dropped > reported and now_sec >= reported_sec + _REPORT_EVERY_SEC:
            self._reported[topic] = dropped, now_sec
            text = f"{topic}: {dropped} messages were dropped so far: {reason}"
            self._status(_WARNING, text, f"dropped {topic}")

    # Channels of the client

    def _advertise(self, operation: Operation) -> None:
        for each in _items(operation, "channels", MOST_ADVERTISED):
            try:
                self._advertise_one(each)
            except DsmqError as error:
                self._status(_ERROR, f"{each.get('topic')!r:.80}: {error}")

    def _advertise_one(self, wire: Operation) -> None:
        number, topic = _number_in(wire, "id"), resolve_topic(str(wire["topic"]), "web", "/", {})
        if number in self._published:
            raise CommandError(f"the channel {number} of this client exists already")
        if wire["encoding"] != JSON:
            raise CommandError(f"messages have to be in json, not {wire['encoding']!r:.60}")
        kind = message_type(self._client.hub, topic, str(wire["schemaName"]))
        announced = self._client.hub.type_of(topic)
        if announced and kind.name != announced:
            raise CommandError(
                f"it already has the type {announced}, and cannot be {kind.name:.80}"
            )
        writer = self._client.advertise(topic, kind.name, kind.schema_text)
        self._published[number] = _Published(topic, writer, kind)

    def _unadvertise(self, operation: Operation) -> None:
        for number in _items(operation, "channelIds"):
            if number in self._published:
                self._client.release(self._published.pop(number).writer)
            else:
                self._status(_WARNING, f"there is no channel {number!r:.60} of this client")

    def _publish(self, data: PublishedData) -> None:
        known = self._published.get(data.channel)
        if known is None:
            raise CommandError(f"there is no channel {data.channel} of this client")
        kind = known.kind
        if not kind.schema:  # a subscriber may have published it meanwhile
            kind = message_type(self._client.hub, known.topic, kind.name)
        self._client.publish(known.writer, read_loose_json(data.payload), kind)

    # Services

    async def _call(self, request: ServiceRequest) -> None:
        service = self._offered.services.get(request.service)
        try:
            if service is None:
                raise CommandError(f"there is no service {request.service}")
            if request.encoding != JSON:
                raise CommandError(f"requests have to be in json, not {request.encoding!r:.60}")
            kind = service.kind.request
            values = read_loose_json(request.payload or b"{}")
            body = message_text(values, kind, time.time_ns())
            text = await self._client.call(service.name, body)
        except (DsmqError, ValueError) as error:
            self._send(
                "serviceCallFailure",
                serviceId=request.service,
                callId=request.call,
                message=str(error),
            )
            return
        response = without_special(decoded(text), service.kind.response.schema)
        payload = msgspec.json.encode(response)
        self._client.outbox.answer(service_response(request.service, request.call, payload))

    # Parameters

    def _get_parameters(self, operation: Operation) -> None:
        names = [str(each) for each in _items(operation, "parameterNames")]
        self._client.spawn(self._send_parameters(names, operation.get("id")))

    async def _send_parameters(self, names: list[str], request_id: object) -> None:
        found = await self._server.parameters.read(names)
        extra = {"id": request_id} if request_id is not None else {}
        self._send("parameterValues", parameters=found, **extra)

    def _set_parameters(self, operation: Operation) -> None:
        parameters = _items(operation, "parameters")
        given = [(str(each["name"]), each.get("value")) for each in parameters]
        self._client.spawn(self._set(given, operation.get("id")))

    async def _set(self, given: list[tuple[str, Any]], request_id: object) -> None:
        refused = []
        for name, value in given:
            try:
                await self._server.parameters.set(self._client, name, value)
            except (CommandError, LookupError, TypeError, ValueError) as error:
                self._status(_ERROR, f"{name}: {error}")
                refused.append(name)
        if request_id is not None:
            await self._send_parameters([name for name, _ in given], request_id)
        elif watched := [name for name in refused if self._is_watched(name)]:
            # A request without an id has no answer. Changes are sent to the clients that follow
            # them; one that follows what was refused may show what it has asked for.
            await self._send_parameters(watched, None)

    def _watch_parameters(self, operation: Operation) -> None:
        names = {str(each) for each in _items(operation, "parameterNames")}
        if len(self._watched | names) > _MOST_WATCHED:
            raise CommandError(f"a client may follow at most {_MOST_WATCHED} parameters")
        self._watched |= names
        self._watches_all = self._watches_all or not names
        self._client.spawn(self._server.parameters.read(names))  # only changes are sent

    def _unwatch_parameters(self, operation: Operation) -> None:
        names = {str(each) for each in _items(operation, "parameterNames")}
        self._watched -= names or self._watched
        self._watches_all = self._watches_all and bool(names)

    def _parameters_changed(self, parameters: list[dict[str, Any]]) -> None:
        wanted = [each for each in parameters if self._is_watched(each["name"])]
        if wanted:
            self._send("parameterValues", parameters=wanted)

    def _is_watched(self, name: str) -> bool:
        return self._watches_all or name in self._watched

    # The graph

    def _watch_graph(self, _: Operation) -> None:
        self._graph = ConnectionGraph({}, {}, {})
        self._send_graph()

    def _unwatch_graph(self, _: Operation) -> None:
        self._graph = None

    def _send_graph(self) -> None:
        before = self._graph
        if before is None:
            return
        now = self._offered.connection_graph()
        if now == before:
            return
        self._graph = now
        topics = now.published.keys() | now.subscribed.keys()
        removed = (before.published.keys() | before.subscribed.keys()) - topics
        self._send(
            "connectionGraphUpdate",
            publishedTopics=_named(now.published, before.published, "publisherIds"),
            subscribedTopics=_named(now.subscribed, before.subscribed, "subscriberIds"),
            advertisedServices=_named(now.services, before.services, "providerIds"),
            removedTopics=sorted(removed),
            removedServices=sorted(before.services.keys() - now.services.keys()),
        )

    def _fetch_asset(self, operation: Operation) -> None:
        text = f"this gateway has no assets: {operation['uri']!r:.200}"
        self._client.outbox.answer(asset_error(_number_in(operation, "requestId"), text))

    def closed(self) -> None:
        """Remove the client's listeners, because its socket has closed."""
        self._offered.listeners.remove(self._changed)
        self._server.parameters.listeners.remove(self._parameters_changed)


class _ChannelSubscription(NamedTuple):
    channel: OfferedChannel
    reader: HubReader


def _named(now: dict[str, list[str]], before: dict[str, list[str]], key: str) -> list[Any]:
    """Return the changed entries; one that is gone has no ids."""
    names = sorted(name for name in now if now[name] != before.get(name))
    removed = sorted(before.keys() - now.keys()) if key != "providerIds" else []
    return [{"name": name, key: now.get(name, [])} for name in (*names, *removed)]


def _items(wire: Operation, field: str, most: int = _MOST_ITEMS) -> list[Any]:
    items = wire[field]
    if not isinstance(items, list):
        raise CommandError(f"{field} has to be a list, not {items!r:.60}")
    if len(items) > most:
        raise CommandError(f"{field} has {len(items)} items; the limit is {most}")
    return items


def _number_in(wire: Operation, field: str) -> int:
    number = wire[field]
    if type(number) is not int or not 0 <= number < 2**32:
        raise CommandError(f"{field} has to be a number of 32 bits, not {number!r:.60}")
    return number


def _decoded(data: str) -> Operation:
    operation = read_loose_json(data)
    if not isinstance(operation, dict):
        raise ValueError("a message has to be a JSON object with an 'op'")  # noqa: TRY004
    return operation
