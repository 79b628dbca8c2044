"""What the graph answers: ends and their profiles, counts, names, and what is wrong with a name."""
# mypy: ignore-errors

import rclpy
from rclpy.duration import Duration
from rclpy.expand_topic_name import expand_topic_name as expand
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.topic_or_service_is_hidden import topic_or_service_is_hidden as is_hidden
from rclpy.validate_full_topic_name import validate_full_topic_name as vf
from rclpy.validate_namespace import validate_namespace as vn
from rclpy.validate_node_name import validate_node_name as v
from rclpy.validate_parameter_name import validate_parameter_name as vp
from rclpy.validate_topic_name import validate_topic_name as vt
from std_msgs.msg import String
from std_srvs.srv import Empty

rclpy.init()
a = rclpy.create_node("a", namespace="/ns")
b = rclpy.create_node("b")
p = a.create_publisher(
    String,
    "t",
    QoSProfile(
        depth=3,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
        deadline=Duration(seconds=1),
        lifespan=Duration(seconds=2),
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=Duration(seconds=3),
    ),
)
s = b.create_subscription(
    String,
    "/ns/t",
    lambda m: 0,
    QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.BEST_EFFORT),
)
for i in b.get_publishers_info_by_topic("/ns/t") + b.get_subscriptions_info_by_topic("/ns/t"):
    print(i.node_name, i.node_namespace, i.topic_type, i.endpoint_type, str(i.qos_profile))
    print(len(i.endpoint_gid))
print(
    a.get_publishers_info_by_topic("t")[0].node_name,
    b.get_publishers_info_by_topic("nope"),
    b.count_publishers("/ns/t"),
    b.count_subscribers("/ns/t"),
    a.count_publishers("t"),
    b.count_publishers("t"),
)
print(p.get_subscription_count(), s.get_publisher_count())
sv = a.create_service(Empty, "sv", lambda q, r: r)
cl = b.create_client(Empty, "/ns/sv")
print(b.count_services("/ns/sv"), b.count_clients("/ns/sv"), a.count_services("sv"))
print(
    [x for x in b.get_topic_names_and_types() if "ns/t" in x[0]],
    [x for x in b.get_service_names_and_types() if "sv" in x[0]],
)
print(a.get_publisher_names_and_types_by_node("a", "/ns"))
print(b.get_subscriber_names_and_types_by_node("b", "/"))
print(b.get_client_names_and_types_by_node("b", "/"))
print(
    sorted(b.get_node_names()),
    sorted(b.get_node_names_and_namespaces()),
    sorted(b.get_fully_qualified_node_names()),
    sorted(b.get_node_names_and_namespaces_with_enclaves()),
)


def tried(f, *x):
    try:
        return f(*x)
    except BaseException as e:
        return type(e).__name__ + ": " + str(e).split(", at")[0]


print(tried(b.get_publisher_names_and_types_by_node, "zz", "/"))
print(tried(b.get_publisher_names_and_types_by_node, "zz", ""))
print(tried(b.get_publishers_info_by_topic, "bad name"))
print(tried(b.count_publishers, "bad name"))
print(tried(b.count_services, "9x"))
print(
    b.wait_for_node("/ns/a", 1),
    b.wait_for_node("ns/a", 1),
    b.wait_for_node("a", 0.2),
    b.wait_for_node("b", 0.2),
)
print(
    a.resolve_topic_name("x"),
    a.resolve_topic_name("~/x"),
    a.resolve_topic_name("/x"),
    a.resolve_topic_name("{node}/x"),
    a.resolve_service_name("s", only_expand=True),
    tried(a.resolve_topic_name, "bad name"),
    tried(a.resolve_topic_name, ""),
)
c = rclpy.create_node("c", cli_args=["--ros-args", "-r", "x:=/y", "-r", "s:=z"])
print(
    c.resolve_topic_name("x"),
    c.resolve_topic_name("x", only_expand=True),
    c.resolve_service_name("s"),
    c.get_publishers_info_by_topic("x"),
)

print(is_hidden("/a/_b"), is_hidden("/a/b"), is_hidden("_x"))

print(
    expand("~/a", "n", "/ns"),
    tried(expand, "a", "bad name", "/"),
    tried(expand, "a", "n", "ns/"),
    tried(expand, "{x}", "n", "/"),
)

for f, xs in (
    (v, ["ok", "", "1a", "a-b", "a" * 256]),
    (vn, ["/", "/a/b", "a", "/a/", "//a", "/1"]),
    (vf, ["/a", "a", "/a//b", "/a_", "/{n}"]),
    (vt, ["a", "{n}/a", "a{", "~a", "a//b", "9", ""]),
    (vp, ["a", "", "a b"]),
):
    for x in xs:
        print(f.__name__, x[:10], tried(f, x))


class Three(QoSProfile):
    """A profile of a program's own."""

    def __init__(self):
        super().__init__(depth=3)


print(Three() == QoSProfile(depth=3), QoSProfile(depth=3) == Three() != QoSProfile(depth=4))
rclpy.shutdown()
