# mypy: ignore-errors
"""A ROS 2 node that does what it is told: a program for real rclpy, without a line of ours.

It reads one JSON object a line and answers each with one; what comes by itself is told by lines
with a "got". Values are set field by field, as a program of a user does it.
"""

import importlib
import json
import math
import sys
import threading
import time

import rclpy
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.duration import Duration
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

printing = threading.Lock()


def say(**told):
    with printing:
        print(json.dumps(told), flush=True)


def load(name):
    package, kind, short = name.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), short)


def plain(value):
    """Anything of a message as JSON has it, bytes as lists of numbers."""
    if hasattr(value, "get_fields_and_field_types"):
        return {name: plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return list(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return [plain(each) for each in value] if isinstance(value, list) else value


def fill(msg, values):
    for name, value in values.items():
        old = getattr(msg, name)
        if isinstance(value, dict):
            fill(old, value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            kind = msg.get_fields_and_field_types()[name].partition("<")[2].rstrip(">")
            package, short = kind.split("/")
            setattr(msg, name, [fill(load(f"{package}/msg/{short}")(), each) for each in value])
        elif isinstance(old, float) and not isinstance(value, bool):
            setattr(msg, name, float(value))
        else:
            setattr(msg, name, value)
    return msg


def profile_of(depth, latched=False, best_effort=False, **seconds):
    return QoSProfile(
        depth=depth,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        reliability=(ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE),
        **{name: Duration(seconds=value) for name, value in seconds.items()},
    )


def place(msg):
    """Where a message has room for a number and a time."""
    if hasattr(msg, "transforms"):
        return msg.transforms[0].header
    return getattr(msg, "header", msg)


def mark(msg, number):
    text = f"{number} {time.time_ns()}"
    setattr(place(msg), "data" if hasattr(place(msg), "data") else "frame_id", text)


def marked(msg):
    here = place(msg)
    number, sent = (here.data if hasattr(here, "data") else here.frame_id).split()
    return int(number), time.time_ns() - int(sent)


class Peer(Node):
    def __init__(self):
        super().__init__("ros_peer")
        self.declare_parameter("gain", 1.5)
        self.group = ReentrantCallbackGroup()
        self.publishers_by_name, self.services_by_name = {}, {}
        self.tallies = {}

    def do_advertise(self, topic, type, **qos):
        publisher = self.create_publisher(load(type), topic, profile_of(depth=100, **qos))
        self.publishers_by_name[topic] = publisher, type

    def do_publish(self, topic, msgs, rate=0.0):
        publisher, kind = self.publishers_by_name[topic]
        for values in msgs:
            publisher.publish(fill(load(kind)(), values))
            if rate:
                time.sleep(1 / rate)

    def do_publish_bytes(self, topic, data):
        """Publish what another program says is a serialized message."""
        self.publishers_by_name[topic][0].publish(bytes.fromhex(data))

    def do_withdraw(self, topic):
        self.destroy_publisher(self.publishers_by_name.pop(topic)[0])

    def do_listen(self, topic, type, **qos):
        profile = profile_of(depth=1000, **qos)
        self.create_subscription(
            load(type), topic, lambda msg: say(got=topic, msg=plain(msg)), profile
        )

    def do_profiles(self, topic):
        """Deadline and lifespan in nanoseconds of each publisher."""
        profiles = [each.qos_profile for each in self.get_publishers_info_by_topic(topic)]
        return [[each.deadline.nanoseconds, each.lifespan.nanoseconds] for each in profiles]

    def do_subscribers(self, topic):
        return self.publishers_by_name[topic][0].get_subscription_count()

    def do_serve(self, name, type):
        def answer(request, response):
            if hasattr(response, "sum"):
                response.sum = request.a + request.b
            else:
                response.success, response.message = request.data, "from ROS"
            return response

        served = self.create_service(load(type), name, answer, callback_group=self.group)
        self.services_by_name[name] = served

    def do_serve_no_longer(self, name):
        self.destroy_service(self.services_by_name.pop(name))

    def do_call(self, name, type, requests):
        client = self.create_client(load(type), name, callback_group=self.group)
        assert client.wait_for_service(20.0), f"{name} is not there"
        answers = []
        for values in requests:
            future = client.call_async(fill(load(type).Request(), values))
            until = time.monotonic() + 20.0
            while not future.done() and time.monotonic() < until:
                time.sleep(0.001)
            answers.append(plain(future.result()) if future.done() else None)
        return answers

    def do_action(self, name, type):
        action = load(type)

        def execute(goal):
            sequence = [0, 1]
            for _ in range(goal.request.order):
                if goal.is_cancel_requested:
                    goal.canceled()
                    return action.Result(sequence=sequence)
                sequence.append(sequence[-1] + sequence[-2])
                goal.publish_feedback(action.Feedback(sequence=sequence))
                time.sleep(0.02)
            goal.succeed()
            return action.Result(sequence=sequence)

        ActionServer(
            self,
            action,
            name,
            execute,
            callback_group=self.group,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def do_goal(self, name, type, goal, cancel=False):
        action = load(type)
        client = ActionClient(self, action, name, callback_group=self.group)
        assert client.wait_for_server(20.0), f"{name} is not there"
        feedback = []
        started = threading.Event()

        def on_feedback(told):
            feedback.append(plain(told.feedback))
            started.set()

        future = client.send_goal_async(fill(action.Goal(), goal), on_feedback)
        handle = self.wait(future)
        result = handle.get_result_async()
        if cancel:
            started.wait(20.0)
            self.wait(handle.cancel_goal_async())
        found = self.wait(result)
        return {
            "accepted": handle.accepted,
            "status": found.status,
            "result": plain(found.result),
            "feedback": len(feedback),
        }

    def wait(self, future):
        until = time.monotonic() + 20.0
        while not future.done():
            assert time.monotonic() < until, "no answer"
            time.sleep(0.001)
        return future.result()

    def do_stream(self, topics, rate, seconds):
        """Publish on several topics at a rate; each message has its number and its time."""

        def stream():
            made = []
            for topic, values in topics.items():
                publisher, kind = self.publishers_by_name[topic]
                made.append((publisher, fill(load(kind)(), values)))
            began = time.monotonic()
            for number in range(int(rate * seconds)):
                for publisher, msg in made:
                    mark(msg, number)
                    publisher.publish(msg)
                time.sleep(max(0.0, began + (number + 1) / rate - time.monotonic()))

        threading.Thread(target=stream, daemon=True).start()

    def do_tally(self, topic, type):
        """Listen, and keep the number of each message and how long it was under way."""
        found = self.tallies[topic] = []
        self.create_subscription(
            load(type), topic, lambda msg: found.append(marked(msg)), QoSProfile(depth=1000)
        )

    def do_tallied(self, topic):
        return self.tallies[topic]

    def do_graph(self):
        return {
            "topics": dict(self.get_topic_names_and_types()),
            "services": dict(self.get_service_names_and_types()),
            "nodes": [
                f"{space.rstrip('/')}/{name}"
                for name, space in self.get_node_names_and_namespaces()
            ],
        }


def main():
    rclpy.init()
    peer = Peer()
    # Actions need threads; one thread costs a third of the CPU.
    executor = SingleThreadedExecutor() if "--light" in sys.argv else MultiThreadedExecutor(4)
    executor.add_node(peer)
    threading.Thread(target=executor.spin, daemon=True).start()
    say(answer="ready")
    for line in sys.stdin:
        told = json.loads(line)
        try:
            say(answer=getattr(peer, f"do_{told.pop('do')}")(**told))
        except Exception as error:
            say(error=f"{type(error).__name__}: {error}")


main()
