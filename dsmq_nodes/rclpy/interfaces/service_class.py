"""Classes of services and actions as ROS's generator makes them: names for their messages."""

from collections.abc import Callable
from typing import Any

from dsmq_nodes.messages.schema.interface_text import (
    FieldType,
    MessageDefinition,
    MessageField,
)
from dsmq_nodes.rclpy.interfaces.message_class import metaclass, module_of

ClassNamed = Callable[[str], Any]
_UUID = FieldType("unique_identifier_msgs/msg/UUID")
_TIME = FieldType("builtin_interfaces/msg/Time")


def make_service_class(type_name: str, class_named: ClassNamed) -> type:
    """Return the class of a service: Request, Response and Event.

    Event, which only introspection needs, is made at its first use.
    """
    name = type_name.rpartition("/")[2]
    parts = {part: class_named(f"{type_name}_{part}") for part in ("Request", "Response")}
    made = _named(type_name, name, "Service", parts)

    def find(cls: Any, attribute: str) -> Any:
        if attribute != "Event":
            raise AttributeError(f"type object {name!r} has no attribute {attribute!r}")
        made.Event = found = class_named(f"{type_name}_Event")  # type: ignore[attr-defined]
        return found

    type(made).__getattr__ = find  # type: ignore[attr-defined]
    return made


def make_action_class(type_name: str, class_named: ClassNamed, service_named: ClassNamed) -> type:
    """Return the class of an action: Goal, Result, Feedback, and in `Impl` its wire types."""
    name = type_name.rpartition("/")[2]
    body = {part: class_named(f"{type_name}_{part}") for part in ("Goal", "Result", "Feedback")}
    impl = {
        "SendGoalService": service_named(f"{type_name}_SendGoal"),
        "GetResultService": service_named(f"{type_name}_GetResult"),
        "FeedbackMessage": class_named(f"{type_name}_FeedbackMessage"),
        "CancelGoalService": service_named("action_msgs/srv/CancelGoal"),
        "GoalStatusMessage": class_named("action_msgs/msg/GoalStatusArray"),
        "__module__": module_of(type_name),
        "__qualname__": f"{name}.Impl",
    }
    return _named(type_name, name, "Action", {**body, "Impl": type("Impl", (), impl)})


def _named(type_name: str, name: str, what: str, body: dict[str, Any]) -> type:
    def refuse(self: object) -> None:
        raise NotImplementedError(f"{what} classes can not be instantiated")

    refuse.__name__, refuse.__qualname__ = "__init__", f"{name}.__init__"
    body |= {"__module__": module_of(type_name), "__qualname__": name, "__init__": refuse}
    return metaclass(type_name, what.lower(), {})(name, (), body)


def event_definition(type_name: str) -> MessageDefinition:
    """Return the message of a service's introspection: `std_srvs/srv/SetBool_Event`."""
    service = type_name.removesuffix("_Event")
    parts = ("request", "response")
    fields = {part: FieldType(f"{service}_{part.title()}", is_list=True, limit=1) for part in parts}
    info = MessageField("info", FieldType("service_msgs/msg/ServiceEventInfo"))
    return MessageDefinition(type_name, (info, *(MessageField(*pair) for pair in fields.items())))


def action_definition(type_name: str) -> MessageDefinition | None:
    """Return a message derived from an action: `test_msgs/action/Fibonacci_SendGoal_Request`."""
    package, _, rest = type_name.partition("/action/")
    name, _, part = rest.partition("_")
    action = f"{package}/action/{name}"
    uuid, stamp = MessageField("goal_id", _UUID), MessageField("stamp", _TIME)
    fields = {
        "SendGoal_Request": (uuid, MessageField("goal", FieldType(f"{action}_Goal"))),
        "SendGoal_Response": (MessageField("accepted", FieldType("bool")), stamp),
        "GetResult_Request": (uuid,),
        "GetResult_Response": (
            MessageField("status", FieldType("int8")),
            MessageField("result", FieldType(f"{action}_Result")),
        ),
        "FeedbackMessage": (uuid, MessageField("feedback", FieldType(f"{action}_Feedback"))),
    }.get(part)
    return None if fields is None else MessageDefinition(type_name, fields)
