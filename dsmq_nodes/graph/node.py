"""The node: what a user subclasses. The whole API is on this page.

The methods are thin: each kind of thing has a module of its own. The parts of a node are in
assembly.py.
"""

import asyncio
import inspect
from collections.abc import Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from typing_extensions import override

from dsmq_nodes import messages
from dsmq_nodes.dsmq.address import AnyAddress
from dsmq_nodes.errors import NodeConfigurationError, ParameterError
from dsmq_nodes.graph import names
from dsmq_nodes.graph.assembly import NodeKit
from dsmq_nodes.graph.callback import Callback, MessageT, Result, callback_name, check_takes
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.parameters.parameter import Parameter, listed
from dsmq_nodes.graph.parameters.parameter_store import OnSet, PostSet
from dsmq_nodes.graph.services.future import Future, T, run_as_future
from dsmq_nodes.graph.services.service_client import Client
from dsmq_nodes.graph.services.service_server import ServiceCallback, ServiceServer
from dsmq_nodes.graph.spin import reserved_names, shutdown
from dsmq_nodes.graph.spin.event_loop import run_through
from dsmq_nodes.graph.spin.rate import Rate
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.graph.time.timer import Timer
from dsmq_nodes.graph.topics.graph_view import GraphEndpoint
from dsmq_nodes.graph.topics.publisher import Publisher
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.subscription import Subscription, SubscriptionCallback
from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.node_counters import NodeStatistics
from dsmq_nodes.messages.service_base import RequestT, ResponseT, ServiceType

if TYPE_CHECKING:
    from dsmq_nodes.messages.rcl_interfaces import ParameterDescriptor, SetParametersResult


class _Name:
    """A node's absolute name, unless its class has a `name` of its own."""

    def __get__(self, node: "Node", _: type | None = None) -> str:
        return node.get_fully_qualified_name()


class Node:
    """A node: subclass it, make publishers, subscriptions and timers in `__init__`, `run` it.

    All callbacks, `def` or `async def`, run in the one thread that spins.

    Attributes:
        Params: the node's parameters; a nested subclass of `Parameters` names them.
        params: the parameters' values.
        rate_hz: the rate the node declares; the launch file's `rate:` overrides it.
        on_exception: what an exception in a callback does: "raise" ends the node, "log" logs it.
        use_sim_time: stamps, timers, rates and timeouts follow `/clock`; the parameter of this name
            and DSMQ_USE_SIM_TIME in the environment override it.
        on_type_mismatch: what happens when the other end of a topic has a type that does not fit:
            "warn" logs which fields, and the graph shows it; "raise" also ends the node.
        broker_timeout_sec: `enter_safe_state` is called when the broker has been lost for this
            long; a broker that does not answer counts as lost 2 to 3 s after its last answer.
        name: the node's absolute name; a subclass may use `self.name` for something else.
    """

    Params: ClassVar[type[Parameters]] = Parameters
    rate_hz: float | None = None
    on_exception: Literal["raise", "log"] = "raise"
    use_sim_time: bool = False
    on_type_mismatch: Literal["raise", "warn"] = "warn"
    broker_timeout_sec: float = 1.0
    name = _Name()
    _kit_class: ClassVar[type[NodeKit]] = NodeKit
    _kit: NodeKit = reserved_names.OwnAttribute()  # type: ignore[assignment]

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        reserved_names.check_methods(cls)

    def __init__(
        self,
        node_name: str,
        *,
        namespace: str = "",
        rate_hz: float | None = None,
        broker: AnyAddress | None = None,
        start_parameter_services: bool = True,
        parameter_overrides: Sequence[Parameter] = (),
    ) -> None:
        """Connect to the broker under a name.

        Args:
            node_name: letters, digits and underscores; must be unique in its namespace.
            namespace: where the node's relative names are resolved; "" is the root.
            rate_hz: the rate the node declares.
            broker: host and port, or a text as `host:port`; None: DSMQ_BROKER in the environment,
                else 127.0.0.1:30008.
            start_parameter_services: serve this node's parameters and log levels to others.
            parameter_overrides: values of parameters; they override the launch file's.

        Raises:
            ConnectionFailedError: no broker answers.
            NodeNameTakenError: a node of this name is connected already.
            InvalidNameError: a name breaks the rules.
            ParameterError: parameters given here or by the launcher do not fit `Params`.
            NodeConfigurationError: the rate is not more than 0, or the class has set an attribute
                that is the node's own.
        """
        settled = {"params", "use_sim_time"}
        before = {name: value for name, value in vars(self).items() if name in settled}
        kit = self._kit = self._kit_class(
            self,
            node_name,
            namespace=namespace,
            rate_hz=rate_hz,
            broker=broker,
            start_parameter_services=start_parameter_services,
            parameter_overrides=parameter_overrides,
        )
        self.rate_hz = kit.rate_hz
        self.params, self.use_sim_time = kit.params, kit.uses_sim_time
        shutdown.track(kit)
        reserved_names.check_attributes(self, before)

    # Name, clock and statistics

    def get_name(self) -> str:
        """Return the node's own name, without its namespace."""
        return self._kit.own_name

    def get_namespace(self) -> str:
        """Return the node's namespace, absolute."""
        return self._kit.namespace

    def get_fully_qualified_name(self) -> str:
        """Return the node's absolute name."""
        return self._kit.name

    def get_logger(self) -> Logger:
        """Return the node's logger."""
        return self._kit.logger

    def get_clock(self) -> BaseClock:
        """Return the node's clock: this machine's, or with `use_sim_time` that of `/clock`."""
        return self._kit.clock

    def stamp(self, frame_id: str = "") -> Header:
        """Return a header with the current time."""
        return Header(stamp=self._kit.clock.now(), frame_id=frame_id)

    @property
    def period_sec(self) -> float:
        """The period of the node's rate.

        Raises:
            NodeConfigurationError: the node has no rate.
        """
        if not self.rate_hz:
            name = self._kit.name
            raise NodeConfigurationError(
                f"{name} has no rate: set rate_hz in the class, or rate: in the launch file"
            )
        return 1.0 / self.rate_hz

    def resolve_topic_name(self, topic: str) -> str:
        """Return the absolute name of the topic that this node calls `topic`, after remapping.

        Raises:
            InvalidNameError: the name breaks the rules.
        """
        return self._kit.resolve_name(topic)

    def statistics(self) -> NodeStatistics:
        """Return the node's counters since it started."""
        return self._kit.statistics()

    # To override

    def on_shutdown(self, *args: Any, **kwargs: Any) -> Any:
        """Called once when the node ends, for whatever reason; publishing still works.

        It may be `async def`: see `enter_safe_state`. The signature is wide because a lifecycle
        node's `on_shutdown` takes a state.
        """

    def enter_safe_state(self) -> Result:
        """Stop what moves, switch off what heats.

        This is called before `on_shutdown`, and when the broker has been lost for
        `broker_timeout_sec`. It may be `async def`: the end of the node waits for it, for 3 s at
        most. No callback runs meanwhile, but services may be called.
        """

    # Spinning

    async def spin_async(self) -> None:
        """Run the node's callbacks in the running event loop until `shutdown` or an exception.

        Raises:
            Exception: what a callback raised, with `on_exception` "raise".
            ParameterError: the launcher gave a parameter that the node has not declared.
            NodeConfigurationError: its class has set an attribute that is the node's own.
            SpinError: no event loop of asyncio runs (trio has its own), or the node is spun
                already.
        """
        try:
            await self._kit.spin()
        except Exception:
            self._kit.log_if_unawaited(Node.spin_async.__code__)
            raise
        finally:
            self._kit.safe_state.enter_unspun()

    def create_task(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine beside the callbacks, as soon as the node spins; cancelled at its end.

        May be called from any thread. Returns the task's future; cancelling that cancels the task.
        An exception in the task also follows `on_exception`.

        Raises:
            TypeError: `work` is not a coroutine.
        """
        given: object = work
        if not inspect.isawaitable(given):
            what = callback_name(given) if callable(given) else repr(given)
            raise TypeError(
                f"create_task takes a coroutine, such as `self.work()` of an `async def work`, not "
                f"{what:.60}"
            )
        self._kit.spinner.warn_if_ended("create_task")
        return run_as_future(work, self._kit.dispatcher, self._kit.logger)

    def shutdown(self) -> None:
        """End `spin`, from any thread; the code that spins destroys all nodes of the program."""
        self._kit.spinner.shut_down()

    def destroy_node(self) -> Result:
        """Enter the safe state, run the hooks of the end and disconnect; later calls do nothing.

        A class may override it, as `def` or `async def`, and call this one from there.
        """
        self._kit.end(is_whole=True)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kit.destroy_or_raise()

    # Parameters

    def declare_parameter(
        self,
        name: str,
        value: Any = None,
        descriptor: "ParameterDescriptor | None" = None,
        ignore_override: bool = False,
    ) -> Parameter:
        """Declare a parameter; the launch file, and others at run time, may set it.

        Args:
            name: of letters, digits, underscores; dots make groups.
            value: its default, which gives it its type; a `Parameter.Type` for a parameter that
                must be given. Without a default it may have any type, and a Python warning says so.
            descriptor: its description and range, and whether it is read-only or of any type.
            ignore_override: ignore the launch file's value.

        Raises:
            ParameterError: there is a parameter of this name, or the value does not fit.
            TypeError: no parameter can have this value.
        """
        return self._kit.parameters.declare(
            name, value, descriptor, ignore_override=ignore_override
        )

    def declare_parameters(
        self,
        namespace: str,
        parameters: "Iterable[tuple[str] | tuple[str, Any] | tuple[str, Any, ParameterDescriptor]]",
        ignore_override: bool = False,
    ) -> list[Parameter]:
        """Declare each (name, value, descriptor), the last two optional, in a group."""
        start = f"{namespace}." if namespace else ""
        declared = []
        for name, *rest in parameters:
            value, descriptor = [*rest, None, None][:2]
            if rest and value is None and descriptor is None:
                descriptor = messages.ParameterDescriptor()  # None is no default, as in rclpy
            declare = self._kit.parameters.declare
            declared.append(
                declare(start + name, value, descriptor, ignore_override=ignore_override)
            )
        return declared

    def undeclare_parameter(self, name: str) -> None:
        """Remove a declared parameter.

        Raises:
            ParameterError: there is no such parameter, it is read-only, or it is a field of the
                model.
        """
        self._kit.parameters.undeclare(name)

    def has_parameter(self, name: str) -> bool:
        """Whether there is a parameter of this name."""
        return name in self._kit.parameters

    def get_parameter(self, name: str) -> Parameter:
        """Return a parameter: `get_parameter("kp").value`.

        Raises:
            ParameterError: there is no such parameter; the text has the nearest name.
        """
        return self._kit.parameters.get(name)

    def get_parameters(self, names: Iterable[str]) -> list[Parameter]:
        """Return several parameters.

        Raises:
            ParameterError: one of them does not exist.
        """
        return [self._kit.parameters.get(name) for name in names]

    def get_parameter_or(self, name: str, alternative_value: Parameter | None = None) -> Parameter:
        """Return a parameter, or `alternative_value` when there is none or it is not set."""
        found = self._kit.parameters.get(name) if self.has_parameter(name) else Parameter(name)
        return found if found.type_ or alternative_value is None else alternative_value

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter]:
        """Return the parameters of a group, by their names without it."""
        start = f"{prefix}." if prefix else ""
        return {
            name[len(start) :]: self._kit.parameters.get(name)
            for name in self._kit.parameters
            if name.startswith(start)
        }

    def set_parameters(self, parameter_list: Sequence[Parameter]) -> "list[SetParametersResult]":
        """Set parameters one by one; each result says whether it was set, and else why not.

        Raises:
            TypeError: it is no list of Parameter.
        """
        given = listed(parameter_list)
        return [self.set_parameters_atomically([each]) for each in given]

    def set_parameters_atomically(
        self, parameter_list: Sequence[Parameter]
    ) -> "SetParametersResult":
        """Set parameters, all or none; the result says whether they were set, and else why not.

        Raises:
            TypeError: it is no list of Parameter.
        """
        given = listed(parameter_list)
        try:
            reason = run_through(self._kit.parameters.set(given, self._kit.call_now))
        except ParameterError as error:
            return messages.SetParametersResult(successful=False, reason=str(error))
        return messages.SetParametersResult(successful=True, reason=reason)

    def describe_parameter(self, name: str) -> "ParameterDescriptor":
        """Return a parameter's descriptor: its type, description and range.

        Raises:
            ParameterError: there is no such parameter.
        """
        return self._kit.parameters.describe(name)

    def describe_parameters(self, names: Iterable[str]) -> "list[ParameterDescriptor]":
        """Return the descriptors of several parameters."""
        return [self._kit.parameters.describe(name) for name in names]

    def add_on_set_parameters_callback(self, callback: OnSet) -> None:
        """Call `callback(parameters)` before each change; it returns a SetParametersResult.

        An exception in it refuses the change, too. It may be `async def`, but it cannot wait for
        anything when a callback calls `set_parameters`.

        Raises:
            TypeError: `callback` cannot be called or awaited.
        """
        check_takes(callback, "a callback that is asked for parameters", "parameters")
        self._kit.parameters.on_set.append(callback)

    def remove_on_set_parameters_callback(self, callback: OnSet) -> None:
        """Remove a callback that checks changes."""
        self._kit.parameters.on_set.remove(callback)

    def add_post_set_parameters_callback(self, callback: PostSet) -> None:
        """Call `callback(parameters)` after each change; an exception undoes nothing.

        Raises:
            TypeError: `callback` cannot be called or awaited.
        """
        check_takes(callback, "a callback that is told of parameters", "parameters")
        self._kit.parameters.post_set.append(callback)

    def remove_post_set_parameters_callback(self, callback: PostSet) -> None:
        """Remove a callback that is called after changes."""
        self._kit.parameters.post_set.remove(callback)

    # The graph

    def count_publishers(self, topic: str) -> int:
        """Return how many publishers a topic has, as far as is known: see `get_publisher_count`.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
        """
        return len(self.get_publishers_info_by_topic(topic))

    def count_subscribers(self, topic: str) -> int:
        """Return how many subscribers a topic has, as far as is known.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
        """
        return len(self.get_subscriptions_info_by_topic(topic))

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        """Return the graph's topics, hidden ones too, with the types that nodes use on each."""
        self._kit.topics.graph.ask()
        return list(self._kit.topics.graph.types().items())

    def get_fully_qualified_node_names(self) -> list[str]:
        """Return the absolute names of the graph's nodes."""
        self._kit.topics.graph.ask()
        return self._kit.topics.graph.nodes()

    def get_node_names(self) -> list[str]:
        """Return the own names of the graph's nodes."""
        return [name for name, _ in self.get_node_names_and_namespaces()]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """Return the own names of the graph's nodes, each with its namespace."""
        splits = map(names.split, self.get_fully_qualified_node_names())
        return [(own, namespace) for namespace, own in splits]

    def get_publishers_info_by_topic(self, topic_name: str) -> list[GraphEndpoint]:
        """Return the publishers of a topic.

        Each has `node_name`, `node_namespace`, `topic_type` and `pid`. The names of a tool are
        empty.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
        """
        self._kit.topics.graph.ask()
        return list(self._kit.topics.graph.publishers(self.resolve_topic_name(topic_name)))

    def get_subscriptions_info_by_topic(self, topic_name: str) -> list[GraphEndpoint]:
        """Return the subscribers of a topic, as `get_publishers_info_by_topic` does."""
        self._kit.topics.graph.ask()
        return list(self._kit.topics.graph.subscribers(self.resolve_topic_name(topic_name)))

    # Publishers, subscriptions, timers

    def create_publisher(
        self,
        msg_type: type[MessageT],
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        on_deadline: Callback | None = None,
    ) -> Publisher[MessageT]:
        """Create a publisher of `msg_type` on `topic`.

        Args:
            msg_type: the type of the messages.
            topic: the topic's name.
            qos_profile: the depth as an int, or a `QoSProfile`.
            on_deadline: called each time that nothing was published for the profile's `deadline`;
                without it a warning is logged instead.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
            ValueError: the depth is not a whole number from 1.
            TypeError: not a message type, or not the one that this node publishes there already.
        """
        name = self.resolve_topic_name(topic)
        qos = QoSProfile.of(qos_profile)
        return self._kit.topics.add_publisher(msg_type, name, qos, on_deadline, Publisher[MessageT])

    def create_subscription(
        self,
        msg_type: type[MessageT],
        topic: str,
        callback: SubscriptionCallback[MessageT] | None,
        qos_profile: QoSProfile | int,
        *,
        loaned: bool = False,
        timeout: float | None = None,
        on_timeout: Callback | None = None,
        on_deadline: Callback | None = None,
    ) -> Subscription[MessageT]:
        """Create a subscription that calls `callback(msg)` or `callback(msg, info)` per message.

        Args:
            msg_type: the type of the messages; one that does not fit is counted and logged.
            topic: the topic's name.
            callback: `def` or `async def`; a coroutine is finished before the next one starts.
                None: the messages are read with `async for msg in subscription`.
            qos_profile: the depth: how many of the newest messages are kept when callbacks are
                slow.
            loaned: for a type with one field of bytes, such as an Image: that field is a read-only
                memoryview of shared memory, without a copy, while the callback runs. A message that
                was overwritten meanwhile counts as dropped.
            timeout: seconds without a message after which `on_timeout` is called, once until the
                next message; counted from the start of spinning.
            on_timeout: called then; it may stop the motors.
            on_deadline: called each time that no message comes within the profile's `deadline`;
                without it a warning is logged instead.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
            ValueError: the depth is not a whole number from 1, or the timeout not over 0.
            TypeError: the callback takes other arguments, only one of timeout and on_timeout is
                given, or the type has nothing to loan.
        """
        return self._kit.topics.add_subscription(
            msg_type,
            self.resolve_topic_name(topic),
            callback,
            QoSProfile.of(qos_profile),
            loaned=loaned,
            timeout=timeout,
            on_timeout=on_timeout,
            on_deadline=on_deadline,
        )

    def create_timer(
        self, timer_period_sec: float, callback: Callback, *, autostart: bool = True
    ) -> Timer:
        """Create a timer that calls `callback()` every `timer_period_sec`, first after one period.

        Args:
            timer_period_sec: the time between two calls.
            callback: `def` or `async def`; ticks are skipped while a coroutine still runs.
            autostart: start now; False: start at `timer.reset()`.

        Raises:
            ValueError: the period is not more than 0.
            TypeError: the callback cannot be called or awaited.
        """
        check_takes(callback, "a timer's callback")
        spinner = self._kit.spinner
        execute = partial(
            self._kit.dispatcher.execute, named=callback, name=callback_name(callback)
        )
        timer = Timer(timer_period_sec, callback, execute, spinner.begin)
        if not autostart:
            timer.cancel()
        self._kit.timers.append(timer)
        spinner.add(timer)
        return timer

    def create_rate(self, frequency: float) -> Rate:
        """Create a rate in Hz: `rate.sleep()` waits for the next of equally spaced moments.

        Raises:
            ValueError: the frequency is not more than 0.
        """
        return Rate(frequency, self._kit.spinner, self._kit.clock)

    def destroy_timer(self, timer: Timer) -> None:
        """Stop a timer for good."""
        of_kind(timer, Timer, "what destroy_timer takes").cancel()
        self._kit.spinner.remove(timer)
        if timer in self._kit.timers:
            self._kit.timers.remove(timer)

    def confirm_subscriptions(self) -> None:
        """Wait until the broker has confirmed this node's subscriptions, at most a second.

        After that they receive every message that anybody publishes.
        """
        self._kit.link.confirm()

    def destroy_publisher(self, publisher: Publisher[Any]) -> None:
        """Destroy a publisher; the last one of a topic stops advertising it."""
        self._kit.topics.remove_publisher(
            of_kind(publisher, Publisher, "what destroy_publisher takes")
        )

    def destroy_subscription(self, subscription: Subscription[Any]) -> None:
        """Destroy a subscription; its callback is no longer called.

        If it is an Actuator's, nothing would time out any more: the safe state is entered.
        """
        of_kind(subscription, Subscription, "what destroy_subscription takes")
        self._kit.topics.remove_subscription(subscription)
        self._kit.safe_state.enter_without(subscription)

    # Services

    def create_service(
        self,
        srv_type: ServiceType[RequestT, ResponseT],
        srv_name: str,
        callback: ServiceCallback[RequestT, ResponseT],
    ) -> ServiceServer[RequestT, ResponseT]:
        """Create a service: `callback(request, response)` or `callback(request)` answers each call.

        The callback returns the response. While an `async def` awaits, other calls are answered. An
        exception is logged with its traceback, and the caller receives it in one line.

        Raises:
            InvalidNameError: the service's name breaks the rules.
            ValueError: this node serves that name already.
            TypeError: not a service type, or the callback takes other arguments.
        """
        return self._kit.services.add_service(
            srv_type, self.resolve_service_name(srv_name), callback
        )

    def create_client(
        self, srv_type: ServiceType[RequestT, ResponseT], srv_name: str
    ) -> Client[RequestT, ResponseT]:
        """Create a client that calls a service.

        Raises:
            InvalidNameError: the service's name breaks the rules.
            TypeError: not a service type, or not the type of this node's other clients of it.
        """
        return self._kit.services.add_client(srv_type, self.resolve_service_name(srv_name))

    def resolve_service_name(self, service: str) -> str:
        """Return the absolute name of the service that this node calls `service`, after remapping.

        Raises:
            InvalidNameError: the name breaks the rules.
        """
        return self.resolve_topic_name(service)

    def destroy_service(self, service: ServiceServer[Any, Any]) -> None:
        """Destroy a service; calls of it fail from now on."""
        self._kit.services.remove_service(
            of_kind(service, ServiceServer, "what destroy_service takes")
        )

    def destroy_client(self, client: Client[Any, Any]) -> None:
        """Destroy a client; its calls without a response fail."""
        self._kit.services.remove_client(of_kind(client, Client, "what destroy_client takes"))

    # Waiting

    async def wait_for_message_async(
        self,
        msg_type: type[MessageT],
        topic: str,
        *,
        qos_profile: QoSProfile | int = 1,
        timeout_sec: float | None = None,
    ) -> MessageT | None:
        """Wait for one message, or return a latched one; None on timeout."""
        subscription = self.create_subscription(msg_type, topic, None, qos_profile)
        try:
            async with asyncio.timeout(timeout_sec):
                return await anext(subscription, None)
        except TimeoutError:
            return None
        finally:
            self.destroy_subscription(subscription)
