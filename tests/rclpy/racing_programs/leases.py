"""Who is told first that a lease has ended: ends of one process count it before anybody is told."""
# mypy: ignore-errors

import time

import rclpy
from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import LivelinessPolicy, QoSProfile
from std_msgs.msg import String

rclpy.init()
told = []


def subscription_told(info):
    told.append(("subscription", info.alive_count_change, info.not_alive_count_change))


def publisher_told(info):
    told.append(("publisher", info.total_count_change))


profile = QoSProfile(
    depth=1,
    liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
    liveliness_lease_duration=Duration(seconds=2),
)
node = Node("both")  # real rclpy asks the nodes of an executor in any order
executor = SingleThreadedExecutor()
executor.add_node(node)
for _ in range(2):
    node.create_subscription(
        String,
        "words",
        lambda message: None,
        profile,
        event_callbacks=SubscriptionEventCallbacks(liveliness=subscription_told),
    )
publisher = node.create_publisher(
    String,
    "words",
    profile,
    event_callbacks=PublisherEventCallbacks(liveliness=publisher_told),
)


def spin_until(count):
    end = time.monotonic() + 20
    while len(told) < count and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)


for _ in range(2):
    publisher.publish(String(data="here"))
    spin_until(2)
    print("begins", told)
    told.clear()
    spin_until(3)
    print("ends", told)
    told.clear()
publisher.assert_liveliness()
spin_until(2)
print("asserted", told)
told.clear()
node.destroy_publisher(publisher)
spin_until(2)
print("gone", told)
rclpy.shutdown()
