"""An executor asks in a round what may have become ready since the last one, and nothing else."""

from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dsmq_nodes.rclpy.action import ActionServer
from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.executors import SingleThreadedExecutor
from dsmq_nodes.rclpy.guard_condition import GuardHandle
from dsmq_nodes.rclpy.impl.topics.topic_handles import SubscriptionHandle
from dsmq_nodes.rclpy.waitable import Waitable


class Entity:
    """It counts how often it is asked; its handle is itself."""

    def __init__(self, *, is_ready: bool = False) -> None:
        self.handle = self
        self.ready = is_ready
        self.asked = 0

    def is_ready(self) -> bool:
        self.asked += 1
        return self.ready


def node(*, timers: Any = (), subscriptions: Any = (), waitables: Any = ()) -> Any:
    handle = SimpleNamespace(is_woken=True, had_ready=False, wake=lambda: None)
    kinds = list(timers), list(subscriptions)
    return SimpleNamespace(handle=handle, entities_by_kind=kinds, waitables=list(waitables))


@pytest.fixture
def executor() -> Iterator[SingleThreadedExecutor]:
    context = Context()
    context.init(args=[])
    yield SingleThreadedExecutor(context=context)
    context.shutdown()


def test_only_timers_are_asked_after_a_round_in_which_nothing_was_ready(
    executor: SingleThreadedExecutor,
) -> None:
    timer, subscription = Entity(), Entity()
    nodes = [node(timers=[timer], subscriptions=[subscription])]
    for _ in range(3):
        assert executor._ready_entities(nodes) == []
    assert (timer.asked, subscription.asked) == (3, 1)
    nodes[0].handle.is_woken = subscription.ready = True
    assert executor._ready_entities(nodes) == [(subscription, nodes[0])]


def test_what_was_ready_and_not_taken_is_found_without_another_wake(
    executor: SingleThreadedExecutor,
) -> None:
    nodes = [node(subscriptions=[Entity(), Entity(is_ready=True)])]
    first = executor._ready_entities(nodes)
    assert len(first) == 1
    assert executor._ready_entities(nodes) == first


def test_a_wake_while_entities_are_asked_counts_for_the_next_round(
    executor: SingleThreadedExecutor,
) -> None:
    class Last(Entity):
        """A message for the first one arrives while this one is asked."""

        def is_ready(self) -> bool:
            first.ready = nodes[0].handle.is_woken = True
            return False

    first = Entity()
    nodes = [node(subscriptions=[first, Last()])]
    assert executor._ready_entities(nodes) == []
    assert executor._ready_entities(nodes) == [(first, nodes[0])]


class Own(Waitable):
    """Nothing wakes the executor when it becomes ready, except a guard condition."""

    is_due = False

    def __init__(self, *guards: Any) -> None:
        self.guards = guards

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def is_ready(self, wait_set: Any) -> bool:
        return self.is_due

    def get_num_entities(self) -> Any:
        pass

    def add_to_wait_set(self, wait_set: Any) -> None:
        for each in self.guards:
            wait_set.add_guard_condition(each)


def test_a_waitable_of_a_program_is_asked_in_each_round(executor: SingleThreadedExecutor) -> None:
    own = Own()
    nodes = [node(waitables=[own])]
    for _ in range(2):
        assert executor._ready_entities(nodes) == []
    own.is_due = True
    assert executor._ready_entities(nodes) == [(own, nodes[0])]


def test_a_guard_condition_wakes_its_node_when_a_waitable_with_it_was_removed(
    executor: SingleThreadedExecutor,
) -> None:
    context: Any = executor.context
    guard = GuardHandle(context.handle)
    nodes = [node(waitables=[Own(guard)])]
    nodes[0].handle.wake = guard.wake = lambda: setattr(nodes[0].handle, "is_woken", True)
    assert executor._ready_entities(nodes) == []
    nodes[0].waitables.clear()
    assert executor._ready_entities(nodes) == []
    assert not nodes[0].handle.is_woken
    guard.trigger_guard_condition()
    assert nodes[0].handle.is_woken


def test_an_action_server_is_asked_until_its_results_have_expired(
    executor: SingleThreadedExecutor,
) -> None:
    server: Any = object.__new__(ActionServer)
    nodes = [node(waitables=[server])]
    now = SimpleNamespace(nanoseconds=0)
    server._node = nodes[0]
    server._node.get_clock = lambda: SimpleNamespace(now=lambda: now)
    server._handle = SimpleNamespace(goal=Entity(), cancel=Entity(), result=Entity())
    server._result_timeout_ns, server._expiry_ns = 3600 * 10**9, {}
    nodes[0].handle.wake = lambda: None
    assert executor._ready_entities(nodes) == []
    server.notify_goal_done(SimpleNamespace(goal_id=SimpleNamespace(uuid=b"one")))
    for _ in range(2):
        assert executor._ready_entities(nodes) == []
    now.nanoseconds = server._result_timeout_ns
    assert executor._ready_entities(nodes) == [(server, nodes[0])]


def test_an_interrupt_between_the_wake_and_the_question_loses_no_message(
    executor: SingleThreadedExecutor,
) -> None:
    """A program may catch it, and spin again."""

    class Interrupted(Entity):
        def is_ready(self) -> bool:
            if super().is_ready() and self.asked == 1:
                raise KeyboardInterrupt
            return self.ready

    entity = Interrupted(is_ready=True)
    nodes = [node(subscriptions=[entity])]
    with pytest.raises(KeyboardInterrupt):
        executor._ready_entities(nodes)
    assert executor._ready_entities(nodes) == [(entity, nodes[0])]


def test_messages_that_two_threads_put_at_once_wake_the_executor() -> None:
    put: list[str] = []
    woken: list[list[str]] = []

    class Queue(deque[Any]):
        """Another thread puts a message as soon as the first one is in it."""

        def append(self, item: Any) -> None:
            super().append(item)
            put.append(item[0])
            if len(put) == 1:
                subscription._put("second", info, 0)

    info: Any = None
    subscription: Any = object.__new__(SubscriptionHandle)
    subscription.node = SimpleNamespace(wake=lambda: woken.append(list(put)))
    subscription._queue = Queue(maxlen=10)
    subscription.content_filter = subscription._deadline = subscription.arrived = None
    subscription._has_expiring = subscription._reports_losses = subscription.is_destroyed = False
    assert not subscription.is_ready()
    subscription._put("first", info, 0)
    assert put == ["first", "second"]
    assert woken
    assert subscription.is_ready()
