"""A stand-in for rclpy's C module, with the names that programs and tests use."""

from types import SimpleNamespace
from typing import Final

from dsmq_nodes.rclpy import logging, signals
from dsmq_nodes.rclpy.clock_type import ClockType
from dsmq_nodes.rclpy.expand_topic_name import expand_topic_name
from dsmq_nodes.rclpy.guard_condition import GuardHandle
from dsmq_nodes.rclpy.impl import c_errors, inner_classes
from dsmq_nodes.rclpy.impl.clock_source import ClockChange
from dsmq_nodes.rclpy.impl.names import name_rules
from dsmq_nodes.rclpy.impl.nodes.lifecycle_machine import TransitionCallbackReturnType
from dsmq_nodes.rclpy.impl.topics import event_infos
from dsmq_nodes.rclpy.impl.topics.event_handle import EventHandle
from dsmq_nodes.rclpy.impl.topics.event_infos import PublisherEventType, SubscriptionEventType
from dsmq_nodes.rclpy.impl.topics.qos_rules import QoSCompatibility, QoSPolicyKind
from dsmq_nodes.rclpy.impl.wait_set import SizedWaitSet
from dsmq_nodes.rclpy.serialization import deserialize_message
from dsmq_nodes.rclpy.timer import TimerHandle
from dsmq_nodes.rclpy.utilities import get_rmw_implementation_identifier, remove_ros_args

_INFINITE_NS: Final = 2**63 - 1
_BEST_AVAILABLE_NS: Final = 2**63 - 2

rclpy_implementation: Final = SimpleNamespace(
    **{each.__name__: each for each in c_errors.C_ERRORS},
    Client=inner_classes.MadeClient,
    ClockChange=ClockChange,
    EventHandle=EventHandle,
    GuardCondition=GuardHandle,
    Publisher=inner_classes.MadePublisher,
    QoSCompatibility=QoSCompatibility,
    Service=inner_classes.MadeService,
    Subscription=inner_classes.MadeSubscription,
    Timer=TimerHandle,
    WaitSet=SizedWaitSet,
    rcl_publisher_event_type_t=PublisherEventType,
    rcl_subscription_event_type_t=SubscriptionEventType,
    rmw_qos_profile_t=inner_classes.rmw_qos_profile_t,
    rclpy_get_rmw_implementation_identifier=get_rmw_implementation_identifier,
    rclpy_remove_ros_args=remove_ros_args,
    # The names that programs and tests read and call, and the information that callbacks receive.
    ClockType=ClockType,
    SignalHandlerOptions=signals.SignalHandlerOptions,
    TransitionCallbackReturnType=TransitionCallbackReturnType,
    rmw_qos_policy_kind_t=QoSPolicyKind,
    RCL_DEFAULT_DOMAIN_ID=2**64 - 1,
    RMW_DURATION_INFINITE=_INFINITE_NS,
    RMW_QOS_DEADLINE_BEST_AVAILABLE=_BEST_AVAILABLE_NS,
    RMW_QOS_LIVELINESS_LEASE_DURATION_BEST_AVAILABLE=_BEST_AVAILABLE_NS,
    **{each.__name__: each for each in event_infos.INFOS.values()},
    get_current_signal_handlers_options=signals.get_current_signal_handlers_options,
    install_signal_handlers=signals.install_signal_handlers,
    uninstall_signal_handlers=signals.uninstall_signal_handlers,
    rclpy_deserialize=deserialize_message,
    rclpy_expand_topic_name=expand_topic_name,
    rclpy_get_validation_error_for_full_topic_name=name_rules.full_topic_fault,
    rclpy_get_validation_error_for_namespace=name_rules.namespace_fault,
    rclpy_get_validation_error_for_node_name=name_rules.node_fault,
    rclpy_get_validation_error_for_topic_name=name_rules.topic_fault,
    rclpy_logging_get_logger_effective_level=logging.get_logger_effective_level,
    rclpy_logging_get_logger_level=logging.get_logger_level,
    rclpy_logging_get_logging_directory=lambda: str(logging.get_logging_directory()),
    rclpy_logging_get_separator_string=lambda: ".",
    rclpy_logging_set_logger_level=logging.set_logger_level,
    rclpy_logging_severity_level_from_string=logging.get_logging_severity_from_string,
)
