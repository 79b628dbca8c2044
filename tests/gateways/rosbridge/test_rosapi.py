"""rosapi: every service, by a graph in virtual time."""

import json
from enum import Enum
from typing import Any

import pytest

from dsmq_nodes import Node
from dsmq_nodes.gateways.web.parameter_calls import read_parameters
from dsmq_nodes.messages import Bool, Message
from dsmq_nodes.testing import Graph
from tests.gateways.rosbridge.robots import Bridged, UnsetRobot
from tests.gateways.web.hubs import done


class Gear(Enum):
    FIRST = "first"


class Gearbox(Message):
    gear: Gear = Gear.FIRST
    clutch: Bool = Bool()


class Gearboxes(Node):
    def __init__(self) -> None:
        super().__init__("gearboxes")
        self.create_publisher(Gearbox, "gearbox", 10)


def test_an_enumeration_is_a_field_of_its_values_type(graph: Graph, bridged: Bridged) -> None:
    graph.add(Gearboxes)
    bridged.got()
    found = bridged.call("/rosapi/message_details", {"type": Gearbox.type_name})["typedefs"]
    types = [dict(zip(each["fieldnames"], each["fieldtypes"], strict=True)) for each in found]
    assert types == [{"clutch": "tests/Bool", "gear": "string"}, {"data": "bool"}]


def test_topics(bridged: Bridged) -> None:
    topics = bridged.call("/rosapi/topics")
    types = dict(zip(topics["topics"], topics["types"], strict=True))
    assert types["/scan"] == "sensor_msgs/msg/LaserScan"
    assert types["/thing"] == "my_msgs/msg/Thing"
    assert not any("/_" in name for name in types)
    for name in ("sensor_msgs/LaserScan", "sensor_msgs/msg/LaserScan"):
        assert bridged.call("/rosapi/topics_for_type", {"type": name}) == {"topics": ["/scan"]}
    assert bridged.call("/rosapi/topic_type", ["/thing"]) == {"type": "my_msgs/msg/Thing"}
    assert bridged.call("/rosapi/topic_type", {"topic": "/no"}) == {"type": ""}
    server = "/add_two_ints_server"
    assert bridged.call("/rosapi/publishers", {"topic": "/scan"}) == {"publishers": [server]}
    assert bridged.call("/rosapi/subscribers", {"topic": "/things"}) == {"subscribers": [server]}
    raw = bridged.call("/rosapi/topics_and_raw_types")
    text = dict(zip(raw["topics"], raw["typedefs_full_text"], strict=True))["/scan"]
    assert "float32[] ranges" in text
    assert "=" * 80 + "\nMSG: std_msgs/Header\n" in text


def test_services_and_nodes(bridged: Bridged) -> None:
    server = "/add_two_ints_server"
    assert "/add_two_ints" in bridged.call("/rosapi/services")["services"]
    found = bridged.call("/rosapi/services_for_type", {"type": "std_srvs/SetBool"})
    assert found == {"services": ["/switch"]}
    asked = {"service": "/add_two_ints"}
    kind = "my_msgs/srv/AddTwoInts"
    assert bridged.call("/rosapi/service_type", asked) == {"type": kind}
    assert bridged.call("/rosapi/service_node", asked) == {"node": server}
    assert bridged.call("/rosapi/service_providers", asked) == {"providers": [server]}
    assert bridged.call("/rosapi/service_node", {"service": "/no"}) == {"node": ""}
    assert server in bridged.call("/rosapi/nodes")["nodes"]
    details = bridged.call("/rosapi/node_details", {"node": server})
    assert "/scan" in details["publishing"]
    assert "/things" in details["subscribing"]
    assert "/switch" in details["services"]
    assert bridged.call("/rosapi/action_servers") == {"action_servers": ["/fibonacci"]}
    kind = "my_msgs/action/Fibonacci"
    assert bridged.call("/rosapi/action_type", {"action": "/fibonacci"}) == {"type": kind}
    assert bridged.call("/rosapi/action_type", {"action": "/no"}) == {"type": ""}
    found = set(bridged.call("/rosapi/interfaces")["interfaces"])
    assert {kind, "my_msgs/msg/Thing", "my_msgs/srv/AddTwoInts", "std_msgs/msg/Bool"} <= found


@pytest.mark.parametrize(
    ("package", "numbers"), [("my_msgs", "int64[]"), ("example_interfaces", "int32[]")]
)
def test_the_parts_of_actions(bridged: Bridged, package: str, numbers: str) -> None:
    for part, field, kind in (
        ("goal", "order", numbers[:-2]),
        ("result", "sequence", numbers),
        ("feedback", "sequence", numbers),
    ):
        asked = {"type": f"{package}/Fibonacci"}
        (told,) = bridged.call(f"/rosapi/action_{part}_details", asked)["typedefs"]
        assert told["type"] == f"{package}/Fibonacci_{part.capitalize()}"
        assert told["fieldnames"] == [field]
        assert told["fieldtypes"] == [kind.removesuffix("[]")]


def test_types(bridged: Bridged) -> None:
    (twist, vector) = bridged.call("/rosapi/message_details", {"type": "geometry_msgs/Twist"})[
        "typedefs"
    ]
    assert twist["type"] == "geometry_msgs/Twist"
    assert twist["fieldnames"] == ["linear", "angular"]
    assert twist["fieldtypes"] == ["geometry_msgs/Vector3"] * 2
    assert (twist["fieldarraylen"], twist["examples"]) == ([-1, -1], ["{}", "{}"])
    assert (vector["type"], vector["fieldtypes"]) == ("geometry_msgs/Vector3", ["float64"] * 3)
    (imu, *_) = bridged.call("/rosapi/message_details", {"type": "sensor_msgs/msg/Imu"})["typedefs"]
    assert 9 in imu["fieldarraylen"]
    (battery, *_) = bridged.call("/rosapi/message_details", {"type": "sensor_msgs/BatteryState"})[
        "typedefs"
    ]
    constants = dict(zip(battery["constnames"], battery["constvalues"], strict=True))
    assert constants["POWER_SUPPLY_STATUS_FULL"] == "4"
    (thing,) = bridged.call("/rosapi/message_details", {"type": "my_msgs/Thing"})["typedefs"]
    types = dict(zip(thing["fieldnames"], thing["fieldtypes"], strict=True))
    assert types == {"name": "string", "weight": "float64", "number": "int64", "pixels": "uint8"}
    lengths = dict(zip(thing["fieldnames"], thing["fieldarraylen"], strict=True))
    assert lengths == {"name": -1, "weight": -1, "number": -1, "pixels": 0}
    for part, fields in (("request", ["data"]), ("response", ["success", "message"])):
        asked = {"type": "std_srvs/SetBool"}
        (found,) = bridged.call(f"/rosapi/service_{part}_details", asked)["typedefs"]
        assert found["fieldnames"] == fields
    asked = {"type": "my_msgs/AddTwoInts"}
    (found,) = bridged.call("/rosapi/service_request_details", asked)["typedefs"]
    assert found["fieldnames"] == ["a", "b"]


GAIN = "/add_two_ints_server:gain"


def test_parameters_of_nodes(bridged: Bridged) -> None:
    assert GAIN in bridged.call("/rosapi/get_param_names")["names"]
    assert json.loads(bridged.call("/rosapi/get_param", {"name": GAIN})["value"]) == 1.0
    set_ = bridged.call("/rosapi/set_param", {"name": GAIN, "value": "4"})
    assert set_ == {"successful": True, "reason": ""}
    assert json.loads(bridged.call("/rosapi/get_param", {"name": GAIN})["value"]) == 4.0
    refused = bridged.call("/rosapi/set_param", {"name": GAIN, "value": "40"})
    assert refused["successful"] is False
    assert "less than or equal to 10" in refused["reason"]
    assert bridged.call("/rosapi/has_param", {"name": GAIN}) == {"exists": True}
    assert bridged.call("/rosapi/has_param", {"name": GAIN + "s"}) == {"exists": False}


@pytest.mark.parametrize("name", [GAIN + "s", "/nobody:x", "/foo"])
def test_a_parameter_that_is_not_there(bridged: Bridged, name: str) -> None:
    found = bridged.call("/rosapi/get_param", {"name": name})
    assert (found["value"], found["successful"]) == ("null", False)
    default: dict[str, Any] = {"name": name, "default_value": "5"}
    assert bridged.call("/rosapi/get_param", default)["value"] == "5"


def test_parameters_of_no_node(bridged: Bridged) -> None:
    assert bridged.call("/rosapi/set_param", {"name": "/foo", "value": '{"a": 1}'})["successful"]
    assert "/foo" in bridged.call("/rosapi/get_param_names")["names"]
    assert bridged.call("/rosapi/get_param", {"name": "/foo"})["value"] == '{"a": 1}'
    assert bridged.call("/rosapi/delete_param", {"name": "/foo"})["successful"]
    assert bridged.call("/rosapi/has_param", {"name": "/foo"}) == {"exists": False}
    large = {"name": "/foo", "value": json.dumps("x" * 100_000)}
    assert "may have at most" in bridged.call("/rosapi/set_param", large)["reason"]
    assert not bridged.call("/rosapi/set_param", {"name": "/foo", "value": "{"})["successful"]


def test_time_and_version(bridged: Bridged) -> None:
    assert bridged.call("/rosapi/get_time")["time"]["sec"] > 1e9
    assert bridged.call("/rosapi/get_ros_version")["version"] == 2


def test_what_a_client_has_just_advertised_is_in_its_next_answer(bridged: Bridged) -> None:
    bridged.send("advertise", topic="/new", type="std_msgs/String")
    assert "/new" in bridged.call("/rosapi/topics")["topics"]


def test_the_parameters_of_a_program_for_rclpy_of_which_one_has_no_value(
    graph: Graph, bridged: Bridged
) -> None:
    graph.add(UnsetRobot)
    found = done(graph, read_parameters(bridged.client, "/unset"))
    assert {name: each.value for name, each in found.items()} == {"gain": 1.5, "mode": None}
    for name, exists in (("gain", True), ("mode", False), ("nothing", False)):
        answer = bridged.call("/rosapi/has_param", {"name": f"/unset:{name}"})
        assert answer == {"exists": exists}
    answer = bridged.call("/rosapi/get_param", {"name": "/unset:nothing"})
    reason = "/unset has no parameter 'nothing'"
    assert answer == {"value": "null", "successful": False, "reason": reason}
