"""The node: what a user subclasses.

What a node is and how it lives is in base_node.py; here is what is made with it. The methods are
thin: each kind of thing has a module of its own.
"""

import asyncio
from typing import Any

from dsmq_nodes.graph import names
from dsmq_nodes.graph.callback import Callback, MessageT, check_callback
from dsmq_nodes.graph.parameter_methods import ParameterNode
from dsmq_nodes.graph.services.service_client import Client
from dsmq_nodes.graph.services.service_server import ServiceCallback, ServiceServer
from dsmq_nodes.graph.spin.rate import Rate
from dsmq_nodes.graph.time.timer import Timer
from dsmq_nodes.graph.topics.graph_view import GraphEndpoint
from dsmq_nodes.graph.topics.publisher import Publisher
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.subscription import Subscription, SubscriptionCallback
from dsmq_nodes.messages.service_base import RequestT, ResponseT, ServiceType


class Node(ParameterNode):
    """A node: subclass it, make publishers, subscriptions and timers in `__init__`, `run` it.

    All callbacks, `def` or `async def`, run in the one thread that spins.

    Its attributes are those of `BaseNode`: `Params`, `rate_hz`, `on_exception`, and others.
    """

    # The graph

    def count_publishers(self, topic: str) -> int:
        """How many publish a topic, as far as the broker has told: see `get_publisher_count`.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
        """
        return len(self.get_publishers_info_by_topic(topic))

    def count_subscribers(self, topic: str) -> int:
        """How many subscribe a topic, as far as the broker has told.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
        """
        return len(self.get_subscriptions_info_by_topic(topic))

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        """The topics of the graph, hidden ones too, with the types that nodes use on each."""
        self._topics.graph.ask()
        return list(self._topics.graph.types().items())

    def get_fully_qualified_node_names(self) -> list[str]:
        """The absolute names of the graph's nodes."""
        self._topics.graph.ask()
        return self._topics.graph.nodes()

    def get_node_names(self) -> list[str]:
        """The own names of the graph's nodes."""
        return [name for name, _ in self.get_node_names_and_namespaces()]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """The own names of the graph's nodes, each with its namespace."""
        splits = map(names.split, self.get_fully_qualified_node_names())
        return [(own, namespace) for namespace, own in splits]

    def get_publishers_info_by_topic(self, topic_name: str) -> list[GraphEndpoint]:
        """Who publishes a topic: `node_name`, `node_namespace`, `topic_type`, `pid` of each.

        A tool has no name.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
        """
        self._topics.graph.ask()
        return list(self._topics.graph.publishers(self.resolve_topic_name(topic_name)))

    def get_subscriptions_info_by_topic(self, topic_name: str) -> list[GraphEndpoint]:
        """Who subscribes a topic: as `get_publishers_info_by_topic`."""
        self._topics.graph.ask()
        return list(self._topics.graph.subscribers(self.resolve_topic_name(topic_name)))

    # Publishers, subscriptions, timers

    def create_publisher(
        self,
        msg_type: type[MessageT],
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        on_deadline: Callback | None = None,
    ) -> Publisher[MessageT]:
        """A publisher of `msg_type` on `topic`; an int is the depth.

        Args:
            msg_type: the type of the messages.
            topic: the topic's name.
            qos_profile: the depth, or more.
            on_deadline: called whenever nothing was published for the profile's `deadline`;
                without it that is a warning in the log.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
            ValueError: the depth is not a whole number from 1.
            TypeError: not a message type, or not the one that this node publishes there already.
        """
        name = self.resolve_topic_name(topic)
        qos = QoSProfile.of(qos_profile)
        return self._topics.publish(msg_type, name, qos, on_deadline, Publisher[MessageT])

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
        """Have `callback(msg)` or `callback(msg, info)` called for each message of `topic`.

        Args:
            msg_type: the type of the messages; one that does not fit is counted and logged.
            topic: the topic's name.
            callback: `def` or `async def`; a coroutine is finished before the next one starts.
                None: the messages are read with `async for msg in subscription`.
            qos_profile: the depth: how many of the newest messages are kept when callbacks are
            slow.
            loaned: of a type with one field of bytes, such as an Image, have that field be a
                read-only memoryview of shared memory, without a copy, while the callback runs; then
                it is taken back. What was overwritten meanwhile is counted as dropped.
            timeout: seconds without a message after which `on_timeout` is called, once until the
                next message; counted from the start of spinning.
            on_timeout: what to do about it, such as stopping the motors.
            on_deadline: called again and again while no message comes within the profile's
                `deadline`; without it each time is a warning in the log.

        Raises:
            InvalidNameError: the topic's name breaks the rules.
            ValueError: the depth is not a whole number from 1, or the timeout not over 0.
            TypeError: the callback takes other arguments, only one of timeout and on_timeout is
                given, or the type has nothing to loan.
        """
        return self._topics.subscribe(
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
        """Have `callback()` called every `timer_period_sec`, for the first time one period on.

        Args:
            timer_period_sec: the time between two calls.
            callback: `def` or `async def`; a coroutine that is still at it skips ticks.
            autostart: whether it ticks at once, or only after `timer.reset()`.

        Raises:
            ValueError: the period is not more than 0.
            TypeError: the callback cannot be called or awaited.
        """
        check_callback(callback, "a timer's callback")
        timer = Timer(timer_period_sec, callback, self._spinner.execute)
        if not autostart:
            timer.cancel()
        self._timers.append(timer)
        self._spinner.add(timer)
        return timer

    def create_rate(self, frequency: float) -> Rate:
        """A rate in Hz: `rate.sleep()` waits for the next of equally spaced moments.

        Raises:
            ValueError: the frequency is not more than 0.
        """
        return Rate(frequency, self._spinner, self._clock)

    def destroy_timer(self, timer: Timer) -> None:
        """Stop a timer for good."""
        timer.cancel()
        self._spinner.remove(timer)
        if timer in self._timers:
            self._timers.remove(timer)

    def destroy_publisher(self, publisher: Publisher[Any]) -> None:
        """Destroy a publisher; the topic is no longer advertised with its last one."""
        self._topics.publish_no_more(publisher)

    def destroy_subscription(self, subscription: Subscription[Any]) -> None:
        """Destroy a subscription; its callback is no longer called."""
        self._topics.subscribe_no_more(subscription)

    # Services

    def create_service(
        self,
        srv_type: ServiceType[RequestT, ResponseT],
        srv_name: str,
        callback: ServiceCallback[RequestT, ResponseT],
    ) -> ServiceServer[RequestT, ResponseT]:
        """Have `callback(request, response)` or `callback(request)` answer each call of a service.

        It returns the response. While an `async def` awaits, others are answered. What it raises
        goes with its traceback to the log, and in one line to the caller.

        Raises:
            InvalidNameError: the service's name breaks the rules.
            ValueError: this node serves that name already.
            TypeError: not a service type, or the callback takes other arguments.
        """
        return self._services.serve(srv_type, self.resolve_service_name(srv_name), callback)

    def create_client(
        self, srv_type: ServiceType[RequestT, ResponseT], srv_name: str
    ) -> Client[RequestT, ResponseT]:
        """A client that calls a service.

        Raises:
            InvalidNameError: the service's name breaks the rules.
            TypeError: not a service type, or not the one as which this node calls it already.
        """
        return self._services.call(srv_type, self.resolve_service_name(srv_name))

    def resolve_service_name(self, service: str) -> str:
        """The absolute name of what this node calls `service`, remapping included.

        Raises:
            InvalidNameError: the name breaks the rules.
        """
        return self.resolve_topic_name(service)

    def destroy_service(self, service: ServiceServer[Any, Any]) -> None:
        """Destroy a service; calls of it fail from now on."""
        self._services.serve_no_more(service)

    def destroy_client(self, client: Client[Any, Any]) -> None:
        """Destroy a client; its calls without a response fail."""
        self._services.call_no_more(client)

    # Waiting

    async def wait_for_message_async(
        self,
        msg_type: type[MessageT],
        topic: str,
        *,
        qos_profile: QoSProfile | int = 1,
        timeout_sec: float | None = None,
    ) -> MessageT | None:
        """Wait for one message, the latched one if there is; None when the time was up."""
        subscription = self.create_subscription(msg_type, topic, None, qos_profile)
        try:
            async with asyncio.timeout(timeout_sec):
                return await anext(subscription, None)
        except TimeoutError:
            return None
        finally:
            self.destroy_subscription(subscription)
