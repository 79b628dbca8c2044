"""A ROS 2 graph: a node of ours that is an rclpy node too, and carries what it is told to.

`bridge_rules.py` says what may go, `ros_classes.py` finds ROS's message classes, `ros_objects.py`
converts messages, `ros_side.py` is the rclpy node, and `ros_bridge.py` brings them together with
the hub. Only these `ros_*` files import ROS, wherever it is: a sourced installation, or the wheels
of the extra `ros2`.
"""
