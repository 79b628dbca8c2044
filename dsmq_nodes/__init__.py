"""ROS-style robot nodes on a dead simple message queue.

    from dsmq_nodes import Node, run
    from dsmq_nodes.messages import Twist

Names are loaded when they are first used, so that importing the package costs nothing.
"""

import sys
from importlib import import_module

TYPE_CHECKING = False  # importing `typing` takes longer than everything else here
if TYPE_CHECKING:
    from dsmq_nodes.bag.decoded_bag import Bag
    from dsmq_nodes.diagnostics.updater import DiagnosticUpdater
    from dsmq_nodes.graph.actions.action_client import (
        ActionClient,
        ClientGoalHandle,
        GoalFeedback,
        GoalResult,
    )
    from dsmq_nodes.graph.actions.action_server import ActionServer, CancelResponse, GoalResponse
    from dsmq_nodes.graph.actions.goal import GoalState, ServerGoalHandle
    from dsmq_nodes.graph.emergency_stop import EmergencyStop
    from dsmq_nodes.graph.node import Node
    from dsmq_nodes.graph.parameters.model import Parameters
    from dsmq_nodes.graph.parameters.parameter import Parameter
    from dsmq_nodes.graph.run import (
        run,
        spin,
        spin_once,
        spin_until_future_complete,
        wait_for_message,
    )
    from dsmq_nodes.graph.safety import Actuator
    from dsmq_nodes.graph.services.future import Future
    from dsmq_nodes.graph.services.service_client import Client
    from dsmq_nodes.graph.services.service_server import ServiceServer
    from dsmq_nodes.graph.spin.rate import Rate
    from dsmq_nodes.graph.time.timer import Timer
    from dsmq_nodes.graph.topics.publisher import Publisher
    from dsmq_nodes.graph.topics.qos import QoSProfile
    from dsmq_nodes.graph.topics.subscription import MessageInfo, Subscription
    from dsmq_nodes.lifecycle.lifecycle_node import LifecycleNode
    from dsmq_nodes.messages.action_type import Action
    from dsmq_nodes.messages.base import Message
    from dsmq_nodes.messages.schema.find import find_type
    from dsmq_nodes.messages.service_base import Service
    from dsmq_nodes.tf.broadcaster import StaticTransformBroadcaster, TransformBroadcaster
    from dsmq_nodes.tf.buffer import Buffer
    from dsmq_nodes.tf.transform_listener import TransformListener

__version__ = "0.2.0"

__all__ = [
    "Action",
    "ActionClient",
    "ActionServer",
    "Actuator",
    "Bag",
    "Buffer",
    "CancelResponse",
    "Client",
    "ClientGoalHandle",
    "DiagnosticUpdater",
    "EmergencyStop",
    "Future",
    "GoalFeedback",
    "GoalResponse",
    "GoalResult",
    "GoalState",
    "LifecycleNode",
    "Message",
    "MessageInfo",
    "Node",
    "Parameter",
    "Parameters",
    "Publisher",
    "QoSProfile",
    "Rate",
    "ServerGoalHandle",
    "Service",
    "ServiceServer",
    "StaticTransformBroadcaster",
    "Subscription",
    "Timer",
    "TransformBroadcaster",
    "TransformListener",
    "find_type",
    "run",
    "spin",
    "spin_once",
    "spin_until_future_complete",
    "wait_for_message",
]

_NAMES = {
    "bag.decoded_bag": "Bag",
    "diagnostics.updater": "DiagnosticUpdater",
    "graph.actions.action_client": "ActionClient ClientGoalHandle GoalFeedback GoalResult",
    "graph.actions.action_server": "ActionServer CancelResponse GoalResponse",
    "graph.actions.goal": "GoalState ServerGoalHandle",
    "graph.emergency_stop": "EmergencyStop",
    "graph.node": "Node",
    "graph.parameters.model": "Parameters",
    "graph.parameters.parameter": "Parameter",
    "graph.run": "run spin spin_once spin_until_future_complete wait_for_message",
    "graph.safety": "Actuator",
    "graph.services.future": "Future",
    "graph.services.service_client": "Client",
    "graph.services.service_server": "ServiceServer",
    "graph.spin.rate": "Rate",
    "graph.time.timer": "Timer",
    "graph.topics.publisher": "Publisher",
    "graph.topics.qos": "QoSProfile",
    "graph.topics.subscription": "MessageInfo Subscription",
    "lifecycle.lifecycle_node": "LifecycleNode",
    "messages.action_type": "Action",
    "messages.base": "Message",
    "messages.schema.find": "find_type",
    "messages.service_base": "Service",
    "tf.broadcaster": "StaticTransformBroadcaster TransformBroadcaster",
    "tf.buffer": "Buffer",
    "tf.transform_listener": "TransformListener",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    if sys._getframe(1).f_globals.get("__name__") == "importlib._bootstrap":  # noqa: SLF001
        # `from dsmq_nodes import tools` tries this, then imports the module
        raise AttributeError(name)
    return import_module(f"{__name__}.lazy_names").load(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
