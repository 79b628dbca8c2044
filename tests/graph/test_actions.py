"""Actions in virtual time: goals, feedback, results, cancelling, and who waits for whom."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from dsmq_nodes import (
    Action,
    ActionClient,
    ActionServer,
    CancelResponse,
    GoalResponse,
    GoalState,
    Message,
    Node,
    ServerGoalHandle,
)
from dsmq_nodes.errors import ActionError, ServiceError, ServiceUnavailableError
from dsmq_nodes.messages import GoalInfo, GoalStatusArray, String
from dsmq_nodes.messages.action_srv import CancelGoal
from dsmq_nodes.messages.unique_identifier import UUID
from dsmq_nodes.testing import Graph


class Count(Action):
    class Goal(Message):
        to: int

    class Result(Message):
        reached: int

    class Feedback(Message):
        now: int = 0


Goal = ServerGoalHandle[Count.Goal, Count.Result, Count.Feedback]


class Counter(Node):
    """Counts up, one a second, until it is there or is told to stop."""

    def __init__(self, **options: Any) -> None:
        super().__init__("counter")
        self.log: list[tuple[float, str]] = []
        self.server = ActionServer(self, Count, "/count", self.execute, **options)

    def note(self, what: str) -> None:
        self.log.append((round(self.get_clock().monotonic_sec(), 6), what))

    async def execute(self, goal: Goal) -> Count.Result:
        to = goal.request.to
        self.note(f"begin {to}")
        for now in range(1, to + 1):
            await asyncio.sleep(1.0)
            if goal.is_cancel_requested:
                goal.canceled()
                self.note(f"canceled {to}")
                return Count.Result(reached=now - 1)
            goal.publish_feedback(Count.Feedback(now=now))
        goal.succeed()
        self.note(f"end {to}")
        return Count.Result(reached=to)


class Caller(Node):
    def __init__(self, name: str = "caller") -> None:
        super().__init__(name)
        self.client = ActionClient(self, Count, "/count")
        self.log: list[tuple[float, Any]] = []
        self.feedback: list[tuple[float, int]] = []
        self.goals: list[Any] = []

    def note(self, what: Any) -> None:
        self.log.append((round(self.get_clock().monotonic_sec(), 6), what))

    def on_feedback(self, msg: Any) -> None:
        now_sec = round(self.get_clock().monotonic_sec(), 6)
        self.feedback.append((now_sec, msg.feedback.now))

    def send(self, to: int) -> None:
        self.create_task(self._send(to))

    async def _send(self, to: int) -> None:
        try:
            goal = await self.client.send_goal_async(Count.Goal(to=to), self.on_feedback)
            self.goals.append(goal)
            if not goal.accepted:
                self.note("rejected")
                return
            end = await goal.get_result_async()
        except ServiceError as error:
            self.note(error)
            return
        reached = getattr(end.result, "reached", None)
        self.note((GoalState(end.status).name, reached))

    def cancel(self, number: int = -1) -> None:
        async def cancel() -> None:
            self.canceling = await self.goals[number].cancel_goal_async()

        self.create_task(cancel())


def test_goal_feedback_result(graph: Graph) -> None:
    graph.add(Counter)
    caller = graph.add(Caller)
    statuses = graph.observe(GoalStatusArray, "/count/_action/status")
    caller.send(3)
    graph.run_for(10.0)
    assert caller.feedback == [(1.0, 1), (2.0, 2), (3.0, 3)]
    assert caller.log == [(3.0, ("SUCCEEDED", 3))]
    assert [each.status_list[0].status for each in statuses] == [1, 2, 4]
    assert caller.goals[0].status == GoalState.SUCCEEDED


def test_each_client_hears_its_own_feedback(graph: Graph) -> None:
    graph.add(lambda: Counter(when_busy="parallel"))
    one, other = graph.add(Caller), graph.add(lambda: Caller("other"))
    one.send(1)
    other.send(2)
    graph.run_for(5.0)
    assert (one.feedback, other.feedback) == ([(1.0, 1)], [(1.0, 1), (2.0, 2)])
    assert (one.log, other.log) == ([(1.0, ("SUCCEEDED", 1))], [(2.0, ("SUCCEEDED", 2))])


def test_a_goal_that_the_network_delayed_is_refused(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client may have been told meanwhile that the server is lost."""
    counter, caller = graph.add(Counter), graph.add(Caller)
    for to, delay_sec in ((1, 0.0), (2, 2.0), (3, 5.0), (4, 2.0)):
        graph.faults("/count/_action/send_goal/_request", delay_sec=delay_sec)
        caller.send(to)
        graph.run_for(8.0)
    assert [what for _, what in counter.log if "end" in what] == ["end 1", "end 2", "end 4"]
    assert [what for _, what in caller.log if what == "rejected"] == ["rejected"]
    assert "/count: the network delayed a goal by 5.0 s: refused" in caplog.text


class TestCancel:
    def test_while_it_executes(self, graph: Graph) -> None:
        graph.add(Counter)
        caller = graph.add(Caller)
        caller.send(10)
        graph.at(2.5, caller.cancel)
        graph.run_for(20.0)
        assert caller.log == [(3.0, ("CANCELED", 2))]
        assert caller.canceling.return_code == CancelGoal.Response.ERROR_NONE
        assert [each.goal_id for each in caller.canceling.goals_canceling] == [
            caller.goals[0].goal_id
        ]

    def test_while_it_waits(self, graph: Graph) -> None:
        counter, caller = graph.add(Counter), graph.add(Caller)
        caller.send(5)
        caller.send(6)
        graph.at(1.5, caller.cancel)
        graph.run_for(20.0)
        assert caller.log == [(1.5, ("CANCELED", None)), (5.0, ("SUCCEEDED", 5))]
        assert counter.log == [(0.0, "begin 5"), (5.0, "end 5")]

    def test_refused_too_late_or_unknown(self, graph: Graph) -> None:
        graph.add(lambda: Counter(cancel_callback=lambda _: CancelResponse.REJECT))
        caller = graph.add(Caller)
        caller.send(2)
        graph.at(1.0, caller.cancel)
        graph.run_for(1.5)
        assert caller.canceling.return_code == CancelGoal.Response.ERROR_REJECTED
        graph.run_for(1.0)
        caller.cancel()
        graph.run_for(0)
        assert caller.canceling.return_code == CancelGoal.Response.ERROR_GOAL_TERMINATED
        caller.goals[0].goal_id.uuid = bytes(15) + b"x"
        caller.cancel()
        graph.run_for(0)
        assert caller.canceling.return_code == CancelGoal.Response.ERROR_UNKNOWN_GOAL_ID
        assert caller.log == [(2.0, ("SUCCEEDED", 2))]

    @pytest.mark.parametrize("which", ["one that is over", "one that nobody knows"])
    def test_a_goal_that_is_not_there_and_all_up_to_a_time(self, graph: Graph, which: str) -> None:
        graph.add(lambda: Counter(when_busy="parallel"))
        caller = graph.add(Caller)
        caller.send(1)
        caller.send(10)
        graph.run_for(2.5)
        is_over = which == "one that is over"
        goal_id = caller.goals[0].goal_id if is_over else UUID(uuid=bytes(range(16)))
        info = GoalInfo(goal_id=goal_id, stamp=caller.get_clock().now())
        cancel = caller.create_client(CancelGoal, "/count/_action/cancel_goal")
        graph.run_for(0.5)
        answer = cancel.call_async(CancelGoal.Request(goal_info=info))
        graph.run_for(5.0)
        assert answer.result().return_code == CancelGoal.Response.ERROR_NONE
        assert [each.goal_id for each in answer.result().goals_canceling] == [
            caller.goals[1].goal_id
        ]
        assert [outcome for _, outcome in caller.log] == [("SUCCEEDED", 1), ("CANCELED", 3)]

    @pytest.mark.parametrize("byte", [0, 7])
    def test_a_request_that_means_no_goal_is_no_refusal(self, graph: Graph, byte: int) -> None:
        graph.add(Counter)
        caller = graph.add(Caller)
        caller.send(1)
        graph.run_for(2.5)
        client = caller.create_client(CancelGoal, "/count/_action/cancel_goal")
        graph.run_for(0.5)
        info = GoalInfo(goal_id=UUID(uuid=bytes([byte]) * 16), stamp=caller.get_clock().now())
        answer = client.call_async(CancelGoal.Request(goal_info=info))
        graph.run_for(0.5)
        assert answer.result().return_code == CancelGoal.Response.ERROR_NONE
        assert answer.result().goals_canceling == []

    def test_all_of_them_or_those_up_to_a_time(self, graph: Graph) -> None:
        graph.add(lambda: Counter(when_busy="parallel"))
        caller = graph.add(Caller)
        caller.send(10)
        graph.run_for(0.5)
        caller.send(9)
        graph.run_for(0.1)
        client = caller.create_client(CancelGoal, "/count/_action/cancel_goal")
        until = CancelGoal.Request(goal_info=GoalInfo(stamp=caller.goals[0].stamp))
        client.call_async(until)
        graph.run_for(2.0)
        assert [what for _, what in caller.log] == [("CANCELED", 0)]
        client.call_async(CancelGoal.Request())
        graph.run_for(2.0)
        assert [what for _, what in caller.log] == [("CANCELED", 0), ("CANCELED", 2)]

    def test_a_client_that_leaves_cancels(
        self, graph: Graph, caplog: pytest.LogCaptureFixture
    ) -> None:
        counter = graph.add(Counter)
        caller, other = graph.add(Caller), graph.add(lambda: Caller("other"))
        caller.send(10)
        graph.run_for(0)
        caller.send(11)
        other.send(1)
        graph.run_for(2.5)
        graph.remove(caller)
        graph.run_for(5.0)
        assert counter.log == [
            (0.0, "begin 10"),
            (3.0, "canceled 10"),
            (3.0, "begin 1"),
            (4.0, "end 1"),
        ]
        assert "/count: /caller has gone: its goal is cancelled" in caplog.text
        assert other.log == [(4.0, ("SUCCEEDED", 1))]


class TestWhenBusy:
    def test_queue(self, graph: Graph) -> None:
        counter, caller = graph.add(Counter), graph.add(Caller)
        for to in (2, 1):
            caller.send(to)
        graph.run_for(10.0)
        assert [what for _, what in counter.log] == ["begin 2", "end 2", "begin 1", "end 1"]
        assert caller.log == [(2.0, ("SUCCEEDED", 2)), (3.0, ("SUCCEEDED", 1))]

    def test_preempt(self, graph: Graph) -> None:
        counter = graph.add(lambda: Counter(when_busy="preempt"))
        caller = graph.add(Caller)
        caller.send(10)
        graph.run_for(1.5)
        caller.send(9)
        caller.send(1)
        graph.run_for(10.0)
        assert [what for _, what in counter.log] == [
            "begin 10",
            "canceled 10",
            "begin 1",
            "end 1",
        ]
        assert caller.log == [
            (1.5, ("CANCELED", None)),
            (2.0, ("CANCELED", 1)),
            (3.0, ("SUCCEEDED", 1)),
        ]

    def test_reject(self, graph: Graph) -> None:
        graph.add(lambda: Counter(when_busy="reject"))
        caller = graph.add(Caller)
        caller.send(2)
        caller.send(1)
        graph.run_for(3.0)
        caller.send(1)
        graph.run_for(3.0)
        assert caller.log == [(0.0, "rejected"), (2.0, ("SUCCEEDED", 2)), (4.0, ("SUCCEEDED", 1))]


class TestCallbacks:
    def test_goals_may_be_refused(self, graph: Graph) -> None:
        def judge(goal: Count.Goal) -> GoalResponse:
            return GoalResponse.ACCEPT if goal.to < 5 else GoalResponse.REJECT

        graph.add(lambda: Counter(goal_callback=judge))
        caller = graph.add(Caller)
        caller.send(5)
        caller.send(1)
        graph.run_for(2.0)
        assert caller.log == [(0.0, "rejected"), (1.0, ("SUCCEEDED", 1))]

    def test_an_accepted_goal_may_be_put_off(self, graph: Graph) -> None:
        later: list[Goal] = []
        counter = graph.add(lambda: Counter(handle_accepted_callback=later.append))
        caller = graph.add(Caller)
        caller.send(1)
        graph.run_for(5.0)
        assert counter.log == []
        later[0].execute()
        graph.run_for(2.0)
        assert caller.log == [(6.0, ("SUCCEEDED", 1))]

    def test_execute_without_async(self, graph: Graph) -> None:
        def execute(goal: Goal) -> Count.Result:
            goal.succeed()
            return Count.Result(reached=goal.request.to)

        def make() -> Node:
            node = Node("counter")
            ActionServer(node, Count, "/count", execute)
            return node

        graph.add(make)
        caller = graph.add(Caller)
        caller.send(7)
        graph.run_for(0)
        assert caller.log == [(0.0, ("SUCCEEDED", 7))]

    @pytest.mark.parametrize(
        ("ending", "state", "logged"),
        [
            ("raise", "ABORTED", "ValueError: no way"),
            ("forget", "ABORTED", "without succeed(), abort() or canceled(): aborted"),
            ("canceled", "ABORTED", "nobody has asked to cancel it"),
            ("twice", "SUCCEEDED", "a goal that is SUCCEEDED cannot become ABORTED"),
            ("wrong", "ABORTED", "it is to return tests/action/Count_Result"),
        ],
    )
    def test_what_ends_badly_is_told(
        self,
        graph: Graph,
        caplog: pytest.LogCaptureFixture,
        ending: str,
        state: str,
        logged: str,
    ) -> None:
        async def execute(goal: Goal) -> Any:
            if ending == "raise":
                raise ValueError("no way")
            if ending == "canceled":
                goal.canceled()
            if ending == "twice":
                goal.succeed(Count.Result(reached=1))
                goal.abort()
            return String() if ending == "wrong" else None

        def make() -> Node:
            node = Node("counter")
            ActionServer(node, Count, "/count", execute)
            return node

        graph.add(make)
        caller = graph.add(Caller)
        caller.send(1)
        graph.run_for(0)
        assert caller.log == [(0.0, (state, 1 if ending == "twice" else None))]
        assert logged in caplog.text


class TestNobodyThere:
    def test_no_server(self, graph: Graph) -> None:
        caller = graph.add(Caller)
        assert not caller.client.server_is_ready()
        caller.send(1)
        graph.run_for(0)
        assert isinstance(caller.log[0][1], ServiceUnavailableError)

    def test_a_server_that_goes(self, graph: Graph) -> None:
        counter, caller = graph.add(Counter), graph.add(Caller)
        assert caller.client.server_is_ready()
        caller.send(10)
        graph.run_for(2.5)
        graph.remove(counter)
        graph.run_for(0)
        at_sec, error = caller.log[0]
        assert at_sec == 2.5
        assert "/counter was lost in mid-call" in str(error)

    def test_old_results_are_forgotten(self, graph: Graph) -> None:
        graph.add(lambda: Counter(result_timeout=5.0))
        caller = graph.add(Caller)
        statuses = graph.observe(GoalStatusArray, "/count/_action/status")
        caller.send(1)
        graph.run_for(3.0)
        caller.send(1)
        graph.run_for(5.0)
        assert len(statuses[-1].status_list) == 2
        caller.send(1)
        graph.run_for(3.0)
        assert len(statuses[-1].status_list) == 2

        async def ask() -> None:
            end = await caller.client.get_result_async(caller.goals[0])
            caller.note((end.status, end.result))

        caller.create_task(ask())
        graph.run_for(0)
        assert caller.log[-1][1] == (GoalState.UNKNOWN, None)


class Heard:
    """A feedback callback that can be missed."""

    def __call__(self, msg: Any) -> None:
        pass


@pytest.mark.slow
class TestNothingIsKept:
    """What a client keeps of a goal goes with the goal; nobody asks for results here."""

    def held(self, graph: Graph, caller: Caller, to: int) -> Callable[[], bool]:
        heard = Heard()
        caller.client.send_goal_async(Count.Goal(to=to), heard)
        kept = weakref.ref(heard)
        del heard

        def is_held() -> bool:
            gc.collect()
            return kept() is not None

        return is_held

    @pytest.mark.parametrize("ending", ["succeeds", "is cancelled", "is aborted", "is rejected"])
    def test_of_one_that_has_ended(self, graph: Graph, ending: str) -> None:
        def judge(_: Count.Goal) -> GoalResponse:
            return GoalResponse.REJECT if ending == "is rejected" else GoalResponse.ACCEPT

        counter = graph.add(lambda: Counter(goal_callback=judge, result_timeout=5.0))
        caller = graph.add(Caller)
        is_held = self.held(graph, caller, 3)
        graph.run_for(0.5)
        assert is_held() == (ending != "is rejected")
        if ending == "is cancelled":
            canceller = caller.create_client(CancelGoal, "/count/_action/cancel_goal")
            canceller.call_async(CancelGoal.Request())
        elif ending == "is aborted":
            next(iter(counter.server._goals.values())).abort()
        graph.run_for(20.0)
        assert not is_held()
        assert not counter.server._goals  # nor does the server keep its result
        assert not counter.server._done

    def test_of_one_that_nobody_serves(self, graph: Graph) -> None:
        caller = graph.add(Caller)
        graph.run_for(0.1)
        is_held = self.held(graph, caller, 3)
        graph.run_for(0.1)
        assert not is_held()

    def test_of_one_whose_server_has_gone(self, graph: Graph) -> None:
        counter, caller = graph.add(Counter), graph.add(Caller)
        graph.run_for(0.1)
        is_held = self.held(graph, caller, 100)
        graph.run_for(1.0)
        assert is_held()
        graph.remove(counter)
        graph.run_for(20.0)
        assert not is_held()

    def test_of_one_whose_acceptance_was_not_waited_for(self, graph: Graph) -> None:
        async def think(_: Count.Goal) -> GoalResponse:
            await asyncio.sleep(6.0)
            return GoalResponse.ACCEPT

        counter = graph.add(lambda: Counter(goal_callback=think))
        caller = graph.add(Caller)
        graph.run_for(0.1)

        async def send() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await caller.client.send_goal_async(Count.Goal(to=3))
            caller.note("gave up")

        caller.create_task(send())
        graph.run_for(20.0)
        assert (caller.log, counter.log) == ([(1.1, "gave up")], [])


@pytest.mark.parametrize("sent_before_sec", [1.5, 0.0])
def test_a_client_that_is_destroyed_cancels_what_it_has_sent(
    graph: Graph, sent_before_sec: float
) -> None:
    counter, caller, other = graph.add(Counter), graph.add(Caller), graph.add(lambda: Caller("b"))
    graph.run_for(0.5)
    caller.client.send_goal_async(Count.Goal(to=20)).ignore()
    graph.run_for(sent_before_sec)
    other.send(3)
    caller.client.destroy()
    graph.run_for(10.0)
    assert not any(what == "end 20" for _, what in counter.log)
    assert counter.log[-1][1] == "end 3"
    assert other.log[-1][1] == ("SUCCEEDED", 3)


def test_a_client_that_is_destroyed_leaves_ended_goals_alone(graph: Graph) -> None:
    asked = []

    def judge(goal: Goal) -> CancelResponse:
        asked.append(goal)
        return CancelResponse.ACCEPT

    counter, caller = graph.add(lambda: Counter(cancel_callback=judge)), graph.add(Caller)
    caller.client.send_goal_async(Count.Goal(to=1)).ignore()
    graph.run_for(5.0)
    assert counter.log[-1][1] == "end 1"
    caller.client.destroy()
    graph.run_for(1.0)
    assert not asked


def test_a_result_may_be_kept_as_long_as_the_server(graph: Graph) -> None:
    graph.add(lambda: Counter(result_timeout=-1.0))
    caller = graph.add(Caller)
    for to in (1, 2):
        caller.send(to)
        graph.run_for(20.0)
    result = caller.goals[0].get_result_async()
    graph.run_for(1.0)
    assert result.result().result.reached == 1


def test_misuse_and_destroying(graph: Graph) -> None:
    counter, caller = graph.add(Counter), graph.add(Caller)
    wrong: Any = String
    with pytest.raises(TypeError, match="a subclass of Action"):
        ActionClient(caller, wrong, "/x")
    with pytest.raises(TypeError, match="a subclass of Action"):
        ActionServer(counter, wrong, "/x", counter.execute)
    swapped: tuple[Any, Any] = Count, counter  # the order of the arguments is told
    with pytest.raises(TypeError, match="the node of an ActionServer is a Node, not <class"):
        ActionServer(swapped[0], swapped[1], "/x", counter.execute)
    never: Any = "never"
    with pytest.raises(ValueError, match="queue, preempt, reject or parallel"):
        ActionServer(counter, Count, "/x", counter.execute, when_busy=never)
    with pytest.raises(TypeError, match="/count takes a tests/action/Count_Goal, not std_msgs"):
        caller.client.send_goal_async(wrong())
    with pytest.raises(ValueError, match="serves /count/_action/send_goal already"):
        ActionServer(counter, Count, "/count", counter.execute)
    caller.send(5)
    graph.run_for(1.5)
    counter.server.destroy()
    graph.run_for(2.0)
    assert isinstance(caller.log[0][1], ServiceUnavailableError)
    assert counter.log[-1] == (2.0, "canceled 5")
    caller.client.destroy()
    with pytest.raises(ValueError, match="destroyed"):
        caller.client.send_goal_async(Count.Goal(to=1))
    assert issubclass(ActionError, RuntimeError)
