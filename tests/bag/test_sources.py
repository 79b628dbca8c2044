"""Bags of others, odd ones: what they announce is compared with what they have."""

import bz2
import contextlib
import itertools
import os
import shutil
import sqlite3
import struct
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard
from mcap.records import Channel as ChannelRecord
from mcap.records import Message, Schema
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag1 import Writer as Rosbag1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from dsmq_nodes.bag import Attachment, Bag, BagWriter, Channel, Limits, schema_text
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.convert.convert import Format, convert
from dsmq_nodes.bag.file.contents import latched_metadata
from dsmq_nodes.bag.file.information import information
from dsmq_nodes.bag.file.reading import McapBag
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.ros import ros1_file, ros_folder
from dsmq_nodes.errors import BagError
from dsmq_nodes.messages import Float64, JointState, LaserScan, String
from tests.bag.conftest import NUMBERS, SECOND_NS
from tests.bag.layouts import file_of
from tests.support import processes

PLUGINS = [StoragePlugin.SQLITE3, StoragePlugin.MCAP]
TIME = QosTime(0, 0)
CDR = b"\0\1\0\0"
ANY_PARTS = frozenset({"ch"})


def qos(*, latched: bool = False) -> Qos:
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    kinds = QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, durability
    return Qos(*kinds, TIME, TIME, QosLiveliness.AUTOMATIC, TIME, False)


def double(value: float) -> bytes:
    return CDR + struct.pack("<d", value)


def text(value: bytes) -> bytes:
    return CDR + struct.pack("<I", len(value) + 1) + value + b"\0"


@pytest.fixture(params=PLUGINS, ids=lambda each: each.name)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A ROS 2 bag: five numbers a second apart on /n, between them five of a team's own type."""
    path = tmp_path / "bag"
    with Writer(path, version=8, storage_plugin=request.param) as writer:
        store = get_typestore(Stores.ROS2_HUMBLE)
        store.register(get_types_from_msg("float64 rpm\nuint8 gear\n", "my_msgs/msg/Wheel"))
        add = writer.add_connection
        numbers = add("/n", Float64.type_name, typestore=store, offered_qos_profiles=[qos()])
        wheels = add("/wheel", "my_msgs/msg/Wheel", typestore=store)
        for index in range(5):
            at_ns = (index + 1) * SECOND_NS
            writer.write(numbers, at_ns, double(index))
            writer.write(wheels, at_ns + 1, double(index) + b"\2")
    return path


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "metadata.yaml"
    told = yaml.safe_load(path.read_text())
    change(told["rosbag2_bagfile_information"])
    path.write_text(yaml.safe_dump(told))


def values(source: BagSource, topic: str = "/n") -> list[bytes]:
    return [each.data for each in source.records() if each.channel.topic == topic]


NUMBERS_READ = [b'{"data":%d.0}' % index for index in range(5)]


def test_a_folder_whose_qos_was_edited_is_read_whole(folder: Path) -> None:
    def change(told: dict[str, Any]) -> None:
        about = told["topics_with_message_count"][0]["topic_metadata"]
        assert "volatile" in str(about["offered_qos_profiles"]) or "2" in str(about)
        about["offered_qos_profiles"] = [{"durability": "transient_local", "depth": 3}]

    edited(folder, change)
    source = open_source([folder])
    assert values(source) == NUMBERS_READ
    assert not source.omitted
    (channel,) = (each.channel for each in source.counts() if each.channel.topic == "/n")
    assert channel.latched == 3  # for playback they are edited


def test_counts_that_differ_are_told(folder: Path) -> None:
    edited(folder, lambda told: told["topics_with_message_count"][0].update(message_count=7))
    source = open_source([folder])
    assert values(source) == NUMBERS_READ
    assert list(source.omitted.lines()) == [
        "/n: metadata.yaml lists 7 messages, but the files have 5"
    ]


def test_types_and_topics_are_those_of_the_files(folder: Path) -> None:
    edited(folder, lambda told: told["topics_with_message_count"].pop(0))
    edited(
        folder,
        lambda told: told["topics_with_message_count"][0]["topic_metadata"].update(type="a/msg/B"),
    )
    source = open_source([folder])
    assert values(source) == NUMBERS_READ
    assert source.topics["/wheel"] == "my_msgs/msg/Wheel"
    assert values(source, "/wheel")[1] == b'{"rpm":1.0,"gear":2}'


def test_a_split_file_that_is_missing_is_told_and_the_others_are_read(folder: Path) -> None:
    name = next(each.name for each in folder.iterdir() if each.suffix in {".db3", ".mcap"})
    edited(
        folder, lambda told: told.update(relative_file_paths=[name, f"bag_1{Path(name).suffix}"])
    )
    source = open_source([folder])
    assert values(source) == NUMBERS_READ
    (line,) = source.omitted.lines()
    assert line.endswith(f"missing: bag_1{Path(name).suffix}, which metadata.yaml names")
    (folder / name).rename(folder / f"other{Path(name).suffix}")
    source = open_source([folder])  # none of those named is there: then what is there
    assert values(source) == NUMBERS_READ
    assert len(list(source.omitted.lines())) == 1


@pytest.mark.parametrize("said", [None, "", "][", "rosbag2_bagfile_information: 5", "[]", "\xff"])
def test_a_folder_without_metadata_is_its_files(folder: Path, said: str | None) -> None:
    path = folder / "metadata.yaml"
    path.unlink()
    if said is not None:
        path.write_text(said, encoding="latin-1")
    source = open_source([folder])
    assert values(source) == NUMBERS_READ
    (line,) = source.omitted.lines()
    assert line.startswith(str(path))
    assert "NoneType" not in line


def test_what_a_recorder_that_was_killed_left_in_its_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "killed.db3"
    db = sqlite3.connect(path)
    db.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT,"
        " serialization_format TEXT);"
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER,"
        " data BLOB);"
        "INSERT INTO topics VALUES(1, '/n', 'std_msgs/msg/Float64', 'cdr');"
    )
    db.execute("INSERT INTO messages VALUES(1, 1, 5, ?)", (double(0.0),))
    db.commit()
    copy = tmp_path / "copy.db3"
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    db.close()
    assert values(open_source([copy])) == NUMBERS_READ[:1]


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_compressed_as_files_and_as_messages(tmp_path: Path, mode: CompressionMode) -> None:
    writer = Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        store = get_typestore(Stores.ROS2_HUMBLE)
        numbers = writer.add_connection("/n", Float64.type_name, typestore=store)
        for index in range(5):
            writer.write(numbers, index, double(index))
    (file,) = set((tmp_path / "bag").iterdir()) - {tmp_path / "bag" / "metadata.yaml"}
    for path in (tmp_path / "bag", file):
        source = open_source([path])
        assert values(source) == NUMBERS_READ
        assert information(source)["messages"] == 5


def test_python_reads_it_as_the_commands_do(folder: Path) -> None:
    bag = Bag(folder)
    assert bag.topics == {"/n": Float64.type_name, "/wheel": "my_msgs/msg/Wheel"}
    assert [each.msg for each in bag if each.topic == "/n"] == [Float64(data=n) for n in range(5)]
    (wheel, *_) = Bag(*bag.paths, topics=["/wheel"])
    assert (wheel.msg, wheel.stamp) == ({"rpm": 0.0, "gear": 2}, SECOND_NS + 1)


def without_definitions(folder: Path, package: str = "lost_msgs") -> Path:
    """As Humble writes it."""
    (path,) = folder.glob("*.db3")
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE message_definitions")
        db.execute(f"UPDATE topics SET type = '{package}/msg/Wheel' WHERE name = '/wheel'")
    db.close()
    (told := folder / "metadata.yaml").write_text(told.read_text().replace("my_msgs", package))
    return path


@pytest.mark.parametrize("folder", [StoragePlugin.SQLITE3], indirect=True)
def test_a_type_that_nobody_defines_is_left_out_and_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in (open_source([without_definitions(folder)]), open_source([folder])):
        assert values(source) == NUMBERS_READ
        assert values(source, "/wheel") == []
        (line,) = source.omitted.lines()
        assert line.startswith("left out: /wheel: the bag has no definition of lost_msgs/msg/Wheel")
        assert "message class Wheel in a module lost_msgs" in line
    (tmp_path / "lost_msgs.py").write_text(
        "from dsmq_nodes import Message\nclass Wheel(Message):\n    rpm: float = 0.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    source = open_source([folder])
    assert values(source, "/wheel")[1] == b'{"rpm":1.0}'


def package_in(folder: Path, name: str, gear: str) -> Path:
    """A package with the type of a wheel, which has a gear."""
    (package := folder / name / "msg").mkdir(parents=True)
    (folder / name / "package.xml").write_text(f"<package><name>{name}</name></package>")
    (package / "Wheel.msg").write_text("# A wheel.\nfloat64 rpm 5.0\nGear gear\n")
    (package / "Gear.msg").write_text(gear)
    return package


@pytest.mark.parametrize(
    ("name", "where"),
    [("near_msgs", "workspace/src"), ("far_msgs", "prefix/share")],
    ids=["source", "installed"],
)
@pytest.mark.parametrize("folder", [StoragePlugin.SQLITE3], indirect=True)
def test_a_type_without_a_definition_is_read_by_the_files_of_its_package(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, where: str
) -> None:
    without_definitions(folder, name)
    package_in(tmp_path / where, name, "uint8 FIRST=1\nuint8 number  # of the gear\n")
    (workspace := tmp_path / "workspace").mkdir(exist_ok=True)
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "prefix"))
    source = open_source([folder])
    assert values(source, "/wheel")[1] == b'{"rpm":1.0,"gear":{"number":2}}'
    assert not source.omitted


@pytest.mark.parametrize("folder", [StoragePlugin.SQLITE3], indirect=True)
def test_a_file_of_a_package_that_cannot_be_read_is_told_with_its_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_definitions(folder, "bad_msgs")
    package = package_in(tmp_path / "workspace", "bad_msgs", "# of a wheel\nuint8\n")
    monkeypatch.chdir(tmp_path / "workspace")
    source = open_source([folder])
    assert values(source, "/wheel") == []
    (line,) = source.omitted.lines()
    assert f"{package / 'Gear.msg'}: bad_msgs/msg/Gear: line 2: not a line of TYPE" in line


def ros2_mcap(path: Path, *records: Schema | ChannelRecord | Message) -> Path:
    path.write_bytes(file_of(records, ANY_PARTS, "ros2"))
    return path


STRING = Schema(1, b"string data\n", "ros2msg", String.type_name)
DOUBLE = Schema(2, b"float64 data\n", "ros2msg", Float64.type_name)
DEFINED = (
    STRING,
    DOUBLE,
    ChannelRecord(1, "/s", "cdr", {}, 1),
    ChannelRecord(2, "/n", "cdr", {}, 2),
)


def at(second: int, channel: int, data: bytes) -> Message:
    return Message(channel, second * SECOND_NS, data, second * SECOND_NS, second)


def numbers() -> Sequence[Message]:
    return [at(index, 2, double(index)) for index in range(5)]


@pytest.mark.parametrize(
    ("name", "definition", "language", "says"),
    [
        ("demo/srv/Add_Event", b"int64 a\n---\nint64 b\n", "ros2msg", "belongs to a service"),
        ("my_msgs/msg/Bad", b"float64 [[[\n", "ros2msg", "of my_msgs/msg/Bad cannot be read"),
        ("my_msgs/msg/Bad", b"your_msgs/Gone it\n", "ros2msg", "it does not contain"),
        ("my_msgs/msg/Bad", b"module {", "ros2idl", "of my_msgs/msg/Bad cannot be read"),
        ("my_msgs/msg/Bad", b"message Bad {}", "protobuf", "written in 'protobuf'"),
        ("my_msgs/msg/Bad", b"string[2000000000] x\n", "ros2msg", "is too long"),
        (
            "my_msgs/msg/Bad",
            b"X x\n" + b"===\nMSG: a/X\n" * 1001,
            "ros2msg",
            "more than 1000 types",
        ),
    ],
)
def test_one_definition_is_no_fault_of_the_others(
    tmp_path: Path, name: str, definition: bytes, language: str, says: str
) -> None:
    path = ros2_mcap(
        tmp_path / "a.mcap",
        *DEFINED,
        Schema(3, definition, language, name),
        ChannelRecord(3, "/other", "cdr", {}, 3),
        *numbers(),
        at(2, 3, CDR + bytes(40)),
    )
    source = open_source([path])
    assert convert(source, tmp_path / "out", "mcap").messages == 5
    assert values(open_source([tmp_path / "out.mcap"])) == NUMBERS_READ
    assert says in source.omitted.topics["/other"]


PART = b"=" * 80 + b"\nMSG: "
MANY = Schema(
    1,
    b"uint8 a\nfloat64 b\nstring s\nint64[] q\nm/In[] i\nm/In[2] r\nstring[] ss\nm/In one\n"
    b"uint16 e\n"
    + PART + b"m/In\nuint8 x\nfloat64 y\n",
    "ros2msg", "m/msg/Many",
)  # fmt: skip
MANY_READ = (
    '{"a":1,"b":2.5,"s":"hé","q":[3,-4],"i":[{"x":5,"y":6.5},{"x":7,"y":8.5}],'
    '"r":[{"x":9,"y":10.5},{"x":11,"y":12.5}],"ss":["x","yz"],"one":{"x":13,"y":14.5},"e":15}'
).encode()
# As the Python package cyclonedds 11.0.1 writes it with `serialize(use_version_2=True)`.
CYCLONE_FINAL = bytes.fromhex(
    "000700000100000000000000000004400400000068c3a900020000000300000000000000fcffffffffffffff1c00"
    "000002000000050000000000000000001a40070000000000000000002140180000000900000000000000000025"
    "400b00000000000000000029401300000002000000020000007800000003000000797a000d0000000000002d40"
    "0f00"
)
CYCLONE_APPENDABLE = bytes.fromhex(
    "000900009e0000000100000000000000000004400400000068c3a900020000000300000000000000fcffffffff"
    "ffffff24000000020000000c000000050000000000000000001a400c0000000700000000000000000021402000"
    "00000c0000000900000000000000000025400c0000000b00000000000000000029401300000002000000020000"
    "007800000003000000797a00000c0000000d0000000000000000002d400f00"
)
# As rosbag2 writes a type that has only a .idl file.
IDL = b"".join(
    b"=" * 80 + b"\nIDL: m/msg/%s\n// made\n%s\nmodule m {\n  module msg {\n"
    b"    struct %s {\n      %s;\n    };\n  };\n};\n\n" % parts
    for parts in (
        (b"Out", b'#include "m/msg/In.idl"\n', b"Out", b"m::msg::In a"),
        (b"In", b"", b"In", b"double x"),
    )
)
BYTES = CDR + bytes.fromhex("c8000000 02000000 c801")
# As rclpy 9.1.2 makes it (`serialize_message`): the last eight bytes are no part of it.
JOINTS = bytes.fromhex(
    "000100000000000000000000050000006261736500 7f00000200000002000000 6100efd4 02000000 620093d0"
    "02000000 30599bd0 000000000000f03f 0000000000000040 00000000 00000000 9a7f0000e00893d5"
)
JOINTS_READ = (
    b'{"header":{"stamp":{"sec":0,"nanosec":0},"frame_id":"base"},"name":["a","b"],'
    b'"position":[1.0,2.0],"velocity":[],"effort":[]}'
)


@pytest.mark.parametrize(
    ("schema", "data", "read"),
    [
        (
            Schema(1, b"# x\r\nfloat64 rpm\r\n", "ros2msg", "my_msgs/msg/Rpm"),
            double(1),
            b'{"rpm":1.0}',
        ),
        (
            Schema(
                1, b"module m { module msg { struct R { double rpm; }; }; };", "omgidl", "m::msg::R"
            ),
            double(1),
            b'{"rpm":1.0}',
        ),
        (Schema(1, b"", "ros2msg", "std_msgs/msg/Empty"), CDR, b"{}"),
        (Schema(1, b"", "ros2msg", "std_msgs/msg/Empty"), CDR + b"\0", b"{}"),
        (
            Schema(1, b"m/No a\nm/No[2] b\nuint8 c\n" + PART + b"m/No\n", "ros2msg", "m/msg/M"),
            CDR + b"\0\0\0\7",
            b'{"a":{},"b":[{},{}],"c":7}',
        ),
        (
            Schema(1, b"wstring a\nwstring<=3[<=2] b\nuint8 c\n", "ros2msg", "m/msg/Wide"),
            CDR + bytes.fromhex("040000006100 0000e90000003dd8000000de0000 01000000 00000000 07"),
            '{"a":"aé😀","b":[""],"c":7}'.encode(),
        ),
        (MANY, CYCLONE_FINAL, MANY_READ),
        (MANY, CYCLONE_APPENDABLE, MANY_READ),
        *(
            (Schema(1, each.encode(), "ros2msg", "my_msgs/msg/Rpm"), double(1), b'{"rpm":1.0}')
            for each in (
                "string VERSION=1.2.3\nfloat64 rpm",
                "string TEXT=true # or not\nfloat64 rpm",
                "string NONE=\nfloat64 rpm",
                "uint8 kOne=1\nuint8 ONE__=1\nuint32 MANY=1_000\nfloat64 rpm",
                'wstring WIDE="x"\nstring<=5 SHORT="x"\nfloat64 rpm',
                '@verbatim (language="comment", text="°/s")\n@key float64 rpm 1e3 # µ\n',
                "\ufeff\x0cfloat64\trpm -.5",
            )
        ),
        (
            Schema(1, b"My_P/In a\n" + PART + b"My_P/In\nfloat64 x__y_\n", "ros2msg", "m/msg/M"),
            double(1),
            b'{"a":{"x__y_":1.0}}',
        ),
        (Schema(1, b"float64 from", "ros2msg", "m/msg/M"), double(1), b'{"from":1.0}'),
        (Schema(1, IDL, "ros2idl", "m/msg/Out"), double(1), b'{"a":{"x":1.0}}'),
        (Schema(1, IDL, "omgidl", "m/msg/Out"), double(1), b'{"a":{"x":1.0}}'),
        (Schema(1, b"byte a\nbyte[] b", "ros2msg", "m/msg/M"), BYTES, b'{"a":200,"b":"yAE="}'),
        (Schema(1, b"", "ros2msg", JointState.type_name), JOINTS, JOINTS_READ),
        (STRING, text(b"Temp 40\xb0C"), '{"data":"Temp 40\ufffdC"}'.encode()),
        (STRING, CDR + bytes(4), b'{"data":""}'),
    ],
)
def test_definitions_and_messages_as_other_writers_have_them(
    tmp_path: Path, schema: Schema, data: bytes, read: bytes
) -> None:
    path = ros2_mcap(
        tmp_path / "a.mcap",
        schema,
        ChannelRecord(1, "/x", "cdr", {}, 1),
        at(1, 1, data),
    )
    assert values(open_source([path]), "/x") == [read]


def test_messages_that_are_no_messages_are_left_out_and_told(tmp_path: Path) -> None:
    path = ros2_mcap(
        tmp_path / "a.mcap",
        *DEFINED,
        *numbers(),
        at(1, 1, text(b"cut off")[:-3]),
        at(2, 2, double(1.0)[:-3]),
        at(3, 1, text(b"good")),
        at(4, 2, b"\7\7\0\0"),
    )
    source = open_source([path])
    assert values(source) == NUMBERS_READ
    assert values(source, "/s") == [b'{"data":"good"}']
    told = "\n".join(source.omitted.lines())
    assert "left out: /s: 1 message at 1.000 s: it is no std_msgs/msg/String: " in told
    assert "left out: /n: " in told
    assert "at 2.000 s: it is no std_msgs/msg/Float64: " in told


def test_two_types_of_one_name_and_two_on_a_topic(tmp_path: Path) -> None:
    """Each message is read by the definition that its channel has."""
    path = ros2_mcap(
        tmp_path / "a.mcap",
        Schema(1, b"float64 x\n", "ros2msg", "my_msgs/msg/P"),
        Schema(2, b"int32 x\nint32 y\n", "ros2msg", "my_msgs/msg/P"),
        ChannelRecord(1, "/p", "cdr", {}, 1),
        ChannelRecord(2, "/p", "cdr", {}, 2),
        at(1, 1, double(1.5)),
        at(2, 2, CDR + struct.pack("<ii", 3, 4)),
    )
    assert values(open_source([path]), "/p") == [b'{"x":1.5}', b'{"x":3,"y":4}']


def test_a_type_that_is_another_here_is_converted_as_it_was_recorded(tmp_path: Path) -> None:
    path = ros2_mcap(
        tmp_path / "a.mcap",
        Schema(1, b"string data\n", "ros2msg", Float64.type_name),
        ChannelRecord(1, "/n", "cdr", {}, 1),
        at(1, 1, text(b"one")),
    )
    source = open_source([path])
    assert values(source) == [b'{"data":"one"}']
    (line,) = source.omitted.lines()
    assert line.startswith("/n: its std_msgs/msg/Float64 has other fields than the class")


def test_a_definition_of_few_lines_has_a_schema_of_bounded_size(tmp_path: Path) -> None:
    parts = ["my_msgs/T0 x\n", *(TEN.format(i, i + 1) for i in range(12)), LAST.format(12)]
    path = ros2_mcap(
        tmp_path / "a.mcap",
        Schema(1, "".join(parts).encode(), "ros2msg", "my_msgs/msg/Ten"),
        ChannelRecord(1, "/ten", "cdr", {}, 1),
    )
    (count,) = open_source([path]).counts()
    assert 100_000 < len(count.channel.schema) < 1_000_000


LAST = "=" * 80 + "\nMSG: my_msgs/T{0}\n"
TEN = LAST + "".join(f"my_msgs/T{{1}} f{j}\n" for j in range(10))
LAST += "int8 x\n"


def test_schemas_of_types_without_a_class_tell_numbers_from_texts(tmp_path: Path) -> None:
    definition = b"float32[] all\nstring name\nuint8[] raw\nfloat64 level\nbool[2] on\nint16 low\n"
    path = ros2_mcap(
        tmp_path / "a.mcap",
        Schema(1, definition, "ros2msg", "my_msgs/msg/Odd"),
        ChannelRecord(1, "/odd", "cdr", {}, 1),
    )
    (count,) = open_source([path]).counts()
    properties = yaml.safe_load(count.channel.schema.decode())["properties"]
    assert properties == {
        "all": {"type": "array", "items": {"type": "number"}},
        "name": {"type": "string"},
        "raw": {"type": "string", "contentEncoding": "base64"},
        "level": {"type": "number"},
        "on": {
            "type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2,
        },
        "low": {"type": "integer", "minimum": -32768, "maximum": 32767},
    }  # fmt: skip


ODD = (
    b"float32[] all\nstring name\nuint8[] raw\nfloat64 level\nbool[2] on\nint16 low\n"
    b"std_msgs/Header header\nmy_msgs/Part[] parts\n"
    + b"=" * 80
    + b"\nMSG: my_msgs/Part\nfloat64 x\nuint64 id\nstring[] tags\n"
)


@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_a_type_known_by_its_schema_alone_goes_to_ros_and_back(tmp_path: Path, to: Format) -> None:
    schema = Schema(1, ODD, "ros2msg", "my_msgs/msg/Odd")
    path = ros2_mcap(tmp_path / "a.mcap", schema, ChannelRecord(1, "/odd", "cdr", {}, 1))
    (count,) = open_source([path]).counts()
    data = (
        b'{"all":["NaN","Infinity",1.5],"name":"NaN","raw":"AQI=","level":"-Infinity",'
        b'"on":[true,false],"low":-5,"header":{"stamp":{"sec":3,"nanosec":4},"frame_id":"f"},'
        b'"parts":[{"x":"NaN","id":18446744073709551615,"tags":["Infinity",""]}]}'
    )
    with BagWriter(tmp_path / "ours") as writer:
        writer.write(count.channel, 1, data, 1, 1)
    source = open_source(writer.paths)
    out = tmp_path / ("out.bag" if to == "ros1" else "out")
    assert convert(source, out, to).messages == 1
    assert list(source.omitted.lines()) == []
    back = open_source([out])
    assert values(back, "/odd") == [data]
    assert convert(open_source(writer.paths), tmp_path / "tables", "csv").messages == 1
    row = (tmp_path / "tables" / "odd.csv").read_text().splitlines()[1]
    assert row.split(",", 2)[2].startswith('"[NaN, Infinity, 1.5]",NaN,AQI=,-inf,')


@pytest.mark.parametrize(
    ("type_name", "schema"),
    [
        ("my_msgs/msg/X", b'{"type":"object","properties":{"a b":{"type":"number"}}}'),
        ("my_msgs/msg/X", b'{"type":"object","properties":{"a":{}}}'),
        ("my_msgs/msg/X", b'{"type":"object","properties":{"a":{"type":"array","items":'
                          b'{"type":"array","items":{"type":"number"}}}}}'),
        ("my_msgs.X", b'{"type":"object","properties":{"a":{"type":"number"}}}'),
        ("my_msgs/msg/X", b'{"$ref":"#/$defs/X","$defs":{"X":{"type":"object","properties":{'
                          b'"parts":{"type":"array","items":{"$ref":"#/$defs/X"}}}}}}'),
        ('x/msg/Y"\nimport os', b'{"type":"object","properties":{"a":{"type":"number"}}}'),
    ],
)  # fmt: skip
def test_a_schema_that_ros_cannot_say_is_left_out(
    tmp_path: Path, type_name: str, schema: bytes
) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(Channel("/x", type_name, schema), 1, b"{}", 1)
    source = open_source(writer.paths)
    assert convert(source, tmp_path / "out", "ros2").messages == 0
    assert list(source.omitted.topics) == ["/x"]
    assert "recursion" not in source.omitted.topics["/x"]


def test_a_definition_that_is_not_the_one_that_was_recorded_with(tmp_path: Path) -> None:
    """ROS's own type of that name reads the messages, the one in the file does not."""
    path = ros2_mcap(
        tmp_path / "a.mcap",
        Schema(1, b"uint8 data\n", "ros2msg", "std_msgs/Float64"),
        ChannelRecord(1, "/n", "cdr", {}, 1),
        *(at(index, 1, double(index)) for index in range(5)),
    )
    source = open_source([path])
    assert values(source) == NUMBERS_READ
    assert source.counts()[0].channel.type_name == "std_msgs/msg/Float64"


@pytest.mark.parametrize("told", ["- durability: 1\n  depth: 1\n- durability: 1\n  depth: 1\n", ""])
def test_what_ros_2_has_latched_stays_latched(tmp_path: Path, told: str) -> None:
    metadata = {"offered_qos_profiles": told}
    path = ros2_mcap(
        tmp_path / "a.mcap",
        STRING,
        ChannelRecord(1, "/s", "cdr", metadata, 1),
        at(1, 1, text(b"x")),
    )
    convert(open_source([path]), tmp_path / "out", "mcap")
    (count,) = Bag(tmp_path / "out.mcap").counts()
    assert count.channel.latched == (2 if told else 0)  # of two publishers


def test_ros_1_in_an_mcap(tmp_path: Path) -> None:
    metadata = {
        "callerid": "/talker",
        "latching": "1",
        "md5sum": "992ce8a1687cec8c8bd883ec73ca41d1",
    }
    path = tmp_path / "a.mcap"
    schema = Schema(1, b"string data\n", "ros1msg", "std_msgs/String")
    messages = (Message(1, 5, struct.pack("<I", 2) + each, 5, 1) for each in (b"hi", b"\xb0C"))
    records = (schema, ChannelRecord(1, "/s", "ros1", metadata, 1), *messages)
    path.write_bytes(file_of(records, ANY_PARTS, "ros1"))
    source = open_source([path])
    assert values(source, "/s") == [b'{"data":"hi"}', '{"data":"\ufffdC"}'.encode()]
    (count,) = source.counts()
    assert (count.channel.type_name, count.channel.latched) == (String.type_name, 1)


def test_info_of_a_folder_and_of_its_file(folder: Path) -> None:
    path = next(each for each in folder.iterdir() if each.suffix in {".db3", ".mcap"})
    for source in (folder, path):
        done = processes.run(
            [sys.executable, "-m", "dsmq_nodes", "bag", "info", str(source)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert "Messages:          10" in done.stdout
        assert "Topic: /wheel | Type: my_msgs/msg/Wheel | Count: 5 | Serialization Format: cdr" in (
            done.stdout
        )
        assert "Duration:          4.000s" in done.stdout
    edited(folder, lambda told: told["topics_with_message_count"][0].update(message_count=7))
    done = processes.run(
        [sys.executable, "-m", "dsmq_nodes", "bag", "info", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "/n: metadata.yaml lists 7 messages, but the files have 5" in done.stderr


def test_a_damaged_database_is_told_in_words(folder: Path) -> None:
    for path in folder.glob("*.db3"):
        data = bytearray(path.read_bytes())
        data[200:4000] = bytes(3800)
        path.write_bytes(data)
        with pytest.raises(BagError, match="cannot be read as a ROS 2 bag"):
            list(open_source([folder]).records())


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_damaged_database_is_read_as_far_as_it_goes(tmp_path: Path, is_cut: bool) -> None:
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        store = get_typestore(Stores.ROS2_HUMBLE)
        numbers = writer.add_connection("/n", Float64.type_name, typestore=store)
        for index in range(2000):
            writer.write(numbers, index, double(index))
    (path,) = (tmp_path / "bag").glob("*.db3")
    data = bytearray(path.read_bytes())
    damaged = len(data) // 3  # SQLite's versions fill pages in another order
    data[-damaged:] = b"" if is_cut else bytes(damaged)
    path.write_bytes(data)
    bag = Bag(tmp_path / "bag")
    found = [each.stamp for each in bag]
    assert 500 < len(found) < 2000
    assert found == sorted(set(found))
    told = "\n".join(bag.omitted.lines())
    assert "is damaged" in told
    assert ("is cut off" in told) is is_cut


def test_a_row_that_a_damaged_database_does_not_find_is_left_out(tmp_path: Path) -> None:
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        store = get_typestore(Stores.ROS2_HUMBLE)
        numbers = writer.add_connection("/n", Float64.type_name, typestore=store)
        for index in range(2000):
            writer.write(numbers, index, double(index))
    (path,) = (tmp_path / "bag").glob("*.db3")
    data = bytearray(path.read_bytes())
    row = data.index(double(9)) - 7  # the number of the row is before 5 bytes of types and a time
    assert data[row : row + 3] == b"\x0a\x05\0"
    data[row] = 0
    data[-len(data) // 3 :] = bytes(len(data) // 3 + 1)
    path.write_bytes(data)
    found = [each.stamp for each in Bag(tmp_path / "bag")]
    assert {8, 10} < set(found)
    assert 9 not in found


@pytest.mark.parametrize("kind", [None, *Rosbag1.CompressionFormat])
def test_a_ros_1_bag_is_read_as_far_as_it_goes(
    tmp_path: Path, kind: Rosbag1.CompressionFormat | None
) -> None:
    path = tmp_path / "a.bag"
    writer = Rosbag1(path)
    writer.chunk_threshold = 1000
    if kind is not None:
        writer.set_compression(kind)
    with writer:
        store = get_typestore(Stores.ROS1_NOETIC)
        numbers = writer.add_connection("/n", Float64.type_name, typestore=store)
        for index in range(100):
            writer.write(numbers, 100 - index, struct.pack("<d", index))
    whole = path.read_bytes()
    at = whole.index(b"index_pos=") + len(b"index_pos=")
    killed = bytearray(whole[: int.from_bytes(whole[at : at + 8], "little")])
    killed[at : at + 8] = bytes(8)
    last = killed.rindex(b"op=\x05")
    index = killed.index(b"op=\x04", last)
    for data, is_whole in (
        (whole, True),
        (killed, True),
        (killed[:index], True),
        (killed[: last + 90], False),
    ):
        path.write_bytes(data)
        source = open_source([path])
        found = values(source)
        assert (len(found) == 100) is is_whole
        assert found[-5:] == NUMBERS_READ[::-1]
        assert bool(source.omitted) is (data is not whole)
    done = processes.run(
        [sys.executable, "-m", "dsmq_nodes", "bag", "repair", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert f"a_repaired.mcap: {len(values(open_source([path])))} messages" in done.stdout
    assert "a.bag has no end, as after a recording that was killed" in done.stderr


def ros1_record(data: bytes = b"", **fields: bytes) -> bytes:
    each = (name.encode() + b"=" + value for name, value in fields.items())
    head = b"".join(struct.pack("<I", len(field)) + field for field in each)
    return struct.pack("<I", len(head)) + head + struct.pack("<I", len(data)) + data


@pytest.mark.parametrize("ending", ["unindexed", "indexed", "killed", "cut"])
def test_a_ros1_bag_of_version_1(tmp_path: Path, ending: str) -> None:
    """Messages name their topic; a type is defined once, for several topics."""

    def number(topic: bytes, sec: int, value: float) -> bytes:
        told = {"topic": topic, "type": b"std_msgs/Float64", "md5": b"0" * 32}
        time = {"sec": struct.pack("<I", sec), "nsec": bytes(4)}
        return ros1_record(struct.pack("<d", value), op=b"\2", **told, **time)

    told = {"topic": b"/n", "type": b"std_msgs/Float64", "def": b"float64 data\n"}
    messages = [number(b"/n", 5 - index, index) for index in range(5)] + [number(b"/m", 9, 9.0)]
    data = ros1_record(op=b"\1", **told) + b"".join(messages)
    if ending != "unindexed":
        at = 0 if ending == "killed" else 1000
        data = ros1_record(bytes(50), op=b"\3", index_pos=struct.pack("<Q", at)) + data
    if ending == "indexed":
        told = {"topic": b"/n", "ver": bytes(4), "count": struct.pack("<I", 3)}
        data += ros1_record(bytes(48), op=b"\4", **told)
    path = tmp_path / "a.bag"
    path.write_bytes(b"#ROSBAG V1.2\n" + (data[:-3] if ending == "cut" else data))
    source = open_source([path])
    assert values(source) == NUMBERS_READ[::-1]
    last = [] if ending == "cut" else [b'{"data":9.0}']
    assert (values(source, "/m"), len(source)) == (last, 5 + len(last))
    assert bool(source.omitted) is (ending in {"killed", "cut"})


@pytest.mark.parametrize("folder", [StoragePlugin.SQLITE3], indirect=True)
def test_a_time_that_is_no_number(folder: Path) -> None:
    (path,) = folder.glob("*.db3")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE messages SET timestamp = X'01' WHERE id = 1")
    db.close()
    source = open_source([path])
    assert source.end_ns == 5 * SECOND_NS + 1
    assert values(source) == NUMBERS_READ[1:]


@pytest.mark.parametrize("folder", [StoragePlugin.SQLITE3], indirect=True)
def test_a_database_whose_own_texts_are_damaged(folder: Path) -> None:
    (path,) = folder.glob("*.db3")
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE\xf3TABLE"))
    with pytest.raises(BagError, match="cannot be read as a ROS 2 bag"):
        open_source([path])


def test_the_first_message_may_be_at_0_s(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(NUMBERS, 0, b'{"data":1}', 0)
    info = information(Bag(*writer.paths))
    assert (info["start_ns"], info["end_ns"]) == (0, 0)
    with BagWriter(tmp_path / "empty") as writer:
        pass
    info = information(Bag(*writer.paths))
    assert (info["start_ns"], info["end_ns"]) == (None, None)


@pytest.mark.parametrize(
    ("type_name", "data"),
    [
        (String.type_name, b'{"data":"Temp 40\xb0C"}'),
        (String.type_name, b'{"data":'),
        (String.type_name, b'{"data":5}'),
        ("std_msgs/msg/UInt8", b'{"data":300}'),
        ("std_msgs/msg/UInt8", b'{"data":1.5}'),
        ("std_msgs/msg/Bool", b'{"data":"yes"}'),
        ("std_msgs/msg/Int64", b'{"data":36893488147419103232}'),
        ("sensor_msgs/msg/Imu", b'{"orientation_covariance":[1,2]}'),
        ("sensor_msgs/msg/LaserScan", b'{"ranges":["far"]}'),
        ("sensor_msgs/msg/Image", b'{"data":"!"}'),
        (String.type_name, b"[1]"),
        (String.type_name, b"[" * 100_000),
    ],
)
@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_what_is_beyond_a_type_is_left_out_for_ros(
    tmp_path: Path, to: Format, type_name: str, data: bytes
) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(Channel("/bad", type_name, b"{}"), SECOND_NS, b"{}", 1)
        writer.write(Channel("/bad", type_name, b"{}"), 2 * SECOND_NS, data, 1)
        writer.write(NUMBERS, 3 * SECOND_NS, b'{"data":1}', 1)
    source = open_source(writer.paths)
    assert convert(source, tmp_path / "out", to).messages == 2
    (line,) = source.omitted.lines()
    assert line.startswith("left out: /bad: 1 message at 1.000 s: it is n")


@pytest.mark.parametrize("data", [b'{"data":', b"\xff", b'{"header":5}', b"[]", b"{}"])
def test_what_foxglove_cannot_show_is_left_out(tmp_path: Path, data: bytes) -> None:
    scan = Channel("/scan", LaserScan.type_name, schema_text(LaserScan.schema()))
    with BagWriter(tmp_path / "run") as writer:
        writer.write(scan, SECOND_NS, LaserScan().to_json().encode(), 1)
        writer.write(scan, 2 * SECOND_NS, data, 1)
    source = open_source(writer.paths)
    assert convert(source, tmp_path / "out", "foxglove").messages == 1
    (line,) = source.omitted.lines()
    assert line.startswith("left out: /scan: 1 message at 1.000 s: ")


def test_numbers_that_json_has_not_are_null_for_foxglove_however_they_are_written(
    tmp_path: Path,
) -> None:
    with BagWriter(tmp_path / "run") as writer:
        writer.write(NUMBERS, 1, b'{"data":NaN,"all":[1.0,-Infinity],"deep":{"x":[NaN]}}', 1)
    convert(open_source(writer.paths), tmp_path / "out", "foxglove")
    ((*_, data),) = Bag(tmp_path / "out.mcap").records()
    assert data == b'{"data":null,"all":[1.0,null],"deep":{"x":[null]}}'


def test_a_bag_tells_what_was_latched_at_any_time(tmp_path: Path) -> None:
    deep = Channel("/deep", String.type_name, b"{}", metadata=latched_metadata(2))
    once = Channel("/once", String.type_name, b"{}", metadata=latched_metadata(1))
    with BagWriter(tmp_path / "run") as writer:
        for index in range(5):
            for channel in (deep, once, NUMBERS):
                writer.write(channel, index * SECOND_NS, b'{"data":%d}' % index, 1, index)
    bag = Bag(*writer.paths)
    found = [(r.channel.topic, r.sequence) for r in bag.latched_before(3 * SECOND_NS)]
    assert found == [("/deep", 1), ("/deep", 2), ("/once", 2)]
    assert bag.latched_before(0) == []
    assert Bag(*writer.paths, topics="/numbers").latched_before(9 * SECOND_NS) == []


def test_a_small_file_does_not_unfold_into_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ros_folder, "_MOST_UNPACKED", 2)
    path = tmp_path / "x.db3.zstd"
    path.write_bytes(zstandard.compress(bytes(16 << 20)))
    with pytest.raises(BagError, match="over 2 times its size"):
        Bag(path)


def test_a_file_that_only_looks_packed(tmp_path: Path) -> None:
    path = tmp_path / "x.db3.zstd"
    path.write_bytes(b"not packed")
    with pytest.raises(BagError, match="cannot be decompressed"):
        open_source([path])
    path.write_bytes(zstandard.compress(b"no database"))
    with pytest.raises(BagError, match="cannot be read as a ROS 2 bag"):
        open_source([path])


def test_rows_that_cannot_be_given_are_told(tmp_path: Path) -> None:
    """The column has no type of its own, so that a time may be anything."""
    path = tmp_path / "a.db3"
    db = sqlite3.connect(path)
    db.executescript(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT,"
        " serialization_format TEXT);"
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp, data BLOB);"
        "INSERT INTO topics VALUES(2, '/n', 'std_msgs/msg/Float64', 'cdr');"
    )
    times: list[Any] = [0, 1, 2, 3, 4, "soon", b"1", None, 2.5, -(2**63)]
    rows = [(2, time, double(index)) for index, time in enumerate(times)]
    rows += [(7, 1, double(1.0)), (7, 2, double(1.0))]
    db.executemany("INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)", rows)
    db.commit()
    db.close()
    source = open_source([path])
    assert values(source) == NUMBERS_READ
    assert sum(each.messages for each in source.counts()) == 6
    lines = list(source.omitted.lines())
    assert len(lines) == 3
    assert any(" 1 message at " in each and "its time is before 1970" in each for each in lines)
    assert f"left out: {path}: 4 messages whose time is not an integer" in lines
    assert f"left out: {path}: 2 messages of a topic that is not in its table of topics" in lines


ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT"


@pytest.mark.parametrize(
    "views",
    [
        f"CREATE TABLE topics(id, name, type, serialization_format);"
        f"CREATE VIEW Messages AS {ENDLESS} n AS timestamp, n AS topic_id, n AS data FROM c;",
        f"CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data);"
        f"CREATE VIEW topics AS {ENDLESS} n AS id, n AS name, n AS type, '' AS "
        "serialization_format FROM c;",
        "CREATE TABLE topics(id, name, type, serialization_format);"
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data AS (zeroblob(9)))",
    ],
)
def test_a_view_that_never_ends_is_no_table(tmp_path: Path, views: str) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db3")) as db:
        db.executescript(views)
    with pytest.raises(BagError, match="is not a table of values"):
        open_source([tmp_path / "a.db3"])


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("folder", [StoragePlugin.SQLITE3], indirect=True)
@pytest.mark.parametrize(
    "told",
    [
        "relative_file_paths: [*i, a.db3]",
        "compression_mode: *i",
        "topics_with_message_count: [{topic_metadata: {name: *i}, message_count: 5}]",
        "relative_file_paths: [{}, 5, a.db3, a.db3, ./a.db3, bag/a.db3]",
        "relative_file_paths: ['" + 300 * "x" + "', a.db3]",
        "relative_file_paths: [/etc/passwd, ../../other/a.db3]",
    ],
)
def test_metadata_are_no_more_than_texts(folder: Path, told: str) -> None:
    """Neither are aliases unfolded, nor files read twice, nor files outside of the folder."""
    next(folder.glob("*.db3")).rename(folder / "a.db3")
    (folder / "metadata.yaml").write_text(f"{LAUGHS}rosbag2_bagfile_information: {{{told}}}\n")
    source = open_source([folder])
    assert source.paths == [folder / "a.db3"]
    assert values(source) == NUMBERS_READ


@pytest.mark.parametrize("folder", [StoragePlugin.SQLITE3], indirect=True)
def test_metadata_that_are_a_pipe_are_left_out(folder: Path) -> None:
    (folder / "metadata.yaml").unlink()
    os.mkfifo(folder / "metadata.yaml")
    source = open_source([folder])
    assert values(source) == NUMBERS_READ
    assert "it is a pipe into which nobody writes" in "".join(source.omitted.lines())


def packed(folder: Path) -> Path:
    writer = Writer(folder, version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(CompressionMode.FILE, CompressionFormat.ZSTD)
    with writer:
        store = get_typestore(Stores.ROS2_HUMBLE)
        numbers = writer.add_connection("/n", Float64.type_name, typestore=store)
        for index in range(5):
            writer.write(numbers, index, double(index))
    (path,) = folder.glob("*.zstd")
    return path


def test_a_packed_file_and_what_ros_2_has_unpacked_beside_it_are_one(tmp_path: Path) -> None:
    path = packed(tmp_path / "bag")
    unpacked = path.with_suffix("")
    unpacked.write_bytes(zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()))
    for _ in range(2):
        source = open_source([tmp_path / "bag"])
        assert values(source) == NUMBERS_READ
        assert not source.omitted
        (tmp_path / "bag" / "metadata.yaml").rename(tmp_path / "kept.yaml")
        source = open_source([tmp_path / "bag"])
        assert values(source) == NUMBERS_READ
        (tmp_path / "kept.yaml").rename(tmp_path / "bag" / "metadata.yaml")
        path.unlink(missing_ok=True)  # somebody has unpacked it for good


def test_info_tells_how_a_packed_file_is_packed(tmp_path: Path) -> None:
    packed(tmp_path / "bag")
    told = information(open_source([tmp_path / "bag"]))
    assert (told["storage_id"], told["compression"]) == ("sqlite3", "zstd, file by file")


def test_a_packed_file_of_several_frames_or_cut_off(tmp_path: Path) -> None:
    path = packed(tmp_path / "bag")
    data = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    path.write_bytes(
        b"".join(zstandard.compress(data[at : at + 999]) for at in range(0, len(data), 999))
    )
    assert values(open_source([path])) == NUMBERS_READ
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BagError) as caught:
        open_source([path])
    assert str(caught.value).startswith(f"{path.with_suffix('')} cannot be read")
    assert str(caught.value).endswith(f"decompress it first: `zstd -d {path}`")


def test_one_file_of_a_folder_that_cannot_be_read_is_left_out_and_told(folder: Path) -> None:
    (name,) = (each.name for each in folder.iterdir() if each.suffix in {".db3", ".mcap"})
    suffix = Path(name).suffix
    for index, content in enumerate((b"", (folder / name).read_bytes()[:500])):
        (folder / f"damaged_{index}{suffix}").write_bytes(content)
    (folder / "metadata.yaml").unlink()
    source = open_source([folder])
    assert values(source) == NUMBERS_READ
    assert (
        sum(each.startswith(f"left out: {folder}/damaged_") for each in source.omitted.lines()) == 2
    )
    (folder / name).unlink()
    with pytest.raises(BagError, match="damaged_0"):
        open_source([folder])


def test_a_folder_of_a_recording_of_ours(tmp_path: Path) -> None:
    """What each file repeats of the latched topics counts once."""
    latched = Channel("/map", metadata=latched_metadata(1))
    (tmp_path / "bag").mkdir()
    with BagWriter(tmp_path / "bag" / "run", limits=Limits(duration_sec=1.0)) as writer:
        writer.write(latched, 0, b'{"data":1}', 0, 1)
        for index in range(5):
            writer.write(NUMBERS, index * SECOND_NS, b'{"data":%d.0}' % index, 0, index)
    assert len(writer.paths) == 5
    source = open_source([tmp_path / "bag"])
    assert len(source) == len(list(source.records())) == 6
    assert values(source, "/map") == [b'{"data":1}']
    assert not source.omitted


def test_what_several_files_hold_is_all_there(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with BagWriter(tmp_path / name, compression="lz4" if name == "a" else "zstd") as writer:
            writer.attach(Attachment(f"{name}.txt", b"by hand"))
            writer.attach(Attachment("both.txt", b"by hand"))
            writer.describe(name, {"who": "me"})
            writer.describe("both", {"who": "me"})
            writer.write(NUMBERS, 1, b'{"data":1.0}', 0)
    bag = Bag(tmp_path / "a.mcap", tmp_path / "b.mcap")
    assert sorted(each.name for each in bag.attachments()) == ["a.txt", "b.txt", "both.txt"]
    assert sorted(name for name, _ in bag.metadata()) == ["a", "b", "both"]
    assert bag.compression() == "lz4, zstd"


def test_what_sqlite_says_of_a_damaged_table_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.db3"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE messages (id INTEGER)")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE messages (`\n\x1b)'")
        db.commit()
    with pytest.raises(BagError, match=r"unrecognized token") as caught:
        open_source([path])
    assert str(caught.value).isprintable()


MUCH = b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    "end",
    [MUCH, *(ros1_record(op=op, conn=b"a")[:-4] + MUCH for op in (b"\4", b"\7"))],
    ids=["header", "index", "connection"],
)
def test_a_ros_1_bag_takes_no_memory_for_a_length_that_it_only_says(
    tmp_path: Path, end: bytes
) -> None:
    begin = ros1_record(op=b"\3", index_pos=bytes(8)) + ros1_record(op=b"\5", compression=b"none")
    path = tmp_path / "a.bag"
    path.write_bytes(b"#ROSBAG V2.0\n" + begin + end)
    tracemalloc.start()
    try:
        assert len(open_source([path])) == 0
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_ros_1_chunk_is_one_stream(tmp_path: Path) -> None:
    """A chunk of many empty streams took time with the square of its size."""
    path = tmp_path / "a.bag"
    path.write_bytes(
        b"#ROSBAG V2.0\n"
        + ros1_record(op=b"\3", index_pos=b"a")
        + ros1_record(bz2.compress(b"") * 2, op=b"\5", compression=b"bz2")
    )
    said = "; ".join(open_source([path]).omitted.lines())
    assert "a chunk is damaged and its rest was skipped: it continues after its end" in said


@pytest.mark.slow
def test_a_ros_1_chunk_is_not_unpacked_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bag"
    for kind in (Rosbag1.CompressionFormat.BZ2, Rosbag1.CompressionFormat.LZ4):
        path.unlink(missing_ok=True)
        writer = Rosbag1(path)
        writer.set_compression(kind)
        with writer:
            store = get_typestore(Stores.ROS1_NOETIC)
            strings = writer.add_connection("/s", String.type_name, typestore=store)
            for index in range(3):
                data = struct.pack("<I", 4 << 20) + bytes(4 << 20)
                writer.write(strings, index, data)
        assert len(values(open_source([path]), "/s")) == 3
        with monkeypatch.context() as patch:
            patch.setattr(ros1_file, "MOST_UNPACKED", 2 << 20)
            source = open_source([path])
            tracemalloc.start()
            try:
                assert not values(source, "/s")
                assert "decompresses to more than 2097152 bytes" in next(source.omitted.lines())
                assert tracemalloc.get_traced_memory()[1] < 8 << 20
            finally:
                tracemalloc.stop()


@pytest.mark.parametrize(("to", "last"), [("ros1", 2**32 * 10**9 - 1), ("ros2", 2**63 - 1)])
def test_times_that_ros_cannot_say_are_left_out(tmp_path: Path, to: Format, last: int) -> None:
    with BagWriter(tmp_path / "run") as writer:
        for time_ns in (last, last + 1, 2**64 - 1):
            writer.write(NUMBERS, time_ns, b'{"data":1.0}', time_ns)
    source = open_source(writer.paths)
    out = tmp_path / ("out.bag" if to == "ros1" else "out")
    assert convert(source, out, to).messages == 1
    (line,) = source.omitted.lines()
    assert "/numbers: 2 messages, the first at" in line
    assert "its time is after 2" in line
    assert [each.log_time_ns for each in open_source([out]).records()] == [last]


@pytest.mark.parametrize("times", [(-1, 0), (0, -1), (2**64, 0), (0, 2**64)])
def test_times_that_a_file_cannot_hold_are_told(tmp_path: Path, times: tuple[int, int]) -> None:
    with BagWriter(tmp_path / "run") as writer:
        with pytest.raises(BagError, match=r"times are nanoseconds since 1970, from 0 to"):
            writer.write(NUMBERS, times[0], b'{"data":1.0}', times[1])
        writer.write(NUMBERS, 1, b'{"data":1.0}', 1)
    assert len(Bag(writer.paths[0])) == 1


@pytest.mark.parametrize("name", ["/a[1]", "/a*", "/a?", "/[", "/a b", "/" + 300 * "x", "/A", "/a"])
def test_topics_of_any_name(tmp_path: Path, name: str) -> None:
    with BagWriter(tmp_path / "run") as writer:
        for topic in ("/a1", "/a", "/A", "/a[1]", "/a*", "/a?", "/[", "/a b", "/" + 300 * "x"):
            writer.write(Channel(topic), 1, b'{"data":1.0}', 1)
    assert name in Bag(writer.paths[0], topics=name).topics
    assert convert(open_source(writer.paths), tmp_path / "out", "csv").messages == 9
    assert len(list((tmp_path / "out").iterdir())) == 9


def test_a_bag_is_found_by_the_name_that_record_took(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run1.mcap"):
        pass
    assert isinstance(open_source([tmp_path / "run1"], Selection(("*",))), McapBag)
    with pytest.raises(BagError, match="run2: there is no such file"):
        open_source([tmp_path / "run2"])


def test_a_topic_of_ros_1_is_where_the_message_was_recorded(tmp_path: Path) -> None:
    """A filter may have written it on another topic than the one where it was published."""
    path = tmp_path / "a.bag"
    store = get_typestore(Stores.ROS1_NOETIC)
    with Rosbag1(path) as writer:
        connection = writer.add_connection("/here", "std_msgs/msg/String", typestore=store)
        writer.write(connection, SECOND_NS, struct.pack("<I", 2) + b"hi")
    first, *others = path.read_bytes().split(b"topic=/here")
    names = itertools.cycle((b"topic=/here", b"topic=/gone"))
    path.write_bytes(first + b"".join(next(names) + each for each in others))
    assert open_source([path]).topics.keys() == {"/here"}


def test_a_message_of_ros_1_may_begin_as_packed_data_does(tmp_path: Path) -> None:
    path = tmp_path / "a.bag"
    store = get_typestore(Stores.ROS1_NOETIC)
    with Rosbag1(path) as writer:
        connection = writer.add_connection("/n", "std_msgs/msg/UInt32", typestore=store)
        writer.write(connection, SECOND_NS, b"\x28\xb5\x2f\xfd")
    source = open_source([path])
    assert values(source) == [b'{"data":%d}' % 0xFD2FB528]
    assert not source.omitted
