"""ROS's `.msg`, `.srv` and `.action` texts: read, made into classes, written as Python."""

import math
import warnings
from types import ModuleType
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages import fields
from dsmq_nodes.messages.schema import from_definition
from dsmq_nodes.messages.schema.definition import message_definition
from dsmq_nodes.messages.schema.find import find_type
from dsmq_nodes.messages.schema.from_definition import (
    annotation_text,
    default_text,
    message_from_definition,
    short_name,
)
from dsmq_nodes.messages.schema.interface_text import (
    BASES,
    FieldType,
    MessageDefinition,
    MessageField,
    read_interface,
)
from dsmq_nodes.messages.schema.python_source import Interface, python_module

TEXT = """\
# A battery.
# It has cells.

uint8 FULL = 2  # charged
string WORD="a # b" # said
float32 LOW=1.5
bool ON=true

Header header
geometry_msgs/Point[3] points
float64[<=2] volts [1.5, 2] # V
# how it is called
string<=5 name "x, y"
string[] words ["a, b", 'c']
bool[2] flags [true, false]
byte[] raw
uint8[4] id
char letter 0x41
int64 far -9223372036854775808
@optional
wstring wide
"""


def definition(text: str, name: str = "power_msgs/msg/Battery") -> MessageDefinition:
    return read_interface(text, name)[0]


def test_the_times_of_ros_1_are_those_of_ros_2() -> None:
    fields = definition("Header header\ntime begin\nduration[2] steps").fields
    assert [each.type.base for each in fields] == [
        "std_msgs/msg/Header",
        "builtin_interfaces/msg/Time",
        "builtin_interfaces/msg/Duration",
    ]


def test_a_text_is_read() -> None:
    found = definition(TEXT)
    assert found.comment == "A battery.\nIt has cells."
    assert [(each.name, each.value) for each in found.constants] == [
        ("FULL", 2),
        ("WORD", "a # b"),
        ("LOW", 1.5),
        ("ON", True),
    ]
    fields = {each.name: each for each in found.fields}
    assert fields["header"].type == FieldType("std_msgs/msg/Header")
    assert fields["points"].type == FieldType("geometry_msgs/msg/Point", is_list=True, size=3)
    assert fields["volts"].type == FieldType("float64", is_list=True, limit=2)
    assert fields["name"] == MessageField(
        "name", FieldType("string", 5), "x, y", "how it is called"
    )
    defaults = {name: each.default for name, each in fields.items() if each.default is not None}
    assert defaults == {
        "volts": [1.5, 2.0],
        "name": "x, y",
        "words": ["a, b", "c"],
        "flags": [True, False],
        "letter": 65,
        "far": -(2**63),
    }


def test_services_and_actions_have_parts() -> None:
    service = read_interface("bool a\n---\nstring b\n", "a_msgs/srv/Do")
    assert [each.type_name for each in service] == [
        "a_msgs/srv/Do_Request",
        "a_msgs/srv/Do_Response",
    ]
    with pytest.raises(MessageError, match="line 4: "):
        read_interface("bool a\n---\n\nuint8 b 300\n", "a_msgs/srv/Do")
    action = read_interface("---\n---\nOther at\n", "a_msgs/action/Go")
    assert action[2].fields[0].type.base == "a_msgs/msg/Other"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("float64", "line 1: not a line of TYPE NAME: 'float64'"),
        ("\nuint8 a 300", "line 2: 300 is no uint8: that is 0 to 255"),
        ("bool a maybe", "'maybe' is neither true nor false"),
        ("int32<=3 a", "<= is a limit of texts, not of int32"),
        ("Point p 1", "a field with a message has no default of its own"),
        ("int8[] a 1", "a default of a list is written [1, 2]"),
        ("int8 a\nint8 a", "there are two fields 'a'"),
        ("int8 a\n---\n", ".msg has no line of ---, not 1"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text: str, reason: str) -> None:
    with pytest.raises(MessageError) as found:
        definition(text)
    assert str(found.value).startswith("power_msgs/msg/Battery: ")
    assert reason in str(found.value)


def standard(name: str) -> Any:
    return find_type(name)


def said(annotation: Any) -> list[Any]:
    """An annotation in parts that compare."""
    parts = [annotation, *getattr(annotation, "__metadata__", ())]
    inner = [said(each) for each in get_args(annotation) if isinstance(each, type)]
    return [*[getattr(each, "name", repr(get_args(each) or each)) for each in parts[1:]], inner]


def test_a_field_as_an_object_is_what_its_text_says() -> None:
    names = {**vars(fields), "Annotated": Annotated, "Field": Field}
    for field in definition(TEXT).fields:
        if field.type.is_message:
            names[short_name(field.type.base)] = standard(field.type.base)
        made = from_definition._annotation(field.type, standard)
        assert said(made) == said(eval(annotation_text(field.type), names)), field.name
        default = from_definition._default(field, standard)
        assert default == eval(default_text(field), names), field.name


def test_a_class_is_made_that_says_the_same() -> None:
    told = definition(TEXT)
    made: Any = message_from_definition(told, standard)
    assert made.type_name == "power_msgs/msg/Battery"
    message = made()
    assert (message.name, message.volts, message.flags, message.id) == (
        "x, y",
        [1.5, 2.0],
        [True, False],
        bytes(4),
    )
    assert len(message.points) == 3
    assert made.WORD == "a # b"
    again = message_definition(made)
    assert [(each.name, each.type) for each in again.fields] == [
        (each.name, each.type) for each in told.fields
    ]
    with pytest.raises(MessageError):
        made.from_json('{"name": "too long"}')


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(BASES)),
            st.none() | st.integers(1, 9),
            st.sampled_from(["", "[]", "[3]", "[<=4]"]),
        ),
        max_size=6,
    )
)
def test_every_type_is_written_and_read_again(kinds: list[tuple[str, int | None, str]]) -> None:
    lines = []
    for at, (base, limit, shape) in enumerate(kinds):
        limited = f"<={limit}" if limit and base.endswith("string") else ""
        lines.append(f"{base}{limited}{shape} f{at}")
    told = definition("\n".join(lines))
    made = message_from_definition(told, standard)
    assert made.from_json(made().to_json()) == made()
    again = message_definition(made)
    assert [each.type for each in again.fields] == [each.type for each in told.fields]
    source = python_module([Interface(told.type_name, [told])], "battery", "Made.").text
    written = message_definition(loaded(source, "battery").Battery)
    assert [each.type for each in written.fields] == [each.type for each in told.fields]


def loaded(source: str, name: str) -> Any:
    found = ModuleType(name)
    with warnings.catch_warnings(action="error"):
        exec(compile(source, f"{name}.py", "exec"), vars(found))
    return found


def test_a_module_is_written_in_the_order_of_need() -> None:
    texts = {
        "arm_msgs/msg/All": "Joint[] joints\nHome home\nother_msgs/Thing x\nstd_msgs/Empty empty",
        "arm_msgs/msg/Joint": "float64 angle 0.5 # rad",
        "arm_msgs/msg/Home": "bool there",
        "arm_msgs/msg/Empty": "",
        "arm_msgs/srv/Home": "bool now true\n---\nHome place\n",
        "arm_msgs/action/Reach": "Joint to\n---\nbool done\n---\nJoint at\n",
    }
    interfaces = [Interface(name, read_interface(text, name)) for name, text in texts.items()]
    made = python_module(interfaces, "arm_msgs", "Made.")
    assert made.missing == ["other_msgs"]
    assert "    angle: float64 = 0.5  # rad\n" in made.text
    assert "from dsmq_nodes.messages.std import Empty as StdMsgsEmpty" in made.text
    assert made.text.index("class Joint(") < made.text.index("class All(")
    source = made.text.replace("from other_msgs import Thing", "Thing = Message")
    module = loaded(source, "arm_msgs")
    assert {getattr(module, name).type_name for name in module.__all__} == set(texts)
    assert module.HomeSrv.Request().now is True


def test_what_python_has_other_words_for() -> None:
    texts = {
        "a_msgs/msg/Field": "float64 NONE=nan\nfloat64[] ends [-inf, 1]\nfloat64 first nan",
        "a_msgs/msg/User": "string<=5 name\nField field\nb_msgs/Annotated other",
    }
    interfaces = [Interface(name, read_interface(text, name)) for name, text in texts.items()]
    made = python_module(interfaces, "a_msgs", "Made.")
    other = "from b_msgs import Annotated as BMsgsAnnotated"
    assert other in made.text
    source = made.text.replace(other, "").replace("__all__", "BMsgsAnnotated = Message\n__all__")
    module = loaded(source, "a_msgs")
    found = module.User()
    assert found.field.ends == [-math.inf, 1.0]
    assert math.isnan(found.field.first)
    assert math.isnan(type(found.field).NONE)
    with pytest.raises(MessageError):
        module.User(name="too long")


def test_names_that_a_message_has_itself() -> None:
    told = definition("string type_name")
    named: Any = message_from_definition(told, standard)
    assert named.from_json('{"type_name": "x"}').type_name_ == "x"
    assert named(type_name="x").to_json() == '{"type_name":"x"}'
    arrays = definition("int8[] array")
    made: Any = message_from_definition(arrays, standard)
    assert made(array=[1]).to_json() == '{"array":[1]}'


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("type_name", "type_name_"),
        ("class", "class_"),
        ("array", "array"),
        ("copy", "copy"),
        ("list", "list_"),
        ("int32", "int32_"),
    ],
)
def test_an_imported_field_keeps_its_name_for_others(name: str, attribute: str) -> None:
    (words,) = read_interface(f"int32 {name}\nint32[2] {name}s\n", "a/msg/Words")
    written = python_module([Interface(words.type_name, [words])], "a", "")
    for words_type in loaded(written.text, "a").Words, message_from_definition(words, standard):
        message = words_type(**{name: 3})
        assert getattr(message, attribute) == 3
        assert message.to_json() == f'{{"{name}":3,"{name}s":[0,0]}}'
        assert message_definition(words_type).fields == words.fields


def test_a_type_in_a_circle_is_refused() -> None:
    one = definition("Two two", "a_msgs/msg/One")
    two = definition("One one", "a_msgs/msg/Two")
    with pytest.raises(MessageError, match="holds itself"):
        python_module([Interface(each.type_name, [each]) for each in (one, two)], "a", "")
