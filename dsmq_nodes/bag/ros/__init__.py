"""Reads and writes bags of ROS 1 and ROS 2 like the kit's own (extra `ros`: rosbags)."""
