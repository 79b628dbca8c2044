"""The inner sides of publishers and subscriptions.

A message is converted to text in `publish`, in the thread of the caller, and back when an executor
takes it. Between the two lies the kit, which carries the text.
"""

import copy
import time
from collections import deque
from enum import IntEnum
from typing import Any, Final

from dsmq_nodes import MessageInfo
from dsmq_nodes import QoSProfile as KitProfile
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.rclpy.impl.c_errors import RCLError, RMWError
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.impl.log_output import log_inside
from dsmq_nodes.rclpy.impl.nodes.ends import PUBLISHER, SUBSCRIPTION, End, ends
from dsmq_nodes.rclpy.impl.nodes.node_handle import NodeHandle, graph_follower
from dsmq_nodes.rclpy.impl.nodes.peer_node import io
from dsmq_nodes.rclpy.impl.topics.carrier import Parts, carrier_class, carry
from dsmq_nodes.rclpy.impl.topics.cdr import as_sent
from dsmq_nodes.rclpy.impl.topics.content_filter import ContentFilter, FilterError, check_texts
from dsmq_nodes.rclpy.impl.topics.event_infos import (
    EventHub,
    PublisherEventType,
    SubscriptionEventType,
    count_one,
    counting,
)
from dsmq_nodes.rclpy.impl.topics.liveness import (
    Deadline,
    Lease,
    Liveliness,
    is_by_hand,
    lease_sec_of,
)
from dsmq_nodes.rclpy.impl.topics.qos_rules import check_is_known, faults
from dsmq_nodes.rclpy.interfaces import conversion_of
from dsmq_nodes.rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from dsmq_nodes.rclpy.serialization import deserialize_message
from dsmq_nodes.rclpy.subscription_content_filter_options import ContentFilterOptions

_LEAST_KIT_DEPTH: Final = 100  # of the mailbox before ours: it is emptied at once
_ALL: Final = 10_000  # the depth that stands for KEEP_ALL
_WORD_BYTES: Final = 4
_FILTER_NOT_MADE: Final = "create_contentfilteredtopic() failed to create contentfilteredtopic"
_FILTER_NOT_SET: Final = "failed to set_filter_expression"
_ERROR: Final = 40


def _depth(qos: QoSProfile) -> int:
    return _ALL if qos.history == HistoryPolicy.KEEP_ALL else max(int(qos.depth), 1)


def _is_latched(qos: QoSProfile) -> bool:
    return bool(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL)


class TopicHandle(InnerHandle):
    """The base of publishers and subscriptions."""

    def __init__(
        self, kind: str, node: NodeHandle, msg_type: Any, topic: str, qos: QoSProfile
    ) -> None:
        super().__init__()
        node.check_context(f"Failed to create {kind}")
        self.node = node
        self.topic = topic
        self.qos = qos = _decided(kind, qos)
        self.events = EventHub()
        self.wake = node.wake
        self.conversion = conversion_of(msg_type)
        type_name = self.conversion.message_class.type_name
        others = ends.own_types(topic) - {type_name}
        if others:
            raise RCLError(
                f"Failed to create {kind}: create_{kind}() called for existing topic name "
                f"rt{topic} with incompatible type {_dds_name(type_name)}"
            )
        check_is_known(qos, f"Failed to create {kind}")
        if qos.depth < 0:
            raise RCLError(
                f"Failed to create {kind}: failed to set history depth since the requested queue "
                "size exceeds the DDS type"
            )
        self.end = End(kind, topic, type_name, node.name, node.namespace, qos, self.events)
        self._carrier = carrier_class(self.conversion.message_class)
        self._deadline: Deadline | None = None

    def _watch_deadline(self, missed: IntEnum) -> None:
        """Count each deadline that is missed, if the end has one and a handler of that event."""
        if self.qos.deadline.nanoseconds and self.events.has(missed):
            period_sec = self.qos.deadline.nanoseconds * 1e-9
            self._deadline = Deadline(period_sec, lambda: self.events.happen(missed, count_one))

    def _join(self) -> None:
        """Become an end of the node; others see the profile before the end itself."""
        self.node.inner.add(self)
        self.node.announced.add(self.end.kind, self.topic, self.qos, self._carrier)

    def _withdraw(self) -> None:
        self.node.inner.discard(self)
        ends.remove(self.end)
        self.node.announced.remove(self.end.kind, self.topic, self.qos, self._carrier)

    def get_topic_name(self) -> str:
        """Return the topic's absolute name."""
        return self.topic

    def get_logger_name(self) -> str:
        """Return the name of the node's logger."""
        return self.node.logger_name

    def count_others(self) -> int:
        """Return the number of compatible ends on the other side."""
        graph_follower.ask()
        return ends.fitting(self.end)


def _decided(kind: str, qos: QoSProfile) -> QoSProfile:
    """Return a profile with Fast DDS's choices for the policies that are left to the system."""
    decided = copy.copy(qos)
    is_publisher = kind == PUBLISHER
    if not qos.reliability:
        decided.reliability = (
            ReliabilityPolicy.RELIABLE if is_publisher else ReliabilityPolicy.BEST_EFFORT
        )
    if not qos.durability:
        decided.durability = (
            DurabilityPolicy.TRANSIENT_LOCAL if is_publisher else DurabilityPolicy.VOLATILE
        )
    return decided


def _dds_name(type_name: str) -> str:
    package, kind, name = type_name.split("/")
    return f"{package}::{kind}::dds_::{name}_"


class PublisherHandle(TopicHandle):
    """The inner side of a publisher."""

    def __init__(self, node: NodeHandle, msg_type: Any, topic: str, qos: QoSProfile) -> None:
        super().__init__(PUBLISHER, node, msg_type, topic, qos)
        msg_type()  # imports numpy if its arrays need that; in a callback it would come too late
        self._msg_type = msg_type
        self._context = node.context
        self._to_record = self.conversion.to_record
        self._is_latched = _is_latched(self.qos)
        if self._is_latched:
            self.end.kept = deque(maxlen=_depth(qos))
        durability = "transient_local" if self._is_latched else "volatile"
        profile = KitProfile(depth=_depth(qos), durability=durability)  # type: ignore[arg-type]
        self._join()
        self._kit = io.run(node.kit.create_publisher, self._carrier, topic, profile)
        self._send = self._kit.publish
        self._lease: Lease | None = None
        self._count = 0

    def begin(self) -> None:
        """Show the publisher to others, because its event handlers exist now."""
        self._watch_deadline(PublisherEventType.RCL_PUBLISHER_OFFERED_DEADLINE_MISSED)
        if is_by_hand(self.qos) and (lease_sec := lease_sec_of(self.qos)):
            self._lease = Lease(lease_sec, self._lapse)
        ends.add(self.end)

    def _lapse(self) -> None:
        """Count a lease that was not renewed in time at all ends, then call the listeners."""
        lost = PublisherEventType.RCL_PUBLISHER_LIVELINESS_LOST
        listeners = list(self.events.count(lost, count_one))
        for each in ends.named(SUBSCRIPTION, self.topic):
            if each.liveliness is not None:
                listeners += each.liveliness.lapsed(self.end)
        for listener in listeners:
            listener()

    def publish(self, message: Any) -> None:
        """Send a message.

        Raises:
            RCLError: the context is not valid, or the message is too large.
        """
        self._check_context("Failed to publish")
        try:
            parts = self._to_record(message)
        except RMWError as error:
            raise RCLError("Failed to publish: cannot publish data") from error
        self._publish_parts(parts)

    def publish_raw(self, data: bytes) -> None:
        """Send a message that is serialized already."""
        self._check_context("Failed to publish")
        self._publish_parts(self._to_record(deserialize_message(data, self._msg_type)))

    def _check_context(self, what: str) -> None:
        if not self._context.ok():
            raise RCLError(f"{what}: publisher's context is invalid")

    def _publish_parts(self, parts: tuple[bytes, str, Any]) -> None:
        try:
            self._send(carry(self._carrier, parts))
        except (DsmqError, ValueError) as error:
            raise RCLError(f"Failed to publish: {error}") from error
        self._count += 1
        if self._is_latched:
            with ends.latched:
                at_ns = time.time_ns()
                self.end.kept.append((parts, self._count, at_ns))
                self._deliver(parts, at_ns)
        elif self.topic in ends.deliveries:
            self._deliver(parts, time.time_ns())
        if self._deadline is not None:
            self._deadline.renew()
        if self._lease is not None:
            self._lease.renew()

    def _deliver(self, parts: Parts, at_ns: int) -> None:
        for take in ends.deliveries.get(self.topic, ()):
            take(parts, self.end, self._count, at_ns)

    def get_subscription_count(self) -> int:
        """Return the number of compatible subscriptions."""
        self._check_context("failed to get subscription count")
        return self.count_others()

    def wait_for_all_acked(self) -> bool:
        """Return True: published messages lie in the log from which subscriptions read."""
        self._check_context("Failed to wait for all acknowledgements")
        return True

    def assert_liveliness(self) -> None:
        """Renew the lease without publishing anything."""
        self._check_context("Failed to assert liveliness on the Publisher")
        if self._lease is not None:
            self._lease.renew()
            for each in ends.named(SUBSCRIPTION, self.topic):
                if each.liveliness is not None and not faults(self.qos, each.qos):
                    each.liveliness.renew(self.end)

    def destroy_when_not_in_use(self) -> None:
        """Destroy the publisher."""
        if self.is_destroyed:
            return
        super().destroy_when_not_in_use()
        for each in (self._deadline, self._lease):
            if each is not None:
                each.close()
        io.run(self.node.kit.destroy_publisher, self._kit)
        self._withdraw()


Arrived = tuple[Parts, MessageInfo, int]
"""The parts of a message, what is known of it, and until when it may be delivered, in ns."""


class SubscriptionHandle(TopicHandle):
    """The inner side of a subscription: its queue.

    Attributes:
        arrived: called in the I/O thread when a message has arrived, for a program that takes
            messages without an executor.
    """

    def __init__(
        self,
        node: NodeHandle,
        msg_type: Any,
        topic: str,
        qos: QoSProfile,
        filter_options: ContentFilterOptions | None = None,
    ) -> None:
        super().__init__(SUBSCRIPTION, node, msg_type, topic, qos)
        self.arrived: Any = None
        self.content_filter: ContentFilter | None = None
        if filter_options is not None:
            check_texts(filter_options)
            self.filter_by(filter_options, "Failed to create subscription")
        is_all = qos.history == HistoryPolicy.KEEP_ALL
        self._queue: deque[Arrived] = deque(maxlen=None if is_all else max(int(qos.depth), 1))
        self._takes_latched = _is_latched(self.qos)
        self._lifespan_ns = max(qos.lifespan.nanoseconds, 0)
        self._invalid = 0
        self._lost = 0
        self._has_expiring = False
        self._was_empty = True  # when an executor asked, and no message was put since
        self._reports_losses = False
        # The depth also limits the latched messages that come: the program asks for so many.
        depth = _depth(qos) if self._takes_latched else max(_depth(qos), _LEAST_KIT_DEPTH)
        self._join()
        (ends.deliver_kept if self._takes_latched else ends.deliver)(topic, self._take_own)
        self._kit = io.run(self._subscribe, depth)

    def filter_by(self, options: ContentFilterOptions, what: str) -> None:
        """Deliver only messages that pass a filter.

        Raises:
            RCLError: it cannot be read, or does not fit the messages.
        """
        kind = self.conversion.ros_class
        try:
            expression, parameters = options.filter_expression, options.expression_parameters
            self.content_filter = ContentFilter(kind, expression, parameters)
        except FilterError:
            why = _FILTER_NOT_MADE if self.content_filter is None else _FILTER_NOT_SET
            raise RCLError(f"{what}: {why}") from None

    def _subscribe(self, depth: int) -> Any:
        kit = self.node.kit.create_subscription(self._carrier, self.topic, self._take_in, depth)
        self.node.kit.confirm_subscriptions()
        return kit

    def begin(self) -> None:
        """Show the subscription to others, because its event handlers exist now."""
        self._watch_deadline(SubscriptionEventType.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED)
        lost = SubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST
        self._reports_losses = self.events.has(lost)
        if self.events.has(SubscriptionEventType.RCL_SUBSCRIPTION_LIVELINESS_CHANGED):
            self.end.liveliness = Liveliness(self.end)
        ends.add(self.end)

    # In the thread that publishes, or the I/O thread for messages of other processes

    def _take_own(self, parts: Parts, sender: End, number: int, at_ns: int) -> None:
        if self.is_destroyed or faults(sender.qos, self.qos):
            return
        if self.end.liveliness is not None:
            self.end.liveliness.renew(sender)
        info = MessageInfo(self.topic, sender.full_node, 0, number, at_ns, time.time_ns())
        self._put(parts, info, at_ns + self._lifespan_ns if self._lifespan_ns else 0)

    def _take_in(self, parts: Parts, info: MessageInfo) -> None:
        if info.publisher_name in ends.own_peers:
            return  # it was taken when it was published, or its publisher has ended
        until_ns = info.source_timestamp + self._lifespan_ns if self._lifespan_ns else 0
        if info.is_latched:
            if not self._takes_latched:
                return
            until_ns = min(filter(None, (until_ns, self._latched_until_ns(info))), default=0)
        if info.publisher_name in self.end.refused:
            return  # the publisher offers less than is requested: no message of it is received
        if self.end.liveliness is not None:
            self._renew_of(info.publisher_name)
        if len(self._queue) == self._queue.maxlen:
            time.sleep(0)  # let the executor run before the oldest message is dropped
        self._put(parts, info, until_ns)

    def _renew_of(self, publisher_name: str) -> None:
        """Renew the leases of the publishers of another process's node."""
        for each in ends.named(PUBLISHER, self.topic):
            if each.full_node == publisher_name:
                self.end.liveliness.renew(each)

    def _latched_until_ns(self, info: MessageInfo) -> int:
        """Return the end of a late message's lifespan."""
        found = [
            each.qos.lifespan.nanoseconds
            for each in ends.named(PUBLISHER, self.topic)
            if each.qos is not None and each.full_node == info.publisher_name
        ]
        longest_ns = max(found, default=0)
        return info.source_timestamp + longest_ns if longest_ns else 0

    def _put(self, parts: Parts, info: MessageInfo, until_ns: int) -> None:
        if self.content_filter is not None and not self._passes(parts):
            return
        if self._deadline is not None:
            self._deadline.renew()
        if until_ns:
            self._has_expiring = True
        self._queue.append((parts, info, until_ns))
        if self._reports_losses:
            self._count_losses()
        if self._was_empty:  # not the length: other threads put messages, too
            self._was_empty = False
            self.node.wake()
        if self.arrived is not None:
            self.arrived()

    def _passes(self, parts: Parts) -> bool:
        assert self.content_filter is not None
        message = self._decode(parts)
        return message is not None and self.content_filter.passes(message)

    def _count_losses(self) -> None:
        lost = SubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST
        dropped = self._kit.dropped if hasattr(self, "_kit") else 0
        if dropped > self._lost:
            change, self._lost = dropped - self._lost, dropped
            self.events.happen(lost, counting(total_count=change))

    # In the executor's thread

    def is_ready(self) -> bool:
        """Whether there is a message to take."""
        if self._has_expiring:
            self._drop_expired()
        if not self._queue:
            self._was_empty = True  # first: a message may come meanwhile
        return bool(self._queue) and self.arrived is None and not self.is_destroyed

    def _drop_expired(self) -> None:
        now_ns = time.time_ns()
        while self._queue and 0 < self._queue[0][2] < now_ns:
            self._queue.popleft()

    def take_message(self, _msg_type: Any, raw: bool) -> tuple[Any, dict[str, Any]] | None:
        """Return the oldest message and its metadata; None if there is none."""
        found = self.take(raw=raw)
        return None if found is None else (found[0], info_of(found[1]))

    def take(self, *, raw: bool) -> tuple[Any, MessageInfo] | None:
        """Take as `take_message`, with the kit's MessageInfo."""
        while self._queue:
            try:
                parts, info, _ = self._queue.popleft()
            except IndexError:
                return None
            message = self._decode(parts)
            if message is not None:
                return (self._serialized(message, info) if raw else message), info
        return None

    def _serialized(self, message: Any, info: MessageInfo) -> bytes:
        """Return a message as bytes; from another process it has DDS's padding to whole words."""
        data = as_sent(message)
        if info.publisher_name in ends.own_peers:
            return data
        return data.ljust(-(-len(data) // _WORD_BYTES) * _WORD_BYTES, b"\0")

    def _decode(self, parts: Parts) -> Any:
        text, field, raw = parts
        try:
            if field:
                return self.conversion.from_parts(text, raw)
            return self.conversion.from_json(text)
        except DsmqError as error:
            self._invalid += 1
            if self._invalid == 1:
                log_inside(
                    _ERROR,
                    self.node.logger_name,
                    f"{self.topic}: a message is not valid: {error}; others like it are dropped "
                    "too",
                )
            return None

    def get_publisher_count(self) -> int:
        """Return the number of compatible publishers."""
        return self.count_others()

    def destroy_when_not_in_use(self) -> None:
        """Destroy the subscription."""
        if self.is_destroyed:
            return
        super().destroy_when_not_in_use()
        if self._deadline is not None:
            self._deadline.close()
        ends.end_delivery(self.topic, self._take_own)
        io.run(self.node.kit.destroy_subscription, self._kit)
        self._withdraw()


def info_of(info: MessageInfo) -> dict[str, Any]:
    """Return the metadata of a message in the form that callbacks get."""
    return {
        "source_timestamp": info.source_timestamp,
        "received_timestamp": info.received_timestamp,
        "publication_sequence_number": info.publication_sequence_number or None,
        "reception_sequence_number": None,
        "publisher_gid": {"implementation_identifier": "", "data": b""},
    }
