"""ROS's tf2_sensor_msgs: point clouds moved to another frame."""

from dsmq_nodes.rclpy.packages.tf2_sensor_msgs.tf2_sensor_msgs import (
    do_transform_cloud,
    transform_points,
)
