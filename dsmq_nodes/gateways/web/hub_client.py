"""One web client's share of the hub: its subscriptions, its limits, and their release.

A client's subscriptions, advertisements and pending requests are all stored here, so that its end
releases them, whatever its protocol forgets. In a read-only gateway the methods that change
something raise `ReadOnlyError`; a protocol passes its text on.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from dsmq_nodes.dsmq.wire import topic_fault
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.client_values import message_text
from dsmq_nodes.gateways.hub import REQUEST_LASTS_SEC, Hub, HubReader, HubWriter, Take
from dsmq_nodes.gateways.known_types import KnownType
from dsmq_nodes.gateways.web.outbox import Outbox
from dsmq_nodes.graph.time.ages import LATEST_SEC
from dsmq_nodes.topic_names import ACTION, is_emergency_stop, is_kits_own

MOST_SUBSCRIBED: Final = 1000
MOST_ADVERTISED: Final = 100
MOST_CALLS: Final = 100
MOST_TASKS: Final = 10_000
_READING: Final = (
    "/list_parameters",
    "/get_parameters",
    "/describe_parameters",
    "/get_parameter_types",
    "/get_logger_levels",
)
_CANCEL: Final = f"{ACTION}/cancel_goal"
_SEND_GOAL: Final = f"{ACTION}/send_goal"


class ReadOnlyError(CommandError):
    """The gateway is read-only: nothing can be published, called or changed through it."""


class ClientLimitError(CommandError):
    """A client has reached a limit."""


class HubClient:
    """One client.

    Attributes:
        hub: the graph, the schemas, the connection's state.
        outbox: the frames to send to the client.
        peer: the client's address, for logs.
    """

    def __init__(self, hub: Hub, outbox: Outbox, peer: str = "") -> None:
        self.hub, self.outbox, self.peer = hub, outbox, peer
        self._readers: dict[int, HubReader] = {}
        self._writers: dict[int, HubWriter] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._unwatch: list[Callable[[], None]] = []
        self._calls = 0

    def subscribe(
        self, topic: str, take: Take, *, depth: int = 1000, is_prompt: bool = False
    ) -> HubReader:
        """Subscribe as `Hub.subscribe` does; end it with `release`.

        Raises:
            ClientLimitError: the client has too many subscriptions.
        """
        if len(self._readers) >= MOST_SUBSCRIBED:
            raise ClientLimitError(f"a client may have at most {MOST_SUBSCRIBED} subscriptions")
        reader = self.hub.subscribe(topic, take, depth=depth, is_prompt=is_prompt)
        self._readers[id(reader)] = reader
        return reader

    def advertise(
        self, topic: str, type_name: str, schema: bytes = b"", *, latched: int = 0
    ) -> HubWriter:
        """Advertise as `Hub.advertise` does; end it with `release`.

        Raises:
            ReadOnlyError: the gateway is read-only.
            ClientLimitError: the client has too many advertisements.
            CommandError: the gateway publishes another type on the topic, for another client; or
                a name is none, or reserved.
        """
        self.check_writable()
        if len(self._writers) >= MOST_ADVERTISED:
            raise ClientLimitError(f"a client may have at most {MOST_ADVERTISED} advertisements")
        # the broker would tell only the gateway
        if fault := topic_fault(topic) or (type_name and topic_fault(type_name, "type")):
            raise CommandError(fault)
        if is_kits_own(topic):
            raise CommandError(f"{topic} is reserved: choose a name that is not below /dsmq")
        writer = self.hub.advertise(topic, type_name, schema, latched=latched)
        known = writer.publication.type_name  # the graph may not show it yet
        if known and known != type_name:
            writer.close()
            raise CommandError(f"{topic} already has the type {known}, not {type_name:.80}")
        self._writers[id(writer)] = writer
        self.outbox.follow()
        return writer

    def publish(self, writer: HubWriter, values: Any, kind: KnownType) -> None:
        """Publish the client's values, stamped as long ago as the network may have delayed them.

        Raises:
            CommandError, MessageError: a value does not fit, and the text names its field; or as
                for `message_age_sec`.
        """
        age_sec = self.message_age_sec(writer.topic, values)
        text = message_text(values, kind, time.time_ns() - round(age_sec * 1e9))
        writer.publish(text, age_sec=age_sec)

    def message_age_sec(self, topic: str, values: Any) -> float:
        """Return how old a message that has come may be; a press of a stop is never old.

        Raises:
            CommandError: it would release an emergency stop that was pressed after it was sent.
        """
        if not is_emergency_stop(topic):
            return self.outbox.age_sec
        if not (isinstance(values, Mapping) and values.get("data")):
            self.check_in_time(f"a release on {topic}", 0.0)
        return 0.0

    def release(self, endpoint: HubReader | HubWriter) -> None:
        """End a subscription or an advertisement."""
        endpoint.close()
        self._readers.pop(id(endpoint), None)
        self._writers.pop(id(endpoint), None)

    async def call(
        self, service: str, body: str = "{}", *, timeout_sec: float = REQUEST_LASTS_SEC
    ) -> str:
        """Call a service as `Hub.call` does.

        Raises:
            ReadOnlyError: the gateway is read-only, and the service may change something.
            ClientLimitError: the client has too many pending calls.
            CommandError: as for `Hub.call`; or the network has delayed the request for so long
                that its caller has given up, or that what a goal moves may surprise the caller. A
                goal is cancelled however late.
        """
        if not service.endswith(_READING):
            self.check_writable()
            # A goal moves the robot; a service may be one that stops it.
            lasts_sec = LATEST_SEC if service.endswith(_SEND_GOAL) else REQUEST_LASTS_SEC
            if not service.endswith(_CANCEL):
                self.check_in_time(service, min(lasts_sec, timeout_sec))
            self.outbox.follow()
        if self._calls >= MOST_CALLS:
            raise ClientLimitError(f"a client may have at most {MOST_CALLS} pending calls")
        self._calls += 1
        try:
            return await self.hub.call(service, body, timeout_sec=timeout_sec)
        finally:
            self._calls -= 1

    def check_in_time(self, what: str, lasts_sec: float = REQUEST_LASTS_SEC) -> None:
        """Refuse a request that the network may have delayed for too long.

        Raises:
            CommandError: it may be older than `lasts_sec`.
        """
        age_sec = self.outbox.age_sec
        if age_sec > lasts_sec:
            raise CommandError(
                f"{what}: the request may be {age_sec:.0f} s old: the network was away, or this "
                "gateway stood still; send it again"
            )

    def check_writable(self) -> None:
        """Refuse to change anything in a read-only gateway.

        Raises:
            ReadOnlyError: the gateway is read-only.
        """
        if self.hub.is_read_only:
            raise ReadOnlyError("this gateway is read-only: start it without read_only for changes")

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` when the graph or the connection has changed, until the client's end."""
        self._unwatch.append(self.hub.watch(watcher))

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine; the client's end cancels it.

        Raises:
            ClientLimitError: the client has too many pending coroutines.
        """
        if len(self._tasks) >= MOST_TASKS:
            work.close()
            raise ClientLimitError(f"a client may have at most {MOST_TASKS} pending requests")
        task = self.hub.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def later(self, delay_sec: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `act` after a time; the client's end cancels it."""

        def due() -> None:
            self._timers.discard(handle)
            act()

        handle = self.hub.loop.call_later(delay_sec, due)
        self._timers.add(handle)
        return handle

    def now_sec(self) -> float:
        """Return the time of the loop's clock, which tests set forward."""
        return self.hub.loop.time()

    def close(self) -> None:
        """Release all that the client holds."""
        self.outbox.close()  # at once: otherwise its bytes stay until garbage collection
        for task in tuple(self._tasks):
            task.cancel()
        for timer in tuple(self._timers):
            timer.cancel()
        for unwatch in self._unwatch:
            unwatch()
        for reader in self._readers.values():
            reader.close()
        for writer in self._writers.values():
            writer.close()
        self._readers.clear()
        self._writers.clear()
        self._unwatch.clear()
