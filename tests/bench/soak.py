"""A soak: `launch/diffbot.yaml` for so long, its nodes and its broker killed at random.

Every node is restarted by the launcher. A witness, a node in this process, hears every topic and
counts by the publishers' own numbers what did not come; its subscriptions must have counted no
less. All nodes but two (`spared`) are killed again and again, the broker a few times in the first
part; the memory of broker and nodes is followed, and its slope found where a process has lived long
enough to have filled what it keeps (the broker's log: 600 s).
"""

import contextlib
import os
import random
import re
import signal
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from dsmq_nodes import Message, MessageInfo, Node, spin
from dsmq_nodes.dsmq.ring.leftovers import PLACE
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.messages.schema.find import find_type
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import is_hidden
from tests.bench.harness.processes import ROOT
from tests.bench.harness.table import say
from tests.launcher.running import Launch, launched

_FILE: Final = ROOT / "launch" / "diffbot.yaml"
_RESTART: Final = {"policy": "always", "delay": 0.2, "max_delay": 1.0, "max": 100_000}
_BACK_SEC: Final = 30.0
_LIMIT_MB_PER_HOUR: Final = 1.0
_JUDGED_SEC: Final = 3000.0  # a slope over less is no more than a hint
_BROKER: Final = "broker"
_RINGS: Final = "shared memory"
_DEPTH: Final = 1000  # rings grow with what their readers ask for: soon enough to be settled
_MIB: Final = 1024 * 1024

Samples = dict[tuple[str, int], list[tuple[float, float]]]
"""By process (name, pid): when, and its memory in MiB."""


@dataclass
class Numbers:
    """The numbers of one publisher of a topic, as far as they came."""

    last: int = 0
    missing: int = 0

    def heard(self, number: int) -> None:
        """A message came; a number that is not higher is of a publisher that began anew."""
        if self.last and number > self.last:
            self.missing += number - self.last - 1
        self.last = number


class Witness(Node):
    """Hears everything."""

    def __init__(self, port: int, topics: dict[str, str]) -> None:
        super().__init__("soak_witness", broker=("127.0.0.1", port))
        self.messages = 0
        self.numbers: defaultdict[tuple[str, str], Numbers] = defaultdict(Numbers)
        self.nodes: dict[str, NodeStatistics] = {}
        self.dropped_by_nodes: dict[tuple[str, int], int] = {}
        self._heard = [
            self.create_subscription(_type(type_name), topic, self._hear, _DEPTH)
            for topic, type_name in topics.items()
        ]
        self.create_subscription(NodeStatistics, "/dsmq/nodes", self._learn, 1000)

    def _hear(self, _: Any, info: MessageInfo) -> None:
        self.messages += 1
        key = info.topic_name, info.publisher_name
        self.numbers[key].heard(info.publication_sequence_number)

    def _learn(self, msg: NodeStatistics) -> None:
        self.nodes[msg.name] = msg
        self.dropped_by_nodes[msg.name, msg.pid] = sum(
            each.dropped for each in msg.publishers
        ) + sum(each.dropped for each in msg.subscriptions)

    @property
    def missing(self) -> dict[str, int]:
        """What did not come, by topic."""
        found: defaultdict[str, int] = defaultdict(int)
        for (topic, _), numbers in list(self.numbers.items()):
            found[topic] += numbers.missing
        return found

    @property
    def counted(self) -> dict[str, int]:
        """What the subscriptions say did not come, by topic."""
        return {each.topic_name: each.dropped for each in self._heard}


def _type(name: str) -> type[Message]:
    package, _, class_name = name.split("/")
    own = package == "diffbot_msgs"
    return find_type(f"examples.diffbot.robot:{class_name}" if own else name)


@dataclass
class Story:
    """What happened.

    Attributes:
        kills: of each process, how often.
        back_sec: from a kill until the node told of itself again, or the broker's witness heard.
        not_back: processes that did not come back in time.
        samples: the memory of every process, what it shares with others left out.
        memories: the directories of shared memory that the brokers had.
        still_mapped: rings that are gone and that a node has in its memory in the end.
    """

    kills: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    back_sec: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    not_back: list[str] = field(default_factory=list)
    samples: Samples = field(default_factory=lambda: defaultdict(list))
    memories: set[str] = field(default_factory=set)
    still_mapped: list[str] = field(default_factory=list)


def slope_mb_per_hour(lives: Sequence[Sequence[tuple[float, float]]]) -> float | None:
    """The slope that several lives of a process have in common; None: too few samples.

    Each life has a level of its own, so both coordinates are taken from their means of that life;
    the slope is that of the line through the origin with the least squares.
    """
    up = across = 0.0
    for life in lives:
        if len(life) < 3:
            continue
        mean_sec = statistics.fmean(at for at, _ in life)
        mean_mib = statistics.fmean(mib for _, mib in life)
        up += sum((at - mean_sec) * (mib - mean_mib) for at, mib in life)
        across += sum((at - mean_sec) ** 2 for at, _ in life)
    return up / across * 3600 * _MIB / 1e6 if across else None


def settled(life: Sequence[tuple[float, float]], after_sec: float) -> list[tuple[float, float]]:
    """The samples of a life after its first seconds."""
    return [sample for sample in life if sample[0] - life[0][0] >= after_sec]


def _disk_mib(directory: str) -> float:
    """What the files of a directory take, of a memory that is written where it is used."""
    taken = 0
    with contextlib.suppress(OSError):  # it goes with its broker
        for each in os.scandir(directory):
            taken += each.stat().st_blocks * 512
    return taken / _MIB


class Soak:
    """A launch that is tormented."""

    def __init__(self, launch: Launch, port: int, seconds: float, seed: int) -> None:
        self.launch = launch
        self._random = random.Random(seed)
        with contextlib.closing(Session(f"127.0.0.1:{port}")) as session:
            graph = session.graph()
        self.names = sorted({peer.name for peer in graph.peers if peer.name})
        topics = {
            each.name: each.type
            for each in graph.topics
            if each.publishers and "/msg/" in each.type and not is_hidden(each.name)
        }
        self.witness = Witness(port, topics)
        self.names = [name for name in self.names if not name.startswith("/dsmq")]
        self.spared = sorted(self._random.sample(self.names, 2))
        self.story = Story()
        self._began_sec = time.monotonic()
        self._until_sec = self._began_sec + seconds
        self._last_kill_sec = self._until_sec - min(seconds / 3, 10.0)
        self._broker_kills_sec = self._plan_broker_kills(seconds)
        self._next_kill_sec = self._began_sec + 2.0

    def _plan_broker_kills(self, seconds: float) -> list[float]:
        """In the first part; never more often than the launcher takes for a broker that is ill."""
        count = max(round(seconds / 900), 2)
        step_sec = max(seconds * 0.6 / count, 25.0)
        found = [self._began_sec + step_sec * (n + self._random.random() / 4) for n in range(count)]
        return [each + 4.0 for each in found if each < self._until_sec - _BACK_SEC]

    def run(self) -> None:
        """Torment until the time is up."""
        spinning = threading.Thread(target=spin, args=(self.witness,), daemon=True)
        spinning.start()
        try:
            while time.monotonic() < self._until_sec:
                self._turn()
                time.sleep(0.5)
            self._wait_for(dict.fromkeys(self.names, 0), "in the end")
            self._look_for_lost_memory()
        finally:
            self.witness.shutdown()
            spinning.join(10.0)

    def _turn(self) -> None:
        now_sec = time.monotonic()
        if self._broker_kills_sec and now_sec > self._broker_kills_sec[0]:
            self._broker_kills_sec.pop(0)
            self._kill_broker()
        elif now_sec > self._next_kill_sec and (
            now_sec < self._last_kill_sec or not self.story.kills
        ):
            self._kill_node()
            self._next_kill_sec = time.monotonic() + self._random.uniform(1.0, 6.0)
        self._look_at_memory()

    def _kill_broker(self) -> None:
        pid = self.launch.broker_pid()
        before = self.witness.messages
        self.story.kills[_BROKER] += 1
        os.kill(pid, signal.SIGKILL)
        began_sec = time.monotonic()
        while time.monotonic() - began_sec < _BACK_SEC:
            time.sleep(0.01)
            with contextlib.suppress(StopIteration, psutil.Error):
                if self.launch.broker_pid() != pid and self.witness.messages > before + 20:
                    self.story.back_sec[_BROKER].append(time.monotonic() - began_sec)
                    return
        self.story.not_back.append(_BROKER)

    def _kill_node(self) -> None:
        candidates = [name for name in self.names if name not in self.spared]
        name = self._random.choice(candidates)
        known = self.witness.nodes.get(name)
        if known is None or not psutil.pid_exists(known.pid):
            return
        self.story.kills[name] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(known.pid, signal.SIGKILL)
        self._wait_for({name: known.pid}, "after a kill")

    def _wait_for(self, old: dict[str, int], when: str) -> None:
        """Wait until these nodes tell of themselves, with another process than their old one."""
        began_sec = time.monotonic()
        left = dict(old)
        while left and time.monotonic() - began_sec < _BACK_SEC:
            for name, pid in list(left.items()):
                known = self.witness.nodes.get(name)
                if known is not None and known.pid != pid and psutil.pid_exists(known.pid):
                    del left[name]
                    if pid:
                        self.story.back_sec[name].append(time.monotonic() - began_sec)
            time.sleep(0.02)
        self.story.not_back += [f"{name} {when}" for name in left]

    def _look_for_lost_memory(self) -> None:
        """A ring that was removed is in no directory, but it takes memory while it is mapped."""
        for name, msg in self.witness.nodes.items():
            with contextlib.suppress(psutil.Error):
                for each in psutil.Process(msg.pid).memory_maps(grouped=False):
                    if each.path.startswith(f"{PLACE}/dsmq-") and not Path(each.path).exists():
                        self.story.still_mapped.append(f"{each.path} in {name}")

    def _look_at_memory(self) -> None:
        now_sec = time.monotonic()
        pids = {name: msg.pid for name, msg in list(self.witness.nodes.items())}
        with contextlib.suppress(StopIteration, psutil.Error):
            pids[_BROKER] = self.launch.broker_pid()
            for each in psutil.Process(pids[_BROKER]).open_files():
                if each.path.startswith(f"{PLACE}/dsmq-"):
                    self.story.memories.add(str(Path(each.path).parent))
        if _BROKER in pids:
            rings_mib = sum(map(_disk_mib, self.story.memories))
            self.story.samples[_RINGS, pids[_BROKER]].append((now_sec, rings_mib))
        for name, pid in pids.items():
            with contextlib.suppress(psutil.Error):
                memory = psutil.Process(pid).memory_info()
                own_mib = (memory.rss - memory.shared) / _MIB  # rings count once, above
                self.story.samples[name, pid].append((now_sec, own_mib))


def run(seconds: float, *, seed: int, no_shm: bool = False) -> int:
    """Soak and say what came of it; gives the exit status, 1 when something was lost."""
    os.environ["PYTHONPATH"] = str(ROOT)  # the nodes' classes are there
    with tempfile.TemporaryDirectory() as folder:
        path = _write_file(Path(folder), shm=not no_shm)
        with launched(path) as launch:
            launch.wait_for("all nodes ready", 60.0)
            found = re.search(r"listening on \S+:(\d+)", launch.text)
            assert found is not None, launch.text
            soak = Soak(launch, int(found[1]), seconds, seed)
            say(f"{seconds:g} s, seed {seed}, {len(soak.names)} nodes, {os.cpu_count()} cores")
            soak.run()
            launch.process.send_signal(signal.SIGINT)
            status = launch.end()
    return report(soak, seconds, status)


def _write_file(folder: Path, *, shm: bool) -> Path:
    launch = yaml.safe_load(_FILE.read_text())
    launch["broker"] = {"port": 0, "shm": shm}
    launch["args"]["picture"] = ""
    launch["log"] = {"folder": str(folder)}
    for node in launch["nodes"]:
        node["restart"] = dict(_RESTART)  # the same one would be an alias
        node["output"] = "log"
    path = folder / "soak.yaml"
    path.write_text(yaml.safe_dump(launch))
    return path


def report(soak: Soak, seconds: float, status: int) -> int:
    """Print the figures and the verdict; gives the exit status."""
    story, witness = soak.story, soak.witness
    faults = [f"not back: {name}" for name in story.not_back]
    for name in sorted(story.kills):
        back = story.back_sec[name]
        say(
            f"{name}: killed {story.kills[name]} times, back after "
            f"{statistics.median(back or [0]):.2f} s (longest {max(back, default=0):.2f})"
        )
    uncounted = 0
    for topic, missing in sorted(witness.missing.items()):
        counted = witness.counted.get(topic, 0)
        uncounted += max(missing - counted, 0)
        if missing or counted:
            say(f"{topic}: {missing} did not come, {counted} counted as dropped")
    say(
        f"{witness.messages:,} messages heard, {sum(witness.missing.values()):,} did not come, "
        f"{sum(witness.counted.values()):,} counted, {uncounted} uncounted; the nodes have counted "
        f"{sum(witness.dropped_by_nodes.values()):,} themselves"
    )
    if uncounted:
        faults.append(f"{uncounted} lost and not counted")
    steep = _say_slopes(soak, seconds)
    if steep and seconds >= _JUDGED_SEC:
        faults.append(f"memory grows: {', '.join(steep)}")
    left = [each for each in story.memories if Path(each).exists()]
    say(f"shared memory: {len(story.memories)} directories used, {len(left)} left behind")
    faults += [f"left behind: {each}" for each in left]
    faults += [f"still mapped: {each}" for each in story.still_mapped]
    say(f"exit status of the launch: {status}")
    for fault in faults:
        say(f"FAULT {fault}")
    how_long = "" if seconds >= _JUDGED_SEC else " (too short to judge the memory)"
    say(f"verdict: {'FAILED' if faults else 'passed'}{how_long}")
    return int(bool(faults))


def _say_slopes(soak: Soak, seconds: float) -> list[str]:
    """Tell how memory grew; gives the names of those that grow too fast."""
    after_sec = min(600.0, seconds / 4)
    steep = []
    for name in (_BROKER, _RINGS, *soak.spared):
        lives = [life for (whose, _), life in soak.story.samples.items() if whose == name]
        slope = slope_mb_per_hour([settled(life, after_sec) for life in lives])
        last = lives[-1][-1][1] if lives else 0.0
        shown = "no process lived long enough" if slope is None else f"{slope:+.2f} MB/h"
        say(f"memory of {name}: {last:.1f} MiB at the end, {shown} after {after_sec:.0f} s of life")
        if slope is not None and slope > _LIMIT_MB_PER_HOUR:
            steep.append(name)
    others = [
        settled(life, 5.0)
        for (name, _), life in soak.story.samples.items()
        if name not in (_BROKER, _RINGS, *soak.spared)
    ]
    slope = slope_mb_per_hour(others)
    if slope is not None:
        say(f"memory of those that were killed: {slope:+.2f} MB/h in {len(others)} short lives")
    return steep
