"""The dashboard's protocol: a `DashboardSpeaker` for each page, `Dashboards` for all."""

import asyncio
import fnmatch
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dsmq_nodes.dsmq.address import AnyAddress
from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.gateways.hub import Hub, HubReader, HubWriter
from dsmq_nodes.gateways.known_types import message_type
from dsmq_nodes.gateways.web.dashboard.blocking_tools import command_launch, examine
from dsmq_nodes.gateways.web.dashboard.driving import Driving
from dsmq_nodes.gateways.web.dashboard.recordings import FOLDER, Recordings
from dsmq_nodes.gateways.web.dashboard.topic_frames import PICTURES, TopicFrames, TopicSlot
from dsmq_nodes.gateways.web.hub_client import MOST_CALLS, ClientLimitError, HubClient
from dsmq_nodes.gateways.web.launch_entry import WebEntry
from dsmq_nodes.gateways.web.parameter_calls import (
    nodes_with_parameters,
    read_parameters,
    set_parameter,
)
from dsmq_nodes.graph.service_wire import NODE_SERVICES
from dsmq_nodes.json_text import read_json
from dsmq_nodes.messages.schema.dynamic import encoded
from dsmq_nodes.messages.schema.schema_walk import Schema
from dsmq_nodes.tools.graph_model import TopicModel, decode_statistics
from dsmq_nodes.topic_names import REQUEST, STATISTICS_TOPIC, is_hidden, is_kits_own

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_FRAMES_HZ: Final = 20.0
_GRAPH_SEC: Final = 0.25
_WAITS_BYTES: Final = 64 << 10
_WRONG: Final = (  # from a page
    *(DsmqError, LookupError, TypeError, AttributeError, ValueError, OverflowError),
)


class Dashboards:
    """The state that all pages share: the driver, the recording, the shortened statistics."""

    def __init__(self, hub: Hub, entry: WebEntry, broker: AnyAddress) -> None:
        self.hub, self.entry, self.broker = hub, entry, broker
        self.driving = Driving(entry.drive)
        self.recordings = Recordings(broker, Path.cwd() / FOLDER, self._recording_ended)
        self.pages: list[DashboardSpeaker] = []
        self._numbers = itertools.count(1)
        self._statistics: tuple[int, str] = (0, "")

    def connect(self, client: HubClient) -> "DashboardSpeaker":
        """Return a speaker for one page."""
        page = DashboardSpeaker(self, client, f"{client.peer or 'a page'} ({next(self._numbers)})")
        self.pages.append(page)
        page.send_driver()
        page.send_recording()
        return page

    def is_shown(self, topic: str) -> bool:
        """Whether a topic is shown to pages."""
        hide = self.entry.hide
        return not is_hidden(topic) and not any(fnmatch.fnmatchcase(topic, each) for each in hide)

    def shortened(self, topic: str, entry: Entry) -> str | None:
        """Return the broker's statistics without hidden topics, made once for all pages."""
        if topic != STATISTICS_TOPIC:
            return None
        if self._statistics[0] != entry.stamp + entry.id:
            statistics = decode_statistics(entry.text or "{}")
            statistics.topics = [each for each in statistics.topics if self.is_shown(each.name)]
            self._statistics = (entry.stamp + entry.id, msgspec.json.encode(statistics).decode())
        return self._statistics[1]

    def _recording_ended(self, why: str) -> None:
        for page in self.pages:
            page.send_recording()
            page.send({"op": "error", "error": why})

    def send_driver(self) -> None:
        """Send the name of the driver to all pages."""
        for page in self.pages:
            page.send_driver()


class DashboardSpeaker:
    """One page."""

    def __init__(self, shared: Dashboards, client: HubClient, name: str) -> None:
        self._shared, self.client, self._hub, self.name = shared, client, client.hub, name
        self._frames = TopicFrames(shared.shortened)
        self._readers: dict[str, HubReader] = {}
        self._writers: dict[str, HubWriter] = {}
        self._ticks = False
        self._questions = 0
        self._graph_due: asyncio.TimerHandle | None = None
        self._was_connected = self._hub.is_connected
        self._asked: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "params": self._params,
            "setparam": self._set_parameter,
            "form": self._form,
            "call": self._call,
            "pub": self._publish,
            "arm": self._arm,
            "doctor": self._doctor,
            "launch": self._launch,
            "record": self._record,
        }
        client.watch(self._graph_changed)
        self._hello()
        self._send_graph()

    # To the page

    def send(self, what: dict[str, Any]) -> None:
        """Send an object; it is never dropped."""
        self.client.outbox.answer(msgspec.json.encode(what).decode())

    def send_driver(self) -> None:
        """Send the name of the driver."""
        driving = self._shared.driving
        is_you = driving.is_driver(self.client)
        self.send({"op": "driver", "name": driving.name, "you": is_you, "type": driving.type})

    def send_recording(self) -> None:
        """Send the name of the file that is being recorded."""
        self.send({"op": "recording", "name": self._shared.recordings.name})

    def _hello(self) -> None:
        entry = self._shared.entry
        self.send(
            {
                "op": "hello",
                "name": self.name,
                "read_only": self._hub.is_read_only,
                "drive": entry.drive.model_dump(),
                "stop": entry.stop.model_dump(),
                "ports": {"rosbridge": entry.rosbridge, "foxglove": entry.foxglove},
            }
        )

    def _graph_changed(self) -> None:
        if self._hub.is_connected != self._was_connected:
            self._send_graph()  # at once: a page must not look connected when it is not
        elif self._graph_due is None:
            self._graph_due = self.client.later(_GRAPH_SEC, self._graph_is_due)

    def _graph_is_due(self) -> None:
        self._graph_due = None
        if self.client.outbox.waiting_bytes > _WAITS_BYTES:  # the page has not read the last graph
            self._graph_due = self.client.later(1.0, self._graph_is_due)
            return
        self._send_graph()

    def _send_graph(self) -> None:
        graph = self._hub.graph
        self._was_connected = self._hub.is_connected
        shown = [each for each in graph.topics if self._shared.is_shown(each.name)]
        services = self._hub.services()
        self.send(
            {
                "op": "graph",
                "connected": self._hub.is_connected,
                "epoch": graph.epoch,
                "peers": [each for each in graph.peers if each.name],
                "topics": [_topic_fields(topic) for topic in shown if topic.ends],
                "params": nodes_with_parameters(self._hub),
                "services": {
                    name: offer.type
                    for name, offer in services.items()
                    if name.rpartition("/")[2] not in NODE_SERVICES
                },
            }
        )

    def _tick(self) -> None:
        frames = self._frames
        if frames.has_room and self.client.outbox.waiting_bytes < _WAITS_BYTES:
            for frame in frames.frame(self.client.now_sec(), time.time_ns()):
                self.client.outbox.answer(frame)
        self._ticks = frames.is_waiting
        if self._ticks:
            self.client.later(1 / _FRAMES_HZ, self._tick)

    def _news(self) -> None:
        if not self._ticks:
            self._ticks = True
            self.client.later(1 / _FRAMES_HZ, self._tick)

    # From the page

    def receive(self, data: str | bytes) -> None:
        """Process a message of the page."""
        try:
            asked = read_json(data)
            op = asked["op"]
            if op == "ack":
                self._frames.acknowledge(int(asked["n"]))
            elif op == "sub":
                most, rate_hz = int(asked.get("most", 1)), float(asked.get("hz", 0))
                self._subscribe(str(asked["topic"]), most, rate_hz)
            elif op == "unsub":
                self._unsubscribe(str(asked["topic"]))
            elif op == "drive":
                self._drive(asked)
            elif op == "ping":
                self.send({"op": "pong"})
            elif op in self._asked:
                self.client.spawn(self._answer(op, asked))
            else:
                self.send({"op": "error", "error": f"unknown op {op!r:.40}"})
        except _WRONG as error:
            self.send({"op": "error", "error": f"{type(error).__name__}: {error}"})

    def closed(self) -> None:
        """Remove the page, because it is gone; if it drove, the robot stops."""
        self._shared.pages.remove(self)
        self._frames.slots.clear()
        if self._shared.driving.is_driver(self.client):
            self._shared.driving.disarm()
            self._shared.send_driver()

    def _subscribe(self, topic: str, most: int, rate_hz: float) -> None:
        if is_kits_own(topic) or self._shared.is_shown(topic):
            self._unsubscribe(topic)
            is_picture = self._hub.type_of(topic) in PICTURES
            slot = TopicSlot(topic, most, rate_hz, is_picture=is_picture)

            def take(entry: Entry) -> None:
                self._frames.take(slot, entry)
                self._news()

            self._frames.slots[topic] = slot
            self._readers[topic] = self.client.subscribe(topic, take)

    def _unsubscribe(self, topic: str) -> None:
        self._frames.slots.pop(topic, None)
        if (reader := self._readers.pop(topic, None)) is not None:
            self.client.release(reader)

    def _drive(self, asked: dict[str, Any]) -> None:
        driving = self._shared.driving
        at_sec = float(asked.get("at", 0.0))
        if asked.get("stop"):
            driving.release(self.client)
        elif asked.get("disarm"):
            driving.disarm(self.client)
            self._shared.send_driver()
        elif "joints" in asked:
            joints = {str(name): float(each) for name, each in asked["joints"].items()}
            driving.command_joints(self.client, joints, at_sec)
        else:
            driving.command(self.client, float(asked["v"]), float(asked["w"]), at_sec)

    async def _answer(self, op: str, asked: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"op": "answer", "id": asked.get("id"), "ok": True}
        self._questions += 1
        try:
            if self._questions > MOST_CALLS:
                raise ClientLimitError(f"a page may have at most {MOST_CALLS} pending requests")
            answer["value"] = await self._asked[op](asked)
        except _WRONG as error:
            text = str(error) if isinstance(error, DsmqError) else f"{op}: {error!r}"
            answer |= {"ok": False, "error": text}
        finally:
            self._questions -= 1
        self.send(answer)

    async def _params(self, asked: dict[str, Any]) -> Any:
        found = await read_parameters(self.client, asked["node"])
        return {name: each._asdict() for name, each in found.items()}

    async def _set_parameter(self, asked: dict[str, Any]) -> None:
        await set_parameter(self.client, asked["node"], asked["name"], asked["value"])

    async def _form(self, asked: dict[str, Any]) -> Any:
        """Return the schema of a topic's or a service's messages, and a default message."""
        name = asked.get("topic") or asked["service"] + REQUEST
        schema = self._schema(name, asked.get("type", ""))
        return {"schema": schema, "msg": encoded({}, schema, name) if schema else {}}

    def _schema(self, topic: str, type_name: str) -> Schema:
        return self._hub.schema_of(topic) or message_type(self._hub, topic, type_name).schema

    async def _call(self, asked: dict[str, Any]) -> Any:
        service, values = asked["service"], asked.get("args", {})
        schema = self._schema(service + REQUEST, "")
        body = encoded(values, schema, service) if schema else values
        text = msgspec.json.encode(body).decode()
        return msgspec.Raw((await self.client.call(service, text)).encode())

    async def _publish(self, asked: dict[str, Any]) -> None:
        topic = asked["topic"]
        type_name = asked.get("type") or self._hub.type_of(topic)
        schema = self._schema(topic, type_name)
        body = encoded(asked["msg"], schema, type_name) if schema else asked["msg"]
        if topic not in self._writers:
            text = msgspec.json.encode(schema, order="sorted") if schema else b""
            self._writers[topic] = self.client.advertise(topic, type_name, text)
        age_sec = self.client.message_age_sec(topic, body)
        self._writers[topic].publish(msgspec.json.encode(body).decode(), age_sec=age_sec)

    async def _arm(self, asked: dict[str, Any]) -> None:
        entry = self._shared.entry.drive
        topic = asked.get("topic") or entry.topic
        if not topic.startswith("/"):
            topic = f"/{topic}"
        type_name = self._hub.type_of(topic) or entry.type
        take_over = bool(asked.get("take_over"))
        self._shared.driving.arm(self.client, self.name, topic, type_name, take_over=take_over)
        self._shared.send_driver()

    async def _doctor(self, _: dict[str, Any]) -> Any:
        return await asyncio.to_thread(examine, self._shared.broker)

    async def _record(self, asked: dict[str, Any]) -> str:
        self.client.check_writable()
        recordings = self._shared.recordings
        try:
            return await (recordings.start() if asked["start"] else recordings.stop())
        finally:
            for page in self._shared.pages:
                page.send_recording()

    async def _launch(self, asked: dict[str, Any]) -> Any:
        action, name = asked["action"], asked["name"]
        if action != "lines":
            self.client.check_writable()
            if action != "stop":
                self.client.check_in_time(f"{action} {name}")
            self.client.outbox.follow()
        return await asyncio.to_thread(command_launch, self._shared.broker, action, name)


def _topic_fields(topic: TopicModel) -> dict[str, Any]:
    """Return a topic for the page: the nodes of its endpoints, one type, its faults."""
    types = dict.fromkeys(end.type for end in topic.ends if end.type)
    return {
        "name": topic.name,
        "type": next(iter(types), ""),
        "pub": sorted({end.node for end in topic.publishers}),
        "sub": sorted({end.node for end in topic.subscribers}),
        "latched": topic.latched,
        "faults": topic.faults,
    }
