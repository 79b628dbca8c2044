"""ROS 2's tf2_msgs."""

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.geometry import TransformStamped


class TFMessage(Message):
    """Transforms between coordinate frames, as on `/tf`."""

    transforms: list[TransformStamped] = []
