"""Publishes a node's log on `/rosout`."""

from typing import Final

from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.impl.log_output import Line, log_inside, log_output
from dsmq_nodes.rclpy.impl.nodes.node_handle import NodeHandle
from dsmq_nodes.rclpy.impl.topics.topic_handles import PublisherHandle
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.topic_names import ROSOUT_TOPIC

_WARN: Final = 30
_TWICE: Final = (
    "Publisher already registered for node name: '{}'. If this is due to multiple nodes with the "
    "same name then all logs for the logger named '{}' will go out over the existing publisher. "
    "As soon as any node with that name is destructed it will unregister the publisher, preventing "
    "any further logs for that name from being published on the rosout topic."
)


class NodeRosout:
    """Publishes the lines of a node's logger, and of its children."""

    def __init__(self, node: NodeHandle, qos: QoSProfile) -> None:
        self._node = node
        self._log = interface("rcl_interfaces/msg/Log")
        self._publisher: PublisherHandle | None = None
        if log_output.to_rosout:
            self._publisher = PublisherHandle(node, self._log, ROSOUT_TOPIC, qos)
            self._publisher.begin()
            name = node.logger_name
            if name in log_output.rosout:
                log_inside(_WARN, "rcl.logging_rosout", _TWICE.format(node.name, name))
            log_output.rosout[name] = self._write

    def _write(self, line: Line) -> None:
        if self._publisher is None or not self._node.context.ok():
            return
        sec, nanosec = divmod(line.stamp_ns, 1_000_000_000)
        message = self._log(
            level=int(line.severity),
            name=line.name,
            msg=line.message,
            file=line.file,
            function=line.function,
            line=line.line,
        )
        message.stamp.sec, message.stamp.nanosec = sec, nanosec
        self._publisher.publish(message)

    def close(self) -> None:
        """Stop publishing."""
        publisher, self._publisher = self._publisher, None
        if log_output.rosout.get(self._node.logger_name) == self._write:
            log_output.drop_rosout(self._node.logger_name)
        if publisher is not None:
            publisher.destroy_when_not_in_use()
