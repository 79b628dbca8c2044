"""Recording a launch from inside it."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from dsmq_nodes.bag import Bag, BagWriter, Record
from dsmq_nodes.bag.file.contents import Channel, latched_metadata
from dsmq_nodes.bag.record.flight import Flight
from dsmq_nodes.bag.record.last_seconds import LastSeconds
from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.messages import String
from dsmq_nodes.messages.dsmq_msgs import LaunchLines, LaunchProcess, LaunchState
from tests.bag.conftest import NUMBERS, SECOND_NS, number
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC

LONG_SEC = 2 * PATIENCE_SEC


def put(ring: LastSeconds, channel: Channel, at_ns: int, data: bytes, *more: int) -> None:
    published_ns, seq = (*more, 0)[:2]
    ring.write_record(Record(channel, at_ns, published_ns, seq, data))


def dumped(ring: LastSeconds, path: Path) -> list[float]:
    with BagWriter(path) as writer:
        count = ring.dump(writer)
    found = [each.msg.data for each in Bag(*writer.paths)]  # type: ignore[union-attr]
    assert len(found) == count
    return found


def test_a_ring_keeps_the_last_seconds(tmp_path: Path) -> None:
    ring = LastSeconds(2.0)
    for index in range(100):
        put(ring, NUMBERS, index * SECOND_NS // 10, number(index), 0, index)
    assert dumped(ring, tmp_path / "run") == list(range(79, 100))
    assert ring.messages == 100


def test_a_ring_keeps_no_more_than_its_memory_allows(tmp_path: Path) -> None:
    ring = LastSeconds(1000.0, most_bytes=10_000)
    for index in range(1000):
        put(ring, NUMBERS, index, number(index), 0, index)
        assert ring.size_bytes <= 10_000
    found = dumped(ring, tmp_path / "run")
    assert found == list(range(1000 - len(found), 1000))
    assert 20 < len(found) < 50
    put(ring, NUMBERS, 1000, b'{"data":"%b"}' % (b"x" * 20_000), 0)  # larger than the ring
    assert ring.size_bytes == 0


def test_a_ring_keeps_what_is_latched(tmp_path: Path) -> None:
    latched = Channel("/map", String.type_name, b"{}", metadata=(("latched", "true"),))
    ring = LastSeconds(1.0)
    for index in range(3):
        put(ring, latched, index, b'{"data":"map %d"}' % index, 0)
    put(ring, NUMBERS, 100 * SECOND_NS, number(7), 0)
    assert dumped(ring, tmp_path / "run") == ["map 2", 7]


def test_a_ring_keeps_as_many_as_are_latched(tmp_path: Path) -> None:
    static = Channel("/tf_static", "a", metadata=(("latched", "true"), ("latched_depth", "2")))
    ring = LastSeconds(1.0)
    for index in range(3):
        put(ring, static, index, b'{"data":%d}' % index, 0)
    put(ring, NUMBERS, 100 * SECOND_NS, number(7), 0)
    assert dumped(ring, tmp_path / "run") == [1, 2, 7]


def test_each_of_several_failures_has_what_is_latched_once(tmp_path: Path) -> None:
    channel = Channel("/map", metadata=latched_metadata(3))
    ring = LastSeconds(1.0)
    put(ring, Channel("/n"), 5 * SECOND_NS, b"7", 0)
    for index in range(2):  # later than what is newer: topics are read one after another
        put(ring, channel, (index + 1) * SECOND_NS, b"%d" % index, 0)
    for name in ("first", "second"):
        with BagWriter(tmp_path / name) as writer:
            ring.dump(writer)
        found = [each.data for each in Bag(*writer.paths).records()]
        assert found == [b"0", b"1", b"7"]


def test_a_ring_begins_at_one_time_for_all_topics_however_they_came(tmp_path: Path) -> None:
    other = replace(NUMBERS, topic="/other")
    ring = LastSeconds(1.0)
    for second in range(5):  # a topic after the other, each a whole second
        for channel in (NUMBERS, other):
            for index in range(second * 10, second * 10 + 10):
                put(ring, channel, index * SECOND_NS // 10, number(index), 0, index)
    with BagWriter(tmp_path / "run") as writer:
        count = ring.dump(writer)
    times = {"/numbers": [], "/other": []}  # type: dict[str, list[int]]
    for topic, _, stamp in Bag(*writer.paths):
        times[topic].append(stamp * 10 // SECOND_NS)
    assert times == {"/numbers": list(range(39, 50)), "/other": list(range(39, 50))}
    assert count == 22


def test_a_ring_that_is_full_begins_at_one_time_too(tmp_path: Path) -> None:
    other = replace(NUMBERS, topic="/other")
    ring = LastSeconds(1000.0, most_bytes=20_000)
    for batch in range(100):
        for channel in (NUMBERS, other):
            for index in range(batch * 10, batch * 10 + 10):
                put(ring, channel, index, number(index), 0, index)
    values = dumped(ring, tmp_path / "run")
    assert sorted(values) == values
    assert values[0::2] == values[1::2]
    assert len(values) > 40


def test_what_is_latched_comes_when_the_ring_begins(tmp_path: Path) -> None:
    latched = Channel("/map", String.type_name, b"{}", metadata=(("latched", "true"),))
    ring = LastSeconds(1.0)
    put(ring, latched, 0, b'{"data":"map"}', 3)
    for index in range(100):
        put(ring, NUMBERS, index * SECOND_NS // 10, number(index), 0)
    with BagWriter(tmp_path / "run") as writer:
        ring.dump(writer)
    first = next(Bag(*writer.paths).records())
    assert (first.channel.topic, first.publish_time_ns) == ("/map", 3)
    assert first.log_time_ns == 89 * SECOND_NS // 10


def state(**states: str) -> Reply:
    processes = [LaunchProcess(name=name, state=each) for name, each in states.items()]
    return reply(LaunchState(processes=processes).to_json())


def reply(text: str) -> Reply:
    return Reply(event="message", message=msgspec.Raw(msgspec.json.encode(text)))


def test_failures_are_known_by_the_launchs_state() -> None:
    flight = Flight("recorder")
    flight.on_state(state(a="ready", b="starting", recorder="ready", broker="ready"))
    assert flight.failed == []
    flight.on_state(state(a="restarting", b="ready", recorder="ready", broker="ready"))
    flight.on_state(state(a="restarting", b="ready", recorder="ready", broker="ready"))
    assert flight.failed == ["a"]
    flight.on_state(state(a="ready", b="ready", recorder="ready", broker="ready"))
    flight.on_state(state(a="restarting", b="failed", recorder="ready", broker="restarting"))
    assert flight.failed == ["a", "a", "b", "broker"]
    flight.on_state(state(a="finished", b="failed", recorder="ready", broker="ready"))
    flight.on_lines(reply(LaunchLines(process="a", first=1, lines=["one", "two"]).to_json()))
    assert list(flight.lines["a"]) == ["one", "two"]


BUNDLE = r"""
import sys
from collections import deque
from pathlib import Path
from dsmq_nodes.bag.record.flight import Flight, write_bundle
from dsmq_nodes.bag.record.last_seconds import LastSeconds
flight = Flight("recorder")
flight.lines["talker"] = deque(["gr\u00fc\u00dfe"])
write_bundle(Path(sys.argv[1]), flight, LastSeconds(60.0), [])
"""


def test_a_bundle_is_written_in_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    ascii_alone = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", BUNDLE, str(tmp_path / "bundle")]
    processes.run(command, env=os.environ | ascii_alone, check=True)
    assert (tmp_path / "bundle" / "talker.log").read_text(encoding="utf-8") == "grüße\n"


@pytest.mark.parametrize(("a", "is_over"), [("finished", True), ("restarting", False)])
def test_it_is_over_when_all_others_are(a: str, is_over: bool) -> None:
    flight = Flight("recorder")
    flight.on_state(state(a=a, b="failed", recorder="ready", broker="ready"))
    assert flight.is_over == is_over


CRASHER = """
from dsmq_nodes import Node
from dsmq_nodes.messages import Float64

class Talker(Node):
    def __init__(self):
        super().__init__("talker")
        self.numbers = self.create_publisher(Float64, "numbers", 100)
        self.count = 0
        self.create_timer(0.02, self.tick)

    def tick(self):
        self.numbers.publish(Float64(data=self.count))
        self.count += 1

class Crasher(Node):
    def __init__(self):
        super().__init__("crasher")
        self.create_subscription(Float64, "numbers", self.on_number, 100)

    def on_number(self, msg):
        if msg.data >= 40:
            raise ValueError("forty is too much")
"""
LAUNCH = """
broker: {port: 0}
nodes:
  - {name: talker, node: "crashing:Talker", depends_on: {crasher: ready}, params: {}}
  - {name: crasher, node: "crashing:Crasher", required: true}
"""


@pytest.fixture
def launched(tmp_path: Path) -> Path:
    (tmp_path / "crashing.py").write_text(CRASHER)
    (tmp_path / "crash.yaml").write_text(LAUNCH)
    return tmp_path


def launch(folder: Path, record: str) -> subprocess.CompletedProcess[str]:
    return processes.run(
        [sys.executable, "-m", "dsmq_nodes", "launch", "crash.yaml", "--record", record],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONG_SEC,
        check=False,
    )


def test_a_failure_leaves_a_bundle(launched: Path) -> None:
    result = launch(launched, "ring=60s")
    assert result.returncode == 1  # the node has failed
    assert "crasher failed: the last" in result.stdout
    (bundle,) = (launched / "failures").iterdir()
    assert bundle.name.endswith("-crasher")
    names = {path.name for path in bundle.iterdir()}
    assert {"run.mcap", "crash.yaml", "plan.txt", "state.json", "versions.txt"} <= names
    assert "forty is too much" in (bundle / "crasher.log").read_text()
    assert "pydantic==" in (bundle / "versions.txt").read_text()
    assert "crashing:Crasher" in (bundle / "plan.txt").read_text()
    numbers = [each.msg for each in Bag(bundle / "run.mcap", topics=["/numbers"])]
    values = [msg.data for msg in numbers]  # type: ignore[union-attr]
    assert values[:41] == list(range(41))  # from the very first


BRIEF = """
from dsmq_nodes import Node, run
from dsmq_nodes.messages import Message

class Verdict(Message):
    text: str

class Brief(Node):
    def __init__(self):
        super().__init__("brief")
        print("line of the first moment", flush=True)
        self.get_logger().info("log of the first moment")
        self.create_publisher(Verdict, "verdict", 1).publish(Verdict(text="out"))
        self.create_timer(0.3, lambda: exit(3))
"""


def test_the_first_moment_is_in_the_bundle(launched: Path) -> None:
    (launched / "crashing.py").write_text(BRIEF)
    (launched / "crash.yaml").write_text(
        'broker: {port: 0}\nnodes: [{name: brief, node: "crashing:Brief"}]\n'
    )
    assert launch(launched, "ring=60s").returncode == 1
    (bundle,) = (launched / "failures").iterdir()
    assert "line of the first moment" in (bundle / "brief.log").read_text()
    bag = Bag(bundle / "run.mcap")
    found = {each.topic: each.msg for each in bag}
    assert bag.topics["/verdict"].endswith("/msg/Verdict")
    assert found["/verdict"] == {"text": "out"}
    assert found["/rosout"].msg == "log of the first moment"  # type: ignore[union-attr]


def test_all_of_a_launch_in_a_bag(launched: Path) -> None:
    result = launch(launched, "run")
    assert "dropped, in" in result.stdout
    bag = Bag(launched / "run.mcap", topics=["/numbers"])
    values = [each.msg.data for each in bag]  # type: ignore[union-attr]
    assert values[:41] == list(range(41))
    assert [each.name for each in bag.attachments()] == ["crash.yaml", "plan.txt"]
    again = launch(launched, "run")
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert launch(launched, "ring=soon").returncode == 1
