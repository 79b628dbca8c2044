"""What a type checker says of a user's code."""

import re
import subprocess
import sys
from pathlib import Path

from dsmq_nodes.messages.model_class import ModelClass

ROOT = Path(__file__).parent.parent.parent
CODE = """\
import asyncio
from pydantic import Field
from dsmq_nodes import Action, ActionClient, GoalFeedback, LifecycleNode, Message, MessageInfo
from dsmq_nodes import Node, Publisher, Service, Subscription, wait_for_message
from dsmq_nodes.lifecycle import LifecycleState, TransitionCallbackReturn
from dsmq_nodes.messages import Imu, String, Trigger, Twist

class Good(Node):
    imu: Publisher[Imu]

    def __init__(self) -> None:
        super().__init__("good")
        self.imu = self.create_publisher(Imu, "imu", 10)
        self.create_subscription(Imu, "imu", self.on_imu, 10)
        self.create_subscription(Imu, "imu", self.on_imu_info, 10)
        self.create_subscription(Imu, "imu", self.on_imu_async, 10)
        self.create_subscription(Imu, "imu", print, 10)
        self.create_subscription(Imu, "imu", lambda msg: self.imu.publish(msg), 10)
        self.texts: Subscription[String] = self.create_subscription(String, "text", None, 10)
        self.create_timer(0.1, self.tick)
        self.create_timer(0.1, self.tick_async)
        self.create_task(self.read())

    def on_imu(self, msg: Imu) -> None: ...
    def on_imu_info(self, msg: Imu, info: MessageInfo) -> None: ...
    async def on_imu_async(self, msg: Imu) -> None: ...
    def tick(self) -> None: ...
    async def tick_async(self) -> None: ...
    def on_twist(self, msg: Twist) -> None: ...
    def on_three(self, msg: Imu, info: MessageInfo, more: int) -> None: ...

    async def read(self) -> None:
        async for msg in self.texts:
            text: str = msg.data
            number: int = msg.data  # E: "str", variable has type "int"

    def wrong(self) -> None:
        self.create_subscription(Imu, "imu", self.on_twist, 10)  # E: Argument 3
        self.create_subscription(Imu, "imu", self.on_three, 10)  # E: Argument 3
        self.create_subscription(Imu, "imu", self.tick, 10)  # E: Argument 3
        self.imu.publish(Twist())  # E: expected "Imu"
        self.imu = self.create_publisher(Twist, "imu", 10)  # E: Argument 1
        self.create_publisher(int, "imu", 10)  # E: type variable
        self.create_timer(0.1, self.on_imu)  # E: Argument 2
        self.get_logger().info("x", throttle=1.0)  # E: throttle

class Add(Service):
    class Request(Message):
        a: int = 0
    class Response(Message):
        sum: int = 0

class Dock(Action):
    class Goal(Message):
        lane: int = 0
    class Result(Message):
        is_docked: bool = False
    class Feedback(Message):
        metres: float = 0.0

class Calls(Node):
    def __init__(self) -> None:
        super().__init__("calls")
        self.add = self.create_client(Add, "add")
        self.dock = ActionClient(self, Dock, "dock")
        timer = self.create_timer(1.0, self.go)
        timer.timer_period_ns = 500_000_000

    def on_trigger(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = True
        return response

    async def go(self) -> None:
        self.create_service(Trigger, "trigger", self.on_trigger)
        response = await self.add.call(Add.Request(a=1))
        total: int = response.sum
        text: str = response.sum  # E: "int", variable has type "str"
        handle = await self.dock.send_goal_async(Dock.Goal(lane=1), self.on_feedback)
        end = await handle.get_result_async()
        is_docked: bool = end.status == 4 and end.result.is_docked
        end.result.nowhere  # E: no attribute "nowhere"
        await self.dock.send_goal_async(Dock.Goal(), self.on_other)  # E: Argument 2

    def on_feedback(self, msg: GoalFeedback[Dock.Feedback]) -> None:
        far: float = msg.feedback.metres
        far = msg.feedback.feet  # E: no attribute "feet"
    def on_other(self, msg: GoalFeedback[Dock.Result]) -> None: ...

def blocking(calls: Calls) -> int:
    response: Add.Response = calls.add.call(Add.Request(a=1), timeout_sec=1.0)
    return response.sum

class Tutorial(LifecycleNode):
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.get_logger().info("on_activate() is called.")
        return super().on_activate(state)
    async def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        await asyncio.sleep(0.1)
        return TransitionCallbackReturn.SUCCESS

class Level(Message):
    percent: float = Field(0.0, ge=0)
    from_: str = Field("", alias="from")

def makes() -> None:
    Level()
    Level(percent=1, from_="a cell")
    Level(percnt=1.0)  # E: percnt
    Level(percent="full")  # E: expected "float"

def script(node: Node) -> None:
    found, msg = wait_for_message(Imu, node, "imu")
    if msg is not None:
        x: float = msg.linear_acceleration.x
        y: str = msg.linear_acceleration.x  # E: "float", variable has type "str"
"""


def test_mypy_takes_what_is_right_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "robot.py"
    path.write_text(CODE)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)]
    command += ["--config-file", str(ROOT / "pyproject.toml")]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    said = {
        int(match[1]): match[2]
        for match in re.finditer(r"robot\.py:(\d+): error: (.*)", result.stdout)
    }
    expected = {
        number: line.split("# E: ")[1]
        for number, line in enumerate(CODE.splitlines(), start=1)
        if "# E: " in line
    }
    assert said.keys() == expected.keys(), result.stdout + result.stderr
    for number, part in expected.items():
        assert part in said[number], said[number]


def test_editors_know_the_fields_of_a_constructor() -> None:
    """pyright looks for `dataclass_transform` at the metaclass itself, not at its bases."""
    assert "__dataclass_transform__" in vars(ModelClass)
