"""A graph of real nodes in one process, in virtual time."""

import asyncio
import inspect
import math
import random
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from typing_extensions import override

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import TypeMismatchError
from dsmq_nodes.graph import names
from dsmq_nodes.graph.callback import MessageT, callback_name, check_takes, to_await
from dsmq_nodes.graph.given import TOPIC_TYPE, number, of_kind, subclass_of
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.run import make_node
from dsmq_nodes.graph.spin.context import NodeContext, surroundings
from dsmq_nodes.graph.spin.environment import NodeEnvironment
from dsmq_nodes.graph.spin.event_loop import close_loop, refuse_in_loop
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages.base import Message
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.testing.faults import Faults, FaultyBroker
from dsmq_nodes.testing.virtual_clock import EPOCH_NS, NodesVirtualClock, VirtualClock, VirtualLoop
from dsmq_nodes.topic_names import EVERY_NODES_TOPICS, is_hidden

if TYPE_CHECKING:
    from dsmq_nodes.graph.links.link import Publication
    from dsmq_nodes.graph.links.link_reader import Deliver
    from dsmq_nodes.launcher.file.arguments import Value

NodeT = TypeVar("NodeT", bound=Node)


class Observed(list[MessageT]):
    """The messages of a topic so far, in order.

    Attributes:
        at_sec: the time of each, in seconds since the graph began.
    """

    def __init__(self, why_empty: Callable[[], str] = str) -> None:
        super().__init__()
        self.at_sec: list[float] = []
        self._why_empty = why_empty

    @override
    def __repr__(self) -> str:
        """Show it as a list; if it is empty, with a reason: a failed assertion shows it."""
        why = "" if self else self._why_empty()
        return f"[] ({why})" if why else super().__repr__()

    if not TYPE_CHECKING:  # its types are those of a list

        def __getitem__(self, index: object) -> object:
            """Return a message; where there is none, the error has the reason."""
            try:
                return super().__getitem__(index)
            except IndexError as error:
                why = f"; {self._why_empty() or 'nothing came'}" if not self else ""
                raise IndexError(f"{error}{why}") from None


class Graph:
    """Nodes, a router in memory, and a clock that is set forward to the next due moment.

    There is no socket, no thread and no waiting. With the same seed every run is the same, message
    for message. Threads do not run in virtual time.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        on_type_mismatch: Literal["raise", "warn"] = "raise",
        start_ns: int = EPOCH_NS,
    ) -> None:
        """Make an empty graph.

        Args:
            seed: the seed of the faults, and of Python's `random`.
            on_type_mismatch: with "raise", running raises `TypeMismatchError` when the types at two
                ends of a topic do not fit; "warn" leaves it to the nodes.
            start_ns: the wall clock at the beginning, in nanoseconds since 1970-01-01 UTC.
        """
        _refuse_in_loop()  # before anything is changed
        if on_type_mismatch not in {"raise", "warn"}:
            raise ValueError(f"on_type_mismatch is 'raise' or 'warn', not {on_type_mismatch!r}")
        number(start_ns, "start_ns", "ns", least=-math.inf)
        self._types_matter = on_type_mismatch == "raise"
        self._known_faults: set[str] = set()
        self._clock = VirtualClock(start_ns)
        self._loop = VirtualLoop(self._clock)
        self._broker = FaultyBroker(self._clock, self._loop, seed)
        self._spinning: dict[asyncio.Task[None], Node] = {}
        self._environment = NodeEnvironment()
        self._failures: list[BaseException] = []
        self._called: set[asyncio.Future[Any]] = set()
        self._loop.set_exception_handler(self._failed)
        around = NodeContext(
            self._clock,
            lambda: self._environment,
            lambda name, _, on_differs: self._broker.connect(name, on_differs),
            NodesVirtualClock,
        )
        self._before = surroundings.set(around)
        self._link = self._broker.connect("")
        self._link.attach(self._loop, lambda link: link.drain(), lambda _: None)
        self._publications: dict[str, Publication] = {}
        self._observers: dict[str, list[Deliver]] = {}
        self._random = random.getstate()
        random.seed(seed)

    @classmethod
    def from_launch(
        cls,
        path: "str | Path",
        *,
        args: "Mapping[str, Value] | None" = None,
        seed: int = 0,
        without: Collection[str] = (),
    ) -> Self:
        """Make all nodes of a launch file; time passes if some have to wait.

        Args:
            path: the launch file. Its classes are also searched beside it, or above `launch/`.
            args: its arguments, by name.
            seed: see `Graph(seed)`; the nodes' own seeds are parameters.
            without: full names of nodes to leave out, such as "/monitor".

        Raises:
            LaunchFileError: the file is wrong, or has an entry that needs a process.
            NodeLoadError: a node's class does not exist.
            TimeoutError: a dependency of a node is not met.
            ValueError: `without` names a node that the file lacks.
        """
        from dsmq_nodes.testing.from_launch import add_launch  # noqa: PLC0415  60 ms

        graph = cls(seed)
        try:
            add_launch(graph, Path(path), args, without)
        except BaseException:
            graph.close()
            raise
        return graph

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes that run, by their full names."""
        return {node._kit.name: node for node in self._spinning.values()}

    @property
    def now_sec(self) -> float:
        """The seconds since the graph began."""
        return self._clock.monotonic_sec()

    def add(
        self,
        node_class: Callable[[], NodeT],
        *,
        name: str | None = None,
        namespace: str | None = None,
        rate_hz: float | None = None,
        params: Mapping[str, Any] | None = None,
        remap: Mapping[str, str] | None = None,
    ) -> NodeT:
        """Make a node, with a launch file's settings, and spin it from now on.

        Raises:
            NodeNameTakenError: a node of this name is in the graph already.
            ParameterError: the parameters do not fit those of the node.
        """
        self._environment = NodeEnvironment(
            name, namespace, rate_hz, {**(params or {})}, {**(remap or {})}
        )
        try:
            node = make_node(node_class)
        finally:
            self._environment = NodeEnvironment()
        self._spinning[self._loop.create_task(node._kit.spin())] = node
        self.run_for(0)  # it is ready when this returns
        return node

    def remove(self, node: Node) -> None:
        """End a node, as Ctrl-C does."""
        of_kind(node, Node, "what is removed")
        node._kit.spinner.shut_down()  # a class may have a `shutdown` of its own
        self.run_for(0)

    def run_for(self, seconds: float) -> None:
        """Let virtual time pass.

        Raises:
            Exception: what a callback raised, with `on_exception` "raise"; its node has ended.
            TypeMismatchError: the two ends of a topic have types that do not fit.
        """
        self._pass_time(seconds, lambda: False)

    def run_until(self, condition: Callable[[], object], timeout_sec: float = 60.0) -> None:
        """Run until a condition holds; it is checked whenever time is about to pass.

        Raises:
            TimeoutError: the condition did not hold within `timeout_sec` of virtual time.
            TypeError: the condition is a coroutine function, whose result would always hold.
        """
        check_takes(condition, "the condition of run_until()")
        if inspect.iscoroutinefunction(condition):
            raise TypeError(f"a condition is a `def`: {callback_name(condition)} is `async def`")
        self._pass_time(timeout_sec, condition)
        if not condition():
            raise TimeoutError(f"it does not hold after {timeout_sec:g} s of virtual time")

    def at(self, when_sec: float, callback: Callable[[], object]) -> None:
        """Call back when the graph is `when_sec` old, if it runs that long."""
        check_takes(callback, "the callback of at()")
        when_sec = number(when_sec, "the time of at()", least=0)
        self._loop.call_at(when_sec, self._call, callback)

    def _call(self, callback: Callable[[], object]) -> None:
        work = to_await(callback(), callback)
        if work is not None:
            task = asyncio.ensure_future(work, loop=self._loop)
            self._called.add(task)
            task.add_done_callback(self._on_called)

    def _on_called(self, task: "asyncio.Future[Any]") -> None:
        self._called.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)

    def set_wall_clock(self, step_sec: float) -> None:
        """Set the machine's clock forward or back; due times are not affected."""
        self._clock.set_wall_clock(number(step_sec, "a step of the clock", least=-math.inf))

    def inject(self, topic: str, msg: Message) -> None:
        """Publish a message, as a tool does.

        Raises:
            TypeError: `msg` is not a message.
        """
        if not isinstance(msg, Message):
            raise TypeError(f"inject takes a message, as Float64(data=1.0), not {msg!r:.60}")
        self.inject_text(topic, msg.to_json(), msg.type_name, schema_text(type(msg)))

    def inject_text(self, topic: str, text: str, type_name: str = "", schema: bytes = b"") -> None:
        """Publish a message as JSON, such as a recorded one; its type is advertised once."""
        name = _absolute(topic)
        if name not in self._publications:
            self._publications[name] = self._link.advertise(name, type_name, 0, schema)
        self._link.publish(self._publications[name], text)

    def observe(self, msg_type: type[MessageT], topic: str) -> Observed[MessageT]:
        """Return a list that grows with each message of a topic; latched ones come first.

        Raises:
            MessageError: while the graph runs, when a message does not fit the type.
        """
        subclass_of(msg_type, Message, TOPIC_TYPE)
        name, began_sec = _absolute(topic), self.now_sec
        observed: Observed[MessageT] = Observed(lambda: self._why_silent(name, began_sec))
        newest_id = 0

        def take(reply: Entry, _again: bool) -> None:
            nonlocal newest_id
            if reply.id > newest_id:  # else it is repeated for a later observer
                newest_id = reply.id
                observed.append(msg_type.from_json(reply.text or ""))
                observed.at_sec.append(self.now_sec)

        self._take(topic, take, msg_type.type_name, schema_text(msg_type))
        return observed

    def _why_silent(self, topic: str, since_sec: float) -> str:
        if not self._spinning:  # it is closed
            return ""
        if self.now_sec == since_sec:
            return "no time has passed: `graph.run_for(1.0)` lets it pass"
        nodes = [each.statistics() for each in self._spinning.values()]
        published = {end.topic for each in nodes for end in each.publishers}
        published |= set(self._publications)
        heard = {end.topic for each in nodes for end in each.subscriptions} | set(self._observers)
        if topic not in published:
            return f"nobody publishes {topic}; {did_you_mean(topic, filter(_is_users, published))}"
        unheard = next((each for each in self._publications if each not in heard), None)
        if unheard is None:
            return ""
        near = did_you_mean(unheard, filter(_is_users, heard))
        return f"nobody subscribes {unheard}, which the test injects; {near}"

    def hear(self, topic: str) -> Callable[[], bool]:
        """Subscribe a topic of any type; return a function: whether a message has come since."""
        name = _absolute(topic)
        came: list[Entry] = []

        def take(reply: Entry, _again: bool) -> None:
            came.append(reply)
            self._observers[name].remove(take)
            if not self._observers[name]:
                self._link.unsubscribe(name)

        self._take(name, take)
        return lambda: bool(came)

    def _take(self, topic: str, take: "Deliver", type_name: str = "", schema: bytes = b"") -> None:
        name = _absolute(topic)
        takers = self._observers.setdefault(name, [])
        takers.append(take)

        def deliver(reply: Entry, again: bool) -> None:
            for each in list(takers):
                each(reply, again)

        self._link.subscribe(name, 0, type_name, deliver, schema)

    def faults(
        self,
        topic: str,
        *,
        drop: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        delay_sec: float | tuple[float, float] = 0.0,
    ) -> None:
        """Give the messages of a topic faults from now on; see `Faults`. No faults removes them."""
        self._broker.set_faults(_absolute(topic), Faults(drop, duplicate, reorder, delay_sec))

    def close(self) -> None:
        """End all nodes at once, as Ctrl-C ends those of `run`: a call between them is no error."""
        for node in self._spinning.values():
            node._kit.spinner.shut_down()  # as above
        try:
            self.run_for(0)
        finally:
            close_loop(self._loop)
            self._broker.close()
            surroundings.reset(self._before)
            random.setstate(self._random)

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Raise an exception of the loop itself (an observer, a callback of `at`) in the test."""
        self._failures.append(context.get("exception") or RuntimeError(context["message"]))

    def _pass_time(self, seconds: float, is_enough: Callable[[], object]) -> None:
        _refuse_in_loop()

        def is_enough_now() -> object:
            return self._failures or is_enough()

        end_sec = self.now_sec + number(seconds, "the time that passes", least=0)
        while True:
            left_sec = max(0.0, end_sec - self.now_sec)
            passing = self._loop.pass_time(left_sec, is_enough_now, *self._spinning)
            self._loop.run_until_complete(passing)
            if self._failures:
                raise self._failures.pop(0)
            ended = [task for task in self._spinning if task.done()]
            if not ended:
                break
            for task in ended:
                try:
                    self._spinning.pop(task)._kit.destroy_or_raise()  # it may be a coroutine
                except Exception as error:  # noqa: BLE001  the others have to be ended, too
                    self._failures.append(error)
            for task in ended:
                task.result()
        self._check_types()

    def _check_types(self) -> None:
        news = [fault for fault in self._broker.faults if fault not in self._known_faults]
        self._known_faults.update(news)
        if news and self._types_matter:
            raise TypeMismatchError("\n".join(dict.fromkeys(news)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refuse_in_loop() -> None:
    refuse_in_loop("a graph in virtual time", "`await asyncio.to_thread(...)` around all of it")


def _is_users(topic: str) -> bool:
    return not is_hidden(topic) and topic not in EVERY_NODES_TOPICS


def _absolute(topic: str) -> str:
    return names.resolve_topic(topic, "test", "/", {})
