"""Names that programs import from a module of rclpy which does not define them.

Every module gets them when a program imports rclpy (running/alias_module.py). Each is imported when
it is first used: importing all of them would be slower, and some imports would be circular.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import typing_extensions

from dsmq_nodes.rclpy.impl.interface_named import interface

_HOMES: Final = {
    "callback_groups": "CallbackGroup",
    "client": "Client",
    "clock": "Clock",
    "event_handler": "PublisherEventCallbacks SubscriptionEventCallbacks",
    "exceptions": (
        "InvalidHandle InvalidParameterTypeException InvalidParameterValueException "
        "ParameterAlreadyDeclaredException ParameterImmutableException "
        "ParameterNotDeclaredException ParameterUninitializedException"
    ),
    "executors": "await_or_execute",
    "expand_topic_name": "expand_topic_name",
    "impl.c_errors": "NodeNameNonExistentError TimerCancelledError",
    "impl.logging_severity": "LoggingSeverity",
    "impl.rcutils_logger": "RcutilsLogger",
    "logging": "get_logger",
    "node": "HIDDEN_NODE_PREFIX Node",
    "parameter": "PARAMETER_SEPARATOR_STRING Parameter",
    "qos": (
        "QoSDurabilityPolicy QoSHistoryPolicy QoSLivelinessPolicy QoSProfile "
        "QoSReliabilityPolicy qos_policy_name_from_kind qos_profile_services_default"
    ),
    "qos_overriding_options": "QoSOverridingOptions",
    "service": "Service",
    "service_introspection": "ServiceIntrospectionState",
    "signals": "SignalHandlerGuardCondition",
    "subscription": "MessageInfo Subscription",
    "task": "Task",
    "time": "Time",
    "timer": "Timer TimerInfo",
    "type_support": (
        "Action FeedbackT GoalT Msg MsgT MsgType ResultT Srv SrvRequestT SrvResponseT SrvType "
        "SrvTypeRequest SrvTypeResponse T check_for_type_support check_is_valid_srv_type"
    ),
    "utilities": "timeout_sec_to_nsec",
    "validate_full_topic_name": "validate_full_topic_name",
    "validate_namespace": "validate_namespace",
    "validate_node_name": "validate_node_name",
    "validate_parameter_name": "validate_parameter_name",
    "validate_topic_name": "TOPIC_SEPARATOR_STRING validate_topic_name",
    "waitable": "NumberOfEntities Waitable",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}
_PACKAGE: Final = __name__.partition(".impl.")[0]
_INNER: Final = f"{_PACKAGE}.impl.implementation_singleton"  # `import rclpy` loads it in rclpy


_INTERFACES: Final = {
    "action_msgs/msg": "GoalInfo GoalStatus GoalStatusArray",
    "action_msgs/srv": "CancelGoal",
    "rcl_interfaces/msg": (
        "FloatingPointRange IntegerRange ListParametersResult LoggerLevel ParameterDescriptor "
        "ParameterEvent ParameterType ParameterValue SetLoggerLevelsResult SetParametersResult"
    ),
    "rcl_interfaces/srv": (
        "DescribeParameters GetLoggerLevels GetParameters GetParameterTypes ListParameters "
        "SetLoggerLevels SetParameters SetParametersAtomically"
    ),
    "service_msgs/msg": "ServiceEventInfo",
    "type_description_interfaces/srv": "GetTypeDescription",
    "unique_identifier_msgs/msg": "UUID",
}
_NAME_OF: Final = {
    name: f"{kind}/{name}" for kind, names in _INTERFACES.items() for name in names.split()
}
_NAME_OF["ParameterMsg"] = "rcl_interfaces/msg/Parameter"
_NAME_OF["QosCallbackResult"] = "rcl_interfaces/msg/SetParametersResult"


# What annotations are made of; editors import it from wherever they find it.
_OF_TYPING: Final = frozenset(
    (
        *("Any", "Callable", "ClassVar", "ContextManager", "Coroutine", "Dict", "Final", "Generic"),
        *("Iterable", "List", "Literal", "Optional", "OrderedDict", "Protocol", "Set", "Text"),
        *("Tuple", "Type", "TypeAlias", "TypedDict", "TypeVar", "Union", "Unpack", "cast"),
        *("deprecated", "overload"),
    )
)
# Types that programs use in annotations alone; here each of them is `Any`.
_ANYTHING: Final = frozenset(
    (
        *("AllowableParameterValue", "AllowableParameterValueT", "CallbackNames"),
        *("ClientGoalHandleDict", "CreateLifecyclePublisherArgs", "EventHandlerData"),
        *("EventMessage", "FeedbackMessage", "GetResultService", "GetResultServiceRequest"),
        *("GetResultServiceResponse", "JumpHandlePreCallbackType", "LifecycleNodeArgs"),
        *("LoggingArgs", "LoggingFilterArgs", "LoggingFilterParams", "PyCapsule"),
        *("QoSProfileAttributes", "SendGoalKWargs", "SendGoalService", "SendGoalServiceRequest"),
        *("SendGoalServiceResponse", "ServerGoalHandleDict", "SupportedFiltersKeys"),
        *("TimeJumpDictionary", "TypeHashDictionary", "YieldedCallback"),
    )
)


def also_importable(module: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of the module of a name."""

    def get(name: str) -> Any:
        if name in _NAME_OF:
            return interface(_NAME_OF[name])
        if name in _OF_TYPING:
            return getattr(typing_extensions, name)
        if name in _ANYTHING:
            return Any
        if f"{module}.{name}" == _INNER:
            return import_module(_INNER)
        home = f"{_PACKAGE}.{_HOME_OF[name]}" if name in _HOME_OF else ""
        if home in {"", module}:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(home), name)

    return get
