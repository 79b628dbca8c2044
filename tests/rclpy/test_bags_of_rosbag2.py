"""rosbag2_py: programs that read and write bags as with ROS's own.

rosbag2's own tests of its readers, writers and structures (October 2024) pass too, except those
that ask for plug-ins built for the tests. There is no wheel of it: no test runs the real one.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Rosbag1
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.bag import Bag, BagWriter, Channel, schema_text
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.messages import Imu, Vector3
from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.packages import rosbag2_py
from dsmq_nodes.rclpy.qos import DurabilityPolicy, QoSProfile
from dsmq_nodes.rclpy.serialization import deserialize_message, serialize_message
from tests.rclpy.test_run import port, run, write

__all__ = ["port"]

TEXT = class_named("std_msgs/msg/String")
STORAGES = pytest.mark.parametrize("storage", ["mcap", "sqlite3"])


def options(path: Path, storage: str = "") -> tuple[Any, Any]:
    return rosbag2_py.StorageOptions(str(path), storage), rosbag2_py.ConverterOptions("", "")


def opened(path: Path) -> Any:
    reader = rosbag2_py.SequentialReader()
    reader.open(*options(path))
    return reader


def written(path: Path, *texts: tuple[str, int], storage: str = "mcap") -> Path:
    """A bag in which the topic of each message is its first letter."""
    writer = rosbag2_py.SequentialWriter()
    writer.open(*options(path, storage))
    for name in sorted({text[0] for text, _ in texts}):
        writer.create_topic(rosbag2_py.TopicMetadata(0, name, "std_msgs/msg/String", "cdr"))
    for text, time_ns in texts:
        writer.write(text[0], serialize_message(TEXT(data=text)), time_ns)
    del writer  # as in ROS, its end is that of the bag
    return path


def rest(reader: Any) -> list[str]:
    found = []
    while reader.has_next():
        topic, data, _ = reader.read_next()
        found.append(deserialize_message(data, TEXT).data)
        assert found[-1][0] == topic
    return found


@STORAGES
def test_what_is_written_is_read_by_this_and_by_others(tmp_path: Path, storage: str) -> None:
    path = written(tmp_path / "bag", ("a1", 10), ("b1", 20), ("a2", 30), storage=storage)
    assert (path / "metadata.yaml").exists()
    reader = opened(path)
    assert [(x.name, x.type) for x in reader.get_all_topics_and_types()] == [
        ("a", "std_msgs/msg/String"),
        ("b", "std_msgs/msg/String"),
    ]
    assert (reader.read_next()[2], rest(reader)) == (10, ["b1", "a2"])
    with pytest.raises(RuntimeError, match="at end"):
        reader.read_next()
    with Reader(path) as other:
        assert [(each.topic, time_ns) for each, time_ns, _ in other.messages()] == [
            ("a", 10), ("b", 20), ("a", 30),
        ]  # fmt: skip
    assert [getattr(message, "data", "") for _, message, _ in Bag(path)] == ["a1", "b1", "a2"]
    (definition,) = reader.get_all_message_definitions()
    assert (definition.topic_type, definition.encoding) == ("std_msgs/msg/String", "ros2msg")
    assert "string data" in definition.encoded_message_definition


@STORAGES
def test_metadata(tmp_path: Path, storage: str) -> None:
    path = written(tmp_path / "bag", ("a1", 1_000), ("b1", 2_000), ("a2", 5_000), storage=storage)
    found = rosbag2_py.Info().read_metadata(str(path), storage)
    assert (found.message_count, found.storage_identifier) == (3, storage)
    assert (found.starting_time.nanoseconds, found.duration.nanoseconds) == (1_000, 4_000)
    counts = {x.topic_metadata.name: x.message_count for x in found.topics_with_message_count}
    assert counts == {"a": 2, "b": 1}
    assert found.relative_file_paths == [each.path for each in found.files]
    assert found.bag_size > 0


@STORAGES
def test_metadata_of_several_files(tmp_path: Path, storage: str) -> None:
    bags = [
        written(tmp_path / "first", ("a1", 1), ("a2", 3), storage=storage),
        written(tmp_path / "second", ("a3", 5), storage=storage),
    ]
    (tmp_path / "both").mkdir()
    for bag in bags:
        (file,) = (each for each in bag.iterdir() if each.suffix != ".yaml")
        file.rename(tmp_path / "both" / file.name)
    found = rosbag2_py.Info().read_metadata(str(tmp_path / "both"), storage)
    assert [each.path for each in found.files] == found.relative_file_paths
    about = [(x.starting_time.nanoseconds, x.duration.nanoseconds) for x in found.files]
    assert about == [(1, 2), (5, 0)]
    assert [each.message_count for each in found.files] == [2, 1]


def test_a_filter_goes_on_where_the_last_one_stood(tmp_path: Path) -> None:
    texts = [("a1", 1), ("b1", 2), ("c1", 2), ("a2", 2), ("b2", 3), ("a3", 4), ("c2", 5)]
    reader = opened(written(tmp_path / "bag", *texts))
    only = rosbag2_py.StorageFilter
    reader.set_filter(only(topics=["a"]))
    assert [reader.read_next()[0] for _ in range(2)] == ["a", "a"]
    assert reader.has_next()  # the next one is chosen already
    reader.set_filter(only(exclude_topics=["a"]))
    assert reader.read_next()[2] == 3
    reader.reset_filter()
    assert rest(reader) == ["a3", "c2"]
    reader.set_filter(only(regex="[bc]", regex_to_exclude="c"))
    reader.seek(2)
    assert rest(reader) == ["b1", "b2"]
    reader.seek(3)
    assert rest(reader) == ["b2"]
    reader.reset_filter()
    reader.seek(2)
    assert rest(reader) == ["b1", "c1", "a2", "b2", "a3", "c2"]
    reader.seek(4)
    reader.set_filter(only(exclude_topics=["b"]))
    assert rest(reader) == ["a3", "c2"]
    with pytest.raises(RuntimeError, match="backwards"):
        reader.set_read_order(rosbag2_py.ReadOrder(reverse=True))


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({"topics": ["a"]}, ["a", "/x/_service_event"]),
        ({"services_events": ["/x/_service_event"]}, ["a", "b", "/x/_service_event"]),
        ({"topics": ["a"], "services_events": ["/y/_service_event"]}, ["a"]),
        ({"topics": ["a"], "regex": "b"}, ["a", "b"]),
        ({"exclude_topics": ["a", "/x/_service_event"]}, ["b", "/x/_service_event"]),
    ],
)
def test_service_events_have_filters_of_their_own(
    tmp_path: Path, chosen: Any, names: list[str]
) -> None:
    writer = rosbag2_py.SequentialWriter()
    writer.open(*options(tmp_path / "bag"))
    for at, name in enumerate(["a", "b", "/x/_service_event"]):
        writer.create_topic(rosbag2_py.TopicMetadata(name=name, type="std_msgs/msg/String"))
        writer.write(name, serialize_message(TEXT()), at)
    writer.close()
    reader = opened(tmp_path / "bag")
    reader.set_filter(rosbag2_py.StorageFilter(**chosen))
    found = []
    while reader.has_next():
        found.append(reader.read_next()[0])
    assert found == names


def test_a_bag_of_this_kit_is_read_as_cdr(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    sent = Imu(linear_acceleration=Vector3(z=9.81))
    with BagWriter(path) as writer:
        about = Channel("/imu", Imu.type_name, schema_text(Imu.schema()))
        writer.write(about, 7, sent.to_json().encode(), 7)
        writer.write(Channel("/own", "other/msg/Own", b"{}"), 8, json.dumps({"a": 1}).encode(), 8)
    reader = opened(path)
    topic, data, time_ns = reader.read_next()
    assert (topic, time_ns) == ("/imu", 7)
    assert deserialize_message(data, class_named(Imu.type_name)).linear_acceleration.z == 9.81
    with pytest.raises(RuntimeError, match=r"a message of /own cannot be read.* other/msg/Own"):
        reader.read_next()
    assert not reader.has_next()


LATCHED = QoSProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL)
YAML = "- history: 1\n  depth: 1\n  reliability: 1\n  durability: 1\n"


@STORAGES
@pytest.mark.parametrize(
    ("profiles", "depth"), [(YAML, 1), ([LATCHED], 2), ([QoSProfile(depth=5)], 0)]
)
def test_the_copy_of_a_latched_topic_is_latched(
    tmp_path: Path, storage: str, profiles: Any, depth: int
) -> None:
    about = rosbag2_py.TopicMetadata(
        name="a", type="std_msgs/msg/String", offered_qos_profiles=profiles
    )
    writer = rosbag2_py.SequentialWriter()
    writer.open(*options(tmp_path / "bag", storage))
    writer.create_topic(about)
    writer.close()
    writer.open(*options(tmp_path / "copy", storage))
    for topic in opened(tmp_path / "bag").get_all_topics_and_types():
        writer.create_topic(topic)
    writer.close()
    (copied,) = open_source([tmp_path / "copy"]).counts()
    assert copied.channel.latched == depth


@STORAGES
def test_what_cannot_be_written_harms_no_other_message(tmp_path: Path, storage: str) -> None:
    writer = rosbag2_py.SequentialWriter()
    writer.open(*options(tmp_path / "bag", storage))
    writer.create_topic(rosbag2_py.TopicMetadata(name="a", type="std_msgs/msg/String"))
    data = serialize_message(TEXT(data="one"))
    wrong: list[tuple[Any, Any]] = [(data, 1.5), (data, -1), (data, 1 << 63), (TEXT(), 1)]
    for message, time_ns in wrong:
        with pytest.raises((TypeError, OverflowError)):
            writer.write("a", message, time_ns)
    seven: Any = np.int64(7)
    writer.write("a", data, seven)
    writer.close()
    assert opened(tmp_path / "bag").read_next() == ("a", data, 7)


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"No storage could be initialized.*no such file"):
        opened(tmp_path / "none")
    path = tmp_path / "one.bag"
    store = get_typestore(Stores.ROS1_NOETIC)
    with Rosbag1(path) as one:
        about = one.add_connection("/a", "std_msgs/msg/String", typestore=store)
        text = store.types["std_msgs/msg/String"](data="x")
        one.write(about, 1, store.serialize_ros1(text, "std_msgs/msg/String"))
    with pytest.raises(RuntimeError, match=r"bag of ROS 1: `dsmq-nodes bag convert`"):
        opened(path)
    reader, writer = rosbag2_py.SequentialReader(), rosbag2_py.SequentialWriter()
    with pytest.raises(RuntimeError, match="not open"):
        reader.has_next()
    with pytest.raises(RuntimeError, match="not open"):
        writer.create_topic(rosbag2_py.TopicMetadata(name="a", type="std_msgs/msg/String"))
    taken = written(tmp_path / "bag", ("a1", 1))
    for wrong in (options(taken), options(tmp_path / "x", "tape")):
        with pytest.raises(RuntimeError, match=r"exists already|no storage 'tape'"):
            writer.open(*wrong)
    writer.open(*options(tmp_path / "y"))
    with pytest.raises(RuntimeError, match="Topic 'a' has not been created yet"):
        writer.write("a", b"", 1)
    with pytest.raises(RuntimeError, match="there is no interface none/msg/None"):
        writer.create_topic(rosbag2_py.TopicMetadata(name="a", type="none/msg/None"))


RECORDER = """
import rclpy
import rosbag2_py
from rclpy.node import Node
from rclpy.serialization import serialize_message
from std_msgs.msg import String

class SimpleBagRecorder(Node):
    def __init__(self):
        super().__init__("simple_bag_recorder")
        self.writer = rosbag2_py.SequentialWriter()
        storage_options = rosbag2_py._storage.StorageOptions(uri="my_bag", storage_id="mcap")
        self.writer.open(storage_options, rosbag2_py._storage.ConverterOptions("", ""))
        topic_info = rosbag2_py._storage.TopicMetadata(
            id=0, name="chatter", type="std_msgs/msg/String", serialization_format="cdr")
        self.writer.create_topic(topic_info)
        self.create_subscription(String, "chatter", self.heard, 10)
        self.create_publisher(String, "chatter", 10).publish(String(data="one"))

    def heard(self, msg):
        self.writer.write("chatter", serialize_message(msg), self.get_clock().now().nanoseconds)
        raise SystemExit  # the bag is closed by the end of the program

rclpy.init()
rclpy.spin(SimpleBagRecorder())
"""
PLAYER = """
import rclpy
import rosbag2_py
from rclpy.node import Node
from std_msgs.msg import String

class SimpleBagReader(Node):
    def __init__(self):
        super().__init__("simple_bag_reader")
        self.reader = rosbag2_py.SequentialReader()
        self.reader.open(rosbag2_py.StorageOptions("my_bag", "mcap"),
                         rosbag2_py.ConverterOptions("", ""))
        self.publisher = self.create_publisher(String, "chatter", 10)
        self.create_subscription(String, "chatter", self.heard, 10)
        self.create_timer(0.1, self.tick)

    def heard(self, msg):
        print(msg.data)
        raise SystemExit

    def tick(self):
        while self.reader.has_next():
            name, data, _ = self.reader.read_next()
            self.publisher.publish(data)

rclpy.init()
rclpy.spin(SimpleBagReader())
"""


def test_a_node_records_and_another_one_publishes_what_it_reads(tmp_path: Path, port: int) -> None:
    write(tmp_path, {"recorder.py": RECORDER, "player.py": PLAYER})
    recorded = run(port, "recorder.py", cwd=tmp_path)
    assert recorded.returncode == 0, recorded.stderr
    assert (tmp_path / "my_bag" / "metadata.yaml").exists()
    played = run(port, "player.py", cwd=tmp_path)
    assert (played.returncode, played.stdout) == (0, "one\n"), played.stderr
