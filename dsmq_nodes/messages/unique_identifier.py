"""ROS 2's unique_identifier_msgs."""

from typing import Annotated

from pydantic import Field

from dsmq_nodes.messages.base import Message


class UUID(Message):
    """A universally unique identifier: 16 bytes, as `uuid.UUID.bytes`."""

    uuid: Annotated[bytes, Field(min_length=16, max_length=16)] = bytes(16)
