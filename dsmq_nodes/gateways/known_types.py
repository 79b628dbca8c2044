"""The types of topics, services and actions that a web client names.

A client names a type in ROS 1's spelling (`std_msgs/String`) or in ROS 2's. The kit's own types
have a class; a user's type has only the JSON Schema that some endpoint in the graph has published.
Nothing is imported because a client names it.
"""

from functools import cache
from typing import Any, NamedTuple

import msgspec

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.messages.action_type import Action, action_parts
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.schema.find import did_you_mean_type, kits_interface, standard_interfaces
from dsmq_nodes.messages.schema.schema_walk import Schema, alternative, as_mapping
from dsmq_nodes.messages.service_base import Service
from dsmq_nodes.topic_names import ACTION, REPLY, REQUEST


class KnownType(NamedTuple):
    """A message type: its name, its JSON Schema (empty if unknown), its class if the kit has it."""

    name: str
    schema: Schema
    cls: type[Message] | None = None

    @property
    def schema_text(self) -> bytes:
        """The schema in the form for the broker."""
        return msgspec.json.encode(self.schema, order="sorted") if self.schema else b""


def ros2_name(name: str, kind: str = "msg") -> str:
    """Return a type's name in ROS 2's spelling: `std_msgs/String` is `std_msgs/msg/String`."""
    parts = name.split("/")
    return f"{parts[0]}/{kind}/{parts[1]}" if len(parts) == 2 else name


def _of_class(cls: Any) -> KnownType:
    return KnownType(cls.type_name, cls.schema(), cls)


def message_type(hub: Hub, topic: str, name: str = "") -> KnownType:
    """Return the type of a topic, whether a client has named it or not.

    Raises:
        CommandError: the kit has no such type, although it has others of that package.
    """
    announced = hub.type_of(topic)
    name = ros2_name(name) or announced
    found = kits_interface(name) if name else None
    if found is not None and issubclass(found, Message):
        return _of_class(found)
    if name == announced:
        return KnownType(name, hub.schema_of(topic))
    if name.partition("/")[0] in _kits_packages():
        raise CommandError(f"there is no type {name!r:.80}; {did_you_mean_type(name)}")
    return KnownType(name, {})


@cache
def _kits_packages() -> frozenset[str]:
    return frozenset(name.partition("/")[0] for name in standard_interfaces())


class KnownService(NamedTuple):
    """A service type: its name, its request, its response."""

    name: str
    request: KnownType
    response: KnownType


def service_type(hub: Hub, service: str, name: str = "") -> KnownService:
    """Return the type of a served service, or else the type that a client has named."""
    offer = hub.service(service)
    announced = offer.type if offer is not None else ""
    name = announced or ros2_name(name, "srv")
    request, response = f"{name}_Request", f"{name}_Response"
    if (cls := kits_interface(name) if name else None) is not None and issubclass(cls, Service):
        return KnownService(name, _of_class(cls.Request), _of_class(cls.Response))
    return KnownService(
        name,
        KnownType(request, hub.schema_of(service + REQUEST)),
        KnownType(response, hub.schema_of(service + REPLY)),
    )


class KnownAction(NamedTuple):
    """An action type: its name, and its parts as in ROS 2."""

    name: str
    send_goal: KnownService
    get_result: KnownService
    feedback: KnownType


def action_type(hub: Hub, action: str, name: str = "") -> KnownAction:
    """Return the type of a served action, or else the type that a client has named."""
    goal, result = f"{action}{ACTION}/send_goal", f"{action}{ACTION}/get_result"
    offer = hub.service(goal)
    announced = offer.type.removesuffix("_SendGoal") if offer is not None else ""
    name = announced or ros2_name(name, "action")
    if (cls := kits_interface(name) if name else None) is not None and issubclass(cls, Action):
        parts = action_parts(cls)
        send_goal, get_result = (
            KnownService(each.type_name, _of_class(each.Request), _of_class(each.Response))
            for each in (parts.send_goal, parts.get_result)
        )
        return KnownAction(name, send_goal, get_result, _of_class(parts.feedback_message))
    return KnownAction(
        name,
        service_type(hub, goal, f"{name}_SendGoal" if name else ""),
        service_type(hub, result, f"{name}_GetResult" if name else ""),
        KnownType(f"{name}_FeedbackMessage", hub.schema_of(f"{action}{ACTION}/feedback")),
    )


def action_part(hub: Hub, action: str, name: str, part: str) -> KnownType:
    """Return the type of an action's `Goal`, `Result` or `Feedback`, with ROS 2's name."""
    if (cls := kits_interface(name)) is not None and issubclass(cls, Action):
        return _of_class(getattr(cls, part))
    kind, field = action_type(hub, action, name), part.lower()
    holders = {
        "Goal": kind.send_goal.request,
        "Result": kind.get_result.response,
        "Feedback": kind.feedback,
    }
    schema = holders[part].schema
    item = alternative(
        as_mapping(as_mapping(schema.get("properties")).get(field)), "object", schema
    )
    return KnownType(f"{name}_{part}", item and {**item, "$defs": schema.get("$defs", {})})
