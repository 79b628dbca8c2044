"""ROS's launch_ros, for launch files."""

from dsmq_nodes.rclpy.launching.actions import modules_in

__getattr__ = modules_in(__name__)
