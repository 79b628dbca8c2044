"""ROS 2's rosgraph_msgs."""

from dsmq_nodes.messages.base import Message, Time


class Clock(Message):
    """The time of a simulation or of a replayed recording."""

    clock: Time = Time()
