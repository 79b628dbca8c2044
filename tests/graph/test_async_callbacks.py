"""Every function that a user hands over may be a coroutine; what nobody could await is refused."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from dsmq_nodes import (
    ActionClient,
    ActionServer,
    Actuator,
    CancelResponse,
    EmergencyStop,
    GoalResponse,
    Node,
    Parameter,
    QoSProfile,
)
from dsmq_nodes.diagnostics import DiagnosticStatusWrapper, DiagnosticUpdater
from dsmq_nodes.errors import NodeConfigurationError
from dsmq_nodes.graph.run import make_node
from dsmq_nodes.lifecycle import LifecycleNode
from dsmq_nodes.messages import (
    Bool,
    Clock,
    DiagnosticArray,
    DiagnosticStatus,
    Float64,
    SetBool,
    SetParametersResult,
    Time,
)
from dsmq_nodes.messages.rcl_interfaces_srv import SetParameters
from dsmq_nodes.testing import Graph
from examples.fibonacci_server import Fibonacci

Seen = list[str]


class Robot(Node):
    """A node that the functions of a test belong to."""

    use_sim_time = False

    def __init__(self) -> None:
        super().__init__("robot")
        self.said: Seen = []

    async def say(self, *_: object) -> None:
        await asyncio.sleep(0.01)
        self.said.append("said")


@pytest.fixture
def robot(graph: Graph) -> Robot:
    return graph.add(Robot)


def on_timeout(robot: Robot, callback: Any) -> None:
    robot.create_subscription(Float64, "x", lambda _: None, 1, timeout=0.1, on_timeout=callback)


def on_deadline(robot: Robot, callback: Any) -> None:
    robot.create_publisher(Float64, "y", QoSProfile(deadline=0.1), on_deadline=callback)


def future(robot: Robot, callback: Any) -> None:
    robot.create_service(SetBool, "s", lambda _, response: response)
    client = robot.create_client(SetBool, "s")
    client.call_async(SetBool.Request()).add_done_callback(callback)


def actuator(robot: Robot, callback: Any) -> None:
    class Arm(Robot):
        def enter_safe_state(self) -> None: ...

    Actuator(Arm, Float64, "command", callback, timeout=1.0)  # type: ignore[arg-type]


def emergency_stop(robot: Robot, callback: Any) -> None:
    EmergencyStop(robot, callback).press()


def feedback(robot: Robot, callback: Any) -> None:
    async def execute(handle: Any) -> Any:
        handle.publish_feedback(Fibonacci.Feedback(sequence=[1]))
        await asyncio.sleep(0.1)
        handle.succeed()
        return Fibonacci.Result()

    ActionServer(robot, Fibonacci, "fib", execute)
    client = ActionClient(robot, Fibonacci, "fib")
    client.send_goal_async(Fibonacci.Goal(order=1), callback)


def accepted(robot: Robot, callback: Any) -> None:
    ActionServer(
        robot, Fibonacci, "fib", lambda _: Fibonacci.Result(), handle_accepted_callback=callback
    )
    ActionClient(robot, Fibonacci, "fib").send_goal_async(Fibonacci.Goal(order=1))


def post_set(robot: Robot, callback: Any) -> None:
    robot.declare_parameter("a", 1)
    robot.add_post_set_parameters_callback(callback)
    robot.set_parameters([Parameter("a", None, 2)])


def diagnostic_task(robot: Robot, callback: Any) -> None:
    DiagnosticUpdater(robot, 0.1).add("part", callback)


def subscription(robot: Robot, callback: Any) -> None:
    robot.create_subscription(Float64, "x", callback, 1)
    robot.create_publisher(Float64, "x", 1).publish(Float64())


def timer(robot: Robot, callback: Any) -> None:
    robot.create_timer(0.1, callback)


def service(robot: Robot, callback: Any) -> None:
    robot.create_service(SetBool, "s", callback)
    robot.create_client(SetBool, "s").call_async(SetBool.Request())


PLACES: list[Callable[[Robot, Any], None]] = [
    on_timeout,
    on_deadline,
    future,
    emergency_stop,
    feedback,
    accepted,
    post_set,
    diagnostic_task,
    subscription,
    timer,
]


@pytest.mark.parametrize("kind", ["async def", "partial", "object", "def"])
@pytest.mark.parametrize("place", PLACES)
def test_a_coroutine_is_awaited(
    graph: Graph, robot: Robot, place: Callable[[Robot, Any], None], kind: str
) -> None:
    class Say:
        def __call__(self, _: object = None) -> object:
            return robot.say()

    callbacks: dict[str, Any] = {
        "async def": robot.say,
        "partial": functools.partial(robot.say, "more"),
        "object": Say(),
        "def": lambda *_: robot.say(),
    }
    if kind == "def" and place is subscription:
        callbacks["def"] = lambda _: robot.say()
    place(robot, callbacks[kind])
    graph.run_for(1.0)
    assert "said" in robot.said


def yields(*_: object) -> Iterator[int]:
    yield 1


async def yields_and_awaits(*_: object) -> AsyncIterator[int]:
    await asyncio.sleep(0)
    yield 1


class Yields:
    def __call__(self, _: object = None) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize("place", [*PLACES, actuator, service])
@pytest.mark.parametrize(
    ("callback", "told"),
    [
        (yields, "cannot have a `yield`"),
        (yields_and_awaits, "cannot have a `yield`"),
        (functools.partial(yields, 1), "cannot have a `yield`"),
        (Yields(), "cannot have a `yield`"),
        (3, "is a function, not 3"),
    ],
)
def test_what_nobody_could_run_is_refused_where_it_is_handed_over(
    robot: Robot, place: Callable[[Robot, Any], None], callback: object, told: str
) -> None:
    if place is actuator:

        class Arm(Robot):
            def enter_safe_state(self) -> None: ...

        robot.__class__ = Arm
        with pytest.raises(TypeError, match=told):
            Actuator(robot, Float64, "command", callback, timeout=1.0)  # type: ignore[arg-type]
        return
    with pytest.raises(TypeError, match=told):
        place(robot, callback)


@pytest.mark.parametrize("place", [*PLACES, service])
def test_a_coroutine_instead_of_its_function_is_refused(
    robot: Robot, place: Callable[[Robot, Any], None]
) -> None:
    with pytest.raises(TypeError, match=r"write `Robot.say`, not `Robot.say\(\)`"):
        place(robot, robot.say())


def test_a_task_is_a_coroutine_and_not_its_function(robot: Robot) -> None:
    with pytest.raises(TypeError, match=r"create_task takes a coroutine, .*, not Robot.say"):
        robot.create_task(robot.say)  # type: ignore[arg-type]


def test_a_generator_that_a_callback_gives_is_an_error(
    graph: Graph, robot: Robot, caplog: pytest.LogCaptureFixture
) -> None:
    robot.on_exception = "log"
    robot._kit.dispatcher.raises = False
    timer(robot, lambda: iter(yields()))
    graph.run_for(0.5)
    assert "returned a generator, which never runs" in caplog.text


@pytest.mark.parametrize("name", ["enter_safe_state", "on_shutdown", "destroy_node"])
def test_a_hook_that_nobody_could_run_is_refused_when_the_class_is_made(name: str) -> None:
    with pytest.raises(NodeConfigurationError, match=rf"Bad.{name} cannot have a `yield`"):
        type("Bad", (Node,), {name: _renamed(yields, f"Bad.{name}")})
    with pytest.raises(NodeConfigurationError, match="cannot have a `yield`"):
        type("Bad", (Node,), {name: yields_and_awaits})
    with pytest.raises(NodeConfigurationError, match="cannot have a `yield`"):
        type("Bad", (LifecycleNode,), {"on_activate": yields})


def _renamed(function: Any, name: str) -> Any:
    @functools.wraps(function)
    def renamed(*args: object) -> Any:
        yield from function(*args)

    renamed.__qualname__ = name
    return renamed


def test_a_method_that_the_kit_uses_at_once_cannot_be_a_coroutine() -> None:
    with pytest.raises(NodeConfigurationError, match=r"Bad.get_clock is `async def`"):

        class Bad(Node):
            async def get_clock(self) -> Any:  # type: ignore[override]
                ...

    class Good(Node):  # the kit never calls these by their names
        async def shutdown(self) -> None:  # type: ignore[override]
            ...

        async def spin_async(self) -> None: ...


def test_what_makes_a_node_is_no_coroutine(graph: Graph) -> None:
    async def make() -> Node:
        return Robot()

    makers: list[Callable[[Any], Any]] = [graph.add, make_node]
    for maker in makers:
        with pytest.raises(NodeConfigurationError, match="a node is made by a class or a `def`"):
            maker(make)
        with pytest.raises(NodeConfigurationError, match="returned None, not a Node"):
            maker(lambda: None)


def test_a_test_may_call_coroutines_at_a_time_but_not_wait_for_one(
    graph: Graph, robot: Robot
) -> None:
    graph.at(0.1, robot.say)
    graph.run_for(0.5)
    assert robot.said == ["said"]

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise OSError("stuck")

    graph.at(0.6, fails)
    with pytest.raises(OSError, match="stuck"):
        graph.run_for(1.0)

    async def holds() -> bool:
        return True

    with pytest.raises(TypeError, match="holds is `async def`"):
        graph.run_until(holds)


def test_a_jump_back_of_time_is_told_to_coroutines(graph: Graph) -> None:
    class Simulated(Robot):
        use_sim_time = True

        async def on_jump(self) -> None:
            await self.get_clock().sleep_for(0.1)
            self.said.append("jumped")

    node = graph.add(Simulated)
    node.get_clock().call_on_jump_back(node.on_jump)
    for sec in (10.0, 5.0, 5.2, 5.4):
        graph.inject("/clock", Clock(clock=Time.from_nanoseconds(int(sec * 1e9))))
        graph.run_for(0.1)
    assert node.said == ["jumped"]
    with pytest.raises(TypeError, match="cannot have a `yield`"):
        node.get_clock().call_on_jump_back(yields)  # type: ignore[arg-type]


class TestActuator:
    class Motor(Node):
        def __init__(self) -> None:
            super().__init__("motor")
            self.said: Seen = []
            self.actuator = Actuator(self, Float64, "command", self.obey, timeout=0.5)

        async def obey(self, msg: Float64) -> None:
            await asyncio.sleep(0.01)
            self.said.append("obeyed")

        async def enter_safe_state(self) -> None:
            await asyncio.sleep(0.01)
            self.said.append("safe")

    def test_no_command(self, graph: Graph) -> None:
        node = graph.add(self.Motor)
        graph.inject("command", Float64(data=1.0))
        graph.run_for(1.0)
        assert node.said == ["obeyed", "safe"]

    def test_the_emergency_stop(self, graph: Graph) -> None:
        node = graph.add(self.Motor)
        graph.inject("/emergency_stop", Bool(data=True))
        graph.run_for(0.1)
        assert node.said == ["safe"]

    @pytest.mark.parametrize("why", ["no command", "stop", "end", "raises"])
    def test_a_command_that_is_still_obeyed_ends_with_the_safe_state(
        self, graph: Graph, why: str
    ) -> None:
        class Arm(self.Motor):  # type: ignore[name-defined, misc]
            async def obey(self, msg: Float64) -> None:
                for _ in range(100):
                    self.said.append("moves")
                    await asyncio.sleep(0.1)
                    if why == "raises" and len(self.said) > 2:
                        raise OSError("stuck")

        node = graph.add(Arm)
        graph.inject("command", Float64(data=1.0))
        graph.run_for(0.25)
        if why == "stop":
            graph.inject("/emergency_stop", Bool(data=True))
        elif why == "end":
            graph.remove(node)
        if why == "raises":
            with pytest.raises(OSError, match="stuck"):
                graph.run_for(0.3)
        graph.run_for(1.0)
        assert "moves" not in node.said[node.said.index("safe") :]
        assert node.said[-1] == "safe"
        assert node.said.count("moves") <= 6

    def test_a_command_that_is_obeyed_for_long_is_obeyed_to_its_end(self, graph: Graph) -> None:
        class Arm(self.Motor):  # type: ignore[name-defined, misc]
            async def obey(self, msg: Float64) -> None:
                await asyncio.sleep(0.3)
                self.said.append("arrived")

        node = graph.add(Arm)
        graph.inject("command", Float64(data=1.0))
        graph.run_for(0.4)
        assert node.said == ["arrived"]


def test_a_watchdog_that_is_still_at_it_is_not_called_again(graph: Graph, robot: Robot) -> None:
    begun = []

    async def slow() -> None:
        begun.append(graph.now_sec)
        await asyncio.sleep(0.35)

    on_deadline(robot, slow)
    graph.run_for(1.05)
    assert begun == pytest.approx([0.1, 0.5, 0.9])


@pytest.mark.parametrize("answer", [GoalResponse.ACCEPT, GoalResponse.REJECT, None, True])
def test_a_goal_is_decided_by_a_coroutine(
    graph: Graph, robot: Robot, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def decide(_: object) -> Any:
        await asyncio.sleep(0.1)
        return answer

    async def execute(handle: Any) -> Any:
        await robot.say()
        handle.succeed()
        return Fibonacci.Result()

    ActionServer(robot, Fibonacci, "fib", execute, goal_callback=decide)
    sent = ActionClient(robot, Fibonacci, "fib").send_goal_async(Fibonacci.Goal(order=1))
    graph.run_for(1.0)
    assert sent.result().accepted is (answer is GoalResponse.ACCEPT)
    assert robot.said == (["said"] if answer is GoalResponse.ACCEPT else [])
    told = "decide returned" in caplog.text and "return GoalResponse.ACCEPT or" in caplog.text
    assert told is not isinstance(answer, GoalResponse)


@pytest.mark.parametrize("answer", [CancelResponse.ACCEPT, CancelResponse.REJECT, None])
def test_whether_a_goal_is_cancelled_is_decided_by_a_coroutine(
    graph: Graph, robot: Robot, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def decide(_: object) -> Any:
        await asyncio.sleep(0.1)
        return answer

    async def execute(handle: Any) -> Any:
        while not handle.is_cancel_requested:
            await asyncio.sleep(0.1)
        handle.canceled()
        robot.said.append("canceled")
        return Fibonacci.Result()

    ActionServer(robot, Fibonacci, "fib", execute, cancel_callback=decide)
    sent = ActionClient(robot, Fibonacci, "fib").send_goal_async(Fibonacci.Goal(order=1))
    graph.run_for(0.5)
    cancelled = sent.result().cancel_goal_async()
    graph.run_for(1.0)
    accepted = answer is CancelResponse.ACCEPT
    assert len(cancelled.result().goals_canceling) == accepted
    assert robot.said == ["canceled"] * accepted
    assert ("return CancelResponse.ACCEPT or" in caplog.text) is (answer is None)


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_an_accepted_callback_that_raises_ends_its_goal(
    graph: Graph, robot: Robot, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def raises(_: object) -> None:
        raise OSError("stuck")

    def raises_at_once(_: object) -> None:
        raise OSError("stuck")

    accepted(robot, raises if kind == "async def" else raises_at_once)
    client = ActionClient(robot, Fibonacci, "fib")
    sent = client.send_goal_async(Fibonacci.Goal(order=1))
    graph.run_for(0.5)
    result = sent.result().get_result_async()
    graph.run_for(0.5)
    assert result.result().status == 6  # aborted
    assert "exception in the handle_accepted callback:\nTraceback" in caplog.text


def test_diagnostics_wait_for_coroutines_and_tell_what_they_raise(
    graph: Graph, robot: Robot
) -> None:
    async def look(stat: DiagnosticStatusWrapper) -> None:
        await asyncio.sleep(0.3)
        stat.summary(DiagnosticStatus.OK, "warm")

    async def fails(stat: DiagnosticStatusWrapper) -> None:
        await asyncio.sleep(0.1)
        raise OSError("no sensor")

    updater = DiagnosticUpdater(robot, period=0.2)
    updater.add("motor", look)
    updater.add("sensor", fails)
    updater.add("plain", lambda stat: stat.summary(DiagnosticStatus.OK, "ok"))
    told = graph.observe(DiagnosticArray, "/diagnostics")
    graph.run_for(1.3)
    statuses = [each.message for each in told[0].status]
    assert statuses == ["warm", "OSError: no sensor", "ok"]
    assert len(told) == 2  # what is still awaited is not asked again


class TestParameters:
    """`set_parameters` in the node, and from outside by its service."""

    @staticmethod
    def from_outside(graph: Graph, value: int) -> tuple[bool, str]:
        class Asker(Node):
            def __init__(self) -> None:
                super().__init__("asker")
                self.client = self.create_client(SetParameters, "/robot/set_parameters")

        asker = graph.add(Asker)
        request = SetParameters.Request(parameters=[Parameter("a", None, value).to_parameter_msg()])
        answer = asker.client.call_async(request)
        graph.run_for(2.0)
        graph.remove(asker)
        found = answer.result().results[0]
        return found.successful, found.reason

    @staticmethod
    def inside(robot: Robot, graph: Graph, value: int) -> tuple[bool, str]:
        answers: list[SetParametersResult] = []

        def set_it() -> None:
            tick.cancel()
            answers.extend(robot.set_parameters([Parameter("a", None, value)]))

        tick = robot.create_timer(0.1, set_it)
        graph.run_for(2.0)
        return answers[0].successful, answers[0].reason

    @pytest.fixture(params=["outside", "in a callback", "without a loop"])
    def set_it(
        self, request: pytest.FixtureRequest, graph: Graph, robot: Robot
    ) -> Callable[[int], tuple[bool, str]]:
        def directly(value: int) -> tuple[bool, str]:
            [found] = robot.set_parameters([Parameter("a", None, value)])
            return found.successful, found.reason

        robot.declare_parameter("a", 1)
        ways: dict[str, Callable[[int], tuple[bool, str]]] = {
            "outside": functools.partial(self.from_outside, graph),
            "in a callback": functools.partial(self.inside, robot, graph),
            "without a loop": directly,
        }
        return ways[request.param]

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (None, "on_set returned None: it is to return SetParametersResult"),
            (True, "on_set returned True: it is to return SetParametersResult"),
            (OSError("odd"), "on_set raised OSError: odd"),
            (SetParametersResult(successful=False), "on_set refused it, without a reason"),
            (SetParametersResult(successful=False, reason="no"), "no"),
        ],
    )
    @pytest.mark.parametrize("kind", ["async def", "def"])
    def test_whoever_sets_is_told_why_it_was_not_set(
        self,
        robot: Robot,
        set_it: Callable[[int], tuple[bool, str]],
        answer: Any,
        told: str,
        kind: str,
    ) -> None:
        def decide() -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def on_set_async(_: object) -> Any:
            return decide()

        def on_set(_: object) -> Any:
            return decide()

        on_set_async.__qualname__ = on_set.__qualname__
        chosen = on_set if kind == "def" else on_set_async
        robot.add_on_set_parameters_callback(chosen)
        successful, reason = set_it(2)
        assert not successful
        assert told in reason
        assert robot.get_parameter("a").value == 1
        assert not robot._kit.dispatcher.is_shut_down

    def test_one_that_raises_afterwards_undoes_nothing_and_is_told(
        self,
        robot: Robot,
        set_it: Callable[[int], tuple[bool, str]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        told: list[Parameter] = []

        def raises(_: object) -> None:
            raise KeyError("b")

        robot.add_post_set_parameters_callback(raises)
        robot.add_post_set_parameters_callback(told.extend)
        successful, reason = set_it(2)
        assert successful
        assert "raises raised KeyError: 'b'" in reason
        assert reason.startswith("it was set")
        assert robot.get_parameter("a").value == 2
        assert [each.value for each in told] == [2]
        assert "Traceback" in caplog.text

    def test_a_coroutine_that_waits_decides_where_that_can_be_waited_for(
        self,
        robot: Robot,
        set_it: Callable[[int], tuple[bool, str]],
        request: pytest.FixtureRequest,
    ) -> None:
        async def slow(_: object) -> SetParametersResult:
            await asyncio.sleep(0.01)
            return SetParametersResult(successful=True)

        robot.add_on_set_parameters_callback(slow)
        successful, reason = set_it(2)
        if "in a callback" in request.node.name:
            assert "slow: it waits, which it cannot in a callback" in reason
            assert (successful, robot.get_parameter("a").value) == (False, 1)
        else:
            assert (successful, reason, robot.get_parameter("a").value) == (True, "", 2)

    def test_what_was_set_while_a_coroutine_decided_is_kept(
        self, graph: Graph, robot: Robot
    ) -> None:
        robot.declare_parameter("a", 1)
        robot.declare_parameter("b", 1)

        async def slow(changes: list[Parameter]) -> SetParametersResult:
            if changes[0].name == "a":
                await asyncio.sleep(0.1)
            return SetParametersResult(successful=True)

        robot.add_on_set_parameters_callback(slow)
        graph.at(0.05, lambda: robot.set_parameters([Parameter("b", None, 7)]))
        assert self.from_outside(graph, 3) == (True, "")
        assert [robot.get_parameter(name).value for name in "ab"] == [3, 7]


def test_a_task_gives_a_future_that_has_its_result_and_cancels_it(graph: Graph) -> None:
    node, log = Node("worker"), list[str]()

    async def work(seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        return f"worked for {seconds:g} s"

    made_before = node.create_task(work(1.0))
    never_begun = node.create_task(work(2.0))
    never_begun.cancel()
    graph.add(lambda: node)
    too_long = node.create_task(work(100.0))

    async def wait() -> str:
        found = await made_before
        too_long.cancel()
        return found

    waited = node.create_task(wait())
    graph.run_for(1.1)
    assert waited.result() == "worked for 1 s"
    assert (too_long.cancelled(), never_begun.cancelled(), log) == (True, True, ["cancelled"])


def test_a_task_that_raises_ends_the_node_and_its_future_has_the_exception(graph: Graph) -> None:
    async def fail() -> None:
        raise ValueError("no")

    node = graph.add(lambda: Node("worker"))
    future = node.create_task(fail())
    with pytest.raises(ValueError, match="no"):
        graph.run_for(0.1)
    assert isinstance(future.exception(), ValueError)
