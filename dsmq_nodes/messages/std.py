"""ROS 2's std_msgs."""

from dsmq_nodes.messages.base import Header, Message
from dsmq_nodes.messages.fields import float32, float64, int32, int64

__all__ = [
    "Bool",
    "ColorRGBA",
    "Empty",
    "Float32",
    "Float64",
    "Header",
    "Int32",
    "Int64",
    "String",
]


class String(Message):
    """A text."""

    data: str = ""


class Bool(Message):
    """True or false."""

    data: bool = False


class Int32(Message):
    """An integer of 32 bits."""

    data: int32 = 0


class Int64(Message):
    """An integer of 64 bits."""

    data: int64 = 0


class Float32(Message):
    """A number that other languages read with 32 bits."""

    data: float32 = 0.0


class Float64(Message):
    """A number."""

    data: float64 = 0.0


class Empty(Message):
    """Nothing: that it arrived is the message."""


class ColorRGBA(Message):
    """A colour: red, green, blue and opacity, each 0 to 1."""

    r: float32 = 0.0
    g: float32 = 0.0
    b: float32 = 0.0
    a: float32 = 0.0
