"""rosbridge: services and actions, both ways, and transforms, in virtual time."""

import json
import re
import threading
from typing import Any

import pytest

from dsmq_nodes import Action, ActionClient, ActionServer, Node
from dsmq_nodes.gateways.rosbridge import operation
from dsmq_nodes.gateways.rosbridge.encoding.publish_frames import png_frame
from dsmq_nodes.gateways.rosbridge.rosbridge_client import open_rosbridge
from dsmq_nodes.messages import Message, Service, SetBool, String, TFMessage, Time, TransformStamped
from dsmq_nodes.messages.example_interfaces import Fibonacci
from dsmq_nodes.testing import Graph
from tests.gateways.rosbridge.robots import AddTwoInts, Bridged, Server
from tests.gateways.web.hubs import frames, hub_in
from tests.support.waiting import PATIENCE_SEC, until

GAIN = "/add_two_ints_server:gain"
HALF = "\ud800"  # of a surrogate pair


class Text(Message, type_name="my_msgs/msg/Text"):
    """A large answer or result."""

    text: str = "x" * 100_000


class Read(Service, type_name="my_msgs/srv/Read"):
    """A service with a large answer."""

    class Request(Message):
        pass

    class Response(Text):
        pass


class ReadAll(Action, type_name="my_msgs/action/ReadAll"):
    """An action with a large result."""

    class Goal(Message):
        pass

    class Result(Text):
        pass

    class Feedback(Message):
        pass


class Reader(Node):
    """Serves both."""

    def __init__(self) -> None:
        super().__init__("reader")
        self.create_service(Read, "/read", lambda _: Read.Response())
        self.action = ActionServer(self, ReadAll, "/read_all", lambda _: ReadAll.Result())


def test_a_service_is_called_by_names_by_order_and_in_any_compression(bridged: Bridged) -> None:
    assert bridged.call("/add_two_ints", {"a": 2, "b": 40}) == {"sum": 42}
    assert bridged.call("add_two_ints", {"b": 3.0}) == {"sum": 3}
    assert bridged.call("switch", [True]) == {"success": True, "message": "on"}
    answer = bridged.ask("call_service", service="/switch", args={"data": True}, compression="png")
    assert answer["op"] == "png"
    bridged.send("call_service", service="/switch", args={"data": True}, fragment_size=64)
    pieces = bridged.got(2.0)
    whole = json.loads("".join(each["data"] for each in pieces))
    assert whole["values"] == {"success": True, "message": "on"}


@pytest.mark.parametrize(
    "asked",
    [
        {"op": "call_service", "service": "/read"},
        {"op": "send_action_goal", "action": "/read_all", "action_type": "my_msgs/ReadAll"},
    ],
)
def test_a_large_answer_is_compressed_while_others_are_served(
    graph: Graph, bridged: Bridged, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    """Those of 1.2 MB take 70 ms as PNG: STOP and driving waited for them."""
    going_on = threading.Event()

    def slowly(text: str) -> str:
        assert going_on.wait(PATIENCE_SEC)
        return png_frame(text)

    monkeypatch.setattr(operation, "png_frame", slowly)
    graph.add(Reader)
    bridged.send(**asked, compression="png")
    assert bridged.call("/add_two_ints", {"a": 2, "b": 40}) == {"sum": 42}
    going_on.set()
    until(lambda: any(each["op"] == "png" for each in bridged.got(0.1)), "the large answer")


@pytest.mark.parametrize(
    ("service", "args", "reason"),
    [
        ("/add_two_ints", {"a": "x"}, "a: expects integer, got 'x'"),
        ("/add_two_ints", {"c": 1}, "c: there is no such field"),
        ("/add_two_ints", [1, 2, 3], "has 2 fields, not 3"),
        ("/add_two_ints", [1, 2], "by name: their order is unknown"),
        ("/add_two_ints", 5, "args has to be an object or a list"),
        ("/switch", {"data": False}, "it cannot be switched off"),
        ("/swich", {}, "no node serves /swich; did you mean '/switch'"),
        ("/rosapi/nothing", {}, "no node serves /rosapi/nothing"),
        ("/rosapi/topic_type", {"topic": 5}, "topic has to be a text"),
        ("/rosapi/message_details", {"type": "x/Y"}, "the type is unknown"),
        ("/republish_tfs", {"source_frames": 5}, "'source_frames'"),
    ],
)
def test_a_call_that_fails_says_why(bridged: Bridged, service: str, args: Any, reason: str) -> None:
    answer = bridged.ask("call_service", service=service, args=args)
    assert answer["result"] is False
    assert answer["id"] == "1"
    assert reason in answer["values"]


@pytest.mark.parametrize(
    "asked",
    [
        {"op": "call_service", "service": "/add_two_ints", "args": {"a": 1}, "id": HALF},
        {"op": "call_service", "service": f"/add{HALF}", "id": "1"},
        {"op": "send_action_goal", "action": "/fibonacci", "action_type": "x/Y", "id": HALF},
    ],
)
def test_what_no_answer_in_cbor_can_repeat_is_refused(
    bridged: Bridged, asked: dict[str, Any]
) -> None:
    """The call was made, its answer raised in a task: the client waited for ever."""
    bridged.send(**asked, compression="cbor")
    [answer] = bridged.got(2.0)
    assert (answer["op"], answer["id"]) == ("status", asked["id"])
    assert "surrogates not allowed" in answer["msg"]


@pytest.mark.parametrize(
    ("service", "fields", "reason"),
    [
        ("/switch", {"timeout": "soon"}, "'timeout' has to be a number"),
        ("/a b", {}, "'/a b' is no topic name"),
    ],
)
def test_a_call_that_cannot_be_made_is_answered_too(
    bridged: Bridged, service: str, fields: Any, reason: str
) -> None:
    answer = bridged.ask("call_service", service=service, **fields)
    assert (answer["op"], answer["result"]) == ("service_response", False)
    assert reason in answer["values"]


def test_a_service_of_a_client_answers_nodes_and_other_clients(
    graph: Graph, bridged: Bridged
) -> None:
    other = Bridged(graph, bridged.hub)
    bridged.send("advertise_service", service="/light", type="std_srvs/SetBool")
    assert bridged.got() == []
    told = bridged.ask("advertise_service", service="/light", type="std_srvs/Trigger")
    assert "/light already has the type std_srvs/srv/SetBool" in told["msg"]
    assert bridged.call("/rosapi/service_type", {"service": "/light"}) == {
        "type": "std_srvs/srv/SetBool"
    }
    other.send("call_service", id="c", service="/light", args={"data": True})
    (request,) = bridged.got()
    assert request == {
        "op": "call_service",
        "id": "service_request:/light:1",
        "service": "/light",
        "args": {"data": True},
    }
    values = {"success": True, "message": "bright"}
    bridged.send("service_response", id=request["id"], service="/light", values=values, result=True)
    (response,) = other.got()
    assert response["values"] == values
    client = graph.add(lambda: Caller(SetBool, "/light"))
    future = client.client.call_async(SetBool.Request(data=True))
    (request,) = bridged.got()
    bridged.send("service_response", id=request["id"], service="/light", result=False)
    graph.run_for(0.5)
    with pytest.raises(Exception, match="the service has failed"):
        future.result()
    other.leave()


class Caller(Node):
    def __init__(self, srv_type: Any, name: str) -> None:
        super().__init__("caller")
        self.client = self.create_client(srv_type, name)


def test_a_handler_that_returns_false_has_answered_all_the_same(
    graph: Graph, bridged: Bridged
) -> None:
    other = Bridged(graph, bridged.hub)
    bridged.send("advertise_service", service="/light", type="std_srvs/SetBool")
    for values, result, told in (
        ({"success": False, "message": "dark"}, True, "dark"),
        ("it is broken", False, "it is broken"),
        ({"succes": False}, False, "succes: there is no such field"),
    ):
        other.send("call_service", id="c", service="/light")
        (request,) = [each for each in bridged.got() if each["op"] == "call_service"]
        bridged.send(
            "service_response", id=request["id"], service="/light", values=values, result=False
        )
        (response,) = other.got()
        assert response["result"] is result
        assert told in str(response["values"])
    other.leave()


def test_callers_are_told_when_the_client_that_serves_goes(graph: Graph, bridged: Bridged) -> None:
    other = Bridged(graph, bridged.hub)
    other.send("advertise_service", service="/light", type="std_srvs/SetBool")
    bridged.send("call_service", id="c", service="/light", args={"data": True})
    assert [each["op"] for each in other.got()] == ["call_service"]
    other.leave()
    (response,) = bridged.got(1.0)
    assert response["result"] is False
    assert "gone" in response["values"]
    assert bridged.call("/rosapi/services")["services"].count("/light") == 0


def test_a_service_that_is_served_cannot_be_advertised_again(bridged: Bridged) -> None:
    answer = bridged.ask("advertise_service", service="/switch", type="std_srvs/SetBool")
    assert "/switch is already served by /add_two_ints_server" in answer["msg"]
    answer = bridged.ask("unadvertise_service", service="/other")
    assert "/other is not advertised by this client" in answer["msg"]


def test_what_a_client_serves_passes_to_the_one_that_advertises_it_later(
    graph: Graph, bridged: Bridged
) -> None:
    """A client that lost its network is back before its old connection has ended."""
    connect = open_rosbridge(bridged.hub)
    old, new = (Bridged(graph, bridged.hub, connect) for _ in range(2))
    old.send("set_level", level="warning")
    old.send("advertise_service", service="/light", type="std_srvs/SetBool")
    old.send("advertise_action", action="/turn", type="example_interfaces/Fibonacci")
    bridged.send("call_service", id="c", service="/light", args={"data": True})
    assert [each["op"] for each in old.got()] == ["call_service"]
    new.send("advertise_service", service="/light", type="std_srvs/SetBool")
    new.send("advertise_action", action="/turn", type="example_interfaces/Fibonacci")
    assert new.got() == []
    assert [each["msg"] for each in old.got()] == [
        "/light: another client serves it now",
        "/turn: another client serves it now",
    ]
    (response,) = bridged.got()  # the call that the old one had not answered
    assert response["result"] is False
    old.leave()  # which ends nothing of the new one
    bridged.send("call_service", id="d", service="/light", args={"data": True})
    (call,) = new.got()
    values = {"success": True}
    new.send("service_response", id=call["id"], service="/light", values=values, result=True)
    (response,) = bridged.got()
    assert response["values"]["success"] is True
    new.leave()
    another = Bridged(graph, bridged.hub, connect)  # at once: the graph still shows the service
    another.send("advertise_service", service="/light", type="std_srvs/SetBool")
    assert another.got() == []
    assert "/light" in bridged.call("/rosapi/services")["services"]
    another.leave()


def test_a_client_that_names_another_type_than_the_one_that_serves_is_told(
    graph: Graph, bridged: Bridged
) -> None:
    connect = open_rosbridge(bridged.hub)
    old, new = (Bridged(graph, bridged.hub, connect) for _ in range(2))
    old.send("advertise_service", service="/light", type="std_srvs/SetBool")
    old.send("advertise_action", action="/turn", type="example_interfaces/Fibonacci")
    for client in (new, old, new):  # whether the graph shows it already or not
        answer = client.ask("advertise_service", service="/light", type="std_srvs/Trigger")
        assert answer["level"] == "error"
        told = "/light already has the type std_srvs/srv/SetBool, not std_srvs/srv/Trigger"
        assert told in answer["msg"]
        answer = client.ask("advertise_action", action="/turn", type="my_msgs/Turn")
        told = "/turn already has the type example_interfaces/action/Fibonacci, not my_msgs/action"
        assert told in answer["msg"]
        graph.run_for(1.0)
    assert old.got() == []  # it serves on
    bridged.send("call_service", id="c", service="/light", args={"data": True})
    assert [each["op"] for each in old.got()] == ["call_service"]
    old.leave()
    new.leave()


def send_goal(bridged: Bridged, order: int, number: str = "g1") -> None:
    bridged.send(
        "send_action_goal",
        id=number,
        action="/fibonacci",
        action_type="my_msgs/Fibonacci",
        args={"order": order},
        feedback=True,
    )


def test_a_goal_has_feedback_and_a_result(bridged: Bridged) -> None:
    send_goal(bridged, 5)
    *feedback, result = bridged.got(5.0)
    assert [each["op"] for each in feedback] == ["action_feedback"] * 4
    assert feedback[0]["values"] == {"sequence": [0, 1, 1]}
    assert result == {
        "op": "action_result",
        "id": "g1",
        "action": "/fibonacci",
        "values": {"sequence": [0, 1, 1, 2, 3, 5]},
        "status": 4,
        "result": True,
    }


@pytest.mark.parametrize("number", [None, 7, "seven"])
def test_a_goal_has_any_id_or_none_and_its_fields_in_their_order(
    bridged: Bridged, number: int | str | None
) -> None:
    goal = {"action": "/fibonacci", "action_type": "my_msgs/Fibonacci", "args": [3]}
    named = {} if number is None else {"id": number}
    for _ in range(2 if number is None else 1):  # those without an id do not exclude each other
        bridged.send("send_action_goal", **named, **goal, feedback=False)
    answers = bridged.got(5.0)
    assert [each["values"] for each in answers] == [{"sequence": [0, 1, 1, 2]}] * len(answers)
    assert [each.get("id") for each in answers] == [number] * (2 if number is None else 1)


def test_a_goal_is_cancelled_by_an_id_that_is_a_number(bridged: Bridged) -> None:
    goal = {"action": "/fibonacci", "action_type": "my_msgs/Fibonacci", "args": {"order": 1000}}
    bridged.send("send_action_goal", id=7, **goal)
    bridged.got(1.0)
    bridged.send("cancel_action_goal", id=7, action="/fibonacci")
    (result,) = bridged.got(1.0)
    assert (result["id"], result["status"]) == (7, 5)


def test_feedback_that_a_client_does_not_read_is_told_as_dropped(
    graph: Graph, bridged: Bridged, server: Server
) -> None:
    bridged.send("set_level", level="warning")
    bridged.send("subscribe", topic="/kept")
    bridged.got()
    for _ in range(20):
        server.kept.publish(String(data="x" * 100_000))
    graph.run_for(0.5)
    send_goal(bridged, 20)
    graph.run_for(4.0)
    told = [each["msg"] for each in bridged.got() if each["op"] == "status"]
    wanted = "/fibonacci: [0-9]+ feedbacks of a goal were dropped so far"
    assert any(re.fullmatch(wanted, each) for each in told), told


def test_a_goal_is_cancelled_by_its_id_and_all_by_the_service(
    bridged: Bridged, server: Server
) -> None:
    send_goal(bridged, 1000)
    bridged.got(1.0)
    bridged.send("cancel_action_goal", id="g1", action="/fibonacci")
    result = bridged.got(1.0)[-1]
    assert (result["op"], result["status"], result["result"]) == ("action_result", 5, True)
    send_goal(bridged, 1000, "g2")
    bridged.got(1.0)
    bridged.send("call_service", service="/fibonacci/_action/cancel_goal", args={})
    answers = bridged.got(1.0)
    assert [each["op"] for each in answers if each["op"] != "action_feedback"] == ["action_result"]
    assert server.goals == ["canceled", "canceled"]


def test_what_moves_for_a_client_that_goes_stops(graph: Graph, bridged: Bridged) -> None:
    server = graph.nodes["/add_two_ints_server"]
    other = Bridged(graph, bridged.hub)
    send_goal(other, 1000)
    other.got(1.0)
    other.leave()
    graph.run_for(1.0)
    assert server.goals == ["canceled"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("action", "args", "reason"),
    [
        ("/fibonacci", {"order": "x"}, "goal.order: expects integer"),
        ("/nothing", {}, "no node serves /nothing/_action/send_goal"),
    ],
)
def test_a_goal_that_cannot_be_sent_has_a_result_that_says_so(
    bridged: Bridged, action: str, args: dict[str, Any], reason: str
) -> None:
    answer = bridged.ask("send_action_goal", action=action, action_type="x/Y", args=args)
    assert (answer["op"], answer["status"], answer["result"]) == ("action_result", 0, False)
    assert reason in answer["values"]
    answer = bridged.ask("cancel_action_goal", action=action)
    assert "there is no pending goal 1" in answer["msg"]


class Goer(Node):
    def __init__(self) -> None:
        super().__init__("goer")
        self.client = ActionClient(self, Fibonacci, "/served")
        self.feedback: list[Any] = []

    async def go(self, order: int) -> Any:
        goal = await self.client.send_goal_async(Fibonacci.Goal(order=order), self.feedback.append)
        self.goal = goal
        return await goal.get_result_async()


@pytest.fixture
def goer(graph: Graph, bridged: Bridged) -> Goer:
    bridged.send("advertise_action", action="/served", type="example_interfaces/Fibonacci")
    assert bridged.got() == []
    return graph.add(Goer)


def test_an_action_of_a_client_serves_nodes(graph: Graph, bridged: Bridged, goer: Goer) -> None:
    task = graph._loop.create_task(goer.go(3))
    (goal,) = bridged.got(1.0)
    number = goal.pop("id")
    assert goal == {
        "op": "send_action_goal",
        "action": "/served",
        "action_type": "example_interfaces/action/Fibonacci",
        "args": {"order": 3},
        "feedback": True,
    }
    values = {"sequence": [0, 1]}
    bridged.send("action_feedback", id=number, action="/served", values=values)
    assert bridged.got() == []
    bridged.send("action_result", id=number, action="/served", values=values, status=4, result=True)
    assert bridged.got(1.0) == []
    result = task.result()
    assert (result.status, result.result.sequence) == (4, [0, 1])
    assert len(goer.feedback) == 1
    assert bridged.call("/rosapi/action_servers") == {"action_servers": ["/fibonacci", "/served"]}


def test_a_goal_at_a_clients_action_is_cancelled_failed_and_aborted(
    graph: Graph, bridged: Bridged, goer: Goer
) -> None:
    task = graph._loop.create_task(goer.go(3))
    (goal,) = bridged.got(1.0)
    goer.goal.cancel_goal_async()
    (cancel,) = bridged.got(1.0)
    assert cancel == {"op": "cancel_action_goal", "id": goal["id"], "action": "/served"}
    bridged.send("action_result", id=goal["id"], action="/served", values={}, status=5, result=True)
    graph.run_for(1.0)
    assert task.result().status == 5
    task = graph._loop.create_task(goer.go(4))
    (goal,) = bridged.got(1.0)
    bridged.send("action_result", id=goal["id"], action="/served", status=6, result=False)
    graph.run_for(1.0)
    assert task.result().status == 6
    task = graph._loop.create_task(goer.go(5))
    bridged.got(1.0)
    bridged.leave()
    graph.run_for(1.0)
    assert task.result().status == 6


def test_a_goal_whose_caller_has_gone_is_cancelled(
    graph: Graph, bridged: Bridged, goer: Goer
) -> None:
    graph._loop.create_task(goer.go(3)).add_done_callback(lambda task: task.exception())
    (goal,) = bridged.got(1.0)
    graph.remove(goer)
    (cancel,) = bridged.got(5.0)
    assert (cancel["op"], cancel["id"]) == ("cancel_action_goal", goal["id"])


def transform(x: float) -> TFMessage:
    moved = TransformStamped(child_frame_id="base_link")
    moved.header.frame_id = "map"
    moved.transform.translation.x = x
    return TFMessage(transforms=[moved])


def test_transforms_as_the_feedback_of_an_action(graph: Graph, bridged: Bridged) -> None:
    args = {
        "source_frames": ["/base_link", "unknown"],
        "target_frame": "/map",
        "angular_thres": 0.1,
        "trans_thres": 0.05,
        "rate": 10,
    }
    bridged.send(
        "send_action_goal",
        id="t",
        action="/tf2_web_republisher",
        action_type="tf2_web_republisher_interfaces/TFSubscription",
        args=args,
        feedback=True,
    )
    assert bridged.got() == []
    for x in (1.0, 1.01, 1.5):
        graph.inject("/tf", transform(x))
        graph.run_for(0.5)
    moved = [each["values"]["transforms"][0] for each in bridged.got()]
    assert [each["transform"]["translation"]["x"] for each in moved] == [1.0, 1.5]
    assert moved[0]["child_frame_id"] == "base_link"
    bridged.send("cancel_action_goal", id="t", action="/tf2_web_republisher")
    (result,) = bridged.got()
    assert result["op"] == "action_result"
    assert bridged.hub.topic("/tf").subscribers == []  # type: ignore[union-attr]


def test_transforms_on_a_topic(graph: Graph, bridged: Bridged) -> None:
    args = {
        "source_frames": ["base_link"],
        "target_frame": "map",
        "angular_thres": 2.0,
        "trans_thres": 0.01,
        "rate": 10.0,
        "timeout": {"secs": 2, "nsecs": 0},
    }
    topic = bridged.call("/republish_tfs", args)["topic_name"]
    bridged.send("subscribe", topic=topic, type="tf2_web_republisher/TFArray")
    bridged.got()
    graph.inject("/tf", transform(2.0))
    (frame,) = bridged.got(1.0)
    assert frame["msg"]["transforms"][0]["transform"]["translation"]["x"] == 2.0
    bridged.send("unsubscribe", topic=topic)
    bridged.got(25.0)
    assert bridged.hub.topic("/tf").subscribers == []  # type: ignore[union-attr]
    assert topic not in bridged.hub._writers


def test_a_read_only_gateway_answers_rosapi_and_calls_nothing(graph: Graph) -> None:
    graph.add(Server)
    bridged = Bridged(graph, hub_in(graph, is_read_only=True))
    assert "/scan" in bridged.call("/rosapi/topics")["topics"]
    assert bridged.call("/rosapi/get_param", [GAIN])["value"] == "1.0"
    refused = bridged.call("/rosapi/set_param", [GAIN, "2"])
    assert "read-only" in refused["reason"]
    answer = bridged.ask("call_service", service="/switch", args={"data": True})
    assert "read-only" in answer["values"]
    assert frames(bridged.client) == []
    assert AddTwoInts.type_name == "my_msgs/srv/AddTwoInts"
    bridged.leave()


class Mover(Node):
    """Broadcasts where the robot is, at a bag's times."""

    def __init__(self) -> None:
        super().__init__("mover")
        self.out = self.create_publisher(TFMessage, "/tf", 10)

    def move(self, x: float, sec: int) -> None:
        message = transform(x)
        message.transforms[0].header.stamp = Time(sec=sec)
        self.out.publish(message)


def test_transforms_of_a_bag_that_begins_again(graph: Graph, bridged: Bridged) -> None:
    mover = graph.add(Mover)
    args = {"source_frames": ["base_link"], "target_frame": "map", "rate": 10}
    bridged.send("send_action_goal", id="t", action="/tf2_web_republisher", args=args)
    bridged.got()
    for at, sec in enumerate((1, 50, 100, 1, 2, 3, 4)):
        mover.move(float(at), sec)
        graph.run_for(0.5)
    moved = [each["values"]["transforms"][0] for each in bridged.got()]
    assert moved[-1]["transform"]["translation"]["x"] == 6.0


def test_what_does_not_fit_a_client_leaves_nothing_behind(bridged: Bridged) -> None:
    for number in range(97):
        bridged.send("advertise", topic=f"/t{number}", type="std_msgs/String")
    assert bridged.got() == []
    refused = bridged.ask("advertise_action", action="/many", type="my_msgs/action/Fibonacci")
    assert "at most" in refused["msg"]
    bridged.got()
    assert not bridged.hub.graph.topics or bridged.hub.topic("/many/_action/feedback") is None
    for number in range(97, 100):
        bridged.send("advertise", topic=f"/t{number}", type="std_msgs/String")
    assert bridged.got() == []


def test_a_number_that_no_parameter_can_have_is_refused(bridged: Bridged) -> None:
    name = "/add_two_ints_server:gain"
    told = bridged.call("/rosapi/set_param", {"name": name, "value": f"1{'0' * 400}"})
    assert told["successful"] is False


def test_whoever_sees_a_client_serve_can_call_it_at_once(
    graph: Graph, bridged: Bridged, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, done = bridged.hub.link, list[str]()
    for name in ("subscribe", "advertise"):
        act = getattr(link, name)

        def noted(topic: str, *rest: Any, act: Any = act) -> Any:
            done.append(topic)
            return act(topic, *rest)

        monkeypatch.setattr(link, name, noted)
    bridged.send("advertise_service", service="/light", type="std_srvs/SetBool")
    bridged.send("advertise_action", action="/fib", type="example_interfaces/Fibonacci")
    assert bridged.got() == []
    served = [each.removesuffix("/_reply") for each in done if each.endswith("/_reply")]
    assert len(served) == 4
    for each in served:
        assert done.index(f"{each}/_request") < done.index(f"{each}/_reply")
