"""What stands for rclpy's C side, by the names that programs and tests touch."""

from types import SimpleNamespace
from typing import Final

from dsmq_nodes.rclpy.guard_condition import GuardHandle
from dsmq_nodes.rclpy.impl import c_errors, inner_classes
from dsmq_nodes.rclpy.impl.clock_source import ClockChange
from dsmq_nodes.rclpy.impl.topics.event_handle import EventHandle
from dsmq_nodes.rclpy.impl.topics.event_infos import PublisherEventType, SubscriptionEventType
from dsmq_nodes.rclpy.impl.topics.qos_rules import QoSCompatibility
from dsmq_nodes.rclpy.impl.wait_set import SizedWaitSet
from dsmq_nodes.rclpy.timer import TimerHandle
from dsmq_nodes.rclpy.utilities import get_rmw_implementation_identifier, remove_ros_args

rclpy_implementation: Final = SimpleNamespace(
    RCLError=c_errors.RCLError,
    RMWError=c_errors.RMWError,
    RCUtilsError=c_errors.RCUtilsError,
    InvalidHandle=c_errors.InvalidHandle,
    UnknownROSArgsError=c_errors.UnknownROSArgsError,
    RCLInvalidROSArgsError=c_errors.RCLInvalidROSArgsError,
    NodeNameNonExistentError=c_errors.NodeNameNonExistentError,
    UnsupportedEventTypeError=c_errors.UnsupportedEventTypeError,
    TimerCancelledError=c_errors.TimerCancelledError,
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
)
