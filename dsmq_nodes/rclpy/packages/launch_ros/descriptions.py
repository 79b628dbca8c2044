"""Nodes in one process, as launch_ros describes them; not supported here."""

from dsmq_nodes.rclpy.launching.actions import unknown_names
from dsmq_nodes.rclpy.launching.node_actions import ParameterFile, ParameterValue

__getattr__ = unknown_names("launch_ros.descriptions")
