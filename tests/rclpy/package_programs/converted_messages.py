"""rosidl_runtime_py: messages as YAML, dicts and CSV, set from dicts; classes by their names."""
# mypy: ignore-errors

import json

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseWithCovariance
from rosidl_runtime_py import (
    get_action_interfaces,
    get_interfaces,
    get_message_interfaces,
    get_message_slot_types,
    get_service_interfaces,
    message_to_csv,
    message_to_ordereddict,
    message_to_yaml,
    set_message_fields,
)
from rosidl_runtime_py.utilities import (
    get_action,
    get_interface,
    get_message,
    get_service,
    is_action,
    is_message,
    is_service,
)
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float32, Float64, Header, String
from std_srvs.srv import SetBool
from test_msgs.msg import BasicTypes, BoundedSequences


def tried(what, call, *args):
    try:
        print(what, call(*args))
    except Exception as error:
        print(what, type(error).__name__, str(error).split(";")[0])


status = DiagnosticStatus(level=b"\2", values=[KeyValue(key="k", value="a long value")])
for message in (
    Header(frame_id="a long name"), BasicTypes(byte_value=b"\xff", char_value=50), status,
    JointState(name=["a", "b"], position=[1.0]), Image(data=bytes(range(9)), encoding="rgb8"),
    PoseWithCovariance(), BoundedSequences(string_values=["a", "b"], byte_values=[b"2"]),
    String(data='a: "b"\nc'), String(data="yes"), String(data="ü"), Float32(data=0.1),
    Float64(data=float("nan")),
):  # fmt: skip
    for given in ({}, {"truncate_length": 2}, {"no_arr": True, "no_str": True}):
        print(message_to_yaml(message, **given), message_to_csv(message, **given), sep="")
        print(json.dumps(message_to_ordereddict(message, **given)))
    print(message_to_yaml(message, flow_style=True))
print(list(get_message_slot_types(Header())))


def set_to(message, values, *given):
    times = set_message_fields(message, values, *given)
    return message_to_csv(message), times


for message, values in (
    (Header(), {"stamp": {"sec": 1}}), (Header(), {"stamp": "now"}), (Header(), {"nope": 1}),
    (Header(), 3), (JointState(), {"name": ["a"], "position": [1, 2]}), (String(), {"data": 5}),
    (Image(), {"data": [1, 2]}), (PoseWithCovariance(), {"covariance": [1.0] * 36}),
    (status, {"values": [{"key": "x"}, {"value": "y"}]}), (status, {"level": b"\1"}),
    (JointState(), {"name": "ab"}), (JointState(), {"name": ("a", "b")}),
):  # fmt: skip
    tried(str(values), set_to, message, values)
tried("array", set_to, JointState(), {"header": "auto", "position": np.array([1.0, 2.0])}, True, True)  # fmt: skip
for name in (
    "std_msgs/msg/String", "std_msgs/String", "std_msgs/msg/Nope", "nope/msg/String", "String", "",
    "std_srvs/srv/SetBool", "std_srvs/SetBool", "test_msgs/action/Fibonacci",
):  # fmt: skip
    for get in (get_message, get_service, get_action, get_interface):
        tried((get.__name__[4:], name), get, name)
print([(is_message(each), is_service(each), is_action(each)) for each in (String, SetBool, 3)])
for get in (get_interfaces, get_message_interfaces, get_service_interfaces, get_action_interfaces):
    known = get(["std_srvs", "std_msgs", "test_msgs"])
    print(get.__name__, sorted(known), sorted(known.get("std_srvs", ())))
    tried(get.__name__, get, ["nope"])
