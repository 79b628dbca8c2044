"""Timers, subscriptions, services, guards and nodes that are destroyed in callbacks."""
# mypy: ignore-errors

import time

import rclpy
from std_msgs.msg import String
from std_srvs.srv import Trigger

rclpy.init()
n = rclpy.create_node("n")
log = []


def spin(s):
    e = time.monotonic() + s
    while time.monotonic() < e:
        rclpy.spin_once(n, timeout_sec=0.02)


t = None


def tick():
    log.append("tick")
    print(n.destroy_timer(t))


t = n.create_timer(0.05, tick)
spin(0.4)
print(log, list(n.timers))
p = n.create_publisher(String, "s", 10)
seen = []


def cb(m):
    seen.append(m.data)
    if m.data == "1":
        print(n.destroy_subscription(sub))


sub = n.create_subscription(String, "s", cb, 10)
for i in range(4):
    p.publish(String(data=str(i)))
spin(0.3)
print(seen, len(list(n.subscriptions)), p.get_subscription_count())


def s1(q, r):
    print(n.destroy_service(srv))
    r.message = "last"
    return r


srv = n.create_service(Trigger, "t", s1)
c = n.create_client(Trigger, "t")
c.wait_for_service(60.0)
f = c.call_async(Trigger.Request())
try:
    rclpy.spin_until_future_complete(n, f, timeout_sec=1)
    print(f.done(), f.result())
except BaseException as e:
    print(type(e).__name__, str(e))
print(c.service_is_ready())
print(n.destroy_client(c), n.destroy_client(c), n.destroy_publisher(p), n.destroy_publisher(p))
for call in (
    lambda: p.publish(String()),
    lambda: c.call_async(Trigger.Request()),
    c.service_is_ready,
    lambda: p.topic_name,
    lambda: sub.topic_name,
    t.is_canceled,
    t.cancel,
    lambda: srv.service_name,
    p.get_subscription_count,
    lambda: c.wait_for_service(0.1),
    t.time_until_next_call,
    t.reset,
    p.assert_liveliness,
    sub.get_publisher_count,
    lambda: c.service_name,
):
    try:
        print(call())
    except BaseException as e:
        print(type(e).__name__, str(e))
g = None


def gd():
    log.append("g")
    print(n.destroy_guard_condition(g))


g = n.create_guard_condition(gd)
g.trigger()
g.trigger()
spin(0.2)
print(log, len(list(n.guards)))


def nodeend():
    print("node ends")
    n2.destroy_node()


n2 = rclpy.create_node("n2")
n2.create_timer(0.05, nodeend)
ex = rclpy.executors.SingleThreadedExecutor()
ex.add_node(n2)
e = time.monotonic() + 0.4
while time.monotonic() < e:
    ex.spin_once(timeout_sec=0.05)
print(len(ex.get_nodes()), len(list(n2.timers)))
x = rclpy.create_node("x")
y = x.create_publisher(String, "y", 1)
print(n.destroy_publisher(y), x.destroy_publisher(y))
other = n.create_timer(0.05, lambda: (log.append("two"), n.destroy_timer(three)))
three = n.create_timer(0.05, lambda: log.append("three"))
spin(0.3)
n.destroy_timer(other)
print("two" in log)
rclpy.shutdown()
