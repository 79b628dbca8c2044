"""The events of processes, which handlers are given."""

from dsmq_nodes.rclpy.launching.actions import unknown_names
from dsmq_nodes.rclpy.launching.events.event_handlers import (
    ProcessExited,
    ProcessIO,
    ProcessStarted,
)
from dsmq_nodes.rclpy.launching.events.stopping import ShutdownProcess, SignalProcess

__getattr__ = unknown_names("launch.events.process")
