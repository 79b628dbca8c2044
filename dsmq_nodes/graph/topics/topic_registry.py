"""The publishers and subscriptions of a node; each topic has one reader at the link."""

import math
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

import msgspec

from dsmq_nodes.announced_qos import AnnouncedQoS, qos_topic
from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.graph.callback import Callback, MessageT, check_callback, check_takes
from dsmq_nodes.graph.given import TOPIC_TYPE, subclass_of
from dsmq_nodes.graph.links.link import Link, Publication
from dsmq_nodes.graph.links.link_reader import Deliver
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin.spinner import Spinner
from dsmq_nodes.graph.time.clock import BaseClock, seconds
from dsmq_nodes.graph.time.watchdog import Watchdog
from dsmq_nodes.graph.topics.at_once import AtOnce
from dsmq_nodes.graph.topics.compatible import compare
from dsmq_nodes.graph.topics.graph_view import GraphView
from dsmq_nodes.graph.topics.publisher import Publisher
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.subscription import Subscription, SubscriptionCallback
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages.base import Duration, Message
from dsmq_nodes.topic_names import GRAPH_TOPIC, GRAPH_TYPE

_MISSES_WARNED_SEC: Final = 10.0
PublisherT = TypeVar("PublisherT", bound=Publisher[Any])


class FormerCounts(msgspec.Struct):
    """The counts of destroyed publishers and subscriptions."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    invalid: int = 0


class Topics:
    """The publishers and subscriptions of a node, by absolute names."""

    def __init__(self, link: Link, spinner: Spinner, clock: BaseClock, logger: Logger) -> None:
        self.publishers: list[Publisher[Any]] = []
        self.former = FormerCounts()
        self._by_topic: dict[str, list[Subscription[Any]]] = {}
        self._awaited: dict[str, list[Callable[[], object]]] = {}
        self._link = link
        self._spinner, self._dispatcher = spinner, spinner.dispatcher
        self._clock = clock
        self._logger = logger
        self.graph = GraphView(
            self._follow_graph, self._wait_outside, self._dispatcher.when_drained
        )

    def add_publisher(
        self,
        msg_type: type[MessageT],
        name: str,
        qos: QoSProfile,
        on_deadline: Callback | None,
        make: type[PublisherT],
    ) -> PublisherT:
        """Create a publisher; `make` is its class."""
        subclass_of(msg_type, Message, TOPIC_TYPE)
        self._spinner.warn_if_ended(f"a publisher of {name}")
        watchdog = self._deadline(qos, on_deadline, f"{name}: published nothing")
        schema = schema_text(msg_type)
        qos_publication = self._announce_qos(name, qos)  # others see it before the publisher itself
        publication = self._link.advertise(name, msg_type.type_name, qos.latched, schema)
        if (publication.type_name, publication.schema) != (msg_type.type_name, schema):
            self._withdraw_qos(qos_publication)
            why = f"so it cannot publish {msg_type.type_name} there: use another topic"
            if publication.type_name == msg_type.type_name:
                why = "by another class of that name, with other fields: "
                why += "destroy that publisher first"
            raise TypeError(f"this node publishes {publication.type_name} on {name} already, {why}")
        publisher = make(
            msg_type,
            publication,
            qos_publication=qos_publication,
            link=self._link,
            spinner=self._spinner,
            graph=self.graph,
            logger=self._logger,
            watchdog=watchdog,
        )
        if watchdog is not None:
            self._spinner.add(watchdog)
        self.publishers.append(publisher)
        return publisher

    def remove_publisher(self, publisher: Publisher[Any]) -> None:
        """Remove a publisher."""
        if publisher not in self.publishers:
            return
        self.publishers.remove(publisher)
        if publisher.watchdog is not None:
            self._spinner.remove(publisher.watchdog)
        is_last = all(each.topic_name != publisher.topic_name for each in self.publishers)
        if is_last:  # they share their counters
            self.former.sent += publisher.messages
            self.former.dropped += publisher.dropped
        publisher.close(is_last=is_last)
        self._withdraw_qos(publisher.qos_publication)

    def add_subscription(
        self,
        msg_type: type[MessageT],
        name: str,
        callback: SubscriptionCallback[MessageT] | None,
        qos: QoSProfile,
        *,
        loaned: bool = False,
        timeout: float | None = None,
        on_timeout: Callback | None = None,
        on_deadline: Callback | None = None,
        longest_wait_sec: float | None = None,
    ) -> Subscription[MessageT]:
        """Create a subscription; a message that has waited for `longest_wait_sec` expires."""
        subclass_of(msg_type, Message, TOPIC_TYPE)
        if (timeout is None) != (on_timeout is None):
            raise TypeError("timeout and on_timeout go together: give both or neither")
        if callback is not None:
            check_callback(callback, f"the callback of {name}")
        if on_timeout is not None:
            check_takes(on_timeout, f"the on_timeout of {name}")
        for each in self._by_topic.get(name, ()):
            _check_same(name, each.msg_type, msg_type)
        subscription = Subscription(
            msg_type,
            name,
            callback,
            qos,
            loaned=loaned,
            longest_wait_sec=longest_wait_sec,
            clock=self._clock,
            logger=self._logger,
            graph=self.graph,
        )
        if timeout is not None and on_timeout is not None:
            watchdog = Watchdog(timeout, on_timeout, self._dispatcher.execute)
            subscription.watchdogs.append(watchdog)
        deadline = self._deadline(qos, on_deadline, f"{name}: no message")
        if deadline is not None:
            subscription.watchdogs.append(deadline)
        # Nothing is refused from here on.
        self._spinner.warn_if_ended(f"a subscription of {name}")
        for watchdog in subscription.watchdogs:
            self._spinner.add(watchdog)
        # A new list: what is read until `_read` is not for this one, or it would miss some of it.
        together = self._by_topic[name] = [*self._by_topic.get(name, ()), subscription]
        is_alone = len(together) == 1 and callback is not None and name != GRAPH_TOPIC
        is_alone = is_alone and name not in self._awaited
        self._read(name, AtOnce(subscription, self._dispatcher) if is_alone else None)
        return subscription

    def await_message(self, name: str, then: Callable[[], object]) -> None:
        """Call `then` once, at the next message of a topic, or a latched one, of any type."""
        self._awaited.setdefault(name, []).append(then)
        self._by_topic.setdefault(name, [])
        self._read(name)

    def remove_subscription(self, subscription: Subscription[Any]) -> None:
        """Remove a subscription."""
        subscription.close()
        for watchdog in subscription.watchdogs:
            self._spinner.remove(watchdog)
        together = self._by_topic.get(subscription.topic_name, [])
        if subscription in together:
            together.remove(subscription)
            self.former.received += subscription.messages
            self.former.dropped += subscription.dropped
            self.former.invalid += subscription.invalid
            self._stop_reading_unused(subscription.topic_name)

    def subscriptions(self) -> Iterator[Subscription[Any]]:
        """Yield all of them, in the order of their topics."""
        for together in self._by_topic.values():
            yield from together

    def close(self) -> None:
        """End every `async for` over a subscription, and short ways, since the node ends."""
        for publisher in self.publishers:
            publisher.go_the_general_way()
        for subscription in self.subscriptions():
            subscription.close()

    def _read(self, name: str, at_once: AtOnce | None = None) -> None:
        """Read a topic from the link for all its readers, as the type of the last subscription."""
        together = self._by_topic[name]
        depth = max((each.depth for each in together), default=1)
        deliver = self._deliver_to(name, together)
        if not together:
            self._link.subscribe(name, depth, "", deliver)
            return
        msg_type: type[Message] = together[-1].msg_type
        schema = schema_text(msg_type)
        self._link.subscribe(name, depth, msg_type.type_name, deliver, schema, call_now=at_once)

    def _stop_reading_unused(self, name: str) -> None:
        """Stop reading a topic that has no reader left."""
        is_followed = self.graph.follows and name == GRAPH_TOPIC
        if not self._by_topic[name] and not is_followed and name not in self._awaited:
            del self._by_topic[name]
            self._link.unsubscribe(name)

    def _deliver_to(self, name: str, together: list[Subscription[Any]]) -> Deliver:
        graph = self.graph if name == GRAPH_TOPIC else None

        def deliver(reply: Entry, again: bool) -> None:
            if graph is not None:
                graph.take(reply)
            for each in together:
                if each.post(reply, again):
                    self._dispatcher.enqueue(each)
            if (awaited := self._awaited.pop(name, None)) is not None:
                for then in awaited:
                    then()
                self._stop_reading_unused(name)

        return deliver

    def _announce_qos(self, name: str, qos: QoSProfile) -> Publication | None:
        """Announce a publisher's deadline and lifespan, if it has any: see announced_qos.py."""
        if qos.deadline is None and qos.lifespan is None:
            return None
        announced = AnnouncedQoS(deadline_ns=_ns(qos.deadline), lifespan_ns=_ns(qos.lifespan))
        return self._link.advertise(qos_topic("publisher", name, announced), "", 0)

    def _withdraw_qos(self, qos_publication: Publication | None) -> None:
        if qos_publication is not None and all(
            each.qos_publication is not qos_publication for each in self.publishers
        ):
            self._link.unadvertise(qos_publication)

    def _deadline(
        self, qos: QoSProfile, on_deadline: Callback | None, what: str
    ) -> Watchdog | None:
        if qos.deadline is None:
            if on_deadline is not None:
                raise TypeError("on_deadline needs a deadline in the QoSProfile")
            return None
        if on_deadline is not None:
            check_takes(on_deadline, f"an on_deadline ({what})")
        deadline_sec = seconds(qos.deadline)
        missed, warned_sec = 0, -math.inf

        def warn() -> None:
            nonlocal missed, warned_sec
            missed += 1
            now_sec = self._clock.monotonic_sec()
            if now_sec - warned_sec >= _MISSES_WARNED_SEC:
                often = f", {missed} times since the last line" if missed > 1 else ""
                self._logger.warning(f"{what} within its deadline of {deadline_sec:g} s{often}")
                missed, warned_sec = 0, now_sec

        return Watchdog(
            deadline_sec,
            on_deadline or warn,
            self._dispatcher.execute,
            what="deadline",
            repeat=True,
        )

    def _wait_outside(self, work: Coroutine[Any, Any, object]) -> None:
        if self._spinner.is_in_callback():
            work.close()
        else:
            self._spinner.block_on(work, "")

    def _follow_graph(self) -> None:
        if GRAPH_TOPIC not in self._by_topic:  # else the view receives it already
            together = self._by_topic[GRAPH_TOPIC] = []
            deliver = self._deliver_to(GRAPH_TOPIC, together)
            self._link.subscribe(GRAPH_TOPIC, 1, GRAPH_TYPE, deliver)


def _ns(given: Duration | float | None) -> int:
    return 0 if given is None else round(seconds(given) * 1e9)


def _check_same(topic: str, known: type[Message], added: type[Message]) -> None:
    """Check that two types of one topic in a node can read the same messages."""
    known_schema, added_schema = known.schema(), added.schema()
    found = compare(added_schema, known_schema).differences
    if found and compare(known_schema, added_schema).differences:
        raise TypeError(
            f"this node subscribes {known.type_name} on {topic} already, so it cannot subscribe "
            f"{added.type_name} there ({found[0].field or 'the type'} differs): use another topic"
        )
