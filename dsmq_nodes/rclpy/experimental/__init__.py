"""The modules that rclpy calls experimental."""

from dsmq_nodes.rclpy.experimental.events_executor import EventsExecutor

__all__ = ["EventsExecutor"]
