"""NodeStatistics: those types of dsmq_msgs that every node needs.

A node imports only these five: each message class costs 1 M instructions at import, and the 25
other types of dsmq_msgs are used by tools alone.
"""

from dsmq_nodes.messages.base import Message, Time


class TimerStatistics(Message, type_name="dsmq_msgs/msg/TimerStatistics"):
    """The counters of a timer; `overruns` are ticks that were skipped because it was late."""

    name: str
    rate_hz: float
    achieved_hz: float = 0.0
    ticks: int = 0
    overruns: int = 0
    lateness_p99_sec: float = 0.0
    lateness_max_sec: float = 0.0


class PublisherStatistics(Message, type_name="dsmq_msgs/msg/PublisherStatistics"):
    """The counters of a publisher.

    `dropped` messages could not be sent without a broker; `suppressed` ones were not sent because
    the lifecycle node was not active.
    """

    topic: str
    type: str = ""
    messages: int = 0
    dropped: int = 0
    suppressed: int = 0


class SubscriptionStatistics(Message, type_name="dsmq_msgs/msg/SubscriptionStatistics"):
    """The counters of a subscription; latency is from `publish()` to the callback.

    `dropped` messages were skipped because the subscription was too slow, `late` ones were older
    than the lifespan, `invalid` ones did not fit the type. `refused` ones are commands that an
    Actuator refused, because the emergency stop was, or might have been, pressed.
    """

    topic: str
    type: str = ""
    messages: int = 0
    dropped: int = 0
    invalid: int = 0
    late: int = 0
    refused: int = 0
    latency_p50_sec: float = 0.0
    latency_p99_sec: float = 0.0


class CallbackStatistics(Message, type_name="dsmq_msgs/msg/CallbackStatistics"):
    """The time for which a callback has blocked its node.

    `calls` counts each step of a coroutine; `longest_sec` is the longest in the last second.
    """

    name: str
    calls: int = 0
    busy_sec: float = 0.0
    longest_sec: float = 0.0


class NodeStatistics(Message, type_name="dsmq_msgs/msg/NodeStatistics"):
    """A node's counters since it started; on `/dsmq/nodes`. `rate_hz` is 0 without a rate.

    `exceptions` counts those that its callbacks raised, `last_exception` is the newest in one line.
    `former_...` are the counters of the publishers and subscriptions that the node has destroyed.
    `clock_set_back_sec` is how far the machine's clock was set back in the last 5 minutes.
    """

    stamp: Time = Time()
    name: str
    pid: int = 0
    rate_hz: float = 0.0
    timers: list[TimerStatistics] = []
    publishers: list[PublisherStatistics] = []
    subscriptions: list[SubscriptionStatistics] = []
    exceptions: int = 0
    last_exception: str = ""
    callbacks: list[CallbackStatistics] = []
    clock_set_back_sec: float = 0.0
    former_sent: int = 0
    former_received: int = 0
    former_dropped: int = 0
    former_invalid: int = 0
