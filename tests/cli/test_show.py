"""Messages as text; the golden texts are those of ros2 where ros2 has the form."""

import json
from typing import Generic, TypeVar

import pytest

from dsmq_nodes.cli.show.message_text import Style
from dsmq_nodes.errors import CommandError
from dsmq_nodes.messages import Message
from tests.cli.conftest import Place

SCAN = {
    "header": {"frame_id": "laser"},
    "ranges": [1.0, 0.5, 1e-05],
    "note": "a: b, c",
    "poses": [{"x": 1}, {"x": 2}],
    "ok": True,
}
T = TypeVar("T")
BARE = {"name": [], "position": [0.5], "effort": []}


class Leaf(Message):
    name: str = ""


class Tree(Message):
    height: int = 0
    branches: list["Tree"] = []
    leaf: Leaf = Leaf()


class Twig(Message):
    length: float = 0.0


class Holder(Message, Generic[T]):
    value: T


class Crate(Message):
    held: Holder[Leaf]
    either: list[Leaf | Twig] = []


@pytest.mark.parametrize(
    ("style", "shown"),
    [
        (
            Style(),
            "header:\n  frame_id: laser\nranges:\n- 1.0\n- 0.5\n- 1.0e-05\nnote: 'a: b, c'\n"
            "poses:\n- x: 1\n- x: 2\nok: true\n---",
        ),
        (
            Style(flow=True),
            "{header: {frame_id: laser}, ranges: [1.0, 0.5, 1.0e-05], note: 'a: b, c',"
            " poses: [{x: 1}, {x: 2}], ok: true}\n---",
        ),
        (Style(form="csv"), 'laser,1.0,0.5,1e-05,"a: b, c",1,2,True'),
        (Style(form="json"), json.dumps(SCAN, separators=(",", ":"))),
        (Style(field="header"), "frame_id: laser\n---"),
        (Style(field="header.frame_id"), "laser\n---"),
        (Style(field="ranges"), "- 1.0\n- 0.5\n- 1.0e-05\n---"),
        (Style(field="ranges[1]"), "0.5\n---"),
        (Style(field="poses[1].x", form="csv"), "2"),
        (
            Style(arrays=False, strings=False, field="header"),
            "frame_id: '<string length: <5>>'\n---",
        ),
        (Style(arrays=False, field="ranges"), "<sequence type: double, length: 3>\n---"),
    ],
)
def test_a_message_in_every_style(style: Style, shown: str) -> None:
    assert style.show(json.dumps(SCAN)) == shown


def test_an_empty_list_has_a_column_as_in_ros2() -> None:
    assert Style(form="csv").show(json.dumps(BARE)) == ",0.5,"


def test_long_lists_and_texts_are_cut_unless_asked_for_whole() -> None:
    text = json.dumps({"data": list(range(200)), "text": "x" * 200})
    assert Style().show(text).endswith(f"- 127\n- '...'\ntext: {'x' * 128}...\n---")
    assert "- 199\n" in Style(longest=None).show(text)


@pytest.mark.parametrize("text", ["0. Hello, world", "", "5", "{not json", "[" * 100_000, "NaN"])
def test_a_text_that_is_no_message_is_shown_as_it_is(text: str) -> None:
    assert Style(longest=None).show(text) == f"{text}\n---"


def test_what_a_terminal_would_act_on_is_not_shown() -> None:
    assert Style().show("\x1b[2J gone") == "\\u001b[2J gone\n---"
    assert "\x1b" not in Style().show('{"data": "\\u001b[2J"}')


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("header.frame", "header has no field 'frame'; did you mean 'frame_id'?"),
        ("heder", "the message has no field 'heder'; did you mean 'header'?"),
        ("ranges[3]", "ranges is a list of 3: no [3] in it"),
        ("ranges.x", "ranges is a list of 3: no x in it"),
        ("header[0]", "header is no list, it has fields; there is: frame_id"),
        ("note.x", "note has no parts"),
    ],
)
def test_a_field_that_is_not_there_is_told_which_are(path: str, said: str) -> None:
    with pytest.raises(CommandError) as error:
        Style(field=path).show(json.dumps(SCAN))
    assert str(error.value) == f"--field {path}: {said}"


def test_a_type_may_be_named_by_its_class(mall: Place) -> None:
    name, values = "/mall/add_two_ints", "{a: 2, b: 3}"
    for its_class, expected in (("AddTwoInts", 0), ("Countdown", 1)):
        type_name = f"tests.cli.small_graph:{its_class}"
        _, errors, status = mall.here("service", "call", name, type_name, values)
        assert status == expected, errors
    told, errors, status = mall.here("topic", "find", "std_msgs/msg/Boool")
    assert (told, errors, status) == ("", "no topic is of type std_msgs/msg/Boool\n", 0)


def test_a_type_that_is_within_itself_is_shown_once(nowhere: Place) -> None:
    shown, errors, status = nowhere.here("interface", "show", "tests.cli.test_show:Tree")
    assert (status, errors) == (0, "")
    assert shown == "int64 height\nTree[] branches\nLeaf leaf\n\tstring name\n"


def test_each_type_in_a_field_of_several_is_shown(nowhere: Place) -> None:
    shown, errors, status = nowhere.here("interface", "show", "tests.cli.test_show:Crate")
    assert (status, errors) == (0, "")
    assert shown == (
        "Holder[Leaf] held\n\tLeaf value\n\t\tstring name\n"
        "(Leaf | Twig)[] either\n"
        "\t# tests/msg/Leaf\n\tstring name\n\t# tests/msg/Twig\n\tfloat64 length\n"
    )


def test_a_class_that_is_no_interface(nowhere: Place) -> None:
    _, errors, status = nowhere.here("interface", "show", "tests.cli.small_graph:Shop")
    assert status == 1
    assert errors.endswith("small_graph:Shop is a class, but no message, service or action\n")
