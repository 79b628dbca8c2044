"""Playing bags: paces without a clock on the wall, everything else through a real broker."""

import contextlib
import math
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.records import Channel as ChannelRecord
from mcap.records import Message, Schema

from dsmq_nodes import Node
from dsmq_nodes.bag import Bag, BagWriter
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.file.prefetch import prefetched
from dsmq_nodes.bag.play.playback_clock import Pace
from dsmq_nodes.bag.play.player import Player
from dsmq_nodes.bag.play.playing import Playing
from dsmq_nodes.errors import BagError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.messages import Bool, Clock, Float64, SetBool
from dsmq_nodes.messages.dsmq_msgs import Graph
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.graph_model import BrokerCounters
from dsmq_nodes.tools.session import Session
from tests.bag.conftest import NUMBERS, SECOND_NS, Tool, number
from tests.bag.layouts import file_of
from tests.graph.conftest import spinning
from tests.graph.test_actions import Counter
from tests.support import processes
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC, until

Numbers = Callable[..., Path]


class Ear:
    """Hears what is played."""

    def __init__(self, broker: BrokerProcess, *topics: str) -> None:
        self._session = Session(broker.address, lasting=True)
        self.heard: list[tuple[str, str]] = []
        for topic in topics:
            self._session.subscribe(topic)

    def until(self, count: int) -> list[tuple[str, str]]:
        deadline = time.monotonic() + PATIENCE_SEC
        while len(self.heard) < count:
            assert time.monotonic() < deadline, f"heard {len(self.heard)} of {count}"
            reply = self._session.next_message(timeout_sec=0.05)
            if reply is not None:
                assert reply.gap == 0
                self.heard.append((reply.topic, reply.text or ""))
        return self.heard

    @contextlib.contextmanager
    def reading(self, count: int, begin: threading.Event | None = None) -> Iterator[None]:
        """Read so many in another thread meanwhile."""

        def read() -> None:
            if begin is None or begin.wait(PATIENCE_SEC):
                self.until(count)

        thread = threading.Thread(target=read)
        thread.start()
        yield
        thread.join(PATIENCE_SEC)

    def values(self, count: int) -> list[float]:
        return [Float64.from_json(text).data for _, text in self.until(count)]

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def ear(broker: BrokerProcess) -> Iterator[Callable[..., Ear]]:
    made: list[Ear] = []

    def listen(*topics: str) -> Ear:
        made.append(Ear(broker, *topics))
        return made[-1]

    yield listen
    for each in made:
        each.close()


@pytest.fixture
def session(broker: BrokerProcess) -> Iterator[Session]:
    made = Session(broker.address)
    yield made
    made.close()


# The pace, by a clock that the test moves


class Now:
    sec = 1000.0

    def __call__(self) -> float:
        return self.sec


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    clock = Now()
    monkeypatch.setattr("dsmq_nodes.bag.play.playback_clock.time.monotonic", clock)
    return clock


def test_due_times_are_absolute(now: Now) -> None:
    played = Pace(2.0)
    played.set(5 * SECOND_NS)
    assert played.due_sec(6 * SECOND_NS) == pytest.approx(1000.5)
    now.sec += 0.9  # late
    assert played.due_sec(7 * SECOND_NS) == pytest.approx(1001.0)
    assert played.now_ns() == pytest.approx(6.8 * SECOND_NS)


def test_time_stands_still_while_it_pauses(now: Now) -> None:
    played = Pace(1.0)
    played.set(0)
    now.sec += 0.25
    played.pause()
    now.sec += 100
    assert played.now_ns() == SECOND_NS // 4
    assert not played.take_step(SECOND_NS)
    played.step()
    assert played.take_step(SECOND_NS)
    assert not played.take_step(2 * SECOND_NS)
    played.resume()
    assert played.due_sec(2 * SECOND_NS) == pytest.approx(now.sec + 1.0)


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from(["pause", "resume", "fast", "slow"]))))
def test_recorded_time_never_jumps(turns: list[tuple[float, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        now = Now()
        patch.setattr("dsmq_nodes.bag.play.playback_clock.time.monotonic", now)
        played = Pace(1.0)
        played.set(0)
        expected_sec = 0.0
        for passing_sec, action in turns:
            now.sec += passing_sec
            expected_sec += 0.0 if played.is_paused else passing_sec * played.rate
            match action:
                case "pause":
                    played.pause()
                case "resume":
                    played.resume()
                case "fast":
                    played.change_rate(1.1)
                case _:
                    played.change_rate(0.5)
            assert played.now_ns() * 1e-9 == pytest.approx(expected_sec, abs=1e-6)


# Reading ahead


def records(count: int, size_bytes: int = 1) -> Iterator[Record]:
    for index in range(count):
        yield Record(NUMBERS, index, index, index, bytes(size_bytes))


def test_large_messages_are_not_all_read_ahead() -> None:
    read: list[int] = []

    def source() -> Iterator[Record]:
        for record in records(300, 1 << 20):
            read.append(record.sequence)
            yield record

    found = []
    for record in prefetched(source()):
        found.append(record.sequence)
        assert len(read) - len(found) < 100
    assert found == read == list(range(300))


def test_reading_ahead_gives_the_same_and_raises_where_it_was_raised() -> None:
    def source() -> Iterator[Record]:
        yield from records(5000)
        raise BagError("damaged here")

    given_: list[Record] = []
    with pytest.raises(BagError, match="damaged here"):
        given_.extend(prefetched(source()))
    assert list(prefetched(records(100))) == list(records(100))
    ahead = prefetched(records(10**9))
    assert next(ahead).log_time_ns == 0
    ahead.close()  # type: ignore[attr-defined]  # ends the thread too
    before = sys.getswitchinterval()
    assert before > 0.001


# Through a broker


@pytest.mark.parametrize("rate", [0.0, 1000.0])
def test_everything_is_played_in_order_and_only_then_it_ends(
    rate: float, numbers: Numbers, session: Session, ear: Callable[..., Ear]
) -> None:
    listener = ear("/numbers")
    bag = Bag(numbers(3000))
    player = Player(bag, session, Playing(rate=rate, wait_for=1))
    with listener.reading(3000):
        player.play()
    assert player.messages == 3000
    assert listener.values(3000) == list(range(3000))


def test_no_message_is_early(numbers: Numbers, session: Session, broker: BrokerProcess) -> None:
    path = numbers(40, every_sec=0.01)
    began_ns = time.time_ns()
    Player(Bag(path), session, Playing(rate=2.0)).play()
    reader = Session(broker.address, lasting=True)
    reader.subscribe("/numbers", from_start=True)
    stamps: list[int] = []
    while len(stamps) < 40:
        if (reply := reader.next_message(timeout_sec=0.05)) is not None:
            stamps.append(reply.stamp)
    reader.close()
    for index, stamp in enumerate(stamps):
        assert stamp - began_ns >= index * 5_000_000 - 1_000_000  # clocks of two kinds: 1 ms


@pytest.mark.parametrize(
    ("playing", "expected"),
    [
        (Playing(rate=0, start_offset_sec=1.0), range(10, 20)),
        (Playing(rate=0, duration_sec=0.5), range(6)),
        (Playing(rate=0, start_offset_sec=0.95, duration_sec=0.1), [10]),
        (Playing(rate=1000, delay_sec=0.01), range(20)),
    ],
)
def test_parts_of_a_bag(
    playing: Playing,
    expected: range,
    numbers: Numbers,
    session: Session,
    ear: Callable[..., Ear],
) -> None:
    listener = ear("/numbers")
    Player(Bag(numbers(20)), session, playing).play()
    session.publish("/numbers", '{"data": -1}')
    assert listener.values(len(expected) + 1) == [*expected, -1]


def test_an_offset_beyond_the_end(numbers: Numbers, session: Session) -> None:
    bag = Bag(numbers(20))
    for offset_sec in (5.0, 1e308, math.inf):
        told = rf"offset of {re.escape(f'{offset_sec:g}')} s is beyond the bag's 1\.900 s"
        with pytest.raises(BagError, match=told):
            Player(bag, session, Playing(start_offset_sec=offset_sec))
    assert Player(bag, session, Playing(duration_sec=math.inf)).end_ns == bag.end_ns


def test_again_and_again_until_it_is_stopped(
    numbers: Numbers, session: Session, ear: Callable[..., Ear]
) -> None:
    listener = ear("/numbers")
    player = Player(Bag(numbers(3)), session, Playing(rate=1000, loop=True), lambda _: stop())

    def stop() -> None:
        if player.messages >= 7:
            player.stop()

    player.play()
    assert listener.values(7) == [0, 1, 2, 0, 1, 2, 0]


MAP = Channel("/map", Float64.type_name, b"{}", metadata=(("latched", "true"),))


def test_an_offset_begins_with_what_is_latched_then_in_each_round(
    tmp_path: Path, session: Session, ear: Callable[..., Ear]
) -> None:
    with BagWriter(tmp_path / "run") as writer:
        for index in range(20):
            if index in {0, 5, 15}:
                writer.write(MAP, index * SECOND_NS, number(-index), 0, index)
            writer.write(NUMBERS, index * SECOND_NS, number(index), 0, index)
    listener = ear("/map", "/numbers")
    player = Player(
        Bag(*writer.paths),
        session,
        Playing(rate=1e6, loop=True, start_offset_sec=13.5),
        lambda _: player.stop() if player.messages > 8 else None,
    )
    player.play()
    once = [-5, 14, 15, -15, 16, 17, 18, 19]
    heard = listener.values(9)
    assert sorted(heard[:8]) == sorted(once)
    assert heard[0] == -5
    assert heard[8] == -5


def test_a_ros_bag_is_played_with_what_is_latched_in_it(
    tmp_path: Path, session: Session, ear: Callable[..., Ear]
) -> None:
    def double(value: float) -> bytes:
        return b"\0\1\0\0" + struct.pack("<d", value)

    told = {"offered_qos_profiles": "- durability: transient_local\n- durability: 1\n"}
    schema = Schema(1, b"float64 data\n", "ros2msg", Float64.type_name)
    channels = [
        ChannelRecord(1, "/tf_static", "cdr", told, 1),
        ChannelRecord(2, "/numbers", "cdr", {}, 1),
    ]
    messages = [Message(1, at, double(-at), at, at) for at in range(3)]
    messages += [Message(2, at * SECOND_NS, double(at), at, at) for at in range(1, 5)]
    path = tmp_path / "ros.mcap"
    path.write_bytes(file_of([schema, *channels, *messages], frozenset({"ch"}), "ros2"))
    Player(open_source([path]), session, Playing(rate=0, start_offset_sec=2.5)).play()
    assert ear("/tf_static").values(2) == [-1, -2]  # of two publishers
    Player(open_source([path]), session, Playing(rate=0)).play()
    assert ear("/tf_static").values(2) == [-1, -2]


@pytest.mark.parametrize(("rate", "clock_hz"), [(1.0, 0.0), (0.0, 0.0), (1.0, 1000.0)])
def test_a_bag_without_length_is_no_flood(
    numbers: Numbers, session: Session, ear: Callable[..., Ear], rate: float, clock_hz: float
) -> None:
    listener = ear("/clock", "/numbers")

    def wait(seconds: float) -> None:
        session.pump(max(seconds, 0.0))
        if player.messages >= 4:  # a machine that stood still plays several at once
            player.stop()

    playing = Playing(rate=rate, loop=True, clock_hz=clock_hz)
    player = Player(Bag(numbers(1)), session, playing, wait)
    began_sec = time.monotonic()
    player.play()
    assert time.monotonic() - began_sec > 0.25  # three rounds
    heard = listener.until(10 if clock_hz else 4)
    assert ("/clock" in {topic for topic, _ in heard}) == bool(clock_hz)


@pytest.mark.parametrize("rate", [0.0, 1000.0])
def test_what_the_broker_does_not_take_is_left_out_and_told(
    tmp_path: Path, session: Session, ear: Callable[..., Ear], rate: float
) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(NUMBERS, 0, number(0), 0)
        for topic in ("/a/../b", "", "/line\nbreak", "/" + "x" * 300):
            writer.write(Channel(topic, Float64.type_name, b"{}"), 1, number(1), 0)
        writer.write(NUMBERS, 2, b'{"data": 1, "more": "%b"}' % (b"x" * 9_000_000), 0)
        writer.write(NUMBERS, 3, number(2), 0)
    listener = ear("/numbers")
    bag = Bag(*writer.paths)
    player = Player(bag, session, Playing(rate=rate))
    player.play()
    assert player.messages == 2
    assert listener.values(2) == [0, 2]
    told = list(bag.omitted.lines())
    assert len(told) == 5
    assert "left out: /a/../b: a topic name has a part that is '..': '/a/../b'" in told
    assert any(each.startswith("left out: /numbers: 1 message at 0.000 s: a mess") for each in told)


BROKEN = (b'{"data": "Temp 40\xb0C"}', b'{"data":', b"")


@pytest.mark.parametrize("rate", [0.0, 1000.0])
def test_what_is_no_message_is_left_out_and_told(
    tmp_path: Path, session: Session, ear: Callable[..., Ear], rate: float
) -> None:
    plain = Channel("chat", "", b"", "", "text")
    packed = Channel("/p", "p.P", b"x", "protobuf", "protobuf")
    with BagWriter(tmp_path / "run") as writer:
        for index, data in enumerate([number(0), *BROKEN, number(1)]):
            writer.write(NUMBERS, index * SECOND_NS // 10, data, 0)
        writer.write(plain, SECOND_NS, b"any text", 0)
        writer.write(plain, SECOND_NS, b"\xff", 0)
        writer.write(packed, SECOND_NS, b"\0", 0)
    listener = ear("/numbers", "chat")
    bag = Bag(*writer.paths)
    Player(bag, session, Playing(rate=rate)).play()
    heard = listener.until(3)
    assert sorted(heard) == [("/numbers", '{"data": 0}'), ("/numbers", '{"data": 1}'),
                             ("chat", "any text")]  # fmt: skip
    told = "\n".join(bag.omitted.lines())
    assert "left out: /p: its messages are in 'protobuf'" in told
    assert "left out: /numbers: 1 message at 0.100 s: it is not UTF-8: byte 17 is 0xb0" in told
    assert "left out: /numbers: 1 message at 0.200 s: it is no JSON" in told
    assert "left out: chat: 1 message at 1.000 s: it is not UTF-8" in told


def test_paused_it_waits_and_steps(
    numbers: Numbers, session: Session, ear: Callable[..., Ear]
) -> None:
    listener = ear("/numbers")
    turns = 0

    def wait(_: float) -> None:
        nonlocal turns
        turns += 1
        if turns in {2, 4}:
            assert player.messages == turns // 2 - 1
            player.pace.step()
        if turns == 6:
            assert player.messages == 2
            player.pace.resume()

    player = Player(Bag(numbers(10)), session, Playing(rate=1000, start_paused=True), wait)
    player.play()
    assert turns >= 6
    assert listener.values(10) == list(range(10))


def test_what_came_due_while_the_player_stood_still_is_not_played_at_once(
    numbers: Numbers, session: Session, now: Now
) -> None:
    waits_sec: list[float] = []

    def wait(seconds: float) -> None:
        waits_sec.append(seconds)
        now.sec += seconds + (60.0 if len(waits_sec) == 5 else 0.0)

    Player(Bag(numbers(20)), session, Playing(), wait).play()
    assert sum(waits_sec) == pytest.approx(1.9)


def test_renamed_with_its_type_and_latched(
    tmp_path: Path, session: Session, ear: Callable[..., Ear], broker: BrokerProcess
) -> None:
    latched = Channel("/map", Float64.type_name, b"{}", metadata=(("latched", "true"),))
    with BagWriter(tmp_path / "run") as writer:
        writer.write(latched, 1, number(7), 1)
    Player(Bag(writer.paths[0]), session, Playing(rate=0, remap={"/map": "/house/map"})).play()
    late = ear("/house/map")
    assert late.values(1) == [7]
    graph = ear("/dsmq/graph")
    topics = Graph.from_json(graph.until(1)[-1][1]).topics
    (found,) = [each for each in topics if each.name == "/house/map"]
    assert (found.latched, found.publishers[0].type) == (True, "std_msgs/msg/Float64")


def test_the_clock_is_published_between_the_messages(
    numbers: Numbers, session: Session, ear: Callable[..., Ear]
) -> None:
    listener = ear("/clock", "/numbers")
    player = Player(Bag(numbers(20)), session, Playing(rate=4.0, clock_hz=50, wait_for=1))
    player.play()
    told = 0
    heard = listener.until(21)
    while len([each for each in heard if each[0] == "/numbers"]) < 20:
        heard = listener.until(len(heard) + 1)
    due_ns = SECOND_NS
    for topic, text in heard:
        if topic == "/clock":
            told += 1
            at_ns = Clock.from_json(text).clock.to_nanoseconds()
            assert at_ns <= due_ns  # never ahead of the message that comes next
        else:
            due_ns += SECOND_NS // 10
    assert told >= 5


def test_types_that_are_not_the_graphs_are_told_and_nothing_is_played(
    numbers: Numbers, session: Session, broker: BrokerProcess
) -> None:
    other = Tool(broker, "/reader")
    other.subscribe("/numbers", Bool.type_name)
    player = Player(Bag(numbers(3)), session, Playing())
    fault = (
        r"/numbers: subscriber '/reader' \(pid \d+\) expects std_msgs/msg/Bool, the bag has "
        r"std_msgs/msg/Float64\nNothing was played"
    )
    with pytest.raises(BagError, match=fault):
        player.play()
    assert player.messages == 0
    other.close()


def test_schemas_are_compared_where_both_are_known(
    numbers: Numbers, session: Session, broker: BrokerProcess
) -> None:
    reader = Tool(broker, "/reader")
    fits = {"type": "object", "properties": {"data": {"type": "number"}}}
    reader.subscribe("/numbers", "another/msg/Name", schema=fits)
    Player(Bag(numbers(3)), session, Playing(rate=1000)).play()
    differs = {"type": "object", "properties": {"data": {"type": "string"}}}
    reader.subscribe("/numbers", "std_msgs/msg/Float64", schema=differs)
    with pytest.raises(BagError, match=r"expects data: string, .*'the bag'.*sends data: num"):
        Player(Bag(numbers(3, "again")), session, Playing(rate=1000)).play()
    reader.close()


def test_messages_that_are_not_json(tmp_path: Path, session: Session) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(Channel("/x", "a.B", b"", "protobuf", "protobuf"), 1, b"\0", 1)
    with pytest.raises(BagError, match="in 'protobuf', not in JSON"):
        Player(Bag(writer.paths[0]), session, Playing())
    with pytest.raises(BagError, match=r"has no topic /y\*: there is: /x"):
        Player(Bag(writer.paths[0], topics=["/y*"]), session, Playing())


def test_a_schema_that_is_nested_too_deeply_is_unknown(tmp_path: Path, session: Session) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(Channel("/x", "pkg/msg/Unknown", b"[" * 100_000), 1, b"{}", 1)
    Player(Bag(writer.paths[0]), session, Playing(rate=0)).play()
    assert session.published["/x"] == 1


def test_a_reader_that_is_slow_loses_nothing_at_rate_0(
    tmp_path: Path, session: Session, ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the broker keeps is played; the reader begins when it is waited for."""
    text = b'{"data": "%b"}' % (b"x" * 1_000_000)
    with BagWriter(tmp_path / "run") as writer:
        for index in range(90):
            writer.write(Channel("/big", "std_msgs/msg/String", b"{}"), index, text, index)
    listener = ear("/big")
    is_waited_for = threading.Event()
    ask = session.statistics

    def asked(*, exact: bool = False) -> Generator[BrokerCounters]:
        if session.published["/big"] > 30:  # after half of what the broker keeps
            is_waited_for.set()
        return ask(exact=exact)

    monkeypatch.setattr(session, "statistics", asked)
    with listener.reading(90, is_waited_for):
        Player(Bag(writer.paths[0]), session, Playing(rate=0)).play()
    assert len(listener.heard) == 90


class Slow(Node):
    """Keeps few messages, and takes its time."""

    def __init__(self, broker: BrokerProcess) -> None:
        super().__init__("slow", broker=broker.address)
        self.heard: dict[int, list[float]] = {1: [], 7: []}
        self.kept = [
            self.create_subscription(Float64, f"keep{depth}", partial(self.on_number, depth), depth)
            for depth in self.heard
        ]

    def on_number(self, depth: int, msg: Float64) -> None:
        until_sec = time.monotonic() + 0.0003
        while time.monotonic() < until_sec:
            pass
        self.heard[depth].append(msg.data)


def test_nodes_that_keep_few_messages_lose_nothing_at_rate_0(
    tmp_path: Path, session: Session, broker: BrokerProcess
) -> None:
    count = 300
    with BagWriter(tmp_path / "run") as writer:
        for index in range(count):
            for topic in ("/keep1", "/keep7"):
                channel = Channel(topic, Float64.type_name, NUMBERS.schema)
                writer.write(channel, index, number(index), index, index)
    node = Slow(broker)
    with spinning(node):
        Player(Bag(writer.paths[0]), session, Playing(rate=0, wait_for=1)).play()
        assert node.heard == {1: list(range(count)), 7: list(range(count))}
    assert [each.dropped for each in node.kept] == [0, 0]


# The command


def command(broker: BrokerProcess, *arguments: str) -> list[str]:
    where = f"{broker.host}:{broker.port}"
    return [
        sys.executable, "-W", "error", "-m", "dsmq_nodes", "bag", "play", "--broker", where,
        *arguments,
    ]  # fmt: skip


def test_the_keyboard(
    numbers: Numbers, broker: BrokerProcess, ear: Callable[..., Ear], tool: Tool
) -> None:
    listener = ear("/numbers")
    ours, theirs = pty.openpty()
    path = str(numbers(5, every_sec=60.0))  # nothing but keys can play it to its end
    with processes.Popen(
        [*command(broker, path, "--start-paused")],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(lambda: tool.publishers("/numbers"), "the player")
        os.write(ours, b"s")
        assert listener.values(1) == [0]
        os.write(ours, b"\x1b[Cs")  # the right arrow, and s
        assert listener.values(3) == [0, 1, 2]
        os.write(ours, b"+-?q")
        out, err = process.communicate(timeout=PATIENCE_SEC)
    assert (process.returncode, out, err) == (0, "Played 3 messages\n", "")
    os.close(ours)
    os.close(theirs)


def test_a_terminal_that_is_gone_ends_it(
    numbers: Numbers, broker: BrokerProcess, tool: Tool
) -> None:
    """Also where no SIGHUP comes, as in a session without a terminal of its own."""
    ours, theirs = pty.openpty()
    path = str(numbers(5, every_sec=60.0))
    with processes.Popen(
        [*command(broker, path, "--loop")],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        until(lambda: tool.publishers("/numbers"), "the player")
        os.close(ours)
        out, err = process.communicate(timeout=PATIENCE_SEC)
    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(r"Played \d+ messages?\n", out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--remap", "/a"), "write OLD:=NEW"),
        (("--remap", "/a:=/b"), "the bag has no /a: it has /numbers"),
        (("--remap", "/numbers:=bad name"), "'bad name' is no topic name: use letters"),
        (("--topics", "/number"), "has no topic /number: did you mean '/numbers'?"),
        (("--topics", "/a*"), "has no topic /a*: there is: /numbers"),
        (("--start-offset", "9"), "beyond the bag's 0.200 s"),
    ],
)
def test_wrong_on_purpose(
    arguments: tuple[str, ...], says: str, numbers: Numbers, broker: BrokerProcess
) -> None:
    result = processes.run(
        command(broker, str(numbers(3)), *arguments), capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_topics_of_two_types_do_not_become_one(tmp_path: Path, broker: BrokerProcess) -> None:
    with BagWriter(tmp_path / "two") as writer:
        for topic, type_name in (("/a", "std_msgs/msg/Bool"), ("/b", "std_msgs/msg/String")):
            writer.write(Channel(topic, type_name), 1, b"{}", 1)
    words = command(broker, str(tmp_path / "two"), "--remap", "/a:=/b")
    result = processes.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "/b would have the types std_msgs/msg/Bool and std_msgs/msg/String" in result.stderr


class Motor(Node):
    def __init__(self, broker: BrokerProcess) -> None:
        super().__init__("motor", broker=broker.address)
        self.enabled = 0
        self.create_service(SetBool, "/enable", self.on_enable)

    def on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.enabled += 1
        return response


def test_what_was_called_is_not_called_again_unless_asked_for(
    tmp_path: Path, broker: BrokerProcess, ear: Callable[..., Ear]
) -> None:
    hidden = {
        "/enable/_request": calls.write("/arm@1", 7, '{"data":true}'),
        "/enable/_reply": calls.write("/arm@1", 7, '{"success":true,"message":""}'),
        "/dock/_action/feedback": "{}",
        "/dsmq/launch/state": "{}",
        "/emergency_stop": '{"data":false}',
        "/r1/emergency_stop": '{"data":false}',
    }
    with BagWriter(tmp_path / "run") as writer:
        for topic, text in hidden.items():
            writer.write(Channel(topic, "", b"{}"), 1, text.encode(), 1)
        writer.write(NUMBERS, 2, number(5), 2)
    played = command(broker, str(writer.paths[0]), "--rate", "0")
    listener = ear("/numbers", *hidden)
    motor = Motor(broker)
    with spinning(motor):
        result = processes.run(played, capture_output=True, text=True, check=True)
        assert result.stdout == "Played 1 messages\n"
        assert result.stderr == (
            "Not played: 2 messages of /emergency_stop, /r1/emergency_stop, which might release a "
            "stop pressed now: --remap /emergency_stop:=/emergency_stop plays them\n"
            "Not played: 4 messages of services, actions and the kit (/dock/_action/feedback, "
            "/dsmq/launch/state, /enable/_reply, /enable/_request): --publish-service-requests "
            "calls the services again\n"
        )
        assert motor.enabled == 0
        played.append("--publish-service-requests")
        result = processes.run(played, capture_output=True, text=True, check=True)
        assert result.stdout == "Played 2 messages\n"
        assert "Not played: 3 messages of services" in result.stderr
        until(lambda: motor.enabled == 1, "the call")
    heard = [topic for topic, _ in listener.until(4)]
    assert sorted(heard) == ["/enable/_reply", "/enable/_request", "/numbers", "/numbers"]


def test_a_goal_that_is_sent_again_is_the_players_and_ends_with_it(
    tmp_path: Path, broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSMQ_BROKER", f"{broker.host}:{broker.port}")
    topic = "/count/_action/send_goal/_request"
    goal = '{"goal_id":{"uuid":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]},"goal":{"to":1000}}'
    with BagWriter(tmp_path / "run") as writer:
        sent = calls.write("/gone@812.17e2f0", 7, goal)
        writer.write(Channel(topic, "", b"{}"), 1, sent.encode(), 1)
        writer.write(NUMBERS, 600_000_000_000, number(5), 2)
    counter = Counter()
    asked = command(broker, str(writer.paths[0]), "--publish-service-requests")
    with spinning(counter):
        player = Program(*asked[3:])
        try:
            until(lambda: counter.log, "the goal")
        finally:
            player.close()
        until(lambda: len(counter.log) == 2, "that it is cancelled")
    assert [what for _, what in counter.log] == ["begin 1000", "canceled 1000"]


def test_who_is_waited_for_is_told_and_ctrl_c_tells_how_much_was_played(
    numbers: Numbers, broker: BrokerProcess
) -> None:
    path = str(numbers(3, every_sec=0.001))
    program = Program(*command(broker, path, "-w", "2", "--loop")[3:])
    with contextlib.ExitStack() as stack:
        stack.callback(program.close)
        program.wait_for("Waiting for 2 subscribers of each topic: /numbers has none")
        reader = stack.enter_context(contextlib.closing(Tool(broker, "/reader")))
        reader.subscribe("/numbers", Float64.type_name)
        program.wait_for("Waiting for 2 subscribers of each topic: /numbers has 1")
        heard = stack.enter_context(contextlib.closing(Ear(broker, "/numbers")))
        heard.until(4)
        program.send(signal.SIGINT)
        assert program.wait() == 0
    played = re.search(r"^Played (\d+) messages$", program.output, re.MULTILINE)
    assert played is not None
    assert int(played[1]) >= 3  # the signal may come between a message and its being counted


def test_the_broker_goes_away_while_it_plays(numbers: Numbers, broker: BrokerProcess) -> None:
    arguments = command(broker, str(numbers(100, every_sec=10.0)), "--loop")
    with processes.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        tool = Tool(broker)
        until(lambda: tool.publishers("/numbers") > 0, "the player")
        tool.close()
        broker.kill()
        _, err = process.communicate(timeout=PATIENCE_SEC)
    assert process.returncode == 1
    assert err.startswith(b"lost the broker")
    assert b"Traceback" not in err
