"""The bridge: offers what the rules name on one side while it exists on the other.

Both graphs are watched: ROS's twice a second, this one when it changes. The offer of a topic or a
service begins when a node on the other side publishes or serves it, and ends when no node does any
longer. Subscribers thus see a publisher vanish, and clients a server, on either side. When the
broker is lost, all offers in ROS end; they begin again when it is back. In the other direction the
link keeps the advertisements and repeats them.

Messages from ROS are published in rclpy's thread, because a link accepts them from any thread;
messages to ROS are published in the loop's thread. A message from ROS that was delayed on its way
here is stamped as old, so that an `Actuator` skips a late command. In ROS nothing does: late
commands and goals, and messages older than their publisher's lifespan, do not go there.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from dsmq_nodes.announced_qos import AnnouncedQoS, announced_qos, kept_by_all, qos_topic
from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.errors import CommandError, OverwrittenError, WireError
from dsmq_nodes.gateways.hub import VELOCITIES, Hub, HubReader, HubWriter
from dsmq_nodes.gateways.ros2.bridge_rules import ACTION_SERVICES, BridgeRules
from dsmq_nodes.gateways.ros2.publisher_numbers import PublisherNumbers, publisher_of
from dsmq_nodes.gateways.ros2.ros_classes import RosImportError, ros_class
from dsmq_nodes.gateways.ros2.ros_objects import ConversionError, RosType, ros_type
from dsmq_nodes.gateways.ros2.ros_side import RosSide, RosTopic
from dsmq_nodes.graph import service_wire
from dsmq_nodes.graph.time.ages import LATEST_SEC, Ages
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.graph_model import EndpointModel
from dsmq_nodes.topic_names import REPLY, REQUEST

logger = logging.getLogger("dsmq_nodes.ros2")

_COMMANDS: Final = {*VELOCITIES, "trajectory_msgs/msg/JointTrajectory"}
_POLL_SEC: Final = 0.5
_MISSING_SEC: Final = 3.0  # then missing names of rules are logged
_GOAL_SEC: Final = 1e7  # the wait for a result, as long as its goal takes


class Carried(Protocol):
    """One topic or service that is carried in one direction."""

    def close(self) -> None:
        """Withdraw the offer."""


How = tuple[object, ...]
"""The properties of an offer, its type first: when they change, the offer is made again."""
Wanted = tuple[How, Callable[[], Carried]]


class Bridge:
    """Carries the topics and services that the rules name between the hub's graph and ROS's.

    Attributes:
        carried: the number of messages carried, by direction and name.
        skipped: the number of messages that could not be converted, by direction and name.
        lost: the number of messages that ROS lost before the bridge, by direction and name.
    """

    def __init__(self, hub: Hub, ros: RosSide, rules: BridgeRules) -> None:
        """Make a bridge; `run` starts it."""
        self.hub, self.ros, self.rules = hub, ros, rules
        self.carried: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self._open: dict[tuple[str, str], tuple[How, Carried]] = {}
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Carry, until cancelled."""
        self.ros.on_failure = lambda name, error: self.skip(f"from ROS {name}".rstrip(), error)
        self.ros.start()
        self.hub.watch(self._adjust_to_ours)
        self.hub.link.set_state("ready")
        loop = asyncio.get_running_loop()
        missing_sec = loop.time() + _MISSING_SEC
        while True:
            topics, services = [*self.ros.topics()], self.ros.services()
            self._adjust_to_ros(topics, services)
            self._adjust_to_ours()
            if missing_sec and loop.time() > missing_sec:
                missing_sec = 0.0
                for sentence in (
                    *self.rules.unmatched((each.name for each in topics), services),
                    *self.rules.unmatched_here(*self._names_here()),
                ):
                    logger.warning("%s", sentence)
            await asyncio.sleep(_POLL_SEC)

    def close(self) -> None:
        """Withdraw everything on both sides."""
        for _, carried in self._open.values():
            carried.close()
        self._open.clear()
        self.ros.close()

    # The offers of both sides

    def _adjust_to_ros(self, topics: list[RosTopic], services: dict[str, str]) -> None:
        wanted: dict[str, Wanted] = {}
        for topic in topics:
            if self.rules.is_topic_from_ros(topic.name):
                for other in topic.other_types:
                    self._refuse(
                        f"topic from ROS {topic.name}: it is {topic.type_name}, and what others "
                        f"publish there as {other} is skipped"
                    )
                how = (topic.type_name, topic.is_best_effort, topic.latched, topic.announced)
                wanted[topic.name] = how, partial(_TopicFromRos, self, topic)
        self._adjust("topic from ROS", wanted)
        self._adjust(
            "service from ROS",
            {
                name: ((type_name,), partial(_ServiceFromRos, self, name, type_name))
                for name, type_name in services.items()
                if self.rules.is_service_from_ros(name)
            },
        )

    def _names_here(self) -> tuple[list[str], list[str]]:
        """Return the topics and the services that others offer on this side."""

        def is_of_others(ends: list[EndpointModel]) -> bool:
            return any(end.node != self.hub.name for end in ends)

        offers = self.hub.services(hidden=True).items()
        return (
            [each.name for each in self.hub.graph.topics if is_of_others(each.publishers)],
            [name for name, offer in offers if is_of_others(offer.servers)],
        )

    def _adjust_to_ours(self) -> None:
        wanted: dict[str, Wanted] = {}
        qos = announced_qos(self.hub.graph.topics)
        for topic in self.hub.topics(hidden=True):
            name = self.rules.there(topic.name)
            publishers = [end for end in topic.publishers if end.node != self.hub.name]
            if name and publishers and self.rules.is_topic_to_ros(name):
                kind = next((end.type for end in publishers if end.type), "")
                latched = topic.latched_depth or int(name in self.rules.latched)
                announced = kept_by_all(
                    qos.get(("publisher", topic.name, end.node, end.pid), AnnouncedQoS())
                    for end in publishers
                )
                start = partial(_TopicToRos, self, name, kind, announced, latched=latched)
                wanted[name] = (kind, latched, announced), start
        self._adjust("topic to ROS", wanted)
        wanted = {}
        for service, offer in self.hub.services(hidden=True).items():
            name = self.rules.there(service)
            is_ours = any(end.node != self.hub.name for end in offer.servers)
            if name and is_ours and self.rules.is_service_to_ros(name):
                # The offer of an action has the action's type.
                is_goal = name.endswith(ACTION_SERVICES[0]) and offer.type
                kind = f"{offer.type}_SendGoal" if is_goal else offer.type
                wanted[name] = (kind,), partial(_ServiceToRos, self, name, kind)
        self._adjust("service to ROS", wanted)

    def _adjust(self, direction: str, wanted: dict[str, Wanted]) -> None:
        """Begin new offers, and end those that are no longer wanted or have changed."""
        for key in [key for key in self._open if key[0] == direction]:
            how, carried = self._open[key]
            if key[1] not in wanted or wanted[key[1]][0] != how:
                del self._open[key]
                carried.close()
                logger.info("%s %s: ended", *key)
        for name, (how, start) in wanted.items():
            if (direction, name) in self._open:
                continue
            try:
                self._open[direction, name] = (how, start())
            except Exception as error:  # noqa: BLE001  rclpy refuses names that are invalid in ROS
                reason = str(error).partition("\n")[0]
                self._refuse(one_line(f"{direction} {name}: {reason}"))
            else:
                logger.info("%s %s [%s]", direction, name, how[0])

    def _refuse(self, text: str) -> None:
        if text not in self._refused:
            self._refused.add(text)
            logger.error("%s", text)

    # Counters

    def went(self, direction: str) -> None:
        """Count a message that was carried."""
        self.carried[direction] += 1

    def skip(self, direction: str, error: Exception) -> None:
        """Count a message that cannot be converted; log the first, the tenth, the hundredth."""
        self.skipped[direction] += 1
        times = self.skipped[direction]
        if str(times).rstrip("0") == "1":
            more = "others like it are counted" if times == 1 else f"so far {times}"
            logger.warning("%s: skipped a message: %s (%s)", direction, error, more)

    def miss(self, direction: str, count: int) -> None:
        """Count messages that ROS has lost; log the first, and each tenfold number of them."""
        before = self.lost[direction]
        self.lost[direction] += count
        lost = self.lost[direction]
        if not before or len(str(lost)) > len(str(before)):
            logger.warning("%s: %d messages were lost so far on their way here", direction, lost)


class _TopicFromRos:
    """A topic of ROS, published here."""

    def __init__(self, bridge: Bridge, topic: RosTopic) -> None:
        self._bridge = bridge
        self._direction = f"from ROS {topic.name}"
        self._type = ros_type(topic.type_name)
        self._is_open, self._numbers = True, PublisherNumbers()
        self._skips_ours = bridge.rules.is_both_ways(topic.name)
        name = bridge.rules.here(topic.name)
        self._ages = Ages(name, BaseClock(), logger.warning)
        self._beside = (  # in this order: others see the QoS before the topic itself
            bridge.hub.advertise(qos_topic("publisher", name, topic.announced), "")
            if any(topic.announced)
            else None
        )
        self._writer = bridge.hub.advertise(
            name, topic.type_name, self._type.schema, latched=topic.latched
        )
        try:
            self._reader = bridge.ros.subscribe(topic, self._type.cls, self._take)
        except Exception:
            self._withdraw()
            raise

    def _take(self, msg: Any, info: dict[str, Any]) -> None:
        if not self._is_open or (self._skips_ours and self._bridge.ros.is_from_us(info)):
            return
        if lost := self._numbers.lost_before(info):
            self._bridge.miss(self._direction, lost)
        came = Reply(
            sender=publisher_of(info).hex(),
            seq=info.get("publication_sequence_number") or 0,
            stamp=info.get("source_timestamp") or 0,
            at=time.monotonic_ns(),
        )
        age_sec = self._ages.least_ns(came) * 1e-9
        try:
            self._writer.publish(*self._type.parts(msg), age_sec=age_sec)
        except (ConversionError, WireError) as error:
            self._bridge.skip(self._direction, error)
        else:
            self._bridge.went(self._direction)

    def close(self) -> None:
        """Withdraw the topic on this side."""
        self._bridge.ros.destroy(self._reader)
        self._withdraw()

    def _withdraw(self) -> None:
        self._is_open = False  # rclpy's thread ends the subscription later
        self._writer.close()
        if self._beside is not None:
            self._beside.close()


class _TopicToRos:
    """A topic of this graph, published in ROS."""

    def __init__(
        self, bridge: Bridge, name: str, type_name: str, announced: AnnouncedQoS, *, latched: int
    ) -> None:
        self._bridge = bridge
        self._direction = f"to ROS {name}"
        self._type = ros_type(_known_type(type_name))
        self._publisher = bridge.ros.advertise(name, self._type.cls, announced, latched=latched)
        self._ages = Ages(name, BaseClock(), logger.warning)
        lasts_sec = LATEST_SEC if type_name in _COMMANDS and not latched else math.inf
        self._lasts_sec = announced.lifespan_ns * 1e-9 or lasts_sec
        self._reader = bridge.hub.subscribe(
            bridge.rules.here(name),
            self._take,
            is_prompt=True,
            type_name=type_name,
            schema=self._type.schema,
        )

    def _take(self, entry: Entry) -> None:
        if entry.sender == self._bridge.hub.name:
            return
        try:
            _check_age(self._ages, entry, self._lasts_sec)
            self._publisher.publish(self._type.object_of(entry))
        except (CommandError, ConversionError, OverwrittenError) as error:
            self._bridge.skip(self._direction, error)
        else:
            self._bridge.went(self._direction)

    def close(self) -> None:
        """Withdraw the topic in ROS."""
        self._reader.close()
        self._bridge.ros.destroy(self._publisher)


class _ServiceFromRos:
    """A service of ROS, served here."""

    def __init__(self, bridge: Bridge, name: str, type_name: str) -> None:
        self._bridge, self._name = bridge, name
        self._direction = f"call to ROS {name}"
        self._request, self._response = _of_service(type_name)
        here, hub = bridge.rules.here(name), bridge.hub
        self._client = bridge.ros.client(name, ros_class(type_name))
        self._ages = Ages(name, BaseClock(), logger.warning)
        self._lasts_sec = LATEST_SEC if name.endswith(ACTION_SERVICES[0]) else math.inf
        self._reader: HubReader = hub.subscribe(
            here + REQUEST,
            self._take,
            is_prompt=True,
            type_name=f"{type_name}_Request",
            schema=self._request.schema,
        )
        # In this order: a node may call as soon as the service is in the graph.
        self._writer: HubWriter = hub.advertise(
            here + REPLY, f"{type_name}_Response", self._response.schema
        )

    def _take(self, entry: Entry) -> None:
        try:
            call = service_wire.read(entry.text)
        except WireError as error:
            self._bridge.skip(self._direction, error)
            return
        try:
            _check_age(self._ages, entry, self._lasts_sec)
            request = self._request.object(entry.text or "")
        except (CommandError, ConversionError) as error:
            self._writer.publish(service_wire.write_error(call, str(error)))
            return

        def answered(future: Any) -> None:
            try:
                text = service_wire.write(
                    call.client, call.id, self._response.text(future.result())
                )
            except Exception as error:  # noqa: BLE001  any error of the call goes to its caller
                text = service_wire.write_error(call, f"{type(error).__name__}: {error}")
            self._writer.publish(text)
            self._bridge.went(self._direction)

        self._client.call_async(request).add_done_callback(answered)

    def close(self) -> None:
        """Withdraw the service on this side."""
        self._reader.close()
        self._writer.close()
        self._bridge.ros.destroy(self._client)


class _ServiceToRos:
    """A service of this graph, served in ROS."""

    def __init__(self, bridge: Bridge, name: str, type_name: str) -> None:
        self._bridge, self._name = bridge, bridge.rules.here(name)
        self._direction = f"call from ROS {name}"
        self._request, self._response = _of_service(_known_type(type_name))
        self._service = bridge.ros.serve(name, ros_class(type_name), self._call)

    def _call(self, request: Any, done: Callable[[Any], None]) -> None:
        """Start a call, from rclpy's thread; the hub is called in the loop's thread."""
        loop = self._bridge.hub.loop
        asyncio.run_coroutine_threadsafe(self._answer(request, done), loop)

    async def _answer(self, request: Any, done: Callable[[Any], None]) -> None:
        response = None
        try:
            body = self._request.text(request)
            text = await self._bridge.hub.call(self._name, body, timeout_sec=_GOAL_SEC)
            response = self._response.object(text)
            self._bridge.went(self._direction)
        except (CommandError, ConversionError, msgspec.MsgspecError) as error:
            self._bridge.skip(self._direction, error)
        finally:
            done(response)

    def close(self) -> None:
        """Withdraw the service in ROS."""
        self._bridge.ros.destroy(self._service)


def _check_age(ages: Ages, entry: Entry, most_sec: float) -> None:
    age_sec = ages.least_ns(entry) * 1e-9
    if age_sec > most_sec:
        raise CommandError(f"it is {age_sec:.1f} s old")


def _of_service(type_name: str) -> tuple[RosType, RosType]:
    return ros_type(f"{type_name}_Request"), ros_type(f"{type_name}_Response")


def _known_type(type_name: str) -> str:
    if not type_name:
        raise RosImportError("its type is unknown: its publisher has not published it")
    return type_name
