"""Which messages arrive: by reliability, durability, depth and lifespan of both ends."""
# mypy: ignore-errors

import time

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Int32

rclpy.init(args=[])
node = rclpy.create_node("n")
executor = SingleThreadedExecutor()
executor.add_node(node)
R, D = ReliabilityPolicy, DurabilityPolicy


def spin(count=20):
    for _ in range(count):
        executor.spin_once(timeout_sec=0.01)


def profile(depth=5, **policies):
    return QoSProfile(depth=depth, **policies)


def publisher(topic, qos, *numbers):
    made = node.create_publisher(Int32, topic, qos)
    publish(made, *numbers)
    return made


def publish(made, *numbers):
    for number in numbers:
        made.publish(Int32(data=number))


def heard(topic, qos):
    got = []
    node.create_subscription(Int32, topic, lambda m: got.append(m.data), qos)
    return got


kinds = R.RELIABLE, R.BEST_EFFORT, R.SYSTEM_DEFAULT, R.BEST_AVAILABLE
for one in kinds:
    for other in kinds:
        topic = f"r_{one.name}_{other.name}"
        made, got = (
            publisher(topic, profile(reliability=one)),
            heard(topic, profile(reliability=other)),
        )
        spin(3)
        publish(made, 1)
        spin(5)
        print(one.name, other.name, got, made.get_subscription_count())
for depths in ((1, 5), (3, 5)):
    for durability in (D.TRANSIENT_LOCAL, D.VOLATILE):
        topic = f"d_{depths[0]}_{durability.name}"
        made = publisher(topic, profile(depths[0], durability=D.TRANSIENT_LOCAL), 0, 1, 2, 3)
        got = heard(topic, profile(depths[1], durability=durability))
        spin()
        publish(made, 9)
        spin(5)
        print(depths, durability.name, got)
latched = profile(10, durability=D.TRANSIENT_LOCAL)
made, first = publisher("several", latched), heard("several", latched)
spin(3)
publish(made, 1, 2, 3)
spin()
second = heard("several", latched)
spin()
third = heard("several", latched)
spin()
publish(made, 4)
spin(5)
print(first, second, third)
made = publisher("between", latched, 1, 2, 3)
got = heard("between", latched)
publish(made, 4, 5)
spin()
print("between", got)
made = publisher("gone", latched, 1, 2)
node.destroy_publisher(made)
got = heard("gone", latched)
again = publisher("gone", latched, 3)
spin()
print("gone", got)
old = profile(10, durability=D.TRANSIENT_LOCAL, lifespan=Duration(seconds=1.5))
made = publisher("old", old, 1, 2)
time.sleep(1.6)
publish(made, 3)
got = heard("old", latched)
spin()
print("old", got)
short = Duration(seconds=1.0)
for name, offered, requested in (("sent", short, None), ("kept", None, short)):
    qos = [profile(**({"lifespan": each} if each else {})) for each in (offered, requested)]
    made, got = publisher(name, qos[0]), heard(name, qos[1])
    spin(3)
    publish(made, 1)
    time.sleep(1.1)
    publish(made, 2)
    spin(5)
    print(name, got)
system = QoSProfile(depth=1, reliability=R.SYSTEM_DEFAULT, durability=D.SYSTEM_DEFAULT)
publisher("system", system)
heard("system", system)
for ask in (node.get_publishers_info_by_topic, node.get_subscriptions_info_by_topic):
    print([(e.qos_profile.reliability.name, e.qos_profile.durability.name) for e in ask("system")])
rclpy.shutdown()
