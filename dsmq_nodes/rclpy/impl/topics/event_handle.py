"""The inner side of an event of a publisher or a subscription."""

from enum import IntEnum
from typing import Any, Final

from dsmq_nodes.rclpy.impl.c_errors import RCLError, wrong_arguments
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.impl.nodes.ends import PUBLISHER
from dsmq_nodes.rclpy.impl.topics.event_infos import PublisherEventType, SubscriptionEventType
from dsmq_nodes.rclpy.impl.topics.topic_handles import TopicHandle

_CLASS: Final = "rclpy._rclpy_pybind11.EventHandle"
_EVENT: Final = (
    f"{_CLASS}(arg0: rclpy._rclpy_pybind11.Subscription, arg1: rcl_subscription_event_type_e)\n"
    f"    2. {_CLASS}(arg0: rclpy._rclpy_pybind11.Publisher, arg1: rcl_publisher_event_type_e)"
)


class EventHandle(InnerHandle):
    """Ready when an event of a kind has happened since the last `take_event`."""

    def __init__(self, parent: Any, kind: IntEnum) -> None:
        super().__init__()
        if not _fit(parent, kind):
            raise wrong_arguments(_EVENT, parent, kind)
        self._kind = kind
        self._hub, self._wake = parent.events, parent.wake
        self._hub.listen(kind, self._wake)

    def is_ready(self) -> bool:
        """Whether an event has happened."""
        return self._hub.is_new(self._kind) and not self.is_destroyed

    def take_event(self) -> Any:
        """Return the information about the event.

        Raises:
            RCLError: the handle was destroyed.
        """
        if self.is_destroyed:
            raise RCLError("failed to take event: event pointer is invalid")
        return self._hub.take(self._kind)

    def destroy_when_not_in_use(self) -> None:
        """Stop listening."""
        if not self.is_destroyed:
            super().destroy_when_not_in_use()
            self._hub.ignore(self._kind, self._wake)


def _fit(parent: Any, kind: Any) -> bool:
    if not isinstance(parent, TopicHandle):
        return False
    is_publisher = parent.end.kind == PUBLISHER
    return isinstance(kind, PublisherEventType if is_publisher else SubscriptionEventType)
