"""What waits to be sent to one client: bounded in bytes, however slowly it reads.

An answer is never dropped; a client whose answers stay unread is ended (`is_stuck`). Of the
messages of a topic the newest are kept: when there is no room, the oldest of the topic with the
most bytes is dropped and counted. No I/O here: the server's writer takes from `next`.

What is in the buffers of both kernels cannot be withdrawn, and may be seconds of pictures. So a
ping follows a message, and while its pong is late, messages wait here, where newer ones may replace
them.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

Frame = str | bytes
Message = Frame | tuple[Frame, ...]
"""What is sent, or dropped, as a whole: one frame, or several in a row."""

MESSAGE_BYTES: Final = 2 << 20  # of messages that wait, of all topics of a client
_ANSWER_BYTES: Final = 1 << 20
_STUCK_SEC: Final = 10.0
_LATE_SEC: Final = 0.1  # of a pong
_MOST_ANSWER_BYTES: Final = 64 << 20


class Outbox:
    """The frames that wait for one client.

    Attributes:
        dropped: how many messages of each topic were dropped because the client did not read.
        end_reason: why the client is to be ended; empty: it is not.
    """

    def __init__(
        self,
        most_bytes: int = MESSAGE_BYTES,
        *,
        now_sec: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self.end_reason = ""
        self.on_news: Callable[[], None] = lambda: None
        self._most_bytes = most_bytes
        self._now_sec = now_sec
        self._answers: deque[Frame] = deque()
        self._answer_bytes = 0
        self._unread_since_sec: float | None = None
        self._topics: dict[str, deque[Message]] = {}
        self._topic_bytes: Counter[str] = Counter()
        self._order: deque[str] = deque()  # a topic for each message that waits
        self._message_bytes = 0
        self._is_unasked = False  # a message was sent, and no ping after it
        self._asked_sec: float | None = None
        self._is_behind = False  # a frame was taken, and since then some have always waited

    @property
    def waiting_bytes(self) -> int:
        """The bytes of all frames that wait."""
        return self._answer_bytes + self._message_bytes

    @property
    def is_stuck(self) -> bool:
        """Whether the client has not read its answers for too long."""
        since_sec = self._unread_since_sec
        if self._answer_bytes > _MOST_ANSWER_BYTES:
            return True
        return since_sec is not None and self._now_sec() - since_sec > _STUCK_SEC

    def answer(self, frame: Frame) -> None:
        """Send a frame after all answers before it; it is never dropped."""
        self._answers.append(frame)
        self._answer_bytes += len(frame)
        if self._answer_bytes > _ANSWER_BYTES and self._unread_since_sec is None:
            self._unread_since_sec = self._now_sec()
        self.on_news()

    def offer(self, topic: str, message: Message, *, keep: int = 0) -> None:
        """Send a message of a topic when there is room.

        Args:
            topic: whatever its protocol counts drops by.
            message: its frame, or its frames.
            keep: how many of the topic may wait for a client that is behind; 0: any number, within
                the client's bytes. Messages that come together, to a client that has read all
                before them, wait for nothing but their turn.
        """
        waiting = self._topics.setdefault(topic, deque())
        while keep and (self._is_behind or self._is_late) and len(waiting) >= keep:
            self._drop(topic)
        size_bytes = _size_of(message)
        waiting.append(message)
        self._order.append(topic)
        self._topic_bytes[topic] += size_bytes
        self._message_bytes += size_bytes
        while self._message_bytes > self._most_bytes and len(self._order) > 1:
            self._drop(self._largest_but_newest(topic))
        self.on_news()

    def _largest_but_newest(self, topic: str) -> str:
        """The topic with the most bytes; not `topic` where its one message has just come."""
        others = self._topic_bytes
        if len(self._topics[topic]) == 1:
            others = Counter({name: size for name, size in others.items() if name != topic})
        return max(others, key=others.__getitem__)

    def forget(self, topic: str) -> None:
        """Withdraw the messages of a topic: its client has unsubscribed it."""
        for message in self._topics.pop(topic, ()):
            self._message_bytes -= _size_of(message)
        del self._topic_bytes[topic], self.dropped[topic]
        self._order = deque(each for each in self._order if each != topic)

    def _drop(self, topic: str) -> None:
        self._taken(topic)
        self._order.remove(topic)
        self.dropped[topic] += 1

    def _taken(self, topic: str) -> Message:
        message = self._topics[topic].popleft()
        size_bytes = _size_of(message)
        self._topic_bytes[topic] -= size_bytes
        self._message_bytes -= size_bytes
        return message

    def next(self) -> Frame | None:
        """Take the next frame to send; None when none waits, or the client is to read first."""
        self._is_behind = bool(self._answers or self._order)
        if self._answers:
            frame = self._answers.popleft()
            self._answer_bytes -= len(frame)
            if self._answer_bytes <= _ANSWER_BYTES:
                self._unread_since_sec = None
            return frame
        if not self._order or self._is_late:
            return None
        self._is_unasked = True
        return self._first(self._taken(self._order.popleft()))

    @property
    def _is_late(self) -> bool:
        return self._asked_sec is not None and self._now_sec() - self._asked_sec > _LATE_SEC

    def asks(self) -> bool:
        """Whether a ping is to follow what was sent; then `answered` is called at its pong."""
        if not self._is_unasked or self._asked_sec is not None:
            return False
        self._is_unasked, self._asked_sec = False, self._now_sec()
        return True

    def answered(self) -> None:
        """The client has read all up to the ping."""
        self._asked_sec = None
        self.on_news()

    def _first(self, message: Message) -> Frame:
        """The first frame of a message; the others are next, as answers."""
        if not isinstance(message, tuple):
            return message
        first, *others = message
        self._answers.extend(others)
        self._answer_bytes += sum(map(len, others))
        return first

    def close(self) -> None:
        """Forget what waits: the client has gone."""
        self._answers.clear()
        self._topics.clear()
        self._topic_bytes.clear()
        self._order.clear()
        self._answer_bytes = self._message_bytes = 0
        self.on_news = lambda: None

    def end(self, reason: str) -> None:
        """End the client once its answers are sent; the reason goes to it and into the log."""
        self.end_reason = self.end_reason or reason
        self.on_news()


def _size_of(message: Message) -> int:
    return sum(map(len, message)) if isinstance(message, tuple) else len(message)
