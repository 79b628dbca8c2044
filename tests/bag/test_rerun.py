"""A recorded run drives one node, and what it says is compared with what it said."""

import subprocess
import sys
from pathlib import Path

import pytest

from dsmq_nodes import Node, Parameters
from dsmq_nodes.bag import Bag, BagWriter, Tolerance, feed, rerun
from dsmq_nodes.bag.channel import Channel
from dsmq_nodes.bag.comparing import differences
from dsmq_nodes.bag.selection import Selection
from dsmq_nodes.errors import BagError
from dsmq_nodes.messages import Float64, Header, PoseStamped, String
from dsmq_nodes.testing import Graph
from tests.bag.conftest import NUMBERS, SECOND_NS, number

START_NS = 1_700_000_000 * SECOND_NS
COUNT = 200


class Doubler(Node):
    """Says what it hears twice as large, and when."""

    class Params(Parameters):
        factor: float = 2.0
        wrong_at: int = -1

    params: Params

    def __init__(self) -> None:
        super().__init__("doubler")
        self.poses = self.create_publisher(PoseStamped, "pose", 10)
        self.beats = self.create_publisher(String, "beat", 10)
        self.create_subscription(Float64, "numbers", self.on_numbers, 10)
        self.create_timer(0.25, lambda: self.beats.publish(String(data="beat")))

    def on_numbers(self, msg: Float64) -> None:
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


def test_a_message_that_is_missing_and_one_too_many(recorded: Path, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "less") as writer:
        for record in Bag(recorded).records():
            if record.channel.topic != "/pose" or record.sequence < 150:
                times = record.log_time_ns, record.data, record.publish_time_ns
                writer.write(record.channel, *times, record.sequence)
    result = rerun(Bag(writer.paths[0]), Doubler)
    assert result.outputs == {"/pose": (150, COUNT)}
    assert "message 151, at 15.000 s: recorded 'nothing', now 'a message'" in str(result.difference)


def test_stamps_may_differ_by_as_much_as_allowed(recorded: Path) -> None:
    result = rerun(Bag(recorded), Doubler, tolerance=Tolerance(stamp_sec=0.001))
    assert result.difference is not None
    assert (result.difference.field, result.difference.number) == ("header.stamp", 1)


def test_a_node_that_has_nothing_to_do_with_it(recorded: Path) -> None:
    with pytest.raises(BagError, match=r"/robot/doubler subscribes nothing that was recorded"):
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
    feed(graph, Bag(recorded), topics=["/numbers"])
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
        (("--tolerance", "1000", "-p", "factor:=3"), 0, "as recorded"),
    ],
)
def test_the_command(recorded: Path, arguments: tuple[str, ...], status: int, says: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "dsmq_nodes", "bag", "rerun", str(recorded)]
    result = subprocess.run(
        [*command, "--node", "tests.bag.test_rerun:Doubler", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert says in result.stdout + result.stderr
    assert result.returncode == status
    assert "Traceback" not in result.stderr
