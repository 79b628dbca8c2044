"""Whether the profiles of a publisher and a subscription are compatible. No I/O here."""

from enum import IntEnum
from typing import Any, Final

from dsmq_nodes.rclpy.impl.c_enum import CEnum
from dsmq_nodes.rclpy.impl.c_errors import RCLError

_INFINITE_NS: Final = 2**63 - 1


class QoSPolicyKind(IntEnum):
    """The policies of a profile."""

    INVALID = 1
    DURABILITY = 2
    DEADLINE = 4
    LIVELINESS = 8
    RELIABILITY = 16
    HISTORY = 32
    LIFESPAN = 64
    DEPTH = 128
    LIVELINESS_LEASE_DURATION = 256
    AVOID_ROS_NAMESPACE_CONVENTIONS = 512


_as_named: Final[Any] = CEnum
# The policies in the information for an event's callback: equal to the others, with longer names.
kind_of_event: Final[Any] = _as_named(
    "rmw_qos_policy_kind_t", {f"RMW_QOS_POLICY_{each.name}": each.value for each in QoSPolicyKind}
)


class QoSCompatibility(CEnum):
    """The verdict about two profiles."""

    OK = 0
    WARNING = 1
    ERROR = 2


# The numbers of the policies: see qos.py.
_RELIABLE, _BEST_EFFORT = 1, 2
_TRANSIENT, _VOLATILE = 1, 2
_AUTOMATIC, _MANUAL = 1, 3


_UNKNOWN: Final = {"history": 3, "reliability": 3, "durability": 3, "liveliness": 4}


def check_is_known(qos: Any, what: str) -> None:
    """Check that each policy has a value that an end can have.

    Raises:
        RCLError: one is UNKNOWN.
    """
    for name, unknown in _UNKNOWN.items():
        if getattr(qos, name) == unknown:
            shown = name.capitalize() if name == "liveliness" else name  # as rmw_fastrtps does
            raise RCLError(f"{what}: Unknown QoS {shown} policy")


def _limit_ns(duration: Any) -> int:
    """Return a deadline or a lease; a missing one and 0 are infinite."""
    return duration.nanoseconds or _INFINITE_NS


def faults(offered: Any, requested: Any) -> list[QoSPolicyKind]:
    """Return the policies in which a publisher offers less than a subscription requests."""
    found = []
    if offered.durability == _VOLATILE and requested.durability == _TRANSIENT:
        found.append(QoSPolicyKind.DURABILITY)
    if _limit_ns(offered.deadline) > _limit_ns(requested.deadline):
        found.append(QoSPolicyKind.DEADLINE)
    lease = offered.liveliness_lease_duration, requested.liveliness_lease_duration
    weak = offered.liveliness in {0, 1} and requested.liveliness == _MANUAL
    if weak or _limit_ns(lease[0]) > _limit_ns(lease[1]):
        found.append(QoSPolicyKind.LIVELINESS)
    if offered.reliability == _BEST_EFFORT and requested.reliability == _RELIABLE:
        found.append(QoSPolicyKind.RELIABILITY)
    return found


def verdict(offered: Any, requested: Any) -> tuple[QoSCompatibility, str]:
    """Return the result of rmw's check, and its errors, else its warnings, as text."""
    errors = _errors(offered, requested)
    if errors:
        return QoSCompatibility.ERROR, "".join(errors)
    warnings = _warnings(offered, requested)
    if warnings:
        return QoSCompatibility.WARNING, "".join(warnings)
    return QoSCompatibility.OK, ""


def _errors(offered: Any, requested: Any) -> list[str]:
    found = []
    if offered.reliability == _BEST_EFFORT and requested.reliability == _RELIABLE:
        found.append("ERROR: Best effort publisher and reliable subscription;")
    if offered.durability == _VOLATILE and requested.durability == _TRANSIENT:
        found.append("ERROR: Volatile publisher and transient local subscription;")
    has = offered.deadline.nanoseconds, requested.deadline.nanoseconds
    if has[1] and not has[0]:
        found.append("ERROR: Subscription has a deadline, but publisher does not;")
    elif has[1] and has[0] > has[1]:
        found.append("ERROR: Subscription deadline is less than publisher deadline;")
    if offered.liveliness == _AUTOMATIC and requested.liveliness == _MANUAL:
        found.append(
            "ERROR: Publisher's liveliness is automatic and subscription's is manual by topic;"
        )
    lease = (
        offered.liveliness_lease_duration.nanoseconds,
        requested.liveliness_lease_duration.nanoseconds,
    )
    if lease[1] and not lease[0]:
        found.append("ERROR: Subscription has a liveliness lease duration, but publisher does not;")
    elif lease[1] and lease[0] > lease[1]:
        found.append("ERROR: Subscription liveliness lease duration is less than publisher;")
    return found


# Each policy, the values that leave it to the system, and its name as rmw writes it; then what a
# subscription asks for that such a publisher may lack, and the other way round.
_UNSURE: Final = (
    ("reliability", {0, 3}, "reliability"),
    ("durability", {0, 3}, "durabilty"),
    ("liveliness", {0, 4}, "liveliness"),
)
_WANTED: Final = {
    ("reliability", _RELIABLE): "Reliable subscription, but publisher is",
    ("durability", _TRANSIENT): "Transient local subscription, but publisher is",
    ("liveliness", _MANUAL): "Subscription's liveliness is manual by topic, but publisher's is",
}
_OFFERED: Final = {
    ("reliability", _BEST_EFFORT): "Best effort publisher, but subscription is",
    ("durability", _VOLATILE): "Volatile publisher, but subscription is",
    ("liveliness", _AUTOMATIC): "Publisher's liveliness is automatic, but subscription's is",
}


def _warnings(offered: Any, requested: Any) -> list[str]:
    found = []
    for name, unsure, as_rmw_writes in _UNSURE:
        own, other = getattr(offered, name), getattr(requested, name)
        wanted, given = _WANTED.get((name, int(other))), _OFFERED.get((name, int(own)))
        if own in unsure and other in unsure:
            found.append(
                f"WARNING: Publisher {as_rmw_writes} is {_lower_name(own)} and subscription {name} "
                f"is {_lower_name(other)};"
            )
        elif own in unsure and wanted:
            found.append(f"WARNING: {wanted} {_lower_name(own)};")
        elif other in unsure and given:
            found.append(f"WARNING: {given} {_lower_name(other)};")
    return found


def _lower_name(policy: Any) -> str:
    return str(policy.name).lower()
