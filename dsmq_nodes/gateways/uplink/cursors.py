"""Where a reader stands in the log of another machine. Pure: no network, no clock.

Each message goes with its place: the epoch of its log, its id there, and the id of the one that
went `before` it (`Chain`). Ids between these two were not meant to go. So a reader that has taken
everything up to `before` misses nothing (`RemoteCursor`):

    id <= place                a duplicate: dropped
    before <= place            next: given
    before >  place            a hole of `before - place` messages

**A hole** is asked for only after an outage: the offer of the topic had gone, or nothing had come
of its machine for a second (`Silences`). Then the messages that come wait for the answer, so that
their order is kept. What the answer does not have is lost, and counted with the next message that
is given. A link that is merely too slow has holes too; to ask for them would load it even more. So
an outage permits three questions, and what the writing end itself has `skipped` is no hole: it is
lost, and counted. Latched topics and calls are asked for after any hole (`is_sure`), and a
heartbeat tells of a last message that never came.

**The place belongs to the log**, not to the process that offers it: after a restart of the uplink
over there it is still good. With a new epoch all messages of the log are new: that of a broker
which was restarted. What was lost with the old log has no id any more. So a message also goes with
its number (`seq`) among those of its sender, who counts on: what lies between the last number in a
log that has gone and the first one in the new log is lost, and counted.

A place comes from another machine: `read_place` refuses what no log has, and whatever it says, a
cursor's figures only go up and its tables stay small.
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

_SILENCE_SEC: Final = 1.0  # a slow link still brings something within that time
_DOUBT_SEC: Final = 2.0  # after an outage: what routers had room for comes first, or both ends
# have just found each other and the writing one does not know yet that it is wanted
_MOST_ASKS: Final = 3  # an outage permits
_MOST_WAITING: Final = 5000  # messages that wait for an answer; the oldest are lost, and counted
_MOST_LOGS: Final = 64  # whose places are remembered; the oldest is forgotten first
_MOST_SENDERS: Final = 64  # of a log, whose numbers are remembered; likewise
_MOST_MACHINES: Final = 10_000  # whose silences are


class LogPlace(NamedTuple):
    """The place of a message in its log.

    Attributes:
        epoch: the log.
        id: the message.
        before: the message before it that was meant to go, or the last one that was read past.
        skipped: messages between these two that were lost for good: the link was too slow for them.
        sender: the node that published it.
        seq: its number among this node's messages of the topic; 0: not known, or not all go.
        age_sec: how old it was when it went, for a call and in an answer. Any other message says
            it to ask: who takes it is to confirm it.
    """

    epoch: Epoch
    id: MessageId
    before: MessageId
    skipped: MessageId = 0
    sender: Annotated[str, msgspec.Meta(max_length=limits.MAX_TOPIC_BYTES)] = ""
    seq: MessageId = 0
    age_sec: Annotated[float, msgspec.Meta(ge=0)] = 0.0


LEAST_AGE_SEC: Final = 1e-6  # of a message that asks


def read_place(head: bytes) -> LogPlace:
    """The place of a message of another machine.

    Raises:
        ValueError: it is none.
    """
    place = _decode_place(head)
    if place.before > place.id:
        raise ValueError(f"{place.before} is not before {place.id}")
    return place


class LogRequest(NamedTuple):
    """A question for what a log still has.

    Attributes:
        epoch: the log.
        after: messages with greater ids.
        depth: only the newest so many.
    """

    epoch: str
    after: int
    depth: int


@dataclass(slots=True)
class GivenMessage(Generic[T]):
    """A message that is given, and how many were lost just before it."""

    place: LogPlace
    message: T
    lost: int = 0


_decode_place: Final = msgspec.msgpack.Decoder(LogPlace).decode


class Chain:
    """The writing end: says for each message what went before it."""

    def __init__(self, after: int | None = None) -> None:
        """A chain that goes on after an id; None: whoever was here before sees a hole."""
        self.last = after

    def add(self, message_id: int, gap: int = 0) -> int:
        """A message goes; returns `before`. `gap` messages of the log just before it were lost."""
        last, self.last = self.last, message_id
        return message_id - 1 if gap or last is None else min(last, message_id - 1)


class Silences:
    """How often nothing has come of a machine for a second, by the epoch of its log.

    All topics that come share it: over a link that is too slow, one of them may have to wait. So
    they share the doubt while a question for any of them is not answered: others give way to a long
    answer.
    """

    def __init__(self) -> None:
        """None yet."""
        self._heard_sec: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._questions: dict[str, int] = {}
        self._doubted_until_sec: dict[str, float] = {}

    def heard(self, epoch: str, now_sec: float) -> int:
        """A message has come; returns how many silences there were."""
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
        """A question for a topic of this log is asked; `answered` has to follow."""
        self._questions[epoch] = self._questions.get(epoch, 0) + 1
        self._doubted_until_sec[epoch] = inf  # until so long after the next message
        if len(self._doubted_until_sec) > _MOST_MACHINES:
            del self._doubted_until_sec[next(iter(self._doubted_until_sec))]

    def answered(self, epoch: str) -> None:
        """The answer is there, or does not come."""
        self._questions[epoch] -= 1
        if not self._questions[epoch]:
            del self._questions[epoch]

    def are_doubted(self, epoch: str, now_sec: float) -> bool:
        """Whether a hole of any topic may be because of such an answer."""
        return now_sec < self._doubted_until_sec.get(epoch, now_sec)


@dataclass(eq=False, slots=True)
class _Asked(Generic[T]):
    """A question that was not answered yet, and the messages that wait for it."""

    waiting: deque[tuple[LogPlace, T]] = field(default_factory=deque)


class RemoteCursor(Generic[T]):
    """The reading end of one topic, in all the logs that it comes from.

    Attributes:
        resume: how many messages are asked for after an outage; 0: none.
        is_sure: any hole is asked for.
        lost: messages that never came.
        resumed: messages that came as an answer.
        duplicates: messages that came twice and were given once.
    """

    def __init__(self, resume: int, silences: Silences, *, is_sure: bool = False) -> None:
        """A cursor before everything."""
        self.resume, self.is_sure = resume, is_sure
        self.lost = self.resumed = self.duplicates = 0
        self._places: dict[str, int] = {}
        self._asked: dict[str, _Asked[T]] = {}
        self._asks_left: dict[str, int] = {}
        self._silences, self._silences_seen = silences, dict[str, int]()
        self._is_doubted = False
        self._doubted_until_sec: dict[str, float] = {}
        self._away: set[str] = set()
        self._numbers: dict[str, dict[str, int]] = {}  # the last of each sender, by log
        self._gone: set[str] = set()  # logs that nobody offers
        self._resumed_at = ""  # the log that the predecessor was in, until one is offered
        self._questions: list[LogRequest] = []

    def questions(self) -> list[LogRequest]:
        """The questions that have to be asked now; each has to be answered by `answered`."""
        questions, self._questions = self._questions, []
        return questions

    def place(self, epoch: str) -> int | None:
        """The id up to which everything of a log was given or is lost."""
        return self._places.get(epoch)

    def places(self) -> dict[str, int]:
        """The same of the logs that are offered, by their epochs; if none is, of the newest."""
        offered = {epoch: at for epoch, at in self._places.items() if epoch not in self._gone}
        return offered or dict(list(self._places.items())[-1:])

    def numbers(self) -> dict[str, int]:
        """The last number of each sender in these logs."""
        return {k: n for epoch in self.places() for k, n in self._numbers.get(epoch, {}).items()}

    # Offers

    def offered(self, machine: str, epoch: str, latched: int = 0) -> None:
        """A machine offers the topic, and it is wanted here."""
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
        """The offer has gone, and an answer that is due does not come.

        The messages that wait for it are in the log, and are asked for when the offer is back.
        """
        self._forget_question(epoch)
        if epoch in self._places:
            self._away.add(machine)
            self._gone.add(epoch)
        self._permit(epoch)

    def forget(self) -> None:
        """Nobody reads it here any more: what comes later is new."""
        self._places.clear()
        for epoch in list(self._asked):
            self._forget_question(epoch)
        self._asks_left.clear()
        self._away.clear()
        self._numbers.clear()
        self._gone.clear()
        self._questions.clear()

    def resume_at(self, epoch: str, message_id: int, numbers: dict[str, int]) -> None:
        """Begin after a message that was given by this cursor's predecessor.

        `numbers` are the last ones of senders in that log, which may be another one by now.
        """
        self._places[epoch], self._numbers[epoch] = message_id, dict(numbers)
        self._gone.add(epoch)
        self._resumed_at = epoch

    # Messages

    def take(self, place: LogPlace, message: T, now_sec: float) -> list[GivenMessage[T]]:
        """A message has come; returns what is to be given now."""
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
            asked.waiting.popleft()  # a hole, which is counted
        asked.waiting.append((place, message))
        return []

    def told(self, epoch: str, last_id: int) -> None:
        """The writing end tells its last id: perhaps that message never came."""
        if last_id > self._places.get(epoch, last_id):
            self._ask(epoch)

    def answered(self, epoch: str, messages: list[tuple[LogPlace, T]]) -> list[GivenMessage[T]]:
        """The answer has come, perhaps empty; returns what is to be given now, in order."""
        asked = self._forget_question(epoch)
        self._is_doubted = True  # an answer may take long, and messages give way to it
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
            # An answer may have brought some of those that were skipped.
            lost += hole + max(0, min(skipped, message_id - 1 - max(before, known)))
        if not hole and not self._asked.get(epoch) and not self._is_doubted:
            self._asks_left.pop(epoch, None)  # the outage is over
        self._places[epoch] = message_id
        if len(self._places) > _MOST_LOGS:
            self._forget_log(next(iter(self._places)))
        self.lost += lost
        return [GivenMessage(place, message, lost)]

    def _lost_with_old_logs(self, place: LogPlace) -> int:
        """How many of its sender's messages were lost just before this one with another log."""
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
        """There was an outage."""
        self._asks_left[epoch] = _MOST_ASKS
        self._doubted_until_sec[epoch] = inf  # until so long after the next message
        if len(self._doubted_until_sec) > _MOST_LOGS:
            self._forget_log(next(iter(self._doubted_until_sec)))

    def _ask(self, epoch: str) -> bool:
        """Ask for what follows our place, where that is permitted."""
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
