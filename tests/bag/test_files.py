"""Bags as files: written, read, cut off, damaged, full."""

import errno
import json
import math
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcap.reader import make_reader
from pydantic import create_model

from dsmq_nodes import bag
from dsmq_nodes.bag import Bag, BagWriter, Untyped
from dsmq_nodes.bag.file.contents import Attachment, Channel, latched_metadata
from dsmq_nodes.bag.file.information import information, information_lines
from dsmq_nodes.bag.file.recorded_schemas import schema_text
from dsmq_nodes.bag.file.repair import repair
from dsmq_nodes.bag.file.writing import Limits
from dsmq_nodes.bag.optional import need
from dsmq_nodes.errors import BagError
from dsmq_nodes.messages import Float64, Image, Imu, LaserScan, TransformStamped
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.schema.find import find_type, standard_names
from tests.bag.conftest import NUMBERS, SECOND_NS, number
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC, until


def channel_of(topic: str, cls: type[Message]) -> Channel:
    return Channel(topic, cls.type_name, schema_text(cls.schema()))


class Battery(Message):
    """A user's type."""

    percent: float
    cells: list[float] = []


def test_what_was_written_is_read_typed_and_in_order(tmp_path: Path) -> None:
    imu, image = Imu(), Image(data=b"\x00\xff\xfb", width=1, height=1, step=3, encoding="rgb8")
    imu.angular_velocity.x = math.nan
    scan = LaserScan(ranges=[1.5, math.inf, -math.inf])
    battery = Battery(percent=0.5)
    messages: list[Message] = [imu, image, scan, battery]
    with BagWriter(tmp_path / "run.mcap") as writer:
        for at, msg in enumerate(messages, 1):
            channel = channel_of(f"/t{at}", type(msg))
            writer.write(channel, at, msg.to_json().encode(), at, at)
    found = list(Bag(tmp_path / "run.mcap"))
    assert [(each.topic, each.stamp) for each in found] == [(f"/t{i}", i) for i in range(1, 5)]
    assert [type(each.msg) for each in found] == [type(each) for each in messages]
    assert math.isnan(found[0].msg.angular_velocity.x)  # type: ignore[union-attr]
    assert [each.msg for each in found[1:]] == messages[1:]


def test_a_bag_written_by_hand_with_the_public_names_alone(tmp_path: Path) -> None:
    channel = bag.Channel("/f", Float64.type_name, bag.schema_text(Float64.schema()))
    with bag.BagWriter(tmp_path / "run", limits=bag.Limits(duration_sec=1.0)) as writer:
        writer.attach(bag.Attachment("notes.txt", b"by hand"))
        writer.write(channel, 5, b'{"data":1.5}', 4)
    ((topic, msg, stamp),) = bag.Bag(*writer.paths)
    assert (topic, msg, stamp) == ("/f", Float64(data=1.5), 5)
    assert sorted(bag.__all__) == list(bag.__all__)
    assert all(hasattr(bag, name) for name in bag.__all__)


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_a_bag_has_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BagError, match="is not a file name: give one, such as run"):
        BagWriter(name)
    assert list(tmp_path.iterdir()) == []


def test_independent_readers_find_the_schema_they_want(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run") as writer:
        msg = TransformStamped()
        writer.write(channel_of("/tf", TransformStamped), 5, msg.to_json().encode(), 4, 7)
    with (tmp_path / "run.mcap").open("rb") as stream:
        ((schema, channel, message),) = make_reader(stream, validate_crcs=True).iter_messages()
    assert schema is not None
    assert (schema.name, schema.encoding) == ("geometry_msgs/msg/TransformStamped", "jsonschema")
    assert (channel.topic, channel.message_encoding) == ("/tf", "json")
    assert (message.log_time, message.publish_time, message.sequence) == (5, 4, 7)
    assert json.loads(message.data) == json.loads(msg.to_json())


def test_recorded_schemas_are_objects_without_references() -> None:
    for name in standard_names():
        text = schema_text(find_type(name).schema())
        schema = json.loads(text)
        assert schema["type"] == "object", name
        assert b"$ref" not in text, name
        assert b"$defs" not in text, name
        assert set(schema.get("properties", {})) == set(find_type(name).model_fields), name


TEN_OF_NEXT = {
    f"a{i}": {"properties": {f"p{j}": {"$ref": f"#/$defs/a{i + 1}"} for j in range(10)}}
    for i in range(9)
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "$defs": TEN_OF_NEXT, "properties": {"x": {"$ref": "#/$defs/a0"}}},
        {"type": "object", "$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/gone"}, "y": {"$ref": 5}}},
    ],
)
def test_a_schema_of_a_peer_that_cannot_be_unfolded_is_recorded_as_it_is(
    schema: dict[str, Any],
) -> None:
    assert json.loads(schema_text(schema)) == schema


def test_a_message_for_a_closed_bag_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(NUMBERS, SECOND_NS, number(1), SECOND_NS)
    with pytest.raises(BagError, match=r"run\.mcap is closed: write to it before that"):
        writer.write(NUMBERS, SECOND_NS, number(2), SECOND_NS)


def test_a_file_that_was_removed_is_told_with_what_is_lost(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "run")
    for index in range(3):
        writer.write(NUMBERS, index, number(index), index)
        writer.flush()
    writer.write(NUMBERS, 3, number(3), 3)
    (tmp_path / "run.mcap").unlink()
    (tmp_path / "run.mcap").write_text("another")
    with pytest.raises(BagError, match=r"run.mcap was deleted: its 4 messages are lost"):
        writer.flush()
    assert writer.unsafe == {NUMBERS.topic: 4}
    writer.close()
    assert (tmp_path / "run.mcap").read_text() == "another"


def test_a_file_that_was_cut_is_told_and_what_is_left_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    writer = BagWriter(path)
    writer.write(NUMBERS, 1, number(0), 1)
    writer.flush()
    left = path.stat().st_size
    writer.write(NUMBERS, 2, number(1), 2)
    writer.flush()
    os.truncate(path, left)
    writer.write(NUMBERS, 3, number(2), 3)
    with pytest.raises(BagError, match=r"run.mcap was truncated by another program: .+ bag repair"):
        writer.close()
    assert repair(path, tmp_path / "saved").messages == 1


def test_a_type_that_nobody_knows_is_read_as_a_dict(tmp_path: Path) -> None:
    channel = Channel("/x", "far_msgs/msg/Away", b'{"type":"object"}')
    with BagWriter(tmp_path / "run") as writer:
        writer.write(channel, 1, b'{"pose": {"x": 1.5}, "names": [{"a": 1}]}', 1)
    ((topic, msg, stamp),) = Bag(tmp_path / "run.mcap")
    assert isinstance(msg, Untyped)
    assert (topic, stamp, msg.type_name, msg.pose.x) == ("/x", 1, "far_msgs/msg/Away", 1.5)
    assert msg["names"][0].a == 1
    with pytest.raises(AttributeError, match="no field 'y'"):
        _ = msg.y


def test_a_class_that_has_changed_is_told_and_another_can_be_given(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(channel_of("/battery", Battery), SECOND_NS, b'{"percent":"full","data":1}', 1)
        writer.write(channel_of("/battery", Battery), SECOND_NS, b'{"data": 3.0}', 1)
    with pytest.raises(BagError, match=r"/battery at 0.000 s.*percent.*full.*types="):
        list(Bag(tmp_path / "run.mcap"))
    bag = Bag(tmp_path / "run.mcap", types={"/battery": Float64})
    assert [each.msg.data for each in bag] == [1.0, 3.0]  # type: ignore[union-attr]
    bag = Bag(tmp_path / "run.mcap", types={"/battery": Untyped})
    assert [each.msg for each in bag] == [{"percent": "full", "data": 1}, {"data": 3.0}]


def test_a_field_that_was_renamed_since_is_told(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"level": (float, 0.0), "cells": (list[float], [])}
    old = create_model("Renamed", __base__=Message, **fields)
    renamed: dict[str, Any] = {"percent": (float, 0.0), "cells": (list[float], [])}
    new = create_model("Renamed", __base__=Message, __module__="of_now", **renamed)
    with BagWriter(tmp_path / "run") as writer:
        channel = Channel("/battery", new.type_name, schema_text(old.schema()))
        writer.write(channel, SECOND_NS, old(level=0.5).to_json().encode(), 1)
    with pytest.raises(BagError, match=r"/battery: the class Renamed lacks level, .* types="):
        list(Bag(tmp_path / "run.mcap"))
    ((_, msg, _),) = Bag(tmp_path / "run.mcap", types={"/battery": old})
    assert msg == old(level=0.5)


def test_only_the_topics_asked_for(numbers: Callable[..., Path], tmp_path: Path) -> None:
    with BagWriter(tmp_path / "two") as writer:
        for index in range(4):
            topic = f"/{'ab'[index % 2]}/x"
            writer.write(Channel(topic, Float64.type_name, b"{}"), index, number(index), 0)
    assert [each.topic for each in Bag(tmp_path / "two.mcap", topics="/b/x")] == ["/b/x", "/b/x"]
    with pytest.raises(BagError, match=r"two.mcap has no topic /c/x: did you mean '/[ab]/x'\?"):
        Bag(tmp_path / "two.mcap", topics=["/a/x", "/c/x"])
    with pytest.raises(BagError, match="has no topic imu: there is: /a/x, /b/x"):
        Bag(tmp_path / "two.mcap", topics="imu")
    bag = Bag(tmp_path / "two.mcap", topics=["/a/*"])
    assert [each.topic for each in bag] == ["/a/x", "/a/x"]
    assert len(bag) == 2
    assert bag.topics == {"/a/x": "std_msgs/msg/Float64"}


def test_nothing_is_overwritten(numbers: Callable[..., Path]) -> None:
    path = numbers(3)
    before = path.read_bytes()
    with pytest.raises(BagError, match="exists already"):
        BagWriter(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("limits", [Limits(size_bytes=2500), Limits(duration_sec=1.0)])
def test_a_full_file_is_followed_by_another(limits: Limits, tmp_path: Path) -> None:
    attached = Attachment("launch.yaml", b"nodes: []", "application/yaml", 5)
    writer = BagWriter(tmp_path / "run", limits=limits, compression="none", chunk_bytes=500)
    writer.attach(attached)
    writer.describe("dsmq_nodes", {"robot": "one"})
    for index in range(100):
        writer.write(NUMBERS, SECOND_NS + index * SECOND_NS // 10, number(index), 0, index)
    writer.close()
    assert [path.name for path in writer.paths[:2]] == ["run_0.mcap", "run_1.mcap"]
    assert len(writer.paths) > 2
    values = [each.msg.data for each in Bag(*writer.paths)]  # type: ignore[union-attr]
    assert values == list(range(100))
    for path in writer.paths:  # each is a bag of its own
        assert Bag(path).attachments() == [attached]
        assert Bag(path).metadata() == [("dsmq_nodes", {"robot": "one"})]
        assert 0 < len(Bag(path)) < 50


LATCHED = Channel("/map", Float64.type_name, b"{}", metadata=latched_metadata(1))


@pytest.mark.parametrize("limits", [Limits(size_bytes=2500), Limits(duration_sec=1.0)])
def test_each_file_begins_with_what_is_latched(limits: Limits, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run", limits=limits, compression="none", chunk_bytes=500) as writer:
        for value in (-2, -1):
            writer.write(LATCHED, SECOND_NS, number(value), 7, 9 + value)
        for index in range(60):
            at_ns = SECOND_NS + index * SECOND_NS // 10
            writer.write(NUMBERS, at_ns, number(index), 0, index)
            if index == 40:
                writer.write(LATCHED, at_ns, number(-3), 7, 9)
    assert writer.messages == 63
    for path in writer.paths:
        records = list(Bag(path).records())
        first, second = records[:2]
        assert first.channel == LATCHED  # as in the first file
        value = json.loads(first.data)["data"]
        begins = next(each.sequence for each in records if each.channel == NUMBERS)
        assert value == (-2 if begins == 0 else -3 if begins > 40 else -1)
        assert first.publish_time_ns == 7
        assert first.log_time_ns == second.log_time_ns
    bag = Bag(*reversed(writer.paths))  # together each message comes once
    assert len(bag) == len(list(bag)) == 63
    assert [json.loads(each.data)["data"] for each in bag.latched_before(bag.end_ns)] == [-3]
    apart = Bag(writer.paths[0], writer.paths[-1])  # what was latched between is not lost
    assert [json.loads(each.data)["data"] for each in apart.latched_before(apart.end_ns)] == [-3]


def test_what_is_latched_may_be_larger_than_a_file(tmp_path: Path) -> None:
    with BagWriter(
        tmp_path / "run", limits=Limits(size_bytes=1000), compression="none", chunk_bytes=100
    ) as writer:
        writer.write(LATCHED, 0, b'{"data":1,"more":"%b"}' % (b"x" * 5000), 0)
        for index in range(100):
            writer.write(NUMBERS, index, number(index), 0, index)
    assert 2 < len(writer.paths) < 20  # not a file a message
    assert len(Bag(*writer.paths)) == 101


def test_the_name_of_the_next_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run_1.mcap").write_bytes(b"somebody's")
    writer = BagWriter(tmp_path / "run", limits=Limits(duration_sec=1.0))
    writer.write(NUMBERS, 0, number(0), 0, 0)
    with pytest.raises(BagError, match=r"run_1\.mcap exists already"):
        writer.write(NUMBERS, SECOND_NS, number(1), 0, 1)
    writer.close()
    assert len(list(Bag(tmp_path / "run_0.mcap"))) == 1
    assert (tmp_path / "run_1.mcap").read_bytes() == b"somebody's"


def test_info_reads_the_index_alone(numbers: Callable[..., Path]) -> None:
    path = numbers(21)
    lines = "\n".join(information_lines(Bag(path)))
    assert f"Files:             {path}" in lines
    assert "Duration:          2.000s" in lines
    assert "Messages:          21" in lines
    assert (
        "Topic information: Topic: /numbers | Type: std_msgs/msg/Float64 | Count: 21 | "
        "Serialization Format: json" in lines
    )
    data = bytearray(path.read_bytes())
    at = data.index(b'{"data": 7')
    data[at : at + 5] = b"WRONG"  # the messages are damaged, the index is not
    path.write_bytes(data)
    assert information(Bag(path))["messages"] == 21
    with pytest.raises(BagError, match=r"cannot be read: it is damaged.*bag repair"):
        list(Bag(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty: nothing was recorded"),
        (b"hello world, this is text", "is no MCAP file"),
        (b"#ROSBAG V2.0\n...........", "cannot be read as a ROS 1 bag: it has no header"),
        (b"#ROSBAG V1.1\n...........", "2.0 and 1.2 are supported; `rosbag filter"),
        (b"#ROSBAG V1.2\n...........", "cannot be read as a ROS 1 bag: it has no header"),
        (b"SQLite format 3\0........", "SQLite database.*bag convert"),
        (b"\x89MCAP0\r\n", "cannot be read"),
        (b"\x89MCAP0\r\n" + bytes(200), "cannot be read"),
    ],
)
def test_what_is_no_bag_is_told_in_words(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(BagError, match=says):
        Bag(path)


@pytest.mark.parametrize("command", ["info", "repair"])
def test_a_pipe_is_told_in_words(numbers: Callable[..., Path], command: str) -> None:
    done = processes.run(
        [sys.executable, "-m", "dsmq_nodes", "bag", command, "/dev/stdin"],
        input=numbers(3).read_bytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"/dev/stdin is a pipe" in done.stderr


def test_a_pipe_in_a_folder_is_told_in_words(tmp_path: Path) -> None:
    """Nobody writes into it: to open it waited forever."""
    os.mkfifo(tmp_path / "x.mcap")
    done = processes.run(
        [sys.executable, "-m", "dsmq_nodes", "bag", "info", str(tmp_path)],
        capture_output=True, check=False, timeout=PATIENCE_SEC,
    )  # fmt: skip
    assert done.returncode == 1
    assert b"x.mcap is a pipe or a device" in done.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="there is no such file"):
        Bag(tmp_path / "x.mcap")


def test_an_encoding_that_is_not_read_here(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(Channel("/x", "a.B", b"", "protobuf", "protobuf"), 1, b"\0", 1)
    with pytest.raises(BagError, match=r"/x: .* in 'protobuf', not in JSON"):
        list(Bag(tmp_path / "run.mcap"))


def test_one_topic_that_is_not_read_here_costs_none_of_the_others(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(Channel("/x", "a.B", b"", "protobuf", "protobuf"), 1, b"\0", 1)
        writer.write(Channel("/y"), 2, b'{"a": 1}', 2)
    bag = Bag(tmp_path / "run.mcap")
    assert [(topic, msg) for topic, msg, _ in bag] == [("/y", {"a": 1})]
    assert list(bag.omitted.lines()) == [
        "left out: /x: its messages are in 'protobuf', not in JSON: `dsmq-nodes docs bags` has a "
        "program that converts it"
    ]


FULL_DISK = """
import resource, sys
from dsmq_nodes.bag.file.writing import BagWriter
from dsmq_nodes.errors import BagError
from tests.bag.conftest import NUMBERS, number

room = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))  # the kernel's own "no more room"
try:
    with BagWriter(sys.argv[1], compression="none", chunk_bytes=1000) as writer:
        for index in range(10_000):
            writer.write(NUMBERS, index, number(index), index, index)
            if index % 100 == 99:
                writer.flush()
except BagError as error:
    print(error)
"""


def on_a_full_disk(path: Path, room_bytes: int) -> str:
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, str(path), str(room_bytes)]
    root = Path(__file__).parents[2]
    done = processes.run(command, capture_output=True, text=True, check=True, cwd=root)
    return str(done.stdout)


def test_a_full_disk_says_what_is_safe(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    said = on_a_full_disk(path, 20_000)
    assert "File too large; its first" in said
    safe = int(said.split("its first ")[1].split()[0])
    assert safe > 100
    with pytest.raises(BagError, match="bag repair"):
        Bag(path)
    saved = repair(path, tmp_path / "saved.mcap")
    assert saved.messages == safe
    assert (saved.lost_bytes, saved.damaged) == (0, 0)  # what did not fit was cut off


@pytest.mark.parametrize("room_bytes", [0, 500])
def test_a_disk_that_was_full_already_leaves_no_file(tmp_path: Path, room_bytes: int) -> None:
    path = tmp_path / "run.mcap"
    assert "File too large; no part of it is kept: free some space first" in on_a_full_disk(
        path, room_bytes
    )
    assert not path.exists()


@pytest.mark.parametrize(("failing", "safe"), [(2, 10), (3, 20)])
def test_what_a_disk_took_and_then_lost_is_told(
    failing: int, safe: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stick that is pulled, and a full disk behind a network, fail when the file is synced."""
    results = iter([OSError(errno.EIO, "gone") if n == failing else None for n in range(1, 9)])

    def sync(_: int) -> None:
        if error := next(results):
            raise error

    monkeypatch.setattr(os, "fdatasync", sync)
    threads = threading.active_count()
    writer = BagWriter(tmp_path / "run")
    for index in range(30):
        writer.write(NUMBERS, index, number(index), index)
        if index in {9, 19}:
            writer.flush()
            until(lambda: threading.active_count() == threads, "the end of the sync")
    said = f"gone; its first {safe} messages are safe, the {30 - safe} after them are lost"
    with pytest.raises(BagError, match=said):
        writer.close()
    assert writer.unsafe == {NUMBERS.topic: 30 - safe}


def test_what_is_not_installed_is_named_with_the_command_that_installs_it() -> None:
    need("bag", "mcap")
    with pytest.raises(BagError, match=r"needs not_there: .*pip install .*\[bag\]"):
        need("bag", "mcap", "not_there")
    with pytest.raises(BagError, match="pip install not_there`"):
        need("", "not_there")
