"""Profiles that parameters may change: `qos_overrides./topic.publisher.depth`."""

from collections.abc import Callable, Iterable
from typing import Any

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.exceptions import ParameterAlreadyDeclaredException
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.impl.topics.qos_rules import QoSPolicyKind
from dsmq_nodes.rclpy.publisher import Publisher
from dsmq_nodes.rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from dsmq_nodes.rclpy.subscription import Subscription

_ENUMS: dict[str, Any] = {
    "history": HistoryPolicy,
    "reliability": ReliabilityPolicy,
    "durability": DurabilityPolicy,
    "liveliness": LivelinessPolicy,
}


QosCallbackType = Callable[[QoSProfile], Any]
"""Checks a profile; the result is a `rcl_interfaces.msg.SetParametersResult`."""


class InvalidQosOverridesError(Exception):
    """The callback refused the overridden profile."""


class QoSOverridingOptions:
    """The policies that may be overridden, and the callback that checks the result."""

    def __init__(
        self,
        policy_kinds: Iterable[QoSPolicyKind],
        *,
        callback: QosCallbackType | None = None,
        entity_id: str | None = None,
    ) -> None:
        self._policy_kinds = policy_kinds
        self._callback = callback
        self._entity_id = entity_id

    @property
    def policy_kinds(self) -> Iterable[QoSPolicyKind]:
        """The policies."""
        return self._policy_kinds

    @property
    def callback(self) -> QosCallbackType | None:
        """Return the callback that checks the result."""
        return self._callback

    @property
    def entity_id(self) -> str | None:
        """Return the id that distinguishes two ends of one topic in a node."""
        return self._entity_id

    @classmethod
    def with_default_policies(
        cls,
        *,
        callback: QosCallbackType | None = None,
        entity_id: str | None = None,
    ) -> "QoSOverridingOptions":
        """Return options for history, depth and reliability."""
        kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
        return cls(kinds, callback=callback, entity_id=entity_id)


def _declare_qos_parameters(
    entity_type: type, node: Any, topic_name: str, qos: QoSProfile, options: QoSOverridingOptions
) -> None:
    """Declare the parameters of an end, and change its profile by them."""
    if not issubclass(entity_type, (Publisher, Subscription)):
        raise TypeError("Argument `entity_type` should be a subclass of Publisher or Subscription")
    kind = "publisher" if issubclass(entity_type, Publisher) else "subscription"
    suffix = "" if options.entity_id is None else f"_{options.entity_id}"
    about = f"for {kind} `{topic_name}` with id `{options.entity_id}`"
    for policy in options.policy_kinds:
        if kind == "subscription" and policy == QoSPolicyKind.LIFESPAN:
            continue
        name = policy.name.lower()
        parameter = f"qos_overrides.{topic_name}.{kind}{suffix}.{name}"
        descriptor = interface("rcl_interfaces/msg/ParameterDescriptor")()
        descriptor.description = f"{name} {about}"
        descriptor.read_only = True
        try:
            found = node.declare_parameter(
                parameter, _get_qos_policy_parameter(qos, policy), descriptor
            )
        except ParameterAlreadyDeclaredException:
            found = node.get_parameter(parameter)
        _override_qos_policy_with_param(qos, policy, found)
    if options.callback is not None:
        result = options.callback(qos)
        if not result.successful:
            raise InvalidQosOverridesError(
                f"Provided QoS overrides {about}, are not valid: {result.reason}"
            )


def _get_qos_policy_parameter(qos: QoSProfile, policy: QoSPolicyKind) -> Any:
    """Return a policy's value for a parameter: a name, nanoseconds, or a number."""
    name = policy.name.lower()
    value = getattr(qos, name)
    if name in _ENUMS:
        text = value.name.lower()
        if text == "unknown":
            raise ValueError("User provided QoS profile is invalid")
        return text
    return value.nanoseconds if isinstance(value, Duration) else value


def _override_qos_policy_with_param(qos: QoSProfile, policy: QoSPolicyKind, param: Any) -> None:
    name, value = policy.name.lower(), param.value
    if name in _ENUMS:
        try:
            value = _ENUMS[name][value.upper()]
        except KeyError:
            raise RuntimeError(f"Unexpected QoS override for policy `{name}`: `{value}`") from None
    elif isinstance(getattr(qos, name), Duration):
        value = Duration(nanoseconds=value)
    setattr(qos, name, value)
