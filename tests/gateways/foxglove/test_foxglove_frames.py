"""Foxglove's binary frames and flat schemas: properties."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.gateways.foxglove import binary_frames as frames
from dsmq_nodes.gateways.foxglove.flat_schema import flat_schema
from dsmq_nodes.messages.schema.find import kits_interface, standard_interfaces
from dsmq_nodes.messages.schema.foxglove_types import CONVERSIONS, schema_of

U32 = st.integers(0, 2**32 - 1)


@given(st.binary())
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        found = frames.read_binary(data)
    except ValueError:
        return
    assert found.payload in data


@given(U32, U32, st.text(max_size=10), st.binary())
def test_a_call_is_read_as_it_was_written(
    service: int, call: int, encoding: str, payload: bytes
) -> None:
    written = encoding.encode("utf-8", "replace")
    head = struct.pack("<BIII", 2, service, call, len(written))
    found = frames.read_binary(head + written + payload)
    assert found == (service, call, written.decode(), payload)


@given(U32, st.integers(-5, 2**70), st.binary())
def test_a_message_is_written_whatever_its_stamp(number: int, stamp_ns: int, body: bytes) -> None:
    kind, told, stamp = struct.unpack_from("<BIQ", frames.message_data(number, stamp_ns, body))
    assert (kind, told) == (1, number)
    assert stamp == min(max(stamp_ns, 0), 2**64 - 1)


def test_every_schema_of_the_kit_is_flat() -> None:
    for name in standard_interfaces():
        cls = kits_interface(name)
        for part in ("Request", "Response", "Goal", "Result", "Feedback"):
            if hasattr(cls, part):
                check(flat_schema(getattr(cls, part).schema()))
        if hasattr(cls, "schema"):
            check(flat_schema(cls.schema()))
    for name, _ in CONVERSIONS.values():
        check(schema_of(name))


def check(schema: dict[str, Any]) -> None:
    """As the viewers' parser does: an object, and only what it knows."""
    assert schema["type"] == "object"
    for field in schema["properties"].values():
        check_field(field)


def check_field(field: dict[str, Any]) -> None:
    assert not field.keys() & {"$ref", "anyOf", "oneOf", "allOf"}
    kind = field["type"]
    if kind == "object":
        check(field)
    elif kind == "array":
        assert field["items"]["type"] != "array"
        assert "contentEncoding" not in field["items"]
        check_field(field["items"])
    else:
        assert kind in {"string", "number", "integer", "boolean"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "$ref", "$defs", "enum", "const", "x"]
            ),
            inner | st.sampled_from(["object", "array", "string", "#/$defs/x"]),
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "$defs", "$ref"]), JSON))
def test_whatever_a_peer_tells_as_a_schema_is_made_flat(schema: dict[str, Any]) -> None:
    found = flat_schema(schema)
    check(found)
    json.dumps(found)


@pytest.mark.parametrize("either", ["anyOf", "oneOf"])
def test_of_several_types_the_first_is_shown(either: str) -> None:
    first = {"type": "object", "properties": {"x": {"type": "number"}}}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {either: [{"$ref": "#/$defs/A"}]}},
    }
    assert flat_schema(schema | {"$defs": {"A": first}})["properties"]["a"] == first


def test_a_schema_that_contains_itself_ends() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}
    schema["$defs"] = {"A": schema}
    check(flat_schema(schema))
    loop = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert flat_schema(loop) == {"type": "object", "properties": {}}


def test_a_schema_that_would_grow_without_end_is_cut() -> None:
    twice = {"type": "object", "properties": {name: {"$ref": "#/$defs/A"} for name in "abcdef"}}
    assert len(json.dumps(flat_schema({**twice, "$defs": {"A": twice}}))) < 1_000_000
