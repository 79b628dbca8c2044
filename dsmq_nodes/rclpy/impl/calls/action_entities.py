"""The entities of an action: three services and two topics below `<action>/_action`."""

from typing import Any, ClassVar, Final

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


class _ActionEntities(InnerHandle):
    """The inner side of a server or a client; `qos` are the profiles of its five entities."""

    what: ClassVar[str]
    call: ClassVar[Any]
    end: ClassVar[Any]

    def __init__(self, node: Any, action_type: Any, name: str, qos: tuple[Any, ...]) -> None:
        super().__init__()
        names = names_of(node, action_type, name, self.what)
        impl, handle, call, end = action_type.Impl, node.handle, self.call, self.end
        self.goal = call(handle, impl.SendGoalService, names[0], qos[0])
        self.result = call(handle, impl.GetResultService, names[1], qos[1])
        self.cancel = call(handle, impl.CancelGoalService, names[2], qos[2])
        self.feedback = end(handle, impl.FeedbackMessage, names[3], qos[3])
        self.status = end(handle, impl.GoalStatusMessage, names[4], qos[4])
        self.calls = self.goal, self.cancel, self.result
        self.topics = self.feedback, self.status
        for each in self.topics:
            each.begin()

    def configure_introspection(self, clock: Any, qos: Any, state: Any) -> None:
        """Configure the introspection of the three services."""
        for each in self.calls:
            each.configure_introspection(clock, qos, state)

    def destroy_when_not_in_use(self) -> None:
        """Destroy the entities."""
        super().destroy_when_not_in_use()
        for each in (*self.calls, *self.topics):
            each.destroy_when_not_in_use()


class ActionServerEntities(_ActionEntities):
    """The inner side of an action's server."""

    what, call, end = "server", ServiceHandle, PublisherHandle


class ActionClientEntities(_ActionEntities):
    """The inner side of an action's client."""

    what, call, end = "client", ClientHandle, SubscriptionHandle

    def is_server_available(self) -> bool:
        """Whether all five entities of a server exist.

        Raises:
            RCLError: the context was shut down, by a signal.
        """
        what = "Failed to check if action server is available"
        if self.is_destroyed:
            raise RCLError(f"{what}: rcl node pointer is invalid")
        self.goal.node.check_context(what)
        return all(each.service_server_is_available() for each in self.calls) and all(
            each.get_publisher_count() for each in self.topics
        )

    def check_for(self, request: str) -> None:
        """Check that a request can be sent.

        Raises:
            RCLError: it was destroyed.
        """
        if self.is_destroyed:
            raise RCLError(f"Failed to send {request} request: action client pointer is invalid")
