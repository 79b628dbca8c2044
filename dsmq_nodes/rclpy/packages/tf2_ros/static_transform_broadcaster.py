"""Publishes transforms that hold at all times on /tf_static, latched for late subscribers."""

from typing import Any

from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from dsmq_nodes.topic_names import TF_STATIC_TOPIC


class StaticTransformBroadcaster:
    """Publishes transforms on /tf_static; each message contains all transforms sent so far."""

    def __init__(self, node: Any, qos: Any = None) -> None:
        if qos is None:
            latched = DurabilityPolicy.TRANSIENT_LOCAL
            qos = QoSProfile(depth=1, durability=latched, history=HistoryPolicy.KEEP_LAST)
        kind = class_named("tf2_msgs/msg/TFMessage")
        self.net_message = kind()
        self.pub_tf = node.create_publisher(kind, TF_STATIC_TOPIC, qos)

    def sendTransform(self, transform: Any) -> None:  # noqa: N802
        """Publish a transform, or a list of them; the last one of a child frame replaces others."""
        many = list(transform) if isinstance(transform, list | tuple) else [transform]
        kept = {each.child_frame_id: each for each in self.net_message.transforms}
        kept |= {each.child_frame_id: each for each in many}
        self.net_message.transforms = list(kept.values())
        self.pub_tf.publish(self.net_message)
