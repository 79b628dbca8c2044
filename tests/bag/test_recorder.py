"""Recording from a real broker."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from dsmq_nodes import Node, Parameter, Parameters, QoSProfile
from dsmq_nodes.bag import Bag, BagWriter
from dsmq_nodes.bag.file.repair import repair
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.record.recorder import Recorder
from dsmq_nodes.errors import BagError
from dsmq_nodes.messages import Bool, Clock, Float64, String, Time
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import is_hidden
from tests.bag.conftest import SECOND_NS, Tool
from tests.graph.conftest import spinning
from tests.support import processes
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC, until

EVERYTHING = Selection(everything=True)


class Recording:
    """A recorder that runs where the test wants it to."""

    def __init__(self, broker: BrokerProcess, path: Path, selection: Selection) -> None:
        self.said: list[str] = []
        self.session = Session(broker.address, patient=True, lasting=True)
        self.writer = BagWriter(path)
        self.recorder = Recorder(
            self.session, self.writer, selection, report=self.said.append, warn=self.said.append
        )

    def until(self, condition: Callable[[], bool], what: str = "") -> None:
        """Record until a condition holds, and what is published then."""
        turns = 0

        def is_over() -> bool:
            nonlocal turns
            turns += 1
            assert turns < PATIENCE_SEC / 0.05, f"in vain: {what} {self.said}"
            return condition()

        self.recorder.run(is_over)

    def close(self) -> Bag:
        self.session.close()
        self.writer.close()
        return Bag(*self.writer.paths)


@pytest.fixture
def begin(broker: BrokerProcess, tmp_path: Path) -> Iterator[Callable[..., Recording]]:
    """Begins a recording; it knows the graph when this returns."""
    with contextlib.ExitStack() as stack:

        def start(selection: Selection = EVERYTHING) -> Recording:
            made = Recording(broker, tmp_path / "run", selection)
            stack.callback(made.session.close)
            made.until(lambda: made.recorder.knows_graph, "graph")
            return made

        yield start


def values(bag: Bag, topic: str) -> list[object]:
    return [each.msg.data for each in bag if each.topic == topic]  # type: ignore[union-attr]


def test_a_topic_that_comes_later_is_recorded_from_its_first_message(
    begin: Callable[..., Recording], tool: Tool
) -> None:
    tool.put("/before", '{"data": 1.0}')
    recording = begin()
    tool.advertise("/before", Float64.type_name)
    tool.advertise("/later", Float64.type_name)
    for index in range(50):  # nobody reads meanwhile
        tool.put("/later", Float64(data=index), stamp_ns=index + 1)
        tool.put("/before", Float64(data=index))
    recording.until(lambda: recording.recorder.messages >= 100)
    assert recording.recorder.dropped == 0
    bag = recording.close()
    assert values(bag, "/later") == list(range(50))
    assert values(bag, "/before") == list(range(50))  # not what was there before it began
    records = [each for each in bag.records() if each.channel.topic == "/later"]
    assert [each.publish_time_ns for each in records] == list(range(1, 51))
    assert {each.channel.type_name for each in records} == {"std_msgs/msg/Float64"}
    log_times = [each.log_time_ns for each in records]
    assert log_times == sorted(log_times)


def test_a_topic_that_vanishes_leaves_the_broker_and_is_recorded_when_it_comes_again(
    tmp_path: Path,
) -> None:
    with BrokerProcess(0, "--ttl", "0.5") as broker:
        recording = Recording(broker, tmp_path / "run", EVERYTHING)

        def publish(value: int) -> None:
            with contextlib.closing(Tool(broker)) as tool:
                tool.advertise("/x", Float64.type_name)
                tool.put("/x", Float64(data=value))
                recording.until(lambda: recording.recorder.messages > value)
            with Session(broker.address) as listing:
                until(lambda: "/x" not in {each.name for each in listing.graph().topics})

        for value in range(3):
            publish(value)
        assert recording.recorder.dropped == 0
        assert values(recording.close(), "/x") == [0, 1, 2]


def test_what_was_published_before_the_end_is_recorded(
    begin: Callable[..., Recording], tool: Tool
) -> None:
    tool.advertise("/x", Float64.type_name)
    recording = begin()
    for index in range(200):
        tool.put("/x", Float64(data=index))
    recording.until(lambda: True)
    assert values(recording.close(), "/x") == list(range(200))


def test_what_a_node_published_before_the_end_is_recorded(
    begin: Callable[..., Recording], broker: BrokerProcess
) -> None:
    with Node("talker", broker=(broker.host, broker.port)) as node:
        publisher = node.create_publisher(Float64, "/x", 10)
        recording = begin()
        for index in range(3000):  # to shared memory, where there is any
            publisher.publish(Float64(data=index))
        recording.until(lambda: True)
    assert values(recording.close(), "/x") == list(range(3000))
    assert recording.recorder.dropped == 0


@pytest.mark.parametrize("shared", [False, True], ids=["put", "published by a node"])
def test_a_log_time_is_when_the_message_came_however_late_it_was_recorded(
    begin: Callable[..., Recording], broker: BrokerProcess, tool: Tool, shared: bool
) -> None:
    tool.advertise("/map", String.type_name, latched=1)
    tool.put("/map", String(data="of the house"))
    before_ns = time.time_ns()
    with Node("talker", broker=(broker.host, broker.port)) as node:
        publisher = node.create_publisher(Float64, "/x", 1000)
        recording = begin()
        spans: list[tuple[int, int]] = []
        for index in range(500):  # nobody records meanwhile
            began_ns, msg = time.monotonic_ns(), Float64(data=index)
            if shared:
                publisher.publish(msg)
            else:
                tool.put("/x", msg)
            spans.append((began_ns, time.monotonic_ns()))
        recording.until(lambda: recording.recorder.messages >= 501)
    records = list(recording.close().records())
    assert records[0].channel.topic == "/map"
    assert before_ns <= records[0].log_time_ns, "not when it was put: nobody recorded then"
    times_ns = [each.log_time_ns for each in records if each.channel.topic == "/x"]
    (first_began_ns, first_ended_ns), first_ns = spans[0], times_ns[0]
    for (began_ns, ended_ns), at_ns in zip(spans, times_ns, strict=True):
        assert began_ns - first_ended_ns <= at_ns - first_ns <= ended_ns - first_began_ns
    assert times_ns[-1] <= time.time_ns()


def test_what_is_latched_is_recorded(begin: Callable[..., Recording], tool: Tool) -> None:
    tool.advertise("/map", String.type_name, latched=1)
    tool.put("/map", String(data="of the house"))
    recording = begin()
    recording.until(lambda: recording.recorder.messages == 1)
    (record,) = recording.close().records()
    assert dict(record.channel.metadata) == {"latched": "true"}


def test_a_topic_whose_type_changes_is_recorded_as_both(
    begin: Callable[..., Recording], broker: BrokerProcess, tool: Tool
) -> None:
    tool.advertise("/x", Float64.type_name)
    recording = begin()
    tool.put("/x", Float64(data=1))
    recording.until(lambda: recording.recorder.messages == 1)
    tool.advertise("/x", Bool.type_name)
    other = Tool(broker, "/other")
    other.advertise("/x", String.type_name)
    recording.until(lambda: any("publishes std_msgs/msg/Bool now" in s for s in recording.said))
    tool.put("/x", Bool(data=True))
    other.put("/x", String(data="hello"))
    recording.until(lambda: recording.recorder.messages == 3)
    other.close()
    bag = recording.close()
    assert [each.msg for each in bag] == [Float64(data=1), Bool(data=True), String(data="hello")]
    assert len(recording.recorder.topics["/x"].types) == 3


def test_the_first_message_has_its_type_where_somebody_has_subscribed_before(
    begin: Callable[..., Recording], tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `dsmq-nodes log` subscribes /rosout: the message is here before its type is."""
    monkeypatch.setattr("dsmq_nodes.bag.record.recorder._TYPE_SEC", PATIENCE_SEC)
    tool.subscribe("/x", "")
    tool.advertise("/y", String.type_name)
    recording = begin()
    tool.advertise("/x", Float64.type_name)
    for number in range(10):
        tool.put("/x", Float64(data=number))
        tool.put("/y", String())
    recording.until(lambda: recording.recorder.messages == 20)
    assert recording.recorder.topics["/x"].types == [Float64.type_name]
    records = list(recording.close().records())
    assert [each.channel.topic for each in records] == ["/x", "/y"] * 10
    log_times = [each.log_time_ns for each in records]
    assert log_times == sorted(log_times)


def test_what_has_no_type_is_recorded_soon_and_at_the_end(
    begin: Callable[..., Recording], tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.subscribe("/x", "")
    recording = begin()
    tool.put("/x", "a text")
    recording.until(lambda: recording.recorder.messages == 1)
    tool.put("/x", "another")
    tool.put("/new", "a third")
    monkeypatch.setattr("dsmq_nodes.bag.record.recorder._TYPE_SEC", 1e6)
    recording.until(lambda: "/new" in recording.recorder.topics)
    assert recording.recorder.messages == 3
    recording.close()


def test_the_schema_is_what_the_publisher_told(begin: Callable[..., Recording], tool: Tool) -> None:
    schemas = [{"type": "object", "properties": {name: {"type": "number"}}} for name in "ab"]
    tool.advertise("/x", "far_msgs/msg/Away", schema=schemas[0])
    recording = begin()
    tool.put("/x", '{"a": 1}')
    recording.until(lambda: recording.recorder.messages == 1)
    tool.advertise("/x", "far_msgs/msg/Away", schema=schemas[1])
    recording.until(lambda: any("publishes another far_msgs/msg/Away" in s for s in recording.said))
    tool.put("/x", '{"b": 1}')
    recording.until(lambda: recording.recorder.messages == 2)
    found = [json.loads(record.channel.schema) for record in recording.close().records()]
    assert found == schemas


def test_texts_of_plain_clients(begin: Callable[..., Recording], tool: Tool) -> None:
    recording = begin()
    for text in ("plain text", '{"a": [1, 2]}', "{not json", ""):
        tool.put("greetings", text)
    recording.until(lambda: recording.recorder.messages == 4)
    found = [each.msg for each in recording.close()]
    assert found == ["plain text", {"a": [1, 2]}, "{not json", ""]


def test_only_what_was_asked_for(begin: Callable[..., Recording], tool: Tool) -> None:
    recording = begin(Selection(("/robot1/*", "scan"), exclude=("*/secret",)))
    assert any("[scan] does not appear" in each for each in recording.said)
    for topic in ("/robot1/odom", "/robot1/secret", "/robot2/odom", "/scan"):
        tool.put(topic, "{}")
    recording.until(lambda: recording.recorder.messages == 2)
    assert set(recording.close().topics) == {"/robot1/odom", "/scan"}


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(everything=True), "/a/b /c chatter"),  # not what every node has
        (Selection(everything=True, exclude_regex="b$"), "/c chatter"),
        (Selection(regex="^/"), "/a/b /c"),  # nor here: the recorder itself asks for parameters
        (Selection(("/dsmq/graph",), regex="chat"), "chatter /dsmq/graph"),
        (Selection(("c*",)), "/c chatter"),
        (Selection(("*/get_parameters/_request",)), "/a/get_parameters/_request"),
        (Selection(("/a/b", "/c"), exclude=("c",)), "/a/b"),
    ],
)
def test_selections(selection: Selection, chosen: str) -> None:
    topics = ["/a/b", "/c", "chatter", "/dsmq/graph", "/dsmq/statistics"]
    topics += ["/a/get_parameters/_request", "/a/set_logger_levels/_reply"]
    assert {each for each in topics if each in selection} == set(chosen.split())


def test_a_wrong_expression() -> None:
    with pytest.raises(BagError, match="not a regular expression: '\\*'"):
        Selection(regex="*")


def test_it_goes_on_with_a_broker_that_comes_back(
    begin: Callable[..., Recording], broker: BrokerProcess, tool: Tool
) -> None:
    tool.advertise("/x", Float64.type_name)
    recording = begin()
    tool.put("/x", Float64(data=1))
    recording.until(lambda: recording.recorder.messages == 1)
    broker.kill()
    broker.start()
    again = Tool(broker)
    again.advertise("/x", Float64.type_name)
    again.put("/x", Float64(data=2))
    again.put("/new", Float64(data=3))
    recording.until(lambda: recording.recorder.messages == 3, "all three")
    again.close()
    bag = recording.close()
    assert values(bag, "/x") == [1, 2]
    assert recording.recorder.dropped == 0


def test_what_was_published_while_the_broker_was_away_is_counted(
    begin: Callable[..., Recording], broker: BrokerProcess
) -> None:
    sent = 0
    with Node("talker", broker=broker.address) as node:
        publisher = node.create_publisher(Float64, "/x", 10)
        latched = QoSProfile(depth=1, durability="transient_local")
        node.create_publisher(String, "/map", latched).publish(String(data="of the house"))

        def tick() -> None:
            nonlocal sent
            publisher.publish(Float64(data=sent))
            sent += 1

        recording = begin()
        with spinning(node):
            timer = node.create_timer(0.005, tick)
            recording.until(lambda: recording.recorder.messages > 50)
            broker.kill()
            gone = sent
            until(lambda: sent > gone + 100, "what nobody will ever have")
            broker.start()
            before = recording.recorder.messages
            recording.until(lambda: recording.recorder.messages > before + 50)
            timer.cancel()
            recording.until(lambda: True)
    bag = recording.close()
    recorded = values(bag, "/x")
    last = recorded[-1]
    assert recorded[0] == 0
    assert isinstance(last, float)
    assert recording.recorder.dropped >= 100
    assert len(recorded) + recording.recorder.dropped == last + 1
    assert values(bag, "/map") == ["of the house"]  # not once more, though it was sent once more


@pytest.mark.parametrize("use_sim_time", [False, True])
def test_what_the_broker_could_not_keep_is_counted(tmp_path: Path, use_sim_time: bool) -> None:
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(0, "--budget", "1"))
        tool = stack.enter_context(contextlib.closing(Tool(broker)))
        session = stack.enter_context(Session(broker.address, lasting=True))
        writer = stack.enter_context(BagWriter(tmp_path / "run"))
        tool.advertise("/x", String.type_name)
        warned: list[str] = []
        recorder = Recorder(
            session, writer, Selection(("/x",)), use_sim_time=use_sim_time, warn=warned.append
        )
        recorder.run(lambda: recorder.knows_graph)
        if use_sim_time:
            tool.put("/x", String(data="before any clock"))
            recorder.run(lambda: recorder.dropped == 1)
            tool.advertise("/clock", Clock.type_name)
            tool.put("/clock", Clock(clock=Time(sec=5)))
        sent = 400
        for _ in range(sent):  # 8 MB, while the recorder is not reading
            tool.put("/x", String(data="x" * 20_000))
        sent += use_sim_time
        recorder.run(lambda: recorder.messages + recorder.dropped == sent)
        assert 0 < recorder.dropped < sent
        assert recorder.messages > 0
        [told] = warned
        assert re.match(r"WARNING: /x: \d+ messages could not be recorded: they had left", told)
    assert len(Bag(writer.paths[0])) == recorder.messages


def test_simulated_time(broker: BrokerProcess, tmp_path: Path, tool: Tool) -> None:
    tool.advertise("/clock", Clock.type_name)
    tool.advertise("/x", Float64.type_name)
    session = Session(broker.address, lasting=True)
    with BagWriter(tmp_path / "run") as writer:
        recorder = Recorder(session, writer, Selection(("/x",)), use_sim_time=True)
        recorder.run(lambda: recorder.knows_graph)
        tool.put("/x", Float64(data=0))  # before any clock
        for sec in (5, 6):
            tool.put("/clock", Clock(clock=Time(sec=sec)))
            tool.put("/clock", "no time")
            tool.put("/clock", '{"clock":{"sec":"x","nanosec":-1}}')
            tool.put("/x", Float64(data=sec))
        recorder.run(lambda: recorder.messages == 2)
    session.close()
    found = [(each.msg.data, each.stamp) for each in Bag(writer.paths[0])]  # type: ignore[union-attr]
    assert found == [(5, 5 * SECOND_NS), (6, 6 * SECOND_NS)]
    assert recorder.dropped == 1


def test_what_is_latched_is_recorded_at_the_first_simulated_time(
    broker: BrokerProcess, tmp_path: Path, tool: Tool
) -> None:
    """It comes at once, and the clock with its next tick."""
    tool.advertise("/clock", Clock.type_name)
    tool.advertise("/map", Float64.type_name, latched=2)
    for number in range(3):
        tool.put("/map", Float64(data=number))
    session = Session(broker.address, lasting=True)
    with BagWriter(tmp_path / "run") as writer:
        recorder = Recorder(session, writer, Selection(("/map",)), use_sim_time=True)
        recorder.run(lambda: recorder.dropped == 2)
        tool.put("/map", Float64(data=3))
        recorder.run(lambda: recorder.dropped == 3)
        tool.put("/clock", Clock(clock=Time(sec=5)))
        recorder.run(lambda: recorder.messages == 2)
    session.close()
    found = [(each.msg.data, each.stamp) for each in Bag(writer.paths[0])]  # type: ignore[union-attr]
    assert found == [(2, 5 * SECOND_NS), (3, 5 * SECOND_NS)]
    assert recorder.dropped == 1


def test_simulated_time_without_a_clock_is_told_and_counted(
    record: Callable[..., Program], tool: Tool
) -> None:
    tool.advertise("/x", Float64.type_name)
    program = record("/x", "--use-sim-time")
    program.wait_for("Subscribed to topic '/x'")
    for index in range(5):
        tool.put("/x", Float64(data=index))
    program.wait_for("WARNING: no node publishes /clock: with --use-sim-time nothing is recorded")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert "/x | 0 messages | 5 dropped | nothing was recorded" in program.output
    assert "Recorded 0 messages, 5 dropped" in program.output


@pytest.fixture
def record(broker: BrokerProcess, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts `dsmq-nodes bag record`."""
    started: list[Program] = []

    def start(*arguments: str) -> Program:
        where = f"{broker.host}:{broker.port}"
        command = ("-m", "dsmq_nodes", "bag", "record", "--broker", where)
        started.append(Program(*command, "-o", str(tmp_path / "run"), *arguments))
        return started[-1]

    yield start
    for program in started:
        program.close()


def test_killed_in_the_middle_repair_has_all_that_was_flushed(
    record: Callable[..., Program], tool: Tool, tmp_path: Path
) -> None:
    tool.advertise("/x", Float64.type_name)
    program = record("--all")
    program.wait_for("Subscribed to topic '/x'")
    for index in range(300):
        tool.put("/x", Float64(data=index))
    path = tmp_path / "run.mcap"

    def flushed() -> bool:
        copy = tmp_path / "copy.mcap"
        copy.unlink(missing_ok=True)
        return repair(path, copy).messages == 300

    until(flushed, "the flush of a second later")
    tool.put("/x", Float64(data=-1))
    program.process.kill()
    program.wait()
    with pytest.raises(BagError, match="bag repair"):
        Bag(path)
    saved = repair(path, tmp_path / "saved.mcap")
    assert values(Bag(saved.path), "/x")[:300] == list(range(300))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_well(
    record: Callable[..., Program], tool: Tool, tmp_path: Path, number: signal.Signals
) -> None:
    note = tmp_path / "launch.yaml"
    note.write_text("nodes: []\n")
    tool.advertise("/x", Float64.type_name)
    program = record("/x", "/y", "--attach", str(note))
    program.wait_for(r"WARNING: topic \[/y\] does not appear to be published yet")
    for index in range(100):
        tool.put("/x", Float64(data=index))
    program.send(number)
    assert program.wait() == 0
    assert "/x | 100 messages | 0 dropped | std_msgs/msg/Float64" in program.output
    assert "Traceback" not in program.output
    bag = Bag(tmp_path / "run.mcap")
    assert values(bag, "/x") == list(range(100))
    assert [each.name for each in bag.attachments()] == ["launch.yaml"]
    assert bag.metadata()[0][0] == "dsmq_nodes"


def test_it_may_end_by_itself(record: Callable[..., Program], tool: Tool, tmp_path: Path) -> None:
    tool.advertise("/map", Float64.type_name, latched=1)
    tool.put("/map", Float64(data=1.0))
    program = record("--all", "--duration", "0.5")
    assert program.wait() == 0
    assert values(Bag(tmp_path / "run.mcap"), "/map") == [1.0]


def test_files_that_somebody_removes_meanwhile_are_told_at_the_end(
    record: Callable[..., Program], tool: Tool, tmp_path: Path
) -> None:
    """Whoever keeps the newest files only had a traceback instead of the counts."""
    tool.advertise("/x", Float64.type_name)
    program = record("/x", "--max-bag-duration", "0.1")
    program.wait_for("Subscribed to topic '/x'")

    def next_has_begun() -> bool:
        tool.put("/x", Float64(data=1.0))
        return (tmp_path / "run_1.mcap").exists()

    until(next_has_begun, "the second file")
    (tmp_path / "run_0.mcap").unlink()
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert "run_1.mcap" in program.output
    assert "; 1 files were removed or renamed meanwhile" in program.output


class Tuned(Node):
    class Params(Parameters):
        gain: float = 0.5
        label: str = "left"


def test_the_parameters_of_all_nodes_at_the_start_are_in_the_bag(
    record: Callable[..., Program], broker: BrokerProcess, tmp_path: Path
) -> None:
    address = (broker.host, broker.port)
    left, right = (Tuned("arm", namespace=each, broker=address) for each in ("left", "right"))
    right.set_parameters([Parameter("label", None, "right")])
    with contextlib.closing(Tool(broker, "/stuck")) as stuck, spinning(left, right):
        stuck.advertise("/stuck/list_parameters/_reply", "")
        program = record("--all")
        program.wait_for("WARNING: the parameters of /stuck are not in the bag")
        left.set_parameters([Parameter("gain", None, 9.0)])
        program.send(signal.SIGINT)
        assert program.wait() == 0
    bag = Bag(tmp_path / "run.mcap")
    assert not [topic for topic in bag.topics if is_hidden(topic)], "what the recorder has asked"
    (attachment,) = bag.attachments()
    assert attachment.name == "parameters.yaml"
    found = yaml.safe_load(attachment.data)
    assert list(found) == ["/left/arm", "/right/arm"]
    expected = {"gain": 0.5, "label": "right", "use_sim_time": False}
    assert found["/right/arm"]["ros__parameters"] == expected
    assert found["/left/arm"]["ros__parameters"] == expected | {"label": "left"}


@pytest.mark.parametrize(
    ("arguments", "says", "status"),
    [
        ((), "name topics, or a --regex, or --all", 2),
        (("--all", "--compression-format", "zip"), "there is zstd, lz4, none", 2),
        (("--all", "--attach", "/nowhere/x"), "cannot attach /nowhere/x", 1),
        (("--all", "-o", "/nowhere/x"), "cannot write /nowhere/x.mcap: No such file", 1),
    ],
)
def test_wrong_on_purpose(
    record: Callable[..., Program], arguments: tuple[str, ...], says: str, status: int
) -> None:
    program = record(*arguments)
    assert program.wait() == status
    assert says in " ".join(program.output.split())
    assert "Traceback" not in program.output


FULL_DISK = """
import resource, sys
from dsmq_nodes.cli import main

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # the kernel's own "no more room"
sys.argv[0] = "dsmq-nodes"
main()
"""


def test_on_a_full_disk_what_is_told_is_what_is_in_the_file(
    broker: BrokerProcess, tool: Tool, tmp_path: Path
) -> None:
    tool.advertise("/x", String.type_name)
    path = tmp_path / "run.mcap"
    where = f"{broker.host}:{broker.port}"
    arguments = ("bag", "record", "/x", "-o", str(path), "--compression-format", "none")
    program = Program("-c", FULL_DISK, *arguments, "--broker", where)
    try:
        program.wait_for("Subscribed to topic '/x'")
        sent = 0

        def is_flushed() -> bool:
            nonlocal sent
            tool.put("/x", String(data="x" * 100))
            sent += 1
            return path.stat().st_size > 4000

        until(is_flushed, "the flush of a second later")
        while program.process.poll() is None and sent < 100_000:
            tool.put("/x", String(data="x" * 100))
            sent += 1
        assert program.wait() == 1
    finally:
        program.close()
    told = re.search(r"/x \| (\d+) messages \| (\d+) dropped", program.output)
    assert told is not None
    recorded, dropped = map(int, told.groups())
    assert dropped > 0
    assert f"its first {recorded} messages are safe" in program.output
    assert repair(path, tmp_path / "saved.mcap").messages == recorded


@pytest.mark.parametrize("make", [os.mkfifo, lambda file: file.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_attached(
    record: Callable[..., Program], tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "odd")
    program = record("--all", "--attach", str(tmp_path / "odd"))
    assert program.wait() == 1
    assert "it is a device or a pipe, not a file" in program.output
    assert not (tmp_path / "run.mcap").exists()


def test_a_recording_is_not_overwritten(record: Callable[..., Program], tmp_path: Path) -> None:
    (tmp_path / "run.mcap").write_text("precious")
    program = record("--all")
    assert program.wait() == 1
    assert "exists already" in program.output
    assert (tmp_path / "run.mcap").read_text() == "precious"


def test_info_and_repair_as_commands(numbers: Callable[..., Path]) -> None:
    path = numbers(20)
    cut = path.with_stem("cut")
    cut.write_bytes(path.read_bytes()[:-300])
    bag = (sys.executable, "-W", "error", "-m", "dsmq_nodes", "bag")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return processes.run([*bag, *arguments], capture_output=True, text=True, check=False)

    result = run("info", str(path))
    assert (result.returncode, result.stderr) == (0, "")
    assert "Messages:          20" in result.stdout
    result = run("info", str(cut))
    assert result.returncode == 1
    assert f"bag repair {cut}" in result.stderr
    result = run("repair", str(cut))
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{path.with_stem('cut_repaired')}: 20 messages saved" in result.stdout


def test_a_stopped_terminal_does_not_stop_the_recording(
    broker: BrokerProcess, tool: Tool, tmp_path: Path
) -> None:
    master, slave = pty.openpty()
    where = f"{broker.host}:{broker.port}"
    command = ["-m", "dsmq_nodes", "bag", "record", "--broker", where, "--all", "-o", "run"]
    with os.fdopen(master, "rb", buffering=0) as screen, os.fdopen(slave, "w") as terminal:
        recording = processes.Popen(
            [sys.executable, *command], cwd=tmp_path, stdout=terminal, stderr=terminal
        )
        seen = b""
        while b"Recording to" not in seen:
            seen += screen.read(1000)
        termios.tcflow(slave, termios.TCOOFF)  # as Ctrl-S
        tool.advertise("/x", Float64.type_name)  # the terminal does not take its line

        def recorded() -> bool:
            tool.put("/x", Float64(data=1.0))
            copy = tmp_path / "copy.mcap"
            copy.unlink(missing_ok=True)
            return repair(tmp_path / "run.mcap", copy).messages > 0

        until(recorded, "a message of the topic")
        termios.tcflow(slave, termios.TCOON)
        recording.send_signal(signal.SIGINT)
        while b"Recorded" not in seen:
            seen += screen.read(1000)
        assert recording.wait(PATIENCE_SEC) == 0
    assert b"Subscribed to topic '/x'" in seen


def test_a_text_that_is_nested_too_deeply_ends_no_recording(
    begin: Callable[..., Recording], tool: Tool
) -> None:
    recording = begin()
    deep = '{"a":' + "[" * 5000 + "]" * 5000 + "}"
    for text in (deep, "after it"):
        tool.put("greetings", text)
    recording.until(lambda: recording.recorder.messages == 2)
    assert [each.data.decode() for each in recording.close().records()] == [deep, "after it"]
