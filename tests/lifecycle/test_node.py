"""Lifecycle nodes in virtual time: their callbacks, publishers, events and ends."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dsmq_nodes import ActionServer, Actuator, Node, Parameter, spin_once
from dsmq_nodes.lifecycle import (
    LifecycleNode,
    LifecyclePublisher,
    LifecycleState,
    TransitionCallbackReturn,
    TransitionError,
)
from dsmq_nodes.messages import (
    ChangeState,
    Float64,
    GetAvailableStates,
    GetAvailableTransitions,
    GetState,
    State,
    String,
    TransitionEvent,
)
from dsmq_nodes.messages import Transition as TransitionMessage
from dsmq_nodes.messages.dsmq_msgs import Graph as GraphMessage
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.graph.test_actions import Caller, Count, Goal

SUCCESS, FAILURE, ERROR = TransitionCallbackReturn
Answer = TransitionCallbackReturn | Exception | None


class Driver(LifecycleNode):
    """Does in its callbacks what the test says, and notes it."""

    def __init__(self) -> None:
        super().__init__("driver")
        self.said: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.publisher: LifecyclePublisher[String] = self.create_lifecycle_publisher(
            String, "out", 10
        )

    def answer(self, what: str, state: LifecycleState) -> TransitionCallbackReturn:
        self.said.append(f"{what} from {state.label}")
        self.publisher.publish(String(data=what))
        answer = self.answers.get(what, SUCCESS)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]  # what a test wants wrong

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("configure", state)

    async def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        await self.get_clock().sleep_for(1.0)
        return self.answer("activate", state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("deactivate", state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("cleanup", state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("shutdown", state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("error", state)


Change = Callable[..., list[Any]]


@pytest.fixture
def driver(graph: Graph) -> Driver:
    return graph.add(Driver)


@pytest.fixture
def change(graph: Graph, driver: Driver) -> Change:
    """Make transitions one after the other; gives what came of each."""

    def change(*labels: str) -> list[Any]:
        results: list[Any] = []

        async def make() -> None:
            for label in labels:
                try:
                    results.append(await driver.change_state(label))
                except TransitionError as error:
                    results.append(error)

        driver.create_task(make())
        graph.run_for(2.0 * len(labels))
        return results

    return change


def test_a_publisher_is_destroyed_in_on_cleanup(graph: Graph) -> None:
    class Talker(LifecycleNode):
        def __init__(self) -> None:
            super().__init__("talker")

        def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
            self.publisher = self.create_lifecycle_publisher(String, "/chatter", 10)
            return SUCCESS

        def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
            self.destroy_lifecycle_publisher(self.publisher)
            return SUCCESS

    node = graph.add(Talker)
    for _ in range(2):
        assert node.trigger_configure() is SUCCESS
        assert node.trigger_activate() is SUCCESS
        assert node.trigger_deactivate() is SUCCESS
        assert node.count_publishers("/chatter") == 1
        assert node.trigger_cleanup() is SUCCESS
        graph.run_for(0.1)
        assert node.count_publishers("/chatter") == 0


def test_it_takes_what_a_node_takes(graph: Graph) -> None:
    assert inspect.signature(LifecycleNode) == inspect.signature(Node)
    node = graph.add(
        lambda: LifecycleNode(
            "wheel",
            namespace="arm",
            rate_hz=5.0,
            start_parameter_services=False,
            parameter_overrides=[Parameter("use_sim_time", value=True)],
        )
    )
    assert (node.name, node.rate_hz, node.use_sim_time) == ("/arm/wheel", 5.0, True)
    graph.run_for(1.0)
    offered = [name for name, _ in node.get_topic_names_and_types()]
    assert any("get_state" in name for name in offered)
    assert not any("get_parameters" in name for name in offered)


def test_the_whole_life(driver: Driver, change: Change) -> None:
    assert driver.state == (1, "unconfigured")
    assert str(driver.state) == "unconfigured [1]"
    labels = ("configure", "activate", "deactivate", "cleanup", "shutdown")
    assert change(*labels) == [SUCCESS] * 5
    assert driver.said == [
        "configure from unconfigured",
        "activate from inactive",
        "deactivate from active",
        "cleanup from inactive",
        "shutdown from unconfigured",
    ]
    assert driver.state.label == "finalized"


def test_each_step_is_an_event(graph: Graph, driver: Driver, change: Change) -> None:
    events = graph.observe(TransitionEvent, "/driver/transition_event")
    change("configure", "activate")
    steps = [
        (e.start_state.label, e.transition.label, e.transition.id, e.goal_state.label)
        for e in events
    ]
    assert steps == [
        ("unconfigured", "configure", 1, "configuring"),
        ("configuring", "transition_success", 10, "inactive"),
        ("inactive", "activate", 3, "activating"),
        ("activating", "transition_success", 30, "active"),
    ]
    assert events[3].timestamp - events[2].timestamp == 10**9


def test_its_state_is_in_the_graph(graph: Graph, driver: Driver, change: Change) -> None:
    told = graph.observe(GraphMessage, "/dsmq/graph")
    change("configure")
    states = [peer.state for msg in told for peer in msg.peers if peer.name == "/driver"]
    assert (states[0], states[-1]) == ("unconfigured", "inactive")


def test_its_publishers_are_silent_while_it_is_not_active(
    graph: Graph, driver: Driver, change: Change
) -> None:
    seen = graph.observe(String, "/out")
    driver.publisher.publish(String(data="too soon"))
    change("configure")
    assert not driver.publisher.is_activated
    change("activate")
    driver.publisher.publish(String(data="active"))
    late = driver.create_lifecycle_publisher(String, "late", 1)
    was_activated = late.is_activated
    change("deactivate")
    driver.publisher.publish(String(data="too late"))
    graph.run_for(1.0)
    assert [msg.data for msg in seen] == ["activate", "active", "deactivate"]
    assert driver.publisher.suppressed == 3
    assert (was_activated, late.is_activated) == (True, False)
    by_topic = {each.topic: each for each in driver.statistics().publishers}
    assert (by_topic["/out"].messages, by_topic["/out"].suppressed) == (3, 3)
    driver.destroy_publisher(late)
    change("activate")
    assert not late.is_activated


def test_a_wrong_message_is_refused_in_any_state(driver: Driver) -> None:
    with pytest.raises(TypeError, match="/out carries std_msgs/msg/String, not int"):
        driver.publisher.publish(1)  # type: ignore[arg-type]


def test_a_failure_leads_back(driver: Driver, change: Change) -> None:
    driver.answers["configure"] = FAILURE
    assert change("configure") == [FAILURE]
    assert driver.state.label == "unconfigured"


@pytest.mark.parametrize("handled", [SUCCESS, FAILURE, ERROR, ValueError("and this too")])
def test_an_exception_is_logged_and_goes_to_on_error(
    driver: Driver, change: Change, caplog: pytest.LogCaptureFixture, handled: Answer
) -> None:
    driver.answers |= {"activate": OSError("no such device"), "error": handled}
    assert change("configure", "activate") == [SUCCESS, ERROR]
    assert driver.said[-1] == "error from inactive"
    assert driver.state.label == ("unconfigured" if handled is SUCCESS else "finalized")
    assert "Traceback" in caplog.text
    assert "OSError: no such device" in caplog.text
    assert ("only a new start of the node helps" in caplog.text) == (handled is not SUCCESS)
    if isinstance(handled, ValueError):
        assert "ValueError: and this too" in caplog.text
    assert not driver.publisher.is_activated


def test_returning_nothing_is_an_error_that_says_what_to_return(
    driver: Driver, change: Change, caplog: pytest.LogCaptureFixture
) -> None:
    driver.answers["configure"] = None
    assert change("configure") == [ERROR]
    assert "Driver.on_configure returned None: that is an error" in caplog.text
    assert "return TransitionCallbackReturn.SUCCESS" in caplog.text


def test_one_transition_at_a_time(graph: Graph, driver: Driver, change: Change) -> None:
    change("configure")
    driver.create_task(finish(driver.change_state("activate")))
    graph.run_for(0.5)
    assert driver.state.label == "activating"
    (refused,) = change("deactivate")
    assert "none until its callback has returned" in str(refused)
    assert driver.state.label == "active"


async def finish(work: Awaitable[object]) -> None:
    await work


def test_a_callback_without_one_of_its_own_succeeds_but_on_error(graph: Graph) -> None:
    class Plain(LifecycleNode):
        def __init__(self) -> None:
            super().__init__("plain")

        def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
            return ERROR

    plain = graph.add(Plain)

    async def live() -> None:
        for label in ("configure", "activate", "deactivate", "cleanup"):
            await plain.change_state(label)

    plain.create_task(live())
    graph.run_for(1.0)
    assert plain.state.label == "finalized"


def test_autostart(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    class Auto(Driver):
        autostart = True

    auto = graph.add(Auto)
    graph.run_for(2.0)
    assert auto.state.label == "active"
    graph.remove(auto)

    class Failing(Auto):
        def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
            return FAILURE

    failing = graph.add(Failing)
    graph.run_for(2.0)
    assert failing.state.label == "unconfigured"
    assert "autostart: configure ended with FAILURE" in caplog.text


def test_the_end_of_the_node_is_a_shutdown(graph: Graph, driver: Driver, change: Change) -> None:
    seen = graph.observe(String, "/out")
    last = graph.observe(NodeStatistics, "/dsmq/nodes")
    change("configure", "activate")
    graph.remove(driver)
    graph.run_for(0.0)
    assert driver.said[-1] == "shutdown from active"
    assert seen[-1].data == "shutdown"
    assert driver.state.label == "finalized"
    assert next(p for p in last[-1].publishers if p.topic == "/out").messages == len(seen)


def test_what_an_inactive_node_publishes_is_suppressed_by_the_short_way_too(
    broker: BrokerProcess,
) -> None:
    node = LifecycleNode("driver", broker=broker.address)
    out = node.create_lifecycle_publisher(String, "out", 10)
    spin_once(node, timeout_sec=0.1)
    for is_activated in (True, True, False, True, False):
        out.is_activated = is_activated
        out.publish(String(data="x"))
    assert (out.suppressed, out.publication.messages) == (2, 3)
    node.destroy_node()


class Motor(Driver):
    def __init__(self) -> None:
        super().__init__()
        self.motor = Actuator(self, Float64, "speed", self.obey, timeout=None)
        self.fails = False

    def obey(self, msg: Float64) -> None:
        self.said.append(f"speed {msg.data:g}")

    async def enter_safe_state(self) -> None:
        self.said.append("safe")
        if self.fails:
            raise OSError("no answer")


@pytest.mark.parametrize("fails", [False, True])
def test_its_actuators_obey_while_it_is_active_and_stop_first(graph: Graph, fails: bool) -> None:
    motor = graph.add(Motor)
    motor.fails = fails
    graph.run_for(3.0)

    def command(change: str) -> list[str]:
        motor.said.clear()
        motor.create_task(_begun(motor.change_state(change)))
        graph.run_for(1.5)
        graph.inject("speed", Float64(data=1.0))
        graph.run_for(0.1)
        return [*motor.said]

    assert command("configure") == ["configure from unconfigured"]
    assert command("activate") == ["activate from inactive", "speed 1"]
    failed = ["error from active"] if fails else []
    assert command("deactivate") == ["safe", "deactivate from active", *failed]
    assert motor.motor.refused == 2
    motor.fails = False


class Shuttle(Motor):
    """Also drives for a goal, and stops when it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        ActionServer(self, Count, "/count", self.execute)

    async def execute(self, goal: Goal) -> Count.Result:
        while not goal.is_cancel_requested:
            self.said.append("drives")
            await asyncio.sleep(0.1)
        goal.canceled()
        return Count.Result(reached=0)


def test_goals_that_move_it_end_before_it_is_deactivated(graph: Graph) -> None:
    shuttle, caller = graph.add(Shuttle), graph.add(Caller)
    graph.run_for(3.0)
    caller.send(1)
    graph.run_for(1.0)
    assert caller.log[-1][1] == "rejected"
    for change in ("configure", "activate"):
        shuttle.create_task(_begun(shuttle.change_state(change)))
        graph.run_for(1.5)
    caller.send(1)
    graph.run_for(1.0)
    shuttle.create_task(_begun(shuttle.change_state("deactivate")))
    graph.run_for(1.0)
    assert caller.log[-1][1] == ("CANCELED", 0)
    assert shuttle.said[-3:] == ["drives", "safe", "deactivate from active"]


def test_a_finalized_node_ends_quietly(graph: Graph, driver: Driver, change: Change) -> None:
    change("shutdown")
    graph.remove(driver)
    assert driver.said == ["shutdown from unconfigured"]


class Slow(LifecycleNode):
    def __init__(self) -> None:
        super().__init__("slow")

    async def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        await asyncio.get_running_loop().create_future()
        return SUCCESS


def test_the_end_of_the_node_in_the_midst_of_a_transition_is_a_shutdown(
    graph: Graph, driver: Driver, change: Change
) -> None:
    change("configure")
    driver.create_task(_begun(driver.change_state("activate")))
    graph.run_for(0.5)
    assert driver.state.label == "activating"
    graph.remove(driver)
    assert driver.said == ["configure from unconfigured", "shutdown from activating"]


async def _begun(change: Awaitable[Any]) -> None:
    await change


@pytest.mark.parametrize("handled", [SUCCESS, FAILURE])
def test_a_transition_that_is_cancelled_ends_in_on_error(
    graph: Graph, driver: Driver, change: Change, handled: TransitionCallbackReturn
) -> None:
    driver.answers["error"] = handled
    change("configure")
    timed_out = []

    async def impatient() -> None:
        try:
            await asyncio.wait_for(driver.change_state("activate"), 0.5)
        except TimeoutError:
            timed_out.append(graph.now_sec)

    driver.create_task(impatient())
    graph.run_for(2.0)
    assert len(timed_out) == 1
    assert driver.said == ["configure from unconfigured", "error from inactive"]
    assert driver.state.label == ("unconfigured" if handled is SUCCESS else "finalized")


def test_the_end_does_not_wait_for_ever(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    graph.remove(graph.add(Slow))
    assert "Slow.on_shutdown: SpinError: it still waited after 3 s" in caplog.text


@pytest.mark.parametrize(("kind", "is_cut_short"), [(Driver, False), (Slow, True)])
def test_a_coroutine_may_destroy_the_node(
    broker: BrokerProcess,
    caplog: pytest.LogCaptureFixture,
    kind: Callable[[], LifecycleNode],
    is_cut_short: bool,
) -> None:
    async def live() -> LifecycleNode:
        with kind() as node:
            return node

    node = asyncio.run(live())
    assert ("on_shutdown: SpinError: it still waited" in caplog.text) is is_cut_short
    assert node.state.label == ("shuttingdown" if is_cut_short else "finalized")


def test_outside_of_callbacks_a_transition_is_waited_for(broker: BrokerProcess) -> None:
    class Quick(Driver):
        async def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
            await asyncio.sleep(0)
            return SUCCESS

    with Quick() as driver:
        assert driver.trigger_configure() is SUCCESS
        assert driver.trigger_activate() is SUCCESS
        assert driver.state.label == "active"
        assert driver.trigger_deactivate() is SUCCESS
        with pytest.raises(TransitionError, match="/driver is inactive: no transition 'configure'"):
            driver.trigger_configure()
        assert driver.trigger_cleanup() is SUCCESS
        assert driver.trigger_shutdown() is SUCCESS


# From outside


class Operator(Node):
    def __init__(self) -> None:
        super().__init__("operator")
        self.changing = self.create_client(ChangeState, "/driver/change_state")
        self.states = self.create_client(GetState, "/driver/get_state")
        self.all_states = self.create_client(GetAvailableStates, "/driver/get_available_states")
        self.open = self.create_client(GetAvailableTransitions, "/driver/get_available_transitions")
        self.all = self.create_client(GetAvailableTransitions, "/driver/get_transition_graph")


def test_it_is_told_and_asked_by_services(
    graph: Graph, driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    operator = graph.add(Operator)
    answers: list[Any] = []

    async def operate() -> None:
        for transition in (
            TransitionMessage(label="configure"),
            TransitionMessage(id=3),
            TransitionMessage(label="configure"),
        ):
            request = ChangeState.Request(transition=transition)
            answers.append((await operator.changing.call(request)).success)
        answers.append((await operator.states.call(GetState.Request())).current_state)
        states = await operator.all_states.call(GetAvailableStates.Request())
        answers.append([state.id for state in states.available_states])
        for client in (operator.open, operator.all):
            found = await client.call(GetAvailableTransitions.Request())
            answers.append(
                [
                    (each.transition.label, each.start_state.label, each.goal_state.label)
                    for each in found.available_transitions
                ]
            )

    operator.create_task(operate())
    graph.run_for(5.0)
    assert answers[:4] == [True, True, False, State(id=3, label="active")]
    assert answers[4] == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 15]
    assert answers[5] == [
        ("deactivate", "active", "deactivating"),
        ("shutdown", "active", "shuttingdown"),
    ]
    assert len(answers[6]) == 25
    assert "/driver is active: no transition 'configure' from there" in caplog.text


def test_a_callback_that_fails_is_no_success(graph: Graph, driver: Driver) -> None:
    driver.answers["configure"] = FAILURE
    operator = graph.add(Operator)
    answers: list[bool] = []

    async def operate() -> None:
        request = ChangeState.Request(transition=TransitionMessage(id=1))
        answers.append((await operator.changing.call(request)).success)

    operator.create_task(operate())
    graph.run_for(1.0)
    assert answers == [False]


def test_parameters_may_be_declared_when_it_is_configured(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Declares(LifecycleNode):
        autostart = True

        def __init__(self) -> None:
            super().__init__("declares")

        def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
            self.declare_parameter("port", "/dev/null")
            return SUCCESS

    node = graph.add(Declares, params={"port": "x", "prot": "y"})
    graph.run_for(1.0)
    assert node.get_parameter("port").value == "x"
    assert "there is no parameter 'prot', did you mean 'port'?" in caplog.text
