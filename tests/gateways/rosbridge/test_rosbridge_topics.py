"""rosbridge: topics, both ways, with every option, in virtual time."""

import base64
import json
import math
import struct
import threading
import zlib
from typing import Any

import cbor2
import pytest
from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.gateways.rosbridge.encoding import publish_frames
from dsmq_nodes.messages import LaserScan, PoseStamped, String, Time
from dsmq_nodes.testing import Graph
from tests.gateways.rosbridge.robots import Bridged, Server, Thing
from tests.gateways.web.hubs import frames, hub_in
from tests.support.waiting import PATIENCE_SEC, until

SCAN = LaserScan(ranges=[1.5, math.inf, math.nan], intensities=[1.0], range_max=math.inf)


def test_a_subscription_has_the_clients_spelling_and_null_for_what_json_does_not_have(
    bridged: Bridged, server: Server
) -> None:
    bridged.send("subscribe", topic="scan", type="sensor_msgs/LaserScan")
    bridged.got()
    server.scan.publish(SCAN)
    (frame,) = bridged.got()
    assert (frame["op"], frame["topic"]) == ("publish", "scan")
    assert frame["msg"]["ranges"] == [1.5, None, None]
    assert frame["msg"]["range_max"] is None
    assert frame["msg"]["header"]["stamp"] == {"sec": 0, "nanosec": 0}


def test_a_text_nan_stays_a_text_and_large_integers_are_exact(
    bridged: Bridged, server: Server
) -> None:
    bridged.send("subscribe", topic="/thing")
    bridged.got()
    server.thing.publish(Thing(name="NaN", weight=math.nan, number=2**62 + 1, pixels=b"\x00\xff"))
    (frame,) = bridged.got()
    expected = {"name": "NaN", "weight": None, "number": 2**62 + 1, "pixels": "AP8="}
    assert frame["msg"] == expected


def test_a_picture_holds_the_text(bridged: Bridged, server: Server) -> None:
    bridged.send("subscribe", topic="/scan", compression="png")
    bridged.got()
    server.scan.publish(SCAN)
    (frame,) = bridged.got()
    assert frame["op"] == "png"
    inner = json.loads(text_of_png(frame["data"]))
    assert inner["msg"]["ranges"] == [1.5, None, None]


def test_a_large_message_is_compressed_while_others_are_served(
    bridged: Bridged, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture of 1.2 MB takes 70 ms as PNG, at each message: STOP and driving waited for it."""
    going_on, compress = threading.Event(), publish_frames.png_frame

    def slowly(text: str) -> str:
        assert going_on.wait(PATIENCE_SEC)
        return compress(text)

    monkeypatch.setattr(publish_frames, "png_frame", slowly)
    bridged.send("subscribe", topic="/thing", compression="png")
    bridged.send("subscribe", topic="/listener")
    bridged.got()
    for number in range(40):
        server.thing.publish(Thing(number=number, pixels=bytes(100_000)))
    bridged.send("publish", topic="/listener", msg={"data": "served"})
    assert [each["msg"] for each in bridged.got()] == [{"data": "served"}]
    queue, numbers = bridged.speaker._topics._subscribed["/thing"].queue, list[int]()
    going_on.set()

    def newest_has_come() -> bool:
        inner = (json.loads(text_of_png(each["data"])) for each in bridged.got(0.1))
        numbers.extend(each["msg"]["number"] for each in inner)
        return numbers[-1:] == [39]

    until(newest_has_come, "the newest picture")
    assert numbers == sorted(numbers)
    assert len(numbers) + queue.dropped == 40


def text_of_png(data: str) -> str:
    """The text in a picture, read as the format says."""
    png = base64.b64decode(data)
    width, height = struct.unpack(">II", png[16:24])
    at, packed = 8, b""
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + size]
        at += size + 12
    rows, row = zlib.decompress(packed), width * 3 + 1
    return b"".join(rows[each * row + 1 : (each + 1) * row] for each in range(height)).decode()


def test_cbor_has_typed_arrays_bytes_and_numbers_that_json_does_not_have(
    bridged: Bridged, server: Server
) -> None:
    for topic in ("/scan", "/thing"):
        bridged.send("subscribe", topic=topic, compression="cbor")
    bridged.got()
    server.scan.publish(SCAN)
    server.thing.publish(Thing(name="NaN", weight=-math.inf, number=2**62 + 1, pixels=b"\x00\xff"))
    scan, thing = (cbor2.loads(each) for each in bridged.got())
    ranges = scan["msg"]["ranges"]
    assert ranges.tag == 85  # float32, little endian
    assert struct.unpack("<3f", ranges.value)[:2] == (1.5, math.inf)
    assert scan["msg"]["range_max"] == math.inf
    expected = {"name": "NaN", "weight": -math.inf, "number": 2**62 + 1, "pixels": b"\x00\xff"}
    assert thing["msg"] == expected


def test_a_client_that_wants_cdr_first_keeps_nobody_waiting(
    bridged: Bridged, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes CDR is imported in 0.2 s, and in seconds on a small machine."""
    imported, whole = threading.Event(), publish_frames.raw_messages

    def slowly() -> Any:
        assert imported.wait(PATIENCE_SEC)
        return whole()

    monkeypatch.setattr(publish_frames, "raw_messages", slowly)
    monkeypatch.setattr(publish_frames, "has_raw_messages", imported.is_set)
    for topic in ("/scan", "/kept"):
        bridged.send("subscribe", id=topic, topic=topic, compression="cbor-raw")
    bridged.send("unsubscribe", topic="/kept")
    bridged.send("subscribe", topic="/listener")
    for each in ("one", "two"):
        bridged.send("publish", topic="/listener", msg={"data": each})
    assert [each["msg"]["data"] for each in bridged.got()] == ["one", "two"]
    imported.set()

    def is_subscribed() -> bool:
        bridged.graph.run_for(0.1)
        return "/scan" in bridged.speaker._topics._subscribed

    until(is_subscribed, "the subscription")
    server.scan.publish(SCAN)
    server.kept.publish(String(data="unwanted"))
    (frame,) = (cbor2.loads(each) for each in bridged.got())
    assert frame["topic"] == "/scan"


def test_cbor_raw_is_the_message_as_ros_2_has_it(bridged: Bridged, server: Server) -> None:
    publish_frames.raw_messages()
    bridged.send("subscribe", topic="/scan", compression="cbor-raw")
    bridged.got()
    server.scan.publish(SCAN)
    (frame,) = (cbor2.loads(each)["msg"] for each in bridged.got())
    assert frame["secs"] > 0
    store: Any = get_typestore(Stores.ROS2_JAZZY)
    scan = store.deserialize_cdr(frame["bytes"], "sensor_msgs/msg/LaserScan")
    assert scan.ranges.tolist()[:2] == [1.5, math.inf]
    assert math.isnan(scan.ranges[2])
    answer = bridged.ask("subscribe", topic="/thing", compression="cbor-raw")
    assert "is unknown for my_msgs/msg/Thing here: use cbor" in answer["msg"]


def test_fragments_join_to_the_message(bridged: Bridged, server: Server) -> None:
    bridged.send("subscribe", topic="/kept", fragment_size=100)
    bridged.got()
    server.kept.publish(String(data="ü" * 500))
    pieces = bridged.got()
    assert [each["op"] for each in pieces] == ["fragment"] * pieces[0]["total"]
    whole = json.loads("".join(each["data"] for each in pieces))
    assert whole["msg"] == {"data": "ü" * 500}


def test_a_throttle_drops_what_comes_too_soon(graph: Graph, bridged: Bridged) -> None:
    server = graph.nodes["/add_two_ints_server"]
    bridged.send("subscribe", topic="/kept", throttle_rate=1000)
    bridged.got()
    for number in range(20):
        server.kept.publish(String(data=str(number)))  # type: ignore[attr-defined]
        graph.run_for(0.25)
    got = [int(each["msg"]["data"]) for each in bridged.got()]
    assert 4 <= len(got) <= 6
    assert got[0] == 0


def test_a_queue_keeps_the_newest_and_sends_them_at_the_rate(
    bridged: Bridged, server: Server
) -> None:
    bridged.send("subscribe", topic="/kept", throttle_rate=1000, queue_length=2)
    bridged.got()
    for number in range(10):
        server.kept.publish(String(data=str(number)))
    first = [each["msg"]["data"] for each in bridged.got(0.1)]
    later = [[each["msg"]["data"] for each in bridged.got(1.0)] for _ in range(3)]
    assert first == ["0"]
    assert later == [["8"], ["9"], []]


def test_a_queue_without_a_throttle_drops_nothing_of_what_comes_together(
    bridged: Bridged, server: Server
) -> None:
    bridged.send("subscribe", topic="/kept", queue_length=1)
    bridged.got()
    for number in range(10):
        server.kept.publish(String(data=str(number)))
    assert [each["msg"]["data"] for each in bridged.got()] == [str(number) for number in range(10)]


def test_what_is_ended_though_it_was_not_there_is_no_error(bridged: Bridged) -> None:
    for op in ("unsubscribe", "unadvertise"):
        bridged.send(op, topic="/nowhere")
    assert bridged.got() == []
    bridged.send("set_level", level="warning")
    for op in ("unsubscribe", "unadvertise"):
        bridged.send(op, topic="/nowhere")
    assert [each["level"] for each in bridged.got()] == ["warning", "warning"]


def test_several_subscriptions_of_a_topic_are_one_with_the_least_of_each_option(
    bridged: Bridged, server: Server
) -> None:
    bridged.send("subscribe", id="a", topic="/kept", throttle_rate=10_000)
    bridged.send("subscribe", id="b", topic="/kept", compression="png")
    bridged.got()
    for number in range(3):
        server.kept.publish(String(data=str(number)))
    assert [each["op"] for each in bridged.got()] == ["png"] * 3
    bridged.send("unsubscribe", id="b", topic="/kept")
    server.kept.publish(String(data="x"))
    assert [each["op"] for each in bridged.got()] == ["publish"]
    bridged.send("unsubscribe", topic="/kept")
    bridged.got()
    server.kept.publish(String(data="y"))
    assert bridged.got() == []
    assert bridged.hub.topic("/kept").subscribers == []  # type: ignore[union-attr]


def test_each_subscription_of_a_latched_topic_begins_with_its_last_message(
    bridged: Bridged, server: Server
) -> None:
    server.kept.publish(String(data="last"))
    for number in ("a", "b"):
        bridged.send("subscribe", id=number, topic="/kept")
        assert [each["msg"]["data"] for each in bridged.got()] == ["last"]


def test_what_a_client_publishes_arrives_with_defaults(bridged: Bridged, server: Server) -> None:
    bridged.send("advertise", topic="/listener", type="std_msgs/String")
    bridged.send("publish", topic="/listener", msg={"data": "hello"})
    bridged.send("publish", topic="/listener", msg={})
    assert bridged.got() == []
    assert [each.data for each in server.heard] == ["hello", ""]
    bridged.send("unadvertise", topic="/listener")
    assert bridged.got() == []
    assert bridged.hub.topic("/listener").publishers == []  # type: ignore[union-attr]


def test_a_known_topic_need_not_be_advertised_and_a_type_of_a_user_is_checked(
    bridged: Bridged, server: Server
) -> None:
    values = {"name": "x", "weight": None, "number": 3.0, "pixels": [0, 255]}
    bridged.send("publish", topic="/things", msg=values)
    assert bridged.got() == []
    (thing,) = server.heard
    assert (thing.name, thing.number, thing.pixels) == ("x", 3, b"\x00\xff")
    assert math.isnan(thing.weight)
    answer = bridged.ask("publish", topic="/things", msg={"weight": "heavy"})
    assert answer["op"] == "status"
    assert (answer["id"], answer["level"]) == ("1", "error")
    assert "weight: expects number, got 'heavy'" in answer["msg"]


def test_times_of_ros_1_and_absent_stamps(graph: Graph, bridged: Bridged) -> None:
    seen = graph.observe(PoseStamped, "pose")
    bridged.send("advertise", topic="/pose", type="geometry_msgs/PoseStamped")
    stamps: list[dict[str, Any]] = [
        {"header": {"seq": 7, "stamp": {"secs": 5, "nsecs": 6}, "frame_id": "map"}},
        {"header": {"stamp": {"sec": 5, "nanosec": 6}}},
        {"header": {"stamp": "now"}},
        {"header": {"stamp": None, "frame_id": "map"}},
        {"pose": {"position": {"x": 1}}},
    ]
    for values in stamps:
        bridged.send("publish", topic="/pose", msg=values)
    assert bridged.got() == []
    assert [each.header.stamp for each in seen[:2]] == [Time(sec=5, nanosec=6)] * 2
    assert all(each.header.stamp.sec > 1e9 for each in seen[2:])
    assert (seen[0].header.frame_id, seen[4].pose.position.x) == ("map", 1.0)
    assert seen[4].pose.orientation.w == 1.0


def test_a_topic_that_a_client_has_advertised_keeps_its_type(bridged: Bridged) -> None:
    bridged.send("advertise", id="a", topic="/chat", type="std_msgs/String")
    bridged.send("advertise", id="b", topic="/chat", type="std_msgs/msg/String")
    assert bridged.got() == []
    told = bridged.ask("advertise", topic="/chat", type="std_msgs/Int32")
    assert "/chat already has the type std_msgs/msg/String" in told["msg"]
    bridged.send("unadvertise", id="a", topic="/chat")
    bridged.send("unadvertise", id="b", topic="/chat")
    assert bridged.got() == []
    bridged.send("set_level", level="warning")
    answer = bridged.ask("unadvertise", topic="/chat")
    assert answer["level"] == "warning"
    assert "is not advertised" in answer["msg"]


def test_clients_that_advertise_other_types_of_a_topic_at_once_are_told(bridged: Bridged) -> None:
    other = Bridged(bridged.graph, bridged.hub)
    for client, kind in ((bridged, "String"), (other, "Int32")):  # before the graph shows it
        client.send("advertise", topic="/chat", type=f"std_msgs/{kind}")
    assert bridged.got() == []
    (told,) = other.got()
    assert "/chat already has the type std_msgs/msg/String" in told["msg"]
    other.leave()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"topic": "/cmd_vel", "msg": {"linear": {"x": "fast"}}}, "linear.x: expects number"),
        ({"topic": "/cmd_vel", "msg": {"liner": {}}}, "liner: there is no such field; did you"),
        ({"topic": "/cmd_vel", "msg": [1]}, "expects an object"),
        ({"topic": "/cmd_vel", "msg": {"linear": {"x": "\ud800"}}}, "linear.x: expects number"),
        ({"topic": "not a name", "msg": {}}, "no topic name"),
        ({"topic": "/nobody", "msg": {}}, "has no type yet"),
        ({"topic": 5, "msg": {}}, "'topic' has to be a text"),
        ({"msg": {}}, "'topic' has to be a text"),
    ],
)
def test_a_wrong_message_is_answered_in_words(
    bridged: Bridged, message: dict[str, Any], reason: str
) -> None:
    bridged.send("advertise", topic="/cmd_vel", type="geometry_msgs/Twist")
    bridged.got()
    answer = bridged.ask("publish", **message)
    assert answer["level"] == "error"
    assert answer["msg"].startswith("publish: ")
    assert reason in answer["msg"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("{", "JSON object"),
        ("[1]", "JSON object"),
        ("{}", "'op'"),
        ('{"op": ["x"]}', "'op'"),
        ('{"op": "fly", "id": 4}', "unknown operation"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00\x01", "text frame"),
        ('{"op": "set_level", "level": "loud"}', "the level has to be"),
        ('{"op": "subscribe", "topic": "/a", "throttle_rate": -5}', "'throttle_rate'"),
        ('{"op": "subscribe", "topic": "/a", "queue_length": "x"}', "'queue_length'"),
        ('{"op": "subscribe", "topic": "/a", "compression": "zip"}', "the compression has to be"),
        ('{"op": "advertise", "topic": "/scan", "type": "std_msgs/String"}', "already"),
        ('{"op": "advertise", "topic": "/b", "type": "std_msgs/Sting"}', "std_msgs/msg/String"),
        (f'{{"op": "advertise", "topic": "/b", "type": "x/{"y" * 300}"}}', "over 255 bytes"),
        ('{"op": "advertise", "topic": "/b", "type": "x/\\u0000"}', "cannot be printed"),
        ('{"op": "advertise", "topic": "/dsmq/x", "type": "std_msgs/String"}', "reserved"),
        ('{"op": "fragment", "id": "f", "data": "x", "num": 3, "total": 2}', "num 0 to total"),
        ('{"op": "fragment", "id": "f", "data": 1, "num": 0, "total": 2}', "a text `data`"),
    ],
)
def test_what_is_no_operation_is_answered_and_harms_nobody(
    bridged: Bridged, data: str | bytes, reason: str
) -> None:
    bridged.got()
    bridged.speaker.receive(data)
    (answer,) = bridged.got()
    assert (answer["op"], answer["level"]) == ("status", "error")
    assert reason in answer["msg"]


def test_the_level_of_status_is_the_clients(bridged: Bridged) -> None:
    bridged.got()
    bridged.send("set_level", level="none")
    bridged.send("fly")
    assert bridged.got() == []
    bridged.send("set_level", level="error")
    bridged.send("subscribe", topic="/scan", type="std_msgs/String")
    (answer,) = bridged.got()
    assert answer["level"] == "error"
    assert "/scan has the type sensor_msgs/msg/LaserScan, not std_msgs/String" in answer["msg"]


def test_fragments_of_a_client_in_any_order(bridged: Bridged, server: Server) -> None:
    text = json.dumps({"op": "publish", "topic": "/listener", "msg": {"data": "whole"}})
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    for number in reversed(range(len(pieces))):
        bridged.send("fragment", id="f", data=pieces[number], num=number, total=len(pieces))
    assert bridged.got() == []
    assert [each.data for each in server.heard] == ["whole"]


def test_a_latched_advertisement_is_kept_for_others(graph: Graph, bridged: Bridged) -> None:
    bridged.send("advertise", topic="/kept2", type="std_msgs/msg/String", latch=True)
    bridged.send("publish", topic="/kept2", msg={"data": "still there"})
    bridged.got()
    other = Bridged(graph, bridged.hub)
    other.send("subscribe", topic="/kept2")
    assert [each["msg"]["data"] for each in other.got()] == ["still there"]
    other.leave()


def test_a_client_that_does_not_read_is_told_what_it_misses_and_costs_nobody(
    graph: Graph, bridged: Bridged, server: Server
) -> None:
    other = Bridged(graph, bridged.hub)
    for each in (bridged, other):
        each.send("set_level", level="warning")
        each.send("subscribe", topic="/kept")
    bridged.got()
    large, received = String(data="x" * 100_000), 0
    for _ in range(100):
        server.kept.publish(large)
        received += len(other.got(0.1))
    assert received == 100
    assert bridged.client.outbox.waiting_bytes < 5 << 20
    answers = bridged.got()
    warnings = [each["msg"] for each in answers if each["op"] == "status"]
    assert "/kept: " in warnings[0]
    assert "dropped" in warnings[0]
    dropped = bridged.client.outbox.dropped["/kept"]
    assert len(answers) - len(warnings) == 100 - dropped
    other.leave()


def test_a_queue_that_waits_for_its_time_is_bounded_in_bytes(
    bridged: Bridged, server: Server
) -> None:
    bridged.send("subscribe", topic="/kept", throttle_rate=100_000, queue_length=1000)
    bridged.got()
    for _ in range(100):
        server.kept.publish(String(data="x" * 100_000))
        bridged.graph.run_for(0.01)
    assert bridged.speaker._topics._bytes.now <= 4 << 20
    bridged.send("unsubscribe", topic="/kept")
    assert bridged.speaker._topics._bytes.now == 0


def test_a_plain_clients_text_is_shown_as_a_string(graph: Graph, bridged: Bridged) -> None:
    bridged.send("subscribe", topic="plain")
    bridged.got()
    publication = graph._link.advertise("/plain", "", 0)
    for text in ("hello", '{"a": NaN}', '{"broken', '{"a": 1}', "5"):
        graph._link.publish(publication, text)
    got = [each["msg"] for each in bridged.got()]
    expected: list[Any] = [{"data": "hello"}, {"a": None}, {"data": '{"broken'}, {"a": 1}]
    assert got == [*expected, {"data": 5}]


def test_a_read_only_gateway_publishes_nothing(graph: Graph, server: Server) -> None:
    bridged = Bridged(graph, hub := hub_in(graph, is_read_only=True))
    assert hub.is_read_only
    bridged.send("publish", topic="/listener", msg={"data": "x"})
    (answer,) = [json.loads(each) for each in frames(bridged.client)]
    assert "read-only" in answer["msg"]
    assert not server.heard
    bridged.leave()


def test_a_client_that_goes_leaves_nothing(bridged: Bridged) -> None:
    bridged.send("subscribe", topic="/scan", throttle_rate=50)
    bridged.send("advertise", topic="/cmd_vel", type="geometry_msgs/Twist")
    bridged.got()
    bridged.leave()
    bridged.graph.run_for(1.0)
    assert not bridged.hub._writers
    assert bridged.hub.topic("/scan").subscribers == []  # type: ignore[union-attr]
