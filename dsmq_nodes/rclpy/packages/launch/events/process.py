"""The events of processes, which handlers are given."""

from dsmq_nodes.rclpy.launching.actions import unknown_names
from dsmq_nodes.rclpy.launching.events.event_handlers import (
    ProcessExited,
    ProcessIO,
    ProcessStarted,
)

__getattr__ = unknown_names("launch.events.process")
