"""Nodes for tests of protocols, and a client of rosbridge in virtual time."""

import asyncio
import json
from typing import Any, ClassVar

from pydantic import Field

from dsmq_nodes import ActionServer, Node, Parameters, QoSProfile
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.rosbridge.rosbridge_client import open_rosbridge
from dsmq_nodes.messages import Action, LaserScan, Message, Service, SetBool, String
from dsmq_nodes.messages.fields import int64
from dsmq_nodes.messages.rcl_interfaces import (
    ListParametersResult,
    ParameterDescriptor,
    ParameterValue,
)
from dsmq_nodes.messages.rcl_interfaces_srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
)
from dsmq_nodes.testing import Graph
from tests.gateways.web.hubs import client_of, frames

KEPT = QoSProfile(depth=1, durability="transient_local")


class Thing(Message, type_name="my_msgs/msg/Thing"):
    """A type that the gateway cannot import."""

    name: str = ""
    weight: float = 0.0
    number: int64 = 0
    pixels: bytes = b""


class AddTwoInts(Service, type_name="my_msgs/srv/AddTwoInts"):
    """A service type that the gateway cannot import."""

    class Request(Message):
        a: int64 = 0
        b: int64 = 0

    class Response(Message):
        sum: int64 = 0


class Fibonacci(Action, type_name="my_msgs/action/Fibonacci"):
    """An action type that the gateway cannot import."""

    class Goal(Message):
        order: int = 0

    class Result(Message):
        sequence: list[int] = []

    class Feedback(Message):
        sequence: list[int] = []


class Server(Node):
    """Serves a service, parameters and an action; keeps what it hears."""

    class Params(Parameters):
        gain: float = Field(1.0, ge=0, le=10)
        flag: bool = False

    params: Params

    def __init__(self) -> None:
        super().__init__("add_two_ints_server")
        self.create_service(AddTwoInts, "add_two_ints", self.on_add)
        self.create_service(SetBool, "switch", self.on_switch)
        self.scan = self.create_publisher(LaserScan, "scan", 10)
        self.thing = self.create_publisher(Thing, "thing", 10)
        self.kept = self.create_publisher(String, "kept", KEPT)
        self.heard: list[Any] = []
        self.create_subscription(Thing, "things", self.heard.append, 10)
        self.create_subscription(String, "listener", self.heard.append, 10)
        self.goals: list[str] = []
        self.action = ActionServer(self, Fibonacci, "fibonacci", self.execute)

    def on_add(self, request: AddTwoInts.Request) -> AddTwoInts.Response:
        return AddTwoInts.Response(sum=request.a + request.b)

    def on_switch(self, request: SetBool.Request) -> SetBool.Response:
        if not request.data:
            raise ValueError("it cannot be switched off")
        return SetBool.Response(success=True, message="on")

    async def execute(self, goal: Any) -> Any:
        sequence = [0, 1]
        for _ in range(goal.request.order - 1):
            if goal.is_cancel_requested:
                goal.canceled()
                self.goals.append("canceled")
                return Fibonacci.Result(sequence=sequence)
            sequence.append(sequence[-1] + sequence[-2])
            goal.publish_feedback(Fibonacci.Feedback(sequence=sequence))
            await asyncio.sleep(0.1)
        goal.succeed()
        self.goals.append("succeeded")
        return Fibonacci.Result(sequence=sequence)


class UnsetRobot(Node):
    """Tells no value at all when one that is asked for has none, as rclpy does."""

    VALUES: ClassVar = {"gain": ParameterValue(type=3, double_value=1.5)}

    def __init__(self) -> None:
        super().__init__("stand_in")
        for kind, answer in (
            (ListParameters, self.on_list),
            (GetParameters, self.on_get),
            (DescribeParameters, self.on_describe),
        ):
            name = kind.type_name.rpartition("/")[2].replace("Parameters", "_parameters").lower()
            self.create_service(kind, f"unset/{name}", answer)

    def on_list(self, _: Any) -> ListParameters.Response:
        return ListParameters.Response(result=ListParametersResult(names=["gain", "mode"]))

    def on_get(self, request: Any) -> GetParameters.Response:
        if not self.VALUES.keys() >= set(request.names):
            return GetParameters.Response()
        return GetParameters.Response(values=[self.VALUES[name] for name in request.names])

    def on_describe(self, request: Any) -> DescribeParameters.Response:
        if not {"gain", "mode"}.issuperset(request.names):
            return DescribeParameters.Response()
        told = [ParameterDescriptor(name=name, type=3) for name in request.names]
        return DescribeParameters.Response(descriptors=told)


class Bridged:
    """A client of rosbridge in a graph in virtual time."""

    def __init__(self, graph: Graph, hub: Hub, connect: Any = None) -> None:
        self.graph, self.hub = graph, hub
        self.client = client_of(hub)
        self.speaker: Any = (connect or open_rosbridge(hub))(self.client)

    def send(self, op: str, **fields: Any) -> None:
        self.speaker.receive(json.dumps({"op": op, **fields}))

    def got(self, seconds: float = 0.5) -> list[Any]:
        """What has come after a time, decoded."""
        self.graph.run_for(seconds)
        return [json.loads(each) if isinstance(each, str) else each for each in frames(self.client)]

    def ask(self, op: str, **fields: Any) -> Any:
        """The one answer to an operation."""
        self.send(op, id="1", **fields)
        answers = self.got(2.0)
        assert len(answers) == 1, answers
        return answers[0]

    def call(self, service: str, args: Any = None, **fields: Any) -> Any:
        """The values in the response of a service."""
        answer = self.ask("call_service", service=service, args=args, **fields)
        assert answer["op"] == "service_response"
        return answer["values"]

    def leave(self) -> None:
        """The socket ends."""
        self.speaker.closed()
        self.client.close()
