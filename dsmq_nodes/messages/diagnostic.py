"""ROS 2's diagnostic_msgs."""

from typing import ClassVar

from dsmq_nodes.messages.base import Header, Message
from dsmq_nodes.messages.fields import byte


class KeyValue(Message):
    """A named value, as text."""

    key: str = ""
    value: str = ""


class DiagnosticStatus(Message):
    """The state of one part of the robot."""

    OK: ClassVar[byte] = 0
    WARN: ClassVar[byte] = 1
    ERROR: ClassVar[byte] = 2
    STALE: ClassVar[byte] = 3

    level: byte = 0
    name: str = ""
    message: str = ""
    hardware_id: str = ""
    values: list[KeyValue] = []


class DiagnosticArray(Message):
    """The states of several parts of the robot."""

    header: Header = Header()
    status: list[DiagnosticStatus] = []
