"""Arguments of other types than the documented ones, and values at the edge of what there is."""
# mypy: ignore-errors

import os

import rclpy
from ament_index_python import (
    get_package_share_directory,
    get_resource,
    get_resources,
    has_resource,
)
from rclpy.clock import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.expand_topic_name import expand_topic_name
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.logging import get_logger, set_logger_level
from rclpy.parameter import get_parameter_value
from rclpy.qos import qos_profile_system_default
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.service_introspection import ServiceIntrospectionState
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future, Task
from rclpy.utilities import remove_ros_args
from rclpy.validate_full_topic_name import validate_full_topic_name
from rclpy.validate_namespace import validate_namespace
from rclpy.validate_node_name import validate_node_name
from rclpy.validate_topic_name import validate_topic_name
from std_msgs.msg import Header, String
from std_srvs.srv import Trigger


def tried(what, call, *args, **kwargs):
    try:
        print(what, call(*args, **kwargs))
    except (Exception, AssertionError) as error:
        text = str(error).split(", at /")[0].split("Invoked")[0].split("searching")[0]
        print(what, type(error).__name__, text.replace("\n", " / "))


for args in (("x",), "x", 3, [3], [None], [b"x"]):
    tried("init", rclpy.init, args=args)
tried("domain", rclpy.init, args=[], domain_id=1.5)
rclpy.try_shutdown()
tried("signals", rclpy.init, args=[], signal_handler_options=3)
rclpy.try_shutdown()
rclpy.init(args=[], domain_id=True, signal_handler_options=SignalHandlerOptions.NO)
print(rclpy.get_default_context().get_domain_id())

for check in (
    validate_topic_name,
    validate_full_topic_name,
    validate_namespace,
    validate_node_name,
):
    for name in (3, None, b"a", b"/a", "a\0b", "/a\0/", "{{a}}", "{~}", "/" + 260 * "a"):
        tried(check.__name__[9:], check, name)
for name, namespace in ((None, ""), (3, ""), ("n", 3), ("n\0m", "a\0b")):
    tried("node", lambda n, ns: rclpy.create_node(n, namespace=ns).get_fully_qualified_name(), name, namespace)  # fmt: skip

node = rclpy.create_node("n")
print(node.create_publisher(String, "a\0b", 1).topic_name, node.resolve_topic_name("c\0d"))
for name in ("{{a}}", None, 3):
    tried("resolve", node.resolve_topic_name, name)
tried("executor", setattr, node, "executor", 3)
print(node.executor)
tried("period", node.create_timer, 1e12, print)
client = node.create_client(Trigger, "s")
off, profile = ServiceIntrospectionState.OFF, qos_profile_system_default
for given in ((3, profile, off), (node.get_clock(), 3, off), (node.get_clock(), profile, 3)):
    tried("introspection", client.configure_introspection, *given)
print([each.topic_name for each in LifecycleNode("m").publishers])

tried("positional", SingleThreadedExecutor, rclpy.get_default_context())
executor = SingleThreadedExecutor()
executor.create_task(3)
tried("task", executor.spin_once, timeout_sec=60.0)
done = Future()
done.set_result(1)
tried("callback", done.add_done_callback, 3)
tried("callback", done.add_done_callback, lambda future: [].pop())
task = Task(3)
task()
tried("task", task.result)

log = get_logger("odd")
tried("child", log.get_child, 3)
for options in ({"skip_first": False, "once": True}, {"once": True}, {"skip_first": True}):
    tried("log", lambda options: log.info("line", **options), options)
for clock in ("x", "y"):
    tried("clock", log.info, "line", throttle_duration_sec=1, throttle_time_source_type=clock)
for text in ("{a: 1}", "a: b", "[1, a]", "~", "2024-01-01"):
    print(get_parameter_value(text).string_value)

print(serialize_message(String(data="a\0b"))[:10], serialize_message(String(data="\0"))[:9])
print(deserialize_message(b"\0\1\0\0\4\0\0\0a\0b\0", String))
tried("stamp", serialize_message, Header(stamp=None))

os.environ["AMENT_PREFIX_PATH"] = os.environ.get("AMENT_PREFIX_PATH") or "/"
for name in ("no_such_package", "bad name", "", "a", 3):
    tried("share", get_package_share_directory, name)
for call, names in (
    (get_resource, ("no_such_type", "x")), (get_resource, ("", "x")), (get_resource, ("x", "")),
    (get_resource, ("a/b", "x")), (get_resource, ("x", "a/b")), (has_resource, ("no_such_type", "x")),
    (has_resource, ("", "")), (get_resources, ("no_such_type",)), (get_resources, ("",)),
    (get_resources, ("a/b",)),
):  # fmt: skip
    tried(call.__name__, call, *names)
tried("expand", expand_topic_name, None, "n", "/ns")
tried("keyword", rclpy.create_node, "n", nonsense=1)
tried("level", set_logger_level, 3, 10)
for words in ([3], [b"a"], [None]):
    tried("words", remove_ros_args, words)
    tried("own words", rclpy.create_node, "n", cli_args=words)
print(ClockType, SignalHandlerOptions, TransitionCallbackReturn, type(ClockType.ROS_TIME))
print(hash(TransitionCallbackReturn.SUCCESS))
rclpy.shutdown()
