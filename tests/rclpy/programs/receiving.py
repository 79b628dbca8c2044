"""Content filters, raw messages, depth, callbacks that change, publishing bytes."""
# mypy: ignore-errors

import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.subscription_content_filter_options import ContentFilterOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import ByteMultiArray, Empty, Float64MultiArray, Int8, Int32, String

rclpy.init(args=[])
node = rclpy.create_node("receiving")
executor = SingleThreadedExecutor()
executor.add_node(node)
publisher = node.create_publisher(Int32, "numbers", 50)
few, all_of_them, filtered, swapped = [], [], [], []
node.create_subscription(Int32, "numbers", lambda m: few.append(m.data), 3)
node.create_subscription(
    Int32,
    "numbers",
    lambda m: all_of_them.append(m.data),
    QoSProfile(history=HistoryPolicy.KEEP_ALL),
)
subscription = node.create_subscription(
    Int32,
    "numbers",
    lambda m: filtered.append(m.data),
    50,
    content_filter_options=ContentFilterOptions("data > %0 AND data <> 7", ["5"]),
)
changing = node.create_subscription(Int32, "numbers", lambda m: swapped.append("first"), 50)
print(subscription.is_cft_enabled, subscription.get_content_filter().filter_expression)


def settle(count=60):
    for _ in range(count):
        executor.spin_once(timeout_sec=0.01)


settle()
for number in range(10):
    publisher.publish(Int32(data=number))
changing.callback = lambda m: swapped.append("second")
settle()
print(few, all_of_them, filtered, set(swapped))
subscription.set_content_filter("", [])
print(subscription.is_cft_enabled)

raw = []
node.create_subscription(String, "words", raw.append, 10, raw=True)
words = node.create_publisher(String, "words", 10)
heard = []
node.create_subscription(String, "words", lambda m: heard.append(m.data), 10)
settle()
words.publish(String(data="plain"))
words.publish(serialize_message(String(data="as bytes")))
settle()
for kind in (Int8, Empty, Float64MultiArray, JointState):
    sizes = []
    node.create_subscription(kind, "bare" + kind.__name__, sizes.append, 10, raw=True)
    node.create_publisher(kind, "bare" + kind.__name__, 10).publish(kind())
    for _ in range(50):
        if not sizes:
            executor.spin_once(timeout_sec=0.1)
    print(kind.__name__, [len(each) for each in sizes])
print([type(each).__name__ for each in raw], [deserialize_message(e, String).data for e in raw])
print(heard, serialize_message(String(data="ab")))
pose = PoseStamped()
pose.header.frame_id = "map"
pose.pose.position.x = 1.5
print(deserialize_message(serialize_message(pose), PoseStamped) == pose)
octets = []
node.create_subscription(ByteMultiArray, "octets", lambda m: octets.append(m.data), 10)
sent = node.create_publisher(ByteMultiArray, "octets", 10)
settle()
for data in ([b"\1", b"\2"], b"\3\4", bytearray(b"\5")):
    sent.publish(ByteMultiArray(data=data))
    settle()
print(octets)
print(words.topic, words.topic_name, words.get_subscription_count())
for wrong in (lambda: words.publish(3), lambda: words.publish(String)):
    try:
        wrong()
    except TypeError as error:
        print("TypeError", error)
rclpy.shutdown()
