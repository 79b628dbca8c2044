"""Messages, services and actions in ROS's clothes, and their conversion at the edge.

`ros_class(our message class)` is the class a program for ROS sees; `to_ros` and `from_ros` convert
messages. `registry` finds types by their names in ROS, `conversion` has the code of each type.
"""

from dsmq_nodes.rclpy.interfaces.registry import (
    action_named,
    class_named,
    conversion_of,
    from_ros,
    ros_class,
    service_named,
    to_ros,
)
