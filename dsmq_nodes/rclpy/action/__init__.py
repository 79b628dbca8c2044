"""Actions: goals that take time, report feedback, and can be cancelled."""

from dsmq_nodes.rclpy.action.client import ActionClient
from dsmq_nodes.rclpy.action.graph import (
    get_action_client_names_and_types_by_node,
    get_action_names_and_types,
    get_action_server_names_and_types_by_node,
)
from dsmq_nodes.rclpy.action.server import ActionServer, CancelResponse, GoalResponse
