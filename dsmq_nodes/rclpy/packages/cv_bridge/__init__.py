"""ROS's cv_bridge: images as arrays of OpenCV."""

from dsmq_nodes.rclpy.packages.cv_bridge.core import CvBridge, CvBridgeError
