"""Which message types the compiled codec has a plan for; the others are left to pydantic."""

import sys
from types import GenericAlias
from typing import Annotated, Any, Self

import pytest
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializeAsAny,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from dsmq_nodes.messages import Header, Message, Path
from dsmq_nodes.messages.codec import codec
from dsmq_nodes.messages.fields import Matrix3x3
from dsmq_nodes.speedups import make_plan
from tests.messages.test_codec import assert_equal_dump, assert_equal_load, compiled, told
from tests.support.message_values import STANDARD


@compiled
def test_the_standard_types_have_a_plan_except_those_with_bytes() -> None:
    without = {cls.__name__ for cls in STANDARD if codec(cls) is None}
    assert without == {
        *(
            "CompressedImage",
            "Image",
            "PointCloud2",
            "ByteMultiArray",
            "UInt8MultiArray",
            "UUID",
            "MeshFile",
        ),
        *("GoalInfo", "GoalStatus", "GoalStatusArray", "Marker", "MarkerArray"),
        *("Parameter", "ParameterEvent", "ParameterValue"),
    }


@compiled
def test_a_plan_takes_what_it_writes() -> None:
    plans = [(cls, plan) for cls in STANDARD if (plan := codec(cls)) is not None]
    assert len(plans) > 100
    for cls, plan in plans:
        text = plan.dump(cls())
        assert text is not None
        assert told(plan.load(text)) == told(cls.from_json(text + b" ")), cls  # pydantic's


class Before(Message):
    x: float = 0.0

    @field_validator("x", mode="before")
    @classmethod
    def doubled(cls, value: float) -> float:
        return value * 2


class Whole(Message):
    x: float = 0.0

    @model_validator(mode="after")
    def checked(self) -> Self:
        if self.x < 0:
            raise ValueError("negative")
        return self


class Written(Message):
    x: float = 0.0

    @field_serializer("x")
    def rounded(self, value: float) -> float:
        return round(value, 1)


class WrittenWhole(Message):
    x: float = 0.0

    @model_serializer
    def packed(self) -> dict[str, Any]:
        return {"y": self.x}


class Computed(Message):
    x: float = 0.0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> float:
        return self.x * 2


class Hidden(Message):
    x: float = 0.0
    _seen: int = PrivateAttr(default=3)


class PostInit(Message):
    x: float = 0.0

    def model_post_init(self, _context: object) -> None:
        self.__dict__["x"] += 1.0


class OwnInit(Message):
    x: float = 0.0

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.x += 1.0


class OwnNew(Message):
    x: float = 0.0

    def __new__(cls, **_fields: Any) -> Self:
        return super().__new__(cls)


class Rewritten(Message):
    x: float = 0.0

    def to_json(self) -> str:
        return super().to_json().replace("x", "y")


class Alias(Message):
    x: float = Field(0.0, alias="X")


class Excluded(Message):
    x: float = Field(0.0, exclude=True)


class Validated(Message):
    x: float = Field(0.0, validate_default=True)


class Extra(Message):
    model_config = ConfigDict(extra="ignore")
    x: float = 0.0


class Constants(Message):
    model_config = ConfigDict(ser_json_inf_nan="constants")
    x: float = 0.0


class Stripped(Message):
    model_config = ConfigDict(str_strip_whitespace=True)
    name: str = ""


class After(Message):
    x: Annotated[float, AfterValidator(abs)] = 0.0


class Short(Message):
    name: Annotated[str, Field(max_length=3)] = ""


class Endless(Message):
    values: Annotated[list[float], Field(max_length=sys.maxsize + 1)] = []


class Tree(Message):
    x: float = 0.0
    children: list["Tree"] = []


class Uses(Message):
    inner: list[After] = []


OWN = [
    Before,
    Whole,
    Written,
    WrittenWhole,
    Computed,
    Hidden,
    PostInit,
    OwnInit,
    OwnNew,
    Rewritten,
    Alias,
    Excluded,
    Validated,
    Extra,
    Constants,
    Stripped,
    After,
    Short,
    Endless,
    Tree,
    Uses,
]


@pytest.mark.parametrize("cls", OWN)
def test_a_type_with_more_than_fields_is_pydantics(cls: type[Message]) -> None:
    assert codec(cls) is None
    message = cls()
    text = assert_equal_dump(message)
    assert_equal_load(cls, text)


@compiled
def test_a_type_with_methods_and_constants_of_its_own_has_a_plan() -> None:
    class Reading(Message, type_name="own_msgs/msg/Reading"):
        """A value."""

        value: float = 0.0
        matrix: Matrix3x3 = [0.0] * 9

        @property
        def twice(self) -> float:
            return self.value * 2

    class Further(Reading):
        name: str

    assert codec(Further) is not None
    assert Further.from_json(Further(value=2.0, name="a").to_json()).twice == 4.0


def test_a_type_that_is_not_complete_yet_has_its_plan_later() -> None:
    class Early(Message):
        inner: list["Later"] = []  # type: ignore[name-defined]  # noqa: F821

    assert codec(Early) is None
    later = create_model("Later", __base__=Message, x=(float, 0.0))
    Early.model_rebuild(_types_namespace={"Later": later})
    assert_equal_load(Early, '{"inner":[{"x":1.0}]}')
    assert (codec(Early) is None) == (make_plan is None)


def nested(levels: int) -> Any:
    """A type with a list of a type with a list, so many levels."""
    if levels == 1:
        return create_model("Innermost", __base__=Message, x=(float, 0.0))
    kind: Any = GenericAlias(list, (nested(levels - 1),))
    return create_model(f"Level{levels}", __base__=Message, inner=(kind, []))


@pytest.mark.parametrize("levels", [31, 33, 120])
def test_deeply_nested_types(levels: int) -> None:
    cls = nested(levels)
    text = '{"inner":[' * (levels - 1) + '{"x":1.5}' + "]}" * (levels - 1)
    assert (codec(cls) is not None) == (make_plan is not None and levels <= 32)
    assert_equal_load(cls, text)
    assert_equal_load(cls, text.replace("1.5", "true"))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"poses":' * 1000, '{"header":{"stamp":' * 500])
def test_a_text_nested_without_end_is_refused(text: str) -> None:
    assert_equal_load(Path, text)


class Labelled(Header):
    label: str = "a"


class AnyHeader(Message):
    header: SerializeAsAny[Header] = Header()


def test_a_subclass_inside_is_written_as_pydantic_writes_it() -> None:
    assert assert_equal_dump(AnyHeader(header=Labelled())).endswith('"label":"a"}}')
    assert_equal_load(AnyHeader, assert_equal_dump(AnyHeader(header=Header(frame_id="b"))))
