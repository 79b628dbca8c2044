"""A client's subscriptions of one topic, and the messages that wait to be sent.

A client may subscribe to a topic several times, each with its own id and options. It receives each
message once, with the options merged as in rosbridge_suite: the least throttle_rate, the least
queue_length, the least fragment_size and the strongest compression.

With a throttle_rate and no queue_length, a message that arrives too early is dropped. With a
queue_length, that many of the newest messages wait and are sent at the rate. The queue is always
bounded, in messages and in bytes, and all dropped messages are counted. Messages that may be sent
go to the client's outbox, which drops the oldest when the socket is full.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")

MOST_MESSAGES: Final = 1000  # for a client that gives no queue_length
COMPRESSIONS: Final = ("cbor-raw", "cbor", "png", "none")
"""The compressions, the strongest first."""
MOST_BYTES: Final = 2 << 20  # waiting, in all topics of a client


class TopicOptions(NamedTuple):
    """A client's options for a topic; `throttle_sec` is in s, 0 stands for no limit."""

    throttle_sec: float = 0.0
    queue_length: int = 0
    fragment_size: int = 0
    compression: str = "none"


def merged(options: Iterable[TopicOptions]) -> TopicOptions:
    """Return the merged options of several subscriptions."""
    every = list(options)
    sizes = [each.fragment_size for each in every if each.fragment_size]
    wanted = {each.compression for each in every}
    return TopicOptions(
        min(each.throttle_sec for each in every),
        min(each.queue_length for each in every),
        min(sizes, default=0),
        next(each for each in COMPRESSIONS if each in wanted),
    )


class WaitingBytes:
    """The bytes that wait in all queues of one client."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most, self.now = most, 0


class TopicQueue(Generic[T]):
    """The waiting messages of one topic of one client.

    Attributes:
        options: the merged options.
        dropped: the number of messages dropped so far because there was no room.
        thinned: the number of messages skipped because of the throttle_rate.
    """

    def __init__(self, options: TopicOptions, bytes_: WaitingBytes) -> None:
        self.options = options
        self.dropped = self.thinned = 0
        self._bytes = bytes_
        self._waiting: deque[tuple[T, int]] = deque()
        self._next_sec = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: T, size_bytes: int, now_sec: float) -> None:
        """Add a received message."""
        throttle_sec, length, _, _ = self.options
        if throttle_sec and not length:
            if now_sec < self._next_sec:
                self.thinned += 1
                return
            self._next_sec = now_sec + throttle_sec
        self._waiting.append((message, size_bytes))
        self._bytes.now += size_bytes
        while length and len(self._waiting) > length:
            self._drop_oldest()
            self.thinned += 1
        while self._is_full() and len(self._waiting) > 1:
            self._drop_oldest()
            self.dropped += 1

    def _is_full(self) -> bool:
        return len(self._waiting) > MOST_MESSAGES or self._bytes.now > self._bytes.most

    def _drop_oldest(self) -> None:
        self._bytes.now -= self._waiting.popleft()[1]

    def clear(self) -> None:
        """Drop all waiting messages, because the topic is unsubscribed."""
        while self._waiting:
            self._bytes.now -= self._waiting.popleft()[1]

    def wait_sec(self, now_sec: float) -> float | None:
        """Return the time until `take` returns a message, s; None if none waits."""
        if not self._waiting:
            return None
        is_paced = self.options.throttle_sec and self.options.queue_length
        return max(self._next_sec - now_sec, 0.0) if is_paced else 0.0

    def take(self, now_sec: float) -> T | None:
        """Return the next message that may be sent now, or None."""
        if self.wait_sec(now_sec) != 0.0:
            return None
        message, size_bytes = self._waiting.popleft()
        self._bytes.now -= size_bytes
        if self.options.queue_length:
            self._next_sec = now_sec + self.options.throttle_sec
        return message
