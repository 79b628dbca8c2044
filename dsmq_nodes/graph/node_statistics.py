"""A node's counters on `/dsmq/nodes`."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dsmq_nodes.graph.callback import BusyTime
from dsmq_nodes.graph.links.link import Publication
from dsmq_nodes.graph.spin.exceptions import Exceptions
from dsmq_nodes.graph.time.timer import Timer
from dsmq_nodes.graph.topics.subscription import Subscription
from dsmq_nodes.graph.topics.topic_registry import FormerCounts
from dsmq_nodes.messages.base import Time
from dsmq_nodes.messages.node_counters import (
    CallbackStatistics,
    NodeStatistics,
    PublisherStatistics,
    SubscriptionStatistics,
    TimerStatistics,
)

STATISTICS_PERIOD_SEC: Final = 1.0


def node_statistics(
    name: str,
    stamp: Time,
    rate_hz: float | None,
    *,
    timers: Iterable[Timer],
    publications: Iterable[Publication],
    subscriptions: Iterable[Subscription[Any]],
    exceptions: Exceptions,
    busy: Mapping[str, BusyTime],
    former: FormerCounts,
    clock_set_back_sec: float = 0.0,
) -> NodeStatistics:
    """Return a node's counters as they are now."""
    return NodeStatistics(
        stamp=stamp,
        name=name,
        pid=os.getpid(),
        rate_hz=rate_hz or 0.0,
        timers=[_of_timer(each) for each in timers],
        publishers=[_of_publication(each) for each in publications],
        subscriptions=[_of_subscription(each) for each in subscriptions],
        exceptions=exceptions.count,
        last_exception=exceptions.last,
        callbacks=[_of_callback(*each) for each in busy.items()],
        clock_set_back_sec=clock_set_back_sec,
        former_sent=former.sent,
        former_received=former.received,
        former_dropped=former.dropped,
        former_invalid=former.invalid,
    )


def _of_timer(timer: Timer) -> TimerStatistics:
    return TimerStatistics(
        name=timer.name,
        rate_hz=1.0 / timer.period_sec,
        achieved_hz=timer.achieved_hz,
        ticks=timer.ticks,
        overruns=timer.overruns,
        lateness_p99_sec=timer.lateness.percentile_sec(99),
        lateness_max_sec=timer.lateness.longest_sec,
    )


def _of_publication(publication: Publication) -> PublisherStatistics:
    return PublisherStatistics(
        topic=publication.topic,
        type=publication.type_name,
        messages=publication.messages,
        dropped=publication.dropped,
        suppressed=publication.suppressed,
    )


def _of_subscription(subscription: Subscription[Any]) -> SubscriptionStatistics:
    return SubscriptionStatistics(
        topic=subscription.topic_name,
        type=subscription.msg_type.type_name,
        messages=subscription.messages,
        dropped=subscription.dropped,
        invalid=subscription.invalid,
        late=subscription.late,
        refused=subscription.refused,
        latency_p50_sec=subscription.latency.percentile_sec(50),
        latency_p99_sec=subscription.latency.percentile_sec(99),
    )


def _of_callback(name: str, busy: BusyTime) -> CallbackStatistics:
    return CallbackStatistics(
        name=name, calls=busy.calls, busy_sec=busy.busy_sec, longest_sec=busy.longest_sec
    )
