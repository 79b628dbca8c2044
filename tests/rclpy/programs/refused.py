"""What is refused, and how: policies, filters, names, callbacks; and texts of small things."""
# mypy: ignore-errors

import rclpy
from geometry_msgs.msg import PointStamped
from rclpy.action import ActionServer
from rclpy.clock import JumpThreshold, ROSClock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.exceptions import (
    InvalidNodeNameException,
    NotInitializedException,
    ParameterUninitializedException,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.expand_topic_name import expand_topic_name
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.parameter import Parameter
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)  # fmt: skip
from rclpy.service_introspection import ServiceIntrospectionState
from rclpy.subscription_content_filter_options import ContentFilterOptions
from rclpy.task import Future
from rclpy.time import Time
from rclpy.waitable import NumberOfEntities
from std_msgs.msg import Int32, String
from std_srvs.srv import Trigger
from test_msgs.action import Fibonacci
from test_msgs.msg import BasicTypes


def tried(what, call, *args, **kwargs):
    try:
        print(what, call(*args, **kwargs))
    except (Exception, AssertionError) as error:
        print(what, type(error).__name__, str(error).split(", at /")[0].split("\n")[0])


rclpy.init(args=[])
node = rclpy.create_node("n", namespace="ns")
for policy in (
    {"reliability": ReliabilityPolicy.UNKNOWN}, {"durability": DurabilityPolicy.UNKNOWN},
    {"history": HistoryPolicy.UNKNOWN}, {"liveliness": LivelinessPolicy.UNKNOWN},
):  # fmt: skip
    profile = QoSProfile(**{"depth": 1, **policy})
    tried("publisher", node.create_publisher, String, "a", profile)
    tried("subscription", node.create_subscription, String, "a", print, profile)
    tried("client", node.create_client, Trigger, "s", qos_profile=profile)
    tried("service", node.create_service, Trigger, "s", print, qos_profile=profile)
tried("int", node.create_client, Trigger, "s", qos_profile=5)
tried("node", lambda: rclpy.Node)
print(type(node), type(node.get_clock()), type(node.create_publisher(String, "b", 1)))
late = QoSProfile(depth=1, deadline=Duration(seconds=-1), lifespan=Duration(seconds=-1))
print(node.create_publisher(String, "negative", late).topic_name)
tried("bool", QoSProfile, depth=1, avoid_ros_namespace_conventions=1)
print(*qos_check_compatible(QoSProfile(depth=1), QoSProfile(depth=1, deadline=Duration(seconds=1))))
filters = (
    (Int32, "data", ()), (Int32, "nope = 1", ()), (Int32, "data = 'x'", ()), (Int32, "data >", ()),
    (Int32, "data = %3", ("1",)), (Int32, "data == 1", ()), (Int32, "data = 0x5", ()),
    (String, "data = 5", ()), (String, "data = %0", ("ab",)), (String, "data MATCH 'a.*'", ()),
    (PointStamped, "point = 1", ()), (PointStamped, "point.q = 1", ()),
    (PointStamped, "point.x BETWEEN 1 AND 2.5", ()), (BasicTypes, "byte_value = 5", ()), (Int32, "", ()),
)  # fmt: skip
for number, (kind, expression, parameters) in enumerate(filters):
    options = ContentFilterOptions(expression, list(parameters))
    tried(
        expression,
        lambda kind, number, options: (
            node.create_subscription(
                kind, f"f{number}", print, 1, content_filter_options=options
            ).is_cft_enabled
        ),
        kind,
        number,
        options,
    )
plain = node.create_subscription(Int32, "plain", print, 1)
tried("get", plain.get_content_filter)
for name in ("/", "//", "{}", "{1a}", "{a b}", "{node}/x"):
    tried(name, expand_topic_name, name, "n", "/ns")
for name, namespace in (("n", ""), ("n", "/ns/"), ("n", "ns"), ("a b", "/"), ("", "/")):
    tried(namespace, node.get_publisher_names_and_types_by_node, name, namespace)
print(node.get_publishers_info_by_topic("/ns/negative", no_mangle=True))
for error in (
    NotInitializedException("why"), ParameterUninitializedException(parameter_name="a"),
    InvalidNodeNameException("a b", "bad", 1),
):  # fmt: skip
    print(error.args, vars(error))
for factor in (float("nan"), float("inf"), float("-inf"), 1e300):
    tried(factor, lambda factor: Duration(seconds=1) * factor, factor)
for sec in (-1, float("nan"), float("inf"), 1e30):
    tried(sec, ActionServer, node, Fibonacci, "f", print, result_timeout=sec)
print(NumberOfEntities(1, 2) + NumberOfEntities(num_events=3))
for name in ("NodeNameNonExistentError", "UnsupportedEventTypeError", "TimerCancelledError"):
    print(name, getattr(rclpy_implementation, name).__mro__[1].__name__)
jumps = []
clock = ROSClock()
threshold = JumpThreshold(min_forward=Duration(seconds=1), min_backward=None)
handle = clock.create_jump_callback(
    threshold, post_callback=lambda j: jumps.append(j.delta.nanoseconds)
)
clock._set_ros_time_is_active(True)
clock.set_ros_time_override(Time(seconds=5, clock_type=ClockType.ROS_TIME))
clock._set_ros_time_is_active(False)
print(jumps, str(ServiceIntrospectionState.CONTENTS))
calls = []
future = Future()
for _ in range(2):
    future.add_done_callback(calls.append)
print(future.remove_done_callback(calls.append), future.remove_done_callback(print))
future.set_result(None)
print(len(calls))


def stop():
    raise StopIteration("here")


executor = SingleThreadedExecutor()
node = rclpy.create_node("m")  # real rclpy crashes when it spins the node of before
executor.add_node(node)
timer = node.create_timer(0.01, stop)
tried("callback", executor.spin_once, timeout_sec=60.0)
timer.cancel()
print(node.get_logger().info(b"bytes"), node.get_logger().info("cut\0off"))
given = [Parameter("start_type_description_service", value=False)]
second = rclpy.create_node("m", parameter_overrides=given)
print(second.get_parameter("start_type_description_service").value)
rclpy.shutdown()
