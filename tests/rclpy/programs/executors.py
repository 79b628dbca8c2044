"""Executors: the order of one round, exceptions, coroutines, groups, moving nodes, shutdown."""
# mypy: ignore-errors

import threading
import time
import warnings

import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.executors import (
    MultiThreadedExecutor,
    ShutdownException,
    SingleThreadedExecutor,
    TimeoutException,
)
from std_msgs.msg import Int32
from std_srvs.srv import Trigger

rclpy.init(args=[])
node = rclpy.create_node("busy", start_parameter_services=False)
executor = SingleThreadedExecutor()
executor.add_node(node)
order = []
publisher = node.create_publisher(Int32, "numbers", 10)
node.create_subscription(Int32, "numbers", lambda msg: order.append(f"message {msg.data}"), 10)
guard = node.create_guard_condition(lambda: order.append("guard"))
timer = node.create_timer(0.2, lambda: (order.append("timer"), timer.cancel()))


def serve(_, response):
    order.append("service")
    return response


node.create_service(Trigger, "go", serve)
client = node.create_client(Trigger, "go")
print(client.wait_for_service(60.0))
client.call_async(Trigger.Request()).add_done_callback(lambda _: order.append("answer"))
publisher.publish(Int32(data=1))
publisher.publish(Int32(data=2))
guard.trigger()
executor.create_task(lambda: order.append("task"))
time.sleep(0.3)
while len(order) < 7:
    executor.spin_once(timeout_sec=60.0)
print(order[0], order[1:5], sorted(order[5:]))

try:
    executor.wait_for_ready_callbacks(timeout_sec=0.05)
except TimeoutException:
    print("TimeoutException")


class Boom(Exception):
    pass


def boom():
    raise Boom("in a task")


executor.create_task(boom)
try:
    executor.spin_once(timeout_sec=60.0)
except Boom as error:
    print("Boom", error)

steps = []
future = rclpy.task.Future(executor=executor)


async def waits():
    steps.append("begun")
    steps.append(await future)
    return "returned"


task = executor.create_task(waits)
executor.spin_once(timeout_sec=0.1)
print(steps, task.done())
future.set_result("result")
executor.spin_until_future_complete(task, timeout_sec=60.0)
print(steps, task.result())

other = SingleThreadedExecutor()
print(
    other.add_node(node), other.get_nodes() == [node], executor.get_nodes(), node.executor is other
)
other.remove_node(node)
other.shutdown()
try:
    other.spin_once(timeout_sec=0)
    print("returned after shutdown")
except ShutdownException:
    print("ShutdownException")

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    MultiThreadedExecutor(num_threads=1).shutdown()
print([str(each.message).splitlines()[0] for each in caught])
try:
    MultiThreadedExecutor(num_threads=0)
except ValueError as error:
    print("ValueError", error)


def together(group):
    multi = MultiThreadedExecutor(num_threads=4)
    crowd = rclpy.create_node("crowd")
    running, most, lock = 0, 0, threading.Lock()

    async def work():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1

    for _ in range(3):
        crowd.create_timer(0.02, work, callback_group=group)
    multi.add_node(crowd)
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        multi.spin_once(timeout_sec=0.05)
    multi.shutdown()
    crowd.destroy_node()
    return most


print(together(MutuallyExclusiveCallbackGroup()), together(ReentrantCallbackGroup()) > 1)


def spun_within(inner):
    """Spin within a callback, while a message waits for the same group."""
    outer, nested, done = SingleThreadedExecutor(), rclpy.create_node("nested"), rclpy.task.Future()
    second = nested.create_publisher(Int32, "second", 10)

    def first_comes(_):
        second.publish(Int32(data=2))
        within = inner or outer
        within.add_node(nested)
        within.spin_once(timeout_sec=0.3)
        outer.add_node(nested)

    nested.create_subscription(Int32, "first", first_comes, 10)
    nested.create_subscription(Int32, "second", done.set_result, 10)
    outer.add_node(nested)
    thread = threading.Thread(target=outer.spin)
    thread.start()
    nested.create_publisher(Int32, "first", 10).publish(Int32(data=1))
    until = time.monotonic() + 20
    while not done.done() and time.monotonic() < until:
        time.sleep(0.01)
    outer.shutdown()
    thread.join()
    nested.destroy_node()
    return done.done()


print(spun_within(None), spun_within(SingleThreadedExecutor()))
rclpy.shutdown()
