"""The entities of an action: three services and two topics below `<action>/_action`."""

from typing import Any, Final

from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.calls.call_handles import ClientHandle, ServiceHandle
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.impl.names.name_rules import topic_fault
from dsmq_nodes.rclpy.impl.topics.topic_handles import PublisherHandle, SubscriptionHandle
from dsmq_nodes.rclpy.type_support import check_is_valid_action_type
from dsmq_nodes.topic_names import ACTION

_SERVICES: Final = ("send_goal", "get_result", "cancel_goal")
_TOPICS: Final = ("feedback", "status")


def names_of(node: Any, action_type: Any, name: str, what: str) -> tuple[str, ...]:
    """Return the names of an action's services and topics; each may be remapped by itself.

    Raises:
        ValueError: the action's name breaks the rules.
        AttributeError: the type is none.
    """
    check_is_valid_action_type(action_type)
    node.handle.check()
    fault = topic_fault(name)
    if fault is not None:
        colon = ": " if what == "server" else ""  # as rcl writes it
        raise ValueError(
            f"Failed to create action {what} due to invalid topic name '{name}' : {colon}{fault[0]}"
        )
    if not node.context.ok():
        raise ValueError(f"Failed to create action {what}: rcl node's context is invalid")
    start = f"{node.resolve_service_name(name)}{ACTION}"
    services = (f"{start}/{each}" for each in _SERVICES)
    topics = (f"{start}/{each}" for each in _TOPICS)
    return (*map(node.resolve_service_name, services), *map(node.resolve_topic_name, topics))


class ActionServerEntities(InnerHandle):
    """The inner side of an action's server; `qos` are the profiles of its five entities."""

    def __init__(self, node: Any, action_type: Any, name: str, qos: tuple[Any, ...]) -> None:
        super().__init__()
        names = names_of(node, action_type, name, "server")
        impl, handle = action_type.Impl, node.handle
        self.goal = ServiceHandle(handle, impl.SendGoalService, names[0], qos[0])
        self.result = ServiceHandle(handle, impl.GetResultService, names[1], qos[1])
        self.cancel = ServiceHandle(handle, impl.CancelGoalService, names[2], qos[2])
        self.feedback = PublisherHandle(handle, impl.FeedbackMessage, names[3], qos[3])
        self.status = PublisherHandle(handle, impl.GoalStatusMessage, names[4], qos[4])
        self.feedback.begin()
        self.status.begin()

    def configure_introspection(self, clock: Any, qos: Any, state: Any) -> None:
        """Configure the introspection of the three services."""
        for each in (self.goal, self.cancel, self.result):
            each.configure_introspection(clock, qos, state)

    def destroy_when_not_in_use(self) -> None:
        """Destroy the entities."""
        super().destroy_when_not_in_use()
        for each in (self.goal, self.cancel, self.result, self.feedback, self.status):
            each.destroy_when_not_in_use()


class ActionClientEntities(InnerHandle):
    """The inner side of an action's client; `qos` are the profiles of its five entities."""

    def __init__(self, node: Any, action_type: Any, name: str, qos: tuple[Any, ...]) -> None:
        super().__init__()
        names = names_of(node, action_type, name, "client")
        impl, handle = action_type.Impl, node.handle
        self.goal = ClientHandle(handle, impl.SendGoalService, names[0], qos[0])
        self.result = ClientHandle(handle, impl.GetResultService, names[1], qos[1])
        self.cancel = ClientHandle(handle, impl.CancelGoalService, names[2], qos[2])
        self.feedback = SubscriptionHandle(handle, impl.FeedbackMessage, names[3], qos[3])
        self.status = SubscriptionHandle(handle, impl.GoalStatusMessage, names[4], qos[4])
        self.feedback.begin()
        self.status.begin()

    def is_server_available(self) -> bool:
        """Whether all five entities of a server exist.

        Raises:
            RCLError: the context was shut down, by a signal.
        """
        what = "Failed to check if action server is available"
        if self.is_destroyed:
            raise RCLError(f"{what}: rcl node pointer is invalid")
        self.goal.node.check_context(what)
        calls = (self.goal, self.cancel, self.result)
        topics = (self.feedback, self.status)
        return all(each.service_server_is_available() for each in calls) and all(
            each.get_publisher_count() for each in topics
        )

    def check_for(self, request: str) -> None:
        """Check that a request can be sent.

        Raises:
            RCLError: it was destroyed.
        """
        if self.is_destroyed:
            raise RCLError(f"Failed to send {request} request: action client pointer is invalid")

    def configure_introspection(self, clock: Any, qos: Any, state: Any) -> None:
        """Configure the introspection of the three clients."""
        for each in (self.goal, self.cancel, self.result):
            each.configure_introspection(clock, qos, state)

    def destroy_when_not_in_use(self) -> None:
        """Destroy the entities."""
        super().destroy_when_not_in_use()
        for each in (self.goal, self.cancel, self.result, self.feedback, self.status):
            each.destroy_when_not_in_use()
