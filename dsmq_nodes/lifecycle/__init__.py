"""Lifecycle nodes: unconfigured, inactive, active, finalized, as ROS 2's managed nodes.

    class Camera(LifecycleNode):
        def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
            self.publisher = self.create_lifecycle_publisher(Image, "image", 1)
            return TransitionCallbackReturn.SUCCESS

`dsmq-nodes lifecycle set /camera configure` triggers the transition from outside.
"""

from dsmq_nodes.errors import TransitionError
from dsmq_nodes.lifecycle.lifecycle_node import LifecycleNode
from dsmq_nodes.lifecycle.lifecycle_publisher import LifecyclePublisher
from dsmq_nodes.lifecycle.states import LifecycleState, TransitionCallbackReturn

__all__ = [
    "LifecycleNode",
    "LifecyclePublisher",
    "LifecycleState",
    "TransitionCallbackReturn",
    "TransitionError",
]
