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
        timers=[
            TimerStatistics(
                name=timer.name,
                rate_hz=1.0 / timer.period_sec,
                achieved_hz=timer.achieved_hz,
                ticks=timer.ticks,
                overruns=timer.overruns,
                lateness_p99_sec=timer.lateness.percentile_sec(99),
                lateness_max_sec=timer.lateness.longest_sec,
            )
            for timer in timers
        ],
        publishers=[
            PublisherStatistics(
                topic=each.topic,
                type=each.type_name,
                messages=each.messages,
                dropped=each.dropped,
                suppressed=each.suppressed,
            )
            for each in publications
        ],
        subscriptions=[
            SubscriptionStatistics(
                topic=each.topic_name,
                type=each.msg_type.type_name,
                messages=each.messages,
                dropped=each.dropped,
                invalid=each.invalid,
                late=each.late,
                refused=each.refused,
                latency_p50_sec=each.latency.percentile_sec(50),
                latency_p99_sec=each.latency.percentile_sec(99),
            )
            for each in subscriptions
        ],
        exceptions=exceptions.count,
        last_exception=exceptions.last,
        callbacks=[
            CallbackStatistics(
                name=callback,
                calls=each.calls,
                busy_sec=each.busy_sec,
                longest_sec=each.longest_sec,
            )
            for callback, each in busy.items()
        ],
        clock_set_back_sec=clock_set_back_sec,
        former_sent=former.sent,
        former_received=former.received,
        former_dropped=former.dropped,
        former_invalid=former.invalid,
    )
