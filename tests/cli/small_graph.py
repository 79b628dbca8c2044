"""A small graph for the command line's tests: run as a program, all of its nodes in one process."""

import asyncio

from pydantic import Field

from dsmq_nodes import (
    Action,
    ActionServer,
    GoalResponse,
    Message,
    Node,
    Parameters,
    QoSProfile,
    ServerGoalHandle,
    Service,
    run,
)
from dsmq_nodes.messages import Image, String, Twist

LATCHED = QoSProfile(depth=1, durability="transient_local")


class AddTwoInts(Service, type_name="example_interfaces/srv/AddTwoInts"):
    class Request(Message):
        a: int = 0
        b: int = 0

    class Response(Message):
        sum: int = 0


class Reading(Message, type_name="lab_msgs/msg/Reading"):
    """A type that no other process has."""

    celsius: float = 0.0
    raw: bytes = b""


class Countdown(Action, type_name="lab_msgs/action/Countdown"):
    class Goal(Message):
        start: int

    class Result(Message):
        word: str = ""

    class Feedback(Message):
        left: int = 0


Goal = ServerGoalHandle[Countdown.Goal, Countdown.Result, Countdown.Feedback]


class Shop(Node):
    class Params(Parameters):
        period: float = Field(0.05, gt=0, le=10, description="seconds from text to text")
        text: str = "hello"
        pin: int = Field(13, frozen=True, description="cannot be changed while it runs")
        gains: list[float] = [1.0, 0.5]

    params: Params

    def __init__(self) -> None:
        super().__init__("shop", namespace="/mall")
        self.get_logger().info("open")  # or it is seen to log where it warns, on a busy machine
        self.chatter = self.create_publisher(String, "chatter", 10)
        self.create_timer(self.params.period, self.tick)
        reading = Reading(celsius=float("nan"), raw=b"\x01\xff")
        self.create_publisher(Reading, "reading", LATCHED).publish(reading)
        picture = Image(width=2, height=1, encoding="mono8", step=2, data=b"\x00\x80")
        self.create_publisher(Image, "picture", LATCHED).publish(picture)
        self.create_service(AddTwoInts, "add_two_ints", self.add)
        ActionServer(
            self, Countdown, "countdown", self.count, goal_callback=self.judge, when_busy="parallel"
        )

    def tick(self) -> None:
        self.chatter.publish(String(data=self.params.text))

    def add(
        self, request: AddTwoInts.Request, response: AddTwoInts.Response
    ) -> AddTwoInts.Response:
        if request.b < 0:
            self.get_logger().warning(f"b is {request.b}")
            raise ValueError("only what is not negative")
        response.sum = request.a + request.b
        self.get_logger().info(f"{request.a} + {request.b} = {response.sum}")
        return response

    def judge(self, goal: Countdown.Goal) -> GoalResponse:
        return GoalResponse.ACCEPT if goal.start > 0 else GoalResponse.REJECT

    async def count(self, goal: Goal) -> Countdown.Result:
        for left in range(goal.request.start, 0, -1):
            goal.publish_feedback(Countdown.Feedback(left=left))
            await asyncio.sleep(0.02)
            if goal.is_cancel_requested:
                goal.canceled()
                return Countdown.Result(word="gave up")
        if goal.request.start == 13:
            goal.abort()
            return Countdown.Result(word="no luck")
        goal.succeed()
        return Countdown.Result(word="go")


class Customer(Node):
    def __init__(self) -> None:
        super().__init__("customer", namespace="/mall")
        self.get_logger().info("here")
        self.create_subscription(String, "chatter", lambda _: None, 10)
        self.create_subscription(Twist, "cmd_vel", lambda _: None, 10)
        self.create_client(AddTwoInts, "add_two_ints")


if __name__ == "__main__":
    run(Shop, Customer)
