"""The robot's own messages; ROS 2's are in dsmq_nodes.messages."""

from dsmq_nodes import Message
from dsmq_nodes.messages import Header


class Distance(Message):
    """How far it is to what is ahead."""

    header: Header = Header()
    metres: float = 0.0
