"""The place of a reader in the log of another machine. No network, no clock.

Each message is sent with its place: the epoch of its log, its id there, and the id of the
previously sent one, `before` (`Chain`). Ids between these two were not meant to be sent. A reader
that has received everything up to `before` therefore misses nothing (`RemoteCursor`):

    id <= place                a duplicate: dropped
    before <= place            the next one: delivered
    before >  place            a hole of `before - place` messages

**A hole** is requested only after an outage: the offer of the topic was gone, or nothing of its
machine arrived for a second (`Silences`). Messages that arrive meanwhile wait for the answer, which
keeps their order. Messages that the answer lacks are lost, and counted with the next delivered
message. A link that is merely too slow has holes too, and requests would load it even more.
Therefore an outage permits three requests, and messages that the sending end itself has `skipped`
are no hole: they are lost, and counted. Latched topics and calls are requested after any hole
(`is_sure`).

**A last message** that never arrived has no successor that reveals the hole; a heartbeat with its
id does. Those of latched topics and calls follow the last message. Those of any other topic follow
the start of the sending end's subscription, since an answer from the log may have ended before it.

**The place belongs to the log**, not to the process that offers it: it stays valid when the other
uplink restarts. With a new epoch, that of a restarted broker, all messages of the log are new.
Messages lost with the old log have no id any longer. A message is therefore also sent with its
number (`seq`) among those of its sender, who continues to count: the messages between the last
number in a vanished log and the first one in the new log are lost, and counted.

A place comes from another machine: `read_place` refuses impossible ones, and whatever it contains,
a cursor's counters only increase and its tables stay small.
"""

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Annotated, Final, Generic, NamedTuple, TypeVar

import msgspec

from dsmq_nodes.dsmq import limits

T = TypeVar("T")

MessageId = Annotated[int, msgspec.Meta(ge=0, le=limits.MOST_ID)]
Epoch = Annotated[str, msgspec.Meta(max_length=limits.MAX_TOPIC_BYTES)]

_SILENCE_SEC: Final = 1.0  # a slow link still delivers something within that time
_DOUBT_SEC: Final = 2.0  # after an outage: routers first deliver what they had buffered, or both
# ends have just connected and the sending one does not know yet that the topic is wanted
_MOST_ASKS: Final = 3  # permitted after an outage
_MOST_WAITING: Final = 5000  # waiting for an answer; the oldest are lost, and counted
_MOST_LOGS: Final = 64  # with stored places; the oldest is dropped first
_MOST_SENDERS: Final = 64  # of a log, with stored numbers; likewise
_MOST_MACHINES: Final = 10_000  # with stored silences; likewise


class LogPlace(NamedTuple):
    """The place of a message in its log.

    Attributes:
        epoch: the log.
        id: the message.
        before: the previous message that was meant to be sent, or the last one that was read.
        skipped: the number of messages between these two that were lost for good, because the link
            was too slow.
        sender: the node that published it.
        seq: its number among this node's messages of the topic; 0 if unknown or not all are sent.
        age_sec: its age when it was sent, for calls, in answers, and if it waited for long. In a
            message that is no call and no answer it is also a request: the receiver has to confirm
            the message.
    """

    epoch: Epoch
    id: MessageId
    before: MessageId
    skipped: MessageId = 0
    sender: Annotated[str, msgspec.Meta(max_length=limits.MAX_TOPIC_BYTES)] = ""
    seq: MessageId = 0
    age_sec: Annotated[float, msgspec.Meta(ge=0)] = 0.0


LEAST_AGE_SEC: Final = 1e-6  # of a message that requests a confirmation


def read_place(head: bytes) -> LogPlace:
    """Return the place of a message of another machine.

    Raises:
        ValueError: the place is invalid.
    """
    place = _decode_place(head)
    if place.before > place.id:
        raise ValueError(f"{place.before} is not before {place.id}")
    return place


class LogRequest(NamedTuple):
    """A request for messages in a log.

    Attributes:
        epoch: the log.
        after: only messages with greater ids.
        depth: only the newest `depth` messages.
    """

    epoch: str
    after: int
    depth: int


@dataclass(slots=True)
class CursorMessage(Generic[T]):
    """A message to deliver, and the number of those lost just before it."""

    place: LogPlace
    message: T
    lost: int = 0


_decode_place: Final = msgspec.msgpack.Decoder(LogPlace).decode


class Chain:
    """The sending end: returns for each message the id of the previous one."""

    def __init__(self, after: int | None = None) -> None:
        """Begin after an id; with None, earlier readers detect a hole."""
        self.last = after

    def add(self, message_id: int, gap: int = 0) -> int:
        """Add a sent message, and return `before`; `gap` messages just before it were lost."""
        last, self.last = self.last, message_id
        return message_id - 1 if gap or last is None else min(last, message_id - 1)


class Silences:
    """Counts how often nothing of a machine arrived for a second, by the epoch of its log.

    All incoming topics share it: over a link that is too slow, one of them may have to wait. They
    also share the doubt while a request for any of them is unanswered: a long answer delays the
    other topics.
    """

    def __init__(self) -> None:
        """Begin without silences."""
        self._arrived_sec: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._questions: dict[str, int] = {}
        self._doubted_until_sec: dict[str, float] = {}

    def arrived(self, epoch: str, now_sec: float) -> int:
        """Note that a message arrived; return the number of silences so far."""
        if now_sec - self._arrived_sec.get(epoch, now_sec) > _SILENCE_SEC:
            self._counts[epoch] = self._counts.get(epoch, 0) + 1
        self._arrived_sec[epoch] = now_sec
        if self._doubted_until_sec.get(epoch) == inf and epoch not in self._questions:
            self._doubted_until_sec[epoch] = now_sec + _DOUBT_SEC
        if len(self._arrived_sec) > _MOST_MACHINES:
            oldest = next(iter(self._arrived_sec))
            del self._arrived_sec[oldest]
            self._counts.pop(oldest, None)
            self._doubted_until_sec.pop(oldest, None)
        return self._counts.get(epoch, 0)

    def asked(self, epoch: str) -> None:
        """Note a request for a topic of this log; `answered` has to follow."""
        self._questions[epoch] = self._questions.get(epoch, 0) + 1
        self._doubted_until_sec[epoch] = inf  # until some time after the next message
        if len(self._doubted_until_sec) > _MOST_MACHINES:
            del self._doubted_until_sec[next(iter(self._doubted_until_sec))]

    def answered(self, epoch: str) -> None:
        """Note that the answer has arrived, or will not arrive."""
        self._questions[epoch] -= 1
        if not self._questions[epoch]:
            del self._questions[epoch]

    def are_doubted(self, epoch: str, now_sec: float) -> bool:
        """Whether such an answer may be the cause of a hole in any topic."""
        return now_sec < self._doubted_until_sec.get(epoch, now_sec)


@dataclass(eq=False, slots=True)
class _Asked(Generic[T]):
    """An unanswered request, and the messages that wait for its answer."""

    waiting: deque[tuple[LogPlace, T]] = field(default_factory=deque)
    last_id: int = 0  # from a heartbeat


class RemoteCursor(Generic[T]):
    """The receiving end of one topic, in all the logs that it comes from.

    Attributes:
        resume: the number of messages to request after an outage; 0 for none.
        is_sure: whether any hole is requested.
        lost: the number of messages that never arrived.
        resumed: the number of messages that arrived in answers.
        duplicates: the number of messages that arrived twice and were delivered once.
    """

    def __init__(self, resume: int, silences: Silences, *, is_sure: bool = False) -> None:
        """Begin before all messages."""
        self.resume, self.is_sure = resume, is_sure
        self.lost = self.resumed = self.duplicates = 0
        self._places: dict[str, int] = {}
        self._asked: dict[str, _Asked[T]] = {}
        self._requests_left: dict[str, int] = {}
        self._silences, self._silences_seen = silences, dict[str, int]()
        self._is_doubted = False
        self._doubted_until_sec: dict[str, float] = {}
        self._away: set[str] = set()
        self._numbers: dict[str, dict[str, int]] = {}  # the last number of each sender, by log
        self._unoffered: set[str] = set()  # logs without an offer
        self._resumed_at = ""  # the predecessor's log, until one is offered
        self._questions: list[LogRequest] = []

    def questions(self) -> list[LogRequest]:
        """Return the requests to send now; `answered` has to be called for each."""
        questions, self._questions = self._questions, []
        return questions

    def is_asked(self, epoch: str) -> bool:
        """Whether the answer to a request for messages of a log is awaited."""
        return epoch in self._asked

    def places(self) -> dict[str, int]:
        """Return the places in the offered logs, by epoch; if there are none, in the newest log."""
        offered = {epoch: at for epoch, at in self._places.items() if epoch not in self._unoffered}
        return offered or dict(list(self._places.items())[-1:])

    def numbers(self) -> dict[str, int]:
        """Return the last number of each sender in these logs."""
        return {k: n for epoch in self.places() for k, n in self._numbers.get(epoch, {}).items()}

    # Offers

    def offered(self, machine: str, epoch: str, latched: int = 0) -> None:
        """Note that a machine offers the topic, which is wanted here."""
        self._unoffered.discard(epoch)
        was_away = machine in self._away or self._resumed_at not in {"", epoch}
        self._resumed_at = ""
        self._away.discard(machine)
        if epoch in self._places or was_away:
            self._allow_requests(epoch)
            self._ask(epoch)
        elif latched:
            self._request(LogRequest(epoch, 0, latched))

    def offer_ended(self, machine: str, epoch: str) -> None:
        """Note that an offer is gone, so that a pending answer will not arrive.

        The messages that wait for the answer are in the log, and are requested when the offer is
        back.
        """
        self._forget_question(epoch)
        if epoch in self._places:
            self._away.add(machine)
            self._unoffered.add(epoch)
        self._allow_requests(epoch)

    def forget(self) -> None:
        """Forget all places, because the topic has no reader here: later messages are new."""
        self._places.clear()
        for epoch in list(self._asked):
            self._forget_question(epoch)
        self._requests_left.clear()
        self._away.clear()
        self._numbers.clear()
        self._unoffered.clear()
        self._questions.clear()

    def resume_at(self, epoch: str, message_id: int, numbers: dict[str, int]) -> None:
        """Begin after a message that this cursor's predecessor delivered.

        `numbers` are the last numbers of senders in that log, which may have been replaced since.
        """
        self._places[epoch], self._numbers[epoch] = message_id, dict(numbers)
        self._unoffered.add(epoch)
        self._resumed_at = epoch

    # Messages

    def take(self, place: LogPlace, message: T, now_sec: float) -> list[CursorMessage[T]]:
        """Add a received message; return the messages to deliver now."""
        epoch = place.epoch
        if epoch not in self._silences_seen and len(self._silences_seen) >= _MOST_LOGS:
            self._forget_log(next(iter(self._silences_seen)))
        silences = self._silences.arrived(epoch, now_sec)
        if silences > self._silences_seen.setdefault(epoch, silences):
            self._allow_requests(epoch)
        self._silences_seen[epoch] = silences
        if self._doubted_until_sec.get(epoch) == inf:
            self._doubted_until_sec[epoch] = now_sec + _DOUBT_SEC
        self._is_doubted = now_sec < self._doubted_until_sec.get(
            epoch, now_sec
        ) or self._silences.are_doubted(epoch, now_sec)
        asked = self._asked.get(epoch)
        if asked is None and self._has_hole(place) and self._ask(epoch):
            asked = self._asked[epoch]
        if asked is None:
            return self._deliver(place, message)
        if len(asked.waiting) >= _MOST_WAITING:
            asked.waiting.popleft()  # becomes a hole, which is counted
        asked.waiting.append((place, message))
        return []

    def take_last(self, epoch: str, last_id: int) -> None:
        """Compare with the last id from a heartbeat: that message may never have arrived."""
        if (asked := self._asked.get(epoch)) is not None:
            asked.last_id = last_id  # the answer may lack it
        elif last_id > self._places.get(epoch, last_id):
            self._ask(epoch)

    def answered(self, epoch: str, messages: list[tuple[LogPlace, T]]) -> list[CursorMessage[T]]:
        """Process an answer, which may be empty; return the messages to deliver now, in order."""
        asked = self._forget_question(epoch)
        self._is_doubted = True  # a long answer delays other messages
        delivered = []
        for place, message in sorted(messages, key=lambda each: each[0].id):
            new = self._deliver(place, message)
            self.resumed += len(new)
            delivered += new
        waiting = asked.waiting if asked is not None else deque[tuple[LogPlace, T]]()
        while waiting:
            place, message = waiting[0]
            if self._has_hole(place) and self._ask(epoch):
                self._asked[epoch].waiting = waiting
                return delivered
            waiting.popleft()
            delivered += self._deliver(place, message)
        if asked is not None:
            self.take_last(epoch, asked.last_id)
        return delivered

    def _has_hole(self, place: LogPlace) -> bool:
        known = self._places.get(place.epoch)
        return known is not None and place.before > known

    def _deliver(self, place: LogPlace, message: T) -> list[CursorMessage[T]]:
        epoch, message_id, before, skipped, *_ = place
        known = self._places.get(epoch)
        if known is not None and message_id <= known:
            self.duplicates += 1
            return []
        hole, lost = 0, self._lost_with_old_logs(place)
        if known is not None:
            hole = max(0, before - known)
            # An answer may have contained some of the skipped messages.
            lost += hole + max(0, min(skipped, message_id - 1 - max(before, known)))
        if not hole and not self._asked.get(epoch) and not self._is_doubted:
            self._requests_left.pop(epoch, None)  # the outage is over
        self._places[epoch] = message_id
        if len(self._places) > _MOST_LOGS:
            self._forget_log(next(iter(self._places)))
        self.lost += lost
        return [CursorMessage(place, message, lost)]

    def _lost_with_old_logs(self, place: LogPlace) -> int:
        """Return how many of the sender's messages were lost with an older log before this one."""
        if not place.seq:
            return 0
        numbers = self._numbers.setdefault(place.epoch, {})
        last = 0
        if place.sender not in numbers:
            old = [self._numbers[each] for each in self._unoffered if each in self._numbers]
            last = max((each.pop(place.sender, 0) for each in old), default=0)
            if len(numbers) >= _MOST_SENDERS:
                del numbers[next(iter(numbers))]
        numbers[place.sender] = place.seq
        return max(0, place.seq - last - 1) if last else 0

    def _forget_log(self, epoch: str) -> None:
        self._places.pop(epoch, None)
        self._numbers.pop(epoch, None)
        self._unoffered.discard(epoch)
        self._requests_left.pop(epoch, None)
        self._silences_seen.pop(epoch, None)
        self._doubted_until_sec.pop(epoch, None)

    # Asking

    def _allow_requests(self, epoch: str) -> None:
        """Permit requests, after an outage."""
        self._requests_left[epoch] = _MOST_ASKS
        self._doubted_until_sec[epoch] = inf  # until some time after the next message
        if len(self._doubted_until_sec) > _MOST_LOGS:
            self._forget_log(next(iter(self._doubted_until_sec)))

    def _ask(self, epoch: str) -> bool:
        """Request what follows the cursor's place, if permitted; return whether it was."""
        if not self.resume or epoch in self._asked:
            return False
        left = _MOST_ASKS if self.is_sure else self._requests_left.get(epoch, 0)
        if not left:
            return False
        self._requests_left[epoch] = left - 1
        self._request(LogRequest(epoch, self._places.get(epoch, 0), self.resume))
        return True

    def _request(self, request: LogRequest) -> None:
        if request.epoch not in self._asked:
            self._asked[request.epoch] = _Asked()
            self._silences.asked(request.epoch)
            self._questions.append(request)

    def _forget_question(self, epoch: str) -> _Asked[T] | None:
        asked = self._asked.pop(epoch, None)
        if asked is not None:
            self._questions = [each for each in self._questions if each.epoch != epoch]
            self._silences.answered(epoch)
        return asked
