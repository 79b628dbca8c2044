"""From a batch of messages to a callback, at once: what a link calls instead of filling a mailbox.

`Dispatcher.call_now` and `Subscription.call` are the law. The compiled `Taker` does the same in one
call for the usual messages of a ring. Python handles the others: messages on loan, and nodes whose
clock is not the machine's.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from dsmq_nodes.dsmq.ring.record import RingRecord
from dsmq_nodes.graph.spin.dispatcher import Dispatcher
from dsmq_nodes.graph.topics.subscription import Subscription
from dsmq_nodes.messages.codec import codec
from dsmq_nodes.speedups import make_taker

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.log import Entry
    from dsmq_nodes.dsmq.ring.reader import RingReader
    from dsmq_nodes.graph.links.link_reader import LinkReader


class AtOnce:
    """Calls the callback of a subscription that is the only one of its topic in its node.

    Attributes:
        call: calls the callback with messages; returns how many it took: the others have to wait.
    """

    def __init__(self, subscription: Subscription[Any], dispatcher: Dispatcher) -> None:
        self._subscription, self._dispatcher = subscription, dispatcher
        self.call: Callable[[Sequence[Entry]], int] = partial(dispatcher.call_now, subscription)

    def taker(
        self, ring_reader: "RingReader | None", reader: "LinkReader"
    ) -> Callable[[], bool] | None:
        """Return a function that takes the usual messages of a ring to the callback.

        It returns False when the reader has to read on. Without a ring it is for
        `speedups.receive`, which reads a socket. None: no message of the subscription is usual, or
        nothing is compiled.
        """
        if make_taker is None or reader.losses is None:
            return None
        usual = self._subscription.of_usual_messages()
        if usual is None:
            return None
        latency, msg_type = self._subscription.latency, self._subscription.msg_type
        ring = ring_reader.ring if ring_reader is not None else None
        return make_taker(
            ring_reader,
            ring_reader.names if ring_reader is not None else {},
            reader.cursor,
            reader.losses.publishers,
            self._subscription,
            self._subscription.mail,
            latency,
            latency.buckets,
            self._subscription.watchdogs,
            self._dispatcher,
            self._dispatcher.running,
            self._dispatcher.busy,
            codec(msg_type) or msg_type.from_json,
            usual.callback,
            self._subscription.callback_name,
            usual.info,
            usual.has_expired,
            RingRecord,
            ring.memory if ring is not None else None,
            ring.file if ring is not None else -1,
            ring_reader.seat if ring_reader is not None else 0,
            usual.since_ns,
        ).take
