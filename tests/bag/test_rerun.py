"""A recorded run drives one node, and what it says is compared with what it said."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import Node, Parameters
from dsmq_nodes.bag import Bag, BagWriter, NodeRaisedError, Tolerance, feed, rerun
from dsmq_nodes.bag.file.contents import Attachment, Channel
from dsmq_nodes.bag.file.reading import McapBag
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.rerunning.comparing import differences
from dsmq_nodes.cli.show.bag.bag_rerun import NodeOptions, rerun_bag
from dsmq_nodes.errors import BagError
from dsmq_nodes.messages import Float64, Header, PoseStamped, String, Time
from dsmq_nodes.testing import Graph
from tests.bag.conftest import NUMBERS, SECOND_NS, number
from tests.support import processes

START_NS = 1_700_000_000 * SECOND_NS
COUNT = 200


class Doubler(Node):
    """Says what it hears twice as large, and when."""

    class Params(Parameters):
        factor: float = 2.0
        wrong_at: int = -1
        stops_at: int = 1_000_000
        raises_at: int = -1
        lags: bool = False

    params: Params

    def __init__(self) -> None:
        super().__init__("doubler")
        self.poses = self.create_publisher(PoseStamped, "pose", 10)
        self.beats = self.create_publisher(String, "beat", 10)
        self.create_subscription(Float64, "numbers", self.on_numbers, 10)
        self.create_timer(0.25, lambda: self.beats.publish(String(data="beat")))
        self.before = 0.0

    def on_numbers(self, msg: Float64) -> None:
        if msg.data >= self.params.stops_at:
            return
        if msg.data == self.params.raises_at:
            raise ValueError("too much\nof it")
        if self.params.lags:
            msg.data, self.before = self.before, msg.data
        pose = PoseStamped(header=self.stamp("map"))
        pose.pose.position.x = msg.data * self.params.factor
        if msg.data == self.params.wrong_at:
            pose.pose.position.y = 0.5
        self.poses.publish(pose)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """What a `Doubler` was given and said, 3 ms later, at 10 Hz."""
    poses = Channel("/pose", PoseStamped.type_name, b"{}")
    with BagWriter(tmp_path / "run") as writer:
        for index in range(COUNT):
            at_ns = START_NS + index * SECOND_NS // 10
            writer.write(NUMBERS, at_ns, number(index), at_ns, index)
            pose = PoseStamped(header=Header(frame_id="map"))
            pose.header.stamp = pose.header.stamp.from_nanoseconds(at_ns + 2_000_000)
            pose.pose.position.x = 2.0 * index
            later_ns = at_ns + 3_000_000
            writer.write(poses, later_ns, pose.to_json().encode(), later_ns, index)
        last_ns = START_NS + COUNT * SECOND_NS // 10
        writer.write(Channel("/unused", String.type_name, b"{}"), last_ns, b"{}", 0)
    return writer.paths[0]


def test_as_recorded(recorded: Path) -> None:
    result = rerun(Bag(recorded), Doubler)
    assert result.difference is None
    assert result.inputs == {"/numbers": COUNT}
    assert result.outputs == {"/pose": (COUNT, COUNT)}


def test_the_first_difference_is_told_by_time_topic_and_field(recorded: Path) -> None:
    result = rerun(Bag(recorded), Doubler, params={"wrong_at": 77})
    assert str(result.difference) == (
        "/pose, message 78, at 7.703 s, field pose.position.y: recorded 0.0, now 0.5"
    )


@pytest.fixture
def only(recorded: Path, tmp_path: Path) -> Callable[..., Bag]:
    """The bag with some of its messages only; `/pose` is written anew if a function is given."""

    def write(
        wanted: Callable[[str, int], bool], change: Callable[[dict[str, Any]], None] | None = None
    ) -> Bag:
        with BagWriter(tmp_path / "part") as writer:
            for record in Bag(recorded).records():
                if not wanted(record.channel.topic, record.sequence):
                    continue
                values = json.loads(record.data)
                if change is not None and record.channel.topic == "/pose":
                    change(values)
                data = json.dumps(values).encode()
                times = record.log_time_ns, data, record.publish_time_ns
                writer.write(record.channel, *times, record.sequence)
        return Bag(writer.paths[0])

    return write


def unstamped(values: dict[str, Any]) -> None:
    values["header"]["stamp"] = {"sec": 0, "nanosec": 0}


class Unstamped(Doubler):
    """As a `Doubler`, and leaves the stamp alone."""

    def stamp(self, frame_id: str = "") -> Header:
        return Header(frame_id=frame_id)


STAMPING = pytest.mark.parametrize(
    ("node", "change"), [(Doubler, None), (Unstamped, unstamped)], ids=["stamped", "not stamped"]
)


@STAMPING
def test_what_came_before_the_first_recorded_output_and_after_the_last_is_left_out(
    only: Callable[..., Bag], node: type[Node], change: Callable[[dict[str, Any]], None] | None
) -> None:
    bag = only(lambda topic, number: topic != "/pose" or 20 <= number < 190, change)
    result = rerun(bag, node)
    assert result.difference is None
    assert result.outputs == {"/pose": (170, COUNT)}
    assert str(result.uncompared["/pose"]) == (
        "20 before the first that was recorded, 10 after the last that was recorded"
    )


@STAMPING
def test_a_difference_after_what_is_left_out_is_found(
    only: Callable[..., Bag], node: type[Node], change: Callable[[dict[str, Any]], None] | None
) -> None:
    bag = only(lambda topic, number: topic != "/pose" or 20 <= number < 190, change)
    result = rerun(bag, node, params={"wrong_at": 77})
    assert str(result.difference) == (
        "/pose, message 58, at 7.703 s, field pose.position.y: recorded 0.0, now 0.5"
    )


@STAMPING
def test_an_output_that_is_missing_in_the_middle_is_a_difference(
    only: Callable[..., Bag], node: type[Node], change: Callable[[dict[str, Any]], None] | None
) -> None:
    result = rerun(only(lambda topic, number: topic != "/pose" or number != 77, change), node)
    assert result.difference is not None
    assert result.difference.number == 78


@STAMPING
def test_a_node_that_stops_too_early_or_is_late_by_one_differs(
    only: Callable[..., Bag], node: type[Node], change: Callable[[dict[str, Any]], None] | None
) -> None:
    bag = only(lambda topic, number: topic != "/pose" or number >= 20, change)
    result = rerun(bag, node, params={"stops_at": 100})
    assert "recorded 'a message', now 'nothing'" in str(result.difference)
    assert result.difference is not None
    assert result.difference.at_sec == pytest.approx(10.003)
    assert rerun(bag, node, params={"lags": True}).difference is not None


def test_an_answer_to_what_came_before_the_bag_is_left_out(tmp_path: Path) -> None:
    poses = Channel("/pose", PoseStamped.type_name, b"{}")
    with BagWriter(tmp_path / "cut") as writer:
        for index in range(50):
            at_ns = START_NS + index * SECOND_NS // 100
            if index >= 2:  # a ring begins in the middle
                writer.write(NUMBERS, at_ns, number(index), at_ns, index)
            pose = PoseStamped(header=Header(frame_id="map", stamp=Time.from_nanoseconds(at_ns)))
            pose.pose.position.x = 2.0 * index
            writer.write(poses, at_ns + SECOND_NS // 40, pose.to_json().encode(), at_ns, index)
    result = rerun(Bag(writer.paths[0]), Doubler)
    assert result.difference is None
    assert str(result.uncompared["/pose"]) == "2 recorded that answer what came before the bag"


def test_stamps_may_differ_by_as_much_as_allowed(recorded: Path) -> None:
    result = rerun(Bag(recorded), Doubler, tolerance=Tolerance(stamp_sec=0.001))
    assert result.difference is not None
    assert (result.difference.field, result.difference.number) == ("header.stamp", 1)


def test_parameters_of_the_recording_are_told_to_be_in_its_launch_file(
    recorded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(McapBag, "attachments", lambda _: [Attachment("robot.yaml", b"")])

    def said(**params: object) -> str:
        given = NodeOptions(f"{__name__}:Doubler", None, None, params, {})
        rerun_bag([recorded], given, Selection(everything=True), Tolerance())
        return capsys.readouterr().err

    assert "those of the recording are in robot.yaml" in said()
    assert "robot.yaml" not in said(factor=2.0)


def test_a_node_that_has_nothing_to_do_with_it(recorded: Path) -> None:
    with pytest.raises(BagError, match=r"/robot/doubler subscribes to no recorded topic"):
        rerun(Bag(recorded), Doubler, namespace="/robot")
    with pytest.raises(BagError, match=r"publishes nothing that was recorded"):
        rerun(Bag(recorded), Doubler, compared=Selection(("/beat",)))
    result = rerun(
        Bag(recorded), Doubler, namespace="/r", remap={"numbers": "/numbers", "pose": "/pose"}
    )
    assert result.difference is None


def test_a_bag_is_a_source_for_a_test(recorded: Path, graph: Graph) -> None:
    graph.add(Doubler)
    poses = graph.observe(PoseStamped, "pose")
    graph.run_for(1.0)
    with pytest.raises(BagError, match=r"no topic /number: did you mean '/numbers'\?"):
        feed(graph, Bag(recorded), topics="/number")
    feed(graph, Bag(recorded), topics="/numbers")
    graph.run_for(5.05)
    assert [each.pose.position.x for each in poses] == [2.0 * index for index in range(51)]
    assert poses.at_sec == pytest.approx([1.0 + index / 10 for index in range(51)])


@pytest.mark.parametrize(
    ("before", "now", "fields"),
    [
        ({"a": 1.0}, {"a": 1.0 + 1e-12}, []),
        ({"a": 1.0}, {"a": 1.1}, ["a"]),
        ({"a": "NaN"}, {"a": "NaN"}, []),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, ["a.b[1].c"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a (length)"]),
        ({"a": 1, "old": 1}, {"new": 2, "a": 1}, []),
        ({"a": True}, {"a": "true"}, ["a"]),
    ],
)
def test_differences(before: object, now: object, fields: list[str]) -> None:
    assert [each.field for each in differences(before, now, Tolerance())] == fields


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ((), 0, "as recorded"),
        (("-p", "factor:=3"), 1, "field pose.position.x: recorded 2.0, now 3.0"),
        (("-p", "factor=3"), 1, "write NAME:=VALUE"),
        (("-p", "faktor:=3"), 1, "faktor"),
        (("-p", "raises_at:=7"), 1, "/numbers: 8 messages\nout  /pose: 7 messages recorded, 7 now"),
        (("--tolerance", "1000", "-p", "factor:=3"), 0, "as recorded"),
    ],
)
def test_the_command(recorded: Path, arguments: tuple[str, ...], status: int, says: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "dsmq_nodes", "bag", "rerun", str(recorded)]
    result = processes.run(
        [*command, "--node", "tests.bag.test_rerun:Doubler", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert says in result.stdout + result.stderr
    assert result.returncode == status
    if "raises_at" not in " ".join(arguments):
        assert "Traceback" not in result.stderr
        return
    lines = result.stderr.splitlines()
    assert lines[0] == (
        "the node raised ValueError: too much, at 0.700 s of the bag, at message 8 of /numbers"
    )
    assert "as recorded until then" in result.stdout
    assert len(lines) < 12
    assert lines[-2:] == ["ValueError: too much", "of it"]
    assert "in on_numbers" in result.stderr
    assert "dsmq_nodes" not in result.stderr


def test_what_a_node_raises_says_when_and_has_what_came_before(recorded: Path) -> None:
    with pytest.raises(NodeRaisedError, match=r"ValueError: too much, at 0\.700 s") as raised:
        rerun(Bag(recorded), Doubler, params={"raises_at": 7})
    assert isinstance(raised.value.__cause__, ValueError)
    assert raised.value.result.difference is None
    assert raised.value.result.outputs == {"/pose": (7, 7)}

    def make() -> Node:
        raise LookupError("no map")

    with pytest.raises(NodeRaisedError, match="LookupError: no map in its constructor"):
        rerun(Bag(recorded), make)
