"""Returns a message's numbers as numpy arrays; numpy is imported only when `as_array` is called."""

from typing import TYPE_CHECKING, Any, Final

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.schema.definition import field_hints, ros_type, type_name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydantic import BaseModel

_DTYPES: Final = {"byte": "uint8", "char": "uint8", "bool": "bool"}
_NUMBERS: Final = ("int", "uint", "float")


def as_array(message: "BaseModel", field: str) -> "NDArray[Any]":
    """Return a field's numbers as an array of one dimension, of their ROS type (`float32`, `int8`).

    Bytes are not copied, so that array is read-only.

    Raises:
        MessageError: there is no such field, or it does not hold numbers.
        ModuleNotFoundError: numpy is not installed.
    """
    import numpy  # noqa: ICN001, PLC0415  65 ms, only for arrays

    cls = type(message)
    if field not in cls.model_fields:
        known = ", ".join(cls.model_fields) or "none"
        raise MessageError(f"{type_name_of(cls)} has no field {field!r} (it has: {known})")
    shown = ros_type(field_hints(cls)[field])
    kind, bracket, _ = (shown, "", "") if " | " in shown else shown.partition("[")
    dtype = _DTYPES.get(kind, kind)
    if not bracket or not dtype.startswith((*_NUMBERS, "bool")):
        shape = f"a list of {kind}" if bracket else kind
        raise MessageError(f"{type_name_of(cls)}: {field} is {shape}, not a list of numbers")
    values = getattr(message, field)
    if isinstance(values, bytes | memoryview):
        return numpy.frombuffer(values, dtype)
    return numpy.array(values, dtype)
