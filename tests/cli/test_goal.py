"""`action send_goal` that is ended in the middle: the goal is given up, and said to be if it is."""

import signal
from pathlib import Path

import pytest

from dsmq_nodes.cli.show import send_goal
from dsmq_nodes.cli.show.service_call import WantedCall
from dsmq_nodes.tools.session import Session
from tests.cli.conftest import Place
from tests.support.waiting import PATIENCE_SEC

SERVER = """
import pathlib, time
from dsmq_nodes import ActionServer, CancelResponse, GoalResponse, Node, run
from tests.cli.small_graph import Countdown
import asyncio

THINKS, REFUSES = {thinks!r}, {refuses!r}

class Server(Node):
    def __init__(self):
        super().__init__({name!r})
        self.server = ActionServer(self, Countdown, "/{name}", self.execute,
            goal_callback=self.judge, cancel_callback=self.may_cancel)
        print("serves", flush=True)
    def judge(self, goal):
        print("judges", flush=True)
        while THINKS and pathlib.Path(THINKS).exists():
            time.sleep(0.01)
        return GoalResponse.ACCEPT
    def may_cancel(self, goal):
        return CancelResponse.REJECT if REFUSES else CancelResponse.ACCEPT
    async def execute(self, goal):
        print("begins", flush=True)
        while not goal.is_cancel_requested:
            await asyncio.sleep(0.01)
        print("cancelled", flush=True)
        goal.canceled()
        return Countdown.Result()
run(Server)
"""
OF_RCLPY = """
import pathlib, time
import rclpy
from example_interfaces.action import Fibonacci
from rclpy.action import ActionServer
from rclpy.executors import MultiThreadedExecutor

def execute(goal):
    print("begins", flush=True)
    while not pathlib.Path({ends!r}).exists():
        time.sleep(0.01)
    print("cancelled" if goal.is_cancel_requested else "goes on", flush=True)
    goal.succeed()
    return Fibonacci.Result()

rclpy.init()
node = rclpy.create_node("of_rclpy")
server = ActionServer(node, Fibonacci, "of_rclpy", execute)
print("serves", flush=True)
rclpy.spin(node, MultiThreadedExecutor())
"""
FEEDBACK = "left: "


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_a_goal(mall: Place, number: signal.Signals) -> None:
    goal = mall.start("action", "send_goal", "/mall/countdown", "{start: 5000}", "-f")
    goal.wait_for(FEEDBACK)
    goal.process.send_signal(number)
    assert goal.wait() == 128 + number, "a goal that is chained by && is not sent"
    assert goal.lines[-2:] == ["Canceling goal...", "Goal canceled."]
    assert goal.errors == []


def test_a_goal_is_not_sent_after_the_end_of_its_tool_but_with_its_cancellation(
    mall: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = WantedCall("/mall/countdown", "", "{start: 5000}")
    with Session(mall.broker) as session:

        def follow(_: object) -> int:
            assert not session.sends_late
            raise SystemExit

        monkeypatch.setattr(send_goal._Goal, "follow", follow)
        with pytest.raises(SystemExit):
            send_goal.send(session, wanted, with_feedback=False, wait_sec=PATIENCE_SEC)
        assert session.sends_late


def test_a_tool_that_is_killed_cancels_its_goal(place: Place) -> None:
    text = SERVER.format(name="killed_goal", thinks="", refuses=False)
    server = place.start_python("-c", text)
    server.wait_for("serves")
    goal = place.start("action", "send_goal", "/killed_goal", "{start: 1}", "--wait", "30")
    server.wait_for("begins")
    goal.process.kill()
    server.wait_for("cancelled")
    server.wait_for_error(f"the tool with pid {goal.process.pid} has gone: its goal is cancelled")


def test_a_server_that_refuses_to_cancel(place: Place) -> None:
    text = SERVER.format(name="stubborn_goal", thinks="", refuses=True)
    server = place.start_python("-c", text)
    server.wait_for("serves")
    goal = place.start("action", "send_goal", "/stubborn_goal", "{start: 1}", "--wait", "30")
    server.wait_for("begins")
    assert goal.interrupt() == 1
    assert "Goal canceled." not in goal.lines
    assert "refuses: a node of this kit cancels the goal when" in goal.errors[-1]
    server.wait_for("cancelled")  # nobody is left that wants it


def test_a_program_of_rclpy_that_refuses_to_cancel(place: Place, tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    (tmp_path / "server.py").write_text(OF_RCLPY.format(ends=str(ends)))
    server = place.start("run", "--quiet", str(tmp_path / "server.py"))
    server.wait_for("serves")
    goal = place.start("action", "send_goal", "/of_rclpy", "{order: 1}", "--wait", "30")
    server.wait_for("begins")
    assert goal.interrupt() == 1
    assert "the server refuses to cancel the goal: the goal goes on" in goal.errors[-1]
    ends.touch()
    server.wait_for("goes on")


def test_ctrl_c_twice_before_the_goal_is_accepted(place: Place, tmp_path: Path) -> None:
    thinks = tmp_path / "thinks"
    thinks.touch()
    text = SERVER.format(name="slow_goal", thinks=str(thinks), refuses=False)
    server = place.start_python("-c", text)
    server.wait_for("serves")
    goal = place.start("action", "send_goal", "/slow_goal", "{start: 1}", "--wait", "30")
    server.wait_for("judges")
    goal.process.send_signal(signal.SIGINT)
    goal.wait_for("Canceling goal")
    assert goal.interrupt() == 1
    assert "Goal canceled." not in goal.lines
    assert "(it was not waited for)" in goal.errors[-1]
    thinks.unlink()
    second = place.start("action", "send_goal", "/slow_goal", "{start: 2}")
    server.wait_for("judges")
    server.wait_for("begins")  # the first has been let go: this one is executed
    assert second.interrupt() == 128 + signal.SIGINT
    server.wait_for("cancelled")
