"""What a node is and how it lives: its name, its connection, its thread, its end."""

import inspect
import math
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

from typing_extensions import override

from dsmq_nodes.dsmq import inherited
from dsmq_nodes.errors import NodeConfigurationError, ParameterError, SpinError
from dsmq_nodes.graph import names
from dsmq_nodes.graph.callback import Callback, Result, as_error, callback_name, to_await
from dsmq_nodes.graph.links.forked_link import refuse
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.log.rosout import Rosout
from dsmq_nodes.graph.node_statistics import STATISTICS_PERIOD_SEC, node_statistics
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.parameters.node_services import offer_node_services
from dsmq_nodes.graph.parameters.parameter import Parameter
from dsmq_nodes.graph.parameters.parameter_events import ParameterEvents
from dsmq_nodes.graph.parameters.parameter_store import ParameterStore
from dsmq_nodes.graph.services.service_registry import Services
from dsmq_nodes.graph.spin import reserved_names as own_names
from dsmq_nodes.graph.spin import shutdown as life
from dsmq_nodes.graph.spin.context import surroundings
from dsmq_nodes.graph.spin.spinner import Spinner
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.graph.time.overruns import Punctuality
from dsmq_nodes.graph.time.sim_clock import SimClock
from dsmq_nodes.graph.time.timer import Timer
from dsmq_nodes.graph.time.watchdog import Silence
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.topic_registry import Topics
from dsmq_nodes.graph.topics.type_check import TypeCheck, schema_text
from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.messages.rosgraph import Clock as ClockMessage
from dsmq_nodes.topic_names import CLOCK_TOPIC, NODES_TOPIC


class BaseNode:
    """A node without what users make with it: `Node` adds that.

    Attributes:
        Params: the node's parameters; a nested subclass of `Parameters` names them.
        params: the parameters' values.
        rate_hz: the rate the node declares; the launch file's `rate:` overrides it.
        on_exception: what an exception in a callback does: "raise" ends the node, "log" logs it.
        use_sim_time: stamps, timers, rates and timeouts go by `/clock`; the parameter of this name
            and DSMQ_USE_SIM_TIME in the environment override it.
        on_type_mismatch: what it does when the other end of a topic has a type that does not fit:
            "warn" logs which fields, and the graph shows it; "raise" also ends the node.
        broker_timeout_sec: `enter_safe_state` is called when the broker has been lost for so long.
        name: the node's absolute name.
    """

    Params: ClassVar[type[Parameters]] = Parameters
    rate_hz: float | None = None
    on_exception: Literal["raise", "log"] = "raise"
    use_sim_time: bool = False
    on_type_mismatch: Literal["raise", "warn"] = "warn"
    broker_timeout_sec: float = 1.0

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own_names.check_methods(cls)

    def __init__(
        self,
        node_name: str,
        *,
        namespace: str = "",
        rate_hz: float | None = None,
        broker: tuple[str, int] | None = None,
        start_parameter_services: bool = True,
        parameter_overrides: Sequence[Parameter] = (),
    ) -> None:
        """Connect to the broker under a name.

        Args:
            node_name: letters, digits and underscores; must be unique in its namespace.
            namespace: where the node's relative names belong; "" is the root.
            rate_hz: the rate the node declares.
            broker: host and port; None: DSMQ_BROKER in the environment, else 127.0.0.1:30008.
            start_parameter_services: let others ask for and set its parameters and log levels.
            parameter_overrides: values of parameters, before those of the launch file.

        Raises:
            ConnectionFailedError: no broker answers.
            NodeNameTakenError: a node of this name is connected already.
            InvalidNameError: a name breaks the rules.
            ParameterError: parameters given here or by the launcher do not fit `Params`.
            NodeConfigurationError: the rate is not more than 0, or the class has set an attribute
                that is the node's own.
        """
        before = dict(vars(self))
        around = surroundings.get()
        given = around.environment()
        self._node_name = names.check_node_name(given.name or node_name)
        self._namespace = names.resolve_namespace(given.namespace or namespace)
        self._remap = given.remap
        self.name = names.resolve_topic("~", self._node_name, self._namespace, {})
        for rate in (given.rate_hz, rate_hz, self.rate_hz):
            if rate is not None:
                self.rate_hz = _checked_rate(self.name, rate)
                break
        params = given.params | {each.name: each.value for each in parameter_overrides}
        self.use_sim_time = self._uses_sim_time(params, given.use_sim_time)
        self.params, undeclared = self._load_params(params)
        self._parameters = ParameterStore(self.name, self.params, undeclared)
        if "use_sim_time" not in self._parameters:
            self._parameters.declare("use_sim_time", self.use_sim_time, None, read_only=True)
        self._wall_clock = around.clock
        self._logger = Logger(self.name, around.clock)
        self._destroyed = False
        self._is_inherited = False  # by a process that was forked
        self._timers: list[Timer] = []
        self._link = around.connect(self.name, broker)
        self._rosout = self._logger.rosout = Rosout(self._link, around.clock)
        raises = self.on_exception == "raise"
        self._spinner = Spinner(self._link, self._logger, self.name, raises=raises)
        self._topics = Topics(self._link, self._spinner, around.clock, self._logger)
        fails = self._spinner.fail if self.on_type_mismatch == "raise" else None
        self._link.on_differs = TypeCheck(self._link, self._logger, self.name, fails).met
        self._machine_clock = around.node_clock(around.clock, self._spinner.execute, self._logger)
        self._clock: BaseClock = self._follow_clock() if self.use_sim_time else self._machine_clock
        self._services = Services(
            self.name,
            link=self._link,
            spinner=self._spinner,
            graph=self._topics.graph,
            logger=self._logger,
        )
        self._parameters.raised = self._spinner.exceptions.tell
        self._parameters.changed = ParameterEvents(self.name, self._link, around.clock).publish
        if start_parameter_services and self._link.has_graph:
            offer_node_services(self.name, self._services, self._parameters, self._logger)
        self._own_publication = self._link.advertise(
            NODES_TOPIC, NodeStatistics.type_name, 0, schema_text(NodeStatistics)
        )
        self._spinner.exceptions.on_new = self._publish_statistics
        self._punctuality = Punctuality(self._logger)
        execute = self._spinner.execute
        statistics = Timer(STATISTICS_PERIOD_SEC, self._look_after, self._quietly)
        self._spinner.add(statistics, is_steady=True)
        self._outage = Silence(
            self.broker_timeout_sec, self._broker_lost, execute, what="broker_timeout_sec"
        )
        self._spinner.on_outage = self._on_outage
        self._before_safe_state: list[Callable[[], object]] = []
        self._when_broker_is_back: list[Callable[[], None]] = []
        self._own = {name: value for name, value in vars(self).items() if name not in before}
        life.began(self)
        own_names.refuse(self, own_names.changed(self, before))

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

    def get_clock(self) -> BaseClock:
        """The node's clock: this machine's, or with `use_sim_time` what `/clock` says."""
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

    def resolve_topic_name(self, topic: str) -> str:
        """The absolute name of what this node calls `topic`, remapping included.

        Raises:
            InvalidNameError: the name breaks the rules.
        """
        return names.resolve_topic(topic, self._node_name, self._namespace, self._remap)

    # To override

    def on_shutdown(self, *args: Any, **kwargs: Any) -> Any:
        """`on_shutdown()` is called once when the node ends, however; publishing still works.

        It may be `async def`: see `enter_safe_state`. Declared so wide because a lifecycle node's
        takes a state.
        """

    def enter_safe_state(self) -> Result:
        """Stop what moves, switch off what heats.

        Called before `on_shutdown`, and when the broker has been lost for `broker_timeout_sec`. It
        may be `async def`: the end of the node waits for it, 3 s at most; no callback runs
        meanwhile, and services may be called.
        """

    # Spinning

    async def spin_async(self) -> None:
        """Run the node's callbacks in the running event loop until `shutdown` or an exception.

        Raises:
            Exception: what a callback raised, with `on_exception` "raise".
            ParameterError: the launcher gave a parameter that the node has not declared.
            NodeConfigurationError: its class has set an attribute that is the node's own.
        """
        self._spinner.check_process()
        taken = own_names.changed(self, self._own)
        vars(self).update({name: self._own[name] for name in taken})  # so that it can be ended
        own_names.refuse(self, taken)
        self._check_parameters()
        await self._spinner.spin()

    def create_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the callbacks, as soon as the node spins; cancelled at its end.

        Raises:
            TypeError: it is not a coroutine.
        """
        given: object = work
        if not inspect.isawaitable(given):
            what = callback_name(given) if callable(given) else repr(given)
            raise TypeError(
                f"create_task takes a coroutine, what an `async def` gives when it is called, not "
                f"{what:.60}"
            )
        self._spinner.begin(work)

    def shutdown(self) -> None:
        """End `spin`, from any thread; the node is destroyed by who made it spin."""
        self._spinner.shut_down()

    def destroy_node(self) -> Result:
        """Enter the safe state, say goodbye and disconnect. Once; later calls do nothing.

        A class may have its own, `def` or `async def`, that calls this one.
        """
        self._end(is_whole=True)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """As `destroy_node`; a class may have its own: a coroutine, or one that fails."""
        if self._is_inherited:
            return
        try:
            self._run_hook(self.destroy_node)
        finally:
            self._end(is_whole=True)  # what moves is stopped in any case

    def _destroy(self) -> None:
        """As `_leave`; what a `destroy_node` of its own raises is told."""
        try:
            self._run_hook(self.destroy_node)
        except Exception as error:  # noqa: BLE001  other nodes are to be ended
            self._spinner.exceptions.tell(self.destroy_node, error)
        finally:
            self._end(is_whole=True)

    def _end(self, *, is_whole: bool) -> None:
        """As `destroy_node`; what the hooks of a half-made node raise is told in one line."""
        if self._destroyed:
            return
        self._destroyed = True
        life.ended(self)
        self._spinner.end()
        with life.undisturbed():
            broken = self._run_last_hooks(is_whole=is_whole)
            self._topics.close()
            self._services.close()
            self._spinner.close()
            self._rosout.close()
            self._link.close()
        if broken is not None:
            raise broken

    def _run_last_hooks(self, *, is_whole: bool) -> BaseException | None:
        """Run all of them, whatever one raises; what is no Exception is returned."""
        broken: BaseException | None = None
        for hook, named in self._last_hooks():
            try:
                self._run_hook(hook)
            except BaseException as error:  # noqa: BLE001  the others must run in any case
                is_brief = not is_whole or isinstance(error, SpinError)
                exceptions = self._spinner.exceptions
                (exceptions.tell_briefly if is_brief else exceptions.tell)(named, error)
                broken = broken or (None if isinstance(error, Exception) else error)
        return broken

    def _forked(self) -> None:
        """In a forked child: the node is the parent's, which alone may stop it or say goodbye."""
        self._destroyed = self._is_inherited = True
        why = inherited.made_before_the_fork(self.name)
        self._rosout.close()
        self._spinner.refuse(why)
        refuse(self._link, why)

    def _run_hook(self, hook: Callable[[], object]) -> None:
        """Run what a class may override as `def` or `async def`, to its end."""
        try:
            work = to_await(hook(), hook)
        except CancelledError as error:
            raise as_error(error) from error
        if work is not None:
            self._spinner.finish(work)

    def _exception_count(self) -> int:
        return self._spinner.exceptions.count

    # Within

    def _load_params(self, given: dict[str, Any]) -> tuple[Parameters, dict[str, Any]]:
        """The model's parameters, and what is left for `declare_parameter`.

        A model with fields is all there is, unless its config says that extra ones are not
        forbidden: a wrong name is told before the node does anything.
        """
        model, fields = self.Params, self.Params.model_fields
        if fields and model.model_config.get("extra") == "forbid":
            return model.load(given, self.name), {}
        own = {name: given[name] for name in given if name.partition(".")[0] in fields}
        return model.load(own, self.name), {n: v for n, v in given.items() if n not in own}

    def _check_parameters(self) -> None:
        """The node is complete: whatever parameter it was given has to be there."""
        self._parameters.check_given()

    def _uses_sim_time(self, params: dict[str, Any], given: bool | None) -> bool:
        """Take the parameter that every node has out of those of this one."""
        if "use_sim_time" in params and "use_sim_time" not in self.Params.model_fields:
            asked = params.pop("use_sim_time")
            if not isinstance(asked, bool):
                raise ParameterError(
                    f"parameters of {self.name}: use_sim_time is true or false, not {asked!r}"
                )
            return asked
        return self.use_sim_time if given is None else given

    def _follow_clock(self) -> SimClock:
        clock = SimClock(self._spinner.execute)
        self._topics.subscribe(
            ClockMessage,
            self.resolve_topic_name(CLOCK_TOPIC),
            lambda msg: clock.set(msg.clock),
            QoSProfile(depth=1),
        )
        self._spinner.timeline = clock
        return clock

    def _last_hooks(self) -> tuple[tuple[Callable[[], object], object], ...]:
        """What is run when the node ends, in this order, and as what it is told of."""
        hooks = (self.enter_safe_state, self.on_shutdown, self._publish_statistics)
        return tuple((hook, hook) for hook in hooks)

    def _on_outage(self, lost: bool) -> None:
        if lost:
            self._topics.graph.forget()
            self._spinner.add(self._outage, is_steady=True)
        else:
            self._topics.graph.regain()
            self._spinner.remove(self._outage)
            for tell in self._when_broker_is_back:
                tell()

    def _broker_lost(self) -> Result:
        self._logger.error(
            f"the broker has been lost for {self.broker_timeout_sec:g} s: entering the safe state"
        )
        for stop in self._before_safe_state:
            stop()
        return self.enter_safe_state()

    def _quietly(self, callback: Callback, _named: Callback) -> None:
        """Run what is the kit's own: it is no callback that `spin_once` waits for."""
        callback()

    def statistics(self) -> NodeStatistics:
        """The node's counters since it started."""
        return node_statistics(
            self.name,
            self._wall_clock.now(),
            self.rate_hz,
            timers=self._timers,
            publications=dict.fromkeys(each.publication for each in self._topics.publishers),
            subscriptions=self._topics.subscriptions(),
            exceptions=self._spinner.exceptions,
            busy=self._spinner.busy,
            clock_set_back_sec=self._machine_clock.set_back_sec,
        )

    def _look_after(self) -> None:
        self._machine_clock.look()
        self._punctuality.look(self._timers, self._wall_clock.monotonic_sec())
        self._publish_statistics()

    def _publish_statistics(self) -> None:
        self._link.publish(self._own_publication, BaseNode.statistics(self).to_json())
        for each in self._spinner.busy.values():
            each.longest_sec = 0.0


def _checked_rate(name: str, rate_hz: float) -> float:
    if not 0 < rate_hz < math.inf:
        raise NodeConfigurationError(
            f"{name}: a rate is more than 0 Hz and finite, not {rate_hz!r}: see rate_hz in the "
            "class, or rate: in the launch file"
        )
    return rate_hz
