"""Foxglove's protocol: every operation, in virtual time."""

import json
import math
import struct
from typing import Any

import pytest

from dsmq_nodes import Node, Parameter, Parameters
from dsmq_nodes.messages import Clock, Image, LaserScan, Message, PoseStamped, String, Time
from dsmq_nodes.messages.schema import find
from dsmq_nodes.testing import Graph
from dsmq_nodes.tools import offers
from dsmq_nodes.tools.graph_model import GraphModel
from dsmq_nodes.topic_names import REPLY
from tests.gateways.foxglove.viewers import Viewer
from tests.gateways.rosbridge.robots import Server, Thing
from tests.gateways.web.hubs import hub_in

GAIN = "/add_two_ints_server.gain"


def test_a_client_is_told_what_there_is(viewer: Viewer) -> None:
    assert viewer.info["supportedEncodings"] == ["json"]
    assert set(viewer.info["capabilities"]) == {
        *("clientPublish", "parameters", "parametersSubscribe", "services", "connectionGraph"),
    }
    scan = viewer.channels["/scan"]
    assert (scan["encoding"], scan["schemaEncoding"]) == ("json", "jsonschema")
    assert scan["schemaName"] == "foxglove.LaserScan"
    assert json.loads(scan["schema"])["properties"]["timestamp"]["properties"].keys() == {
        "sec",
        "nsec",
    }
    thing = viewer.channels["/thing"]
    assert thing["schemaName"] == "my_msgs/msg/Thing"
    properties = json.loads(thing["schema"])["properties"]
    assert properties["pixels"] == {"type": "string", "contentEncoding": "base64"}
    add = viewer.services["/add_two_ints"]
    assert add["type"] == "my_msgs/srv/AddTwoInts"
    assert json.loads(add["request"]["schema"])["properties"].keys() == {"a", "b"}
    assert not any(name.endswith("parameters") for name in viewer.services)


def test_standard_messages_are_foxgloves_and_others_as_they_are(
    viewer: Viewer, server: Server
) -> None:
    viewer.subscribe("/scan", 5)
    viewer.subscribe("/thing", 6)
    server.scan.publish(LaserScan(ranges=[1.0, math.inf], angle_min=-1.0))
    server.thing.publish(Thing(name="NaN", weight=math.nan))
    ((_, first, stamp_ns, scan), (_, second, _, thing)) = viewer.got()
    assert (first, second) == (5, 6)
    assert stamp_ns > 1e18
    assert scan["start_angle"] == -1.0
    assert scan["ranges"] == [1.0, None]
    assert scan["timestamp"] == {"sec": 0, "nsec": 0}
    assert (thing["name"], thing["weight"]) == ("NaN", None)
    viewer.send("unsubscribe", subscriptionIds=[5])
    viewer.got()
    server.scan.publish(LaserScan())
    assert viewer.got() == []
    assert viewer.hub.topic("/scan").subscribers == []  # type: ignore[union-attr]


class Camera(Node):
    def __init__(self) -> None:
        super().__init__("camera")
        self.out = self.create_publisher(Image, "image", 10)


def test_a_picture_comes_as_it_is(graph: Graph, viewer: Viewer) -> None:
    camera = graph.add(Camera)
    viewer.got(1.0)
    assert viewer.subscribe("/image")["schemaName"] == "foxglove.RawImage"
    camera.out.publish(Image(height=1, width=2, encoding="mono8", step=2, data=b"\x01\xff"))
    ((_, _, _, image),) = viewer.got()
    assert (image["data"], image["encoding"]) == ("Af8=", "mono8")


class Choice(Message, type_name="my_msgs/msg/Choice"):
    value: int | str = 0
    more: list[list[float]] = []
    maybe: float | None = None


class Chooser(Node):
    def __init__(self) -> None:
        super().__init__("chooser")
        self.out = self.create_publisher(Choice, "choice", 10)


def test_a_schema_is_flat_and_a_channel_comes_and_goes_with_its_topic(
    graph: Graph, viewer: Viewer
) -> None:
    node = graph.add(Chooser)
    viewer.got(1.0)
    channel = viewer.channels["/choice"]
    properties = json.loads(channel["schema"])["properties"]
    assert properties["value"] == {"type": "integer"}
    assert properties["maybe"] == {"type": "number"}
    assert properties["more"] == {"type": "array", "items": {"type": "object", "properties": {}}}
    viewer.subscribe("/choice")
    graph.remove(node)
    assert viewer.got(3.0) == []
    assert "/choice" not in viewer.channels
    graph.add(Chooser)
    viewer.got(1.0)
    assert viewer.channels["/choice"]["id"] != channel["id"]


def test_a_client_publishes(graph: Graph, viewer: Viewer, server: Server) -> None:
    seen = graph.observe(PoseStamped, "/goal")
    viewer.advertise("/listener", "std_msgs/String")
    viewer.advertise("/goal", "geometry_msgs/PoseStamped", 2)
    viewer.publish({"data": "hello"})
    viewer.publish({"header": {"stamp": {"sec": 3, "nsec": 4}, "frame_id": "map"}}, 2)
    assert viewer.got() == []
    assert [each.data for each in server.heard] == ["hello"]
    assert seen[0].header.stamp == Time(sec=3, nanosec=4)
    viewer.send("unadvertise", channelIds=[1, 2])
    assert viewer.got() == []
    assert viewer.hub.topic("/listener").publishers == []  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ({"topic": "/listener", "encoding": "cdr", "schemaName": "std_msgs/String"}, "in json"),
        ({"topic": "/scan", "encoding": "json", "schemaName": "std_msgs/String"}, "already"),
        ({"topic": "/x", "encoding": "json", "schemaName": "std_msgs/Sting"}, "std_msgs/msg/Str"),
        ({"topic": "a b", "encoding": "json", "schemaName": "std_msgs/String"}, "no topic name"),
        ({"topic": "/dsmq/x", "encoding": "json", "schemaName": "std_msgs/String"}, "reserved"),
        ({"topic": "/x"}, "the field"),
    ],
)
def test_a_channel_that_cannot_be_is_refused_in_words(
    viewer: Viewer, channel: dict[str, Any], reason: str
) -> None:
    viewer.send("advertise", channels=[{"id": 1, **channel}])
    (status,) = viewer.got()
    assert (status["op"], status["level"]) == ("status", 2)
    assert reason in status["message"]


def test_many_channels_of_types_that_are_not_there_hold_nobody_up(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 of them, each compared with every type of the kit, held STOP up for 2 minutes."""
    compared: list[str] = []
    monkeypatch.setattr(find, "nearest", lambda _, known: compared.extend(known))
    wrong = {"encoding": "json", "schemaName": "std_msgs/Sting"}
    channels = [{"id": number, "topic": f"/x{number}", **wrong} for number in range(101)]
    viewer.send("advertise", channels=channels[:-1])
    assert ["no type" in status["message"] for status in viewer.got()] == [True] * 100
    assert 0 < len(compared) < 100 * len(find.standard_interfaces()) // 5
    viewer.send("advertise", channels=channels)
    (status,) = viewer.got()
    assert "channels has 101 items; the limit is 100" in status["message"]


@pytest.mark.parametrize(
    ("data", "level", "reason"),
    [
        ("{", 2, "no JSON"),
        ("[1]", 2, "JSON object"),
        ('{"op": "fly"}', 2, "there is no operation 'fly'"),
        ('{"op": ["fly"]}', 2, "there is no operation"),
        ('{"op": "subscribe"}', 2, "the field 'subscriptions' is missing"),
        ('{"op": "subscribe", "subscriptions": [{"id": 1, "channelId": 9999}]}', 1, "no channel"),
        ('{"op": "subscribe", "subscriptions": 5}', 2, "subscriptions has to be a list, not 5"),
        ('{"op": "unsubscribe", "subscriptionIds": "xxxx"}', 2, "has to be a list, not 'xxxx'"),
        (json.dumps({"op": "unadvertise", "channelIds": [7] * 10_001}), 2, "the limit is 10000"),
        ('{"op": "unsubscribe", "subscriptionIds": [77]}', 1, "no subscription 77"),
        ('{"op": "unadvertise", "channelIds": [77]}', 1, "no channel 77"),
        ('{"op": "getParameters"}', 2, "the field 'parameterNames' is missing"),
        ('{"op": "subscribe", "subscriptions": [{"id": "x"}]}', 2, "32 bits, not 'x'"),
        ('{"op": "fetchAsset", "uri": "x", "requestId": 4294967296}', 2, "32 bits, not 42949"),
        ("[" * 100_000, 2, "nested too deeply"),
        (b"", 2, "no binary operation"),
        (b"\x09abc", 2, "no binary operation 09"),
        (b"\x01ab", 2, "too short"),
        (b"\x01\x05\x00\x00\x00{}", 2, "no channel 5 of this client"),
        (b"\x02" + struct.pack("<III", 1, 1, 100) + b"json", 2, "an encoding of 100 bytes"),
        (b"\x02" + struct.pack("<III", 1, 1, 1) + b"\xff", 2, "utf-8"),
    ],
)
def test_what_is_no_message_is_answered_and_harms_nobody(
    viewer: Viewer, data: str | bytes, level: int, reason: str
) -> None:
    viewer.speaker.receive(data)
    (status,) = viewer.got()
    assert (status["op"], status["level"]) == ("status", level)
    assert reason in status["message"]
    viewer.subscribe("/scan")


def test_a_message_that_does_not_fit_is_refused_with_its_field(
    viewer: Viewer, server: Server
) -> None:
    viewer.advertise("/things", "my_msgs/Thing")
    viewer.publish({"weight": "heavy"})
    viewer.publish([1])
    viewer.publish({"pixels": "no base64!"})
    reasons = [each["message"] for each in viewer.got()]
    assert "weight: expects number, got 'heavy'" in reasons[0]
    assert "expects an object" in reasons[1]
    assert "pixels: bytes are standard base64" in reasons[2]
    viewer.publish({"weight": 2})
    assert viewer.got() == []
    assert [each.weight for each in server.heard] == [2.0]


def test_services_are_called_and_say_why_not(viewer: Viewer) -> None:
    number = viewer.services["/add_two_ints"]["id"]
    answer = viewer.call("/add_two_ints", {"a": 2, "b": 40})
    assert answer == ("response", number, 7, "json", {"sum": 42})
    for values, reason in (({"a": "x"}, "a: expects integer"), ({"c": 1}, "no such field")):
        failure = viewer.call("/add_two_ints", values)
        assert (failure["op"], failure["callId"]) == ("serviceCallFailure", 7)
        assert reason in failure["message"]
    assert "cannot be switched off" in viewer.call("/switch", {"data": False})["message"]
    assert "there is no service" in viewer.call("/nobody", {})["message"]
    assert "in json" in viewer.call("/switch", {}, "cdr")["message"]


def parameters_in(frame: Any) -> dict[str, Any]:
    assert frame["op"] == "parameterValues"
    return {each["name"]: each for each in frame["parameters"]}


def test_parameters_are_read_set_refused_and_followed(viewer: Viewer) -> None:
    viewer.send("getParameters", parameterNames=[], id="all")
    (values,) = viewer.got(2.0)
    assert values["id"] == "all"
    assert parameters_in(values)[GAIN] == {"name": GAIN, "value": 1.0, "type": "float64"}
    viewer.send("subscribeParameterUpdates", parameterNames=[GAIN])
    assert viewer.got() == []
    viewer.send("setParameters", parameters=[{"name": GAIN, "value": 3}], id="set")
    values = viewer.got(2.0)
    assert all(parameters_in(each)[GAIN]["value"] == 3.0 for each in values)
    assert [each.get("id") for each in values].count("set") == 1
    assert len(values) == 2  # the answer, and the change
    viewer.send("setParameters", parameters=[{"name": GAIN, "value": 30}], id="set")
    status, values = viewer.got(2.0)
    assert status["level"] == 2
    assert f"{GAIN}: " in status["message"]
    assert "less than or equal to 10" in status["message"]
    assert parameters_in(values)[GAIN]["value"] == 3.0
    viewer.send("setParameters", parameters=[{"name": "/nobody.x", "value": 1}])
    (status,) = viewer.got(2.0)
    assert "no node has such a parameter" in status["message"]
    viewer.send("unsubscribeParameterUpdates", parameterNames=[GAIN])
    viewer.got()


class Limited(Node):
    """Has a parameter that is infinite."""

    class Params(Parameters):
        limit: float = math.inf

    def __init__(self) -> None:
        super().__init__("limited")


def test_an_infinite_parameter_is_shown_as_a_text(graph: Graph, viewer: Viewer) -> None:
    graph.add(Limited)
    viewer.got()
    viewer.send("getParameters", parameterNames=["/limited.limit"])
    (values,) = viewer.got(2.0)
    assert values["parameters"] == [{"name": "/limited.limit", "value": "Infinity"}]
    viewer.send("setParameters", parameters=[{"name": "/limited.limit", "value": "2"}], id="set")
    (values,) = viewer.got(2.0)
    assert parameters_in(values)["/limited.limit"]["value"] == 2.0


def test_a_request_of_many_parameters_walks_the_graph_for_none_of_them(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9,999 names held all other clients of the gateway up for 1.6 s."""
    walks: list[object] = []
    services = offers.services

    def counted(graph: GraphModel, *, hidden: bool = False) -> dict[str, offers.Offer]:
        walks.append(graph)
        return services(graph, hidden=hidden)

    monkeypatch.setattr(offers, "services", counted)
    names = [GAIN, *(f"/nobody.x{number}" for number in range(1000))]
    viewer.send("getParameters", parameterNames=names, id="many")
    (values,) = viewer.got(2.0)
    assert list(parameters_in(values)) == [GAIN]
    viewer.send("setParameters", parameters=[{"name": name, "value": 1} for name in names[1:]])
    assert len(viewer.got(2.0)) == 1000
    assert len(walks) < 10


def test_a_request_to_set_without_an_id_has_no_answer(viewer: Viewer) -> None:
    """Foxglove's own param-client sets again after each answer, and took two for each."""
    viewer.send("setParameters", parameters=[{"name": GAIN, "value": 2}])
    assert viewer.got(2.0) == []
    viewer.send("subscribeParameterUpdates", parameterNames=[GAIN])
    viewer.got(2.0)
    viewer.send("setParameters", parameters=[{"name": GAIN, "value": 3}])
    (values,) = viewer.got(2.0)
    assert parameters_in(values)[GAIN]["value"] == 3.0
    viewer.send("setParameters", parameters=[{"name": GAIN, "value": 30}])
    status, values = viewer.got(2.0)
    assert (status["op"], values.get("id")) == ("status", None)
    assert parameters_in(values)[GAIN]["value"] == 3.0


def test_a_change_by_somebody_else_is_told_without_a_question(
    graph: Graph, viewer: Viewer, server: Server
) -> None:
    other = Viewer(graph, viewer.hub, viewer.connect)
    viewer.send("subscribeParameterUpdates", parameterNames=[])
    viewer.got(2.0)
    calls: list[str] = []
    ask = viewer.hub.call

    async def counted(name: str, body: str = "{}", *, timeout_sec: float = 10.0) -> str:
        calls.append(name)
        return await ask(name, body, timeout_sec=timeout_sec)

    viewer.hub.call = counted  # type: ignore[method-assign]
    server.set_parameters([Parameter("gain", value=7.0)])
    (values,) = viewer.got(1.0)
    assert parameters_in(values) == {GAIN: {"name": GAIN, "value": 7.0, "type": "float64"}}
    for each in (viewer, other):
        each.send("getParameters", parameterNames=[GAIN], id="1")
        found = [frame for frame in each.got(1.0) if frame["op"] == "parameterValues"]
        assert parameters_in(found[-1])[GAIN]["value"] == 7.0
    assert calls == []
    other.leave()


def test_a_node_that_is_started_again_is_asked_again(
    graph: Graph, viewer: Viewer, server: Server
) -> None:
    viewer.send("setParameters", parameters=[{"name": GAIN, "value": 3}], id="set")
    viewer.got(2.0)
    graph.remove(server)
    graph.run_for(1.0)
    graph.add(Server)
    viewer.got(1.0)
    viewer.send("getParameters", parameterNames=[GAIN], id="1")
    assert parameters_in(viewer.got(2.0)[-1])[GAIN]["value"] == 1.0


def test_the_connection_graph_is_told_and_then_its_changes(graph: Graph, viewer: Viewer) -> None:
    viewer.send("subscribeConnectionGraph")
    (whole,) = viewer.got()
    server = "/add_two_ints_server"
    published = {each["name"]: each["publisherIds"] for each in whole["publishedTopics"]}
    subscribed = {each["name"]: each["subscriberIds"] for each in whole["subscribedTopics"]}
    served = {each["name"]: each["providerIds"] for each in whole["advertisedServices"]}
    assert published["/scan"] == subscribed["/things"] == served["/switch"] == [server]
    node = graph.add(Chooser)
    changes = viewer.got(1.0)
    added = [each["name"] for change in changes for each in change["publishedTopics"]]
    assert "/choice" in added
    assert "/scan" not in added
    graph.remove(node)
    assert "/choice" in [name for each in viewer.got(1.0) for name in each["removedTopics"]]
    viewer.send("unsubscribeConnectionGraph")
    graph.add(Chooser)
    assert viewer.got(1.0) == []


class Clocked(Node):
    def __init__(self) -> None:
        super().__init__("clocked")
        self.out = self.create_publisher(Clock, "/clock", 1)


def test_the_time_is_sent_where_there_is_a_clock(graph: Graph, viewer: Viewer) -> None:
    node = graph.add(Clocked)
    graph.run_for(0.5)
    other = Viewer(graph, viewer.hub, viewer.connect)
    other.got()
    assert "time" in other.info["capabilities"]
    node.out.publish(Clock(clock=Time(sec=5, nanosec=250_000_000)))
    assert ("time", 5_250_000_000) in other.got()
    other.leave()


def test_a_clock_that_comes_later_is_followed_by_clients_that_are_there(
    graph: Graph, viewer: Viewer
) -> None:
    viewer.got()
    assert "time" not in viewer.info["capabilities"]
    before, channels = viewer.info["sessionId"], dict(viewer.channels)
    node = graph.add(Clocked)
    viewer.got(1.0)
    assert "time" in viewer.info["capabilities"]
    assert viewer.info["sessionId"] != before, "what was shown has times of another clock"
    assert channels.items() <= viewer.channels.items()
    node.out.publish(Clock(clock=Time(sec=7)))
    assert ("time", 7_000_000_000) in viewer.got()
    told = viewer.info
    graph.remove(node)
    graph.add(Clocked)
    viewer.got(1.0)
    assert viewer.info is told, "it is told once"


def test_assets_are_refused(viewer: Viewer) -> None:
    viewer.send("fetchAsset", uri="package://robot/mesh.stl", requestId=3)
    ((kind, request, status, text),) = viewer.got()
    assert (kind, request, status) == ("asset", 3, 1)
    assert "no assets" in text


def test_a_client_that_does_not_read_is_told_what_it_misses_and_costs_nobody(
    graph: Graph, viewer: Viewer, server: Server
) -> None:
    other = Viewer(graph, viewer.hub, viewer.connect)
    other.got()
    for each in (viewer, other):
        each.subscribe("/kept")
    large, received = String(data="x" * 100_000), 0
    for _ in range(100):
        server.kept.publish(large)
        received += len(other.got(0.1))
    assert received == 100
    assert viewer.client.outbox.waiting_bytes < 5 << 20
    got = viewer.got()
    statuses = [each for each in got if isinstance(each, dict)]
    assert statuses[0]["level"] == 1
    assert "/kept: " in statuses[0]["message"]
    assert {each["id"] for each in statuses} == {"dropped /kept"}
    assert len(got) - len(statuses) == 100 - viewer.client.outbox.dropped["/kept"]
    other.leave()


def test_a_message_that_is_not_of_its_type_is_dropped_and_told(
    graph: Graph, viewer: Viewer
) -> None:
    viewer.subscribe("/scan")
    publication = graph._link.advertise("/scan", "sensor_msgs/msg/LaserScan", 0)
    graph._link.publish(publication, '{"no": "scan"}')
    (status,) = viewer.got()
    assert "no sensor_msgs/msg/LaserScan" in status["message"]


def test_a_read_only_gateway_offers_to_look(graph: Graph, server: Server) -> None:
    viewer = Viewer(graph, hub_in(graph, is_read_only=True))
    viewer.got(1.0)
    assert "clientPublish" not in viewer.info["capabilities"]
    assert not viewer.services
    viewer.advertise("/listener", "std_msgs/String")
    viewer.send("setParameters", parameters=[{"name": GAIN, "value": 3}], id="1")
    frames = viewer.got(2.0)
    assert [each["level"] for each in frames if each["op"] == "status"] == [2, 2]
    assert all("read-only" in each["message"] for each in frames if each["op"] == "status")
    assert server.params.gain == 1.0
    viewer.subscribe("/scan")
    viewer.leave()


def test_a_client_that_goes_leaves_nothing(viewer: Viewer) -> None:
    viewer.subscribe("/scan")
    viewer.advertise("/listener", "std_msgs/String")
    viewer.got()
    viewer.leave()
    viewer.graph.run_for(1.0)
    assert not viewer.hub._writers
    assert viewer.hub.topic("/scan").subscribers == []  # type: ignore[union-attr]
    viewer.speaker = viewer.connect(viewer.client)  # for the fixture to end


def test_the_time_is_exact(graph: Graph, viewer: Viewer) -> None:
    node = graph.add(Clocked)
    graph.run_for(0.5)
    late = Viewer(graph, viewer.hub, viewer.connect)
    late.got(0.5)
    node.out.publish(Clock(clock=Time(sec=1_700_000_000, nanosec=123_456_789)))
    assert ("time", 1_700_000_000_123_456_789) in late.got()
    late.leave()


def test_a_refused_subscription_can_be_asked_for_again(viewer: Viewer) -> None:
    channel = viewer.channels["/scan"]["id"]
    many = [{"id": number, "channelId": channel} for number in range(1001)]
    viewer.send("subscribe", subscriptions=many)
    (refused,) = viewer.got()
    assert "at most" in refused["message"]
    viewer.send("unsubscribe", subscriptionIds=[0])
    viewer.send("subscribe", subscriptions=many[1000:])
    assert viewer.got() == []


def test_a_parameter_that_changes_while_all_are_asked_for_is_told_as_it_is_then(
    graph: Graph, viewer: Viewer, server: Server
) -> None:
    graph.faults(f"/add_two_ints_server/describe_parameters{REPLY}", delay_sec=1.0)
    viewer.send("getParameters", parameterNames=[GAIN], id="first")
    graph.run_for(0.5)  # the values have come, their descriptors not yet
    server.set_parameters([Parameter("gain", value=7.0)])
    (values,) = viewer.got(2.0)
    assert parameters_in(values)[GAIN]["value"] == 7.0
    viewer.send("getParameters", parameterNames=[GAIN], id="second")
    (values,) = viewer.got(2.0)
    assert parameters_in(values)[GAIN]["value"] == 7.0
