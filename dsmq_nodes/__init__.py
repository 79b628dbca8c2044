"""ROS-style robot nodes on a dead simple message queue.

    from dsmq_nodes import Node, run
    from dsmq_nodes.messages import Twist

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.graph.action_client import ActionClient, ClientGoalHandle
    from dsmq_nodes.graph.action_server import ActionServer, CancelResponse, GoalResponse
    from dsmq_nodes.graph.client import Client
    from dsmq_nodes.graph.future import Future
    from dsmq_nodes.graph.goal import GoalState, ServerGoalHandle
    from dsmq_nodes.graph.node import Node
    from dsmq_nodes.graph.parameter import Parameter
    from dsmq_nodes.graph.parameters import Parameters
    from dsmq_nodes.graph.publisher import Publisher
    from dsmq_nodes.graph.qos import QoSProfile
    from dsmq_nodes.graph.rate import Rate
    from dsmq_nodes.graph.runtime import (
        run,
        spin,
        spin_once,
        spin_until_future_complete,
        wait_for_message,
    )
    from dsmq_nodes.graph.safety import Actuator, EmergencyStop
    from dsmq_nodes.graph.service import ServiceServer
    from dsmq_nodes.graph.subscription import MessageInfo, Subscription
    from dsmq_nodes.graph.timer import Timer
    from dsmq_nodes.messages.action_type import Action
    from dsmq_nodes.messages.base import Message
    from dsmq_nodes.messages.service import Service

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
    "ActionClient": "graph.action_client",
    "ActionServer": "graph.action_server",
    "Actuator": "graph.safety",
    "CancelResponse": "graph.action_server",
    "Client": "graph.client",
    "ClientGoalHandle": "graph.action_client",
    "EmergencyStop": "graph.safety",
    "Future": "graph.future",
    "GoalResponse": "graph.action_server",
    "GoalState": "graph.goal",
    "Message": "messages.base",
    "MessageInfo": "graph.subscription",
    "Node": "graph.node",
    "Parameter": "graph.parameter",
    "Parameters": "graph.parameters",
    "Publisher": "graph.publisher",
    "QoSProfile": "graph.qos",
    "Rate": "graph.rate",
    "ServerGoalHandle": "graph.goal",
    "Service": "messages.service",
    "ServiceServer": "graph.service",
    "Subscription": "graph.subscription",
    "Timer": "graph.timer",
    "run": "graph.runtime",
    "spin": "graph.runtime",
    "spin_once": "graph.runtime",
    "spin_until_future_complete": "graph.runtime",
    "wait_for_message": "graph.runtime",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
