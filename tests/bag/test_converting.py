"""Bags of ROS and of ours, both ways; Foxglove; tables."""

import base64
import csv
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.bag import Bag, BagWriter
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.convert.convert import Format, convert
from dsmq_nodes.bag.file.contents import Attachment, Channel
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record
from dsmq_nodes.bag.file.recorded_schemas import schema_text
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.errors import BagError
from dsmq_nodes.messages import (
    Imu,
    JointState,
    LaserScan,
    MapMetaData,
    Marker,
    NavSatFix,
    OccupancyGrid,
    Odometry,
    PointCloud2,
    PointField,
    String,
)
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.fields import Ros
from dsmq_nodes.messages.schema.find import find_type
from dsmq_nodes.messages.schema.foxglove_types import CONVERSIONS
from tests.bag.conftest import SECOND_NS
from tests.messages.test_definitions import TYPES, filled
from tests.support import processes

ROOT = Path(__file__).parents[2]
HUSKY = ROOT.parent / "shared" / "data" / "husky_bag"
COUNTS = {"/imu/data": 11_865, "/husky_velocity_controller/odom": 3_952, "/fix": 989}
IN_ROS1 = set(get_typestore(Stores.ROS1_NOETIC).fielddefs)

Made = Callable[..., Path]


class Cell(Message, type_name="power_msgs/msg/Cell"):
    volts: float
    raw: bytes = b""
    maker: Annotated[bytes, Ros("char")] = b""


class Pack(Message, type_name="power_msgs/msg/Pack"):
    cells: list[Cell] = []
    where: Odometry = Odometry()
    label: str = ""


class Baseline(Message, type_name="stereo_msgs/msg/DisparityImage"):
    t: float = 0.0


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Writes a bag of messages, one a second, each on its topic."""

    def write(*messages: tuple[str, Message], name: str = "ours", latched: bool = False) -> Path:
        metadata = (("latched", "true"),) if latched else ()
        with BagWriter(tmp_path / name) as writer:
            for index, (topic, msg) in enumerate(messages, 1):
                cls = type(msg)
                schema = schema_text(cls.schema())
                channel = Channel(topic, cls.type_name, schema, metadata=metadata)
                at_ns = index * SECOND_NS
                writer.write(channel, at_ns, msg.to_json().encode(), at_ns, index)
        return writer.paths[0]

    return write


def messages(source: BagSource) -> list[tuple[str, int, Any]]:
    return [
        (each.channel.topic, each.log_time_ns, json.loads(each.data)) for each in source.records()
    ]


def there_and_back(path: Path, to: Format, tmp_path: Path) -> BagSource:
    """A bag, written for ROS and read again."""
    out = tmp_path / ("back.bag" if to == "ros1" else "back")
    source = open_source([path])
    convert(source, out, to)
    assert not source.omitted
    return open_source([out])


@pytest.mark.slow
@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_every_standard_type_both_ways(to: Format, made: Made, tmp_path: Path) -> None:
    numbers = itertools.count(1)
    known = IN_ROS1 if to == "ros1" else {cls.type_name for cls in TYPES}
    # ROS 1 has one of these with fields of its own.
    classes = [cls for cls in TYPES if cls.type_name in known - _DIFFERENT_IN[to]]
    path = made(*[(f"/t{i}", filled(cls, numbers)) for i, cls in enumerate(classes)])
    source = there_and_back(path, to, tmp_path)
    assert messages(source) == messages(Bag(path))
    assert len(classes) > (30 if to == "ros1" else 50)
    types = {each.channel.topic: each.channel.type_name for each in source.counts()}
    assert types == Bag(path).topics


_DIFFERENT_IN = {
    "ros2": set[str](),
    "ros1": {
        "actionlib_msgs/msg/GoalStatus",
        "diagnostic_msgs/msg/DiagnosticStatus",
        "sensor_msgs/msg/BatteryState",
        "sensor_msgs/msg/Range",
        "visualization_msgs/msg/Marker",
        "visualization_msgs/msg/MarkerArray",
    },
}


@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_numbers_that_json_has_not_and_minus_zero(to: Format, made: Made, tmp_path: Path) -> None:
    imu = Imu()
    imu.angular_velocity.x, imu.angular_velocity.y = math.nan, -0.0
    imu.angular_velocity.z = -math.inf
    scan = LaserScan(ranges=[1.5, math.inf, math.nan, -math.inf])
    path = made(("/imu", imu), ("/scan", scan))
    found = messages(there_and_back(path, to, tmp_path))
    assert found == messages(Bag(path))
    assert math.copysign(1, found[0][2]["angular_velocity"]["y"]) == -1


@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_a_users_type_with_its_parts(to: Format, made: Made, tmp_path: Path) -> None:
    pack = Pack(
        cells=[Cell(volts=4.1, raw=b"\x00\xff", maker=b"PX4\xff"), Cell(volts=3.9)], label="ü"
    )
    path = made(("/pack", pack))
    source = there_and_back(path, to, tmp_path)
    assert messages(source) == messages(Bag(path))
    bag = convert(source, tmp_path / "ours2", "mcap")
    assert bag.messages == 1
    assert [each.msg for each in Bag(tmp_path / "ours2.mcap")] == [pack]


class Mode(Enum):
    IDLE = 0
    DRIVE = 1


class Gear(Message):
    mode: Mode = Mode.IDLE


class Maybe(Message):
    ratio: float | None = None


@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_an_enumeration_is_a_number_in_ros_and_what_ros_lacks_is_told(
    to: Format, made: Made, tmp_path: Path
) -> None:
    source = open_source([made(("/gear", Gear(mode=Mode.DRIVE)), ("/maybe", Maybe()))])
    out = tmp_path / ("ros.bag" if to == "ros1" else "ros")
    convert(source, out, to)
    told = f"left out: /maybe: {Maybe.type_name}.ratio: in ROS 'float64 | None' is no type"
    assert list(source.omitted.lines()) == [told]
    assert [each.msg for each in Bag(out)] == [Gear(mode=Mode.DRIVE)]


@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_messages_of_a_class_that_was_changed_since_are_written_as_they_were(
    to: Format, made: Made, tmp_path: Path
) -> None:
    class Changed(Message, type_name="changed_msgs/msg/Thing"):
        a: float = 0.0

    class Longer(Message, type_name="changed_msgs/msg/Long"):
        a: float = 0.0
        b: float = 0.0

    path = made(("/thing", Changed(a=0.5)), ("/long", Longer(a=1.0, b=0.5)))
    Changed.type_name = Longer.type_name = "changed_msgs/msg/Former"

    class Thing(Message, type_name="changed_msgs/msg/Thing"):
        a: str = ""

    class Long(Message, type_name="changed_msgs/msg/Long"):
        a: float = 0.0

    source = open_source([path])
    out = tmp_path / ("ros.bag" if to == "ros1" else "ros")
    convert(source, out, to)
    assert list(source.omitted.lines()) == []
    with AnyReader([out]) as reader:
        found: list[Any] = [reader.deserialize(raw, at.msgtype) for at, _, raw in reader.messages()]
        thing, long = found
        assert (thing.a, long.a, long.b) == (0.5, 1.0, 0.5)
    Thing.type_name = Long.type_name = "changed_msgs/msg/Former"  # so that no other test finds it


@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_latched_stays_latched(to: Format, made: Made, tmp_path: Path) -> None:
    path = made(("/map", String(data="x")), latched=True)
    (counted,) = there_and_back(path, to, tmp_path).counts()
    assert dict(counted.channel.metadata) == {"latched": "true"}


def test_a_field_that_ros_1_lacks_is_told_and_one_of_another_name_is_kept(
    made: Made, tmp_path: Path
) -> None:
    marker = Marker(texture_resource="x", text="y")
    path = made(("/marker", marker), ("/plain", Marker()), ("/baseline", Baseline(t=0.5)))
    source = open_source([path])
    convert(source, tmp_path / "back.bag", "ros1")
    told = "left out: visualization_msgs/msg/Marker.texture_resource: no such field in ros1"
    assert list(source.omitted.lines()) == [told]
    found = {each.topic: each.msg for each in Bag(tmp_path / "back.bag")}
    assert found["/baseline"].t == 0.5  # type: ignore[union-attr]
    assert found["/marker"].text == "y"  # type: ignore[union-attr]


def test_an_independent_reader_reads_what_is_written_for_ros(made: Made, tmp_path: Path) -> None:
    path = made(("/fix", NavSatFix(latitude=52.5, longitude=13.25)))
    for to, out in (("ros1", tmp_path / "x.bag"), ("ros2", tmp_path / "x")):
        convert(open_source([path]), out, to)  # type: ignore[arg-type]
        with AnyReader([out]) as reader:
            ((connection, at_ns, raw),) = reader.messages()
            found: Any = reader.deserialize(raw, connection.msgtype)
        assert (at_ns, found.latitude, found.longitude) == (SECOND_NS, 52.5, 13.25)


def test_what_ros_cannot_hold_is_left_out_and_told(made: Made, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "mixed") as writer:
        writer.write(Channel("/far", "far_msgs/msg/Away", b"{}"), 1, b"{}", 1)
        writer.write(Channel("chat", "", b"", "", "text"), 2, b"hello", 2)
        writer.write(Channel("/s", String.type_name, b"{}"), 3, b'{"data":"x"}', 3)
        writer.write(Channel("/w", "example_interfaces/msg/WString", b"{}"), 4, b'{"data":"x"}', 4)
        writer.write(Channel("/a/_reply", "std_srvs/srv/SetBool_Response", b"{}"), 5, b"{}", 5)
    for to, out in (("ros1", tmp_path / "x.bag"), ("ros2", tmp_path / "x")):
        source = open_source(writer.paths)
        assert convert(source, out, to).messages == 1  # type: ignore[arg-type]
        assert "no fields of far_msgs/msg/Away" in source.omitted.topics["/far"]
        assert "no type" in source.omitted.topics["chat"]
        assert "a wide text (wstring), which cannot be written" in source.omitted.topics["/w"]
        assert "belongs to a service or an action: calls" in source.omitted.topics["/a/_reply"]


def test_messages_that_are_not_of_their_type(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "wrong") as writer:
        channel = Channel("/f", "std_msgs/msg/Float64", b"{}")
        for at_ns, text in enumerate([b'{"data":1}', b'{"data":"full"}', b'{"data":2}']):
            writer.write(channel, at_ns * SECOND_NS, text, 1, 7)
    source = open_source(writer.paths)
    assert convert(source, tmp_path / "out", "ros2").messages == 2
    (told,) = source.omitted.lines()
    assert told.startswith("left out: /f: 1 message at 1.000 s: it is no std_msgs/msg/Float64: ")


@pytest.mark.parametrize("to", ["mcap", "ros1", "ros2", "foxglove", "csv", "parquet", "npz"])
def test_nothing_is_overwritten(to: Format, made: Made, tmp_path: Path) -> None:
    path = made(("/s", String(data="x")))
    names = {"ros2": "out", "csv": "out", "parquet": "out", "npz": "out.npz", "ros1": "out.bag"}
    taken = tmp_path / names.get(to, "out.mcap")
    taken.write_text("precious")
    with pytest.raises(BagError, match="exists already"):
        convert(open_source([path]), taken, to)
    assert taken.read_text() == "precious"


# Real data


@dataclass
class Part:
    """The first so many messages of a source."""

    source: BagSource
    count: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def records(self, *_: object) -> Iterator[Record]:
        return itertools.islice(self.source.records(), self.count)

    def counts(self) -> list[ChannelCount]:
        return self.source.counts()


@pytest.fixture(scope="module")
def husky(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same run, from ROS 1 and from ROS 2, as bags of ours; of the latter a part."""
    if not HUSKY.exists():
        pytest.skip(f"the recording husky_bag is not there: {HUSKY}")
    folder = tmp_path_factory.mktemp("husky")
    found = {}
    for name in ("test1.bag", "test1_ros2_humble.mcap"):
        found[name] = folder / f"{Path(name).stem}.mcap"
        source = open_source([HUSKY / name])
        assert {each.channel.topic: each.messages for each in source.counts()} == COUNTS
        part = source if name == "test1.bag" else Part(source, 3000)
        convert(part, found[name], "mcap", compression="lz4")
    return found


@pytest.mark.slow
def test_husky_counts_and_the_same_from_either_source(husky: dict[str, Path]) -> None:
    one, two = (Bag(path) for path in husky.values())
    assert {each.channel.topic: each.messages for each in one.counts()} == COUNTS
    pairs = itertools.zip_longest(itertools.islice(one.records(), 3000), two.records())
    assert all(a._replace(sequence=0) == b._replace(sequence=0) for a, b in pairs)


@pytest.mark.slow
def test_husky_dead_reckoning_ends_where_it_should(husky: dict[str, Path]) -> None:
    """Wheel speed along the IMU's orientation, put through the mounting; see SOURCE.txt."""
    mount = rotation(math.radians(90), math.radians(0), math.radians(-90))
    position, heading, before_sec = np.zeros(3), None, 0.0
    for topic, msg, _ in Bag(husky["test1.bag"], topics=["/imu/data", "/husky*"]):
        if topic == "/imu/data":
            assert isinstance(msg, Imu)
            heading = matrix(msg) @ mount.T
        elif heading is not None:
            assert isinstance(msg, Odometry)
            now_sec = msg.header.stamp.to_nanoseconds() * 1e-9
            step_sec = now_sec - before_sec if before_sec else 0.0
            position += heading @ [msg.twist.twist.linear.x * step_sec, 0, 0]
            before_sec = now_sec
    assert np.linalg.norm(position - [-40.0454, -76.9988, -2.6974]) < 1.0452


def matrix(imu: Imu) -> Any:
    q = imu.orientation
    w, x, y, z = q.w, q.x, q.y, q.z
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def rotation(roll: float, pitch: float, yaw: float) -> Any:
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a), math.sin(a)) for a in (roll, pitch, yaw))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x


@pytest.mark.slow
@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_husky_there_and_back_loses_nothing(
    to: Format, husky: dict[str, Path], tmp_path: Path
) -> None:
    """Of the first 1,000 messages; of all: `python -m tests.bench.bag husky`."""
    part = Part(Bag(husky["test1.bag"]), 1000)
    out = tmp_path / ("back.bag" if to == "ros1" else "back")
    convert(part, out, to)
    assert messages(open_source([out])) == messages(part)


# Foxglove


def test_foxglove_has_its_well_known_messages(made: Made, tmp_path: Path) -> None:
    numbers = itertools.count(1)
    own: dict[str, Message] = {name: filled(find_type(name), numbers) for name in CONVERSIONS}
    own["sensor_msgs/msg/PointCloud2"] = PointCloud2(
        fields=[PointField(name="x", datatype=PointField.FLOAT32, count=1)], point_step=4
    )
    own["sensor_msgs/msg/JointState"] = JointState(name=["a", "b"], position=[1.0, 2.0])
    own["sensor_msgs/msg/LaserScan"] = LaserScan(ranges=[1.0, math.inf], angle_min=-1.0)
    path = made(*((f"/{name}", msg) for name, msg in own.items()), ("/s", String(data="x")))
    convert(open_source([path]), tmp_path / "show", "foxglove")
    with (tmp_path / "show.mcap").open("rb") as stream:
        found: dict[str, tuple[Any, Any]] = {
            channel.topic: (schema, json.loads(message.data))
            for schema, channel, message in make_reader(stream).iter_messages()
        }
    for name, (theirs, _) in CONVERSIONS.items():
        schema, values = found[f"/{name}"]
        assert schema is not None
        assert schema.name == theirs
        fits(values, json.loads(schema.data), theirs)
    scan = found["/sensor_msgs/msg/LaserScan"][1]
    assert (scan["start_angle"], scan["ranges"]) == (-1.0, [1.0, None])
    assert set(scan["timestamp"]) == {"sec", "nsec"}
    joints = found["/sensor_msgs/msg/JointState"][1]["joints"]
    assert joints == [{"name": "a", "position": 1.0}, {"name": "b", "position": 2.0}]
    assert found["/sensor_msgs/msg/PointCloud2"][1]["fields"][0]["type"] == 7
    schema, values = found["/s"]
    assert schema is not None
    assert (schema.name, values) == ("std_msgs/msg/String", {"data": "x"})


def test_a_text_that_looks_like_a_number_stays_for_foxglove(made: Made, tmp_path: Path) -> None:
    unknown = Channel("/u", "far_msgs/msg/Away", b'{"type":"object"}')
    path = made(("/s", String(data="NaN")), ("/scan", LaserScan(ranges=[math.nan, 1.0])))
    with BagWriter(tmp_path / "more") as writer:
        writer.write(unknown, 9 * SECOND_NS, b'{"x":["Infinity",{"y":1}]}', 0)
    convert(open_source([path, *writer.paths]), tmp_path / "show", "foxglove")
    said, scan, far = (json.loads(each.data) for each in Bag(tmp_path / "show.mcap").records())
    assert said == {"data": "NaN"}
    assert scan["ranges"] == [None, 1.0]
    assert far == {"x": [None, {"y": 1}]}  # nothing says that it is a text


def test_the_cells_of_a_foxglove_grid_have_a_sign(made: Made, tmp_path: Path) -> None:
    grid = OccupancyGrid(info=MapMetaData(width=3, height=1), data=[-1, 0, 100])
    convert(open_source([made(("/map", grid))]), tmp_path / "show", "foxglove")
    (record,) = Bag(tmp_path / "show.mcap").records()
    values = json.loads(record.data)
    assert values["fields"] == [{"name": "occupancy", "offset": 0, "type": 2}]  # INT8
    assert list(base64.b64decode(values["data"])) == [255, 0, 100]


def fits(values: Any, schema: dict[str, Any], where: str) -> None:
    """The values have the fields of the schema, and no other."""
    kinds: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int}
    if schema["type"] == "number":
        assert values is None or isinstance(values, int | float), where
        return
    assert isinstance(values, kinds[schema["type"]]), where
    for each in values if schema["type"] == "array" else ():
        fits(each, schema["items"], where)
    if schema["type"] == "object":
        assert values.keys() <= schema["properties"].keys(), where
        for name, inner in schema["properties"].items():
            if name in values:
                fits(values[name], inner, f"{where}.{name}")


# Tables


@pytest.fixture
def table(made: Made) -> BagSource:
    scans = [LaserScan(ranges=[index + 0.5, math.inf], angle_min=math.nan) for index in range(3)]
    names = [String(data=f'say, "{index}"\nü') for index in range(2)]
    both: list[tuple[str, Message]] = [("/front/scan", each) for each in scans]
    return open_source([made(*both, *(("/name", each) for each in names))])


def test_csv(table: BagSource, tmp_path: Path) -> None:
    assert convert(table, tmp_path / "out", "csv").messages == 5
    with (tmp_path / "out" / "front_scan.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["log_time_ns"] for row in rows] == [str(i * SECOND_NS) for i in (1, 2, 3)]
    assert json.loads(rows[2]["ranges"]) == [2.5, math.inf]
    assert rows[0]["angle_min"] == "nan"
    assert rows[0]["header.stamp.sec"] == "0"
    with (tmp_path / "out" / "name.csv").open(newline="") as stream:
        assert [row["data"] for row in csv.DictReader(stream)] == [
            "say, \"0\"\nü", "say, \"1\"\nü"
        ]  # fmt: skip


def test_npz(table: BagSource, tmp_path: Path) -> None:
    assert convert(table, tmp_path / "out", "npz").messages == 5
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["front/scan/ranges"].tolist() == [[i + 0.5, math.inf] for i in range(3)]
        assert arrays["front/scan/log_time_ns"].dtype == np.int64
        assert np.isnan(arrays["front/scan/angle_min"]).all()
        assert arrays["name/data"][1].endswith("ü")


def test_parquet(table: BagSource, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is in [dev]")
    assert convert(table, tmp_path / "out", "parquet").messages == 5
    rows = pq.read_table(tmp_path / "out" / "front_scan.parquet").to_pylist()
    assert [row["ranges"] for row in rows] == [[i + 0.5, math.inf] for i in range(3)]


def test_ours_to_ours_keeps_files_and_texts(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run", compression="none") as writer:
        writer.attach(Attachment("launch.yaml", b"nodes: []"))
        writer.describe("dsmq_nodes", {"robot": "one"})
        for index in range(10):
            topic = "/ab"[: 1 + index % 2 + 1]
            writer.write(Channel(topic, String.type_name, b"{}"), index, b'{"data":"x"}', 5, index)
    source = open_source(writer.paths)
    convert(source, tmp_path / "copy", "mcap")
    copy = Bag(tmp_path / "copy.mcap")
    assert list(copy.records()) == list(source.records())
    assert [each.name for each in copy.attachments()] == ["launch.yaml"]
    assert copy.metadata() == [("dsmq_nodes", {"robot": "one"})]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--to", "csv"), 0, "out: 2 messages"),
        (("--topics", "/scam"), 1, "has no topic /scam: did you mean '/scan'?"),
        (("--topics", "s", "--topics", "/x/*"), 1, "no topic /x/*: there is: /s, /scan"),
        (("--regex", "^/t"), 1, "has no such topics; it has: /s, /scan"),
        (("--topics", "s", "--exclude-topics", "/s"), 1, "has no such topics"),
        (("--topics", "scan"), 0, "out.mcap: 1 messages"),
        (("--to", "excel"), 2, "there is mcap, ros2, ros1, foxglove, csv, parquet, npz"),
    ],
)
def test_the_command(
    made: Made, tmp_path: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    path = made(("/s", String(data="x")), ("/scan", LaserScan()))
    result = processes.run(
        [sys.executable, "-W", "error", "-m", "dsmq_nodes", "bag", "convert", str(path),
         *(("-o", "out") if status < 2 else ()), *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == status, result.stderr
    assert says in " ".join((result.stdout + result.stderr).split())
    assert "Traceback" not in result.stderr
    assert status == 0 or list(tmp_path.iterdir()) == [path]


def test_topics_that_a_ros_bag_has_not(made: Made, tmp_path: Path) -> None:
    convert(open_source([made(("/scan", LaserScan()))]), tmp_path / "x.bag", "ros1")
    with pytest.raises(BagError, match="no topic /scam: did you mean '/scan'"):
        open_source([tmp_path / "x.bag"], Selection(("/scam",)))
    assert open_source([tmp_path / "x.bag"], Selection(("scan",))).counts()[0].messages == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.bag", b"#ROSBAG V2.0\nnot really", "cannot be read as a ROS 1 bag"),
        ("x.mcap", b"", "is empty"),
        ("nowhere", None, r"no such file or folder; it was split: .*nowhere_0\.mcap"),
        ("folder", ..., r"has no .mcap and no .db3 file: it is not a ROS 2 bag"),
    ],
)
def test_sources_that_are_none(tmp_path: Path, name: str, content: Any, says: str) -> None:
    path = tmp_path / name
    (tmp_path / "nowhere_0.mcap").touch()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is ...:
        path.mkdir()
    with pytest.raises(BagError, match=says):
        open_source([path])


@pytest.mark.parametrize("to", ["ros1", "ros2"])
def test_two_channels_of_a_topic_are_one_in_ros(
    tmp_path: Path, to: Literal["ros1", "ros2"]
) -> None:
    """Other tools' writers make a channel a publisher."""
    source, output = tmp_path / "two.mcap", tmp_path / ("out.bag" if to == "ros1" else "out")
    with source.open("wb") as stream:
        writer: Any = Writer(stream)
        writer.start()
        schema = writer.register_schema("std_msgs/msg/String", "jsonschema", b"{}")
        of_one = writer.register_channel("/t", "json", schema)
        of_other = writer.register_channel("/t", "json", schema, {"publisher": "other"})
        for at in range(6):
            data = json.dumps({"data": str(at)}).encode()
            writer.add_message(of_one if at % 2 else of_other, at + 1, data, at + 1)
        writer.finish()
    assert convert(open_source([source]), output, to).messages == 6
    told = [each.msg for each in Bag(output)]
    assert [each.data for each in told if isinstance(each, String)] == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
    ]
