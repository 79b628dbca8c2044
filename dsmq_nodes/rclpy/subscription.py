"""Subscriptions."""

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypedDict

from dsmq_nodes.rclpy.event_handler import SubscriptionEventCallbacks
from dsmq_nodes.rclpy.impl.c_errors import RCLError, wrong_arguments
from dsmq_nodes.rclpy.impl.entity_end import EntityEnd
from dsmq_nodes.rclpy.impl.topics.content_filter import is_of_texts
from dsmq_nodes.rclpy.impl.topics.topic_handles import SubscriptionHandle, info_of
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.rclpy.subscription_content_filter_options import ContentFilterOptions

_SET_FILTER: Final = (
    "set_content_filter(self: rclpy._rclpy_pybind11.Subscription, arg0: str, "
    "arg1: collections.abc.Sequence[str]) -> None"
)


class MessageInfo(TypedDict):
    """The metadata of a message."""

    source_timestamp: int
    received_timestamp: int
    publication_sequence_number: int | None
    reception_sequence_number: int | None
    publisher_gid: dict[str, Any] | None


class Subscription(EntityEnd):
    """Receives messages of one type on one topic; made by `Node.create_subscription`."""

    handle: SubscriptionHandle

    class CallbackType(Enum):
        """The arguments that the callback takes."""

        MessageOnly = 0
        WithMessageInfo = 1

    def __init__(
        self,
        subscription_impl: SubscriptionHandle,
        msg_type: Any,
        topic: str,
        callback: Callable[..., Any],
        callback_group: Any,
        qos_profile: QoSProfile,
        raw: bool,
        event_callbacks: SubscriptionEventCallbacks,
    ) -> None:
        self.handle = subscription_impl
        self.msg_type = msg_type
        self.topic = topic
        self.callback = callback
        self.callback_group = callback_group
        self._executor_event = False
        self.qos_profile = qos_profile
        self.raw = raw
        self.event_handlers = event_callbacks.create_event_handlers(
            callback_group, subscription_impl, topic
        )
        subscription_impl.begin()

    def get_publisher_count(self) -> int:
        """Return the number of publishers with a compatible type and QoS."""
        with self.handle:
            return self.handle.get_publisher_count()

    @property
    def topic_name(self) -> str:
        """The topic's absolute name."""
        with self.handle:
            return self.handle.get_topic_name()

    @property
    def callback(self) -> Callable[..., Any]:
        """The callback; a new one takes effect at once."""
        return self._callback

    @callback.setter
    def callback(self, value: Callable[..., Any]) -> None:
        self._callback = value
        self._callback_type = _callback_type(value)

    def take(self, _executor: Any) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
        """Return the callback with the oldest message, or None."""
        self.handle.check()
        found = self.handle.take(raw=self.raw)
        if found is None:
            return None
        if self._callback_type is Subscription.CallbackType.MessageOnly:
            return self._callback, found[:1]
        return self._callback, (found[0], info_of(found[1]))

    @property
    def is_cft_enabled(self) -> bool:
        """Whether a content filter is set."""
        with self.handle:
            return self.handle.content_filter is not None

    def set_content_filter(self, filter_expression: str, expression_parameters: list[str]) -> None:
        """Set a content filter; an empty expression removes the filter.

        Raises:
            RCLError: the expression cannot be read.
            TypeError: the expression is not a str, or the parameters are not a list of str.
        """
        with self.handle:
            wanted = ContentFilterOptions(filter_expression, expression_parameters)
            if not is_of_texts(wanted):
                raise wrong_arguments(
                    _SET_FILTER, self.handle, filter_expression, expression_parameters
                )
            if not filter_expression:
                self.handle.content_filter = None
                return
            self.handle.filter_by(wanted, "Failed to set cft expression parameters")

    def get_content_filter(self) -> ContentFilterOptions:
        """Return the content filter.

        Raises:
            RCLError: no content filter is set.
        """
        with self.handle:
            if self.handle.content_filter is None:
                raise RCLError(
                    "Failed to get cft expression parameters: this subscriber has not created a "
                    "ContentFilteredTopic"
                )
            return self.handle.content_filter.options


def _callback_type(callback: Callable[..., Any]) -> Subscription.CallbackType:
    for count, kind in enumerate(Subscription.CallbackType, 1):
        try:
            inspect.signature(callback).bind(*[object()] * count)
        except TypeError:
            continue
        return kind
    raise RuntimeError(
        "Subscription.__init__(): callback should be either be callable with one argument"
        "(to get only the message) or two (to get message and message info)"
    )
