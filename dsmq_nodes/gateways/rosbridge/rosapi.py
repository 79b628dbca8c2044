"""rosapi: the services `/rosapi/...`, by which clients of rosbridge inspect the graph.

The gateway answers them itself. Requests and responses are those of rosbridge_suite's `rosapi_msgs`
for ROS 2. Responses name types in ROS 2's spelling; requests may use ROS 1's.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.known_types import (
    KnownType,
    action_part,
    message_type,
    ros2_name,
    service_type,
)
from dsmq_nodes.gateways.rosbridge.operation import full_name
from dsmq_nodes.gateways.rosbridge.rosbridge_server import RosbridgeServer
from dsmq_nodes.gateways.rosbridge.typedefs import full_text, schema_typedefs, typedefs
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.parameter_calls import (
    nodes_with_parameters,
    parameter_names,
    read_parameters,
    set_parameter,
)
from dsmq_nodes.messages.schema.find import kits_interface, standard_interfaces
from dsmq_nodes.tools.lookup import types
from dsmq_nodes.tools.offers import Offer, actions
from dsmq_nodes.topic_names import PARAMETER_EVENTS_TOPIC, ROSOUT_TOPIC

_PREFIX: Final = "/rosapi/"
_ROS_VERSION: Final = 2
_DISTRO: Final = "jazzy"
_EVERY_NODES: Final = {
    ROSOUT_TOPIC: "rcl_interfaces/msg/Log",
    PARAMETER_EVENTS_TOPIC: "rcl_interfaces/msg/ParameterEvent",
}

Fields = dict[str, Any]
Method = Callable[[Fields], Fields | Awaitable[Fields]]


class RosApi:
    """rosapi for one client."""

    def __init__(self, client: HubClient, server: RosbridgeServer) -> None:
        self._client, self._hub, self._server = client, client.hub, server
        # Each service with the fields of its request, in order.
        self._services: dict[str, tuple[tuple[str, ...], Method]] = {
            "topics": ((), self._topics),
            "topics_for_type": (("type",), self._topics_for_type),
            "topics_and_raw_types": ((), self._topics_and_raw_types),
            "topic_type": (("topic",), self._topic_type),
            "publishers": (("topic",), partial(self._ends, "publishers")),
            "subscribers": (("topic",), partial(self._ends, "subscribers")),
            "services": ((), self._all_services),
            "services_for_type": (("type",), self._services_for_type),
            "service_type": (("service",), self._service_type),
            "service_node": (("service",), self._service_node),
            "service_providers": (("service",), self._service_providers),
            "nodes": ((), lambda _: {"nodes": self._hub.nodes()}),
            "node_details": (("node",), self._node_details),
            "action_servers": ((), self._action_servers),
            "action_type": (("action",), self._action_type),
            "interfaces": ((), self._interfaces),
            "message_details": (("type",), self._message_details),
            "service_request_details": (("type",), partial(self._service_details, "request")),
            "service_response_details": (("type",), partial(self._service_details, "response")),
            "action_goal_details": (("type",), partial(self._action_details, "Goal")),
            "action_result_details": (("type",), partial(self._action_details, "Result")),
            "action_feedback_details": (("type",), partial(self._action_details, "Feedback")),
            "get_param": (("name", "default_value"), self._get_param),
            "set_param": (("name", "value"), self._change_param),
            "has_param": (("name",), self._has_param),
            "delete_param": (("name",), self._change_param),
            "get_param_names": ((), self._get_param_names),
            "get_time": ((), self._get_time),
            "get_ros_version": ((), lambda _: {"version": _ROS_VERSION, "distro": _DISTRO}),
        }

    def has(self, service: str) -> bool:
        """Whether a service belongs to rosapi."""
        return service.startswith(_PREFIX) and service.removeprefix(_PREFIX) in self._services

    async def call(self, service: str, args: Any) -> Fields:
        """Return the response of a service; the request's fields are by name or in their order.

        Raises:
            CommandError: the request is invalid, or names something that does not exist.
        """
        names, method = self._services[service.removeprefix(_PREFIX)]
        if isinstance(args, list):
            args = dict(zip(names, args, strict=False))
        given = args if isinstance(args, dict) else {}
        fields = {name: given[name] if given.get(name) is not None else "" for name in names}
        for name, value in fields.items():
            if not isinstance(value, str):
                raise CommandError(f"{service}: {name} has to be a text, not {value!r:.60}")
        answer = method(fields)
        return answer if isinstance(answer, dict) else await answer

    # Topics

    def _typed(self) -> list[tuple[str, str]]:
        """Return the topics in use, with their types, and those that every node publishes."""
        found = {
            topic.name: next(iter(types(topic)), "")
            for topic in self._hub.topics()
            if topic.publishers or topic.subscribers
        }
        if self._hub.nodes():  # in ROS 2 these exist from the start, here from the first log line
            found = _EVERY_NODES | found
        return sorted(found.items())

    def _topics(self, _: Fields) -> Fields:
        found = self._typed()
        return {"topics": [name for name, _ in found], "types": [kind for _, kind in found]}

    def _topics_for_type(self, fields: Fields) -> Fields:
        wanted = ros2_name(fields["type"])
        return {"topics": [name for name, kind in self._typed() if kind == wanted]}

    def _topics_and_raw_types(self, fields: Fields) -> Fields:
        texts = []
        for _, kind in self._typed():
            cls = kits_interface(kind)
            texts.append(full_text(cls) if cls is not None else "")
        return {**self._topics(fields), "typedefs_full_text": texts}

    def _topic_type(self, fields: Fields) -> Fields:
        return {"type": self._hub.type_of(full_name(fields["topic"]))}

    def _ends(self, which: str, fields: Fields) -> Fields:
        topic = self._hub.topic(full_name(fields["topic"]))
        return {which: [end.node for end in getattr(topic, which, ())]}

    # Services, actions, nodes

    def _all_services(self, _: Fields) -> Fields:
        return {"services": list(self._hub.services())}

    def _services_for_type(self, fields: Fields) -> Fields:
        wanted, found = ros2_name(fields["type"], "srv"), self._hub.services()
        return {"services": [name for name, offer in found.items() if offer.type == wanted]}

    def _offer(self, fields: Fields) -> Offer:
        name = full_name(fields["service"])
        return self._hub.service(name) or Offer(name)

    def _service_type(self, fields: Fields) -> Fields:
        return {"type": self._offer(fields).type}

    def _service_node(self, fields: Fields) -> Fields:
        return {"node": next((end.node for end in self._offer(fields).servers), "")}

    def _service_providers(self, fields: Fields) -> Fields:
        return {"providers": [end.node for end in self._offer(fields).servers]}

    def _node_details(self, fields: Fields) -> Fields:
        node, topics = full_name(fields["node"]), self._hub.topics()
        return {
            "subscribing": [t.name for t in topics if _is_end(node, t.subscribers)],
            "publishing": [t.name for t in topics if _is_end(node, t.publishers)],
            "services": [
                name for name, offer in self._hub.services().items() if _is_end(node, offer.servers)
            ],
        }

    def _action_servers(self, _: Fields) -> Fields:
        found = actions(self._hub.graph)
        return {"action_servers": [name for name, offer in found.items() if offer.servers]}

    def _action_type(self, fields: Fields) -> Fields:
        offer = actions(self._hub.graph).get(full_name(fields["action"]))
        return {"type": offer.type if offer is not None and offer.servers else ""}

    # Types

    def _interfaces(self, _: Fields) -> Fields:
        offers = (*self._hub.services().values(), *actions(self._hub.graph).values())
        found = {kind for _, kind in self._typed()} | {offer.type for offer in offers}
        return {"interfaces": sorted({*found, *standard_interfaces()} - {""})}

    def _message_details(self, fields: Fields) -> Fields:
        name = ros2_name(fields["type"])
        topic = next((topic for topic, kind in self._typed() if kind == name), "")
        return self._details(message_type(self._hub, topic, name))

    def _service_details(self, part: str, fields: Fields) -> Fields:
        name = ros2_name(fields["type"], "srv")
        found = self._hub.services(hidden=True)
        service = next((each for each, offer in found.items() if offer.type == name), "")
        return self._details(getattr(service_type(self._hub, service, name), part))

    def _action_details(self, part: str, fields: Fields) -> Fields:
        name = ros2_name(fields["type"], "action")
        found = actions(self._hub.graph)
        action = next((each for each, offer in found.items() if offer.type == name), "")
        return self._details(action_part(self._hub, action, name, part))

    @staticmethod
    def _details(kind: KnownType) -> Fields:
        if kind.cls is not None:
            return {"typedefs": typedefs(kind.cls)}
        if not kind.schema:
            raise CommandError(f"the type is unknown: {kind.name!r:.80}")
        return {"typedefs": schema_typedefs(kind.name, kind.schema)}

    # Parameters

    async def _get_param(self, fields: Fields) -> Fields:
        node, _, name = fields["name"].rpartition(":")
        if not node:
            value = self._server.parameters.get(name)
            return self._value_answer(value, fields, f"there is no parameter {name!r:.80}")
        try:
            found = (await read_parameters(self._client, full_name(node), [name]))[name]
        except CommandError as error:
            return self._value_answer(None, fields, str(error))
        value = json.dumps(found.value) if found.value is not None else None
        return self._value_answer(value, fields, f"{node} has no parameter {name!r:.80}")

    @staticmethod
    def _value_answer(value: str | None, fields: Fields, reason: str) -> Fields:
        # roslibpy always parses the value; roslib checks `successful`.
        if value is not None:
            return {"value": value, "successful": True, "reason": ""}
        if default := fields["default_value"]:
            return {"value": default, "successful": True, "reason": reason}
        return {"value": "null", "successful": False, "reason": reason}

    async def _change_param(self, fields: Fields) -> Fields:
        """Set a parameter, or delete it where the request has no field for a value."""
        node, _, name = fields["name"].rpartition(":")
        text = fields.get("value")
        try:
            value = None if text is None else json.loads(text)
            self._client.check_writable()
            if node:
                await set_parameter(self._client, full_name(node), name, value)
            elif text is None:
                self._server.parameters.pop(name, None)
            else:
                self._server.parameters.put(name, text)
        except (CommandError, ValueError, RecursionError) as error:
            return {"successful": False, "reason": str(error)}
        return {"successful": True, "reason": ""}

    async def _has_param(self, fields: Fields) -> Fields:
        found = await self._get_param({**fields, "default_value": ""})
        return {"exists": found["successful"]}

    async def _get_param_names(self, _: Fields) -> Fields:
        nodes = nodes_with_parameters(self._hub)
        found = await asyncio.gather(*map(self._names_of, nodes))
        names = [f"{node}:{name}" for node, each in zip(nodes, found, strict=True) for name in each]
        return {"names": [*names, *self._server.parameters]}

    async def _names_of(self, node: str) -> list[str]:
        try:
            return await parameter_names(self._client, node)
        except CommandError:
            return []  # omit a node that does not answer

    @staticmethod
    def _get_time(_: Fields) -> Fields:
        sec, nanosec = divmod(time.time_ns(), 1_000_000_000)
        # roslibpy still reads ROS 1's names.
        return {"time": {"sec": sec, "nanosec": nanosec, "secs": sec, "nsecs": nanosec}}


def _is_end(node: str, ends: list[Any]) -> bool:
    return any(end.node == node for end in ends)
