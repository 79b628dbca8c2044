"""The source of a node's time: the machine, or `/clock`."""

import weakref
from typing import Any

from dsmq_nodes.rclpy.clock import ROSClock
from dsmq_nodes.rclpy.clock_type import ClockType
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.parameter import Parameter
from dsmq_nodes.rclpy.qos import QoSProfile, ReliabilityPolicy
from dsmq_nodes.rclpy.time import Time
from dsmq_nodes.topic_names import CLOCK_TOPIC

USE_SIM_TIME_NAME = "use_sim_time"


class TimeSource:
    """Sets clocks to the time of `/clock`, while the node's `use_sim_time` is true."""

    def __init__(self, *, node: Any = None) -> None:
        self._clock_sub: Any = None
        self._node_weak_ref: weakref.ref[Any] | None = None
        self._associated_clocks: list[ROSClock] = []
        self._last_time_set = Time(clock_type=ClockType.ROS_TIME)
        self._ros_time_is_active = False
        if node is not None:
            self.attach_node(node)

    @property
    def ros_time_is_active(self) -> bool:
        """Whether clocks show the time of `/clock`."""
        return self._ros_time_is_active

    @ros_time_is_active.setter
    def ros_time_is_active(self, enabled: bool) -> None:
        if self._ros_time_is_active == enabled:
            return
        self._ros_time_is_active = enabled
        for clock in self._associated_clocks:
            clock._set_ros_time_is_active(enabled)  # noqa: SLF001
        if enabled:
            self._subscribe_to_clock_topic()
        else:
            self._unsubscribe()

    def _subscribe_to_clock_topic(self) -> None:
        node = self._get_node()
        if self._clock_sub is None and node is not None:
            self._clock_sub = node.create_subscription(
                interface("rosgraph_msgs/msg/Clock"),
                CLOCK_TOPIC,
                self.clock_callback,
                QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
            )

    def _unsubscribe(self) -> None:
        node = self._get_node()
        if self._clock_sub is not None and node is not None:
            node.destroy_subscription(self._clock_sub)
            self._clock_sub = None

    def attach_node(self, node: Any) -> None:
        """Follow a node's `use_sim_time`.

        Raises:
            TypeError: it is no node.
        """
        if not hasattr(node, "get_fully_qualified_name"):
            raise TypeError("Node must be of type rclpy.node.Node")
        if self._node_weak_ref is not None:
            self.detach_node()
        self._node_weak_ref = weakref.ref(node)
        if not node.has_parameter(USE_SIM_TIME_NAME):
            node.declare_parameter(USE_SIM_TIME_NAME, False)
        asked = node.get_parameter(USE_SIM_TIME_NAME)
        if asked.type_ == Parameter.Type.BOOL:
            self.ros_time_is_active = asked.value
        elif asked.type_ != Parameter.Type.NOT_SET:
            node.get_logger().error(
                f"Invalid type for parameter '{USE_SIM_TIME_NAME}' {asked.type_!r} should be bool"
            )
        else:
            node.get_logger().debug(
                f"'{USE_SIM_TIME_NAME}' parameter not set, using wall time by default"
            )
        node.add_on_set_parameters_callback(self._on_parameter_event)

    def detach_node(self) -> None:
        """Stop following the node's parameter.

        Raises:
            RuntimeError: the node is gone, and the subscription with it.
        """
        if self._clock_sub is not None:
            node = self._get_node()
            if node is None:
                raise RuntimeError("Unable to destroy previously created clock subscription")
            node.destroy_subscription(self._clock_sub)
        self._clock_sub = None
        self._node_weak_ref = None

    def attach_clock(self, clock: ROSClock) -> None:
        """Set a clock from now on.

        Raises:
            ValueError: it is no clock of ROS time.
        """
        if not isinstance(clock, ROSClock):
            raise ValueError(  # noqa: TRY004  as rclpy does
                "Only clocks with type ROS_TIME can be attached."
            )
        clock.set_ros_time_override(self._last_time_set)
        clock._set_ros_time_is_active(self.ros_time_is_active)  # noqa: SLF001
        self._associated_clocks.append(clock)

    def clock_callback(self, msg: Any) -> None:
        """Take a time from `/clock`."""
        self._last_time_set = Time.from_msg(msg.clock)
        for clock in self._associated_clocks:
            clock.set_ros_time_override(self._last_time_set)

    def _on_parameter_event(self, parameter_list: list[Parameter]) -> Any:
        reason = ""
        for parameter in parameter_list:
            if parameter.name == USE_SIM_TIME_NAME:
                if parameter.type_ == Parameter.Type.BOOL:
                    self.ros_time_is_active = parameter.value
                else:
                    reason = f"{USE_SIM_TIME_NAME} parameter set to something besides a bool"
                    node = self._get_node()
                    if node is not None:
                        node.get_logger().error(reason)
                break
        kind = interface("rcl_interfaces/msg/SetParametersResult")
        return kind(successful=not reason, reason=reason)

    def _get_node(self) -> Any:
        return None if self._node_weak_ref is None else self._node_weak_ref()
