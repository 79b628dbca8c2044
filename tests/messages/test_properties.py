"""Whatever a message holds comes back the same."""

import math

from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.messages import (
    BatteryState,
    CompressedImage,
    Header,
    JointState,
    Message,
    String,
    Time,
    Vector3,
)

# JSON text is UTF-8: it cannot hold half a surrogate pair.
texts = st.text(st.characters(exclude_categories=["Cs"]))
floats = st.floats()
times = st.builds(Time, sec=st.integers(-(2**31), 2**31 - 1), nanosec=st.integers(0, 2**32 - 1))
headers = st.builds(Header, stamp=times, frame_id=texts)


class Everything(Message):
    header: Header = Header()
    flag: bool = False
    count: int = 0
    values: list[float] = []
    points: list[Vector3] = []
    raw: bytes = b""
    chunks: list[bytes] = []


def alike(one: object, two: object) -> bool:
    """Return whether two values are equal and of one type, NaN being equal to NaN."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(alike(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(alike, one, two))
    if isinstance(one, float) and isinstance(two, float):
        same_sign = math.copysign(1, one) == math.copysign(1, two)
        return (math.isnan(one) and math.isnan(two)) or (one == two and same_sign)
    return type(one) is type(two) and one == two


def assert_round_trip(message: Message) -> None:
    kind = type(message)
    for again in (
        kind.from_json(message.to_json()),
        kind.from_json(message.to_json().encode()),
        kind.from_dict(message.to_dict()),
    ):
        assert alike(again.model_dump(), message.model_dump())


@given(texts)
def test_text(data: str) -> None:
    assert_round_trip(String(data=data))


@given(headers, st.binary(), texts)
def test_bytes(header: Header, data: bytes, kind: str) -> None:
    assert_round_trip(CompressedImage(header=header, format=kind, data=data))


@given(st.builds(Vector3, x=floats, y=floats, z=floats))
def test_floats(vector: Vector3) -> None:
    assert_round_trip(vector)


@given(headers, st.lists(texts), st.lists(floats))
def test_lists(header: Header, name: list[str], position: list[float]) -> None:
    assert_round_trip(JointState(header=header, name=name, position=position))


@given(floats, st.integers(0, 255), st.booleans(), st.lists(floats))
def test_many_fields(voltage: float, status: int, present: bool, cells: list[float]) -> None:
    assert_round_trip(
        BatteryState(
            voltage=voltage, power_supply_status=status, present=present, cell_voltage=cells
        )
    )


@given(
    st.builds(
        Everything,
        header=headers,
        flag=st.booleans(),
        count=st.integers(),
        values=st.lists(floats),
        points=st.lists(st.builds(Vector3, x=floats)),
        raw=st.binary(),
        chunks=st.lists(st.binary()),
    )
)
def test_own_messages(message: Everything) -> None:
    assert_round_trip(message)


def test_every_byte() -> None:
    data = bytes(range(256)) * 3
    assert_round_trip(CompressedImage(data=data))
