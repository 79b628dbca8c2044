"""Publishers."""

from typing import Any

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.event_handler import EventHandler, PublisherEventCallbacks
from dsmq_nodes.rclpy.impl.entity_end import EntityEnd
from dsmq_nodes.rclpy.impl.topics.topic_handles import PublisherHandle
from dsmq_nodes.rclpy.qos import QoSProfile

_FOREVER = Duration(seconds=-1)


class Publisher(EntityEnd):
    """Sends messages of one type on one topic; made by `Node.create_publisher`."""

    handle: PublisherHandle

    def __init__(
        self,
        publisher_impl: PublisherHandle,
        msg_type: Any,
        topic: str,
        qos_profile: QoSProfile,
        event_callbacks: PublisherEventCallbacks,
        callback_group: Any,
    ) -> None:
        self.handle = publisher_impl
        self.msg_type = msg_type
        self.topic = topic
        self.qos_profile = qos_profile
        self.event_handlers: list[EventHandler] = event_callbacks.create_event_handlers(
            callback_group, publisher_impl, topic
        )
        publisher_impl.begin()

    def publish(self, msg: Any) -> None:
        """Send a message, which may be serialized already.

        Raises:
            TypeError: the message has another type, or a field has a wrong value.
            InvalidHandle: the publisher was destroyed.
            RCLError: the message cannot be sent.
        """
        self.handle.check()
        if isinstance(msg, self.msg_type):
            self.handle.publish(msg)
        elif isinstance(msg, bytes):
            self.handle.publish_raw(msg)
        else:
            raise TypeError(f"Expected {self.msg_type}, got {type(msg)}")

    def get_subscription_count(self) -> int:
        """Return the number of subscriptions with a compatible type and QoS."""
        with self.handle:
            return self.handle.get_subscription_count()

    @property
    def topic_name(self) -> str:
        """The topic's absolute name."""
        with self.handle:
            return self.handle.get_topic_name()

    def assert_liveliness(self) -> None:
        """Show that the publisher is alive, although it publishes nothing."""
        with self.handle:
            self.handle.assert_liveliness()

    def wait_for_all_acked(self, timeout: Duration = _FOREVER) -> bool:
        """Return True: published messages are at once in the memory that subscriptions read."""
        timeout.get_c_duration()
        with self.handle:
            return self.handle.wait_for_all_acked()
