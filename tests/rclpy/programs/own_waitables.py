"""Waitables of a program's own: a guard condition in one, what a subclass must have, order, errors."""
# mypy: ignore-errors

import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.task import Future
from rclpy.waitable import NumberOfEntities, Waitable


def attempt(call, *args, **kwargs):
    try:
        print(call(*args, **kwargs))
    except Exception as error:
        text = "" if isinstance(error, TypeError) else f" | {error}"  # Python's texts change
        print(type(error).__name__ + text)


class Own(NumberOfEntities):
    pass


number = both = NumberOfEntities(1)
both += NumberOfEntities(num_timers=4, num_events=2)
print(number, both is number, NumberOfEntities.__slots__)
print(Own(2), Own(2) + NumberOfEntities(1), NumberOfEntities(1) + Own(2))
attempt(lambda: number + 3)

rclpy.init(args=[])
node = Node("waits")
executor = SingleThreadedExecutor()
executor.add_node(node)
log = []


class Guarded(Waitable):
    """Ready when its guard condition was triggered."""

    def __init__(self):
        super().__init__(node.default_callback_group)
        with node.context.handle:
            self.guard = rclpy_implementation.GuardCondition(node.context.handle)
        self.index = None
        self.is_triggered = False
        node.add_waitable(self)

    def __enter__(self):
        log.append("enter")
        self.guard.__enter__()

    def __exit__(self, *args):
        self.guard.__exit__(*args)

    def is_ready(self, wait_set):
        if wait_set.is_ready("guard_condition", self.index):
            self.is_triggered = True
        return self.is_triggered

    def take_data(self):
        self.is_triggered = False
        return "taken"

    async def execute(self, taken_data):
        log.append(taken_data)

    def get_num_entities(self):
        return NumberOfEntities(num_gcs=1)

    def add_to_wait_set(self, wait_set):
        self.index = wait_set.add_guard_condition(self.guard)


def spin(rounds=1):
    log.clear()
    for _ in range(rounds):
        attempt(executor.spin_once, timeout_sec=0.1)
    print("enter" in log, [each for each in log if each != "enter"])


own = Guarded()
spin()
own.guard.trigger_guard_condition()
own.guard.trigger_guard_condition()
spin(2)
future = Future()
own.add_future(future)
own.guard.trigger_guard_condition()
spin()
print(future._executor() is executor)
own.remove_future(future)
attempt(own.remove_future, future)
node.remove_waitable(own)
own.guard.trigger_guard_condition()
spin()
attempt(node.remove_waitable, own)


class Fails(Guarded):
    async def execute(self, taken_data):
        raise KeyError(taken_data)


class NoCoroutine(Guarded):
    def execute(self, taken_data):
        log.append("called")


class NoNumber(Guarded):
    get_num_entities = Waitable.get_num_entities


class NoEnter(Guarded):
    __enter__ = Waitable.__enter__


for kind in (Fails, NoCoroutine, NoNumber, NoEnter):
    made = kind()
    made.guard.trigger_guard_condition()
    print(kind.__name__)
    spin()
    node.remove_waitable(made)

bare = Waitable(ReentrantCallbackGroup())
for name, args in (
    ("__enter__", ()),
    ("__exit__", (None, None, None)),
    ("is_ready", (None,)),
    ("take_data", ()),
    ("get_num_entities", ()),
    ("add_to_wait_set", (None,)),
):
    attempt(getattr(bare, name), *args)
with node.handle as entered:
    print(entered)
with node.get_clock().handle as entered, node.context.handle as context:
    print(entered, context)
rclpy.shutdown()
