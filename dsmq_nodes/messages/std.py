"""ROS 2's std_msgs."""

from typing import Annotated

from dsmq_nodes.messages.base import Header as Header  # noqa: PLC0414  it is imported from here too
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.fields import (
    Ros,
    byte,
    char,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)


class String(Message):
    """A text."""

    data: str = ""


class Bool(Message):
    """True or false."""

    data: bool = False


class Byte(Message):
    """A byte."""

    data: byte = 0


class Char(Message):
    """A character, as its number."""

    data: char = 0


class Int8(Message):
    """An integer of 8 bits."""

    data: int8 = 0


class Int16(Message):
    """An integer of 16 bits."""

    data: int16 = 0


class Int32(Message):
    """An integer of 32 bits."""

    data: int32 = 0


class Int64(Message):
    """An integer of 64 bits."""

    data: int64 = 0


class UInt8(Message):
    """An integer of 8 bits, 0 or more."""

    data: uint8 = 0


class UInt16(Message):
    """An integer of 16 bits, 0 or more."""

    data: uint16 = 0


class UInt32(Message):
    """An integer of 32 bits, 0 or more."""

    data: uint32 = 0


class UInt64(Message):
    """An integer of 64 bits, 0 or more."""

    data: uint64 = 0


class Float32(Message):
    """A number that other languages read with 32 bits."""

    data: float32 = 0.0


class Float64(Message):
    """A number."""

    data: float64 = 0.0


class Empty(Message):
    """A message without fields, for signals that need no value."""


class ColorRGBA(Message):
    """A colour: red, green, blue and opacity, each 0 to 1."""

    r: float32 = 0.0
    g: float32 = 0.0
    b: float32 = 0.0
    a: float32 = 0.0


class MultiArrayDimension(Message):
    """One dimension: its entries (`size`), and the numbers in it and the inner ones (`stride`)."""

    label: str = ""
    size: uint32 = 0
    stride: uint32 = 0


class MultiArrayLayout(Message):
    """The dimensions of an array, the outermost first, and the count of numbers before the data."""

    dim: list[MultiArrayDimension] = []
    data_offset: uint32 = 0


class Int8MultiArray(Message):
    """An array of integers of 8 bits."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[int8] = []


class Int16MultiArray(Message):
    """An array of integers of 16 bits."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[int16] = []


class Int32MultiArray(Message):
    """An array of integers of 32 bits."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[int32] = []


class Int64MultiArray(Message):
    """An array of integers of 64 bits."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[int64] = []


class ByteMultiArray(Message):
    """An array of bytes."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: Annotated[bytes, Ros("byte")] = b""


class UInt8MultiArray(Message):
    """An array of integers of 8 bits, 0 or more."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: bytes = b""


class UInt16MultiArray(Message):
    """An array of integers of 16 bits, 0 or more."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[uint16] = []


class UInt32MultiArray(Message):
    """An array of integers of 32 bits, 0 or more."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[uint32] = []


class UInt64MultiArray(Message):
    """An array of integers of 64 bits, 0 or more."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[uint64] = []


class Float32MultiArray(Message):
    """An array of numbers that other languages read with 32 bits."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[float32] = []


class Float64MultiArray(Message):
    """An array of numbers."""

    layout: MultiArrayLayout = MultiArrayLayout()
    data: list[float64] = []
