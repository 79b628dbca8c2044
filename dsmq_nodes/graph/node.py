"""The node: what a user subclasses."""

import asyncio
import inspect
import os
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, Literal

from dsmq_nodes.dsmq.address import broker_address
from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.errors import NodeConfigurationError
from dsmq_nodes.graph import names
from dsmq_nodes.graph.clock import Clock
from dsmq_nodes.graph.environment import NodeEnvironment
from dsmq_nodes.graph.link import DsmqLink, Link, Publication
from dsmq_nodes.graph.logger import Logger
from dsmq_nodes.graph.parameters import Parameters
from dsmq_nodes.graph.publisher import MessageT, Publisher
from dsmq_nodes.graph.qos import QoSProfile
from dsmq_nodes.graph.subscription import MessageInfo, Silence, Subscription
from dsmq_nodes.graph.timer import Timer
from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.dsmq_msgs import (
    NodeStatistics,
    PublisherStatistics,
    SubscriptionStatistics,
    TimerStatistics,
)

NODES_TOPIC: Final = "/dsmq/nodes"
_STATISTICS_PERIOD_SEC: Final = 1.0
_DISPATCH_SEC: Final = 0.002  # callbacks of messages run this long before timers get their turn

Result = Awaitable[None] | None
SubscriptionCallback = Callable[[MessageT], Result] | Callable[[MessageT, MessageInfo], Result]


class Node:
    """A node: subclass it, make publishers, subscriptions and timers in `__init__`, `run` it.

    All callbacks, `def` or `async def`, run in the one thread that spins.

    Attributes:
        Params: the node's parameters; a nested subclass of `Parameters` names them.
        params: the parameters' values.
        rate_hz: the rate the node declares; the launch file's `rate:` overrides it.
        on_exception: what an exception in a callback does: "raise" ends the node, "log" logs it.
        name: the node's absolute name.
    """

    Params: ClassVar[type[Parameters]] = Parameters
    rate_hz: float | None = None
    on_exception: Literal["raise", "log"] = "raise"

    def __init__(
        self,
        node_name: str,
        *,
        namespace: str = "",
        rate_hz: float | None = None,
        broker: tuple[str, int] | None = None,
    ) -> None:
        """Connect to the broker under a name.

        Args:
            node_name: letters, digits and underscores; must be unique in its namespace.
            namespace: where the node's relative names belong; "" is the root.
            rate_hz: the rate the node declares.
            broker: host and port; None: DSMQ_BROKER in the environment, else 127.0.0.1:30008.

        Raises:
            ConnectionFailedError: no broker answers.
            NodeNameTakenError: a node of this name is connected already.
            InvalidNameError: a name breaks the rules.
            ParameterError: parameters given by the launcher do not fit `Params`.
        """
        given = NodeEnvironment.take()
        self._node_name = names.check_node_name(given.name or node_name)
        self._namespace = names.resolve_namespace(given.namespace or namespace)
        self._remap = given.remap
        self.name = names.resolve_topic("~", self._node_name, self._namespace, {})
        self.rate_hz = given.rate_hz or rate_hz or self.rate_hz
        self.params = self.Params.load(given.params, self.name)
        self._logger = Logger(self.name)
        self._clock = Clock()
        self._timers: list[Timer] = []
        self._publications: list[Publication] = []
        self._subscriptions: dict[str, list[Subscription[Any]]] = {}
        self._arrivals: deque[Subscription[Any]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: dict[Subscription[Any], asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Future[None] | None = None
        self._dispatch_due = False
        self._destroyed = False
        self._link: Link = DsmqLink(*(broker or broker_address()), self.name)
        self._own_publication = self._link.advertise(NODES_TOPIC, NodeStatistics.type_name, 0)
        self._own_timer = Timer(_STATISTICS_PERIOD_SEC, self._publish_statistics, self._execute)

    # What the node is

    def get_name(self) -> str:
        """The node's own name, without its namespace."""
        return self._node_name

    def get_namespace(self) -> str:
        """The node's namespace, absolute."""
        return self._namespace

    def get_fully_qualified_name(self) -> str:
        """The node's absolute name."""
        return self.name

    def get_logger(self) -> Logger:
        """The node's logger."""
        return self._logger

    def get_clock(self) -> Clock:
        """The node's clock."""
        return self._clock

    def stamp(self, frame_id: str = "") -> Header:
        """A header with the time as it is now."""
        return Header(stamp=self._clock.now(), frame_id=frame_id)

    @property
    def period_sec(self) -> float:
        """One over the node's rate.

        Raises:
            NodeConfigurationError: the node has no rate.
        """
        if not self.rate_hz:
            raise NodeConfigurationError(
                f"{self.name} has no rate: set rate_hz in the class, or rate: in the launch file"
            )
        return 1.0 / self.rate_hz

    # Publishers, subscriptions, timers

    def create_publisher(
        self, msg_type: type[MessageT], topic: str, qos_profile: QoSProfile | int
    ) -> Publisher[MessageT]:
        """A publisher of `msg_type` on `topic`; an int is the depth.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
            ValueError: the depth is not a whole number from 1.
        """
        qos = QoSProfile.of(qos_profile)
        name = self.resolve_topic_name(topic)
        publication = self._link.advertise(name, msg_type.type_name, qos.latched)
        self._publications.append(publication)
        return Publisher(msg_type, publication, self._link)

    def create_subscription(
        self,
        msg_type: type[MessageT],
        topic: str,
        callback: SubscriptionCallback[MessageT],
        qos_profile: QoSProfile | int,
        *,
        timeout: float | None = None,
        on_timeout: Callable[[], Result] | None = None,
    ) -> Subscription[MessageT]:
        """Have `callback(msg)` or `callback(msg, info)` called for each message of `topic`.

        Args:
            msg_type: the type of the messages; one that does not fit is counted and logged.
            topic: the topic's name.
            callback: `def` or `async def`; a coroutine is finished before the next one starts.
            qos_profile: the depth: when callbacks are too slow the newest so many are kept.
            timeout: seconds without a message after which `on_timeout` is called, once until the
                next message; counted from the start of spinning.
            on_timeout: what to do about it, such as stopping the motors.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
            ValueError: the depth is not a whole number from 1, or the timeout not over 0.
            TypeError: the callback takes other arguments, or only one of timeout and on_timeout
                is given.
        """
        qos = QoSProfile.of(qos_profile)
        name = self.resolve_topic_name(topic)
        if (timeout is None) != (on_timeout is None):
            raise TypeError("timeout and on_timeout go together: give both or neither")
        silence = None
        if timeout is not None and on_timeout is not None:
            silence = Silence(timeout, on_timeout, self._execute)
        if silence is not None and self._loop is not None:
            silence.attach(self._loop)
        subscription = Subscription(
            msg_type, name, callback, qos.depth, self._logger, silence=silence
        )
        together = self._subscriptions.setdefault(name, [])
        together.append(subscription)
        depth = max(each.depth for each in together)

        def deliver(reply: Reply) -> None:
            for each in together:
                each.post(reply)
                self._arrivals.append(each)

        self._link.subscribe(name, depth, msg_type.type_name, deliver)
        return subscription

    def create_timer(self, timer_period_sec: float, callback: Callable[[], Result]) -> Timer:
        """Have `callback()` called every `timer_period_sec`, for the first time one period on.

        Raises:
            ValueError: the period is not more than 0.
        """
        timer = Timer(timer_period_sec, callback, self._execute)
        self._timers.append(timer)
        if self._loop is not None:
            timer.attach(self._loop)
        return timer

    def resolve_topic_name(self, topic: str) -> str:
        """The absolute name of what this node calls `topic`, remapping included.

        Raises:
            InvalidNameError: the name breaks the rules.
        """
        return names.resolve_topic(topic, self._node_name, self._namespace, self._remap)

    def destroy_timer(self, timer: Timer) -> None:
        """Stop a timer for good."""
        timer.cancel()
        if timer in self._timers:
            self._timers.remove(timer)

    def destroy_subscription(self, subscription: Subscription[Any]) -> None:
        """Have no more of a subscription."""
        together = self._subscriptions.get(subscription.topic_name, [])
        if subscription in together:
            together.remove(subscription)
            if not together:
                del self._subscriptions[subscription.topic_name]
                self._link.unsubscribe(subscription.topic_name)

    # To override

    def on_shutdown(self) -> None:
        """Called once when the node ends, however it ends; publishing still works."""

    def enter_safe_state(self) -> None:
        """Called before `on_shutdown`: stop what moves, switch off what heats."""

    # Spinning

    async def spin_async(self) -> None:
        """Run the node's callbacks in the running event loop until `shutdown` or an exception.

        Raises:
            Exception: what a callback raised, with `on_exception` "raise".
        """
        loop = asyncio.get_running_loop()
        self._attach(loop)
        self._done = loop.create_future()
        self._link.set_state("ready")
        try:
            await self._done
        finally:
            self._done = None
            self._detach()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def shutdown(self) -> None:
        """End `spin`; the node is destroyed by who made it spin."""
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def destroy_node(self) -> None:
        """Enter the safe state, say goodbye and disconnect. Once; later calls do nothing."""
        if self._destroyed:
            return
        self._destroyed = True
        for hook in (self.enter_safe_state, self.on_shutdown, self._publish_statistics):
            try:
                hook()
            except Exception:  # noqa: BLE001  the others must run in any case
                self._log_exception(hook)
        self._detach()
        self._link.close()

    def _attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._link.attach(loop, self._read_and_dispatch)
        for timed in self._timed():
            timed.attach(loop)

    def _timed(self) -> list[Timer | Silence]:
        subscriptions = [each for some in self._subscriptions.values() for each in some]
        silences = [each.silence for each in subscriptions if each.silence is not None]
        return [self._own_timer, *self._timers, *silences]

    def _detach(self) -> None:
        for timed in self._timed():
            timed.cancel()
        for task in self._tasks:
            task.cancel()
        self._link.detach()
        self._loop = None

    def _read_and_dispatch(self) -> None:
        """Drain, then dispatch: a slow callback sees the newest messages next, not the oldest."""
        self._link.drain()
        loop = self._loop
        if loop is None:
            return
        until_sec = loop.time() + _DISPATCH_SEC
        while self._arrivals:
            subscription = self._arrivals.popleft()
            if subscription not in self._busy:
                self._run_callback(subscription)
            if loop.time() > until_sec:
                break
        if self._arrivals and not self._dispatch_due:
            self._dispatch_due = True
            loop.call_soon(self._dispatch_again)

    def _dispatch_again(self) -> None:
        self._dispatch_due = False
        self._read_and_dispatch()

    def _run_callback(self, subscription: Subscription[Any]) -> None:
        task = self._execute(subscription.dispatch)
        if task is not None:
            self._busy[subscription] = task
            task.add_done_callback(lambda _: self._callback_done(subscription))

    def _callback_done(self, subscription: Subscription[Any]) -> None:
        del self._busy[subscription]
        self._arrivals.extend([subscription] * subscription.waiting)
        if self._loop is not None:
            self._read_and_dispatch()

    def _execute(self, callback: Callable[[], Result]) -> asyncio.Task[None] | None:
        """Call a callback; a coroutine becomes a task, an exception follows `on_exception`."""
        try:
            result = callback()
        except Exception as error:  # noqa: BLE001  the policy decides
            self._raised(callback, error)
            return None
        if not inspect.isawaitable(result) or self._loop is None:
            return None
        task = self._loop.create_task(self._await(callback, result))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _await(self, callback: Callable[[], Result], result: Awaitable[None]) -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001  the policy decides
            self._raised(callback, error)

    def _raised(self, callback: Callable[[], Result], error: Exception) -> None:
        if self.on_exception == "raise" and self._done is not None:
            if not self._done.done():
                self._done.set_exception(error)
        else:
            self._log_exception(callback)

    def _log_exception(self, callback: Callable[[], Result]) -> None:
        import traceback  # noqa: PLC0415  seldom needed

        name = getattr(callback, "__name__", repr(callback))
        self._logger.error(f"exception in {name}:\n{traceback.format_exc()}")

    # Statistics

    def statistics(self) -> NodeStatistics:
        """The node's counters since it started."""
        return NodeStatistics(
            stamp=self._clock.now(),
            name=self.name,
            pid=os.getpid(),
            rate_hz=self.rate_hz or 0.0,
            timers=[
                TimerStatistics(
                    name=timer.name,
                    rate_hz=1.0 / timer.period_sec,
                    achieved_hz=timer.achieved_hz,
                    ticks=timer.ticks,
                    overruns=timer.overruns,
                    lateness_p99_sec=timer.lateness.percentile_sec(99),
                )
                for timer in self._timers
            ],
            publishers=[
                PublisherStatistics(
                    topic=each.topic,
                    type=each.type_name,
                    messages=each.messages,
                    dropped=each.dropped,
                )
                for each in self._publications
            ],
            subscriptions=[
                SubscriptionStatistics(
                    topic=each.topic_name,
                    type=each.msg_type.type_name,
                    messages=each.messages,
                    dropped=each.dropped,
                    invalid=each.invalid,
                    latency_p50_sec=each.latency.percentile_sec(50),
                    latency_p99_sec=each.latency.percentile_sec(99),
                )
                for together in self._subscriptions.values()
                for each in together
            ],
        )

    def _publish_statistics(self) -> None:
        self._link.publish(self._own_publication, self.statistics().to_json())
