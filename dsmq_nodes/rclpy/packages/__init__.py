"""What stands for packages of ROS other than rclpy: one folder or file for each, named as it is."""
