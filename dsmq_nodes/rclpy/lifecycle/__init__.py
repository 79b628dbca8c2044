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
