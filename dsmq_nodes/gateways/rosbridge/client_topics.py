"""The topics that one client subscribes to and publishes."""

from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes.bag.optional import need
from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError, DsmqError, OverwrittenError
from dsmq_nodes.gateways.hub import HubReader, HubWriter
from dsmq_nodes.gateways.known_types import KnownType, message_type, ros2_name
from dsmq_nodes.gateways.rosbridge.encoding import publish_frames
from dsmq_nodes.gateways.rosbridge.encoding.fragments import fragments_of
from dsmq_nodes.gateways.rosbridge.operation import (
    Operation,
    SendStatus,
    full_name,
    number_in,
    text_in,
)
from dsmq_nodes.gateways.rosbridge.reported_losses import ReportedLosses
from dsmq_nodes.gateways.rosbridge.rosbridge_server import RosbridgeServer
from dsmq_nodes.gateways.rosbridge.topic_queue import (
    COMPRESSIONS,
    MOST_MESSAGES,
    TopicOptions,
    TopicQueue,
    WaitingBytes,
    merged,
)
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.outbox import Frame

_MOST_IDS: Final = 100  # subscriptions of one client to one topic


class ClientTopics:
    """Subscriptions and advertisements, by the topics' full names."""

    def __init__(self, client: HubClient, server: RosbridgeServer, send_status: SendStatus) -> None:
        self._client, self._server, self._send_status = client, server, send_status
        self._bytes = WaitingBytes()
        self._subscribed: dict[str, _TopicOfClient] = {}
        self._advertised: dict[str, _Advertised] = {}
        self._delayed: list[Operation] = []  # subscriptions, until CDR can be written

    # Subscribing

    def subscribe(self, operation: Operation) -> None:
        """Subscribe to a topic, or add options to a subscription."""
        spelled = text_in(operation, "topic")
        topic = self._found(spelled)
        options = self._options(operation)
        if options.compression == "cbor-raw":
            self._check_raw(topic)
            if not publish_frames.has_raw_messages():
                self._delayed.append(operation)
                self._client.spawn(self._subscribe_later(operation))
                return
        known = self._subscribed.get(topic)
        if known is None:
            self._check_type(topic, operation)
            queue: TopicQueue[Entry] = TopicQueue(options, self._bytes)
            known = _TopicOfClient(self._client, self._server, topic, spelled, queue=queue)
        if len(known.ids) >= _MOST_IDS:
            raise CommandError(f"a client may subscribe to a topic at most {_MOST_IDS} times")
        known.ids[str(operation.get("id"))] = options
        known.queue.options = merged(known.ids.values())
        # Subscribe again for each id: a latched topic then repeats its newest messages.
        known.begin(lambda text: self._send_status("warning", text, None))
        self._subscribed[topic] = known

    async def _subscribe_later(self, operation: Operation) -> None:
        """Subscribe when CDR can be written: in the loop, STOP and driving would wait for that."""
        await self._client.hub.loop.run_in_executor(None, publish_frames.raw_messages)
        if not any(each is operation for each in self._delayed):
            return  # unsubscribed meanwhile
        self._delayed = [each for each in self._delayed if each is not operation]
        try:
            self.subscribe(operation)
        except (DsmqError, ValueError) as error:
            self._send_status("error", f"subscribe: {error}", operation)

    def _found(self, spelled: str) -> str:
        hub = self._client.hub
        if hub.topic(spelled) is not None:
            return spelled  # a plain client's topic has no slash
        return full_name(spelled)

    def _options(self, operation: Operation) -> TopicOptions:
        compression = operation.get("compression") or "none"
        if compression not in COMPRESSIONS:
            raise CommandError(
                f"the compression has to be {', '.join(COMPRESSIONS)}, not {compression!r:.60}"
            )
        return TopicOptions(
            number_in(operation, "throttle_rate") / 1000,
            int(number_in(operation, "queue_length")),
            int(number_in(operation, "fragment_size")),
            compression,
        )

    def _check_raw(self, topic: str) -> None:
        need("ros", "rosbags", "numpy")
        kind = self._server.type_of(topic)
        if kind.name and kind.cls is None:
            raise CommandError(
                f"cbor-raw needs the order of the fields, which is unknown for {kind.name} "
                "here: use cbor"
            )

    def _check_type(self, topic: str, operation: Operation) -> None:
        announced, wanted = self._client.hub.type_of(topic), operation.get("type")
        if announced and isinstance(wanted, str) and wanted and ros2_name(wanted) != announced:
            raise CommandError(f"{topic} has the type {announced}, not {wanted:.80}")

    def unsubscribe(self, operation: Operation) -> None:
        """End one subscription of a topic, or all if there is no id."""
        topic, number = self._found(text_in(operation, "topic")), operation.get("id")
        delayed = len(self._delayed)
        self._delayed = [
            each
            for each in self._delayed
            if self._found(each["topic"]) != topic or number not in {None, each.get("id")}
        ]
        known = self._subscribed.get(topic)
        if known is None:
            if len(self._delayed) == delayed:
                self._send_status("warning", f"unsubscribe: {topic} is not subscribed", operation)
            return
        if number is None:
            known.ids.clear()
        known.ids.pop(str(number), None)
        if known.ids:
            known.queue.options = merged(known.ids.values())
            return
        del self._subscribed[topic]
        known.end()

    def closed(self) -> None:
        """End all subscriptions, because the client is gone."""
        for known in self._subscribed.values():
            known.end()
        self._subscribed.clear()

    # Publishing

    def advertise(self, operation: Operation) -> None:
        """Advertise a topic."""
        self._advertise(operation).ids.add(str(operation.get("id")))

    def _advertise(self, operation: Operation) -> "_Advertised":
        topic = full_name(text_in(operation, "topic"))
        named, known = str(operation.get("type") or ""), self._advertised.get(topic)
        if known is not None and (not named or ros2_name(named) == known.kind.name):
            return known
        kind = message_type(self._client.hub, topic, named)
        announced = self._client.hub.type_of(topic) if known is None else known.kind.name
        if announced and kind.name != announced:
            raise CommandError(f"{topic} already has the type {announced}, not {kind.name:.80}")
        if not kind.name:
            raise CommandError(f"{topic} has no type yet: advertise it with a type")
        writer = self._client.advertise(
            topic, kind.name, kind.schema_text, latched=1 if operation.get("latch") else 0
        )
        self._advertised[topic] = advertised = _Advertised(writer, kind)
        return advertised

    def unadvertise(self, operation: Operation) -> None:
        """Withdraw one advertisement of a topic, or all if there is no id."""
        topic = full_name(text_in(operation, "topic"))
        known = self._advertised.get(topic)
        if known is None:
            self._send_status("warning", f"unadvertise: {topic} is not advertised", operation)
            return
        known.ids.discard(str(operation.get("id")))
        if not known.ids or operation.get("id") is None:
            del self._advertised[topic]
            self._client.release(known.writer)

    def publish(self, operation: Operation) -> None:
        """Publish a message; a topic of a known type need not be advertised."""
        topic = full_name(text_in(operation, "topic"))
        known = self._advertised.get(topic) or self._advertise(operation)
        kind = known.kind
        if not kind.schema:  # a subscriber may have published it meanwhile
            known.kind = kind = message_type(self._client.hub, topic, kind.name)
        self._client.publish(known.writer, operation.get("msg", {}), kind)


class _Advertised:
    def __init__(self, writer: HubWriter, kind: KnownType) -> None:
        self.writer, self.kind = writer, kind
        self.ids: set[str] = set()


class _TopicOfClient:
    """One topic of one client."""

    def __init__(
        self,
        client: HubClient,
        server: RosbridgeServer,
        topic: str,
        spelled: str,
        *,
        queue: TopicQueue[Entry],
    ) -> None:
        self.ids: dict[str, TopicOptions] = {}
        self.queue = queue
        self._client, self._server = client, server
        self._topic, self._spelled = topic, spelled
        self._timer: Any = None
        self._losses = ReportedLosses(client)
        self._unwritten, self._why = 0, ""
        self._reader: HubReader | None = None
        self._is_compressing = False
        self._warn: Callable[[str], None] = lambda _: None

    def begin(self, warn: Callable[[str], None]) -> None:
        """Subscribe; `warn` is called when messages were dropped."""
        self._warn = warn
        is_prompt = not self.queue.options.throttle_sec
        before = self._reader
        self._reader = self._client.subscribe(
            self._topic, self._take, depth=MOST_MESSAGES, is_prompt=is_prompt
        )
        if before is not None:
            self._client.release(before)

    def end(self) -> None:
        """Unsubscribe, and drop waiting messages."""
        if self._timer is not None:
            self._timer.cancel()
        self.queue.clear()
        if self._reader is not None:
            self._client.release(self._reader)
            self._reader = None
        self._client.outbox.forget(self._topic)

    def _take(self, entry: Entry) -> None:
        self.queue.put(entry, _size_of(entry), self._client.now_sec())
        self._send_due()
        self._report_dropped()

    def _send_due(self) -> None:
        now_sec = self._client.now_sec()
        while not self._is_compressing and (entry := self.queue.take(now_sec)) is not None:
            self._send(entry)
        wait_sec = self.queue.wait_sec(now_sec)
        if wait_sec is not None and self._timer is None and not self._is_compressing:
            self._timer = self._client.later(wait_sec, self._due)

    def _due(self) -> None:
        self._timer = None
        self._send_due()

    def _send(self, entry: Entry) -> None:
        compression = self.queue.options.compression
        is_slow = compression == "png" and _size_of(entry) > publish_frames.LARGE_BYTES
        try:
            frame = self._server.frames.of(
                entry,
                self._spelled,
                "none" if is_slow else compression,
                self._server.type_of(self._topic),
            )
        except (OverwrittenError, CommandError) as error:
            self._unwritten += 1
            self._why = f"; {error}"
            return
        if is_slow:
            self._client.spawn(self._send_compressed(str(frame)))
            self._is_compressing = True
        else:
            self._offer(frame)

    async def _send_compressed(self, text: str) -> None:
        """Compress in another thread: in the loop, STOP and driving would wait for that."""
        loop = self._client.hub.loop
        frame = await loop.run_in_executor(None, publish_frames.png_frame, text)
        self._is_compressing = False
        if self._reader is not None:  # not unsubscribed meanwhile
            self._offer(frame)
            self._send_due()
            self._report_dropped()

    def _offer(self, frame: Frame) -> None:
        options = self.queue.options
        keep = min(options.queue_length, MOST_MESSAGES)
        if options.fragment_size and isinstance(frame, str):
            pieces = tuple(fragments_of(frame, options.fragment_size))
            self._client.outbox.offer(self._topic, pieces, keep=keep)
        else:
            self._client.outbox.offer(self._topic, frame, keep=keep)

    def _report_dropped(self) -> None:
        outbox = self._client.outbox
        dropped = self.queue.dropped + outbox.dropped[self._topic] + self._unwritten
        if self._losses.are_news(dropped):
            self._warn(f"{self._spelled}: {dropped} messages were dropped so far{self._why}")


def _size_of(entry: Entry) -> int:
    return getattr(entry, "size_bytes", 0) or len(entry.text or "")
