"""Quality of service: profiles, policies, presets."""

import warnings
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import Any, Final, TypeVar

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.impl.c_errors import wrong_arguments
from dsmq_nodes.rclpy.impl.checked_slot import EqualBySlots, checked_slot
from dsmq_nodes.rclpy.impl.topics.qos_rules import QoSCompatibility, QoSPolicyKind, verdict

_DEPTHS: Final = 2**31
_C_PROFILE: Final = (
    "rclpy._rclpy_pybind11.rmw_qos_profile_t(arg0: typing.SupportsInt, arg1: typing.SupportsInt, "
    "arg2: typing.SupportsInt, arg3: typing.SupportsInt, "
    "arg4: rclpy._rclpy_pybind11.rcl_duration_t, arg5: rclpy._rclpy_pybind11.rcl_duration_t, "
    "arg6: typing.SupportsInt, arg7: rclpy._rclpy_pybind11.rcl_duration_t, arg8: bool)"
)
_EnumT = TypeVar("_EnumT", bound="QoSPolicyEnum")


def qos_policy_name_from_kind(policy_kind: QoSPolicyKind | int) -> str:
    """Return the name of a policy."""
    return QoSPolicyKind(policy_kind).name


class InvalidQoSProfileException(Exception):  # noqa: N818  rclpy's name
    """The settings of the profile contradict each other."""


class _ShortKeys(Enum):
    """An enumeration whose names may be written in lower case."""

    @classmethod
    def short_keys(cls) -> list[str]:
        """Return the names in lower case."""
        return [name.lower() for name in cls.__members__]

    @classmethod
    def get_from_short_key(cls, name: str) -> Any:
        """Return the value of a name, in upper or lower case.

        Raises:
            KeyError: there is no such name.
        """
        return cls[name.upper()].value


class QoSPolicyEnum(_ShortKeys, IntEnum):
    """The base of the policies."""

    @property
    def short_key(self) -> str:
        """The name in lower case."""
        return self.name.lower()


class _OldName:
    """The former name of a policy value; reading it warns."""

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = old, new

    def __get__(self, _: object, cls: type[QoSPolicyEnum]) -> QoSPolicyEnum:
        warnings.warn(
            f"{cls.__name__}.{self._old} is deprecated. Use {cls.__name__}.{self._new} instead.",
            stacklevel=2,
        )
        return cls[self._new]


def _with_old_names(start: str, *names: str) -> Callable[[type[_EnumT]], type[_EnumT]]:
    def decorate(cls: type[_EnumT]) -> type[_EnumT]:
        for name in names:
            setattr(cls, f"{start}_{name}", _OldName(f"{start}_{name}", name))
        return cls

    return decorate


@_with_old_names("RMW_QOS_POLICY_HISTORY", "SYSTEM_DEFAULT", "KEEP_LAST", "KEEP_ALL", "UNKNOWN")
class HistoryPolicy(QoSPolicyEnum):
    """The number of messages that are kept for a slow callback."""

    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2
    UNKNOWN = 3


@_with_old_names(
    "RMW_QOS_POLICY_RELIABILITY", "SYSTEM_DEFAULT", "RELIABLE", "BEST_EFFORT", "UNKNOWN"
)
class ReliabilityPolicy(QoSPolicyEnum):
    """Whether messages may be lost."""

    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


@_with_old_names(
    "RMW_QOS_POLICY_DURABILITY", "SYSTEM_DEFAULT", "TRANSIENT_LOCAL", "VOLATILE", "UNKNOWN"
)
class DurabilityPolicy(QoSPolicyEnum):
    """Whether late subscriptions get earlier messages."""

    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


@_with_old_names("RMW_QOS_POLICY_LIVELINESS", "SYSTEM_DEFAULT", "AUTOMATIC", "MANUAL_BY_TOPIC")
class LivelinessPolicy(QoSPolicyEnum):
    """The way in which a publisher shows that it is alive."""

    SYSTEM_DEFAULT = 0
    AUTOMATIC = 1
    MANUAL_BY_TOPIC = 3
    UNKNOWN = 4
    BEST_AVAILABLE = 5


QoSHistoryPolicy = HistoryPolicy
QoSReliabilityPolicy = ReliabilityPolicy
QoSDurabilityPolicy = DurabilityPolicy
QoSLivelinessPolicy = LivelinessPolicy

_DEFAULT_DEPTH = 10


class QoSProfile(EqualBySlots):
    """The quality of service of a publisher or a subscription."""

    __slots__ = [  # noqa: RUF023  in rclpy's order, in which it is shown
        "_history",
        "_depth",
        "_reliability",
        "_durability",
        "_lifespan",
        "_deadline",
        "_liveliness",
        "_liveliness_lease_duration",
        "_avoid_ros_namespace_conventions",
    ]

    def __init__(
        self,
        history: HistoryPolicy | int | None = None,
        depth: int | None = None,
        reliability: ReliabilityPolicy | int | None = None,
        durability: DurabilityPolicy | int | None = None,
        lifespan: Duration | None = None,
        deadline: Duration | None = None,
        liveliness: LivelinessPolicy | int | None = None,
        liveliness_lease_duration: Duration | None = None,
        avoid_ros_namespace_conventions: bool | None = None,
    ) -> None:
        if history is None:
            if depth is None:
                raise InvalidQoSProfileException("History and/or depth settings are required.")
            history = HistoryPolicy.KEEP_LAST
        self.history = history
        if self.history == HistoryPolicy.KEEP_LAST and depth is None:
            raise InvalidQoSProfileException("History set to KEEP_LAST without a depth setting.")
        self.depth = _DEFAULT_DEPTH if depth is None else depth
        self.reliability = ReliabilityPolicy.RELIABLE if reliability is None else reliability
        self.durability = DurabilityPolicy.VOLATILE if durability is None else durability
        self.lifespan = Duration() if lifespan is None else lifespan
        self.deadline = Duration() if deadline is None else deadline
        self.liveliness = LivelinessPolicy.SYSTEM_DEFAULT if liveliness is None else liveliness
        lease = liveliness_lease_duration
        self.liveliness_lease_duration = Duration() if lease is None else lease
        avoids = avoid_ros_namespace_conventions
        self.avoid_ros_namespace_conventions = False if avoids is None else avoids

    history = checked_slot(
        "_history", int, "Whether the last messages are kept, or all.", HistoryPolicy
    )
    reliability = checked_slot(
        "_reliability", int, "Whether messages may be lost.", ReliabilityPolicy
    )
    durability = checked_slot(
        "_durability", int, "Whether late subscriptions get earlier messages.", DurabilityPolicy
    )
    lifespan = checked_slot(
        "_lifespan", Duration, "The greatest age of a message at its delivery; 0: any age."
    )
    deadline = checked_slot(
        "_deadline", Duration, "The time within which the next message is expected; 0: no limit."
    )
    liveliness = checked_slot(
        "_liveliness", int, "The way in which a publisher shows that it is alive.", LivelinessPolicy
    )
    liveliness_lease_duration = checked_slot(
        "_liveliness_lease_duration",
        Duration,
        "The time without a sign after which a publisher is not alive; 0: no limit.",
    )
    avoid_ros_namespace_conventions = checked_slot(
        "_avoid_ros_namespace_conventions",
        bool,
        "Stored without effect: names are never prefixed here.",
    )

    @property
    def depth(self) -> int:
        """The number of messages that are kept with KEEP_LAST."""
        return self._depth

    @depth.setter
    def depth(self, value: int) -> None:
        assert isinstance(value, int)
        if self.history == HistoryPolicy.KEEP_LAST and value == 0:
            warnings.warn(
                "A zero depth with KEEP_LAST doesn't make sense; no data could be stored. "
                "This will be interpreted as SYSTEM_DEFAULT",
                stacklevel=2,
            )
        self._depth = value

    def get_c_qos_profile(self) -> "QoSProfile":
        """Return the profile for the C library of rclpy: here the profile itself.

        Raises:
            TypeError: the depth is too large for a C integer.
        """
        if self.depth >= _DEPTHS:
            raise wrong_arguments(
                _C_PROFILE,
                *(self.history, self.depth, self.reliability, self.durability),
                *(self.lifespan, self.deadline, self.liveliness),
                *(self.liveliness_lease_duration, self.avoid_ros_namespace_conventions),
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the policies by their names."""
        return {slot[1:]: getattr(self, slot) for slot in self.__slots__}

    def __str__(self) -> str:
        policies = ", ".join(f"{slot[1:]}={getattr(self, slot)}" for slot in self.__slots__)
        return f"{type(self).__name__}({policies})"


DeadlineBestAvailable = Duration(nanoseconds=2**63 - 2)
LivelinessLeaseDurationeBestAvailable = Duration(nanoseconds=2**63 - 2)

qos_profile_unknown = QoSProfile(
    HistoryPolicy.UNKNOWN,
    0,
    ReliabilityPolicy.UNKNOWN,
    DurabilityPolicy.UNKNOWN,
    liveliness=LivelinessPolicy.UNKNOWN,
)
qos_profile_default = QoSProfile(depth=10)
qos_profile_system_default = QoSProfile(
    HistoryPolicy.SYSTEM_DEFAULT,
    0,
    ReliabilityPolicy.SYSTEM_DEFAULT,
    DurabilityPolicy.SYSTEM_DEFAULT,
)
qos_profile_sensor_data = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
qos_profile_services_default = QoSProfile(depth=10)
qos_profile_parameters = QoSProfile(depth=1000)
qos_profile_parameter_events = QoSProfile(depth=1000)
qos_profile_best_available = QoSProfile(
    HistoryPolicy.KEEP_LAST,
    10,
    ReliabilityPolicy.BEST_AVAILABLE,
    DurabilityPolicy.BEST_AVAILABLE,
    deadline=DeadlineBestAvailable,
    liveliness=LivelinessPolicy.BEST_AVAILABLE,
    liveliness_lease_duration=LivelinessLeaseDurationeBestAvailable,
)
qos_profile_action_status_default = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
qos_profile_rosout_default = QoSProfile(
    depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL, lifespan=Duration(seconds=10)
)


class QoSPresetProfiles(_ShortKeys):
    """The presets by name."""

    UNKNOWN = qos_profile_unknown
    DEFAULT = qos_profile_default
    SYSTEM_DEFAULT = qos_profile_system_default
    SENSOR_DATA = qos_profile_sensor_data
    SERVICES_DEFAULT = qos_profile_services_default
    PARAMETERS = qos_profile_parameters
    PARAMETER_EVENTS = qos_profile_parameter_events
    ACTION_STATUS_DEFAULT = qos_profile_action_status_default
    BEST_AVAILABLE = qos_profile_best_available
    ROSOUT_DEFAULT = qos_profile_rosout_default


def qos_check_compatible(
    publisher_qos: QoSProfile, subscription_qos: QoSProfile
) -> tuple[QoSCompatibility, str]:
    """Return whether a publisher and a subscription are compatible, and the reason if not."""
    return verdict(publisher_qos, subscription_qos)
