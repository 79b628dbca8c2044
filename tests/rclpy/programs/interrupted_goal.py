"""A goal that is executed while Ctrl-C comes: what its handle says then."""
# mypy: ignore-errors

import os
import signal
import threading
import time

import rclpy
from example_interfaces.action import Fibonacci
from rclpy.action import ActionClient, ActionServer
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor

signal.signal(signal.SIGINT, signal.default_int_handler)
rclpy.init()
node = rclpy.create_node("node")
begun, caught, done = threading.Event(), threading.Event(), threading.Event()


def try_to(what, call, *args):
    try:
        print(what, type(call(*args)).__name__)
    except Exception as error:
        print(what, type(error).__name__, str(error).split(", at /")[0])


def execute(goal):
    begun.set()
    while rclpy.ok():
        time.sleep(0.01)
    caught.wait(20)
    feedback = Fibonacci.Feedback(sequence=[1])
    try_to("feedback", goal.publish_feedback, feedback)
    try_to("again", goal.publish_feedback, feedback)
    try_to("no feedback", goal.publish_feedback, 3)
    print(goal.is_active, goal.status, goal.is_cancel_requested)
    try_to("succeed", goal.succeed)
    print(goal.is_active, goal.status)
    try_to("abort", goal.abort)
    done.set()
    return Fibonacci.Result()


server = ActionServer(node, Fibonacci, "fibonacci", execute)
client = ActionClient(node, Fibonacci, "fibonacci")
executor = MultiThreadedExecutor(4)
executor.add_node(node)


def interrupt():
    client.wait_for_server(20.0)
    client.send_goal_async(Fibonacci.Goal(order=1))
    begun.wait(20)
    os.kill(os.getpid(), signal.SIGINT)


threading.Thread(target=interrupt, daemon=True).start()
try:
    executor.spin()
except (KeyboardInterrupt, ExternalShutdownException) as error:
    print(type(error).__name__)
caught.set()
done.wait(20)
try_to("send", client.send_goal_async, Fibonacci.Goal(order=2))
try_to("ready", client.server_is_ready)
try_to("destroy", server.destroy)
try_to("destroy", client.destroy)
node.destroy_node()
rclpy.try_shutdown()
