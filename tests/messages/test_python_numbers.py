"""Numbers of numpy in messages and parameters: as Python's own, or refused in words."""

import enum
from typing import TYPE_CHECKING, Any

import pytest

from dsmq_nodes import Message, Node, Parameter, Parameters
from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages import (
    Bool,
    Float64,
    Float64MultiArray,
    Int32,
    Int32MultiArray,
    LaserScan,
    String,
)
from dsmq_nodes.testing import Graph

if TYPE_CHECKING:
    from collections.abc import Callable

np = pytest.importorskip("numpy")


@pytest.mark.parametrize(
    ("msg_type", "field", "given", "taken"),
    [
        (Float64, "data", np.float32(0.5), 0.5),
        (Float64, "data", np.array(3.0), 3.0),
        (Bool, "data", np.bool_(True), True),
        (Int32, "data", np.uint8(200), 200),
        (String, "data", np.str_("n"), "n"),
        (Int32MultiArray, "data", [np.int64(3), 4], [3, 4]),
        (LaserScan, "ranges", (np.float32(1), 2.0), [1.0, 2.0]),
    ],
)
def test_a_scalar_is_a_number_however_it_comes(
    msg_type: type[Message], field: str, given: Any, taken: Any
) -> None:
    made = msg_type(**{field: given})
    assigned = msg_type()
    setattr(assigned, field, given)
    assert made == assigned == msg_type.from_dict({field: given})
    assert getattr(made, field) == taken
    assert msg_type.from_json(made.to_json()) == made


def test_a_scalar_that_is_appended() -> None:
    numbers, reals = Int32MultiArray(), Float64MultiArray()
    numbers.data.append(np.int64(3))
    reals.data.append(np.float32(0.5))
    assert Int32MultiArray.from_json(numbers.to_json()).data == [3]
    assert Float64MultiArray.from_json(reals.to_json()).data == [0.5]
    numbers.data.append(np.int64(2**40))
    with pytest.raises(MessageError, match=r"data\.1"):
        numbers.to_json()


@pytest.mark.parametrize("given", [np.float64(2.0), np.datetime64("2026-01-01"), np.array([1])])
def test_what_does_not_fit_is_refused(given: Any) -> None:
    with pytest.raises(MessageError, match="data: "):
        Int32(data=given)


class _Gear(enum.IntEnum):
    FIRST = 1


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int16(3), 3),
        (np.bool_(False), False),
        (np.str_("x"), "x"),
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        ([np.int64(1)], [1]),
        (_Gear.FIRST, 1),
    ],
)
def test_a_parameter_of_numpy(given: object, taken: object) -> None:
    with Graph() as graph:
        node = graph.add(lambda: Node("n"))
        declared = node.declare_parameter("a", given)
        assert declared.value == taken
        assert type(declared.value) is type(taken)
        assert node.set_parameters([Parameter("a", None, given)])[0].successful


@pytest.mark.parametrize("change", ["assigned", "set"])
def test_a_field_of_a_model_of_parameters(change: str) -> None:
    class Tuned(Node):
        class Params(Parameters):
            count: int = 1
            ids: list[int] = []

        params: Params

        def __init__(self) -> None:
            super().__init__("tuned")

    def assign(node: Tuned) -> None:
        node.params.count, node.params.ids = np.int64(7), [np.int8(3)]

    def set_both(node: Tuned) -> None:
        node.set_parameters(
            [Parameter("count", None, np.int64(7)), Parameter("ids", None, np.array([3]))]
        )

    changes: dict[str, Callable[[Tuned], None]] = {"assigned": assign, "set": set_both}
    with Graph() as graph:
        node = graph.add(Tuned, params={"count": np.int32(5)})
        assert node.params.count == 5
        changes[change](node)
        assert (node.params.count, node.params.ids) == (7, [3])
