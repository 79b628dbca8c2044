"""One set of rules for YAML: what is written is read as the same, by YAML 1.1 too."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.graph.parameters.parameter import Parameter
from dsmq_nodes.graph.parameters.parameter_files import dump_parameters
from dsmq_nodes.graph.parameters.parameter_store import flat
from dsmq_nodes.graph.parameters.yaml12 import plain_value, to_yaml
from dsmq_nodes.graph.parameters.yaml_source import parse

NUMBER_LIKE = ["1e5", "0012e4", "5e-06", ".5e3", "0o17", "0x1F", "010", "1_000", "12:30", "1e400"]
OTHERS = ["on", "~", "null", "", " a", ".inf", "nan", "!!str off", "&a", "*a", "- x", "a: b", "# c"]
ODD = [
    "\t",
    "a\nb",
    "\u2028",
    "\x1b[2J",
    "🤖",
    "🤖: ok\n",
    "\ue000",
    "\u202e",
    "=",
    "<<",
    "2026-11-26",
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    NUMBER_LIKE + OTHERS + ODD
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([1e6, 1.0, 1e-6, 1e20, -0.0])
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | NUMBERS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), st.booleans())
def test_what_is_written_is_read_as_the_same(value: dict[str, Any], flow: bool) -> None:
    text = to_yaml(value, flow=flow)
    document = parse(text, "f.yaml")
    assert (repr(document.data), document.problems) == (repr(value), [])  # NaN is not itself
    assert repr(yaml.safe_load(text)) == repr(value)


def test_it_is_readable() -> None:
    value = {"data": "🤖 ok", "ranges": [1.0, math.inf], "name": "1e5", "empty": [], "text": "a\nb"}
    assert to_yaml(value) == (
        "data: 🤖 ok\nranges:\n- 1.0\n- .inf\nname: '1e5'\nempty: []\ntext: \"a\\nb\"\n"
    )


def test_a_list_that_stands_twice_is_written_twice() -> None:
    gains = [1.0]
    assert "&" not in to_yaml({"a": gains, "b": gains})


@pytest.mark.parametrize(
    ("text", "value"), [("1e5", 1e5), ("0o17", 15), ("010", 10), ("on", "on"), ("-.5", -0.5)]
)
def test_a_plain_text_is_what_yaml_1_2_says(text: str, value: object) -> None:
    assert (plain_value(text), type(plain_value(text))) == (value, type(value))


def test_a_parameter_and_a_group_of_its_name_are_both_kept() -> None:
    deep = ".".join("abcdefghijklmnopqrstuvwxyz")
    parameters = [Parameter(name, None, 1) for name in ("pid", "pid.kp", deep)]
    document = parse(dump_parameters("/n", parameters), "f.yaml")
    assert not document.problems
    assert isinstance(document.data, dict)
    values = flat(document.data["/n"]["ros__parameters"])
    found = [Parameter(name, None, value) for name, value in values.items()]
    assert sorted(map(repr, found)) == sorted(map(repr, parameters))


def test_the_tags_of_text_and_bytes_are_understood() -> None:
    document = parse("a: !!str 5\nb: !!binary aGk=\nc: !!binary abc\nd: !!int 5\n", "f.yaml")
    assert document.data == {"a": "5", "b": [104, 105], "c": [], "d": "5"}
    assert [each.line for each in document.problems] == [3, 4]
