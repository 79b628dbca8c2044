"""Shows its names, the parameters that it is given, and its words."""
# mypy: ignore-errors

import sys

import rclpy
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String

rclpy.init(args=sys.argv)
node = Node("unnamed", automatically_declare_parameters_from_overrides=True)
params = {
    name: getattr(value := node.get_parameter(name).value, "tolist", lambda given=value: given)()
    for name in sorted(node._parameters)
    if name not in {"start_type_description_service", "use_sim_time"}
}
if node.get_parameter("use_sim_time").value:
    params["use_sim_time"] = True
topic = node.create_publisher(String, "chatter", 1).topic_name
words = (node.get_fully_qualified_name(), topic, params, remove_ros_args(sys.argv)[1:])
print("SHOW", *words, sep="|", flush=True)
rclpy.shutdown()
