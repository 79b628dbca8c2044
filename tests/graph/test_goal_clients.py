"""A goal whose client has gone is cancelled, or never begins, however the client went."""

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from dsmq_nodes import CancelResponse, GoalResponse, GoalState, ServerGoalHandle
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.messages import GoalInfo, GoalStatus, GoalStatusArray
from dsmq_nodes.messages.action_srv import CancelGoal
from dsmq_nodes.messages.unique_identifier import UUID
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.graph.conftest import spinning
from tests.graph.test_actions import Caller, Count, Counter
from tests.support.programs import Program
from tests.support.waiting import until


def ask(graph: Graph, client: str, *, to: int = 3, number: int = 1) -> None:
    """Send a goal as a tool does that is not in the graph."""
    goal_id = {"uuid": [*range(15), number]}
    body = json.dumps({"goal_id": goal_id, "goal": {"to": to}}, separators=(",", ":"))
    text = calls.write(client, number, body)
    graph.inject_text("/count/_action/send_goal/_request", text)


def test_a_goal_that_was_put_off_never_begins(graph: Graph) -> None:
    later: list[ServerGoalHandle[Any, Any, Any]] = []
    counter = graph.add(lambda: Counter(handle_accepted_callback=later.append))
    caller = graph.add(Caller)
    caller.send(3)
    graph.run_for(1.0)
    graph.remove(caller)
    graph.run_for(1.0)
    assert later[0].status is GoalState.CANCELED
    later[0].execute()
    graph.run_for(5.0)
    assert counter.log == []


def test_a_goal_that_was_put_off_can_be_cancelled(graph: Graph) -> None:
    later: list[ServerGoalHandle[Any, Any, Any]] = []
    counter = graph.add(lambda: Counter(handle_accepted_callback=later.append))
    caller = graph.add(Caller)
    caller.send(3)
    graph.at(1.0, caller.cancel)
    graph.run_for(2.0)
    assert caller.log == [(1.0, ("CANCELED", None))]
    later[0].execute()
    graph.run_for(5.0)
    assert counter.log == []


def test_the_cancel_callback_is_not_asked(graph: Graph) -> None:
    counter = graph.add(lambda: Counter(cancel_callback=lambda _: CancelResponse.REJECT))
    caller = graph.add(Caller)
    caller.send(10)
    graph.run_for(1.5)
    graph.remove(caller)
    graph.run_for(5.0)
    assert counter.log == [(0.0, "begin 10"), (2.0, "canceled 10")]


def test_all_goals_of_one_client_and_of_no_other(graph: Graph) -> None:
    counter = graph.add(lambda: Counter(when_busy="parallel"))
    caller, other = graph.add(Caller), graph.add(lambda: Caller("other"))
    for to in (10, 11):
        caller.send(to)
    other.send(3)
    graph.run_for(1.5)
    graph.remove(caller)
    graph.run_for(5.0)
    ends = [what for _, what in counter.log if not what.startswith("begin")]
    assert sorted(ends) == ["canceled 10", "canceled 11", "end 3"]


def test_a_client_that_comes_back_under_the_same_name_is_another(graph: Graph) -> None:
    counter, caller = graph.add(Counter), graph.add(Caller)
    caller.send(10)
    graph.run_for(1.5)
    graph.remove(caller)
    graph.add(Caller)
    graph.run_for(5.0)
    assert counter.log[-1] == (2.0, "canceled 10")


def test_who_has_gone_before_the_graph_has_shown_it_begins_nothing(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    counter = graph.add(Counter)
    graph.add(Caller)
    ask(graph, "@812.17e2f0")
    graph.run_for(10.0)
    assert counter.log == []
    assert "/count: the tool with pid 812 has gone: a goal is refused" in caplog.text
    ask(graph, "/caller@812.17e2f0")
    graph.run_for(10.0)
    assert counter.log == []


def test_a_tool_of_an_older_release_cannot_be_watched(graph: Graph) -> None:
    counter = graph.add(Counter)
    ask(graph, "@17e2f0")
    graph.run_for(10.0)
    assert counter.log == [(0.0, "begin 3"), (3.0, "end 3")]


async def think(_: Count.Goal) -> GoalResponse:
    await asyncio.sleep(6.0)
    return GoalResponse.ACCEPT


def test_a_client_that_goes_while_its_goal_is_judged(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    counter = graph.add(lambda: Counter(goal_callback=think))
    caller = graph.add(Caller)
    caller.send(3)
    graph.run_for(1.0)
    graph.remove(caller)
    graph.run_for(20.0)
    assert counter.log == []
    assert "/count: /caller has gone: a goal is refused" in caplog.text


def test_a_client_that_goes_while_a_goal_callback_blocks_the_node(graph: Graph) -> None:
    def judge(_: Count.Goal) -> GoalResponse:
        caller._kit.link.close()
        return GoalResponse.ACCEPT

    counter = graph.add(lambda: Counter(goal_callback=judge))
    caller = graph.add(Caller)
    caller.send(3)
    graph.run_for(5.0)
    assert counter.log == []


@pytest.mark.parametrize("which", ["all", "this one"])
def test_a_goal_is_cancelled_while_it_is_judged(graph: Graph, which: str) -> None:
    counter = graph.add(lambda: Counter(goal_callback=think))
    caller = graph.add(Caller)
    goal_id = UUID(uuid=bytes(range(16)))
    goal = caller.client.send_goal_async(Count.Goal(to=3), goal_uuid=goal_id)
    canceller = caller.create_client(CancelGoal, "/count/_action/cancel_goal")
    graph.run_for(1.0)
    info = GoalInfo(goal_id=goal_id) if which == "this one" else GoalInfo()
    answer = canceller.call_async(CancelGoal.Request(goal_info=info))
    graph.run_for(1.0)
    assert [each.goal_id for each in answer.result().goals_canceling] == [goal_id]
    graph.run_for(20.0)
    assert not goal.result().accepted
    assert counter.log == []


def test_a_goal_that_is_cancelled_before_it_comes_is_refused(graph: Graph) -> None:
    """The two go different ways: which one is faster, nobody knows."""
    counter = graph.add(Counter)
    caller = graph.add(Caller)
    goal_id = UUID(uuid=bytes(range(16)))
    canceller = caller.create_client(CancelGoal, "/count/_action/cancel_goal")
    canceller.call_async(CancelGoal.Request(goal_info=GoalInfo(goal_id=goal_id)))
    graph.run_for(1.0)
    goals = [caller.client.send_goal_async(Count.Goal(to=3), goal_uuid=goal_id)]
    graph.run_for(1.0)
    goals.append(caller.client.send_goal_async(Count.Goal(to=1)))
    graph.run_for(5.0)
    assert [each.result().accepted for each in goals] == [False, True]
    assert [what for _, what in counter.log] == ["begin 1", "end 1"]


def test_a_status_that_comes_before_the_answer_to_its_goal_is_not_lost(graph: Graph) -> None:
    graph.add(lambda: Counter(goal_callback=think))
    caller = graph.add(Caller)
    goal_id = UUID(uuid=bytes(range(16)))
    goal = caller.client.send_goal_async(Count.Goal(to=30), goal_uuid=goal_id)
    graph.run_for(1.0)
    early = GoalStatus(goal_info=GoalInfo(goal_id=goal_id), status=GoalState.EXECUTING)
    graph.inject_text("/count/_action/status", GoalStatusArray(status_list=[early]).to_json())
    graph.run_for(0.1)
    caller.destroy_subscription(caller.client._subscriptions[1])  # here no later one helps
    graph.run_for(10.0)
    assert goal.result().status == GoalState.EXECUTING


class TestBroker:
    """The broker dies; real connections."""

    def serve(self, timeout_sec: float) -> Counter:
        class Server(Counter):
            broker_timeout_sec = timeout_sec

        return Server()

    def begin(self, counter: Counter, caller: Caller) -> None:
        until(caller.client.server_is_ready)
        caller.send(1000)
        until(lambda: counter.log)
        until(lambda: caller.goals)

    def test_who_cannot_be_stopped_stops(
        self, broker: BrokerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        counter, caller = self.serve(0.2), Caller()
        with spinning(counter, caller):
            self.begin(counter, caller)
            broker.kill()
            until(lambda: len(counter.log) == 2)
        assert [what for _, what in counter.log] == ["begin 1000", "canceled 1000"]
        assert "the broker has been lost for 0.2 s, so nobody can cancel it" in caplog.text

    def test_a_client_has_a_moment_to_come_back(self, broker: BrokerProcess) -> None:
        counter, caller = self.serve(1000.0), Caller()
        with spinning(counter, caller):
            self.begin(counter, caller)
            broker.kill()
            broker.start()
            until(caller.client.server_is_ready)
            caller.cancel()
            until(lambda: len(counter.log) == 2)
            until(lambda: hasattr(caller, "canceling"))
        assert len(caller.canceling.goals_canceling) == 1

    def test_a_client_that_dies_while_the_broker_is_away(
        self, broker: BrokerProcess, programs: Callable[[str], Program]
    ) -> None:
        counter = self.serve(1000.0)
        with spinning(counter):
            client = programs(CLIENT.format(spin="spin(node)"))
            until(lambda: counter.log)
            broker.kill()
            client.send(signal.SIGKILL)
            client.wait()
            assert len(counter.log) == 1
            broker.start()
            until(lambda: len(counter.log) == 2)
        assert counter.log[1][1] == "canceled 1000"


CLIENT = """
import os
from dsmq_nodes import ActionClient, Node, spin, spin_once
from tests.graph.test_actions import Count
node = Node("caller")
client = ActionClient(node, Count, "/count")
assert client.wait_for_server(30.0)
client.send_goal_async(Count.Goal(to=1000))
{spin}
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("spin", ["", "spin_once(node, 0.0)", "spin_once(node, 0.05)"])
def test_a_node_that_is_killed_in_its_first_moment(
    spin: str, broker: BrokerProcess, programs: Callable[[str], Program]
) -> None:
    counter = Counter()
    with spinning(counter):
        assert programs(CLIENT.format(spin=spin)).wait() == -signal.SIGKILL
        last = Caller("last")
        with spinning(last):
            until(last.client.server_is_ready)
            last.send(0)  # its turn comes when the arm is free
            until(lambda: last.log)
    assert last.log[0][1] == ("SUCCEEDED", 0)
