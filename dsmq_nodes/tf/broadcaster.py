"""Broadcasters of transforms: on `/tf`, and on `/tf_static` for frames that do not move."""

from collections.abc import Iterable
from typing import Any, Final

from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.geometry import TransformStamped
from dsmq_nodes.messages.tf2 import TFMessage
from dsmq_nodes.tf.core import checked
from dsmq_nodes.topic_names import TF_STATIC_TOPIC, TF_TOPIC

# All broadcasters share the depth of the latched topic.
_STATIC: Final = QoSProfile(depth=100, durability="transient_local")


class TransformBroadcaster:
    """Publishes transforms on `/tf`."""

    def __init__(self, node: Node, qos: QoSProfile | int = 100) -> None:
        """Publish with a node."""
        of_kind(node, Node, "the node of a broadcaster")
        self._publisher = node.create_publisher(TFMessage, TF_TOPIC, qos)

    def send_transform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """Send one transform, or several in one message.

        Raises:
            InvalidArgumentException: a name is empty, or the numbers are not a transform.
        """
        self._publisher.publish(TFMessage(transforms=_checked(transform)))

    sendTransform = send_transform  # noqa: N815  rclpy's name


class StaticTransformBroadcaster:
    """Publishes transforms that hold at all times on `/tf_static`, which is latched."""

    def __init__(self, node: Node, qos: QoSProfile | int = _STATIC) -> None:
        """Publish with a node."""
        of_kind(node, Node, "the node of a broadcaster")
        self._publisher = node.create_publisher(TFMessage, TF_STATIC_TOPIC, qos)
        self._sent: dict[str, TransformStamped] = {}

    def send_transform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """Send one transform or several, together with all earlier ones of this broadcaster.

        Raises:
            InvalidArgumentException: a name is empty, or the numbers are not a transform.
        """
        for each in _checked(transform):
            self._sent[each.child_frame_id] = each.model_copy(deep=True)
        self._publisher.publish(TFMessage(transforms=list(self._sent.values())))

    sendTransform = send_transform  # noqa: N815  rclpy's name


def _checked(transform: TransformStamped | Iterable[TransformStamped]) -> list[TransformStamped]:
    is_one = isinstance(transform, Message) or not isinstance(transform, Iterable)
    transforms: list[Any] = [transform] if is_one else list(transform)
    for each in transforms:
        checked(each)
    return transforms
