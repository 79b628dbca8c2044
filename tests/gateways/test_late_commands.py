"""Commands that the network delayed: after an outage TCP delivers what a hand wanted before."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from dsmq_nodes import ActionServer, Actuator, Node
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web.dashboard.dashboard_speaker import Dashboards
from dsmq_nodes.gateways.web.launch_entry import StopEntry, WebEntry
from dsmq_nodes.gateways.web.outbox import Outbox
from dsmq_nodes.gateways.web.stop_button import StopButton
from dsmq_nodes.messages import Twist
from dsmq_nodes.testing import Graph
from tests.gateways.foxglove.viewers import Viewer
from tests.gateways.rosbridge.robots import AddTwoInts, Bridged, Fibonacci
from tests.gateways.web.hubs import hub_in

TWIST = "geometry_msgs/msg/Twist"


class Base(Node):
    def __init__(self) -> None:
        super().__init__("base")
        self.obeyed: list[float] = []
        self.speed = 0.0
        self.commands = Actuator(self, Twist, "cmd_vel", self.on_twist, timeout=0.5)

    def on_twist(self, msg: Twist) -> None:
        self.speed = msg.linear.x
        self.obeyed.append(self.speed)

    def enter_safe_state(self) -> None:
        self.speed = 0.0


def by_rosbridge(graph: Graph, hub: Hub) -> tuple[Outbox, Callable[[float], None]]:
    client = Bridged(graph, hub)
    client.send("advertise", topic="/cmd_vel", type=TWIST)
    return client.client.outbox, lambda speed: client.send(
        "publish", topic="/cmd_vel", msg={"linear": {"x": speed}}
    )


def by_foxglove(graph: Graph, hub: Hub) -> tuple[Outbox, Callable[[float], None]]:
    viewer = Viewer(graph, hub)
    viewer.advertise("/cmd_vel", TWIST)
    return viewer.client.outbox, lambda speed: viewer.publish({"linear": {"x": speed}})


@pytest.mark.parametrize("connect", [by_rosbridge, by_foxglove])
@pytest.mark.parametrize("has_late_pong", [False, True])
def test_commands_that_an_outage_delayed_move_nothing(connect: Any, *, has_late_pong: bool) -> None:
    with Graph() as graph:
        base = graph.add(Base)
        outbox, drive = connect(graph, hub_in(graph))
        graph.run_for(3.0)

        def comes(speed: float) -> None:
            outbox.heard()
            drive(speed)
            outbox.heard()

        for _ in range(20):  # as the server does: it sends pings to a client that publishes
            assert outbox.asks()
            comes(1.0)
            graph.run_for(0.08)
            outbox.answered()
            graph.run_for(0.2)
        assert len(base.obeyed) == 20
        assert outbox.asks()
        graph.run_for(5.0)  # the network is away
        assert base.speed == 0.0
        if has_late_pong:  # it left before the network did
            outbox.answered()
            assert outbox.asks()
        for _ in range(3):
            comes(2.0)
            graph.run_for(0.01)
        assert base.speed == 0.0
        assert base.commands.subscription.late == 3
        outbox.answered()
        if not has_late_pong:  # of a ping from before the outage: what comes now may be old, too
            comes(2.0)
            graph.run_for(0.01)
            assert outbox.asks()
            outbox.answered()
        assert 2.0 not in base.obeyed
        comes(3.0)
        graph.run_for(0.1)
        assert base.speed == 3.0


@pytest.mark.parametrize("is_dashboard", [False, True])
def test_a_late_release_does_not_release_the_stop_that_was_pressed_meanwhile(
    *, is_dashboard: bool
) -> None:
    """For the robot both are the gateway's, whose false releases its true."""
    with Graph() as graph:
        base, hub = graph.add(Base), hub_in(graph)
        panel = Dashboards(hub, WebEntry(), "127.0.0.1:1")
        client = Bridged(graph, hub)
        outbox = client.client.outbox
        page = panel.connect(client.client)

        def says(*, is_pressed: bool) -> None:
            msg, topic, kind = {"data": is_pressed}, "/emergency_stop", "std_msgs/msg/Bool"
            outbox.heard()
            if is_dashboard:
                page.receive(json.dumps({"op": "pub", "topic": topic, "type": kind, "msg": msg}))
            else:
                client.send("publish", topic=topic, type=kind, msg=msg)
            graph.run_for(0.2)

        def is_stopped() -> bool:
            return base.commands.emergency_stop.is_pressed

        graph.run_for(3.0)
        outbox.answered()
        says(is_pressed=True)
        outbox.answered()
        says(is_pressed=False)
        assert not is_stopped()
        graph.run_for(0.3)
        outbox.heard()
        assert outbox.asks()
        graph.run_for(3.0)  # the network is away
        StopButton(hub, StopEntry()).press()
        graph.run_for(1.0)
        assert is_stopped()
        says(is_pressed=False)
        assert is_stopped()
        outbox.answered()
        graph.run_for(0.3)
        assert outbox.asks()
        outbox.answered()
        says(is_pressed=False)
        assert not is_stopped()
        graph.run_for(0.3)
        outbox.heard()
        assert outbox.asks()
        graph.run_for(5.0)
        says(is_pressed=True)
        assert is_stopped(), "a press is never too late"


@pytest.mark.parametrize("reads_first", [False, True])
def test_commands_that_waited_while_the_gateway_stood_still_move_nothing(
    *, reads_first: bool
) -> None:
    with Graph() as graph:
        base = graph.add(Base)
        outbox, drive = by_rosbridge(graph, hub_in(graph))
        graph.run_for(3.0)
        assert outbox.asks()
        outbox.answered()
        outbox.heard()
        drive(1.0)
        outbox.heard()
        graph.run_for(5.0)  # it was not there to send a ping
        assert reads_first or outbox.asks()
        outbox.heard()
        drive(2.0)
        graph.run_for(0.1)
        assert base.obeyed == [1.0]
        assert base.commands.subscription.late == 1


@pytest.mark.parametrize("answers_after_sec", [0.15, 0.3, 1.2, None])
@pytest.mark.parametrize("period_sec", [0.08, 0.12, 0.3])
def test_commands_of_a_client_that_answers_late_or_never_are_obeyed(
    answers_after_sec: float | None, period_sec: float
) -> None:
    """Wi-Fi that saves power; a network whose pongs wait behind pictures; one that only sends."""
    with Graph() as graph:
        base = graph.add(Base)
        outbox, drive = by_rosbridge(graph, hub_in(graph))
        graph.run_for(3.0)
        due_sec = None
        for _ in range(100):
            if outbox.asks() and answers_after_sec is not None:
                due_sec = graph.now_sec + answers_after_sec
            if due_sec is not None and graph.now_sec >= due_sec:
                due_sec = None
                outbox.answered()
            outbox.heard()
            drive(1.0)
            assert outbox.age_sec == 0.0
            outbox.heard()
            graph.run_for(period_sec)
        assert (len(base.obeyed), base.commands.subscription.late) == (100, 0)


class Cook(Node):
    """Has an action and a service that move it."""

    def __init__(self) -> None:
        super().__init__("cook")
        self.asked: list[int] = []
        self.create_service(AddTwoInts, "add", self.on_add)
        ActionServer(self, Fibonacci, "cook", self.on_goal)

    def on_add(self, request: Any, response: Any) -> Any:
        self.asked.append(request.a)
        return response

    async def on_goal(self, goal: Any) -> Fibonacci.Result:
        self.asked.append(goal.request.order)
        while not goal.is_cancel_requested:
            await asyncio.sleep(0.1)
        goal.canceled()
        return Fibonacci.Result()


@pytest.mark.parametrize(
    ("away_sec", "asked", "late"),
    [
        (1.5, [1, 2, 3, 4], []),
        (5.0, [1, 2, 3], ["cook3"]),  # a goal moves the robot; a service may be one that stops it
        (15.0, [1, 2], ["add3", "cook3"]),
    ],
)
def test_a_request_that_an_outage_delayed_for_long_is_refused(
    away_sec: float, asked: list[int], late: list[str]
) -> None:
    with Graph() as graph:
        cook = graph.add(Cook)
        client = Bridged(graph, hub_in(graph))
        outbox = client.client.outbox

        def comes(op: str, **fields: Any) -> None:
            outbox.heard()
            client.send(op, **fields)
            graph.run_for(0.1)

        def ask(number: int) -> None:
            comes("call_service", service="/add", args={"a": number}, id=f"add{number}")
            goal = {"action": "/cook", "args": {"order": number + 1}, "id": f"cook{number}"}
            comes("send_action_goal", action_type=Fibonacci.type_name, **goal)

        graph.run_for(3.0)
        outbox.answered()  # as each client that has read something
        ask(1)
        assert cook.asked == [1, 2]
        assert outbox.asks()  # of a client that calls, as of one that publishes
        graph.run_for(away_sec)
        ask(3)
        comes("cancel_action_goal", action="/cook", id="cook1")
        answers = {each.get("id"): each for each in client.got() if "id" in each}
        assert answers["cook1"]["status"] == 5  # cancelled, however late
        assert cook.asked == asked
        if not late:
            return
        for number in late:
            assert answers[number]["result"] is False
            assert "s old: the network was away" in answers[number]["values"]
        outbox.answered()
        assert outbox.asks()
        outbox.answered()
        ask(5)
        assert cook.asked == [*asked, 5, 6]


def test_the_first_request_of_a_client_that_only_looked_may_be_late_too() -> None:
    with Graph() as graph:
        cook = graph.add(Cook)
        client = Bridged(graph, hub_in(graph))
        outbox = client.client.outbox
        client.send("subscribe", topic="/cook/_action/status")
        graph.run_for(3.0)
        outbox.offer("/cook", "a message, which a ping follows")
        outbox.answered()
        while outbox.next() is not None:
            pass
        assert outbox.asks()
        graph.run_for(5.0)  # the network is away
        outbox.heard()
        goal = {"action": "/cook", "args": {"order": 1}, "id": "cook"}
        client.send("send_action_goal", action_type=Fibonacci.type_name, **goal)
        graph.run_for(0.1)
        assert cook.asked == []


def test_a_request_whose_caller_waits_no_longer_is_not_carried_out() -> None:
    """roslibpy raises after its timeout, and sends it along."""
    with Graph() as graph:
        cook = graph.add(Cook)
        client = Bridged(graph, hub_in(graph))
        outbox = client.client.outbox
        graph.run_for(3.0)
        outbox.answered()

        def ask(number: int) -> None:
            outbox.heard()
            client.send("call_service", service="/add", args={"a": number}, id="add", timeout=3)
            graph.run_for(0.1)

        ask(1)
        assert outbox.asks()
        graph.run_for(5.0)
        ask(2)
        assert cook.asked == [1]
