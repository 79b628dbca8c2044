"""Subscriptions: the receiving end of a topic."""

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.errors import MessageError, WireError
from dsmq_nodes.graph.histogram import Histogram
from dsmq_nodes.graph.publisher import MessageT

if TYPE_CHECKING:
    from dsmq_nodes.graph.logger import Logger


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """What is known of a message besides its content.

    Attributes:
        topic_name: the topic's absolute name.
        publisher_name: the node it came from; empty for a tool or a plain client.
        message_id: its place in the topic's log.
        publication_sequence_number: counts the publisher's messages from 1; 0 if it does not count.
        source_timestamp: when it was published, in ns by the publisher's wall clock; 0 if unknown.
        received_timestamp: when the callback was about to be called, in ns by our wall clock.
    """

    topic_name: str
    publisher_name: str
    message_id: int
    publication_sequence_number: int
    source_timestamp: int
    received_timestamp: int


Result = Awaitable[None] | None


class Silence:
    """Calls back once when nothing was heard for `timeout_sec`; and again after a next silence."""

    def __init__(
        self,
        timeout_sec: float,
        callback: Callable[[], Result],
        execute: Callable[[Callable[[], Result]], object],
    ) -> None:
        if not timeout_sec > 0:
            raise ValueError(f"a timeout is more than 0 s, not {timeout_sec!r}")
        self._timeout_sec = timeout_sec
        self._callback = callback
        self._execute = execute
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._heard_sec = 0.0

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start listening for silence: it counts from now."""
        self._loop = loop
        self.heard()

    def heard(self) -> None:
        """Something was heard: the silence begins anew."""
        if self._loop is None:
            return
        # One timer looks at this later; moving a timer at every message would cost more.
        self._heard_sec = self._loop.time()
        if self._handle is None:
            self._handle = self._loop.call_at(self._heard_sec + self._timeout_sec, self._look)

    def cancel(self) -> None:
        """Stop listening."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._loop = None

    def _look(self) -> None:
        self._handle = None
        if self._loop is None:
            return
        due_sec = self._heard_sec + self._timeout_sec
        if self._loop.time() < due_sec:
            self._handle = self._loop.call_at(due_sec, self._look)
        else:
            self._execute(self._callback)


class Subscription(Generic[MessageT]):
    """Receives messages of one type on one topic; made by `Node.create_subscription`.

    Attributes:
        messages: how many were given to the callback.
        dropped: how many were skipped because this end was slower than `depth` allows.
        invalid: how many were not of the type.
        latency: from `publish()` to the callback, where the publisher's stamp tells.
    """

    def __init__(
        self,
        msg_type: type[MessageT],
        topic_name: str,
        callback: Callable[..., Any],
        depth: int,
        logger: "Logger",
        *,
        silence: "Silence | None" = None,
    ) -> None:
        self.msg_type = msg_type
        self.topic_name = topic_name
        self.callback = callback
        self.depth = depth
        self.messages = 0
        self.dropped = 0
        self.invalid = 0
        self.latency = Histogram()
        self.silence = silence
        self._logger = logger
        self._mail: deque[Reply] = deque()
        self._wants_info = _takes_two(callback)

    @property
    def waiting(self) -> int:
        """How many messages are in the mailbox."""
        return len(self._mail)

    def post(self, reply: Reply) -> None:
        """Put a message that came into the mailbox; the oldest gives way when it is full."""
        self.dropped += reply.gap
        if len(self._mail) >= self.depth:
            self._mail.popleft()
            self.dropped += 1
        self._mail.append(reply)

    def dispatch(self) -> Result:
        """Decode the oldest message of the mailbox and call the callback; gives what it gave."""
        if not self._mail:
            return None
        reply = self._mail.popleft()
        try:
            msg = self.msg_type.from_json(reply.text or "")
        except (MessageError, WireError) as error:
            self.invalid += 1
            if self.invalid == 1:
                self._logger.error(  # noqa: TRY400  the text says it all
                    f"{self.topic_name}: a message from {reply.sender or 'a client'} is not valid: "
                    f"{error}; others like it are only counted"
                )
            return None
        now_ns = time.time_ns()
        if reply.stamp:
            self.latency.add((now_ns - reply.stamp) * 1e-9)
        self.messages += 1
        if self.silence is not None:
            self.silence.heard()
        if not self._wants_info:
            return self.callback(msg)  # type: ignore[no-any-return]
        info = MessageInfo(self.topic_name, reply.sender, reply.id, reply.seq, reply.stamp, now_ns)
        return self.callback(msg, info)  # type: ignore[no-any-return]


def _takes_two(callback: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(callback).parameters.values()
    except ValueError:  # some built-in callables have no signature: (msg) it is
        return False
    positional = [
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    if len(positional) > 2:
        raise TypeError(f"a subscription's callback takes (msg) or (msg, info), not {positional}")
    return len(positional) == 2
