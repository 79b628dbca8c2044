"""A random checker of the whole: `python -m tests.bench.random_checker [SECONDS] [SEED] [--no-shm]`.

Episode after episode, each with a seed of its own, runs a broker and a dozen nodes in processes of
their own (random_actors.py): publishers, subscribers, a service, an action, motors and an emergency
stop. Everything is killed, stopped for a while, ended and started again at random, the broker too.
Then everything runs undisturbed for some seconds, and what the processes have written is judged:

- order, duplicates: a subscriber hears the numbers of each publisher in ascending order;
- uncounted: of the numbers between the first and the last it heard, what is missing was counted
  by the subscription or by the publisher;
- invalid: every message that came can be read;
- latched: a late joiner hears the last value of each living publisher;
- answers: a call gets its own answer or an error, in time; in the end calls succeed;
- goals: nothing moves for a commander that is gone; in the end goals end;
- emergency stop: once it is pressed no motor moves, whoever has died since;
- ghosts: the graph shows the living nodes, and no others;
- tracebacks: nothing says one;
- leftovers: in the end no process, no shared memory and no socket is left.

An episode prints its seed: `... 60 SEED` runs it again, though not with the same scheduling.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dsmq_nodes.cli.session import Session
from dsmq_nodes.dsmq.leftovers import PLACE
from dsmq_nodes.errors import DsmqError
from tests.bench.processes import ROOT, free_port
from tests.bench.random_actors import CALL_SEC, TOPICS
from tests.bench.table import end_what_was_started, say

_DISTURBED_SEC: Final = 25.0
_SETTLING_SEC: Final = 12.0  # undisturbed: all is connected again and every call has ended
_JUDGED_SEC: Final = 3.0  # after that: what happens here is what is so for ever
_START_SEC: Final = 30.0
_END_SEC: Final = 20.0
_PRESSED_SEC: Final = 3.0  # until everybody has heard of it, on a busy machine
_CREW: Final = (
    "publisher publisher publisher subscriber subscriber subscriber server caller caller arm "
    "commander commander driver motor motor"
).split()

Line = list[str]


@dataclass
class Actor:
    """One process of the episode; a node that is started again is another one."""

    kind: str
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    said: Path
    stopped_until: float = 0.0
    ended_at: float = 0.0  # when we ended or killed it; 0: it lives

    def lines(self, *words: str) -> Iterator[Line]:
        """The lines of its log that begin with one of the words, or all, as [seconds, word, ...]."""
        if self.log.exists():
            for line in self.log.read_text().splitlines():
                cut = line.split()
                if len(cut) > 1 and (not words or cut[1] in words):
                    yield cut


@dataclass
class Episode:
    """A broker, its nodes, what is done to them, and what was wrong."""

    seed: int
    folder: Path
    shm: bool
    actors: list[Actor] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._port = free_port()
        self._broker: subprocess.Popen[bytes] | None = None
        self._broker_stopped_until = 0.0
        self._names = 0
        self._pressed_at = self._forgotten_at = 0.0
        self._environment = {
            **os.environ,
            "DSMQ_BROKER": f"127.0.0.1:{self._port}",
            "TMPDIR": str(self.folder),
            "PYTHONPATH": str(ROOT),
        }
        self._environment.pop("XDG_RUNTIME_DIR", None)

    def fault(self, kind: str, text: str) -> None:
        """Something is not as it should be."""
        self.counts[kind] += 1
        if self.counts[kind] <= 5:
            self.faults.append(f"{kind}: {text}")

    # What runs

    def start_broker(self) -> None:
        """Start the broker, at the same port each time, and wait until it listens."""
        said = self.folder / "broker.said"
        before = said.stat().st_size if said.exists() else 0
        self._broker = self._start(
            "broker", "-m", "dsmq_nodes", "broker", "--port", str(self._port)
        )
        self._wait_for("the broker", lambda: b"listening on" in said.read_bytes()[before:])

    def start(self, kind: str, *arguments: str) -> Actor:
        """Start a node of this kind."""
        self._names += 1
        name = f"{kind}{self._names}"
        log = self.folder / f"{name}.log"
        no_shm = {"DSMQ_NO_SHM": "1"} if not self.shm or self._chance.random() < 0.3 else {}
        process = self._start(
            name, "-m", "tests.bench.random_actors", kind, name, str(log), *arguments, **no_shm
        )
        actor = Actor(kind, name, process, log, self.folder / f"{name}.said")
        self.actors.append(actor)
        return actor

    def _start(self, name: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self._environment | more,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def living(self, *kinds: str) -> list[Actor]:
        """The nodes that we have not ended."""
        return [each for each in self.actors if not each.ended_at and each.kind in (kinds or KINDS)]

    def end(self, actor: Actor, number: signal.Signals) -> None:
        """End a node by a signal."""
        actor.ended_at = time.monotonic()
        self._resume(actor)
        actor.process.send_signal(number)
        if number is signal.SIGKILL:
            actor.process.wait()

    def _reap(self) -> None:
        """Note the nodes that could not begin, because there was no broker just then."""
        for actor in self.living():
            if actor.process.poll() == 1 and not any(actor.lines()):
                if "ConnectionFailedError: " in actor.said.read_text():
                    actor.ended_at = time.monotonic()

    def _resume(self, actor: Actor) -> None:
        if actor.stopped_until:
            actor.stopped_until = 0.0
            actor.process.send_signal(signal.SIGCONT)

    # What is done to it

    def run(self) -> None:
        """Disturb, settle, judge."""
        self.start_broker()
        for kind in _CREW:
            self.start(kind)
        self._wait_for("everybody's first word", lambda: all(a.log.exists() for a in self.living()))
        until = time.monotonic() + _DISTURBED_SEC
        press_at = time.monotonic() + self._chance.uniform(0.2, 0.6) * _DISTURBED_SEC
        while (now := time.monotonic()) < until:
            if press_at and now > press_at:
                press_at = 0.0
                self._press()
            self._reap()
            self._disturb()
            self._wake_up()
            time.sleep(self._chance.uniform(0.1, 0.8))
        self._wake_up(everybody=True)
        time.sleep(1.0)
        self._reap()
        self._refill()
        time.sleep(_SETTLING_SEC)
        latecomer = self.start("latecomer", *[each.name for each in self.living("publisher")])
        judged_from = time.monotonic()
        self._wait_for(
            "the latched values",
            lambda: (
                len({line[2] for line in latecomer.lines("value")}) == len(self.living("publisher"))
            ),
            kind="latched",
        )
        time.sleep(_JUDGED_SEC)
        self._judge_graph()
        self._end_all(judged_from)
        self._judge(judged_from, latecomer)

    def _disturb(self) -> None:
        victims = self.living()
        victim = self._chance.choice(victims)
        match self._chance.choice("kkkeesss....ltbbB"):
            case "k":
                self.end(victim, signal.SIGKILL)
            case "e":
                self.end(victim, self._chance.choice((signal.SIGINT, signal.SIGTERM)))
            case "s":
                victim.stopped_until = time.monotonic() + self._chance.uniform(0.1, 4.0)
                victim.process.send_signal(signal.SIGSTOP)
            case "l" | "t":
                self._refill()
            case "b":
                self._kill_broker()
            case "B":
                assert self._broker is not None
                self._broker.send_signal(signal.SIGSTOP)
                self._broker_stopped_until = time.monotonic() + self._chance.uniform(0.1, 3.0)

    def _kill_broker(self) -> None:
        assert self._broker is not None
        self.counts["broker kills"] += 1
        self._broker_stopped_until = 0.0
        self._wake_up(everybody=True)
        killed_at = time.monotonic()
        self._broker.kill()
        self._broker.wait()
        time.sleep(self._chance.uniform(0.0, 1.5))
        self.start_broker()
        if self._pressed_at and not self._forgotten_at:
            if not self._keepers(killed_at):
                self._forgotten_at = killed_at  # nothing that knew of it lives
            time.sleep(_PRESSED_SEC)

    def _keepers(self, killed_at: float) -> list[Actor]:
        """The nodes that know of the emergency stop, since they have been there for a while."""
        return [
            each
            for each in self.living("motor", "presser")
            if (first := next(each.lines(), None)) and float(first[0]) < killed_at - _PRESSED_SEC
        ]

    def _wake_up(self, *, everybody: bool = False) -> None:
        now = time.monotonic()
        for actor in self.living():
            if actor.stopped_until and (everybody or now > actor.stopped_until):
                self._resume(actor)
        if self._broker_stopped_until and (everybody or now > self._broker_stopped_until):
            assert self._broker is not None
            self._broker_stopped_until = 0.0
            self._broker.send_signal(signal.SIGCONT)

    def _refill(self) -> None:
        """Start again what there are too few of."""
        for kind, wanted in Counter(_CREW).items():
            for _ in range(wanted - len(self.living(kind))):
                self.start(kind)

    def _press(self) -> None:
        self._wake_up(everybody=True)  # what is stopped just now moves once more when it goes on
        presser = self.start("presser")
        self._wait_for("the emergency stop's press", lambda: any(presser.lines("pressed")))
        self._pressed_at = time.monotonic()
        time.sleep(_PRESSED_SEC)
        self.end(presser, self._chance.choice((signal.SIGKILL, signal.SIGTERM)))

    def _wait_for(self, what: str, is_there: "object", kind: str = "not in time") -> None:
        until = time.monotonic() + _START_SEC
        while not is_there():  # type: ignore[operator]
            self._wake_up()
            if time.monotonic() > until:
                self.fault(kind, f"{what} did not come in {_START_SEC:g} s")
                return
            time.sleep(0.1)

    def _end_all(self, judged_from: float) -> None:
        for actor in self.living():
            if actor.process.poll() is not None:
                self.fault(
                    "died", f"{actor.name} ended by itself, status {actor.process.returncode}"
                )
        ending = [*self.living()]
        for actor in ending:
            self.end(actor, signal.SIGINT)
        for actor in self.actors:
            try:
                status = actor.process.wait(_END_SEC)
            except subprocess.TimeoutExpired:
                self.fault("hangs", f"{actor.name} {_END_SEC:g} s after it was ended")
                actor.process.kill()
                actor.process.wait()
                continue
            if status not in (0, -signal.SIGKILL) and any(actor.lines()):
                self.fault("status", f"{actor.name} ended with {status}")
        assert self._broker is not None
        self._broker.send_signal(signal.SIGTERM)
        try:
            self._broker.wait(_END_SEC)
        except subprocess.TimeoutExpired:
            self.fault("hangs", "the broker")

    def clear(self) -> None:
        """End whatever is left, whatever went wrong."""
        for process in [*(each.process for each in self.actors), self._broker]:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    # What is judged

    def _judge_graph(self) -> None:
        names = {f"/{each.name}" for each in self.living()}
        try:
            with contextlib.closing(Session(f"127.0.0.1:{self._port}")) as session:
                shown = {peer.name for peer in session.graph().peers if peer.name}
        except DsmqError as error:
            self.fault("ghosts", f"no graph: {error}")
            return
        for name in shown ^ names:
            what = "is shown and gone" if name in shown else "lives and is not shown"
            self.fault("ghosts", f"{name} {what}")

    def _judge(self, judged_from: float, latecomer: Actor) -> None:
        lost_by_publisher = self._judge_publishers(latecomer)
        for actor in self.actors:
            match actor.kind:
                case "subscriber":
                    self._judge_subscriber(actor, lost_by_publisher)
                case "caller":
                    self._judge_calls(actor, judged_from)
                case "arm":
                    self._judge_arm(actor, judged_from)
                case "commander":
                    self._judge_commander(actor, judged_from)
                case "motor":
                    self._judge_motor(actor)
        begun = [each.said for each in self.actors if any(each.lines())]  # Ctrl-C breaks imports
        for said in [*begun, self.folder / "broker.said"]:
            text = said.read_text(errors="replace")
            if "Traceback" in text or "never awaited" in text:
                self.fault("traceback", f"{said.stem}: {text[text.find('Traceback') :][-600:]}")

    def _judge_publishers(self, latecomer: Actor) -> dict[tuple[str, str], int]:
        values = {line[2]: int(line[3]) for line in latecomer.lines("value")}
        dropped: dict[tuple[str, str], int] = {}
        for actor in self.actors:
            if actor.kind == "publisher":
                for line in actor.lines("sent"):
                    dropped[actor.name, line[2]] = int(line[4])
                    self.counts["sent"] += 1
                said = [int(line[2]) for line in actor.lines("latched")]
                last = values.get(actor.name)
                if last is not None and said and last < max(said) - 1:
                    self.fault("latched", f"{actor.name}: {last} came, {max(said)} was said last")
        return dropped

    def _judge_subscriber(self, actor: Actor, lost: dict[tuple[str, str], int]) -> None:
        last: dict[tuple[str, str], int] = {}
        missing: defaultdict[str, int] = defaultdict(int)
        counted: dict[str, int] = {}
        origins: defaultdict[str, set[str]] = defaultdict(set)
        for line in actor.lines("heard", "counted"):
            topic = line[2]
            if line[1] == "counted":
                counted[topic] = int(line[3])
                if int(line[4]):
                    self.fault("invalid", f"{actor.name} on {topic}: {line[4]}")
                continue
            origin, number = line[3], int(line[4])
            counted[topic] = int(line[5])
            origins[topic].add(origin)
            before = last.get((origin, topic))
            self.counts["heard"] += 1
            if before is not None and number <= before:
                self.fault("order", f"{actor.name} on {topic}: {number} after {before} of {origin}")
            elif before is not None:
                missing[topic] += number - before - 1
            last[origin, topic] = max(number, before or 0)
        for topic in TOPICS:
            allowed = counted.get(topic, 0) + sum(lost.get((o, topic), 0) for o in origins[topic])
            self.counts["missing"] += missing[topic]
            if missing[topic] > allowed:
                self.fault("uncounted", f"{actor.name} on {topic}: {missing[topic]} of {allowed}")

    def _judge_calls(self, actor: Actor, judged_from: float) -> None:
        began: dict[str, float] = {}
        for line in actor.lines("call", "answer", "refused"):
            at, word, token = float(line[0]), line[1], line[2]
            if word == "call":
                began[token] = at
                self.counts["calls"] += 1
                continue
            began.pop(token, None)
            if word == "answer" and line[3] != token:
                self.fault("answers", f"{actor.name}: {line[3]} is the answer of {token}")
            if word == "refused" and at > judged_from:
                self.fault("answers", f"{actor.name}: {token} failed undisturbed: {line[3]}")
        late = [token for token, at in began.items() if at + CALL_SEC + 4.0 < actor.ended_at]
        late = [token for token in late if began[token] + CALL_SEC > judged_from - _SETTLING_SEC]
        for token in late:
            self.fault("answers", f"{actor.name}: {token} was never answered")

    def _judge_arm(self, actor: Actor, judged_from: float) -> None:
        alive_then = {each.name for each in self.actors if each.ended_at > judged_from}
        for line in actor.lines("step"):
            self.counts["steps"] += 1
            if float(line[0]) > judged_from and line[2] not in alive_then:
                self.fault("goals", f"{actor.name} moves for {line[2]}, which is gone")

    def _judge_commander(self, actor: Actor, judged_from: float) -> None:
        if actor.ended_at < judged_from:
            return
        if not any(float(line[0]) > judged_from for line in actor.lines("ended")):
            self.fault("goals", f"{actor.name}: no goal has ended undisturbed")

    def _judge_motor(self, actor: Actor) -> None:
        for line in actor.lines("moved"):
            self.counts["moved"] += 1
            at = float(line[0])
            if self._forgotten_at and at > self._forgotten_at:
                return
            if self._pressed_at and at > self._pressed_at + _PRESSED_SEC:
                after = at - self._pressed_at
                self.fault("emergency stop", f"{actor.name} moved {after:.1f} s after the press")


KINDS: Final = (*dict.fromkeys(_CREW), "latecomer", "presser")


def _left_behind(before: set[Path]) -> list[str]:
    return [str(path) for path in sorted(set(PLACE.glob("dsmq-*")) - before)]


def episode(seed: int, *, shm: bool) -> Episode:
    """Run one episode and judge it."""
    before = set(PLACE.glob("dsmq-*"))
    with tempfile.TemporaryDirectory(prefix="checker-") as folder:
        found = Episode(seed, Path(folder), shm)
        try:
            found.run()
        finally:
            found.clear()
        for left in [*_left_behind(before), *map(str, Path(folder).rglob("*.sock"))]:
            found.fault("leftovers", left)
        if found.faults and (keep := os.environ.get("CHECKER_KEEP")):
            subprocess.run(["cp", "-r", folder, f"{keep}/{seed}"], check=False)
    return found


def main() -> int:
    """Run episodes until the time is up; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.random_checker")
    parser.add_argument("seconds", nargs="?", type=float, default=3600.0)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--no-shm", action="store_true", help="no shared memory anywhere")
    given = parser.parse_args()
    end_what_was_started()
    until = time.monotonic() + given.seconds
    seed, total, faults = given.seed, Counter[str](), 0
    while time.monotonic() < until:
        found = episode(seed, shm=not given.no_shm)
        faults += bool(found.faults)
        total += found.counts
        say(f"seed {seed}: {'FAULTS' if found.faults else 'right'} {dict(found.counts)}")
        for each in found.faults:
            say(f"  {each}")
        seed += 1
    say(f"{seed - given.seed} episodes, {faults} with faults: {dict(total)}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
