"""Every standard message becomes a ROS object and comes back; whatever does not fit is refused."""

import json
import math
import os
import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsmq_nodes.messages import Float32, Message
from tests.gateways.ros2.ros_world import ros_environment
from tests.support import message_values
from tests.support.programs import Running
from tests.support.referee import referee

pytestmark = pytest.mark.ros2

# What ROS has no package for, or has it elsewhere than in the wheels.
_NOT_THERE = ("control_msgs/", "dsmq_msgs/", "foxglove_msgs/", "example_interfaces/")


class Converter:
    """`ros_converter.py` in real rclpy."""

    def __init__(self) -> None:
        python = str(referee() / "bin" / "python")
        module = "tests.gateways.ros2.ros_converter"
        self._running = Running([python, "-m", module], env=ros_environment(), stdin=-1)

    def convert(self, type_name: str, text: str) -> list[str]:
        stdin = self._running.process.stdin
        assert stdin is not None
        stdin.write(f"{type_name}\t{text}\n")
        stdin.flush()
        line = self._running.wait_for("")
        self._running.lines.clear()
        return line.string.split("\t")

    def close(self) -> None:
        assert self._running.process.stdin is not None
        self._running.process.stdin.close()
        self._running.close()


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    converter = Converter()
    yield converter
    converter.close()


def standard() -> list[type[Message]]:
    return [
        kind
        for kind in message_values.STANDARD
        if not kind.type_name.startswith(_NOT_THERE) and "/msg/" in kind.type_name
    ]


@pytest.mark.parametrize("kind", standard(), ids=lambda kind: kind.type_name)
@settings(
    max_examples=20 if os.environ.get("CI") else 10,
    suppress_health_check=[*HealthCheck],
)
@given(data=st.data())
def test_every_standard_message_comes_back(
    converter: Converter, kind: type[Message], data: st.DataObject
) -> None:
    with np.errstate(over="ignore"):
        check(converter, kind, data.draw(message_values.of(kind)))


def check(converter: Converter, kind: type[Message], message: Message) -> None:
    text = message.to_json()
    if "\\u0000" in text:
        return  # ROS ends a text there, so it is refused
    answers = converter.convert(kind.type_name, text)
    assert answers[0] != "error", answers[1]
    for answer in answers:
        assert same(kind.from_json(answer).to_json(), text)


def same(one: str, other: str) -> bool:
    found, expected = rounded(json.loads(one)), rounded(json.loads(other))
    return bool(found == expected)


def rounded(value: Any) -> Any:
    """With every number as a float32 has it: both texts come through the same fields."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if isinstance(value, float):
        found = float(np.float32(value))
        return found if math.isfinite(found) else "Infinity" if value > 0 else "-Infinity"
    return value


def digits(value: float) -> int:
    """How many digits it is written with."""
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
@settings(max_examples=200, suppress_health_check=[*HealthCheck])
def test_a_float32_comes_back_as_it_went(converter: Converter, value: float) -> None:
    shortest = float(f"{value:.9g}")
    text = Float32(data=shortest).to_json()
    once, twice = converter.convert("std_msgs/msg/Float32", text)
    for answer in (once, twice):
        again = Float32.from_json(answer).data
        assert struct.pack("f", again) == struct.pack("f", value)
        assert digits(again) <= digits(shortest)


@pytest.mark.parametrize(
    ("type_name", "text", "why"),
    [
        ("std_msgs/msg/Int8", '{"data":128}', "data: expected int8, not 128"),
        ("std_msgs/msg/Int8", '{"data":1.5}', "data: expected int8, not 1.5"),
        ("std_msgs/msg/Int8", '{"data":true}', "data: expected int8, not True"),
        ("std_msgs/msg/Float64", '{"data":"1"}', "data: expected a number, not '1'"),
        ("std_msgs/msg/Bool", '{"data":1}', "data: expected true or false, not 1"),
        ("std_msgs/msg/String", '{"data":7}', "data: expected a text, not 7"),
        ("std_msgs/msg/String", '{"data":"a\\u0000b"}', "data: ROS ends a text at its first NUL"),
        ("std_msgs/msg/Header", '{"stamp":{"sec":"x"}}', "stamp.sec: expected int32"),
        ("std_msgs/msg/Header", '{"stamp":3}', "stamp: expected a message, not 3"),
        ("sensor_msgs/msg/LaserScan", '{"ranges":{}}', "ranges: expected a list"),
        ("sensor_msgs/msg/LaserScan", '{"ranges":["x"]}', "ranges: expected a number"),
        ("sensor_msgs/msg/Imu", '{"orientation_covariance":[1.0]}', "expected 9 elements"),
        ("sensor_msgs/msg/Image", '{"data":"%%"}', "data: "),
        ("nav_msgs/msg/OccupancyGrid", '{"data":[300]}', "data: "),
        ("std_msgs/msg/String", "[]", "it is not a JSON object"),
        ("std_msgs/msg/String", '{"data":', "it is not a JSON object"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(
    converter: Converter, type_name: str, text: str, why: str
) -> None:
    kind, told = converter.convert(type_name, text)
    assert kind == "error"
    assert why in told
