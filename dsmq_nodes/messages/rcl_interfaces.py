"""ROS 2's rcl_interfaces: the log and parameters."""

from typing import Annotated, ClassVar

from pydantic import Field

from dsmq_nodes.messages.base import Message, Time
from dsmq_nodes.messages.fields import Ros, float64, int64, uint8, uint32, uint64


class Log(Message):
    """One line of a node's log."""

    DEBUG: ClassVar[uint8] = 10
    INFO: ClassVar[uint8] = 20
    WARN: ClassVar[uint8] = 30
    ERROR: ClassVar[uint8] = 40
    FATAL: ClassVar[uint8] = 50

    stamp: Time = Time()
    level: uint8 = 0
    name: str = ""
    msg: str = ""
    file: str = ""
    function: str = ""
    line: uint32 = 0


class FloatingPointRange(Message):
    """The allowed values of a float parameter; `step` 0 allows all values in the range."""

    from_value: float64 = 0.0
    to_value: float64 = 0.0
    step: float64 = 0.0


class IntegerRange(Message):
    """The allowed values of an integer parameter; `step` 0 allows all values in the range."""

    from_value: int64 = 0
    to_value: int64 = 0
    step: uint64 = 0


class ParameterDescriptor(Message):
    """A parameter's description, and its allowed values."""

    name: str = ""
    type: uint8 = 0
    description: str = ""
    additional_constraints: str = ""
    read_only: bool = False
    dynamic_typing: bool = False
    floating_point_range: Annotated[list[FloatingPointRange], Field(max_length=1)] = []
    integer_range: Annotated[list[IntegerRange], Field(max_length=1)] = []


class ParameterType(Message):
    """The possible numbers of `ParameterValue.type`."""

    PARAMETER_NOT_SET: ClassVar[uint8] = 0
    PARAMETER_BOOL: ClassVar[uint8] = 1
    PARAMETER_INTEGER: ClassVar[uint8] = 2
    PARAMETER_DOUBLE: ClassVar[uint8] = 3
    PARAMETER_STRING: ClassVar[uint8] = 4
    PARAMETER_BYTE_ARRAY: ClassVar[uint8] = 5
    PARAMETER_BOOL_ARRAY: ClassVar[uint8] = 6
    PARAMETER_INTEGER_ARRAY: ClassVar[uint8] = 7
    PARAMETER_DOUBLE_ARRAY: ClassVar[uint8] = 8
    PARAMETER_STRING_ARRAY: ClassVar[uint8] = 9


class ParameterValue(Message):
    """A parameter's value: it is in the field that `type` (see `ParameterType`) selects."""

    type: uint8 = 0
    bool_value: bool = False
    integer_value: int64 = 0
    double_value: float64 = 0.0
    string_value: str = ""
    byte_array_value: Annotated[bytes, Ros("byte")] = b""
    bool_array_value: list[bool] = []
    integer_array_value: list[int64] = []
    double_array_value: list[float64] = []
    string_array_value: list[str] = []


class Parameter(Message):
    """A parameter's name and value."""

    name: str = ""
    value: ParameterValue = ParameterValue()


class ParameterEvent(Message):
    """A change of a node's parameters; on `/parameter_events`."""

    stamp: Time = Time()
    node: str = ""
    new_parameters: list[Parameter] = []
    changed_parameters: list[Parameter] = []
    deleted_parameters: list[Parameter] = []


class SetParametersResult(Message):
    """Whether a parameter was set, or the reason why not."""

    successful: bool = False
    reason: str = ""


class ListParametersResult(Message):
    """Names of parameters, and of the groups that contain them."""

    names: list[str] = []
    prefixes: list[str] = []


class LoggerLevel(Message):
    """A logger's name, and the lowest level that it logs."""

    LOG_LEVEL_UNKNOWN: ClassVar[uint8] = 0
    LOG_LEVEL_DEBUG: ClassVar[uint8] = 10
    LOG_LEVEL_INFO: ClassVar[uint8] = 20
    LOG_LEVEL_WARN: ClassVar[uint8] = 30
    LOG_LEVEL_ERROR: ClassVar[uint8] = 40
    LOG_LEVEL_FATAL: ClassVar[uint8] = 50

    name: str = ""
    level: uint32 = 0


class SetLoggerLevelsResult(Message):
    """Whether a logger's level was set, or the reason why not."""

    successful: bool = False
    reason: str = ""
