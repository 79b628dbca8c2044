"""Messages in ROS's clothes: what a program for ROS sees of them, and their way over the wire."""

import array
import copy
import json
import math
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dsmq_nodes
from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages import Image, Imu, Message, Service
from dsmq_nodes.messages import String as OurString
from dsmq_nodes.messages.schema.find import standard_interfaces
from dsmq_nodes.messages.schema.interface_folders import add_package
from dsmq_nodes.messages.schema.ros_base import INTEGERS
from dsmq_nodes.rclpy.impl.topics.carrier import carrier_class, carry
from dsmq_nodes.rclpy.interfaces import (
    action_named,
    class_named,
    conversion_of,
    from_ros,
    ros_class,
    service_named,
    to_ros,
)
from dsmq_nodes.rclpy.interfaces.idl_types import AbstractNestedType, Array, NamespacedType
from dsmq_nodes.rclpy.packages.rosidl_runtime_py import set_message_fields
from tests.rclpy import describe_interfaces
from tests.support.referee import referee

SHARE = Path(dsmq_nodes.__file__).parent / "rclpy" / "share"
STANDARD = sorted(name for name in standard_interfaces() if not name.startswith("dsmq"))
SHARED = [f"{p.parts[-3]}/msg/{p.stem}" for p in SHARE.glob("*/msg/*.msg")]
MESSAGES = [*(name for name in STANDARD if "/msg/" in name), *sorted(SHARED)]
ACTIONS = sorted(f"{p.parts[-3]}/action/{p.stem}" for p in SHARE.glob("*/action/*.action"))
Twist = class_named("geometry_msgs/msg/Twist")
String = class_named("std_msgs/msg/String")


def described(names: list[str]) -> dict[str, Any]:
    """What `describe_interfaces` says of ours."""
    kinds: dict[str, Any] = {"msg": class_named, "srv": service_named, "action": action_named}
    found: dict[str, Any] = {}
    for name in names:
        package, kind, short = name.split("/")
        module = types.ModuleType(f"{package}.{kind}")
        setattr(module, short, kinds[kind](name))
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, package, types.ModuleType(package))
            patch.setitem(sys.modules, f"{package}.{kind}", module)
            found[name] = describe_interfaces.interface(name)
    return dict(json.loads(json.dumps(found)))


@pytest.mark.ros2
def test_every_interface_looks_as_real_ros_makes_it() -> None:
    folder = referee()
    share = folder / "share"
    names = sorted(
        f"{path.parts[-3]}/{path.parts[-2]}/{path.stem}"
        for kind in ("msg", "srv", "action")
        for path in share.glob(f"*/{kind}/*.{kind}")
    )
    for package in {name.split("/")[0] for name in names}:
        add_package(package, share / package)
    script = Path(describe_interfaces.__file__)
    python = str(folder / "bin" / "python")
    done = subprocess.run(
        [python, script, *names], capture_output=True, text=True, check=True, timeout=120
    )
    real, ours = json.loads(done.stdout), described(names)
    assert len(names) > 150
    different = {name: (real[name], ours[name]) for name in names if real[name] != ours[name]}
    assert not different, list(different.items())[:3]


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Right values of a field."""
    if isinstance(kind, Array):
        return st.lists(values(kind.value_type), min_size=kind.size, max_size=kind.size)
    if isinstance(kind, AbstractNestedType):
        return st.lists(values(kind.value_type), max_size=getattr(kind, "maximum_size", 3))
    if isinstance(kind, NamespacedType):
        return messages("/".join((*kind.namespaces, kind.name)))
    name = getattr(kind, "typename", "")
    if name in INTEGERS:
        low, high = INTEGERS[name]
        return st.integers(low, high)
    basic: dict[str, st.SearchStrategy[Any]] = {
        "boolean": st.booleans(),
        "octet": st.binary(min_size=1, max_size=1),
        "float": st.floats(width=32, allow_nan=False),
        "double": st.floats(allow_nan=False),
    }
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    return basic.get(name, text)


@st.composite
def messages(draw: st.DrawFn, name: str) -> Any:
    """A message of a type, all fields set."""
    cls = class_named(name)
    pairs = zip(cls.get_fields_and_field_types(), cls.SLOT_TYPES, strict=True)
    return cls(**{field: draw(values(kind)) for field, kind in pairs})


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_that_is_only_a_file_has_its_classes(name: str) -> None:
    made = action_named(name)
    goal = made.Impl.SendGoalService.Request(goal=made.Goal())
    conversion = conversion_of(type(goal))
    assert conversion.from_json(conversion.to_json(goal)) == goal
    assert made.Result() != made.Feedback()


@given(st.data())
def test_a_message_goes_over_the_wire_and_back(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(MESSAGES))
    message = data.draw(messages(name))
    conversion = conversion_of(type(message))
    ours = from_ros(message)
    assert conversion.from_json(conversion.to_json(message)) == message
    assert type(ours).from_json(conversion.to_json(message)) == ours
    assert conversion.from_json(ours.to_json()) == message
    assert to_ros(ours) == message


def test_the_default_of_every_message_is_right_by_its_own_checks() -> None:
    for name in MESSAGES:
        cls = class_named(name)
        assert cls(check_fields=True) == cls()
        conversion = conversion_of(cls)
        assert conversion.from_json(conversion.message_class().to_json()) == cls()


def test_a_large_field_goes_beside_the_text() -> None:
    cls = ros_class(Image)
    image = cls(width=2, data=bytes(range(256)) * 8)
    text, field, raw = conversion_of(cls).to_record(image)
    assert (field, bytes(raw)) == ("data", bytes(range(256)) * 8)
    assert "data" not in json.loads(text)
    back = conversion_of(cls).from_parts(text, memoryview(raw))
    assert back == image
    assert isinstance(back.data, array.array)
    assert Image.from_parts(text, raw).data == raw
    over_a_socket = carry(carrier_class(Image), (text, field, raw)).to_json()
    assert Image.from_json(over_a_socket).data == raw


def test_a_received_array_of_fixed_length_is_one_of_numpy() -> None:
    cls = class_named("sensor_msgs/msg/Imu")
    text = conversion_of(cls).to_json(cls(orientation_covariance=range(9)))
    received = conversion_of(cls).from_json(text)
    assert conversion_of(cls).to_json(received) == text
    received.orientation_covariance[8] = 5.0
    assert received.orientation_covariance.tolist() == [*range(8), 5.0]
    assert copy.deepcopy(received) == received


def test_nan_and_infinity_survive() -> None:
    twist = Twist()
    twist.linear.x, twist.linear.y, twist.linear.z = math.nan, math.inf, -math.inf
    back = conversion_of(Twist).from_json(conversion_of(Twist).to_json(twist)).linear
    assert math.isnan(back.x)
    assert (back.y, back.z) == (math.inf, -math.inf)
    scan = class_named("sensor_msgs/msg/LaserScan")(ranges=[math.inf, 1.0])
    assert conversion_of(type(scan)).from_json(conversion_of(type(scan)).to_json(scan)) == scan


def test_nan_survives_beside_a_field_with_another_name_here(tmp_path: Path) -> None:
    folder = tmp_path / "named_msgs" / "msg"
    folder.mkdir(parents=True)
    (folder / "Named.msg").write_text("string type_name\nfloat64 x\n")
    (folder / "Names.msg").write_text("Named one\nNamed[] more\n")
    add_package("named_msgs", folder.parent)
    named, cls = (class_named(f"named_msgs/msg/{each}") for each in ("Named", "Names"))
    names = cls(one=named(type_name="a", x=math.nan), more=[named(type_name="b", x=math.inf)])
    back = conversion_of(cls).from_json(conversion_of(cls).to_json(names))
    assert repr(back) == repr(names)
    assert repr(to_ros(from_ros(names))) == repr(names)


def test_float32_is_rounded_on_the_way() -> None:
    cls = class_named("std_msgs/msg/Float32")
    assert cls(data=0.1).data == 0.1
    assert to_ros(from_ros(cls(data=0.1))).data == 0.10000000149011612
    assert to_ros(from_ros(cls(data=1e300))).data == math.inf


def test_arrays_are_the_kinds_that_ros_has() -> None:
    joints = class_named("sensor_msgs/msg/JointState")(position=(1, 2.5))
    assert joints.position == array.array("d", [1.0, 2.5])
    joints.position = np.array([[1.0], [2.0]])[:, 0]
    assert joints.position.tolist() == [1.0, 2.0]
    with pytest.raises(TypeError):
        joints.position = np.array([[1.0], [2.0]])
    with pytest.raises(TypeError, match="must be real number, not str"):
        joints.position = ["a"]
    pose = class_named("geometry_msgs/msg/PoseWithCovariance")()
    assert pose.covariance.shape == (36,)
    assert pose.covariance.dtype == np.float64


@pytest.mark.parametrize(
    "data", [b"\1\2", [1, 2], bytearray(b"\1\2"), memoryview(b"\1\2"), np.array([1, 2], np.uint8)]
)
def test_bytes_are_taken_in_every_form(data: Any) -> None:
    image = ros_class(Image)(data=data)
    assert image.data == array.array("B", [1, 2])
    image.data = data
    assert bytes(image.data) == b"\1\2"


def sent(type_name: str, **fields: Any) -> Any:
    """Our message of one in ROS's clothes."""
    return from_ros(class_named(type_name)(**fields))


def test_what_ros_sends_as_garbage_is_converted_or_refused() -> None:
    point = class_named("geometry_msgs/msg/Point")
    assert to_ros(from_ros(point(x=1, y=True, z=np.float32(0.5)))) == point(x=1.0, y=1.0, z=0.5)
    assert sent("std_msgs/msg/Bool", data=np.bool_(1)).data is True
    assert sent("std_msgs/msg/Int8", data=np.int32(5)).data == 5
    for name, value, error in [
        ("std_msgs/msg/Int8", 1000, OverflowError),
        ("std_msgs/msg/UInt8", -1, OverflowError),
        ("std_msgs/msg/Int8", 1.5, TypeError),
        ("std_msgs/msg/Float64", "1.5", TypeError),
        ("std_msgs/msg/Bool", "x", TypeError),
        ("std_msgs/msg/Byte", 5, TypeError),
    ]:
        with pytest.raises(error):
            sent(name, data=value)


@pytest.mark.parametrize("value", [5, None, b"ab"])
def test_another_value_for_a_text_is_pythons_error_with_a_note(value: object) -> None:
    with pytest.raises(TypeError) as found:
        conversion_of(String).to_json(String(data=value))
    assert str(found.value) == "bad argument type for built-in operation"
    assert found.value.__notes__[0].startswith("std_msgs/msg/String: data is to be a str, not ")


def test_another_message_in_a_field() -> None:
    header = class_named("std_msgs/msg/Header")
    pose = class_named("geometry_msgs/msg/PoseStamped")
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'stamp'"):
        from_ros(pose(header=None))
    with pytest.raises(AttributeError, match="'Point' object has no attribute 'position'"):
        from_ros(pose(pose=class_named("geometry_msgs/msg/Point")()))
    same_fields = types.SimpleNamespace(stamp=header().stamp, frame_id="map")
    assert to_ros(from_ros(pose(header=same_fields))).header == header(frame_id="map")


def test_lists_of_texts() -> None:
    name = "sensor_msgs/msg/JointState"
    assert class_named(name)(name="abc").name == "abc"
    assert sent(name, name="abc").name == ["a", "b", "c"]
    assert sent(name, name={"a"}).name == ["a"]
    with pytest.raises(TypeError, match="expected a sequence in 'name'"):
        sent(name, name=None)


def test_a_fixed_array_has_its_length() -> None:
    imu = ros_class(Imu)(orientation_covariance=[0.0] * 8)
    with pytest.raises(ValueError, match="orientation_covariance: 8 items, not 9"):
        from_ros(imu)


def test_a_text_of_another_type_is_no_message() -> None:
    for text in ("{", "[]", '{"dat": "x"}', '{"data": 5}'):
        with pytest.raises(MessageError):
            conversion_of(String).from_json(text)
    assert conversion_of(String).from_json('{"data": "x", "more": 1}') == String(data="x")
    deep = "[" * 1_000_000 + "]" * 1_000_000
    with pytest.raises(MessageError):
        conversion_of(String).from_json(f'{{"data": "x", "more": {deep}}}')


def test_a_message_in_a_field_is_set_anew_and_times_by_the_caller() -> None:
    time = class_named("builtin_interfaces/msg/Time")
    message = class_named("geometry_msgs/msg/PoseStamped")()
    message.pose.position.x = 1.0
    assert set_message_fields(message, {"pose": {"position": {"y": 2.0}}}) == []
    assert (message.pose.position.x, message.pose.position.y) == (0.0, 2.0)
    (later,) = set_message_fields(message, {"header": "auto"}, expand_header_auto=True)
    later(time(sec=3))
    assert message.header.stamp.sec == 3
    told = {"header": {"stamp": "now", "frame_id": "map"}}
    (later,) = set_message_fields(message, told, expand_time_now=True)
    later(time(sec=4))
    assert (message.header.stamp.sec, message.header.frame_id) == (4, "map")
    with pytest.raises(TypeError, match="expected to be a dictionary"):
        set_message_fields(message, {"header": "auto"})


def test_constants_cannot_be_set() -> None:
    status = class_named("diagnostic_msgs/msg/DiagnosticStatus")
    assert (status.OK, status().WARN) == (b"\0", b"\1")
    with pytest.raises(
        AttributeError, match="'OK' of 'Metaclass_DiagnosticStatus' object has no s"
    ):
        status.OK = b"a"
    with pytest.raises(AttributeError, match="'DiagnosticStatus' object attribute 'OK' is read-o"):
        status().OK = b"a"
    assert class_named("geometry_msgs/msg/Quaternion").W__DEFAULT == 1.0


def test_copies_and_subclasses() -> None:
    twist = Twist()
    assert copy.copy(twist).linear is twist.linear
    assert copy.deepcopy(twist).linear is not twist.linear
    assert copy.deepcopy(twist) == twist

    class Mine(String):  # type: ignore[misc,valid-type]
        pass

    assert from_ros(Mine(data="x")).to_json() == '{"data":"x"}'
    for other in (OurString, int):
        with pytest.raises(TypeError):
            conversion_of(other)


def test_services_and_actions() -> None:
    set_bool = service_named("std_srvs/srv/SetBool")
    assert repr(set_bool.Request(data=True)) == "std_srvs.srv.SetBool_Request(data=True)"
    assert set_bool.Request.__name__ == "SetBool_Request"
    assert repr(set_bool) == "<class 'std_srvs.srv._set_bool.SetBool'>"
    assert set_bool.Event(request=[set_bool.Request()]).info.event_type == 0
    with pytest.raises(NotImplementedError, match="Service classes can not be instantiated"):
        set_bool()


def test_a_message_class_of_a_program_has_ros_clothes_too() -> None:
    class Cell(Message, type_name="power_msgs/msg/Cell"):
        volts: float

    class Pack(Message, type_name="power_msgs/msg/Pack"):
        cells: list[Cell] = []
        name: str

    cls = ros_class(Pack)
    assert cls.get_fields_and_field_types() == {
        "cells": "sequence<power_msgs/Cell>",
        "name": "string",
    }
    pack = cls(cells=[ros_class(Cell)(volts=3.5)], name="left")
    assert from_ros(pack) == Pack(cells=[Cell(volts=3.5)], name="left")
    assert repr(pack).startswith("power_msgs.msg.Pack(cells=[power_msgs.msg.Cell(volts=3.5)]")


def test_a_service_class_of_a_program() -> None:
    class Dock(Service, type_name="dock_msgs/srv/Dock"):
        class Request(Message):
            station: str = ""

    for part in (Dock.Request, Dock.Response):
        ros_class(part)
    assert service_named(Dock.type_name).Request(station="a").station == "a"
