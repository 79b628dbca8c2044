"""The rules for an episode of `tests.bench.random_checker`, checked on the logs of its nodes."""

import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench.random_actors import CALL_SEC, TOPICS

PRESSED_SEC: Final = 3.0  # until every node has heard of it, on a busy machine
_MOST_TOLD: Final = 5  # faults of a kind

Lost = dict[tuple[str, str], int]
"""What publishers have counted themselves, by node and topic."""


@dataclass
class Actor:
    """One process of the episode; a node that is started again is another one."""

    kind: str
    name: str
    process: subprocess.Popen[bytes]
    folder: Path
    stopped_until: float = 0.0
    ended_at: float = 0.0  # when we ended or killed it; 0: it lives

    def lines(self, *words: str) -> Iterator[list[str]]:
        """The lines of its log that have one of the words, or all: [seconds, word, ...]."""
        log = self.folder / f"{self.name}.log"
        for line in log.read_text().splitlines() if log.exists() else ():
            cut = line.split()
            if len(cut) > 1 and (not words or cut[1] in words):
                yield cut

    @property
    def began(self) -> bool:
        """Whether it has written anything: before, it may not have had a broker, nor `run`."""
        return next(self.lines(), None) is not None

    @property
    def said(self) -> str:
        """What it has printed."""
        return (self.folder / f"{self.name}.said").read_text(errors="replace")


@dataclass
class Verdict:
    """What was wrong, and how much there was of everything."""

    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def fault(self, kind: str, text: str) -> None:
        """Something is not as it should be."""
        self.counts[kind] += 1
        if self.counts[kind] <= _MOST_TOLD:
            self.faults.append(f"{kind}: {text}")


@dataclass(frozen=True)
class Story:
    """What the verdict has to know beside the logs, by the monotonic clock.

    Attributes:
        actors: all that ever ran.
        settling_from: when the last disturbance was over.
        judged_from: from when on everything has to be as if nothing had happened.
        judged_until: until when; then the nodes are ended one by one, a server before its callers.
        pressed: from when until when the emergency stop must hold; None: it was not pressed.
    """

    actors: list[Actor]
    settling_from: float
    judged_from: float
    judged_until: float
    pressed: tuple[float, float] | None

    def of(self, kind: str) -> list[Actor]:
        """The actors of a kind."""
        return [each for each in self.actors if each.kind == kind]


def judge(story: Story, verdict: Verdict) -> None:
    """Read the logs of an episode whose processes have ended."""
    lost = _publishers(story, verdict)
    each_of: dict[str, Callable[[Actor, Story, Verdict], None]] = {
        "subscriber": lambda actor, _, verdict: _subscriber(actor, lost, verdict),
        "caller": _caller,
        "arm": _arm,
        "commander": _commander,
        "motor": _motor,
    }
    for kind, look in each_of.items():
        for actor in story.of(kind):
            look(actor, story, verdict)
    for actor in story.actors:
        _end(actor, verdict)


def _end(actor: Actor, verdict: Verdict) -> None:
    if not actor.began:
        return
    status = actor.process.returncode
    if status not in (0, -signal.SIGKILL):
        verdict.fault("status", f"{actor.name} ended with {status}")
    text = actor.said
    if "Traceback" in text or "never awaited" in text:
        verdict.fault("traceback", f"{actor.name}: {text[text.find('Traceback') :][-600:]}")


def _publishers(story: Story, verdict: Verdict) -> Lost:
    values = {
        line[2]: int(line[3]) for each in story.of("latecomer") for line in each.lines("value")
    }
    lost: Lost = {}
    for actor in story.of("publisher"):
        for line in actor.lines("sent"):
            lost[actor.name, line[2]] = int(line[4])
            verdict.counts["sent"] += 1
        last = max((int(line[2]) for line in actor.lines("latched")), default=0)
        if values.get(actor.name, last) < last - 1:  # the very last may have come too late
            verdict.fault("latched", f"{actor.name}: {values[actor.name]} came, {last} was last")
    return lost


def _subscriber(actor: Actor, lost: Lost, verdict: Verdict) -> None:
    last: dict[tuple[str, str], int] = {}
    missing: defaultdict[str, int] = defaultdict(int)
    counted: defaultdict[str, int] = defaultdict(int)
    for line in actor.lines("counted"):
        counted[line[2]] = int(line[3])
        if int(line[4]):
            verdict.fault("invalid", f"{actor.name} on {line[2]}: {line[4]}")
    for line in actor.lines("heard"):
        topic, origin, number, dropped = line[2], line[3], int(line[4]), int(line[5])
        counted[topic] = max(counted[topic], dropped)
        before = last.get((origin, topic), number - 1)
        last[origin, topic] = number
        verdict.counts["heard"] += 1
        if number <= before:
            verdict.fault("order", f"{actor.name} on {topic}: {number} after {before} of {origin}")
        else:
            missing[topic] += number - before - 1
    for topic in TOPICS:
        verdict.counts["missing"] += missing[topic]
        allowed = counted[topic] + sum(
            lost.get((origin, topic), 0) for origin, on in last if on == topic
        )
        if missing[topic] > allowed:
            verdict.fault(
                "uncounted", f"{actor.name} on {topic}: {missing[topic]} missing, {allowed} counted"
            )


def _caller(actor: Actor, story: Story, verdict: Verdict) -> None:
    began: dict[str, float] = {}
    for line in actor.lines("call", "answer", "refused"):
        at, word, token = float(line[0]), line[1], line[2]
        if word == "call":
            began[token] = at
            verdict.counts["calls"] += 1
            continue
        began.pop(token, None)
        if word == "answer" and line[3] != token:
            verdict.fault("answers", f"{actor.name}: {token} was answered with {line[3]}")
        if word == "refused" and story.judged_from < at < story.judged_until:
            verdict.fault("answers", f"{actor.name}: {token} failed undisturbed: {line[3]}")
    for token, at in began.items():
        # A caller that is stopped cannot tell; in the end none is.
        is_late = max(at, story.settling_from) + 2 * CALL_SEC < actor.ended_at
        if is_late:
            verdict.fault("answers", f"{actor.name}: {token} was never answered")


def _arm(actor: Actor, story: Story, verdict: Verdict) -> None:
    alive = {each.name for each in story.actors if each.ended_at > story.judged_from}
    for line in actor.lines("step"):
        verdict.counts["steps"] += 1
        if float(line[0]) > story.judged_from and line[2] not in alive:
            verdict.fault("goals", f"{actor.name} moves for {line[2]}, which is gone")


def _commander(actor: Actor, story: Story, verdict: Verdict) -> None:
    if actor.ended_at < story.judged_from:
        return
    if not any(float(line[0]) > story.settling_from for line in actor.lines("ended")):
        verdict.fault("goals", f"{actor.name}: no goal has ended undisturbed")


def _motor(actor: Actor, story: Story, verdict: Verdict) -> None:
    for line in actor.lines("moved"):
        at = float(line[0])
        verdict.counts["moved"] += 1
        if story.pressed and story.pressed[0] + PRESSED_SEC < at < story.pressed[1]:
            after = at - story.pressed[0]
            verdict.fault("emergency stop", f"{actor.name} moved {after:.1f} s after the press")
