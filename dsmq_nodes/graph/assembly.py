"""The parts of a node, in the order in which they are made, and its end.

They lie under one attribute, `Node._kit`: every other name is free for the user's class.
"""

from asyncio import CancelledError
from collections.abc import Callable, Sequence
from functools import partial
from operator import call
from threading import Thread
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from dsmq_nodes.dsmq import inherited, wire
from dsmq_nodes.dsmq.address import AnyAddress
from dsmq_nodes.errors import NodeConfigurationError, ParameterError, SpinError
from dsmq_nodes.graph import names
from dsmq_nodes.graph.callback import Result, as_error, awaited, callback_name, to_await
from dsmq_nodes.graph.given import number
from dsmq_nodes.graph.links.forked_link import refuse
from dsmq_nodes.graph.links.link import Contact, Publication
from dsmq_nodes.graph.links.link_reader import LinkReader
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.log.rosout import Rosout
from dsmq_nodes.graph.node_statistics import STATISTICS_PERIOD_SEC, node_statistics
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.parameters.node_services import offer_node_services
from dsmq_nodes.graph.parameters.parameter import Parameter, listed
from dsmq_nodes.graph.parameters.parameter_events import ParameterEvents
from dsmq_nodes.graph.parameters.parameter_store import ParameterStore
from dsmq_nodes.graph.safe_state import Obeying, SafeState
from dsmq_nodes.graph.services.service_registry import Services
from dsmq_nodes.graph.spin import reserved_names, shutdown
from dsmq_nodes.graph.spin.blocked import log_in_thread, restart_watch
from dsmq_nodes.graph.spin.context import NodeContext, surroundings
from dsmq_nodes.graph.spin.dispatcher import Dispatcher
from dsmq_nodes.graph.spin.exceptions import Exceptions, call_if_unawaited
from dsmq_nodes.graph.spin.spinner import Spinner
from dsmq_nodes.graph.time.overruns import OverrunWatch
from dsmq_nodes.graph.time.sim_clock import SimClock
from dsmq_nodes.graph.time.timer import Timer
from dsmq_nodes.graph.time.watchdog import Watchdog
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.topic_registry import Topics
from dsmq_nodes.graph.topics.type_check import TypeCheck, schema_text
from dsmq_nodes.messages.model_class import outer_names
from dsmq_nodes.messages.node_counters import NodeStatistics
from dsmq_nodes.messages.rosgraph import Clock as ClockMessage
from dsmq_nodes.signals import wake_main_thread
from dsmq_nodes.topic_names import CLOCK_TOPIC, NODES_TOPIC

if TYPE_CHECKING:
    from dsmq_nodes.graph.time.clock import BaseClock


# Attributes of a class that have one of two values.
_SETTINGS: Final = {
    "on_exception": ("raise", "log"),
    "on_type_mismatch": ("raise", "warn"),
    "use_sim_time": (True, False),
}


class NodeHooks(Protocol):
    """The part of the user's node that its kit uses."""

    @property
    def Params(self) -> type[Parameters]:  # noqa: N802  a class
        """The model of the node's parameters."""

    rate_hz: float | None
    on_exception: Literal["raise", "log"]
    use_sim_time: bool
    on_type_mismatch: Literal["raise", "warn"]
    broker_timeout_sec: float

    def enter_safe_state(self) -> Result:
        """Stop everything that moves."""

    def on_shutdown(self, *args: Any, **kwargs: Any) -> Any:
        """Run the node's last hook."""

    def destroy_node(self) -> Result:
        """End the node; a class may override it."""


class NodeKit:
    """The parts of one node.

    Attributes:
        node: the node that the parts belong to.
        own_name: the node's name without its namespace.
        name: the node's absolute name.
        rate_hz: the rate, in Hz: the launch file's, else the declared one; None: neither.
        uses_sim_time: whether stamps, timers and timeouts follow `/clock`.
        params: the values of the node's model of parameters.
        wall_clock: this machine's clock; messages are stamped by it.
        clock: the clock that users get.
        timers: the timers that users have created.
        is_broker_lost: whether the node is in its safe state because the broker is lost; commands
            are refused then.
        safe_state: enters the node's safe state.
        when_broker_is_back: called when an outage has ended.
    """

    def __init__(
        self,
        node: NodeHooks,
        node_name: str,
        *,
        namespace: str,
        rate_hz: float | None,
        broker: AnyAddress | None,
        start_parameter_services: bool,
        parameter_overrides: Sequence[Parameter],
    ) -> None:
        """Make the parts; arguments and exceptions are those of `Node`."""
        around = surroundings.get()
        given = around.environment()
        self.node = node
        # Check settings, names, the rate and parameters before anything is opened.
        _check_settings(node)
        self.own_name = names.check_node_name(given.name or node_name)
        self.namespace = names.resolve_namespace(given.namespace or namespace)
        self._remap = given.remap
        self.name = names.resolve_topic("~", self.own_name, self.namespace, {})
        self.rate_hz = _first_rate(self.name, given.rate_hz, rate_hz, node.rate_hz)
        params = given.params | {each.name: each.value for each in listed(parameter_overrides)}
        self.uses_sim_time = self._takes_sim_time(params, given.use_sim_time)
        self._places = given.places
        self.params, undeclared = self._load_params(params)
        self.wall_clock = around.clock
        self._is_destroyed = self._is_made_safe = False
        self._broken: BaseException | None = None  # what a hook of the end raised, as SystemExit
        self._was_idle = False  # whether, at its end, it had callbacks but was never spun
        self._is_inherited = False  # whether this process is a forked child
        self.timers: list[Timer] = []
        self.when_broker_is_back: list[Callable[[], None]] = []
        # Everything from here on uses the queue.
        self.link = around.connect(self.name, broker, self._on_differs)
        try:
            self._build(around, undeclared, start_parameter_services)
        except BaseException:
            self.link.close()  # its name is free again
            raise

    def _build(
        self, around: NodeContext, undeclared: dict[str, Any], start_parameter_services: bool
    ) -> None:
        """Make the parts that talk to the queue, in their order."""
        node = self.node
        # The log goes to the queue too. All parts below may log.
        self._rosout = Rosout(self.link, around.clock)
        self.logger = Logger(self.name, around.clock, self._rosout)
        # All parts below have callbacks, which the dispatcher calls, and which may raise.
        exceptions = Exceptions(self.logger, self.publish_statistics)
        raises = node.on_exception == "raise"
        self.dispatcher = Dispatcher(self.link, self.logger, exceptions, raises=raises)
        self.safe_state = SafeState(node, self.dispatcher, self.run_hook, self.logger.error)
        self.spinner = Spinner(self.link, self.dispatcher, self.logger, self.name, self._on_outage)
        self.spinner.when_blocked = self._check_blocked
        self.topics = Topics(self.link, self.spinner, around.clock, self.logger)
        fails = self.dispatcher.end if node.on_type_mismatch == "raise" else None
        self._type_check = TypeCheck(self.link, self.logger, self.name, fails)
        # A simulated clock is a subscription, so it comes after the topics.
        execute = self.dispatcher.execute
        self._machine_clock = around.node_clock(around.clock, execute, self.logger.warning)
        self.clock: BaseClock = self._follow_clock() if self.uses_sim_time else self._machine_clock
        # Clients look for their servers in the graph, which `topics` follows.
        self.services = Services(self.name, self.link, self.spinner, self.topics.graph, self.logger)
        # Parameters publish their changes on a topic, and are offered as services.
        self.parameters = ParameterStore(
            self.name,
            self.params,
            undeclared,
            places=self._places,
            raised=self.dispatcher.exceptions.log,
            changed=ParameterEvents(self.name, self.link, around.clock).publish,
        )
        if "use_sim_time" not in self.parameters:
            self.parameters.declare("use_sim_time", self.uses_sim_time, None, read_only=True)
        if start_parameter_services and self.link.has_graph:
            offer_node_services(self.name, self.services, self.parameters, self.logger)
        # The statistics cover all of the parts above.
        self._own_publication = self.link.advertise(
            NODES_TOPIC, NodeStatistics.type_name, 0, schema_text(NodeStatistics)
        )
        self._overruns = OverrunWatch(self.logger.warning)
        # It is called directly: a callback of the kit itself does not count for `spin_once`.
        statistics = Timer(STATISTICS_PERIOD_SEC, self._each_second, call, self.spinner.begin)
        self.spinner.add(statistics, is_steady=True)
        # This watchdog runs during an outage only: see _on_outage.
        self._is_outage = self.is_broker_lost = self._is_end_logged = False
        self._outage = Watchdog(
            node.broker_timeout_sec, self._broker_lost, execute, what="broker_timeout_sec"
        )

    def _load_params(self, given: dict[str, Any]) -> tuple[Parameters, dict[str, Any]]:
        """Return the model's parameters, and the values that are left for `declare_parameter`.

        A model with fields forbids other parameters, unless its config allows them, so that a wrong
        name is an error before the node does anything.
        """
        model: object = self.node.Params
        if not (isinstance(model, type) and issubclass(model, Parameters)):
            raise NodeConfigurationError(
                f"{type(self.node).__qualname__}.Params is no model of parameters: write "
                "`class Params(Parameters):`"
            )
        fields = outer_names(model).values()
        if fields and model.model_config.get("extra") == "forbid":
            return model.load(given, self.name, self._places), {}
        own = {name: given[name] for name in given if name.partition(".")[0] in fields}
        left = {n: v for n, v in given.items() if n not in own}
        return model.load(own, self.name, self._places), left

    def _takes_sim_time(self, params: dict[str, Any], given: bool | None) -> bool:
        """Return `use_sim_time`, and remove it from the given parameters; every node has it."""
        if "use_sim_time" in params and "use_sim_time" not in self.node.Params.model_fields:
            asked = params.pop("use_sim_time")
            if not isinstance(asked, bool):
                raise ParameterError(
                    f"parameters of {self.name}: use_sim_time is true or false, not {asked!r}"
                )
            return asked
        return self.node.use_sim_time if given is None else given

    def _follow_clock(self) -> SimClock:
        clock = SimClock(self.dispatcher.execute)
        self.topics.add_subscription(
            ClockMessage,
            self.resolve_name(CLOCK_TOPIC),
            lambda msg: clock.set(msg.clock),
            QoSProfile(depth=1),
        )
        self.spinner.timeline = clock
        return clock

    def resolve_name(self, name: str) -> str:
        """Return the absolute name of a topic or service, after remapping.

        Raises:
            InvalidNameError: the name breaks the rules.
        """
        return names.resolve_topic(name, self.own_name, self.namespace, self._remap)

    # While it runs

    @property
    def is_active(self) -> bool:
        """Whether actuators may obey commands; False for a lifecycle node that is not active."""
        return True

    def _on_differs(self, reply: wire.Reply, own: Publication | LinkReader) -> None:
        self._type_check.check_end(reply, own)

    def check_parameters(self) -> None:
        """Check that every parameter that the node was given is declared, now that it is complete.

        Raises:
            ParameterError: the launcher gave a parameter that the node has not declared.
        """
        self.parameters.check_given()

    async def spin(self) -> None:
        """Spin the node; call `safe_state.enter_unspun` or `end` after it.

        Raises:
            Exception: see `Node.spin_async`.
        """
        self.spinner.check_process()
        settled = {"params": self.params, "use_sim_time": self.uses_sim_time}
        reserved_names.check_attributes(self.node, settled)
        self.check_parameters()
        await self.spinner.spin()

    def log_if_unawaited(self, work: CodeType) -> None:
        """Log the exception that ends the spinning, if it runs as a task that nothing awaits."""
        text = f"{self.name} is not spun any longer, and nothing awaits the task that did"
        call_if_unawaited(work, partial(self.logger.traceback, text))

    async def call_now(
        self, callback: Callable[[list[Parameter]], Any], changes: list[Parameter]
    ) -> Any:
        """Call a callback for parameters; an `async def` is awaited only where a loop can run."""
        try:
            work = to_await(result := callback(changes), callback)
        except CancelledError as error:
            raise as_error(error) from error
        if work is None:
            return result
        if callback in self.parameters.post_set:
            self.dispatcher.begin(work, callback)
            return None
        return self.spinner.wait_through(awaited(work))

    def _on_outage(self, contact: Contact) -> None:
        if contact == "lost":
            self.topics.graph.forget()
        if contact != "here" and not self._is_outage:
            self.spinner.add(self._outage, is_steady=True)
        self._is_outage = contact != "here"
        if not self._is_outage:
            self.is_broker_lost = False
            self.topics.graph.is_lost = False  # the broker will send a graph
            self.spinner.remove(self._outage)
            for call in self.when_broker_is_back:
                call()

    def _broker_lost(self) -> Result:
        def log() -> None:
            self.logger.error(
                f"the broker has been lost for {self.node.broker_timeout_sec:g} s: entering the "
                "safe state"
            )

        self.is_broker_lost = True
        self.safe_state.halt()
        return self.safe_state.enter(log)

    def _check_blocked(self, is_reported: bool, place: int) -> None:
        """Stop an overdue actuator of a node that does not go on; runs in another thread."""
        loop = self.dispatcher.loop
        is_running = loop is None or loop.is_running()
        meanwhile = "a callback blocks" if is_running else "its event loop does not run"
        why = f"no command can be noticed while {meanwhile}"
        self.safe_state.check_from_thread(why, is_blocked=is_reported, place=place)
        if is_reported and self.dispatcher.is_shut_down:
            if not self._is_end_logged:
                self._is_end_logged = True
                what = "it ends with that callback; Ctrl-C again breaks it off"
                log_in_thread(self.logger.warning, what)
            wake_main_thread()

    def obey_by(self, actuator: Obeying) -> None:
        """Add an actuator; it is stopped when its timeout cannot be noticed."""
        self.safe_state.actuators.append(actuator)
        self.spinner.when_unspun = self._check_unspun

    def _check_unspun(self) -> None:
        """Stop an overdue actuator while nobody spins the node; runs in another thread."""
        self.safe_state.check_from_thread("no command can be noticed while nobody spins the node")

    def stop_in_thread(self, why: str = "") -> Thread:
        """Enter the safe state in another thread, and return that."""
        return self.safe_state.enter_in_thread(why)

    def shut_down(self) -> None:
        """End the spinning in another thread, now or later."""
        self.spinner.shut_down()

    def statistics(self) -> NodeStatistics:
        """Return the node's counters since it started."""
        return node_statistics(
            self.name,
            self.wall_clock.now(),
            self.node.rate_hz,
            timers=self.timers,
            publications=dict.fromkeys(each.publication for each in self.topics.publishers),
            subscriptions=self.topics.subscriptions(),
            exceptions=self.dispatcher.exceptions,
            busy=self.dispatcher.busy,
            former=self.topics.former,
            clock_set_back_sec=self._machine_clock.set_back_sec,
        )

    def publish_statistics(self) -> None:
        """Publish the node's counters."""
        self.link.publish(self._own_publication, self.statistics().to_json())
        for each in self.dispatcher.busy.values():
            each.longest_sec = 0.0

    def _each_second(self) -> None:
        if self.safe_state.has_failed:
            self.dispatcher.begin(self.safe_state.enter_again(), self.node.enter_safe_state)
        restart_watch()
        self._machine_clock.check()
        busy_sec = sum(each.busy_sec for each in self.dispatcher.busy.values())
        self._overruns.check(self.timers, self.wall_clock.monotonic_sec(), busy_sec)
        self.publish_statistics()

    # The end

    def destroy_or_raise(self) -> None:
        """End the node by its `destroy_node`, which may be a coroutine and may raise."""
        if self._is_inherited:
            return
        try:
            self.run_hook(self.node.destroy_node)
        finally:
            self.end(is_whole=True)  # what moves is stopped in any case

    def destroy(self) -> None:
        """Do the same as `destroy_or_raise`, but log an exception of the node's `destroy_node`."""
        try:
            self.run_hook(self.node.destroy_node)
        except Exception as error:  # noqa: BLE001  other nodes are to be ended
            self.dispatcher.exceptions.log(self.node.destroy_node, error)
        finally:
            self.end(is_whole=True)

    def end(self, *, is_whole: bool) -> None:
        """Run the last hooks and disconnect, once; `is_whole`: the node's constructor returned.

        An exception in a hook of a half-made node is logged in one line.
        """
        if self._is_destroyed:
            return
        self._is_destroyed = True
        self.safe_state.close()
        self._was_idle = not self.spinner.was_spun and self._has_callbacks()
        shutdown.untrack(self)
        with shutdown.undisturbed():
            own = getattr(self.node.destroy_node, "__module__", None) != f"{__package__}.node"
            if own or not self._is_made_safe:  # the class's `destroy_node` may have moved it again
                self.make_safe(is_whole=is_whole)
            for hook in self.last_hooks():
                self._run_last_hook(*hook, is_whole=is_whole)
            self.topics.close()
            self.services.close()
            self.spinner.close()
            self._rosout.close()
            self.link.close()
        if self._broken is not None:
            raise self._broken

    def make_safe(self, *, is_whole: bool) -> None:
        """End the spinning and enter the safe state; `end` does the rest.

        If the safe state fails it is entered a second time: later nothing stops what moves.
        """
        self._is_made_safe = True
        self.spinner.end()
        safe = self.safe_state.enter, self.node.enter_safe_state
        with shutdown.undisturbed():
            error = self._run_last_hook(*safe, is_whole=is_whole)
            has_hung = isinstance(error, SpinError) and error.__cause__ is None
            if error is not None and is_whole and not has_hung:
                self._run_last_hook(*safe, is_whole=is_whole)

    def _run_last_hook(
        self, hook: Callable[[], object], named: object, *, is_whole: bool
    ) -> BaseException | None:
        """Run a hook; log and return what it raises; `end` raises it if it is no `Exception`."""
        try:
            name = callback_name(named)
            with shutdown.report_if_it_hangs(lambda text: self.logger.error(f"{name} {text}")):
                self.run_hook(hook)
        except BaseException as error:  # noqa: BLE001  the others must run in any case
            if is_whole or not self._was_not_made(hook, error):
                is_brief = not is_whole or isinstance(error, SpinError)
                exceptions = self.dispatcher.exceptions
                (exceptions.log_briefly if is_brief else exceptions.log)(named, error)
                if not isinstance(error, Exception):
                    self._broken = self._broken or error
                return error
        return None

    def warn_if_unspun(self) -> None:
        """Warn, after the end, if the node had callbacks and was never spun."""
        if self._was_idle:
            self.logger.warning(
                f"the program ends, and no callback of {self.name} was called: nothing spun the "
                f"node; write `run({type(self.node).__name__})` at the end of the program"
            )

    def _has_callbacks(self) -> bool:
        return bool(self.timers) or any(each.callback for each in self.topics.subscriptions())

    def _was_not_made(self, hook: Callable[[], object], error: BaseException) -> bool:
        """Whether `on_shutdown` of a half-made node failed for an attribute that is not set yet.

        Such an error is not logged: the exception that ended the constructor says more. It is
        logged for `enter_safe_state`, since something may still move.
        """
        is_missing = isinstance(error, AttributeError) and error.obj is self.node
        return is_missing and hook == self.node.on_shutdown

    def last_hooks(self) -> tuple[tuple[Callable[[], object], object], ...]:
        """Return the hooks of the end after the safe state, each with its name for logs."""
        node = self.node
        return (
            (node.on_shutdown, node.on_shutdown),
            (self.publish_statistics, self.publish_statistics),
        )

    def run_hook(self, hook: Callable[[], object]) -> None:
        """Run a hook, which a class may override as `def` or `async def`, to its end."""
        try:
            work = to_await(hook(), hook)
        except CancelledError as error:
            raise as_error(error) from error
        if work is not None:
            self.spinner.finish(work)

    def forked(self) -> None:
        """Detach from the parent's node in a forked child: only the parent may end it."""
        self._is_destroyed = self._is_inherited = True
        self.safe_state.close()
        why = inherited.made_before_the_fork(self.name)
        self._rosout.close()
        self.spinner.refuse(why)
        for each in self.topics.publishers:
            each.forked()
        refuse(self.link, why)

    @property
    def exception_count(self) -> int:
        """Return the number of exceptions in the node's callbacks and hooks."""
        return self.dispatcher.exceptions.count


def _check_settings(node: NodeHooks) -> None:
    """Check that the settings of a class have one of their two values.

    Raises:
        NodeConfigurationError: a setting has another value.
    """
    for name, (one, other) in _SETTINGS.items():
        if (value := getattr(node, name)) not in {one, other}:
            raise NodeConfigurationError(
                f"{type(node).__qualname__}.{name} is {one!r} or {other!r}, not {value!r}"
            )


def _first_rate(name: str, *rates: float | None) -> float | None:
    """Return the first of the rates that is given.

    Raises:
        NodeConfigurationError: it is not more than 0.
    """
    rate_hz = next((rate for rate in rates if rate is not None), None)
    try:
        return None if rate_hz is None else number(rate_hz, f"{name}: a rate", "Hz")
    except (TypeError, ValueError) as error:
        where = "see rate_hz in the class, or rate: in the launch file"
        raise NodeConfigurationError(f"{error}: {where}") from None
