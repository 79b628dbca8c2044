"""A callback that lets a CancelledError pass: whoever waits for its result is told all the same."""

import asyncio
from typing import Any

import pytest

from dsmq_nodes import ActionClient, ActionServer, CancelResponse, GoalState, Node, Parameter
from dsmq_nodes.diagnostics import DiagnosticUpdater
from dsmq_nodes.errors import ServiceError
from dsmq_nodes.messages import DiagnosticArray, SetBool
from dsmq_nodes.messages.rcl_interfaces_srv import SetParameters
from dsmq_nodes.testing import Graph
from examples.fibonacci_server import Fibonacci

TOLD = "what it waited for was cancelled"


class Robot(Node):
    on_exception = "log"

    def __init__(self) -> None:
        super().__init__("robot")
        self.motion: asyncio.Future[None] | None = None

    async def moves(self, *_: object) -> None:
        """Waits for a task of the node's own, which something else cancels."""
        self.motion = asyncio.ensure_future(asyncio.sleep(100.0))
        asyncio.get_running_loop().call_later(0.1, self.motion.cancel)
        await self.motion


def asks(*_: object) -> None:
    """As `future.result()` of a future that was cancelled does."""
    raise asyncio.CancelledError


@pytest.fixture
def robot(graph: Graph) -> Robot:
    return graph.add(Robot)


@pytest.fixture(params=["async def", "def"])
def callback(request: pytest.FixtureRequest, robot: Robot) -> Any:
    return robot.moves if request.param == "async def" else asks


def test_a_timer_ticks_on_and_the_error_is_counted(graph: Graph, robot: Robot) -> None:
    timer = robot.create_timer(0.1, asks)
    graph.run_for(1.05)
    assert timer.ticks == robot.statistics().exceptions == 10


def test_the_caller_of_a_service_is_told(graph: Graph, robot: Robot, callback: Any) -> None:
    robot.create_service(SetBool, "s", lambda _, __: callback())
    answer = robot.create_client(SetBool, "s").call_async(SetBool.Request())
    graph.run_for(1.0)
    with pytest.raises(ServiceError, match=TOLD):
        answer.result()


def test_whoever_sets_a_parameter_is_told(graph: Graph, robot: Robot, callback: Any) -> None:
    robot.declare_parameter("a", 1)
    robot.add_on_set_parameters_callback(callback)
    wanted = Parameter("a", None, 2)
    client = robot.create_client(SetParameters, "/robot/set_parameters")
    answer = client.call_async(SetParameters.Request(parameters=[wanted.to_parameter_msg()]))
    graph.run_for(1.0)
    assert TOLD in answer.result().results[0].reason
    if callback is asks:
        assert TOLD in robot.set_parameters([wanted])[0].reason


def test_a_diagnostic_task_is_an_error(graph: Graph, robot: Robot, callback: Any) -> None:
    DiagnosticUpdater(robot, 0.2).add("motor", callback)
    told = graph.observe(DiagnosticArray, "/diagnostics")
    graph.run_for(0.5)
    assert TOLD in told[0].status[0].message


class TestGoals:
    @pytest.mark.parametrize(
        "place", ["execute_callback", "goal_callback", "handle_accepted_callback"]
    )
    def test_the_client_is_told_and_the_next_goal_has_its_turn(
        self, graph: Graph, robot: Robot, place: str, callback: Any
    ) -> None:
        asked = []

        def breaks(*_: object) -> Any:
            asked.append(place)
            return callback()

        def execute(handle: Any) -> Any:
            handle.succeed()
            return Fibonacci.Result()

        broken: Any = {"execute_callback": execute, place: breaks}
        ActionServer(robot, Fibonacci, "fib", **broken)
        client = ActionClient(robot, Fibonacci, "fib")
        sent = [client.send_goal_async(Fibonacci.Goal(order=1)) for _ in range(2)]
        graph.run_for(1.0)
        assert len(asked) == 2
        for each in sent:
            if place == "goal_callback":
                with pytest.raises(ServiceError, match=TOLD):
                    each.result()
            else:
                result = each.result().get_result_async()
                graph.run_for(0.1)
                assert result.result().status == GoalState.ABORTED

    def test_a_goal_whose_motion_is_cancelled_because_that_was_asked_for_is_canceled(
        self, graph: Graph, robot: Robot, caplog: pytest.LogCaptureFixture
    ) -> None:
        motion: list[asyncio.Future[None]] = []

        async def execute(_: object) -> Any:
            motion.append(asyncio.ensure_future(asyncio.sleep(100.0)))
            await motion[0]

        def cancel(_: object) -> CancelResponse:
            asyncio.get_running_loop().call_later(0.1, motion[0].cancel)
            return CancelResponse.ACCEPT

        ActionServer(robot, Fibonacci, "fib", execute, cancel_callback=cancel)
        sent = ActionClient(robot, Fibonacci, "fib").send_goal_async(Fibonacci.Goal(order=1))
        graph.run_for(0.5)
        result = sent.result().get_result_async()
        asked = sent.result().cancel_goal_async()
        graph.run_for(0.5)
        assert len(asked.result().goals_canceling) == 1
        assert result.result().status == GoalState.CANCELED
        assert "exception" not in caplog.text
