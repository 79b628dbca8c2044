"""Content filters of subscriptions, and the events of services."""
# mypy: ignore-errors

import time

import rclpy
from geometry_msgs.msg import PointStamped
from rclpy.qos import qos_profile_system_default
from rclpy.service_introspection import ServiceIntrospectionState
from rclpy.subscription_content_filter_options import ContentFilterOptions
from service_msgs.msg import ServiceEventInfo
from std_msgs.msg import Int32, String
from std_srvs.srv import SetBool


def tried(f, *a, **k):
    try:
        return f(*a, **k)
    except BaseException as e:
        return type(e).__name__


rclpy.init()
n = rclpy.create_node("n")
got = []


def spin(k=8):
    for _ in range(k):
        rclpy.spin_once(n, timeout_sec=0.01)


p = n.create_publisher(Int32, "i", 50)
s = n.create_subscription(
    Int32,
    "i",
    lambda m: got.append(m.data),
    50,
    content_filter_options=ContentFilterOptions(
        filter_expression="data > %0 AND data <= %1", expression_parameters=["2", "6"]
    ),
)
print(s.is_cft_enabled, s.get_content_filter())
for i in range(10):
    p.publish(Int32(data=i))
spin()
print(got)
got.clear()
s.set_content_filter("data = %0", ["4"])
for i in range(10):
    p.publish(Int32(data=i))
spin()
print(got, s.get_content_filter())
got.clear()
for e, a in (
    ("data = 1 OR data = 8", []),
    ("data BETWEEN 3 AND 5", []),
    ("NOT (data < 7)", []),
    ("data <> 3 AND data < 5", []),
    ("data NOT BETWEEN 1 AND 8", []),
):
    print(tried(s.set_content_filter, e, a))
    for i in range(10):
        p.publish(Int32(data=i))
    spin()
    print(e, got)
    got.clear()
s.set_content_filter("", [])
print(s.is_cft_enabled, tried(s.get_content_filter))
for i in range(3):
    p.publish(Int32(data=i))
spin()
print(got)
got.clear()
q = n.create_publisher(PointStamped, "ps", 50)
n.create_subscription(
    PointStamped,
    "ps",
    lambda m: got.append(m.point.x),
    50,
    content_filter_options=ContentFilterOptions("point.x > 1.5 AND header.frame_id = 'map'", []),
)
for x, f in ((1.0, "map"), (2.0, "map"), (3.0, "odom")):
    m = PointStamped()
    m.point.x = x
    m.header.frame_id = f
    q.publish(m)
spin()
print(got)
got.clear()
t = n.create_publisher(String, "s", 50)
n.create_subscription(
    String,
    "s",
    lambda m: got.append(m.data),
    50,
    content_filter_options=ContentFilterOptions("data LIKE 'a%'", []),
)
for x in ("abc", "b", "a"):
    t.publish(String(data=x))
spin()
print(got)
got.clear()
pl = n.create_subscription(String, "s", lambda m: 0, 10)
print(pl.is_cft_enabled, tried(pl.get_content_filter))
sv = n.create_service(SetBool, "sv", lambda q, r: (setattr(r, "message", "m"), r)[1])
c = n.create_client(SetBool, "sv")
ev = []
n.create_subscription(
    SetBool.Event,
    "sv/_service_event",
    lambda e: ev.append(
        (
            e.info.event_type,
            len(e.request),
            len(e.response),
            e.info.sequence_number,
            [x.data for x in e.request],
            [x.message for x in e.response],
        )
    ),
    50,
)
for st in (
    ServiceIntrospectionState.OFF,
    ServiceIntrospectionState.METADATA,
    ServiceIntrospectionState.CONTENTS,
):
    sv.configure_introspection(n.get_clock(), qos_profile_system_default, st)
    c.configure_introspection(n.get_clock(), qos_profile_system_default, st)
    time.sleep(0.1)
    f = c.call_async(SetBool.Request(data=True))
    rclpy.spin_until_future_complete(n, f, timeout_sec=60.0)
    spin()
    print(st.name, sorted((e[0], e[1], e[2]) for e in ev), sorted(map(str, (e[4:] for e in ev))))
    ev.clear()
print(ServiceEventInfo.REQUEST_SENT, ServiceEventInfo.RESPONSE_RECEIVED)
rclpy.shutdown()
