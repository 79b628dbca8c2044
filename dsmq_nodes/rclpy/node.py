"""The class `Node`, which programs for rclpy subclass."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Self

from dsmq_nodes.rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from dsmq_nodes.rclpy.client import Client
from dsmq_nodes.rclpy.clock import Clock, ROSClock
from dsmq_nodes.rclpy.constants import S_TO_NS
from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from dsmq_nodes.rclpy.exceptions import (
    InvalidHandle,
    InvalidTopicNameException,
    NotInitializedException,
)
from dsmq_nodes.rclpy.executors import Executor
from dsmq_nodes.rclpy.guard_condition import GuardCondition
from dsmq_nodes.rclpy.impl.c_errors import CONTEXT_IS_NOT_VALID, RCLError, wrong_arguments
from dsmq_nodes.rclpy.impl.calls.call_handles import ClientHandle, ServiceHandle
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.impl.names.node_names import NodeNames
from dsmq_nodes.rclpy.impl.nodes.declared_parameters import DeclaredParameters
from dsmq_nodes.rclpy.impl.nodes.ends import (
    CLIENT,
    PUBLISHER,
    SERVICE,
    SUBSCRIPTION,
    names_and_types,
)
from dsmq_nodes.rclpy.impl.nodes.graph_questions import GraphQuestions
from dsmq_nodes.rclpy.impl.nodes.inner_attribute import InnerAttribute
from dsmq_nodes.rclpy.impl.nodes.node_handle import NodeHandle, graph_follower
from dsmq_nodes.rclpy.impl.nodes.node_rosout import NodeRosout
from dsmq_nodes.rclpy.impl.nodes.peer_node import io
from dsmq_nodes.rclpy.impl.rcutils_logger import RcutilsLogger
from dsmq_nodes.rclpy.impl.topics.topic_handles import PublisherHandle, SubscriptionHandle
from dsmq_nodes.rclpy.logging import get_logger
from dsmq_nodes.rclpy.logging_service import LoggingService
from dsmq_nodes.rclpy.parameter import Parameter
from dsmq_nodes.rclpy.parameter_service import ParameterService
from dsmq_nodes.rclpy.publisher import Publisher
from dsmq_nodes.rclpy.qos import (
    QoSProfile,
    qos_profile_parameter_events,
    qos_profile_rosout_default,
    qos_profile_services_default,
)
from dsmq_nodes.rclpy.qos_overriding_options import QoSOverridingOptions, _declare_qos_parameters
from dsmq_nodes.rclpy.service import Service
from dsmq_nodes.rclpy.subscription import Subscription
from dsmq_nodes.rclpy.subscription_content_filter_options import ContentFilterOptions
from dsmq_nodes.rclpy.time_source import TimeSource
from dsmq_nodes.rclpy.timer import Rate, Timer
from dsmq_nodes.rclpy.topic_endpoint_info import TopicEndpointInfo
from dsmq_nodes.rclpy.type_description_service import TypeDescriptionService
from dsmq_nodes.rclpy.type_support import check_is_valid_msg_type, check_is_valid_srv_type
from dsmq_nodes.rclpy.utilities import get_default_context
from dsmq_nodes.rclpy.waitable import Waitable
from dsmq_nodes.topic_names import PARAMETER_EVENTS_TOPIC

HIDDEN_NODE_PREFIX: Final = "_"
_SERVICE_END: Final = (
    "rclpy._rclpy_pybind11.{}(arg0: rclpy::Node, arg1: object, arg2: str, arg3: object)"
)


class _Lifetime:
    """Shared by a node and its entities: the node ends when the last of these objects is freed.

    An object that is collected ends, too. Its handle ends in the I/O thread, because objects are
    collected in any thread, at any place of the code.
    """


class Node:
    """A node: publishers, subscriptions, services, timers, parameters."""

    PARAM_REL_TOL = 1e-6

    _clients = InnerAttribute(lambda self: self.__clients)
    _clock = InnerAttribute(lambda self: self.__clock)
    _descriptors = InnerAttribute(lambda self: self.__parameters.descriptors)
    _guards = InnerAttribute(lambda self: self.__guards)
    _logger = InnerAttribute(lambda self: self.__logger)
    _parameter_overrides = InnerAttribute(lambda self: self.__parameters.overrides)
    _parameters = InnerAttribute(lambda self: self.__parameters.values)
    _publishers = InnerAttribute(lambda self: self.__publishers)
    _services = InnerAttribute(lambda self: self.__services)
    _subscriptions = InnerAttribute(lambda self: self.__subscriptions)
    _timers = InnerAttribute(lambda self: self.__timers)

    def __init__(
        self,
        node_name: str,
        *,
        context: Context | None = None,
        cli_args: list[str] | None = None,
        namespace: str | None = None,
        use_global_arguments: bool = True,
        enable_rosout: bool = True,
        rosout_qos_profile: QoSProfile | int = qos_profile_rosout_default,
        start_parameter_services: bool = True,
        parameter_overrides: list[Parameter] | None = None,
        allow_undeclared_parameters: bool = False,
        automatically_declare_parameters_from_overrides: bool = False,
        enable_logger_service: bool = False,
    ) -> None:
        self._context = get_default_context() if context is None else context
        self.__publishers: list[Publisher] = []
        self.__subscriptions: list[Subscription] = []
        self.__clients: list[Client] = []
        self.__services: list[Service] = []
        self.__timers: list[Timer] = []
        self.__guards: list[GuardCondition] = []
        self.__waitables: list[Waitable] = []
        self.__executor: weakref.ref[Executor] | None = None
        self._default_callback_group = MutuallyExclusiveCallbackGroup()
        self._rate_group = ReentrantCallbackGroup()
        self.__parameters = DeclaredParameters(allow_undeclared=allow_undeclared_parameters)
        self._pre_set_parameters_callbacks = self.__parameters.pre_set
        self._on_set_parameters_callbacks = self.__parameters.on_set
        self._post_set_parameters_callbacks = self.__parameters.post_set
        if self._context.handle is None or not self._context.ok():
            raise NotInitializedException("cannot create node")
        rosout_qos = self._validate_qos_or_depth_parameter(rosout_qos_profile)
        given = self._context.handle.arguments if use_global_arguments else None
        self.__names = NodeNames(node_name, namespace or "", cli_args, given)
        names = self.__names
        weak = weakref.ref(self)

        def wake() -> None:
            node = weak()
            if node is not None:
                node._wake_executor()  # noqa: SLF001

        self.__handle = NodeHandle(names, self._context, wake)
        self.__lifetime = _Lifetime()
        weakref.finalize(self.__lifetime, self.__handle.release).atexit = False
        self.__graph = GraphQuestions(self.__handle, names)
        self.__logger = get_logger(self.__handle.logger_name)
        self.__rosout = NodeRosout(self.__handle, rosout_qos) if enable_rosout else None
        self.__event_publisher: Publisher | None = self.create_publisher(
            interface("rcl_interfaces/msg/ParameterEvent"),
            PARAMETER_EVENTS_TOPIC,
            qos_profile_parameter_events,
        )
        self.__parameters.publish_event = _weakly(self.__publish_parameter_event)
        overrides = [Parameter(name, value=value) for name, value in names.params.items()]
        for each in (*overrides, *(parameter_overrides or [])):
            self.__parameters.overrides[each.name] = each
        self.__clock = ROSClock()
        if automatically_declare_parameters_from_overrides:
            descriptor = interface("rcl_interfaces/msg/ParameterDescriptor")
            known = self.__parameters.overrides.items()
            self.declare_parameters(
                "", [(name, each.value, descriptor()) for name, each in known], ignore_override=True
            )
        self._time_source = TimeSource(node=self)
        self._time_source.attach_clock(self.__clock)
        is_first = not self.__handle.is_second
        parameters = (start_parameter_services and is_first, ParameterService)
        logger = (enable_logger_service and is_first, LoggingService)
        kinds = (parameters, logger, (True, TypeDescriptionService))
        self._services_of_its_own = [kind(self) for is_wanted, kind in kinds if is_wanted]
        self._context.track_node(self)

    # Parts of the node

    @property
    def publishers(self) -> Iterator[Publisher]:
        """Yield the publishers of the node."""
        yield from self.__publishers

    @property
    def subscriptions(self) -> Iterator[Subscription]:
        """Yield the subscriptions of the node."""
        yield from self.__subscriptions

    @property
    def clients(self) -> Iterator[Client]:
        """Yield the clients of the node."""
        yield from self.__clients

    @property
    def services(self) -> Iterator[Service]:
        """Yield the services of the node."""
        yield from self.__services

    @property
    def timers(self) -> Iterator[Timer]:
        """Yield the timers of the node."""
        yield from self.__timers

    @property
    def guards(self) -> Iterator[GuardCondition]:
        """Yield the guard conditions of the node."""
        yield from self.__guards

    @property
    def waitables(self) -> Iterator[Waitable]:
        """Yield the other entities that executors handle."""
        yield from self.__waitables

    @property
    def entities_by_kind(self) -> tuple[list[Any], ...]:
        """All entities with a callback except waitables, in the order of the executors."""
        return (
            self.__timers,
            self.__subscriptions,
            self.__guards,
            self.__clients,
            self.__services,
        )

    @property
    def executor(self) -> Executor | None:
        """The executor that the node was added to last."""
        return None if self.__executor is None else self.__executor()

    @executor.setter
    def executor(self, new_executor: Executor | None) -> None:
        current = self.executor
        if current is new_executor:
            return
        if current is not None:
            current.remove_node(self)
        if new_executor is None:
            self.__executor = None
            return
        add_node = new_executor.add_node
        self.__executor = weakref.ref(new_executor)
        add_node(self)
        graph_follower.begin()

    def _wake_executor(self) -> None:
        self.__handle.is_woken = True
        executor = self.executor
        if executor is not None:
            executor.wake()

    @property
    def context(self) -> Context:
        """The context of the node."""
        return self._context

    @property
    def default_callback_group(self) -> MutuallyExclusiveCallbackGroup:
        """The group of callbacks for which no group is given."""
        return self._default_callback_group

    @property
    def handle(self) -> NodeHandle:
        """The internal handle of the node."""
        return self.__handle

    @handle.setter
    def handle(self, value: Any) -> None:
        raise AttributeError("handle cannot be modified after node creation")

    def get_name(self) -> str:
        """Return the name of the node without the namespace."""
        with self.__handle:
            return self.__handle.name

    def get_namespace(self) -> str:
        """Return the namespace of the node."""
        with self.__handle:
            return self.__handle.namespace

    def get_fully_qualified_name(self) -> str:
        """Return the absolute name of the node."""
        with self.__handle:
            return self.__handle.full_name

    def get_clock(self) -> Clock:
        """Return the clock of the node, which shows ROS time."""
        return self.__clock

    def get_logger(self) -> RcutilsLogger:
        """Return the logger of the node."""
        return self.__logger

    # Parameters

    def __publish_parameter_event(
        self, new: list[Any], changed: list[Any], deleted: list[Any]
    ) -> None:
        if self.__event_publisher is None:
            return
        event = interface("rcl_interfaces/msg/ParameterEvent")()
        event.node = self.get_fully_qualified_name()
        event.new_parameters, event.changed_parameters = new, changed
        event.deleted_parameters = deleted
        event.stamp = self.__clock.now().to_msg()
        self.__event_publisher.publish(event)

    def declare_parameter(
        self,
        name: str,
        value: Any = None,
        descriptor: Any = None,
        ignore_override: bool = False,
    ) -> Parameter:
        """Declare a parameter: its default value, or its `Parameter.Type`, fixes its type.

        Raises:
            ParameterAlreadyDeclaredException: the parameter is declared already.
            InvalidParameterTypeException: an override has another type.
            InvalidParameterValueException: the value is refused.
        """
        if value is None and descriptor is None:
            return self.declare_parameters("", [(name,)], ignore_override)[0]
        if descriptor is None:
            descriptor = interface("rcl_interfaces/msg/ParameterDescriptor")()
        return self.declare_parameters("", [(name, value, descriptor)], ignore_override)[0]

    def declare_parameters(
        self, namespace: str, parameters: Sequence[Any], ignore_override: bool = False
    ) -> list[Parameter]:
        """Declare each (name, value, descriptor), the last two optional, in a group."""
        self.__handle.check()
        return self.__parameters.declare(namespace, parameters, ignore_override=ignore_override)

    def undeclare_parameter(self, name: str) -> None:
        """Remove a parameter.

        Raises:
            ParameterNotDeclaredException: there is no such parameter.
            ParameterImmutableException: the parameter is read-only.
        """
        self.__parameters.undeclare(name)

    def has_parameter(self, name: str) -> bool:
        """Whether a parameter is declared."""
        return self.__parameters.has(name)

    def get_parameter_types(self, names: Sequence[str]) -> list[Any]:
        """Return the types of parameters, as numbers."""
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self.get_parameter_type(name) for name in names]

    def get_parameter_type(self, name: str) -> Any:
        """Return the type of a parameter, as a number."""
        return self.__parameters.type_of(name)

    def get_parameters(self, names: Sequence[str]) -> list[Parameter]:
        """Return several parameters."""
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self.get_parameter(name) for name in names]

    def get_parameter(self, name: str) -> Parameter:
        """Return a parameter.

        Raises:
            ParameterNotDeclaredException: there is no such parameter.
            ParameterUninitializedException: the parameter has a type and no value.
        """
        return self.__parameters.get(name)

    def get_parameter_or(self, name: str, alternative_value: Parameter | None = None) -> Parameter:
        """Return a parameter, or `alternative_value` if there is none or it has no value."""
        return self.__parameters.get_or(name, alternative_value)

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter]:
        """Return the parameters of a group, by their names without the prefix."""
        return self.__parameters.by_prefix(prefix)

    def set_parameters(self, parameter_list: Sequence[Parameter]) -> list[Any]:
        """Set parameters one by one; the result of each says why it was not set, if so."""
        return [self.set_parameters_atomically([each]) for each in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> Any:
        """Set parameters, all or none.

        Raises:
            ParameterNotDeclaredException: a parameter is not declared.
        """
        self.__handle.check()
        return self.__parameters.set_atomically(parameter_list)

    def list_parameters(self, prefixes: list[str], depth: int) -> Any:
        """Return the names of parameters below some prefixes; a depth of 0 has no limit."""
        return self.__parameters.list_names(prefixes, depth)

    def describe_parameter(self, name: str) -> Any:
        """Return a parameter's descriptor.

        Raises:
            ParameterNotDeclaredException: there is no such parameter.
        """
        return self.__parameters.describe(name)

    def describe_parameters(self, names: Sequence[str]) -> list[Any]:
        """Return several descriptors."""
        return [self.__parameters.describe(name) for name in names]

    def set_descriptor(self, name: str, descriptor: Any, alternative_value: Any = None) -> Any:
        """Give a parameter another descriptor; its value, or the alternative, must fit."""
        return self.__parameters.set_descriptor(name, descriptor, alternative_value)

    def add_pre_set_parameters_callback(
        self, callback: Callable[[list[Parameter]], list[Parameter]]
    ) -> None:
        """Call `callback(parameters)` before a change; it returns the parameters to set."""
        self.__parameters.pre_set.insert(0, callback)

    def add_on_set_parameters_callback(self, callback: Callable[[list[Parameter]], Any]) -> None:
        """Let `callback(parameters)` allow a change; it returns a SetParametersResult."""
        _check_callable(callback)
        self.__parameters.on_set.insert(0, callback)

    def add_post_set_parameters_callback(self, callback: Callable[[list[Parameter]], Any]) -> None:
        """Call `callback(parameters)` after a change."""
        _check_callable(callback)
        self.__parameters.post_set.insert(0, callback)

    def remove_pre_set_parameters_callback(
        self, callback: Callable[[list[Parameter]], list[Parameter]]
    ) -> None:
        """Remove a callback.

        Raises:
            ValueError: the callback was not added.
        """
        self.__parameters.pre_set.remove(callback)

    def remove_on_set_parameters_callback(self, callback: Callable[[list[Parameter]], Any]) -> None:
        """Remove a callback.

        Raises:
            ValueError: the callback was not added.
        """
        self.__parameters.on_set.remove(callback)

    def remove_post_set_parameters_callback(
        self, callback: Callable[[list[Parameter]], Any]
    ) -> None:
        """Remove a callback.

        Raises:
            ValueError: the callback was not added.
        """
        self.__parameters.post_set.remove(callback)

    # Creating entities

    def _validate_topic_or_service_name(self, name: str, *, is_service: bool = False) -> None:
        self.__names.check(name, is_service=is_service)

    def _validate_qos_or_depth_parameter(self, qos_or_depth: Any) -> QoSProfile:
        if isinstance(qos_or_depth, QoSProfile):
            return qos_or_depth
        if not isinstance(qos_or_depth, int):
            raise TypeError(f"Expected QoSProfile or int, but received {type(qos_or_depth)!r}")
        if qos_or_depth < 0:
            raise ValueError("history depth must be greater than or equal to zero")
        return QoSProfile(depth=qos_or_depth)

    def add_waitable(self, waitable: Waitable) -> None:
        """Let executors handle a further entity."""
        self.__waitables.append(waitable)
        self._wake_executor()

    def remove_waitable(self, waitable: Waitable) -> None:
        """Stop executors from handling an entity."""
        self.__waitables.remove(waitable)
        self._wake_executor()

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """Return the absolute name of a topic, after remapping unless `only_expand`.

        Raises:
            RCLError: the name breaks the rules.
        """
        with self.__handle:
            return self.__names.resolve(topic, is_service=False, only_expand=only_expand)

    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """Return the absolute name of a service, after remapping unless `only_expand`.

        Raises:
            RCLError: the name breaks the rules.
        """
        with self.__handle:
            return self.__names.resolve(service, is_service=True, only_expand=only_expand)

    def __final_name(self, name: str, *, is_service: bool) -> str:
        with self.__handle:
            self.__names.check(name, is_service=is_service)
            return self.__names.resolve(name, is_service=is_service, only_expand=False)

    def __final_service(self, name: str, srv_type: Any, qos: QoSProfile, end: str) -> str:
        given: object = name
        if given is None:
            raise wrong_arguments(_SERVICE_END.format(end), self.__handle, srv_type, given, qos)
        return self.__final_name(name, is_service=True)

    def __add(self, kind: list[Any], entity: Any) -> None:
        if hasattr(entity, "callback_group"):  # a publisher has none, its events have
            entity.callback_group.add_entity(entity)  # before an executor sees it
        kind.append(entity)
        self.__waitables += getattr(entity, "event_handlers", ())
        self._wake_executor()

    def __keep(self, kind: list[Any], entity: Any) -> None:
        entity._lifetime = self.__lifetime  # noqa: SLF001
        end = entity.handle.destroy_when_not_in_use
        weakref.finalize(entity, io.soon, end).atexit = False
        self.__add(kind, entity)

    def create_publisher(
        self,
        msg_type: Any,
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        callback_group: Any = None,
        event_callbacks: PublisherEventCallbacks | None = None,
        qos_overriding_options: QoSOverridingOptions | None = None,
        publisher_class: Any = Publisher,
    ) -> Any:
        """Create a publisher.

        Args:
            msg_type: a message class.
            topic: the topic's name.
            qos_profile: a profile, or a depth.
            callback_group: the group of its event callbacks.
            event_callbacks: functions to call at its events.
            qos_overriding_options: the policies that parameters may change.
            publisher_class: a subclass of `Publisher`.

        Raises:
            InvalidTopicNameException: the name breaks the rules.
            RCLError: this process uses another type on the topic.
        """
        profile = self._validate_qos_or_depth_parameter(qos_profile)
        group = callback_group or self._default_callback_group
        final = self.__final_name(topic, is_service=False)
        options = qos_overriding_options or QoSOverridingOptions([])
        _declare_qos_parameters(Publisher, self, final, profile, options)
        check_is_valid_msg_type(msg_type)
        handle = PublisherHandle(self.__handle, msg_type, final, profile.get_c_qos_profile())
        try:
            publisher = publisher_class(
                handle,
                msg_type,
                topic,
                profile,
                event_callbacks=event_callbacks or PublisherEventCallbacks(),
                callback_group=group,
            )
        except Exception:
            handle.destroy_when_not_in_use()
            raise
        self.__keep(self.__publishers, publisher)
        return publisher

    def create_subscription(
        self,
        msg_type: Any,
        topic: str,
        callback: Callable[..., Any],
        qos_profile: QoSProfile | int,
        *,
        callback_group: Any = None,
        event_callbacks: SubscriptionEventCallbacks | None = None,
        qos_overriding_options: QoSOverridingOptions | None = None,
        raw: bool = False,
        content_filter_options: ContentFilterOptions | None = None,
    ) -> Subscription:
        """Create a subscription: `callback(msg)` or `callback(msg, info)` for each message.

        Args:
            msg_type: a message class.
            topic: the topic's name.
            callback: a function, or a coroutine function.
            qos_profile: a profile, or a depth.
            callback_group: the group of its callbacks.
            event_callbacks: functions to call at its events.
            qos_overriding_options: the policies that parameters may change.
            raw: whether the callback gets the bytes of messages, in CDR.
            content_filter_options: a filter of the messages to deliver.

        Raises:
            InvalidTopicNameException: the name breaks the rules.
            RuntimeError: the callback takes other arguments.
            RCLError: this process uses another type on the topic.
        """
        profile = self._validate_qos_or_depth_parameter(qos_profile)
        group = callback_group or self._default_callback_group
        final = self.__final_name(topic, is_service=False)
        options = qos_overriding_options or QoSOverridingOptions([])
        _declare_qos_parameters(Subscription, self, final, profile, options)
        check_is_valid_msg_type(msg_type)
        c_profile = profile.get_c_qos_profile()
        handle = SubscriptionHandle(
            self.__handle, msg_type, final, c_profile, content_filter_options
        )
        try:
            subscription = Subscription(
                handle,
                msg_type,
                topic,
                callback,
                group,
                profile,
                raw,
                event_callbacks=event_callbacks or SubscriptionEventCallbacks(),
            )
        except Exception:
            handle.destroy_when_not_in_use()
            raise
        self.__keep(self.__subscriptions, subscription)
        return subscription

    def create_client(
        self,
        srv_type: Any,
        srv_name: str,
        *,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: Any = None,
    ) -> Client:
        """Create a client of a service.

        Raises:
            InvalidServiceNameException: the name breaks the rules.
        """
        group = callback_group or self._default_callback_group
        check_is_valid_srv_type(srv_type)
        final = self.__final_service(srv_name, srv_type, qos_profile, "Client")
        handle = ClientHandle(self.__handle, srv_type, final, qos_profile)
        client = Client(self.context, handle, srv_type, srv_name, qos_profile, group)
        self.__keep(self.__clients, client)
        return client

    def create_service(
        self,
        srv_type: Any,
        srv_name: str,
        callback: Callable[[Any, Any], Any],
        *,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: Any = None,
    ) -> Service:
        """Create a service: `callback(request, response)` returns the response.

        Raises:
            InvalidServiceNameException: the name breaks the rules.
        """
        group = callback_group or self._default_callback_group
        check_is_valid_srv_type(srv_type)
        final = self.__final_service(srv_name, srv_type, qos_profile, "Service")
        handle = ServiceHandle(self.__handle, srv_type, final, qos_profile)
        service = Service(handle, srv_type, srv_name, callback, group, qos_profile)
        self.__keep(self.__services, service)
        return service

    def create_timer(
        self,
        timer_period_sec: float,
        callback: Callable[..., Any] | None,
        callback_group: Any = None,
        clock: Clock | None = None,
        autostart: bool = True,
    ) -> Timer:
        """Create a timer: `callback()` every period, the first time after one period.

        Raises:
            RCLError: the context was shut down, or the period is negative.
        """
        if not self.context.ok():
            raise RCLError(CONTEXT_IS_NOT_VALID.format("create timer"))
        group = callback_group or self._default_callback_group
        timer = Timer(
            callback,
            group,
            int(float(timer_period_sec) * S_TO_NS),
            self.__clock if clock is None else clock,
            context=self.context,
            autostart=autostart,
        )
        timer._wake = self.__handle.wake  # noqa: SLF001
        self.__add(self.__timers, timer)
        return timer

    def create_guard_condition(
        self, callback: Callable[[], Any], callback_group: Any = None
    ) -> GuardCondition:
        """Create a guard condition: `callback()` after `trigger()`.

        Raises:
            RCLError: the context was shut down.
        """
        group = callback_group or self._default_callback_group
        guard = GuardCondition(callback, group, context=self.context)
        guard.handle.wake = self.__handle.wake
        self.__add(self.__guards, guard)
        return guard

    def create_rate(self, frequency: float, clock: Clock | None = None) -> Rate:
        """Create a rate in Hz; another thread has to spin the node.

        Raises:
            ValueError: the frequency is not more than 0.
        """
        if frequency <= 0:
            raise ValueError("frequency must be > 0")
        timer = self.create_timer(1.0 / frequency, None, self._rate_group, clock)
        return Rate(timer, context=self.context)

    # Destroying entities

    def __destroyed(self, kind: list[Any], entity: Any) -> bool:
        if entity not in kind:
            return False
        kind.remove(entity)
        for each in getattr(entity, "event_handlers", ()):
            if each in self.__waitables:
                self.__waitables.remove(each)
        try:
            entity.destroy()
        except InvalidHandle:
            return False
        self._wake_executor()
        return True

    def destroy_publisher(self, publisher: Publisher) -> bool:
        """Destroy a publisher; False if it is not this node's."""
        return self.__destroyed(self.__publishers, publisher)

    def destroy_subscription(self, subscription: Subscription) -> bool:
        """Destroy a subscription; False if it is not this node's."""
        return self.__destroyed(self.__subscriptions, subscription)

    def destroy_client(self, client: Client) -> bool:
        """Destroy a client; False if it is not this node's."""
        return self.__destroyed(self.__clients, client)

    def destroy_service(self, service: Service) -> bool:
        """Destroy a service; False if it is not this node's."""
        return self.__destroyed(self.__services, service)

    def destroy_timer(self, timer: Timer) -> bool:
        """Destroy a timer; False if it is not this node's."""
        return self.__destroyed(self.__timers, timer)

    def destroy_guard_condition(self, guard: GuardCondition) -> bool:
        """Destroy a guard condition; False if it is not this node's."""
        return self.__destroyed(self.__guards, guard)

    def destroy_rate(self, rate: Rate) -> bool:
        """Destroy a rate; False if it is not this node's."""
        success = self.destroy_timer(rate._timer)  # noqa: SLF001
        rate.destroy()
        return success

    def destroy_node(self) -> None:
        """Destroy the node and all its entities."""
        self._context.untrack_node(self)
        self.__event_publisher = None
        for kind in (
            self.__publishers,
            self.__subscriptions,
            self.__clients,
            self.__services,
            self.__timers,
            self.__guards,
        ):
            while kind:
                self.__destroyed(kind, kind[0])
        if self.__rosout is not None:
            self.__rosout.close()
        self.__handle.destroy_when_not_in_use()
        self._wake_executor()

    # The graph

    def get_publisher_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> list[tuple[str, list[str]]]:
        """Return the topics that a node publishes.

        Raises:
            NodeNameNonExistentError: there is no such node.
        """
        return self.__graph.of_node(PUBLISHER, node_name, node_namespace)

    def get_subscriber_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> list[tuple[str, list[str]]]:
        """Return the topics that a node subscribes; raises as for publishers."""
        return self.__graph.of_node(SUBSCRIPTION, node_name, node_namespace)

    def get_service_names_and_types_by_node(
        self, node_name: str, node_namespace: str
    ) -> list[tuple[str, list[str]]]:
        """Return the services that a node serves; raises as for publishers."""
        return self.__graph.of_node(SERVICE, node_name, node_namespace)

    def get_client_names_and_types_by_node(
        self, node_name: str, node_namespace: str
    ) -> list[tuple[str, list[str]]]:
        """Return the services that a node calls; raises as for publishers."""
        return self.__graph.of_node(CLIENT, node_name, node_namespace)

    def get_topic_names_and_types(self, no_demangle: bool = False) -> list[tuple[str, list[str]]]:
        """Return all topics with their types."""
        what = "failed to get topic names and types"
        return names_and_types(self.__graph.all(what, PUBLISHER, SUBSCRIPTION))

    def get_service_names_and_types(self) -> list[tuple[str, list[str]]]:
        """Return all services with their types."""
        what = "failed to get service names and types"
        return names_and_types(self.__graph.all(what, SERVICE, CLIENT))

    def get_node_names(self) -> list[str]:
        """Return the names of all nodes."""
        return [name for name, _ in self.__graph.nodes()]

    def get_fully_qualified_node_names(self) -> list[str]:
        """Return the absolute names of all nodes."""
        return [f"{namespace.rstrip('/')}/{name}" for name, namespace in self.__graph.nodes()]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """Return the names of all nodes, each with its namespace."""
        return self.__graph.nodes()

    def get_node_names_and_namespaces_with_enclaves(self) -> list[tuple[str, str, str]]:
        """Return the names of all nodes with namespaces and enclaves, which are always `/`."""
        return [(*each, "/") for each in self.__graph.nodes()]

    def count_publishers(self, topic_name: str) -> int:
        """Return the number of publishers of a topic."""
        return self.__graph.count(PUBLISHER, topic_name)

    def count_subscribers(self, topic_name: str) -> int:
        """Return the number of subscriptions of a topic."""
        return self.__graph.count(SUBSCRIPTION, topic_name)

    def count_clients(self, service_name: str) -> int:
        """Return the number of clients of a service."""
        return self.__graph.count(CLIENT, service_name)

    def count_services(self, service_name: str) -> int:
        """Return the number of servers of a service."""
        return self.__graph.count(SERVICE, service_name)

    def get_publishers_info_by_topic(
        self, topic_name: str, no_mangle: bool = False
    ) -> list[TopicEndpointInfo]:
        """Return a description of each publisher of a topic."""
        return self.__graph.infos(PUBLISHER, topic_name, no_mangle=no_mangle)

    def get_subscriptions_info_by_topic(
        self, topic_name: str, no_mangle: bool = False
    ) -> list[TopicEndpointInfo]:
        """Return a description of each subscription of a topic."""
        return self.__graph.infos(SUBSCRIPTION, topic_name, no_mangle=no_mangle)

    def wait_for_node(self, fully_qualified_node_name: str, timeout: float) -> bool:
        """Wait until a node has an absolute name; False after `timeout` seconds."""
        return self.__graph.wait_for_node(fully_qualified_node_name, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy_node()


def _weakly(method: Callable[..., None]) -> Callable[..., None]:
    """Return a function that calls a method while its object exists, and keeps no reference."""
    weak = weakref.WeakMethod(method)

    def call(*args: Any) -> None:
        found = weak()
        if found is not None:
            found(*args)

    return call


def _check_callable(callback: object) -> None:
    if not callable(callback):
        raise TypeError("Callback must be callable, got {}", type(callback))


# `from rclpy.node import *`: some programs have their classes from it.
__all__ = ["Client", "Clock", "Context", "Executor", "GuardCondition", "InvalidTopicNameException"]
__all__ += ["MutuallyExclusiveCallbackGroup", "Node", "Parameter", "Publisher", "QoSProfile"]
__all__ += ["Rate", "ReentrantCallbackGroup", "Service", "Subscription", "Timer"]
