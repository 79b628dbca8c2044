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


class DescribeParameters(Service):
    """Describe parameters and their allowed values."""

    class Request(Message):
        """The names of the parameters."""

        names: list[str] = []

    class Response(Message):
        """The descriptions in the order of the request; an unknown parameter's has no type."""

        descriptors: list[ParameterDescriptor] = []


class GetLoggerLevels(Service):
    """Get the lowest level that loggers log."""

    class Request(Message):
        """The names of the loggers."""

        names: list[str] = []

    class Response(Message):
        """The levels in the order of the request; 0 for an unknown logger."""

        levels: list[LoggerLevel] = []


class GetParameterTypes(Service):
    """Get the types of parameters."""

    class Request(Message):
        """The names of the parameters."""

        names: list[str] = []

    class Response(Message):
        """Numbers of ParameterType, in the order of the request."""

        types: bytes = b""


class GetParameters(Service):
    """Get the values of parameters."""

    class Request(Message):
        """The names of the parameters."""

        names: list[str] = []

    class Response(Message):
        """The values in the order of the request; not set for an unknown parameter."""

        values: list[ParameterValue] = []


class ListParameters(Service):
    """List the names of a node's parameters."""

    class Request(Message):
        """The groups to list, and the depth in names; depth 0 has no limit."""

        DEPTH_RECURSIVE: ClassVar[uint64] = 0

        prefixes: list[str] = []
        depth: uint64 = 0

    class Response(Message):
        """The names."""

        result: ListParametersResult = ListParametersResult()


class SetLoggerLevels(Service):
    """Set the lowest level that loggers log."""

    class Request(Message):
        """The names of the loggers and their new levels."""

        levels: list[LoggerLevel] = []

    class Response(Message):
        """The results in the order of the request."""

        results: list[SetLoggerLevelsResult] = []


class SetParameters(Service):
    """Set parameters, each independently of the others."""

    class Request(Message):
        """The names and the new values."""

        parameters: list[Parameter] = []

    class Response(Message):
        """The results in the order of the request."""

        results: list[SetParametersResult] = []


class SetParametersAtomically(Service):
    """Set either all of the parameters or none."""

    class Request(Message):
        """The names and the new values."""

        parameters: list[Parameter] = []

    class Response(Message):
        """Whether the parameters were set."""

        result: SetParametersResult = SetParametersResult()
