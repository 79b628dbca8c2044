"""Contexts of their own, and what still works after a shutdown."""
# mypy: ignore-errors

import signal
import threading
import time

import rclpy
from rclpy.action import ActionClient, ActionServer
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import (
    SignalHandlerOptions,
    get_current_signal_handlers_options,
    install_signal_handlers,
    uninstall_signal_handlers,
)
from std_msgs.msg import String
from std_srvs.srv import Trigger
from test_msgs.action import Fibonacci


def tried(f, *a, **k):
    try:
        return f(*a, **k)
    except BaseException as e:
        return type(e).__name__ + ": " + str(e).split(", at")[0]


print(
    rclpy.ok(),
    tried(rclpy.shutdown),
    tried(rclpy.try_shutdown),
    tried(rclpy.create_node, "x"),
    tried(rclpy.spin_once, None) is not None,
)
with rclpy.init() as cm:
    print(
        type(cm).__name__, rclpy.ok(), tried(rclpy.init), cm.context is rclpy.get_default_context()
    )
print(rclpy.ok())
log = []
c = Context()
print(c.ok(), c.handle, tried(c.shutdown), tried(c.try_shutdown), tried(c.get_domain_id))
rclpy.init(context=c, domain_id=3)
print(c.ok(), c.get_domain_id(), tried(c.init))
c.on_shutdown(lambda: log.append(1))
c.on_shutdown(lambda: log.append(2))
n = rclpy.create_node("n", context=c)
print(n.context is c, rclpy.ok(), rclpy.ok(context=c))
ex = SingleThreadedExecutor(context=c)
print(ex.add_node(n), ex.context is c)
t = n.create_timer(0.05, lambda: log.append("t"))
ex.spin_once(timeout_sec=60)
p = n.create_publisher(String, "a", 1)
rclpy.shutdown(context=c)
print(
    log,
    c.ok(),
    tried(c.init),
    tried(n.get_name),
    tried(p.publish, String()),
    tried(n.create_timer, 1, lambda: 0),
    tried(n.create_publisher, String, "b", 1),
    tried(n.destroy_node),
    n.get_logger().name,
    tried(ex.spin_once, timeout_sec=0.1),
    tried(ex.spin),
    tried(n.create_guard_condition, lambda: 0),
    tried(n.create_rate, 1),
    tried(n.declare_parameter, "a", 1),
    tried(n.has_parameter, "a"),
    tried(c.get_domain_id),
    tried(c.on_shutdown, 3),
)
print(
    tried(rclpy.init, domain_id=-3), tried(rclpy.init, domain_id=2**40) if False else "", rclpy.ok()
)
rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
print(get_current_signal_handlers_options())
install_signal_handlers(SignalHandlerOptions.SIGINT)
print(get_current_signal_handlers_options())
print(uninstall_signal_handlers(), get_current_signal_handlers_options())
rclpy.shutdown(uninstall_handlers=False)
print(SignalHandlerOptions.ALL.name)
rclpy.init()
m = rclpy.create_node("m")
ex = SingleThreadedExecutor()
ex.add_node(m)
res = []
th = threading.Thread(target=lambda: res.append(tried(ex.spin)))
th.start()
time.sleep(0.2)
rclpy.shutdown()
th.join(3)
print(res)
rclpy.init()
m = rclpy.create_node("m")
m.create_timer(0.05, rclpy.shutdown)
print(
    tried(rclpy.spin, m),
    rclpy.ok(),
    tried(rclpy.spin_once, m, timeout_sec=0.1),
    tried(m.get_clock().now) is not None,
    tried(rclpy.spin_until_future_complete, m, rclpy.Future(), timeout_sec=0.1),
)
rclpy.init()
m = rclpy.create_node("m")
g = rclpy.get_global_executor()
print(type(g).__name__, g is rclpy.get_global_executor())
rclpy.shutdown()
rclpy.init()
print(g is rclpy.get_global_executor())
print(
    rclpy.utilities.timeout_sec_to_nsec(1.5),
    rclpy.utilities.timeout_sec_to_nsec(-1),
    rclpy.utilities.timeout_sec_to_nsec(None),
    rclpy.utilities.remove_ros_args(["a", "--ros-args", "-r", "b:=c", "--", "d"]),
)
y = rclpy.create_node("y")
p = y.create_publisher(String, "a", 1)
client = ActionClient(y, Fibonacci, "f")
signal.raise_signal(signal.SIGTERM)
time.sleep(0.3)
print(rclpy.ok(), tried(lambda: rclpy.spin(rclpy.create_node("z"))))
for call in (
    lambda: y.create_publisher(String, "b", 1), lambda: y.create_subscription(String, "b", print, 1),
    lambda: y.create_client(Trigger, "b"), lambda: y.create_service(Trigger, "b", print),
    lambda: ActionClient(y, Fibonacci, "g"), lambda: ActionServer(y, Fibonacci, "g", print),
    lambda: client.wait_for_server(0.1), p.get_subscription_count, p.assert_liveliness,
    p.wait_for_all_acked, y.get_node_names, y.get_topic_names_and_types,
    lambda: y.count_publishers("a"), lambda: y.get_publishers_info_by_topic("a"),
    lambda: y.get_publisher_names_and_types_by_node("y", "/"), SingleThreadedExecutor,
):  # fmt: skip
    print(tried(call))
rclpy.try_shutdown()
rclpy.try_shutdown()
print(tried(rclpy.shutdown))
