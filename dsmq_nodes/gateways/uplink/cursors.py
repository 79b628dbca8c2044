"""The place of a reader in the log of another machine. Pure: no network, no clock.

Each message is sent with its place: the epoch of its log, its id there, and the id of the message
that was sent `before` it (`Chain`). Messages with ids between these two were not to be sent. So a
reader that has taken everything up to `before` misses nothing (`RemoteCursor`):

    id <= place                a duplicate: dropped
    before <= place            the next message: given
    before >  place            a hole of `before - place` messages

**A hole** is requested only after an outage: the offer of the topic had been withdrawn, or the
machine had sent nothing for a second (`Silences`). New messages then wait for the answer, so that
the order is kept. Messages that the answer does not contain are lost, and are counted with the next
message that is given. A link that is merely too slow also makes holes, and requests would load it
even more. So an outage permits three requests. Messages that the writing end itself has `skipped`
are no hole: they are lost, and counted. For latched topics and calls every hole is requested
(`is_sure`), and a heartbeat reveals a last message that never came.

**The place belongs to the log**, not to the process that offers it: it stays valid when the other
uplink restarts. A restarted broker has a new epoch: all messages of that log are new. Messages that
were lost with the old log have no id any longer. So a message also carries its number (`seq`) among
those of its sender, who continues to count: the numbers between the last one in the old log and the
first one in the new log are lost, and counted.

A place comes from another machine: `read_place` refuses values that no log can have, and with any
input a cursor's figures only go up and its tables stay small.
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
_DOUBT_SEC: Final = 2.0  # after an outage: messages that routers had buffered come first, or
# both ends have just connected, and the writing one does not yet know of its reader
_MOST_ASKS: Final = 3  # for each outage
_MOST_WAITING: Final = 5000  # messages that wait for an answer; older ones are lost, and counted
_MOST_LOGS: Final = 64  # logs whose places are kept; the oldest is forgotten first
_MOST_SENDERS: Final = 64  # senders in a log whose numbers are kept; likewise
_MOST_MACHINES: Final = 10_000  # machines whose silences are kept


class LogPlace(NamedTuple):
    """The place of a message in its log.

    Attributes:
        epoch: the log.
        id: the message.
        before: the previous message that was to be sent, or the last one that was read past.
        skipped: messages between these two that were lost for good: the link was too slow for them.
        sender: the node that published it.
        seq: its number among this node's messages of the topic; 0: not known, or not all go.
        age_sec: the message's age when it was sent, for a call and in an answer. In any other
            message a value above 0 asks the receiver to confirm the message.
    """

    epoch: Epoch
    id: MessageId
    before: MessageId
    skipped: MessageId = 0
    sender: Annotated[str, msgspec.Meta(max_length=limits.MAX_TOPIC_BYTES)] = ""
    seq: MessageId = 0
    age_sec: Annotated[float, msgspec.Meta(ge=0)] = 0.0


LEAST_AGE_SEC: Final = 1e-6  # in a message that is to be confirmed


def read_place(head: bytes) -> LogPlace:
    """Return the place of a message of another machine.

    Raises:
        ValueError: the head is not a valid place.
    """
    place = _decode_place(head)
    if place.before > place.id:
        raise ValueError(f"{place.before} is not before {place.id}")
    return place


class LogRequest(NamedTuple):
    """A request for messages that a log still has.

    Attributes:
        epoch: the log.
        after: messages with greater ids are requested.
        depth: at most this many, the newest.
    """

    epoch: str
    after: int
    depth: int


@dataclass(slots=True)
class GivenMessage(Generic[T]):
    """A message to deliver, and how many were lost just before it."""

    place: LogPlace
    message: T
    lost: int = 0


_decode_place: Final = msgspec.msgpack.Decoder(LogPlace).decode


class Chain:
    """The writing end: gives each message the id of the one that was sent before it."""

    def __init__(self, after: int | None = None) -> None:
        """Continue after an id; None: earlier readers see a hole."""
        self.last = after

    def add(self, message_id: int, gap: int = 0) -> int:
        """Add a message that is sent; return its `before`. `gap` ones just before it were lost."""
        last, self.last = self.last, message_id
        return message_id - 1 if gap or last is None else min(last, message_id - 1)


class Silences:
    """Counts how often a machine has sent nothing for a second, by the epoch of its log.

    All incoming topics share this, since on a link that is too slow one of them may have to wait.
    They also share the doubt while a question about any of them is not answered: a long answer
    delays the other topics.
    """

    def __init__(self) -> None:
        """Start without any silence."""
        self._heard_sec: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._questions: dict[str, int] = {}
        self._doubted_until_sec: dict[str, float] = {}

    def heard(self, epoch: str, now_sec: float) -> int:
        """Count a message that has come; return how many silences there were."""
        if now_sec - self._heard_sec.get(epoch, now_sec) > _SILENCE_SEC:
            self._counts[epoch] = self._counts.get(epoch, 0) + 1
        self._heard_sec[epoch] = now_sec
        if self._doubted_until_sec.get(epoch) == inf and epoch not in self._questions:
            self._doubted_until_sec[epoch] = now_sec + _DOUBT_SEC
        if len(self._heard_sec) > _MOST_MACHINES:
            oldest = next(iter(self._heard_sec))
            del self._heard_sec[oldest]
            self._counts.pop(oldest, None)
            self._doubted_until_sec.pop(oldest, None)
        return self._counts.get(epoch, 0)

    def asked(self, epoch: str) -> None:
        """Note a question about a topic of this log; a call of `answered` has to follow."""
        self._questions[epoch] = self._questions.get(epoch, 0) + 1
        self._doubted_until_sec[epoch] = inf  # until some time after the next message
        if len(self._doubted_until_sec) > _MOST_MACHINES:
            del self._doubted_until_sec[next(iter(self._doubted_until_sec))]

    def answered(self, epoch: str) -> None:
        """Note that the answer has come, or will not come."""
        self._questions[epoch] -= 1
        if not self._questions[epoch]:
            del self._questions[epoch]

    def are_doubted(self, epoch: str, now_sec: float) -> bool:
        """Whether a hole of any topic may be the effect of such an answer."""
        return now_sec < self._doubted_until_sec.get(epoch, now_sec)


@dataclass(eq=False, slots=True)
class _Asked(Generic[T]):
    """A question without an answer so far, and the messages that wait for it."""

    waiting: deque[tuple[LogPlace, T]] = field(default_factory=deque)


class RemoteCursor(Generic[T]):
    """The reading end of one topic, in all the logs that it comes from.

    Attributes:
        resume: the most messages to request after an outage; 0: none.
        is_sure: whether every hole is requested.
        lost: messages that never came.
        resumed: messages that came in an answer.
        duplicates: messages that came twice and were delivered once.
    """

    def __init__(self, resume: int, silences: Silences, *, is_sure: bool = False) -> None:
        """Start before all messages."""
        self.resume, self.is_sure = resume, is_sure
        self.lost = self.resumed = self.duplicates = 0
        self._places: dict[str, int] = {}
        self._asked: dict[str, _Asked[T]] = {}
        self._asks_left: dict[str, int] = {}
        self._silences, self._silences_seen = silences, dict[str, int]()
        self._is_doubted = False
        self._doubted_until_sec: dict[str, float] = {}
        self._away: set[str] = set()
        self._numbers: dict[str, dict[str, int]] = {}  # the last number of each sender, by log
        self._gone: set[str] = set()  # logs that no machine offers now
        self._resumed_at = ""  # the log that the predecessor read, until a log is offered
        self._questions: list[LogRequest] = []

    def questions(self) -> list[LogRequest]:
        """Return the questions to ask now; each has to be settled by a call of `answered`."""
        questions, self._questions = self._questions, []
        return questions

    def place(self, epoch: str) -> int | None:
        """Return the id up to which every message of a log was delivered or is lost."""
        return self._places.get(epoch)

    def places(self) -> dict[str, int]:
        """Return the places in the offered logs, by epoch; without offers, in the newest log."""
        offered = {epoch: at for epoch, at in self._places.items() if epoch not in self._gone}
        return offered or dict(list(self._places.items())[-1:])

    def numbers(self) -> dict[str, int]:
        """Return the last number of each sender in these logs."""
        return {k: n for epoch in self.places() for k, n in self._numbers.get(epoch, {}).items()}

    # Offers

    def offered(self, machine: str, epoch: str, latched: int = 0) -> None:
        """Begin to read a machine's offer of the topic."""
        self._gone.discard(epoch)
        was_away = machine in self._away or self._resumed_at not in {"", epoch}
        self._resumed_at = ""
        self._away.discard(machine)
        if epoch in self._places or was_away:
            self._permit(epoch)
            self._ask(epoch)
        elif latched:
            self._request(LogRequest(epoch, 0, latched))

    def gone(self, machine: str, epoch: str) -> None:
        """End reading an offer that was withdrawn; a pending answer will not come.

        The messages that wait for that answer are in the log, and are requested when the offer is
        back.
        """
        self._forget_question(epoch)
        if epoch in self._places:
            self._away.add(machine)
            self._gone.add(epoch)
        self._permit(epoch)

    def forget(self) -> None:
        """Forget all places: the topic has no reader here; later messages are new."""
        self._places.clear()
        for epoch in list(self._asked):
            self._forget_question(epoch)
        self._asks_left.clear()
        self._away.clear()
        self._numbers.clear()
        self._gone.clear()
        self._questions.clear()

    def resume_at(self, epoch: str, message_id: int, numbers: dict[str, int]) -> None:
        """Begin after a message that this cursor's predecessor has delivered.

        `numbers` are the last numbers of senders in that log; another log may be offered by now.
        """
        self._places[epoch], self._numbers[epoch] = message_id, dict(numbers)
        self._gone.add(epoch)
        self._resumed_at = epoch

    # Messages

    def take(self, place: LogPlace, message: T, now_sec: float) -> list[GivenMessage[T]]:
        """Take a message that has come; return the messages to deliver now."""
        epoch = place.epoch
        if epoch not in self._silences_seen and len(self._silences_seen) >= _MOST_LOGS:
            self._forget_log(next(iter(self._silences_seen)))
        silences = self._silences.heard(epoch, now_sec)
        if silences > self._silences_seen.setdefault(epoch, silences):
            self._permit(epoch)
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
            return self._give(place, message)
        if len(asked.waiting) >= _MOST_WAITING:
            asked.waiting.popleft()  # this makes a hole, which is counted
        asked.waiting.append((place, message))
        return []

    def told(self, epoch: str, last_id: int) -> None:
        """Take the last id of the writing end: perhaps that message never came."""
        if last_id > self._places.get(epoch, last_id):
            self._ask(epoch)

    def answered(self, epoch: str, messages: list[tuple[LogPlace, T]]) -> list[GivenMessage[T]]:
        """Take an answer, perhaps an empty one; return the messages to deliver now, in order."""
        asked = self._forget_question(epoch)
        self._is_doubted = True  # an answer may take long, and delays other messages
        given = []
        for place, message in sorted(messages, key=lambda each: each[0].id):
            new = self._give(place, message)
            self.resumed += len(new)
            given += new
        waiting = asked.waiting if asked is not None else deque[tuple[LogPlace, T]]()
        while waiting:
            place, message = waiting[0]
            if self._has_hole(place) and self._ask(epoch):
                self._asked[epoch].waiting = waiting
                return given
            waiting.popleft()
            given += self._give(place, message)
        return given

    def _has_hole(self, place: LogPlace) -> bool:
        known = self._places.get(place.epoch)
        return known is not None and place.before > known

    def _give(self, place: LogPlace, message: T) -> list[GivenMessage[T]]:
        epoch, message_id, before, skipped, *_ = place
        known = self._places.get(epoch)
        if known is not None and message_id <= known:
            self.duplicates += 1
            return []
        hole, lost = 0, self._lost_with_old_logs(place)
        if known is not None:
            hole = max(0, before - known)
            # The answer may contain some of the skipped messages.
            lost += hole + max(0, min(skipped, message_id - 1 - max(before, known)))
        if not hole and not self._asked.get(epoch) and not self._is_doubted:
            self._asks_left.pop(epoch, None)  # the outage is over
        self._places[epoch] = message_id
        if len(self._places) > _MOST_LOGS:
            self._forget_log(next(iter(self._places)))
        self.lost += lost
        return [GivenMessage(place, message, lost)]

    def _lost_with_old_logs(self, place: LogPlace) -> int:
        """Return how many messages of this sender were lost with an older log before this one."""
        if not place.seq:
            return 0
        numbers = self._numbers.setdefault(place.epoch, {})
        last = 0
        if place.sender not in numbers:
            old = [self._numbers[each] for each in self._gone if each in self._numbers]
            last = max((each.pop(place.sender, 0) for each in old), default=0)
            if len(numbers) >= _MOST_SENDERS:
                del numbers[next(iter(numbers))]
        numbers[place.sender] = place.seq
        return max(0, place.seq - last - 1) if last else 0

    def _forget_log(self, epoch: str) -> None:
        self._places.pop(epoch, None)
        self._numbers.pop(epoch, None)
        self._gone.discard(epoch)
        self._asks_left.pop(epoch, None)
        self._silences_seen.pop(epoch, None)
        self._doubted_until_sec.pop(epoch, None)

    # Asking

    def _permit(self, epoch: str) -> None:
        """Permit questions: there was an outage."""
        self._asks_left[epoch] = _MOST_ASKS
        self._doubted_until_sec[epoch] = inf  # until some time after the next message
        if len(self._doubted_until_sec) > _MOST_LOGS:
            self._forget_log(next(iter(self._doubted_until_sec)))

    def _ask(self, epoch: str) -> bool:
        """Ask for the messages after our place, if that is permitted; return whether it was."""
        if not self.resume or epoch in self._asked:
            return False
        left = _MOST_ASKS if self.is_sure else self._asks_left.get(epoch, 0)
        if not left:
            return False
        self._asks_left[epoch] = left - 1
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
            self._silences.answered(epoch)
        return asked
