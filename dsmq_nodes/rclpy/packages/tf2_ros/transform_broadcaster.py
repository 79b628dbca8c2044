"""Publishes transforms on /tf."""

from typing import Any

from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.topic_names import TF_TOPIC

DEFAULT_DEPTH = 100


class TransformBroadcaster:
    """Publishes transforms on /tf."""

    def __init__(self, node: Any, qos: Any = None) -> None:
        profile = QoSProfile(depth=DEFAULT_DEPTH) if qos is None else qos
        kind = class_named("tf2_msgs/msg/TFMessage")
        self.pub_tf = node.create_publisher(kind, TF_TOPIC, profile)

    def sendTransform(self, transform: Any) -> None:  # noqa: N802
        """Publish a transform, or a list of them."""
        many = list(transform) if isinstance(transform, list | tuple) else [transform]
        self.pub_tf.publish(class_named("tf2_msgs/msg/TFMessage")(transforms=many))
