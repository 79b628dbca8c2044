"""What another process offers: an action, a service, its log and a latched message to late listeners."""
# mypy: ignore-errors

import contextlib
import subprocess
import sys
import time

import rclpy
from rcl_interfaces.msg import Log
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_rosout_default
from std_msgs.msg import String
from std_srvs.srv import SetBool
from test_msgs.action import Fibonacci

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def serve():
    rclpy.init(args=[])
    node = rclpy.create_node("server")

    def execute(goal):
        if goal.request.order < 0:
            goal.abort()
            return Fibonacci.Result(sequence=[-1])
        sequence = [0, 1]
        while len(sequence) < goal.request.order:
            sequence.append(sum(sequence[-2:]))
            goal.publish_feedback(Fibonacci.Feedback(sequence=sequence))
        while goal.request.order == 0 and not goal.is_cancel_requested:
            time.sleep(0.02)
        if goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.succeed()
        return Fibonacci.Result(sequence=sequence)

    def answer(request, response):
        response.success, response.message = not request.data, "done"
        return response

    ActionServer(
        *(node, Fibonacci, "fibonacci", execute),
        cancel_callback=lambda _: CancelResponse.ACCEPT,
        callback_group=ReentrantCallbackGroup(),
    )
    node.create_service(SetBool, "switch", answer)
    node.get_logger().error("served")
    node.create_publisher(String, "word", LATCHED).publish(String(data="b"))
    executor = MultiThreadedExecutor(num_threads=3)
    executor.add_node(node)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        executor.spin()


def call():
    rclpy.init(args=[])
    node = rclpy.create_node("caller")
    client = ActionClient(node, Fibonacci, "fibonacci")
    print("before:", client.server_is_ready(), client.wait_for_server(timeout_sec=0.2))
    child = subprocess.Popen([sys.executable, __file__, "serve"], stderr=subprocess.DEVNULL)
    print("then:", client.wait_for_server(timeout_sec=60.0))

    def done(future):
        rclpy.spin_until_future_complete(node, future, timeout_sec=60.0)
        return future.result()

    for order in (5, -1, 0):
        feedback = []
        handle = done(
            client.send_goal_async(
                Fibonacci.Goal(order=order),
                feedback_callback=lambda m, heard=feedback: heard.append(list(m.feedback.sequence)),
            )
        )
        canceling = []
        if order == 0:
            canceling = done(handle.cancel_goal_async()).goals_canceling
        outcome = done(handle.get_result_async())
        # Feedback is a topic of its own: it may come after the result.
        until = time.monotonic() + 10
        while order == 5 and not feedback and time.monotonic() < until:
            rclpy.spin_once(node, timeout_sec=0.1)
        print(order, handle.accepted, outcome.status, outcome.result.sequence.tolist())
        print("  feedback:", feedback[:1], "canceling:", len(canceling))
    switch = node.create_client(SetBool, "switch")
    print("service:", switch.wait_for_service(timeout_sec=60.0))
    print(done(switch.call_async(SetBool.Request(data=False))))

    words, lines = [], []
    node.create_subscription(String, "word", words.append, LATCHED, raw=True)
    node.create_subscription(Log, "/rosout", lines.append, qos_profile_rosout_default)
    until = time.monotonic() + 60
    while not (words and any(each.name == "server" for each in lines)) and time.monotonic() < until:
        rclpy.spin_once(node, timeout_sec=0.1)
    print(*[(each.level, each.msg) for each in lines if each.name == "server"])
    print(*words)
    child.terminate()
    child.wait()
    until = time.monotonic() + 60
    while (client.server_is_ready() or switch.service_is_ready()) and time.monotonic() < until:
        time.sleep(0.05)
    print("gone:", client.server_is_ready(), switch.service_is_ready())
    rclpy.shutdown()


serve() if sys.argv[1:] == ["serve"] else call()
