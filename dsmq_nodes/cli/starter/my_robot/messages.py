"""The robot's own messages; ROS 2's are in dsmq_nodes.messages."""

from dsmq_nodes import Message
from dsmq_nodes.messages import Header


class Distance(Message):
    """The distance to the next obstacle ahead."""

    header: Header = Header()
    metres: float = 0.0
