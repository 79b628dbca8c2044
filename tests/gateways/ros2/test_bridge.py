"""The bridge beside real rclpy."""

import asyncio
import math
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dsmq_nodes import (
    ActionClient,
    ActionServer,
    Actuator,
    CancelResponse,
    Node,
    Parameter,
    Publisher,
    QoSProfile,
)
from dsmq_nodes.announced_qos import AnnouncedQoS, announced_qos
from dsmq_nodes.dsmq import wire
from dsmq_nodes.messages import (
    Action,
    Image,
    Imu,
    LaserScan,
    Message,
    OccupancyGrid,
    String,
    TFMessage,
    TransformStamped,
    Twist,
    Vector3,
)
from dsmq_nodes.messages.rcl_interfaces_srv import GetParameters
from dsmq_nodes.messages.std_srvs import SetBool
from dsmq_nodes.tools.session import Session
from tests.gateways.ros2.ros_world import World, ros_environment, world_with
from tests.support.processes import run
from tests.support.referee import referee
from tests.support.waiting import PATIENCE_SEC

pytestmark = pytest.mark.ros2

FIBONACCI = "test_msgs/action/Fibonacci"
STRING = "std_msgs/msg/String"
TF_MESSAGE = "tf2_msgs/msg/TFMessage"
SET_BOOL = "std_srvs/srv/SetBool"
LATCHED = QoSProfile(depth=1, durability="transient_local")
SIM_TIME = Parameter("use_sim_time", value=True)
STATIC = QoSProfile(depth=100, durability="transient_local")


class Fibonacci(Action, type_name=FIBONACCI):
    class Goal(Message):
        order: int

    class Result(Message):
        sequence: list[int] = []

    class Feedback(Message):
        sequence: list[int] = []


class Loose(Message, type_name="std_msgs/msg/Int8"):
    """A type of the same name need not be the same: this one has no limits."""

    data: int = 0


class WStrings(Message, type_name="test_msgs/msg/WStrings"):
    wstring_value: str = ""


class Unknown(Message, type_name="no_such_msgs/msg/Unknown"):
    data: int = 0


@pytest.fixture(scope="module")
def whole_world() -> Iterator[World]:
    with world_with(
        *("--from", "/from_ros/*", "--to", "/to_ros/*"),
        *("--from", "/tf", "--to", "/tf", "--from", "/tf_static", "--to", "/tf_static"),
        *("--from", "/clock"),
        *("--service-from", "/ros_set_bool", "--service-to", "/our_set_bool"),
        *("--service-from", "/ros_fibonacci", "--service-to", "/our_fibonacci"),
        *("--service-from", "/ros_peer/*", "--service-from", "/ros_ending"),
    ) as world:
        yield world


@pytest.fixture
def world(whole_world: World) -> Iterator[World]:
    yield whole_world
    whole_world.clear()


def listening(world: World, kind: type[Message], topic: str, qos: Any = 1000) -> list[Any]:
    """The messages that a node of ours gets."""
    inbox: list[Any] = []

    def make() -> Node:
        node = Node("listener_" + topic.replace("/", "_"))
        node.create_subscription(kind, topic, inbox.append, qos)
        return node

    world.node(make)
    return inbox


def advertised(world: World, kind: type[Message], topic: str) -> list[Any]:
    """What a node of ours gets of a topic that is advertised in ROS, and that the bridge has."""
    inbox = listening(world, kind, topic)
    world.ros.do("advertise", topic=topic, type=kind.type_name)
    world.until(lambda: world.ros.do("subscribers", topic=topic), "the bridge")
    return inbox


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"data": str(number)} for number in range(count)]


def test_a_topic_of_ros_comes_in_order_and_whole(world: World) -> None:
    inbox = listening(world, String, "/from_ros/text")
    world.ros.do("advertise", topic="/from_ros/text", type=STRING)
    world.until(lambda: world.ros.do("subscribers", topic="/from_ros/text"), "the bridge")
    world.ros.do("publish", topic="/from_ros/text", msgs=numbered(100), rate=200.0)
    world.until(lambda: len(inbox) >= 100, "the messages")
    assert [msg.data for msg in inbox] == [str(number) for number in range(100)]


def test_a_command_of_ros_that_was_delayed_moves_nothing(world: World) -> None:
    class Motor(Node):
        def __init__(self) -> None:
            super().__init__("motor")
            self.heard: list[str] = []
            self.commands = Actuator(self, String, "/from_ros/go", self.on_go, timeout=1.0)

        def on_go(self, msg: String) -> None:
            self.heard.append(msg.data)

        def enter_safe_state(self) -> None: ...

    motor = world.node(Motor)
    assert isinstance(motor, Motor)
    world.ros.do("advertise", topic="/from_ros/go", type=STRING)
    world.until(lambda: world.ros.do("subscribers", topic="/from_ros/go"), "the bridge")

    def heard() -> bool:
        world.ros.do("publish", topic="/from_ros/go", msgs=[{"data": "go"}])
        return "go" in motor.heard

    world.until(heard, "a command")
    bridge = world.bridge.process
    bridge.send_signal(signal.SIGSTOP)
    world.ros.do("publish", topic="/from_ros/go", msgs=[{"data": "late"}], rate=0.5)  # waits 2 s
    bridge.send_signal(signal.SIGCONT)
    world.until(lambda: motor.commands.subscription.late, "the late command")
    assert "late" not in motor.heard


def test_commands_of_ours_that_were_delayed_do_not_reach_ros(world: World) -> None:
    node, ros = world.node(lambda: Node("commander")), world.ros
    short = QoSProfile(depth=10, lifespan=1.0)
    topics: dict[str, Publisher[Any]] = {
        "/to_ros/drive": node.create_publisher(Twist, "/to_ros/drive", 10),
        "/to_ros/short": node.create_publisher(String, "/to_ros/short", short),
        "/to_ros/said": node.create_publisher(String, "/to_ros/said", 10),
    }

    def publish(value: float) -> None:
        for publisher in topics.values():
            is_twist = publisher.msg_type is Twist
            publisher.publish(
                Twist(linear=Vector3(x=value)) if is_twist else String(data=str(value))
            )

    def heard(topic: str) -> list[float]:
        return [
            msg["linear"]["x"] if "linear" in msg else float(msg["data"]) for msg in ros.got[topic]
        ]

    def is_through(value: float) -> bool:
        publish(value)
        ros.do("graph")
        return all(value in heard(topic) for topic in topics)

    for topic, publisher in topics.items():
        ros.do("listen", topic=topic, type=publisher.msg_type.type_name)
    world.until(lambda: is_through(1.0), "the bridge")
    bridge = world.bridge.process
    bridge.send_signal(signal.SIGSTOP)
    publish(2.0)
    late_sec = time.monotonic() + 3.5
    world.until(lambda: time.monotonic() > late_sec, "the delay")
    bridge.send_signal(signal.SIGCONT)
    world.until(lambda: is_through(3.0), "the bridge again")
    assert [2.0 in heard(topic) for topic in topics] == [False, False, True]
    world.bridge.wait_for("to ROS /to_ros/drive: skipped a message: it is .* s old")


def test_a_topic_of_ours_goes_in_order_and_whole(world: World) -> None:
    node = world.node(lambda: Node("talker"))
    publisher = node.create_publisher(String, "/to_ros/text", 1000)
    world.ros.do("listen", topic="/to_ros/text", type=STRING)
    got = world.ros.got["/to_ros/text"]

    def is_through() -> bool:
        publisher.publish(String(data="is anybody there"))
        world.ros.do("graph")
        return bool(got)

    world.until(is_through, "the bridge")
    for number in range(100):
        publisher.publish(String(data=str(number)))
    world.until(lambda: world.ros.do("graph") and got[-1]["data"] == "99", "the last")
    told = [msg["data"] for msg in got if msg["data"].isdigit()]
    assert told == [str(number) for number in range(100)]


@pytest.mark.parametrize(
    ("type_name", "kind", "values", "field"),
    [
        ("sensor_msgs/msg/Imu", Imu, {"linear_acceleration": {"z": 9.81}}, "linear_acceleration"),
        (
            "sensor_msgs/msg/LaserScan",
            LaserScan,
            {"ranges": [0.1, 1.1, math.inf, math.nan], "range_max": 3.3},
            "ranges",
        ),
        (
            "sensor_msgs/msg/Image",
            Image,
            {"data": list(range(256)) * 800, "height": 10, "encoding": "mono8"},
            "data",
        ),
        ("nav_msgs/msg/OccupancyGrid", OccupancyGrid, {"data": [-1, 0, 100]}, "data"),
    ],
)
def test_messages_of_every_form_go_there_and_back(
    world: World, type_name: str, kind: type[Message], values: dict[str, Any], field: str
) -> None:
    topic = "form_" + kind.__name__.lower()
    inbox = listening(world, kind, f"/from_ros/{topic}")
    world.ros.do("advertise", topic=f"/from_ros/{topic}", type=type_name)
    world.until(lambda: world.ros.do("subscribers", topic=f"/from_ros/{topic}"), "the bridge")
    world.ros.do("publish", topic=f"/from_ros/{topic}", msgs=[values])
    world.until(lambda: inbox, "the message")
    msg = inbox[0]
    sent = values[field]
    found = getattr(msg, field)
    if isinstance(sent, list):
        assert [*found] == pytest.approx(sent, nan_ok=True)
    else:
        assert found.z == 9.81
    if kind is LaserScan:  # a float32 comes as it is written, not as the double that it is
        assert msg.range_max == 3.3
        assert msg.ranges[:2] == [0.1, 1.1]

    node = world.node(lambda: Node("talker_of_forms"))
    publisher = node.create_publisher(kind, f"/to_ros/{topic}", LATCHED)
    publisher.publish(msg)
    world.ros.do("listen", topic=f"/to_ros/{topic}", type=type_name, latched=True)
    back = world.ros.heard(f"/to_ros/{topic}", 1)[0]
    if isinstance(sent, list):
        assert [float(each) for each in back[field]] == pytest.approx(sent, nan_ok=True)
    else:
        assert back[field]["z"] == 9.81


def test_a_late_subscriber_gets_what_was_latched_on_the_other_side(world: World) -> None:
    world.ros.do("advertise", topic="/from_ros/map", type=STRING, latched=True)
    world.ros.do("publish", topic="/from_ros/map", msgs=[{"data": "from ROS"}])
    world.until(lambda: world.ros.do("subscribers", topic="/from_ros/map"), "the bridge")
    inbox = listening(world, String, "/from_ros/map", LATCHED)
    world.until(lambda: inbox, "the latched message")
    assert inbox[0].data == "from ROS"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (String, "00010000 ffffff7f 41424300"),  # says 2 GB of text
        (WStrings, "00010000 01000000 00d80000" + "00" * 64),  # half a character
    ],
)
def test_a_message_that_cannot_be_read_harms_no_other(
    world: World, kind: type[Message], data: str
) -> None:
    """As of a program that has another version of the type, or is written in C."""
    name = kind.__name__.lower()
    other, topic = f"/from_ros/others_of_{name}", f"/from_ros/{name}"
    inboxes = {other: advertised(world, String, other), topic: advertised(world, kind, topic)}
    world.ros.do("publish_bytes", topic=topic, data=data)
    for each in inboxes:
        world.ros.do("publish", topic=each, msgs=[{}])
    world.until(lambda: all(inboxes.values()), "a message of each topic")
    assert [len(inbox) for inbox in inboxes.values()] == [1, 1]
    if kind is WStrings:  # the other one Fast DDS drops by itself
        world.bridge.wait_for("from ROS /from_ros/wstrings: skipped a message")


def test_what_ros_has_lost_is_counted(world: World) -> None:
    """A publisher repeats no more than its depth holds, here 100, for a bridge that stood still."""
    inbox = advertised(world, String, "/from_ros/lossy")
    world.ros.do("publish", topic="/from_ros/lossy", msgs=numbered(1))
    world.until(lambda: inbox, "the first message")
    sent = 1

    def is_told() -> bool:
        nonlocal sent
        world.bridge.process.send_signal(signal.SIGSTOP)
        try:
            world.ros.do("publish", topic="/from_ros/lossy", msgs=numbered(2000))
        finally:
            world.bridge.process.send_signal(signal.SIGCONT)
        world.ros.do("publish", topic="/from_ros/lossy", msgs=[{"data": f"end {sent}"}])
        world.until(lambda: inbox[-1] == String(data=f"end {sent}"), "the last message")
        sent += 2001
        return "/from_ros/lossy: " in world.bridge.drained()

    world.until(is_told, "what the bridge says of lost messages")
    told = world.bridge.wait_for("from ROS /from_ros/lossy: ([0-9]+) messages were lost so far")
    assert 1 <= int(told[1]) <= sent - len(inbox)


def test_publishers_that_go_do_not_end_rclpys_thread() -> None:
    """It was about to wait for what the loop's thread destroyed, and ended."""
    python = str(referee() / "bin" / "python")
    words = [python, "-m", "tests.gateways.ros2.coming_and_going"]
    done = run(
        words,
        env=ros_environment(),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SEC,
    )
    assert (done.stdout, done.returncode) == ("end\n", 0), done.stderr


def test_deadline_and_lifespan_are_those_of_the_publisher_on_the_other_side(world: World) -> None:
    node = world.node(lambda: Node("punctual"))
    qos = QoSProfile(depth=10, deadline=0.25, lifespan=2.0)
    publisher = node.create_publisher(String, "/to_ros/punctual", qos)
    # ROS gives no message to a subscriber with a deadline that the publisher does not promise.
    world.ros.do("listen", topic="/to_ros/punctual", type=STRING, deadline=0.5)

    def is_through() -> bool:
        publisher.publish(String(data="in time"))
        world.ros.do("graph")
        return bool(world.ros.got["/to_ros/punctual"])

    world.until(is_through, "the message")
    assert world.ros.do("profiles", topic="/to_ros/punctual") == [[250_000_000, 2_000_000_000]]

    world.ros.do("advertise", topic="/from_ros/punctual", type=STRING, deadline=0.5, lifespan=4.0)

    with Session(world.environment["DSMQ_BROKER"]) as session:
        theirs = AnnouncedQoS(deadline_ns=500_000_000, lifespan_ns=4_000_000_000)
        world.until(
            lambda: theirs in announced_qos(session.graph().topics).values(), "what ROS promises"
        )


def test_a_best_effort_publisher_reaches_us_and_ours_reaches_any_subscriber(world: World) -> None:
    inbox = listening(world, String, "/from_ros/mixed")
    world.ros.do("advertise", topic="/from_ros/mixed", type=STRING, best_effort=True)
    world.until(lambda: world.ros.do("subscribers", topic="/from_ros/mixed"), "the bridge")
    node = world.node(lambda: Node("to_any"))
    publisher = node.create_publisher(String, "/to_ros/mixed", LATCHED)
    for qos in ({}, {"best_effort": True}, {"latched": True}):
        world.ros.do("listen", topic="/to_ros/mixed", type=STRING, **qos)

    def are_through() -> bool:
        world.ros.do("publish", topic="/from_ros/mixed", msgs=[{"data": "by best effort"}])
        publisher.publish(String(data="last"))
        world.ros.do("graph")
        return bool(inbox) and len(world.ros.got["/to_ros/mixed"]) >= 3

    world.until(are_through, "a message both ways")


def test_services_answer_across_the_bridge(world: World) -> None:
    world.ros.do("serve", name="/ros_set_bool", type=SET_BOOL)
    node = world.node(lambda: Node("services"))
    client = node.create_client(SetBool, "/ros_set_bool")
    world.until(client.service_is_ready, "ROS's service")
    answers = []
    for number in range(200):
        future = client.call_async(SetBool.Request(data=bool(number % 2)))
        world.until(future.done, "an answer")
        response = future.result()
        assert response is not None
        answers.append((response.success, response.message))
    assert answers == [(bool(number % 2), "from ROS") for number in range(200)]

    def answer(request: SetBool.Request) -> SetBool.Response:
        return SetBool.Response(success=request.data, message="from us")

    node.create_service(SetBool, "/our_set_bool", answer)
    requests = [{"data": bool(number % 2)} for number in range(200)]
    world.ros.tell(do="call", name="/our_set_bool", type=SET_BOOL, requests=requests)
    found = while_spinning(world, world.ros.answer)
    assert [each["success"] for each in found] == [bool(n % 2) for n in range(200)]
    assert {each["message"] for each in found} == {"from us"}


def test_the_parameters_of_a_ros_node_are_services_like_others(world: World) -> None:
    node = world.node(lambda: Node("reader_of_parameters"))
    client = node.create_client(GetParameters, "/ros_peer/get_parameters")
    world.until(client.service_is_ready, "the parameters' service")
    future = client.call_async(GetParameters.Request(names=["gain"]))
    world.until(future.done, "an answer")
    response = future.result()
    assert response is not None
    assert response.values[0].double_value == 1.5
    told = world.command("param", "get", "/ros_peer", "gain")
    assert told.wait() == 0, told.output
    assert told.lines == ["Double value is: 1.5"]
    told.close()


def test_a_name_that_is_none_in_ros_is_one_error_and_harms_nobody(world: World) -> None:
    """Any client may advertise it; a node of ours would be refused its name."""
    with socket.create_connection((world.broker.host, world.broker.port)) as stranger:
        stranger.sendall(wire.encode_object({"action": "hello", "version": 1, "node": "/raw"}))
        for topic, kind in (("/to_ros/a-b", STRING), ("/to_ros/module", "antigravity/x/Y")):
            fields = {"action": "advertise", "topic": topic, "type": kind}
            stranger.sendall(wire.encode_object(fields))
        world.bridge.wait_for("topic to ROS /to_ros/a-b: Invalid topic name")
        world.bridge.wait_for("'antigravity/x/Y' is no name of a ROS type")
        node = world.node(lambda: Node("unharmed"))
        node.create_publisher(String, "/to_ros/unharmed", 1)
        world.until(lambda: "/to_ros/unharmed" in world.ros.do("graph")["topics"], "ours")
    assert sum("/to_ros/a-b" in each for each in world.bridge.lines) == 1


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_an_action_of_ros_is_one_here(world: World, is_cancelled: bool) -> None:
    world.ros.do("action", name="/ros_fibonacci", type=FIBONACCI)
    node = world.node(lambda: Node("client_of_ros"))
    client = ActionClient(node, Fibonacci, "/ros_fibonacci")
    world.until(client.server_is_ready, "ROS's action")
    feedback: list[Any] = []

    def done() -> tuple[int, list[int]]:
        goal = Fibonacci.Goal(order=300 if is_cancelled else 5)
        sent = client.send_goal_async(goal, feedback.append)
        world.until(sent.done, "the goal's answer")
        handle = sent.result()
        assert handle is not None
        assert handle.accepted
        if is_cancelled:
            world.until(lambda: feedback, "feedback")
            handle.cancel_goal_async()
        result = handle.get_result_async()
        world.until(result.done, "the result")
        found = result.result()
        assert found is not None
        return int(found.status), found.result.sequence

    # ROS may publish the feedback of a short goal before it has found the bridge.
    status, sequence = next(each for each in (done() for _ in range(100)) if feedback)
    assert status == (5 if is_cancelled else 4)
    if not is_cancelled:
        assert sequence == [0, 1, 1, 2, 3, 5, 8]


def test_a_goal_of_ours_that_was_delayed_does_not_reach_ros(world: World) -> None:
    world.ros.do("action", name="/ros_fibonacci", type=FIBONACCI)
    node = world.node(lambda: Node("late_client"))
    client = ActionClient(node, Fibonacci, "/ros_fibonacci")
    world.until(client.server_is_ready, "ROS's action")
    world.bridge.process.send_signal(signal.SIGSTOP)
    sent = client.send_goal_async(Fibonacci.Goal(order=5))
    late_sec = time.monotonic() + 3.5
    world.until(lambda: time.monotonic() > late_sec, "the delay")
    world.bridge.process.send_signal(signal.SIGCONT)
    world.until(sent.done, "the goal's answer")
    assert "s old" in str(sent.exception())


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_an_action_of_ours_is_one_in_ros(world: World, is_cancelled: bool) -> None:
    node = world.node(lambda: Node("server_for_ros"))

    async def execute(goal: Any) -> Fibonacci.Result:
        sequence = [0, 1]
        for _ in range(goal.request.order):
            if goal.is_cancel_requested:
                goal.canceled()
                return Fibonacci.Result(sequence=sequence)
            sequence.append(sequence[-1] + sequence[-2])
            goal.publish_feedback(Fibonacci.Feedback(sequence=sequence[:50]))
            await asyncio.sleep(0.01)
        goal.succeed()
        return Fibonacci.Result(sequence=sequence)

    ActionServer(
        node,
        Fibonacci,
        "/our_fibonacci",
        execute,
        cancel_callback=lambda _: CancelResponse.ACCEPT,
    )
    order = 40 if is_cancelled else 5
    world.ros.tell(
        do="goal",
        name="/our_fibonacci",
        type=FIBONACCI,
        goal={"order": order},
        cancel=is_cancelled,
    )
    found = while_spinning(world, world.ros.answer)
    assert found["accepted"]
    assert found["feedback"] > 0
    assert found["status"] == (5 if is_cancelled else 4)
    if not is_cancelled:
        assert found["result"]["sequence"] == [0, 1, 1, 2, 3, 5, 8]


def test_transforms_go_both_ways_and_do_not_come_back(world: World) -> None:
    inbox = listening(world, TFMessage, "/tf")
    node = world.node(lambda: Node("broadcaster"))
    publisher = node.create_publisher(TFMessage, "/tf", 100)
    world.ros.do("listen", topic="/tf", type=TF_MESSAGE)
    world.ros.do("advertise", topic="/tf", type=TF_MESSAGE)
    theirs = {"transforms": [{"child_frame_id": "of_ros"}]}

    def are_through() -> bool:
        ours = TransformStamped(child_frame_id="ours")
        publisher.publish(TFMessage(transforms=[ours]))
        world.ros.do("publish", topic="/tf", msgs=[theirs])
        frames = {msg.transforms[0].child_frame_id for msg in inbox}
        got = {msg["transforms"][0]["child_frame_id"] for msg in world.ros.got["/tf"]}
        return "of_ros" in frames and "ours" in got

    world.until(are_through, "transforms on both sides")
    sent = publisher.messages
    world.until(
        lambda: sum(msg.transforms[0].child_frame_id == "ours" for msg in inbox) >= sent, "ours"
    )
    for _ in range(20):  # what came back would come now
        world.until(lambda: True, "")
    assert sum(msg.transforms[0].child_frame_id == "ours" for msg in inbox) == sent


def test_a_late_subscriber_in_ros_gets_as_many_as_our_publisher_keeps(world: World) -> None:
    node = world.node(lambda: Node("keeper"))
    keeps = QoSProfile(depth=3, durability="transient_local")
    publisher = node.create_publisher(String, "/to_ros/kept", keeps)
    for number in range(5):
        publisher.publish(String(data=str(number)))
    world.until(lambda: "/to_ros/kept" in world.ros.do("graph")["topics"], "the topic in ROS")
    for _ in range(2):  # the second subscriber comes when the bridge has carried them
        world.ros.got.clear()
        world.ros.do("listen", topic="/to_ros/kept", type=STRING, latched=True)
        world.ros.heard("/to_ros/kept", 3)
    assert [each["data"] for each in world.ros.got["/to_ros/kept"]] == ["2", "3", "4"]


def test_static_transforms_reach_who_comes_late_on_both_sides(world: World) -> None:
    world.ros.do("advertise", topic="/tf_static", type=TF_MESSAGE, latched=True)
    theirs = {"transforms": [{"child_frame_id": "laser_of_ros"}]}
    world.ros.do("publish", topic="/tf_static", msgs=[theirs])
    node = world.node(lambda: Node("static_broadcaster"))
    publisher = node.create_publisher(TFMessage, "/tf_static", STATIC)
    publisher.publish(TFMessage(transforms=[TransformStamped(child_frame_id="our_laser")]))
    world.until(lambda: world.ros.do("subscribers", topic="/tf_static"), "the bridge")

    inbox = listening(world, TFMessage, "/tf_static", STATIC)
    world.until(
        lambda: "laser_of_ros" in {msg.transforms[0].child_frame_id for msg in inbox}, "theirs"
    )
    world.until(lambda: "/tf_static" in world.ros.do("graph")["topics"], "the topic in ROS")
    world.ros.do("listen", topic="/tf_static", type=TF_MESSAGE, latched=True)

    def ours_is_there() -> bool:
        world.ros.do("graph")
        told = [msg["transforms"][0]["child_frame_id"] for msg in world.ros.got["/tf_static"]]
        return "our_laser" in told

    world.until(ours_is_there, "ours in ROS")


def test_the_clock_of_ros_is_the_time_of_our_nodes(world: World) -> None:
    node = world.node(lambda: Node("timed", parameter_overrides=[SIM_TIME]))
    world.ros.do("advertise", topic="/clock", type="rosgraph_msgs/msg/Clock")
    tick = {"clock": {"sec": 1234, "nanosec": 5}}

    def is_there() -> bool:
        world.ros.do("publish", topic="/clock", msgs=[tick])
        return node.get_clock().now().nanoseconds == 1234 * 10**9 + 5

    world.until(is_there, "the time of ROS")


def test_each_graph_shows_what_the_bridge_brings(world: World) -> None:
    node = world.node(lambda: Node("shown"))
    node.create_publisher(Imu, "/to_ros/shown", 1)
    world.ros.do("advertise", topic="/from_ros/shown", type=STRING)

    def is_shown() -> bool:
        topics: dict[str, list[str]] = world.ros.do("graph")["topics"]
        return topics.get("/to_ros/shown") == ["sensor_msgs/msg/Imu"]

    world.until(is_shown, "our topic in ROS")
    world.until(
        lambda: dict(node.get_topic_names_and_types()).get("/from_ros/shown") == [STRING],
        "ROS's topic here",
    )
    ends = node.get_publishers_info_by_topic("/from_ros/shown")
    assert [each.node_name for each in ends] == ["ros2_bridge"]

    def is_listed() -> bool:  # the list has what ROS has discovered within its time
        told = world.command("bridge", "ros2", "list")
        status, lines = told.wait(), told.lines
        told.close()
        assert status == 0
        return "topic /from_ros/shown [std_msgs/msg/String] reliable from /ros_peer" in lines

    world.until(is_listed, "the list of ROS's topics")
    node.destroy_node()
    world.nodes.clear()
    world.until(lambda: "/to_ros/shown" not in world.ros.do("graph")["topics"], "its end in ROS")


def test_what_ends_in_ros_is_withdrawn_here(world: World) -> None:
    node = world.node(lambda: Node("asking"))
    client = node.create_client(SetBool, "/ros_ending")
    world.ros.do("serve", name="/ros_ending", type=SET_BOOL)
    world.ros.do("advertise", topic="/from_ros/ending", type=STRING)
    world.until(
        lambda: client.service_is_ready() and node.get_publishers_info_by_topic("/from_ros/ending"),
        "both here",
    )
    world.ros.do("serve_no_longer", name="/ros_ending")
    world.ros.do("withdraw", topic="/from_ros/ending")
    world.until(
        lambda: (
            not (client.service_is_ready() or node.get_publishers_info_by_topic("/from_ros/ending"))
        ),
        "their end here",
    )


def test_a_publisher_of_another_type_does_not_take_a_topic_from_the_first(world: World) -> None:
    inbox = listening(world, String, "/from_ros/typed")
    world.ros.do("advertise", topic="/from_ros/typed", type=STRING)
    world.until(lambda: world.ros.do("subscribers", topic="/from_ros/typed"), "the bridge")
    other = world.another_peer("--light")
    other.do("advertise", topic="/from_ros/typed", type="std_msgs/msg/Int8")
    world.bridge.wait_for("/from_ros/typed: it is std_msgs/msg/String, and what others")
    other.do("publish", topic="/from_ros/typed", msgs=[{"data": 1}])
    world.ros.do("publish", topic="/from_ros/typed", msgs=[{"data": "first"}])
    world.until(lambda: inbox, "the first's message")
    assert [msg.data for msg in inbox] == ["first"]
    other.kill()


def test_a_message_that_does_not_fit_is_counted_and_harms_nobody(world: World) -> None:
    node = world.node(lambda: Node("wrong"))
    publisher = node.create_publisher(Loose, "/to_ros/loose", 10)
    world.ros.do("listen", topic="/to_ros/loose", type="std_msgs/msg/Int8")
    got = world.ros.got["/to_ros/loose"]

    def is_through() -> bool:
        publisher.publish(Loose(data=300))
        publisher.publish(Loose(data=7))
        world.ros.do("graph")
        return bool(got)

    world.until(is_through, "the message that fits")
    assert {msg["data"] for msg in got} == {7}
    world.bridge.wait_for("to ROS /to_ros/loose: skipped a message: data: expected int8")


def test_a_type_that_cannot_be_imported_is_one_error_that_names_the_package(world: World) -> None:
    node = world.node(lambda: Node("unknown"))
    node.create_publisher(Unknown, "/to_ros/unknown", 1)
    line = world.bridge.wait_for("to ROS /to_ros/unknown").string
    assert "no_such_msgs/msg/Unknown cannot be imported" in line
    assert "install the package no_such_msgs" in line
    other = Node("unknown_again")
    other.create_publisher(Unknown, "/to_ros/unknown", 1)
    other.destroy_node()
    assert sum("no_such_msgs" in each for each in world.bridge.lines) == 1


def test_a_second_bridge_on_one_broker_is_refused_by_its_name(world: World) -> None:
    second = world.command("bridge", "ros2", "--from", "/from_ros/*")
    assert second.wait() == 1
    assert "/ros2_bridge" in second.output
    assert "Traceback" not in second.output
    second.close()


def test_either_side_may_be_killed_and_comes_back() -> None:
    with world_with("--from", "/from_ros/*", "--to", "/to_ros/*") as world:
        inbox = listening(world, String, "/from_ros/text")
        node = world.node(lambda: Node("talker"))
        publisher = node.create_publisher(String, "/to_ros/text", 10)

        def flows(what: str) -> None:
            world.ros.do("advertise", topic="/from_ros/text", type=STRING)
            world.ros.do("listen", topic="/to_ros/text", type=STRING)
            inbox.clear()

            def both_ways() -> bool:
                world.ros.do("publish", topic="/from_ros/text", msgs=[{"data": what}])
                publisher.publish(String(data=what))
                told = {msg["data"] for msg in world.ros.got["/to_ros/text"]}
                return what in told and what in {msg.data for msg in inbox}

            world.until(both_ways, what)

        flows("at first")
        world.ros.kill()
        world.ros.restart()
        flows("after ROS was killed")
        world.broker.kill()
        world.broker.start()
        flows("after the broker was killed")
        assert world.bridge.interrupt() == 0
        assert "Traceback" not in world.bridge.output


def while_spinning(world: World, work: Any) -> Any:
    """The result of something that blocks, while our nodes run."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        world.until(future.done, "an answer")
        return future.result()
