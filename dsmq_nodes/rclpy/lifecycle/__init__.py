"""Managed nodes: unconfigured, inactive, active, finalized."""

from dsmq_nodes.rclpy.impl.nodes.lifecycle_machine import TransitionCallbackReturnType
from dsmq_nodes.rclpy.lifecycle.managed_entity import ManagedEntity, SimpleManagedEntity
from dsmq_nodes.rclpy.lifecycle.node import LifecycleNode, LifecycleNodeMixin, LifecycleState
from dsmq_nodes.rclpy.lifecycle.publisher import LifecyclePublisher

Node = LifecycleNode
NodeMixin = LifecycleNodeMixin
State = LifecycleState
Publisher = LifecyclePublisher
TransitionCallbackReturn = TransitionCallbackReturnType

# `Node` is not among them, as in rclpy: it would hide rclpy.node's.
__all__ = [
    "LifecycleNode", "LifecycleNodeMixin", "LifecyclePublisher", "LifecycleState",
    "ManagedEntity", "SimpleManagedEntity", "TransitionCallbackReturn",
]  # fmt: skip
