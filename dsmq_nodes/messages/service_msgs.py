"""ROS 2's service_msgs: the introspection of service calls."""

from typing import Annotated, ClassVar

from pydantic import Field

from dsmq_nodes.messages.base import Message, Time
from dsmq_nodes.messages.fields import Ros, int64, uint8


class ServiceEventInfo(Message):
    """A request or a response, sent or received, in call `sequence_number` of a client."""

    REQUEST_SENT: ClassVar[uint8] = 0
    REQUEST_RECEIVED: ClassVar[uint8] = 1
    RESPONSE_SENT: ClassVar[uint8] = 2
    RESPONSE_RECEIVED: ClassVar[uint8] = 3

    event_type: uint8 = 0
    stamp: Time = Time()
    client_gid: Annotated[bytes, Field(min_length=16, max_length=16), Ros("char")] = bytes(16)
    sequence_number: int64 = 0
