"""ROS-style robot nodes on a dead simple message queue."""
