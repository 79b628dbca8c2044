"""Actions whose name is remapped, and those of which one part is."""
# mypy: ignore-errors

import rclpy
from example_interfaces.action import Fibonacci
from rclpy.action import ActionClient, ActionServer
from rclpy.node import Node

rclpy.init()
PART = "fibonacci/_action/"
RULES = {
    "all": ["fibonacci:=/other"],
    "a service": [f"{PART}send_goal:={PART}take_goal"],
    "a topic": [f"{PART}feedback:=/feedback", f"rostopic://{PART}status:=status"],
    "a service by a rule of topics": [f"rostopic://{PART}send_goal:=no"],
}
for what, rules in RULES.items():
    words = [word for rule in rules for word in ("-r", rule)]
    node = Node("node", cli_args=["--ros-args", *words])
    server = ActionServer(node, Fibonacci, "fibonacci", lambda goal: None)
    client = ActionClient(node, Fibonacci, "fibonacci")
    print(what, client.wait_for_server(20.0))
    for names in node.get_service_names_and_types(), node.get_topic_names_and_types():
        print(sorted(name for name, types in names if "action" in types[0]))
    server.destroy()
    client.destroy()
    node.destroy_node()
rclpy.shutdown()
