"""ROS-style robot nodes on a dead simple message queue.

    from dsmq_nodes import Node, run
    from dsmq_nodes.messages import Twist

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.graph.actions.action_client import ActionClient, ClientGoalHandle
    from dsmq_nodes.graph.actions.action_server import ActionServer, CancelResponse, GoalResponse
    from dsmq_nodes.graph.actions.goal import GoalState, ServerGoalHandle
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
    from dsmq_nodes.graph.safety import Actuator, EmergencyStop
    from dsmq_nodes.graph.services.future import Future
    from dsmq_nodes.graph.services.service_client import Client
    from dsmq_nodes.graph.services.service_server import ServiceServer
    from dsmq_nodes.graph.spin.rate import Rate
    from dsmq_nodes.graph.time.timer import Timer
    from dsmq_nodes.graph.topics.publisher import Publisher
    from dsmq_nodes.graph.topics.qos import QoSProfile
    from dsmq_nodes.graph.topics.subscription import MessageInfo, Subscription
    from dsmq_nodes.messages.action_type import Action
    from dsmq_nodes.messages.base import Message
    from dsmq_nodes.messages.service_base import Service

__version__ = "0.1.0"

__all__ = [
    "Action",
    "ActionClient",
    "ActionServer",
    "Actuator",
    "CancelResponse",
    "Client",
    "ClientGoalHandle",
    "EmergencyStop",
    "Future",
    "GoalResponse",
    "GoalState",
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
    "Subscription",
    "Timer",
    "run",
    "spin",
    "spin_once",
    "spin_until_future_complete",
    "wait_for_message",
]

_HOMES = {
    "Action": "messages.action_type",
    "ActionClient": "graph.actions.action_client",
    "ActionServer": "graph.actions.action_server",
    "Actuator": "graph.safety",
    "CancelResponse": "graph.actions.action_server",
    "Client": "graph.services.service_client",
    "ClientGoalHandle": "graph.actions.action_client",
    "EmergencyStop": "graph.safety",
    "Future": "graph.services.future",
    "GoalResponse": "graph.actions.action_server",
    "GoalState": "graph.actions.goal",
    "Message": "messages.base",
    "MessageInfo": "graph.topics.subscription",
    "Node": "graph.node",
    "Parameter": "graph.parameters.parameter",
    "Parameters": "graph.parameters.model",
    "Publisher": "graph.topics.publisher",
    "QoSProfile": "graph.topics.qos",
    "Rate": "graph.spin.rate",
    "ServerGoalHandle": "graph.actions.goal",
    "Service": "messages.service_base",
    "ServiceServer": "graph.services.service_server",
    "Subscription": "graph.topics.subscription",
    "Timer": "graph.time.timer",
    "run": "graph.run",
    "spin": "graph.run",
    "spin_once": "graph.run",
    "spin_until_future_complete": "graph.run",
    "wait_for_message": "graph.run",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
