"""Stand-ins for ROS packages other than rclpy: one folder or file each, with the package's name."""
