"""The guide's tables for those who come from rclpy are held to the classes of both sides."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import Action, ActionClient, ActionServer, Message, Node, Service
from dsmq_nodes.lifecycle import LifecycleNode
from dsmq_nodes.messages import String
from dsmq_nodes.testing import Graph

PAGE = Path(__file__).parents[2] / ".github" / "guide" / "coming_from_rclpy.md"
HOMES = {
    "Node": "node",
    "Publisher": "publisher",
    "Subscription": "subscription",
    "Client": "client",
    "Service": "service",
    "Timer": "timer",
    "Future": "task",
    "ServerGoalHandle": "action.server",
    "ClientGoalHandle": "action.client",
    "ActionClient": "action",
    "ActionServer": "action",
    "Clock": "clock",
    "LifecycleNode": "lifecycle",
}

SET_IN_CONSTRUCTORS = (
    *("topic", "msg_type", "qos_profile", "event_handlers", "callback_group", "raw"),
    *("srv_name", "srv_type", "callback", "handle"),
)


class Ask(Service):
    class Request(Message):
        n: int = 0

    class Response(Message):
        n: int = 0


class Act(Action):
    class Goal(Message):
        n: int = 0

    class Result(Message):
        n: int = 0

    class Feedback(Message):
        n: int = 0


class One(Node):
    """Has one of everything, by rclpy's names."""

    def __init__(self) -> None:
        super().__init__("one")
        self.kinds: dict[str, Any] = {
            "Node": self,
            "Publisher": self.create_publisher(String, "text", 1),
            "Subscription": self.create_subscription(String, "text", lambda msg: None, 1),
            "Client": self.create_client(Ask, "ask"),
            "Service": self.create_service(Ask, "ask", lambda request, response: response),
            "Timer": self.create_timer(1.0, lambda: None),
            "ActionServer": ActionServer(self, Act, "act", self.execute),
            "ActionClient": ActionClient(self, Act, "act"),
            "Logger": self.get_logger(),
            "Clock": self.get_clock(),
            "LifecycleNode": LifecycleNode,
        }
        self.create_task(self.work())

    async def execute(self, goal: Any) -> Act.Result:
        self.kinds["ServerGoalHandle"] = goal
        goal.succeed()
        return Act.Result()

    async def work(self) -> None:
        client = self.kinds["ActionClient"]
        await client.wait_for_server_async()
        self.kinds["Future"] = client.send_goal_async(Act.Goal())
        self.kinds["ClientGoalHandle"] = await self.kinds["Future"]


def lines() -> Iterator[tuple[str, str, str]]:
    """Class, name and what the page says of it."""
    for chapter in PAGE.read_text("utf-8").split("\n### ")[1:]:
        kind = chapter.partition("\n")[0]
        if " " in kind:
            continue  # no class: packages
        for names, said in re.findall(r"^\| (`.*?) \| (.*) \|$", chapter, re.MULTILINE):
            yield from ((kind, name, said) for name in re.findall(r"`(\w+)`", names))


def test_each_line_is_true_of_the_kit() -> None:
    with Graph() as graph:
        one = graph.add(One)
        graph.run_for(2.0)
        wrong = [
            f"{kind}.{name}: {said}"
            for kind, name, said in lines()
            if hasattr(one.kinds[kind], name) != said.startswith("same")
            or not said.startswith(("same", "—"))
        ]
    assert {kind for kind, _, _ in lines()} == set(one.kinds)
    assert wrong == []


@pytest.mark.parametrize("kind", HOMES)
def test_rclpys_methods_are_there_for_unchanged_programs(kind: str) -> None:
    there = getattr(import_module(f"dsmq_nodes.rclpy.{HOMES[kind]}"), kind)
    names = [name for each, name, _ in lines() if each == kind]
    known = [*SET_IN_CONSTRUCTORS, *dir(there)]
    assert [name for name in names if name not in known] == []
