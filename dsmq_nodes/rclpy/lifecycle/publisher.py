"""Publishers that are silent while their node is not active."""

from typing import Any

from dsmq_nodes.rclpy.lifecycle.managed_entity import SimpleManagedEntity
from dsmq_nodes.rclpy.publisher import Publisher


class LifecyclePublisher(SimpleManagedEntity, Publisher):
    """A publisher of a managed node."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        SimpleManagedEntity.__init__(self)
        Publisher.__init__(self, *args, **kwargs)

    @SimpleManagedEntity.when_enabled
    def publish(self, msg: Any) -> None:
        """Send a message; do nothing while the node is not active."""
        Publisher.publish(self, msg)
