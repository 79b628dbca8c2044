"""Fills a buffer from /tf and /tf_static."""

import threading
from typing import Any

from dsmq_nodes.errors import TransformException
from dsmq_nodes.rclpy.callback_groups import ReentrantCallbackGroup
from dsmq_nodes.rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from dsmq_nodes.topic_names import TF_STATIC_TOPIC, TF_TOPIC

DEFAULT_TF_TOPIC = TF_TOPIC
DEFAULT_STATIC_TF_TOPIC = TF_STATIC_TOPIC
_DEPTH = 100


class TransformListener:
    """Subscribes to /tf and /tf_static of a node, and adds the transforms to a buffer."""

    def __init__(
        self,
        buffer: Any,
        node: Any,
        *,
        spin_thread: bool = False,
        qos: Any = None,
        static_qos: Any = None,
        tf_topic: str = TF_TOPIC,
        tf_static_topic: str = TF_STATIC_TOPIC,
    ) -> None:
        self.buffer = buffer
        self.node = node
        self.group = ReentrantCallbackGroup()
        latched = QoSProfile(
            depth=_DEPTH,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
            history=HistoryPolicy.KEEP_LAST,
        )
        kind = class_named("tf2_msgs/msg/TFMessage")
        self.tf_sub = node.create_subscription(
            kind,
            tf_topic,
            self.callback,
            qos or QoSProfile(depth=_DEPTH),
            callback_group=self.group,
        )
        self.tf_static_sub = node.create_subscription(
            kind,
            tf_static_topic,
            self.static_callback,
            static_qos or latched,
            callback_group=self.group,
        )
        if spin_thread:
            self.executor = SingleThreadedExecutor()
            self.executor.add_node(node)
            self.dedicated_listener_thread = threading.Thread(target=self._spin, daemon=True)
            self.dedicated_listener_thread.start()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except ExternalShutdownException:
            return

    def unregister(self) -> None:
        """End both subscriptions."""
        self.node.destroy_subscription(self.tf_sub)
        self.node.destroy_subscription(self.tf_static_sub)

    def callback(self, data: Any) -> None:
        """Add the transforms of a message of /tf."""
        self._take(data, self.buffer.set_transform)

    def static_callback(self, data: Any) -> None:
        """Add the transforms of a message of /tf_static."""
        self._take(data, self.buffer.set_transform_static)

    def _take(self, data: Any, add: Any) -> None:
        for transform in data.transforms:
            try:
                add(transform, "default_authority")
            except TransformException as error:
                self.node.get_logger().error(f"a transform is ignored: {error}")
