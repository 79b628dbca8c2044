"""A random checker of the whole: `python -m tests.bench.random_checker [SECONDS] [SEED]`.

Episode after episode, each with a seed of its own, runs a broker and a dozen nodes in processes of
their own (random_actors.py): publishers, subscribers, a service, an action, motors and an emergency
stop. Everything is killed, stopped for a while, ended and started again at random, the broker too.
Then everything runs undisturbed for some seconds, and what the processes have written is judged
(random_verdict.py):

- order: a subscriber hears the numbers of each publisher in ascending order, none twice;
- uncounted: of the numbers between the first and the last it heard, what is missing was counted
  by the subscription or by the publisher;
- invalid: every message that came can be read;
- latched: a late joiner hears the last value of each living publisher;
- answers: a call gets its own answer or an error, in time; in the end calls succeed;
- goals: nothing moves for a commander that is gone; in the end goals end;
- emergency stop: once it is pressed no motor moves, whatever has died since, as long as the broker
  or one node that has heard of it lives;
- ghosts: the graph shows the living nodes, and no others;
- status, traceback, hangs, died: a node ends when it is asked, with 0, and prints no traceback;
- leftovers: in the end no shared memory and no socket is left.

An episode prints its seed: `1 SEED` runs it again, though not with the same scheduling. With
CHECKER_KEEP in the environment, the name of a folder, the logs of episodes with faults are kept.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq.ring.leftovers import PLACE
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.tools.session import Session
from tests.bench.harness.processes import ROOT, free_port
from tests.bench.harness.table import end_what_was_started, say
from tests.bench.random_verdict import PRESSED_SEC, Actor, Story, Verdict, judge

_DISTURBED_SEC: Final = 25.0
_SETTLING_SEC: Final = 12.0  # undisturbed: all is connected again and every call has ended
_JUDGED_SEC: Final = 3.0  # after that: what happens here is what is so for ever
_START_SEC: Final = 30.0
_END_SEC: Final = 20.0
_LONGEST_STOP_SEC: Final = 4.0
_CREW: Final = {
    "publisher": 3,
    "subscriber": 3,
    "server": 1,
    "caller": 2,
    "arm": 1,
    "commander": 2,
    "driver": 1,
    "motor": 2,
}


class Episode:
    """A broker, its nodes, and what is done to them."""

    def __init__(self, seed: int, folder: Path, *, shm: bool) -> None:
        self.actors: list[Actor] = []
        self.verdict = Verdict()
        self.broker: subprocess.Popen[bytes] | None = None
        self._chance = random.Random(seed)
        self._folder = folder
        self._shm = shm
        self._port = free_port()
        self._broker_stopped_until = 0.0
        self._pressed_at = self._forgotten_at = 0.0
        self._environment = {
            **os.environ,
            "DSMQ_BROKER": f"127.0.0.1:{self._port}",
            "TMPDIR": str(folder),
            "PYTHONPATH": str(ROOT),
        }
        self._environment.pop("XDG_RUNTIME_DIR", None)

    def run(self) -> None:
        """Disturb, settle, judge."""
        self._start_broker()
        self._refill()
        self._wait_for("first words", lambda: all(each.began for each in self.living()))
        self._disturb()
        settling_from = time.monotonic()
        self._refill()
        time.sleep(_SETTLING_SEC)
        self._wait_for_latched()
        judged_from = time.monotonic()
        time.sleep(_JUDGED_SEC)
        self._judge_graph()
        judged_until = time.monotonic()
        self._end_all()
        pressed = (self._pressed_at, self._forgotten_at or time.monotonic())
        held = pressed if self._pressed_at else None
        times = settling_from, judged_from, judged_until
        judge(Story(self.actors, *times, held), self.verdict)
        if "Traceback" in (said := (self._folder / "broker.said").read_text()):
            self.verdict.fault("traceback", f"broker: {said[-600:]}")

    # What runs

    def living(self, *kinds: str) -> list[Actor]:
        """The nodes that we have not ended, of these kinds or all."""
        return [
            each for each in self.actors if not each.ended_at and (not kinds or each.kind in kinds)
        ]

    def _start_broker(self) -> None:
        """Start the broker, at the same port each time, and wait until it listens."""
        said = self._folder / "broker.said"
        before = said.stat().st_size if said.exists() else 0
        self.broker = self._start("broker", "-m", "dsmq_nodes", "broker", "--port", str(self._port))
        self._wait_for("the broker", lambda: b"listening on" in said.read_bytes()[before:])

    def _start_actor(self, kind: str, *arguments: str) -> Actor:
        name = f"{kind}{len(self.actors) + 1}"
        log = str(self._folder / f"{name}.log")
        no_shm = {"DSMQ_NO_SHM": "1"} if not self._shm or self._chance.random() < 0.3 else {}
        process = self._start(
            name, "-m", "tests.bench.random_actors", kind, name, log, *arguments, **no_shm
        )
        actor = Actor(kind, name, process, self._folder)
        self.actors.append(actor)
        return actor

    def _start(self, name: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self._environment | more,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def _refill(self) -> None:
        """Start what there are too few of."""
        for actor in self.living():
            # It could not begin, because there was no broker just then.
            no_broker = actor.process.poll() == 1 and not actor.began
            if no_broker and "ConnectionFailedError: " in actor.said:
                actor.ended_at = time.monotonic()
        for kind, wanted in _CREW.items():
            for _ in range(wanted - len(self.living(kind))):
                self._start_actor(kind)

    def _end(self, actor: Actor, number: signal.Signals) -> None:
        self._resume(actor)
        actor.ended_at = time.monotonic()
        actor.process.send_signal(number)
        if number is signal.SIGKILL:
            actor.process.wait()

    # What is done to it

    def _disturb(self) -> None:
        press_sec = self._chance.uniform(0.2, 0.6) * _DISTURBED_SEC
        began = time.monotonic()
        while (passed_sec := time.monotonic() - began) < _DISTURBED_SEC:
            if passed_sec > press_sec and not self._pressed_at:
                self._press()
            self._harm()
            self._resume_all(those_due=True)
            time.sleep(self._chance.uniform(0.1, 0.8))
        self._resume_all()
        time.sleep(1.0)  # a node without a broker says so

    def _harm(self) -> None:
        victim = self._chance.choice(self.living())
        match self._chance.choice("kkkeesss....llbbB"):
            case "k":
                self._end(victim, signal.SIGKILL)
            case "e":
                self._end(victim, self._chance.choice((signal.SIGINT, signal.SIGTERM)))
            case "s":
                victim.stopped_until = time.monotonic() + self._stop_sec()
                victim.process.send_signal(signal.SIGSTOP)
            case "l":
                self._refill()
            case "b":
                self._kill_broker()
            case "B":
                assert self.broker is not None
                self._broker_stopped_until = time.monotonic() + self._stop_sec()
                self.broker.send_signal(signal.SIGSTOP)
            case _:
                pass  # nothing happens for a while

    def _stop_sec(self) -> float:
        return self._chance.uniform(0.1, _LONGEST_STOP_SEC)

    def _resume_all(self, *, those_due: bool = False) -> None:
        now = time.monotonic() if those_due else float("inf")
        for actor in self.living():
            if actor.stopped_until < now:
                self._resume(actor)
        if 0 < self._broker_stopped_until < now:
            assert self.broker is not None
            self._broker_stopped_until = 0.0
            self.broker.send_signal(signal.SIGCONT)

    def _resume(self, actor: Actor) -> None:
        if actor.stopped_until:
            actor.stopped_until = 0.0
            actor.process.send_signal(signal.SIGCONT)

    def _kill_broker(self) -> None:
        assert self.broker is not None
        self.verdict.counts["broker kills"] += 1
        self._resume_all()
        killed_at = time.monotonic()
        self.broker.kill()
        self.broker.wait()
        time.sleep(self._chance.uniform(0.0, 1.5))
        self._start_broker()
        if self._pressed_at and not self._forgotten_at:
            if not self._keepers(killed_at):
                self._forgotten_at = killed_at
            time.sleep(PRESSED_SEC)

    def _keepers(self, killed_at: float) -> list[Actor]:
        """The nodes that know of the emergency stop, since they have been there for a while."""
        return [
            each
            for each in self.living("motor", "presser")
            if (first := next(each.lines(), None)) and float(first[0]) < killed_at - PRESSED_SEC
        ]

    def _press(self) -> None:
        self._resume_all()  # what is stopped just now may move once more when it goes on
        presser = self._start_actor("presser")
        self._wait_for("the press", lambda: next(presser.lines("pressed"), None) is not None)
        self._pressed_at = time.monotonic()
        time.sleep(PRESSED_SEC)
        self._end(presser, self._chance.choice((signal.SIGKILL, signal.SIGTERM)))

    def _wait_for(self, what: str, is_there: Callable[[], bool], kind: str = "not in time") -> None:
        until = time.monotonic() + _START_SEC
        while not is_there():
            if time.monotonic() > until:
                self.verdict.fault(kind, f"{what} did not come in {_START_SEC:g} s")
                return
            time.sleep(0.1)

    # How it ends

    def _wait_for_latched(self) -> None:
        origins = {each.name for each in self.living("publisher")}
        latecomer = self._start_actor("latecomer", *origins)
        self._wait_for(
            "the latched values",
            lambda: {line[2] for line in latecomer.lines("value")} == origins,
            kind="latched",
        )

    def _judge_graph(self) -> None:
        names = {f"/{each.name}" for each in self.living()}
        try:
            with contextlib.closing(Session(f"127.0.0.1:{self._port}")) as session:
                shown = {peer.name for peer in session.graph().peers if peer.name}
        except DsmqError as error:
            self.verdict.fault("ghosts", f"no graph: {error}")
            return
        for name in sorted(shown ^ names):
            what = "is shown and gone" if name in shown else "lives and is not shown"
            self.verdict.fault("ghosts", f"{name} {what}")

    def _end_all(self) -> None:
        for actor in self.living():
            if actor.process.poll() is not None:
                status = actor.process.returncode
                self.verdict.fault("died", f"{actor.name} ended by itself, status {status}")
            self._end(actor, signal.SIGINT)
        assert self.broker is not None
        for name, process in [(each.name, each.process) for each in self.actors]:
            self._wait_for_end(name, process)
        self.broker.send_signal(signal.SIGTERM)
        self._wait_for_end("the broker", self.broker)

    def _wait_for_end(self, name: str, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(_END_SEC)
        except subprocess.TimeoutExpired:
            self.verdict.fault("hangs", f"{name} {_END_SEC:g} s after it was asked to end")

    def clear(self) -> None:
        """Kill whatever still runs, whatever went wrong."""
        for process in [*(each.process for each in self.actors), self.broker]:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


def episode(seed: int, *, shm: bool) -> Verdict:
    """Run one episode and judge it."""
    before = set(PLACE.glob("dsmq-*"))
    with tempfile.TemporaryDirectory(prefix="checker-") as folder:
        found = Episode(seed, Path(folder), shm=shm)
        try:
            found.run()
        finally:
            found.clear()
        for path in [*(set(PLACE.glob("dsmq-*")) - before), *Path(folder).rglob("*.sock")]:
            found.verdict.fault("leftovers", str(path))
        if found.verdict.faults and (keep := os.environ.get("CHECKER_KEEP")):
            shutil.copytree(folder, Path(keep) / str(seed), ignore=shutil.ignore_patterns("*.sock"))
    return found.verdict


def main() -> int:
    """Run episodes until the time is up; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.random_checker")
    parser.add_argument("seconds", nargs="?", type=float, default=3600.0)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--no-shm", action="store_true", help="no shared memory anywhere")
    given = parser.parse_args()
    end_what_was_started()
    until = time.monotonic() + given.seconds
    seed, total, faulty = given.seed, Counter[str](), 0
    while seed == given.seed or time.monotonic() < until:
        verdict = episode(seed, shm=not given.no_shm)
        faulty += bool(verdict.faults)
        total += verdict.counts
        say(f"seed {seed}: {'FAULTS' if verdict.faults else 'right'} {dict(verdict.counts)}")
        for each in verdict.faults:
            say(f"  {each}")
        seed += 1
    say(f"{seed - given.seed} episodes, {faulty} with faults: {dict(total)}")
    return int(bool(faulty))


if __name__ == "__main__":
    sys.exit(main())
