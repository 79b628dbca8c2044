"""The gateway's one connection to the queue, which all its clients share; messages are texts.

It uses a node's `Link`, not a `Node`: the types of topics are unknown here, and messages are passed
on undecoded. With shared memory they are read directly from the rings.

**Naps.** While only viewers are connected, the hub drains its link every 50 ms and never waits on
it, so that no publisher ever has to ring its bell. While a call is pending, or a client has
subscribed with `is_prompt`, each message wakes the hub, as it does a node.

A client that requests the graph right after it has advertised expects to find itself in it:
`settled` waits until the graph has what the hub has advertised. Names from others are passed on
unchanged: a page shows them as text, never as markup.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError, WireError
from dsmq_nodes.graph import service_wire
from dsmq_nodes.graph.links.link import Contact, Link, Publication, Readable
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.tools import offers
from dsmq_nodes.tools.graph_model import GraphModel, TopicModel, decode_graph, read_schema
from dsmq_nodes.tools.lookup import types, visible_topics
from dsmq_nodes.topic_names import GRAPH_TOPIC, REPLY, REQUEST, TYPES_TOPIC, is_hidden

logger = logging.getLogger("dsmq_nodes.gateways")

VELOCITIES: Final = ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped")
REQUEST_LASTS_SEC: Final = 10.0
"""An older request is not carried out: its caller has got an error already, or gets one."""
_NAP_SEC: Final = 0.05
_DEPTH: Final = 1000
_SETTLED_SEC: Final = 0.5  # the graph is published 20 ms after a change
_SERVED_SEC: Final = 1.0  # the wait for a service that is not in the graph yet
_IDLE_SEC: Final = 60.0  # then the two topics of an idle service are released

Take = Callable[[Entry], None]


def _ignore(_: Entry) -> None:
    """Ignore the message."""


class HubReader:
    """One subscription of a topic; all of a topic share one subscription of the link."""

    def __init__(self, hub: "Hub", topic: str, take: Take, *, is_prompt: bool) -> None:
        self.topic, self.take, self.is_prompt = topic, take, is_prompt
        self.after = 0  # the last id that was delivered
        self.failures = 0  # how often `take` has raised
        self._hub = hub

    @property
    def began_after(self) -> int | None:
        """The id after which the link began to read the topic; None: it is not confirmed yet."""
        return self._hub.link.began_after(self.topic)

    def close(self) -> None:
        """Unsubscribe, and drop `take`: its objects are freed now, not at garbage collection."""
        self._hub.unsubscribe(self)
        self.take = _ignore


class HubWriter:
    """One advertisement of a topic; all of a topic share one advertisement of the link."""

    def __init__(self, hub: "Hub", publication: Publication) -> None:
        self._hub, self.publication, self._is_open = hub, publication, True

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self.publication.topic

    def publish(
        self, text: str, field: str = "", raw: bytes = b"", *, age_sec: float = 0.0
    ) -> None:
        """Publish a message, as JSON, from any thread.

        `raw` is the value of the message's large `field`, which `text` omits. The stamp is
        `age_sec` before now.

        Raises:
            WireError: the message is too large.
        """
        if field and self.publication.writer is None:
            text, field, raw = wire.whole_text(text, field, raw), "", b""
        self._hub.link.publish(self.publication, text, field, raw, age_sec=age_sec)

    def close(self) -> None:
        """Withdraw the advertisement."""
        if self._is_open:
            self._is_open = False
            self._hub.unadvertise(self.publication)


class _Service:
    """The two topics of a called service, and the pending calls."""

    def __init__(self, request: HubWriter, replies: HubReader) -> None:
        self.request, self.replies = request, replies
        self.waiting: dict[int, asyncio.Future[str]] = {}
        self.release: asyncio.TimerHandle | None = None


class Hub:
    """The gateway's connection.

    Attributes:
        link: the link.
        name: the gateway's node, `/web`.
        graph: the publishers and subscribers of each topic; empty while the broker is away.
        schemas: the known JSON Schemas, by their ids.
        is_connected: whether the broker is connected.
        is_read_only: whether clients may read only.
    """

    def __init__(self, link: Link, name: str = "/web", *, is_read_only: bool = False) -> None:
        """Make a hub on a link; `attach` it to a loop."""
        self.link, self.name, self.is_read_only = link, name, is_read_only
        self.graph = GraphModel()
        self.schemas: dict[str, dict[str, Any]] = {}
        self.is_connected = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers: dict[str, list[HubReader]] = {}
        self._writers: dict[str, int] = {}
        self._services: dict[str, _Service] = {}
        self._call_ids = itertools.count(1)
        self._prompt = 0  # how many readers need to be woken for each message
        self._drain_timer: asyncio.Handle | None = None
        self._watchers: list[Callable[[], None]] = []
        self._news = asyncio.Event()
        self._topics: dict[str, TopicModel] = {}
        self._served: dict[str, offers.Offer] = {}

    # The loop

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the hub is attached to."""
        assert self._loop is not None
        return self._loop

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to read, in this loop."""
        self._loop = loop
        self.link.attach(loop, self._drain, self._outage)
        self.subscribe(TYPES_TOPIC, self._take_type)
        self.subscribe(GRAPH_TOPIC, self._take_graph, depth=1)

    def close(self) -> None:
        """End the connection."""
        if self._drain_timer is not None:
            self._drain_timer.cancel()
        self.link.detach()
        self.link.close()

    def _drain(self, _: Readable | None = None) -> None:
        self.link.drain()
        if self._prompt:
            if not self.link.arm():
                self._drain_later(0.0)
        elif len(self._readers) > 2:  # the hub's own two are read from the socket
            self._drain_later(_NAP_SEC)

    def _drain_later(self, delay_sec: float) -> None:
        if self._drain_timer is not None:
            if delay_sec:
                return
            self._drain_timer.cancel()
        self._drain_timer = self.loop.call_later(delay_sec, self._on_timer)

    def _on_timer(self) -> None:
        self._drain_timer = None
        self._drain()

    def _outage(self, contact: Contact) -> None:
        self.is_connected = contact == "here"
        if contact == "lost":
            self._set_graph(GraphModel())
            for name, service in self._services.items():
                self._fail(service, f"the broker was lost while {name} was called")
        self._notify()

    # The graph

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call `watcher` when the graph or the connection changes; return a function to stop."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def _notify(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
        for watcher in list(self._watchers):
            try:
                watcher()
            except Exception:
                logger.exception("a watcher failed at a change of the graph")

    def _take_graph(self, entry: Entry) -> None:
        try:
            self._set_graph(decode_graph(entry.text or ""))
        except ValueError as error:
            logger.warning("skipped a message on %s: %s", GRAPH_TOPIC, error)
            return
        for name, service in self._services.items():
            if service.waiting and name not in self._served:
                self._fail(service, f"the server of {name} is gone")
        self._notify()

    def _set_graph(self, graph: GraphModel) -> None:
        self.graph = graph
        self._topics = {topic.name: topic for topic in graph.topics}
        self._served = offers.served(offers.services(graph, hidden=True))

    def _take_type(self, entry: Entry) -> None:
        try:
            schema_id, schema = read_schema(entry.text or "")
        except ValueError as error:
            logger.warning("skipped a message on %s: %s", TYPES_TOPIC, error)
            return
        self.schemas[schema_id] = schema

    def topics(self, *, hidden: bool = False) -> list[TopicModel]:
        """Return the topics, sorted by name; with `hidden` also those of services and the kit."""
        return visible_topics(self.graph, own=hidden)

    def topic(self, name: str) -> TopicModel | None:
        """Return a topic of the graph, or None."""
        return self._topics.get(name)

    def type_of(self, topic: str) -> str:
        """Return the type that an endpoint of a topic has published; empty when unknown."""
        found = self.topic(topic)
        return next(iter(types(found)), "") if found is not None else ""

    def schema_of(self, topic: str) -> dict[str, Any]:
        """Return the JSON Schema that an endpoint of a topic has published; empty when unknown."""
        found = self.topic(topic)
        for end in found.ends if found is not None else ():
            if end.schema_id in self.schemas:
                return self.schemas[end.schema_id]
        return {}

    def services(self, *, hidden: bool = False) -> dict[str, offers.Offer]:
        """Return the services that have a server, by name; with `hidden` also those of actions."""
        served = self._served.items()
        return {name: offer for name, offer in served if hidden or not is_hidden(name)}

    def service(self, name: str) -> offers.Offer | None:
        """Return a service that has a server, or None."""
        return self._served.get(name)

    def nodes(self) -> list[str]:
        """Return the names of the nodes."""
        return offers.nodes(self.graph)

    async def until(self, condition: Callable[[], bool], timeout_sec: float) -> bool:
        """Wait until a condition of the graph holds; return whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_sec):
                while not condition():
                    await self._news.wait()
        return condition()

    async def settled(self) -> None:
        """Wait until the graph shows what the hub has advertised and withdrawn."""
        await self.until(lambda: not self._unsettled(), _SETTLED_SEC)

    def _unsettled(self) -> set[str]:
        shown = {
            topic.name
            for topic in self.graph.topics
            if any(end.node == self.name for end in topic.publishers)
        }
        return shown ^ self._writers.keys()

    # Subscribing

    def subscribe(
        self,
        topic: str,
        take: Take,
        *,
        depth: int = _DEPTH,
        is_prompt: bool = False,
        type_name: str = "",
        schema: bytes = b"",
    ) -> HubReader:
        """Call `take` with each message of a topic, a latched topic's newest ones first.

        Args:
            topic: its full name.
            take: called with each message; `text` is JSON, its large field may be separate
                (`RingRecord`).
            depth: how many messages may wait between two drains; the first subscriber's is used.
            is_prompt: wake the gateway for each message, which costs the publisher a system call.
            type_name: the expected type; empty for any.
            schema: the JSON Schema of the expected type; empty when unknown.
        """
        reader = HubReader(self, topic, take, is_prompt=is_prompt)
        is_first = topic not in self._readers
        self._readers.setdefault(topic, []).append(reader)
        self._prompt += is_prompt

        def deliver(entry: Entry, again: bool) -> None:
            self._deliver(topic, entry, again=again)

        known = self.topic(topic)
        if is_first or known is None or known.latched:
            # A second subscription of the link repeats the latched messages. On any other topic it
            # would only lose messages of the first subscriber until the broker has answered.
            self.link.subscribe(topic, depth, type_name, deliver, schema)
        if self._prompt or len(self._readers) > 2:
            self._drain_later(0.0)
        return reader

    def _deliver(self, topic: str, entry: Entry, *, again: bool) -> None:
        for reader in tuple(self._readers.get(topic, ())):
            if again and entry.id <= reader.after:
                continue
            reader.after = entry.id
            try:
                reader.take(entry)
            except Exception:  # from one client: the others and the link continue
                if not reader.failures:
                    logger.exception("a reader of %s failed; more failures are counted", topic)
                reader.failures += 1

    def unsubscribe(self, reader: HubReader) -> None:
        """End one subscription."""
        readers = self._readers.get(reader.topic, [])
        if reader not in readers:
            return
        readers.remove(reader)
        self._prompt -= reader.is_prompt
        if not readers:
            del self._readers[reader.topic]
            self.link.unsubscribe(reader.topic)

    # Publishing

    def advertise(
        self, topic: str, type_name: str, schema: bytes = b"", *, latched: int = 0
    ) -> HubWriter:
        """Advertise a topic, with the JSON Schema of its type; empty when it is unknown."""
        publication = self.link.advertise(topic, type_name, latched, schema)
        self._writers[topic] = self._writers.get(topic, 0) + 1
        return HubWriter(self, publication)

    def unadvertise(self, publication: Publication) -> None:
        """Withdraw one advertisement."""
        self._writers[publication.topic] -= 1
        if not self._writers[publication.topic]:
            del self._writers[publication.topic]
            self.link.unadvertise(publication)

    # Calling

    async def served(self, name: str, timeout_sec: float = 10.0) -> offers.Offer:
        """Return a served service; wait for one that was just advertised.

        Raises:
            CommandError: no node serves it.
        """
        await self.until(lambda: name in self._served, min(timeout_sec, _SERVED_SEC))
        offer = self.service(name)
        if offer is None:
            hint = did_you_mean(name, self.services())
            raise CommandError(f"no node serves {name}; {hint}")
        return offer

    async def call(
        self, name: str, body: str = "{}", *, timeout_sec: float = REQUEST_LASTS_SEC
    ) -> str:
        """Call a service, and return its response as JSON; `body` is the request as JSON.

        Raises:
            CommandError: no node serves it, or it has answered too late or with an error.
        """
        offer = await self.served(name, timeout_sec)
        service = self._services.get(name) or self._open(name, offer)
        number = next(self._call_ids)
        future: asyncio.Future[str] = self.loop.create_future()
        service.waiting[number] = future
        self._prompt += 1
        try:
            service.request.publish(service_wire.write(self.link.client, number, body))
            async with asyncio.timeout(timeout_sec):
                return await future
        except TimeoutError:
            raise CommandError(
                f"{name} has not answered within {timeout_sec:g} s: is its node busy?"
            ) from None
        except WireError as error:
            raise CommandError(f"{name}: {error}") from None
        finally:
            self._prompt -= 1
            del service.waiting[number]
            self._release_later(name, service)

    def _open(self, name: str, offer: offers.Offer) -> _Service:
        replies = self.subscribe(name + REPLY, lambda entry: self._take_reply(name, entry))
        request = self.advertise(name + REQUEST, f"{offer.type}_Request" if offer.type else "")
        service = self._services[name] = _Service(request, replies)
        return service

    def _take_reply(self, name: str, entry: Entry) -> None:
        try:
            head = service_wire.read(entry.text)
        except WireError:
            return  # its own client reports the error
        service = self._services.get(name)
        if service is None or head.client != self.link.client:
            return
        future = service.waiting.get(head.id)
        if future is None or future.done():
            return
        if head.error:
            future.set_exception(CommandError(head.error))
        else:
            fields = msgspec.json.decode(entry.text or "", type=dict[str, msgspec.Raw])
            del fields["_client"], fields["_id"]
            future.set_result(msgspec.json.encode(fields).decode())

    def _fail(self, service: _Service, reason: str) -> None:
        for future in service.waiting.values():
            if not future.done():
                future.set_exception(CommandError(reason))

    def _release_later(self, name: str, service: _Service) -> None:
        """Release an idle service: the hub's request topic would keep it visible forever."""
        if service.release is not None:
            service.release.cancel()
        service.release = self.loop.call_later(_IDLE_SEC, self._release, name, service)

    def _release(self, name: str, service: _Service) -> None:
        if not service.waiting and self._services.get(name) is service:
            del self._services[name]
            service.replies.close()
            service.request.close()
