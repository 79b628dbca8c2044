"""Publishers."""

from types import GenericAlias
from typing import Any, ClassVar, Self

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.event_handler import EventHandler, PublisherEventCallbacks
from dsmq_nodes.rclpy.impl.topics.topic_handles import PublisherHandle
from dsmq_nodes.rclpy.qos import QoSProfile

_FOREVER = Duration(seconds=-1)


class Publisher:
    """Sends messages of one type on one topic; made by `Node.create_publisher`."""

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # for annotations

    def __init__(
        self,
        publisher_impl: PublisherHandle,
        msg_type: Any,
        topic: str,
        qos_profile: QoSProfile,
        event_callbacks: PublisherEventCallbacks,
        callback_group: Any,
    ) -> None:
        self._handle = publisher_impl
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
        self._handle.check()
        if isinstance(msg, self.msg_type):
            self._handle.publish(msg)
        elif isinstance(msg, bytes):
            self._handle.publish_raw(msg)
        else:
            raise TypeError(f"Expected {self.msg_type}, got {type(msg)}")

    def get_subscription_count(self) -> int:
        """Return the number of subscriptions with a compatible type and QoS."""
        with self._handle:
            return self._handle.get_subscription_count()

    @property
    def topic_name(self) -> str:
        """The topic's absolute name."""
        with self._handle:
            return self._handle.get_topic_name()

    @property
    def handle(self) -> PublisherHandle:
        """The internal handle of the publisher."""
        return self._handle

    @property
    def logger_name(self) -> str:
        """The name of the node's logger."""
        with self._handle:
            return self._handle.get_logger_name()

    def destroy(self) -> None:
        """Destroy the publisher; `Node.destroy_publisher` calls this."""
        for handler in self.event_handlers:
            handler.destroy()
        self._handle.destroy_when_not_in_use()

    def assert_liveliness(self) -> None:
        """Show that the publisher is alive, although it publishes nothing."""
        with self._handle:
            self._handle.assert_liveliness()

    def wait_for_all_acked(self, timeout: Duration = _FOREVER) -> bool:
        """Return True: published messages are at once in the memory that subscriptions read."""
        timeout.get_c_duration()
        with self._handle:
            return self._handle.wait_for_all_acked()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()
