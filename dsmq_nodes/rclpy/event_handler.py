"""Callbacks for events of publishers and subscriptions."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from dsmq_nodes.rclpy.impl.c_errors import UnsupportedEventTypeError  # noqa: F401  as there
from dsmq_nodes.rclpy.impl.topics import event_infos as infos
from dsmq_nodes.rclpy.impl.topics.event_handle import EventHandle
from dsmq_nodes.rclpy.impl.topics.event_infos import PublisherEventType, SubscriptionEventType
from dsmq_nodes.rclpy.logging import get_logger
from dsmq_nodes.rclpy.qos import qos_policy_name_from_kind
from dsmq_nodes.rclpy.waitable import NumberOfEntities, SelfWaking

QoSPublisherEventType = PublisherEventType
QoSSubscriptionEventType = SubscriptionEventType
QoSRequestedDeadlineMissedInfo = infos.rmw_requested_deadline_missed_status_t
QoSLivelinessChangedInfo = infos.rmw_liveliness_changed_status_t
QoSMessageLostInfo = infos.rmw_message_lost_status_t
QoSRequestedIncompatibleQoSInfo = infos.rmw_requested_qos_incompatible_event_status_t
QoSSubscriptionMatchedInfo = infos.rmw_matched_status_t
QoSOfferedDeadlineMissedInfo = infos.rmw_offered_deadline_missed_status_t
QoSLivelinessLostInfo = infos.rmw_liveliness_lost_status_t
QoSPublisherMatchedInfo = infos.rmw_matched_status_t
QoSOfferedIncompatibleQoSInfo = infos.rmw_requested_qos_incompatible_event_status_t
IncompatibleTypeInfo = infos.rmw_incompatible_type_status_t
_Callback = Callable[[Any], Any] | None


class EventHandler(SelfWaking):
    """Calls a callback when an event has happened."""

    def __init__(
        self,
        *,
        callback_group: Any,
        callback: Callable[[Any], Any],
        event_type: IntEnum,
        parent_impl: Any,
    ) -> None:
        super().__init__(callback_group)
        self.event_type = event_type
        self.callback = callback
        self._event = EventHandle(parent_impl, event_type)

    def is_ready(self, wait_set: Any) -> bool:
        """Whether the event has happened."""
        return self._event.is_ready()

    def take_data(self) -> Any:
        """Return the information about the event."""
        return self._event.take_event() if self._event.is_ready() else None

    async def execute(self, taken_data: Any) -> None:
        """Call the callback."""
        if taken_data:
            result = self.callback(taken_data)
            if hasattr(result, "__await__"):
                await result

    def get_num_entities(self) -> NumberOfEntities:
        """Return the number of entities: one event."""
        return NumberOfEntities(num_events=1)

    def destroy(self) -> None:
        """Destroy the handler."""
        self._event.destroy_when_not_in_use()


class QoSEventHandler(EventHandler):
    """The former name of `EventHandler`."""

    def __init__(self, **kwargs: Any) -> None:
        warnings.warn(
            "QoSEventHandler is deprecated, use EventHandler instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(**kwargs)


def _handlers(
    pairs: list[tuple[IntEnum, _Callback]], group: Any, parent: Any
) -> list[EventHandler]:
    return [
        EventHandler(callback_group=group, callback=callback, event_type=kind, parent_impl=parent)
        for kind, callback in pairs
        if callback is not None
    ]


@dataclass(kw_only=True, eq=False, repr=False)
class _EventCallbacks:
    deadline: _Callback = None
    incompatible_qos: _Callback = None
    liveliness: _Callback = None
    incompatible_type: _Callback = None
    matched: _Callback = None
    use_default_callbacks: bool = True

    def _of_incompatible(
        self, parent: Any, topic_name: str, text: str
    ) -> tuple[_Callback, _Callback]:
        """Return the callbacks of an incompatible QoS and type; those not given warn."""
        if not self.use_default_callbacks:
            return self.incompatible_qos, self.incompatible_type
        warn = get_logger(parent.get_logger_name()).warn

        def warn_of_qos(event: Any) -> None:
            warn(text.format(topic_name, qos_policy_name_from_kind(event.last_policy_kind)))

        def warn_of_type(_: Any) -> None:
            warn(f"Incompatible type on topic '{topic_name}', no messages will be sent to it.")

        return self.incompatible_qos or warn_of_qos, self.incompatible_type or warn_of_type


@dataclass(kw_only=True, eq=False, repr=False)
class SubscriptionEventCallbacks(_EventCallbacks):
    """The callbacks of a subscription's events."""

    message_lost: _Callback = None

    def create_event_handlers(
        self, callback_group: Any, subscription: Any, topic_name: str
    ) -> list[EventHandler]:
        """Create the handlers for a subscription, given by its inner side."""
        kinds = SubscriptionEventType
        of_qos, of_type = self._of_incompatible(
            subscription,
            topic_name,
            "New publisher discovered on topic '{}', offering incompatible QoS. No messages will "
            "be received from it. Last incompatible policy: {}",
        )
        return _handlers(
            [
                (kinds.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED, self.deadline),
                (kinds.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS, of_qos),
                (kinds.RCL_SUBSCRIPTION_LIVELINESS_CHANGED, self.liveliness),
                (kinds.RCL_SUBSCRIPTION_MESSAGE_LOST, self.message_lost),
                (kinds.RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE, of_type),
                (kinds.RCL_SUBSCRIPTION_MATCHED, self.matched),
            ],
            callback_group,
            subscription,
        )


class PublisherEventCallbacks(_EventCallbacks):
    """The callbacks of a publisher's events."""

    def create_event_handlers(
        self, callback_group: Any, publisher: Any, topic_name: str
    ) -> list[EventHandler]:
        """Create the handlers for a publisher, given by its inner side."""
        kinds = PublisherEventType
        of_qos, of_type = self._of_incompatible(
            publisher,
            topic_name,
            "New subscription discovered on topic '{}', requesting incompatible QoS. No messages "
            "will be sent to it. Last incompatible policy: {}",
        )
        return _handlers(
            [
                (kinds.RCL_PUBLISHER_OFFERED_DEADLINE_MISSED, self.deadline),
                (kinds.RCL_PUBLISHER_LIVELINESS_LOST, self.liveliness),
                (kinds.RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS, of_qos),
                (kinds.RCL_PUBLISHER_INCOMPATIBLE_TYPE, of_type),
                (kinds.RCL_PUBLISHER_MATCHED, self.matched),
            ],
            callback_group,
            publisher,
        )
