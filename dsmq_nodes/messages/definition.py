"""A message type as ROS 2 `.msg` text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.messages.base import Message


def definition(cls: type["Message"]) -> str:
    """Return the type as `.msg` text."""
    raise NotImplementedError(cls)
