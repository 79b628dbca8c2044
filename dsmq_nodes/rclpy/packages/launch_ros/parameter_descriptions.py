"""`ParameterValue` and `ParameterFile`."""

from dsmq_nodes.rclpy.launching.node_actions import ParameterFile, ParameterValue

__all__ = ["ParameterFile", "ParameterValue"]
