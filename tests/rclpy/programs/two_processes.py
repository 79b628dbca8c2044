"""Events between two processes: what does not fit is told and not received, the rest matches."""
# mypy: ignore-errors

import subprocess
import sys
import threading
import time

import rclpy
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

BEST = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
TIMELY = QoSProfile(depth=10, deadline=Duration(seconds=0.5))


def talk():
    rclpy.init(args=[])
    node = rclpy.create_node("talker")
    publishers = [
        node.create_publisher(String, "best", BEST),
        node.create_publisher(String, "usual", 10),
    ]
    for profile in (10, 10, BEST):
        node.create_publisher(String, "several", profile)
        node.create_subscription(String, "heard", print, profile)
    print("up", flush=True)
    ends = threading.Thread(target=sys.stdin.read)
    ends.start()
    while ends.is_alive():
        for publisher in publishers:
            publisher.publish(String(data="hello"))
        rclpy.spin_once(node, timeout_sec=0.05)
    rclpy.shutdown()


def events(name, told):
    def matched(info):
        told.add((name, "matched", info.current_count, info.current_count_change))

    return SubscriptionEventCallbacks(
        incompatible_qos=lambda info: told.add((name, str(info.last_policy_kind))),
        matched=matched,
        liveliness=lambda info: told.add((name, "alive", info.alive_count)),
    )


def spin(node, seconds, done=lambda: False):
    until = time.monotonic() + seconds
    while time.monotonic() < until and not done():
        rclpy.spin_once(node, timeout_sec=0.1)


def listen():
    told, heard = set(), set()
    rclpy.init(args=[])
    node = rclpy.create_node("listener")
    for name, topic, qos in (
        ("reliable", "best", 10),
        ("best effort", "best", BEST),
        ("latched", "usual", LATCHED),
        ("timely", "usual", TIMELY),
        ("usual", "usual", 10),
    ):
        node.create_subscription(
            *(String, topic, lambda _, name=name: heard.add(name), qos),
            event_callbacks=events(name, told),
        )
    spin(node, 0.5)
    print("alone:", sorted(told), sorted(heard))
    child = subprocess.Popen(
        [sys.executable, __file__, "talk"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    print(child.stdout.readline().strip())
    spin(node, 10.0, lambda: len(told) >= 5)
    spin(node, 0.3)
    spin(
        node, 10.0, lambda: node.count_publishers("several") == 3 == node.count_subscribers("heard")
    )
    infos = node.get_publishers_info_by_topic("several")
    print(
        sorted(each.qos_profile.reliability.name for each in infos), node.count_subscribers("heard")
    )
    fitting = node.create_publisher(String, "heard", BEST)
    spin(node, 10.0, fitting.get_subscription_count)
    print(fitting.get_subscription_count())
    heard.clear()
    spin(node, 10.0, lambda: heard >= {"best effort", "usual"})
    spin(node, 0.3)
    for each in sorted(told, key=str):
        print(*each)
    print("heard:", sorted(heard))
    told.clear()
    child.communicate("end")
    spin(node, 10.0, lambda: len(told) >= 2)
    spin(node, 0.3)
    for each in sorted(told, key=str):
        print(*each)
    rclpy.shutdown()


talk() if sys.argv[1:] == ["talk"] else listen()
