"""The frames to send to one client, limited in bytes, however slowly it reads.

An answer is never dropped; a client that does not read its answers is disconnected (`is_stuck`).
The newest messages of a topic are kept: when there is no room, the oldest message of the topic with
the most bytes is dropped and counted. There is no I/O here: the server's writer calls `next`.

Data in the buffers of both kernels cannot be withdrawn, and may be seconds of pictures. A ping
therefore follows a message; while its pong is late, messages wait here, where newer ones may
replace them.

What the client sends may be old too: after an outage of the network, or when this process stood
still, TCP delivers the commands of a hand that has let go since. A client that publishes or
calls is therefore pinged all the time. If nothing came from it for `_SILENT_SEC` longer than a pong
usually takes, what comes then may be from the beginning of the silence, until the pong of a later
ping.
"""

import itertools
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Final

Frame = str | bytes
Message = Frame | tuple[Frame, ...]
"""One frame, or several in sequence; sent or dropped as a whole."""

MESSAGE_BYTES: Final = 2 << 20  # of waiting messages, in all topics of a client
_ANSWER_BYTES: Final = 1 << 20
_STUCK_SEC: Final = 10.0
_LATE_SEC: Final = 0.1  # a later pong is late
_SILENT_SEC: Final = 0.5  # Wi-Fi of a phone that saves power varies by 0.2 s
_DELAYED_SEC: Final = 1.0  # longer than delayed messages take to come; some clients answer no ping
ASK_SEC: Final = 0.25
_MOST_ANSWER_BYTES: Final = 64 << 20


class Outbox:
    """The frames that wait for one client.

    Attributes:
        dropped: the number of messages of each topic dropped because the client did not read.
        end_reason: why to disconnect the client; empty if not.
    """

    def __init__(
        self, most_bytes: int = MESSAGE_BYTES, *, now_sec: Callable[[], float] = time.monotonic
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self.end_reason = ""
        self.on_news: Callable[[], None] = lambda: None
        self._most_bytes = most_bytes
        self._now_sec = now_sec
        self._answers: deque[Frame] = deque()
        self._answer_bytes = 0
        self._unread_since_sec: float | None = None
        self._topics: dict[str, deque[tuple[int, Message]]] = {}
        self._topic_bytes: Counter[str] = Counter()
        self._numbers: Final = itertools.count()
        self._order: OrderedDict[int, str] = OrderedDict()  # the topic of each waiting message
        self._message_bytes = 0
        self._is_unasked = False  # a message was sent, and no ping after it
        self._asked_sec: float | None = None
        self._is_followed = False
        self._ask_again_sec = 0.0
        self._is_behind = False  # frames have waited ever since one was taken
        self._heard_sec = math.inf  # of a client that has answered a ping
        self._pong_sec = 0.0  # how long the last pong took
        self._silence = 0.0, -math.inf  # before messages that are delayed: its begin and its end

    @property
    def waiting_bytes(self) -> int:
        """The bytes of all waiting frames."""
        return self._answer_bytes + self._message_bytes

    @property
    def is_stuck(self) -> bool:
        """Whether the client has not read its answers for too long."""
        since_sec = self._unread_since_sec
        if self._answer_bytes > _MOST_ANSWER_BYTES:
            return True
        return since_sec is not None and self._now_sec() - since_sec > _STUCK_SEC

    def answer(self, frame: Frame) -> None:
        """Enqueue a frame after all earlier answers; it is never dropped."""
        self._answers.append(frame)
        self._answer_bytes += len(frame)
        if self._answer_bytes > _ANSWER_BYTES and self._unread_since_sec is None:
            self._unread_since_sec = self._now_sec()
        self.on_news()

    def offer(self, topic: str, message: Message, *, keep: int = 0) -> None:
        """Enqueue a message of a topic, to be sent when there is room.

        Args:
            topic: the key by which the protocol counts drops.
            message: its frame, or its frames.
            keep: how many messages of the topic may wait for a client that is behind; 0 for any
                number within the client's limit. Messages that arrive together, for a client that
                has read all earlier ones, are always kept.
        """
        waiting = self._topics.setdefault(topic, deque())
        while keep and (self._is_behind or self._is_late) and len(waiting) >= keep:
            self._drop(topic)
        size_bytes = _size_of(message)
        number = next(self._numbers)
        waiting.append((number, message))
        self._order[number] = topic
        self._topic_bytes[topic] += size_bytes
        self._message_bytes += size_bytes
        while self._message_bytes > self._most_bytes and len(self._order) > 1:
            self._drop(self._largest_but_newest(topic))
        self.on_news()

    def _largest_but_newest(self, topic: str) -> str:
        """Return the topic with the most bytes, except `topic` if it has only the new message."""
        others = self._topic_bytes
        if len(self._topics[topic]) == 1:
            others = Counter({name: size for name, size in others.items() if name != topic})
        return max(others, key=others.__getitem__)

    def forget(self, topic: str) -> None:
        """Drop the messages of a topic, because its client has unsubscribed."""
        while self._topics.get(topic):
            self._taken(topic)
        self._topics.pop(topic, None)
        del self._topic_bytes[topic], self.dropped[topic]

    def _drop(self, topic: str) -> None:
        self._taken(topic)
        self.dropped[topic] += 1

    def _taken(self, topic: str) -> Message:
        number, message = self._topics[topic].popleft()
        del self._order[number]
        size_bytes = _size_of(message)
        self._topic_bytes[topic] -= size_bytes
        self._message_bytes -= size_bytes
        return message

    def next(self) -> Frame | None:
        """Remove and return the next frame to send; None if none waits or the client must read."""
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
        return self._first(self._taken(next(iter(self._order.values()))))

    @property
    def _is_late(self) -> bool:
        return self._asked_sec is not None and self._now_sec() - self._asked_sec > _LATE_SEC

    def asks(self) -> bool:
        """Whether to send a ping now; `answered` is then called at its pong."""
        now_sec = self._now_sec()
        is_due = self._is_unasked or (self._is_followed and now_sec >= self._ask_again_sec)
        if not is_due or self._asked_sec is not None:
            return False
        self._is_unasked, self._asked_sec, self._ask_again_sec = False, now_sec, now_sec + ASK_SEC
        return True

    def follow(self) -> None:
        """Note that the client publishes or calls: from now on it is pinged each `ASK_SEC`."""
        if self._is_followed:
            return
        self._is_followed = True
        if self._heard_sec < math.inf:
            self._heard_sec = self._now_sec()  # until now it was not asked
        self.on_news()

    @property
    def wait_sec(self) -> float | None:
        """How long to wait for news at most, until a ping is due."""
        if not self._is_followed or self._asked_sec is not None:
            return None
        return max(self._ask_again_sec - self._now_sec(), 0.0)

    def answered(self) -> None:
        """Note that the client has read everything up to the ping."""
        self.heard()
        self._heard_sec = self._now_sec()
        if self._asked_sec is not None:
            self._pong_sec = min(self._heard_sec - self._asked_sec, _DELAYED_SEC)
            if self._asked_sec >= self._silence[1]:
                self._silence = 0.0, -math.inf
        self._asked_sec = None
        self.on_news()

    def heard(self) -> None:
        """Note that something has come from the client."""
        now_sec, since_sec = self._now_sec(), self._heard_sec
        if not self._is_followed:  # its silence tells something while a ping is not answered
            since_sec = max(since_sec, math.inf if self._asked_sec is None else self._asked_sec)
        if now_sec - since_sec > _SILENT_SEC + self._pong_sec:
            self._silence = since_sec, now_sec
        if self._heard_sec < math.inf:
            self._heard_sec = now_sec

    @property
    def age_sec(self) -> float:
        """How old the message that has come may be, because the network delayed it."""
        began_sec, ended_sec = self._silence
        now_sec = self._now_sec()
        return now_sec - began_sec if now_sec - ended_sec < _DELAYED_SEC else 0.0

    def _first(self, message: Message) -> Frame:
        """Return the first frame of a message; enqueue the others next, as answers."""
        if not isinstance(message, tuple):
            return message
        first, *others = message
        self._answers.extend(others)
        self._answer_bytes += sum(map(len, others))
        return first

    def close(self) -> None:
        """Drop all waiting frames, because the client is gone."""
        self._answers.clear()
        self._topics.clear()
        self._topic_bytes.clear()
        self._order.clear()
        self._answer_bytes = self._message_bytes = 0
        self.on_news = lambda: None

    def end(self, reason: str) -> None:
        """Disconnect the client once its answers are sent; the reason is sent and logged."""
        self.end_reason = self.end_reason or reason
        self.on_news()


def _size_of(message: Message) -> int:
    return sum(map(len, message)) if isinstance(message, tuple) else len(message)
