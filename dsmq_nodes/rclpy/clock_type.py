"""The kinds of clocks."""

from dsmq_nodes.rclpy.impl.c_enum import CEnum


class ClockType(CEnum):
    """The kind of a clock."""

    UNINITIALIZED = 0
    ROS_TIME = 1
    SYSTEM_TIME = 2
    STEADY_TIME = 3
