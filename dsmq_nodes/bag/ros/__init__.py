"""Bags of ROS 1 and ROS 2, read and written as if they were ours (extra `ros`: rosbags)."""
