"""Nodes that nobody holds any longer, or whose construction failed; a waitable's guard condition."""
# mypy: ignore-errors

import gc
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.guard_condition import GuardCondition
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.waitable import NumberOfEntities, Waitable
from std_msgs.msg import String

rclpy.init(args=[])
looker = rclpy.create_node("looker")


def seen():
    return sorted(looker.get_node_names()), looker.count_publishers("a")


def there(*names, publishers=0):
    """Wait until there are these nodes and no others, and as many publishers; tell them."""
    end = time.monotonic() + 5.0
    while seen() != (sorted(names), publishers) and time.monotonic() < end:
        time.sleep(0.02)
    return seen()


def make(has_cycle=False):
    node = Node("made")
    node.create_publisher(String, "a", 1)
    node.create_subscription(String, "a", print, 1)
    node.create_timer(1.0, node.get_name if has_cycle else print)
    return node.create_publisher(String, "kept", 1)


class Fails(Node):
    def __init__(self):
        super().__init__("fails", parameter_overrides=[Parameter("speed", value="fast")])
        self.create_publisher(String, "a", 1)
        self.declare_parameter("speed", 1)


print(there("looker"))
publisher = make()
print(there("looker", "made"))
publisher.publish(String(data="its node is there"))
del publisher
print(there("looker"))
gc.disable()
make(has_cycle=True)
print(there("looker", "made", publishers=1))
gc.enable()
gc.collect()
print(there("looker"))
try:
    Fails()
except Exception as error:
    print(type(error).__name__, error)
print(there("looker"))


class Bell(Waitable):
    def __init__(self, node):
        super().__init__(node.default_callback_group)
        self.guard = GuardCondition(None, None, context=node.context)
        self.is_rung = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def is_ready(self, wait_set):
        self.is_rung = self.is_rung or wait_set.is_ready("guard_condition", self.index)
        return self.is_rung

    def take_data(self):
        was, self.is_rung = self.is_rung, False
        return was

    async def execute(self, taken):
        print("rung", taken)

    def get_num_entities(self):
        return NumberOfEntities(num_gcs=1)

    def add_to_wait_set(self, wait_set):
        self.index = wait_set.add_guard_condition(self.guard.handle)


executor = SingleThreadedExecutor()
executor.add_node(looker)
bell = Bell(looker)
looker.add_waitable(bell)
for times in (0, 1, 2):
    for _ in range(times):
        bell.guard.trigger()
    for _ in range(3):
        executor.spin_once(timeout_sec=0.02)
    print("after", times)
looker.remove_waitable(bell)
for kind in (GuardCondition, SingleThreadedExecutor):
    print(issubclass(kind, Waitable))
rclpy.shutdown()
