"""ROS 2's rcl_interfaces: the services that every node has for its parameters and its loggers."""

from typing import ClassVar

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.fields import uint64
from dsmq_nodes.messages.rcl_interfaces import (
    ListParametersResult,
    LoggerLevel,
    Parameter,
    ParameterDescriptor,
    ParameterValue,
    SetLoggerLevelsResult,
    SetParametersResult,
)
from dsmq_nodes.messages.service_base import Service

__all__ = [
    "DescribeParameters",
    "GetLoggerLevels",
    "GetParameterTypes",
    "GetParameters",
    "ListParameters",
    "SetLoggerLevels",
    "SetParameters",
    "SetParametersAtomically",
]


class DescribeParameters(Service):
    """Describe parameters, and the values they may have."""

    class Request(Message):
        """Whose."""

        names: list[str] = []

    class Response(Message):
        """In the order asked for; of an unknown one the type is not set."""

        descriptors: list[ParameterDescriptor] = []


class GetLoggerLevels(Service):
    """From which level on loggers log."""

    class Request(Message):
        """Whose."""

        names: list[str] = []

    class Response(Message):
        """In the order asked for; 0 for an unknown one."""

        levels: list[LoggerLevel] = []


class GetParameterTypes(Service):
    """The types of parameters."""

    class Request(Message):
        """Whose."""

        names: list[str] = []

    class Response(Message):
        """Numbers of ParameterType, in the order asked for."""

        types: bytes = b""


class GetParameters(Service):
    """The values of parameters."""

    class Request(Message):
        """Whose."""

        names: list[str] = []

    class Response(Message):
        """In the order asked for; not set for an unknown one."""

        values: list[ParameterValue] = []


class ListParameters(Service):
    """The names of a node's parameters."""

    class Request(Message):
        """Of which groups, and how many names deep; 0 is without limit."""

        DEPTH_RECURSIVE: ClassVar[uint64] = 0

        prefixes: list[str] = []
        depth: uint64 = 0

    class Response(Message):
        """The names."""

        result: ListParametersResult = ListParametersResult()


class SetLoggerLevels(Service):
    """Set from which level on loggers log."""

    class Request(Message):
        """Names and levels."""

        levels: list[LoggerLevel] = []

    class Response(Message):
        """In the order asked for."""

        results: list[SetLoggerLevelsResult] = []


class SetParameters(Service):
    """Set parameters, each for itself."""

    class Request(Message):
        """Names and values."""

        parameters: list[Parameter] = []

    class Response(Message):
        """In the order asked for."""

        results: list[SetParametersResult] = []


class SetParametersAtomically(Service):
    """Set parameters, all or none."""

    class Request(Message):
        """Names and values."""

        parameters: list[Parameter] = []

    class Response(Message):
        """Whether they were set."""

        result: SetParametersResult = SetParametersResult()
