"""Arguments of a wrong type, and what is asked of something that was destroyed."""
# mypy: ignore-errors

import rclpy
from rclpy.action import (
    ActionClient,
    get_action_client_names_and_types_by_node,
    get_action_names_and_types,
    get_action_server_names_and_types_by_node,
)
from rclpy.logging import get_logger_level, set_logger_level
from rclpy.node import Node
from rclpy.parameter_event_handler import ParameterEventHandler
from rclpy.qos import QoSProfile, qos_profile_parameter_events
from rclpy.subscription_content_filter_options import ContentFilterOptions
from std_msgs.msg import Int32, String
from std_srvs.srv import Trigger
from test_msgs.action import Fibonacci


def attempt(label, call, *args, **kwargs):
    try:
        print(label, call(*args, **kwargs))
    except Exception as error:
        told = str(error).partition("\n")[0].partition(", at /")[0]
        print(label, type(error).__name__, "|", told)


rclpy.init(args=[])
node = Node("asks")
for depth, profile in ((each, QoSProfile(depth=each)) for each in (2**31 - 1, 2**31, 2**70)):
    attempt(depth, lambda p=profile: p.depth)
    attempt("publisher", lambda p=profile: node.create_publisher(String, "a", p).topic_name)
    attempt(
        "subscription", lambda d=depth: node.create_subscription(String, "a", print, d).topic_name
    )
    attempt("client", lambda p=profile: node.create_client(Trigger, "a", qos_profile=p).srv_name)
attempt("no name", node.create_client, Trigger, None)
attempt("no name", node.create_service, Trigger, None, print)


def filtered(expression, parameters):
    options = ContentFilterOptions(expression, parameters)
    return node.create_subscription(
        Int32, "f", print, 10, content_filter_options=options
    ).is_cft_enabled


for given in ((3, []), ("data = %0", [3]), ("data = %0", "3"), ("data = %0", None), (None, [])):
    attempt(given, filtered, *given)
subscription = node.create_subscription(Int32, "g", print, 10)
for given in (
    *(("data = %0", ("3",)), ("data = %0", "3"), (None, []), (3, [])),
    *(("data > 1", 3), ("data > %0", [1]), ("", "")),
):
    attempt(given, subscription.set_content_filter, *given)

client = node.create_client(Trigger, "nobody")
for timeout in ("x", [], 0, -1, float("nan")):
    attempt(timeout, client.wait_for_service, timeout)
action = ActionClient(node, Fibonacci, "nobody")
for timeout in ("x", [], 0, -1):
    attempt(timeout, action.wait_for_server, timeout)
action.destroy()
attempt("destroyed", action.server_is_ready)
attempt("destroyed", action.wait_for_server, 0.1)
attempt("destroyed", action.send_goal_async, Fibonacci.Goal())
attempt("destroyed", action.send_goal_async, 3)

for ask in (get_action_server_names_and_types_by_node, get_action_client_names_and_types_by_node):
    for whose in (("nobody", "/"), ("asks", "/nope"), ("", "/"), ("a b", "/"), (3, "/")):
        attempt(whose, ask, node, *whose)
for ask in (node.get_publisher_names_and_types_by_node, node.get_client_names_and_types_by_node):
    for whose in ((3, "/"), ("asks", 3), ("asks", None)):
        attempt(whose, ask, *whose)
attempt("no node", get_action_names_and_types, 3)

for name, level in (("z", 10), (3, 10), (None, 10), ("z", None), ("z", "warn"), ("z", 7)):
    attempt((name, level), set_logger_level, name, level)
print(get_logger_level("z"))
group = node.default_callback_group
handler = ParameterEventHandler(node, qos_profile_parameter_events, group, None, None, False)
print(handler.parameter_event_subscription.callback_group is group)
rclpy.shutdown()
