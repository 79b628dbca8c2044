"""ROS's launch_ros, for launch files."""
