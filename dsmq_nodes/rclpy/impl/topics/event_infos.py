"""The events of publishers and subscriptions: their kinds, and what their callbacks receive."""

import copy
from collections import defaultdict
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

from dsmq_nodes.rclpy.impl.c_enum import CEnum
from dsmq_nodes.rclpy.impl.topics.qos_rules import QoSPolicyKind, kind_of_event


class PublisherEventType(CEnum):
    """The kinds of publisher events."""

    RCL_PUBLISHER_OFFERED_DEADLINE_MISSED = 0
    RCL_PUBLISHER_LIVELINESS_LOST = 1
    RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS = 2
    RCL_PUBLISHER_INCOMPATIBLE_TYPE = 3
    RCL_PUBLISHER_MATCHED = 4


PublisherEventType.__name__ = "rcl_publisher_event_type_t"


class SubscriptionEventType(CEnum):
    """The kinds of subscription events."""

    RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED = 0
    RCL_SUBSCRIPTION_LIVELINESS_CHANGED = 1
    RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS = 2
    RCL_SUBSCRIPTION_MESSAGE_LOST = 3
    RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE = 4
    RCL_SUBSCRIPTION_MATCHED = 5


SubscriptionEventType.__name__ = "rcl_subscription_event_type_t"


class CountInfo:
    """The number of events, in all and since the last report."""

    def __init__(self, total_count: int = 0, total_count_change: int = 0) -> None:
        self.total_count = total_count
        self.total_count_change = total_count_change

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({fields})"


class rmw_offered_deadline_missed_status_t(CountInfo):  # noqa: N801  as rmw calls it
    """A publisher was silent for longer than it has promised."""


class rmw_requested_deadline_missed_status_t(CountInfo):  # noqa: N801
    """A subscription has waited for longer than it asks for."""


class rmw_liveliness_lost_status_t(CountInfo):  # noqa: N801
    """A publisher has not shown in time that it is alive."""


class rmw_message_lost_status_t(CountInfo):  # noqa: N801
    """A subscription has not received a message."""


class rmw_incompatible_type_status_t(CountInfo):  # noqa: N801
    """Another end has another type."""


class rmw_requested_qos_incompatible_event_status_t(CountInfo):  # noqa: N801
    """Another end has a profile that does not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.last_policy_kind = kind_of_event(QoSPolicyKind.INVALID)


class rmw_matched_status_t(CountInfo):  # noqa: N801
    """Another end has come or gone."""

    def __init__(self) -> None:
        super().__init__()
        self.current_count = 0
        self.current_count_change = 0


class rmw_liveliness_changed_status_t(CountInfo):  # noqa: N801
    """A publisher has become alive, or is no longer."""

    def __init__(self) -> None:
        self.alive_count = 0
        self.not_alive_count = 0
        self.alive_count_change = 0
        self.not_alive_count_change = 0


_Key = tuple[type[IntEnum], int]


def _key(kind: IntEnum) -> _Key:
    """Return a kind as a key: members of two IntEnums are equal if their numbers are."""
    return type(kind), int(kind)


_pub, _sub = PublisherEventType, SubscriptionEventType
INFOS: Final[dict[_Key, type[Any]]] = {
    _key(kind): info
    for info, kinds in {
        rmw_offered_deadline_missed_status_t: (_pub.RCL_PUBLISHER_OFFERED_DEADLINE_MISSED,),
        rmw_requested_deadline_missed_status_t: (_sub.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED,),
        rmw_liveliness_lost_status_t: (_pub.RCL_PUBLISHER_LIVELINESS_LOST,),
        rmw_liveliness_changed_status_t: (_sub.RCL_SUBSCRIPTION_LIVELINESS_CHANGED,),
        rmw_requested_qos_incompatible_event_status_t: (
            _pub.RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS,
            _sub.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS,
        ),
        rmw_message_lost_status_t: (_sub.RCL_SUBSCRIPTION_MESSAGE_LOST,),
        rmw_incompatible_type_status_t: (
            _pub.RCL_PUBLISHER_INCOMPATIBLE_TYPE,
            _sub.RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE,
        ),
        rmw_matched_status_t: (_pub.RCL_PUBLISHER_MATCHED, _sub.RCL_SUBSCRIPTION_MATCHED),
    }.items()
    for kind in kinds
}


class _Infos(defaultdict[_Key, Any]):
    """The counted events, by kind."""

    def __missing__(self, key: _Key) -> Any:
        return self.setdefault(key, INFOS[key]())


class EventHub:
    """The events of one end, and the listeners of each.

    Events are counted from the beginning of the end, also without a listener, as in DDS.
    """

    def __init__(self) -> None:
        self._infos: defaultdict[_Key, Any] = _Infos()
        self._listeners: dict[_Key, list[Callable[[], object]]] = {}
        self._new: set[_Key] = set()

    def listen(self, kind: IntEnum, listener: Callable[[], object]) -> None:
        """Call `listener()` when an event of the kind has happened."""
        self._listeners.setdefault(_key(kind), []).append(listener)

    def ignore(self, kind: IntEnum, listener: Callable[[], object]) -> None:
        """Remove a listener."""
        self._listeners[_key(kind)].remove(listener)

    def has(self, kind: IntEnum) -> bool:
        """Whether a kind of event has a listener."""
        return bool(self._listeners.get(_key(kind)))

    def is_new(self, kind: IntEnum) -> bool:
        """Whether an event has happened since the last `take`."""
        return _key(kind) in self._new

    def happen(self, kind: IntEnum, change: Callable[[Any], None]) -> None:
        """Count an event by `change(info)`, and call the listeners."""
        for listener in self.count(kind, change):
            listener()

    def count(
        self, kind: IntEnum, change: Callable[[Any], None]
    ) -> tuple[Callable[[], object], ...]:
        """Count an event, and return the listeners: the caller counts at other ends first."""
        key = _key(kind)
        change(self._infos[key])
        self._new.add(key)
        return tuple(self._listeners.get(key, ()))

    def take(self, kind: IntEnum) -> Any:
        """Return the information about the events since the last call."""
        self._new.discard(_key(kind))
        info = self._infos[_key(kind)]
        taken = copy.copy(info)
        for name in vars(info):
            if name.endswith("_change"):  # changes count from here
                setattr(info, name, 0)
        return taken


def counting(**more: int) -> Callable[[Any], None]:
    """Return the function that adds to an info's counts and to their changes."""

    def count(info: Any) -> None:
        for name, number in more.items():
            for each in (name, f"{name}_change"):
                setattr(info, each, getattr(info, each) + number)

    return count


count_one: Final = counting(total_count=1)
