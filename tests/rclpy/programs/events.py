"""Events of publishers and subscriptions: matched, incompatible, deadline, liveliness."""
# mypy: ignore-errors

import time

import rclpy
from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from std_msgs.msg import String

rclpy.init(args=[])
node = rclpy.create_node("events")
executor = SingleThreadedExecutor()
executor.add_node(node)
told = []


def spin_for(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        executor.spin_once(timeout_sec=max(0.0, until - time.monotonic()))


def tell(what, *fields):
    return lambda info: told.append((what, *(getattr(info, field) for field in fields)))


counts = ("current_count", "current_count_change", "total_count")
publisher = node.create_publisher(
    String,
    "talk",
    10,
    event_callbacks=PublisherEventCallbacks(matched=tell("publisher matched", *counts)),
)
subscription = node.create_subscription(
    String,
    "talk",
    lambda _: None,
    10,
    event_callbacks=SubscriptionEventCallbacks(matched=tell("subscription matched", *counts)),
)
spin_for(0.5)
print(sorted(told))
print([str(each.event_type) for each in (*publisher.event_handlers, *subscription.event_handlers)])
told.clear()
node.destroy_subscription(subscription)
spin_for(0.5)
print(told)
told.clear()

best = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
node.create_publisher(
    String,
    "unfit",
    best,
    event_callbacks=PublisherEventCallbacks(
        incompatible_qos=lambda info: told.append(
            ("offers too little", info.total_count, str(info.last_policy_kind))
        )
    ),
)
heard = []
node.create_subscription(
    String,
    "unfit",
    heard.append,
    QoSProfile(depth=1),
    event_callbacks=SubscriptionEventCallbacks(
        incompatible_qos=lambda info: told.append(
            ("asks too much", info.total_count, str(info.last_policy_kind))
        )
    ),
)
spin_for(0.5)
print(sorted(told), heard)
told.clear()
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
for offered, asked in ((best, QoSProfile(depth=1)), (QoSProfile(depth=1), latched)):
    verdict, why = qos_check_compatible(offered, asked)
    print(int(verdict), "ERROR" in why)

timed = QoSProfile(depth=1, deadline=Duration(seconds=0.2))
missed = []
late = node.create_publisher(
    String,
    "timed",
    timed,
    event_callbacks=PublisherEventCallbacks(deadline=lambda info: missed.append("offered")),
)
node.create_subscription(
    String,
    "timed",
    lambda _: None,
    timed,
    event_callbacks=SubscriptionEventCallbacks(deadline=lambda info: missed.append("requested")),
)
spin_for(0.5)
print("before the first message:", missed)
late.publish(String())
spin_for(0.9)
print("missed:", sorted(set(missed)), missed.count("offered") >= 2)

alive = QoSProfile(
    depth=1,
    liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
    liveliness_lease_duration=Duration(seconds=0.3),
)
changes = []
living = node.create_publisher(
    String,
    "living",
    alive,
    event_callbacks=PublisherEventCallbacks(liveliness=lambda info: changes.append("lost")),
)
node.create_subscription(
    String,
    "living",
    lambda _: None,
    alive,
    event_callbacks=SubscriptionEventCallbacks(
        liveliness=lambda info: changes.append((info.alive_count, info.not_alive_count))
    ),
)
spin_for(0.5)
print("made:", changes)
living.assert_liveliness()
spin_for(0.1)
print("alive:", (1, 0) in changes)
spin_for(0.8)
print("lost:", "lost" in changes, (0, 1) in changes)
changes.clear()
node.destroy_publisher(living)
spin_for(0.3)
print("gone:", changes)
rclpy.shutdown()
