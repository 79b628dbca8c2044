"""The rclpy node of the bridge, which spins in a thread of its own.

Its callbacks run in that thread. All its entities are in one reentrant callback group: in the
default group, a service that waits would stop every topic of the node.

QoS. A subscription accepts what the publishers offer: it is best effort as soon as one of them is,
and latched (transient local) when all of them are. A publisher of the bridge is reliable, which
matches every subscription. The deadline and the lifespan of publishers are carried both ways, the
longest of several (announced_qos.py).
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from dsmq_nodes.announced_qos import AnnouncedQoS, kept_by_all
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.ros2.publisher_numbers import publisher_of
from dsmq_nodes.gateways.ros2.ros_objects import ros_type
from dsmq_nodes.topic_names import TF_STATIC_TOPIC

_DEPTH: Final = 100
_LEAST_SEC: Final = 2.0  # ROS nodes find each other, and then each other's topics
_MOST_SEC: Final = 8.0
_UNKNOWN: Final = "_NODE_NAME_UNKNOWN_"
# An executor marks the entity that it reads, and does not wait for marked ones.
_MARK: Final = "_executor_event"
_NONE_NS: Final = 2**62  # durations above stand for none
# Messages kept for late subscribers at least. ROS tells others the durability of a publisher, and
# over DDS not how many messages it keeps.
_LATCHED: Final = {TF_STATIC_TOPIC: 100}
Info = dict[str, Any]


@dataclass(frozen=True)
class RosTopic:
    """A topic of ROS that another node publishes.

    Attributes:
        name: its name.
        type_name: its type.
        other_types: types of other publishers; the following is about those of `type_name`.
        is_best_effort: whether one of its publishers does not repeat lost messages.
        latched: how many messages are kept for late subscribers; 0 unless all its publishers do so.
        announced: the deadline and the lifespan that all its publishers keep.
        nodes: the full names of its publishers' nodes.
    """

    name: str
    type_name: str
    other_types: tuple[str, ...]
    is_best_effort: bool
    latched: int
    announced: AnnouncedQoS
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class RosOffer:
    """A topic or a service of ROS, for display.

    Attributes:
        kind: `topic` or `service`.
        name: its name.
        type_name: its type.
        qos: `best effort` or `reliable`, `latched`, deadline and lifespan; empty for a service.
        nodes: the nodes that publish it; empty for a service.
        fault: why it cannot be converted; empty if it can.
    """

    kind: str
    name: str
    type_name: str
    qos: str
    nodes: tuple[str, ...]
    fault: str


def _pass_over(_: str, __: Exception) -> None:
    """Ignore a message that rclpy cannot read."""


class RosSide:
    """A node in the ROS graph.

    Attributes:
        on_failure: called, in rclpy's thread, with the name of the topic or the service whose
            message rclpy could not read, and its error; the name is empty if unknown.
    """

    def __init__(self, name: str) -> None:
        """Join the graph of the environment (ROS_DOMAIN_ID, RMW_IMPLEMENTATION)."""
        self._context = Context()
        # The bridge handles signals: it ends both sides.
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node(
            name,
            context=self._context,
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
            parameter_overrides=[Parameter("start_type_description_service", value=False)],
        )
        self._group = ReentrantCallbackGroup()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="rclpy", daemon=True)
        self._own_gids: set[bytes] = set()
        self._served: list[Any] = []
        self._types: dict[str, str] = {}  # the first type of each topic, which it keeps
        self.on_failure: Callable[[str, Exception], None] = _pass_over

    @property
    def name(self) -> str:
        """The node's full name in ROS."""
        return str(self.node.get_fully_qualified_name())

    def start(self) -> None:
        """Start the thread that spins."""
        self._thread.start()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            while True:
                try:
                    self._executor.spin()
                except ExternalShutdownException:
                    raise
                except Exception as error:  # noqa: BLE001  from one message: others continue
                    self._failed(error)
                else:
                    return  # the executor was shut down

    def _failed(self, error: Exception) -> None:
        """Continue after a message that rclpy could not read, such as half of a wide character."""
        node, name = self.node, ""
        for each in (*node.subscriptions, *node.services, *node.clients):
            if getattr(each, _MARK, False):
                setattr(each, _MARK, False)
                name = str(getattr(each, "topic_name", "") or getattr(each, "srv_name", ""))
        self.on_failure(name, error)

    # The graph

    def topics(self) -> Iterator[RosTopic]:
        """Yield the topics that other nodes publish."""
        for name, _ in self.node.get_topic_names_and_types(no_demangle=False):
            infos = [
                info
                for info in self.node.get_publishers_info_by_topic(name)
                if not self._is_own(info)
            ]
            if not infos:
                continue
            types = sorted({info.topic_type for info in infos})
            if self._types.get(name) not in types:
                self._types[name] = infos[0].topic_type
            type_name = self._types[name]
            infos = [info for info in infos if info.topic_type == type_name]
            profiles = [info.qos_profile for info in infos]
            yield RosTopic(
                name,
                type_name,
                tuple(each for each in types if each != type_name),
                any(each.reliability == ReliabilityPolicy.BEST_EFFORT for each in profiles),
                _latched(name, profiles),
                kept_by_all(
                    AnnouncedQoS(deadline_ns=_ns(each.deadline), lifespan_ns=_ns(each.lifespan))
                    for each in profiles
                ),
                tuple(sorted({_full_name(info) for info in infos})),
            )

    def _is_own(self, info: Any) -> bool:
        if _full_name(info) != self.name:
            return False
        self._own_gids.add(bytes(info.endpoint_gid))
        return True

    def services(self) -> dict[str, str]:
        """Return the services that other nodes serve, and their types."""
        own = {service.service_name for service in self._served}
        known = self.node.get_service_names_and_types()  # includes services with only clients
        return {
            name: types[0]
            for name, types in known
            if name not in own and types and self.node.count_services(name)
        }

    def offers(self) -> list[RosOffer]:
        """Return the offers of other nodes, once there are some and no more appear."""
        self.start()
        began_sec = time.monotonic()
        found: list[RosOffer] = []
        while (took_sec := time.monotonic() - began_sec) < _MOST_SEC:
            time.sleep(_LEAST_SEC / 4)
            before, found = found, sorted(self._offers(), key=lambda each: (each.kind, each.name))
            is_whole = found == before and not any(map(_is_unknown, found))
            if found and is_whole and took_sec > _LEAST_SEC:
                break
        return found

    def _offers(self) -> Iterator[RosOffer]:
        for topic in self.topics():
            qos = "best effort" if topic.is_best_effort else "reliable"
            qos += ", latched" if topic.latched else ""
            for name in ("deadline", "lifespan"):
                if duration_ns := getattr(topic.announced, f"{name}_ns"):
                    qos += f", {name} {duration_ns * 1e-9:g} s"
            fault = _fault(topic.type_name)
            yield RosOffer("topic", topic.name, topic.type_name, qos, topic.nodes, fault)
        for name, type_name in self.services().items():
            yield RosOffer("service", name, type_name, "", (), _fault(f"{type_name}_Request"))

    def is_from_us(self, info: Info) -> bool:
        """Whether this node published a message: a topic carried both ways returns it."""
        return publisher_of(info) in self._own_gids

    # Entities

    def subscribe(self, topic: RosTopic, cls: Any, take: Callable[[Any, Info], None]) -> Any:
        """Call `take` with each message of a topic, and rclpy's information about it."""
        profile = QoSProfile(
            depth=max(_DEPTH, topic.latched),
            reliability=(
                ReliabilityPolicy.BEST_EFFORT
                if topic.is_best_effort
                else ReliabilityPolicy.RELIABLE
            ),
            durability=_durability(topic.latched),
        )

        def taken(msg: Any, info: Any) -> None:
            take(msg, info)

        return self._wake_for(
            self.node.create_subscription(
                cls, topic.name, taken, profile, callback_group=self._group
            )
        )

    def advertise(self, name: str, cls: Any, announced: AnnouncedQoS, *, latched: int) -> Any:
        """Return a publisher, which keeps `latched` messages for late subscribers."""
        profile = QoSProfile(
            depth=max(latched, _LATCHED.get(name, 1)) if latched else _DEPTH,
            durability=_durability(latched),
            deadline=Duration(nanoseconds=announced.deadline_ns),
            lifespan=Duration(nanoseconds=announced.lifespan_ns),
        )
        return self.node.create_publisher(cls, name, profile, callback_group=self._group)

    def client(self, name: str, cls: Any) -> Any:
        """Return a client of a service."""
        return self._wake_for(self.node.create_client(cls, name, callback_group=self._group))

    def serve(self, name: str, cls: Any, call: Callable[[Any, Callable[[Any], None]], None]) -> Any:
        """Serve a service.

        Args:
            name: its name.
            cls: its type.
            call: starts a call; called with the request, and with a function that accepts the
                response from any thread. A response of None sends no answer to ROS's caller: ROS
                has no message for a failed service.
        """

        async def answered(request: Any, _: Any) -> Any:
            future: Future[Any] = Future(executor=self._executor)

            def done(response: Any) -> None:
                future.set_result(response)
                self._executor.wake()

            call(request, done)
            return await future

        service = self.node.create_service(cls, name, answered, callback_group=self._group)
        send = service.send_response

        def send_response(response: Any, header: Any) -> None:
            if response is not None:
                send(response, header)

        service.send_response = send_response
        self._served.append(service)
        return self._wake_for(service)

    def _wake_for(self, entity: Any) -> Any:
        self._executor.wake()  # it still waits for the earlier entities only
        return entity

    def destroy(self, entity: Any) -> None:
        """End a subscription, a publisher, a client or a service.

        rclpy's thread does it: it may be about to wait for what another thread destroyed, and then
        it would wait for nothing any longer.
        """
        self._served = [service for service in self._served if service is not entity]
        self._executor.create_task(self._destroy, entity)

    def _destroy(self, entity: Any) -> None:
        node = self.node
        for destroy in (
            node.destroy_subscription,
            node.destroy_publisher,
            node.destroy_client,
            node.destroy_service,
        ):
            if destroy(entity):
                break

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown(timeout_sec=1.0)
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)
        self.node.destroy_node()
        self._context.try_shutdown()


def _durability(latched: int) -> Any:
    return DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE


def _latched(name: str, profiles: list[Any]) -> int:
    if any(each.durability != DurabilityPolicy.TRANSIENT_LOCAL for each in profiles):
        return 0
    known = [int(each.depth) for each in profiles if each.history == HistoryPolicy.KEEP_LAST]
    return max([1, _LATCHED.get(name, 1), *known])


def _ns(duration: Any) -> int:
    found = int(duration.nanoseconds)
    return found if found < _NONE_NS else 0


def _is_unknown(offer: RosOffer) -> bool:
    """Whether a topic was found before its publisher's node, whose name arrives later."""
    return any(_UNKNOWN in node for node in offer.nodes)


def _fault(type_name: str) -> str:
    """Return why a type cannot be converted; empty if it can."""
    try:
        ros_type(type_name)
    except CommandError as error:
        return str(error)
    return ""


def _full_name(info: Any) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
