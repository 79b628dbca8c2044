"""Subscriptions: the receiving end of a topic."""

import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Self

import msgspec

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.dsmq.ring.record import RingRecord
from dsmq_nodes.errors import MessageError, OverwrittenError, WireError
from dsmq_nodes.graph.callback import MessageT, Result, callback_name, takes_two
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin.event_loop import Notifier
from dsmq_nodes.graph.time.ages import Ages
from dsmq_nodes.graph.time.clock import BaseClock, seconds
from dsmq_nodes.graph.time.histogram import Histogram
from dsmq_nodes.graph.topics.graph_view import GraphView
from dsmq_nodes.graph.topics.loan import Lender
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.messages.schema.large_field import large_field

if TYPE_CHECKING:
    from dsmq_nodes.graph.time.watchdog import Watchdog

_MOST_AHEAD_NS: Final = 10**9  # a stamp further ahead gives no latency


class MessageInfo(msgspec.Struct, frozen=True, gc=False):
    """Information about a message besides its content.

    Attributes:
        topic_name: the topic's absolute name.
        publisher_name: the node that published it; empty for a tool or a plain client.
        message_id: its id in the topic's log.
        publication_sequence_number: the publisher's count of its messages, from 1; 0: it has none.
        source_timestamp: when it was published, in ns by the publisher's wall clock; 0: unknown.
        received_timestamp: when the callback was about to be called, in ns by our wall clock.
        is_latched: whether it was published before the subscription was made, and kept for it.
    """

    topic_name: str
    publisher_name: str
    message_id: int
    publication_sequence_number: int
    source_timestamp: int
    received_timestamp: int
    is_latched: bool = False


class UsualEntries(NamedTuple):
    """The parts with which compiled code delivers a subscription's usual entries to its callback.

    Attributes:
        callback: called with each message.
        since_ns: messages stamped earlier do not count for the latencies.
        info: makes the `MessageInfo` of a message; None: the callback does not take one.
        has_expired: whether an entry is too old, and is skipped; None: entries do not expire.
    """

    callback: Callable[..., Any]
    since_ns: int
    info: Callable[[str, int, int, int, int, int], MessageInfo] | None
    has_expired: Callable[[Entry], bool] | None


SubscriptionCallback = Callable[[MessageT], Result] | Callable[[MessageT, MessageInfo], Result]


class Subscription(Generic[MessageT], AsyncIterator[MessageT]):
    """Receives messages of one type on one topic; made by `Node.create_subscription`.

    Without a callback it is read with `async for msg in subscription`, which ends when the
    subscription or its node is destroyed. A loan ends when the next message is requested.

    Attributes:
        messages: how many the callback was called with, except those overwritten meanwhile.
        dropped: how many were skipped because this end was slower than `depth` allows, were
            overwritten while they were read, or never came: published while the broker was lost, or
            lost with it.
        invalid: how many were not of the type.
        late: how many were skipped because, when their turn came, they were older than the
            lifespan, or, for an Actuator, than its timeout.
        refused: how many commands the Actuator refused; see there.
    """

    __slots__ = ("__dict__", "__weakref__", "_began", "_closed", "_given")  # used for each message

    def __init__(
        self,
        msg_type: type[MessageT],
        topic_name: str,
        callback: SubscriptionCallback[MessageT] | None,
        qos: QoSProfile,
        *,
        loaned: bool = False,
        longest_wait_sec: float | None = None,
        clock: BaseClock,
        logger: Logger,
        graph: GraphView,
    ) -> None:
        self.msg_type = msg_type
        self.topic_name = topic_name
        self.callback: Callable[..., Any] | None = callback
        self.callback_name = callback_name(callback)
        self.depth = qos.depth
        self._given = 0
        self._dropped = 0
        self._is_behind = False  # a message was overwritten before we read it
        self._lender = Lender(msg_type, topic_name, logger) if loaned else None
        self.invalid = 0
        self.late = 0
        self.refused = 0
        self.latency = Histogram()
        self.watchdogs: list[Watchdog] = []
        self._lifespan_ns = None if qos.lifespan is None else int(seconds(qos.lifespan) * 1e9)
        self._longest_wait_sec = longest_wait_sec or 0.0
        self._waited_sec = 0.0
        self.idle_since_sec = -math.inf  # what a command waited until then is excused
        self._expires = qos.lifespan is not None or bool(longest_wait_sec)
        self._ages = Ages(topic_name, clock, logger.warning) if self._expires else None
        # earlier stamps are of latched messages, whose age is no latency
        self._since_ns = max(clock.now_ns(), 1)
        self._began_ns = round(clock.monotonic_sec() * 1e9)
        self._clock = clock
        self._logger = logger
        self._graph = graph
        self.mail: deque[Entry] = deque()
        self._wants_info = callback is not None and takes_two(
            callback, "a subscription's callback", "msg", "info"
        )
        # it has received a new message: repeated ones are for later subscriptions
        self._began = False
        self._repeated_id = 0  # id of the last repeated message that it has received
        self._closed = False
        self._changed = Notifier()  # for `async for`
        self._is_read = False  # by `async for`, or the warning that nothing reads it was logged

    def get_publisher_count(self) -> int:
        """Return how many publishers the topic has, tools included, as far as is known.

        The first call asks the broker for the graph. Outside of callbacks it waits for the answer;
        in a callback it returns 0 until the answer has come.
        """
        self._graph.ask()
        return len(self._graph.publishers(self.topic_name))

    @property
    def messages(self) -> int:
        """See the class."""
        return self._given - self._overwritten

    @property
    def dropped(self) -> int:
        """See the class."""
        return self._dropped + self._overwritten

    @property
    def _overwritten(self) -> int:
        return self._lender.overwritten if self._lender is not None else 0

    @property
    def waiting(self) -> int:
        """How many messages are in the mailbox."""
        return len(self.mail)

    def post(self, reply: Entry, again: bool) -> bool:
        """Put a message into the mailbox; a full mailbox drops its oldest.

        Returns whether the mailbox holds one more message than before.
        """
        if again:
            if self._began or reply.id <= self._repeated_id:
                return False  # repeated for a later subscription
            self._repeated_id = reply.id
        else:
            self._began = True
        self._dropped += reply.gap
        is_full = len(self.mail) >= self.depth
        if is_full:
            self.mail.popleft()
            self._dropped += 1
            if self.callback is None and not self._is_read:
                self._warn_unread()
        self.mail.append(reply)
        if self.callback is not None:
            return not is_full
        self._changed.notify_all()
        return False

    def _warn_unread(self) -> None:
        """Warn, once, that nothing reads the messages."""
        self._is_read = True
        self._logger.warning(
            f"{self.topic_name}: messages are dropped: the subscription has no callback, and "
            "nothing reads it with `async for msg in subscription`; a callback is given as the "
            "function, `self.on_x`, not `self.on_x()`"
        )

    def call(self, reply: Entry) -> Result:
        """Call the callback with a message that need not wait in the mailbox."""
        if self._closed:
            return None
        self._began = True
        if reply.gap:
            self._dropped += reply.gap
        if self._lender is not None or self._wants_info:
            return self._take(reply)
        msg = self._decode(reply)
        return None if msg is None or self.callback is None else self.callback(msg)

    def of_usual_messages(self) -> UsualEntries | None:
        """Return what the compiled part needs to do as `call` does; None if `call` does more."""
        is_usual = self._lender is None and type(self._clock) is BaseClock
        if not is_usual or self.callback is None:
            return None
        info = self.info if self._wants_info else None
        has_expired = self.has_expired if self._expires else None
        return UsualEntries(self.callback, self._since_ns, info, has_expired)

    def dispatch(self) -> Result:
        """Call the callback with the oldest message of the mailbox; returns its result."""
        if not self.mail or self._closed:
            return None
        return self._take(self.mail.popleft())

    def _take(self, reply: Entry) -> Result:
        msg = self._decode(reply)
        if msg is None:
            return None
        if self._lender is None:
            return self._call(msg, reply)
        return self._lender.call(lambda: self._call(msg, reply))

    def _call(self, msg: MessageT, reply: Entry) -> Result:
        if self.callback is None:
            return None
        if not self._wants_info:
            return self.callback(msg)  # type: ignore[no-any-return]
        now_ns = self._clock.now_ns()
        info = self.info(reply.sender, reply.id, reply.seq, reply.stamp, now_ns, reply.at)
        return self.callback(msg, info)  # type: ignore[no-any-return]

    def info(  # noqa: PLR0917  the compiled part has no names for them
        self, sender: str, message_id: int, seq: int, stamp_ns: int, now_ns: int, at_ns: int
    ) -> MessageInfo:
        """Return the `MessageInfo` of a message; all times are in ns."""
        is_latched = 0 < at_ns < self._began_ns
        return MessageInfo(self.topic_name, sender, message_id, seq, stamp_ns, now_ns, is_latched)

    def _decode(self, reply: Entry) -> MessageT | None:
        if self._expires and self.has_expired(reply):
            return None
        now_ns = self._clock.now_ns()
        try:
            if isinstance(reply, RingRecord) and not reply.field and self._lender is None:
                msg = self.msg_type.from_json(reply.data)
            else:
                msg = self._read(reply)
        except OverwrittenError:
            self._dropped += 1
            return None
        except (MessageError, WireError) as error:
            self.invalid += 1
            if self.invalid == 1:
                self._logger.error(  # noqa: TRY400  the text says it all
                    f"{self.topic_name}: a message from {reply.sender or 'a client'} is not valid: "
                    f"{error}; others like it are only counted"
                )
            return None
        if self._since_ns <= reply.stamp <= now_ns + _MOST_AHEAD_NS:
            self.latency.add((now_ns - reply.stamp) * 1e-9)
        self._given += 1
        for watchdog in self.watchdogs:
            watchdog.heard(self._waited_sec)
        return msg

    def has_expired(self, reply: Entry) -> bool:
        """Whether a message is too old; it is then counted as skipped. Call this once for each."""
        ages, lifespan_ns = self._ages, self._lifespan_ns
        if ages is None:
            return False
        if lifespan_ns is not None:
            age_ns = ages.age_ns(reply)
            if age_ns > lifespan_ns:
                self._skip("message", reply.sender, age_ns, "the lifespan", lifespan_ns)
                return True
        if not (self._longest_wait_sec and reply.at):
            return False
        # The network or this process may have delayed a command. Its publisher's clock may differ
        # from ours: only the certain part of its age counts (see `Ages.least_ns`).
        excused_sec = max(self.idle_since_sec - reply.at * 1e-9, 0.0)
        waited_sec = self._waited_sec = ages.least_ns(reply) * 1e-9 - excused_sec
        if waited_sec <= self._longest_wait_sec:
            return False
        limit = "its timeout" if self.watchdogs else "the longest delay"
        self._skip("command", reply.sender, waited_sec * 1e9, limit, self._longest_wait_sec * 1e9)
        return True

    def _skip(self, what: str, sender: str, age_ns: float, limit: str, most_ns: float) -> None:
        self.late += 1
        if self.late == 1:
            self._logger.warning(
                f"{self.topic_name}: a {what} from {sender or 'a client'} is {age_ns * 1e-9:.1f} s "
                f"old, which is more than {limit} of {most_ns * 1e-9:g} s: it is skipped, others "
                "like it are only counted"
            )

    def _read(self, reply: Entry) -> MessageT:
        if not isinstance(reply, RingRecord):
            msg = self.msg_type.from_json(reply.text or "")
        elif not reply.field:
            msg = self.msg_type.from_json(reply.data)
        elif reply.field == large_field(self.msg_type):
            msg = self.msg_type.from_parts(reply.data, self._raw(reply))
        else:
            msg = self.msg_type.from_json(reply.text)
        if self._lender is not None:
            self._lender.lend(msg, reply.loan if isinstance(reply, RingRecord) else None)
        return msg

    def _raw(self, record: RingRecord) -> bytes | memoryview:
        """Return a record's large field: a copy, or a view for a loan.

        Raises:
            OverwrittenError: the field was overwritten.
        """
        loan = record.loan
        if loan is None:
            return record.raw
        # Once one was read too late, skip records that are about to be overwritten.
        if loan.has_time or not self._is_behind:
            raw = loan.view if self._lender is not None else bytes(loan.view)
            self._is_behind = not loan.is_whole
            if not self._is_behind:
                return raw
        raise OverwrittenError(f"{self.topic_name}: message {record.id} was overwritten")

    def __aiter__(self) -> Self:
        if self.callback is not None:
            raise TypeError(
                f"{self.topic_name}: this subscription has a callback; give None instead of it to "
                "read with `async for`"
            )
        return self

    async def __anext__(self) -> MessageT:
        self._is_read = True
        if self._lender is not None:
            self._lender.take_back()
        while not self._closed:
            while self.mail:
                msg = self._decode(self.mail.popleft())
                if msg is not None:
                    return msg
            await self._changed.until(lambda: self.mail or self._closed)
        raise StopAsyncIteration

    def close(self) -> None:
        """Stop delivering; `Node.destroy_subscription` calls this."""
        self._closed = True
        self._changed.notify_all()
