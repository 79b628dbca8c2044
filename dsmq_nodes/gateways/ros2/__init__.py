"""A bridge to a ROS 2 graph: a node that is also an rclpy node, and carries the named topics.

`bridge_rules.py` decides what is carried, `ros_classes.py` finds ROS's message classes,
`ros_objects.py` converts messages, `ros_side.py` is the rclpy node, and `ros_bridge.py` connects
these with the hub. Only the `ros_*` files import ROS: from a sourced installation, or from the
wheels of the extra `ros2`.
"""
