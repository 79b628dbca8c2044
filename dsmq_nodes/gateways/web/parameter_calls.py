"""Reads and sets parameters by the services that every node has, in JSON, for web clients."""

import asyncio
import base64
import json
from typing import Any, Final, NamedTuple

import msgspec

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.graph.parameters.parameter import MESSAGE_FIELDS, ParameterKind
from dsmq_nodes.json_text import read_json
from dsmq_nodes.messages.schema.ros_base import number_or_text

_SEC: Final = 5.0
_LIST: Final = "/list_parameters"


class ParameterRead(NamedTuple):
    """A parameter: its value, its type as a number of rcl_interfaces, its descriptor."""

    value: Any
    type: int
    descriptor: dict[str, Any]


def nodes_with_parameters(hub: Hub) -> list[str]:
    """Return the nodes that serve their parameters."""
    served = hub.services(hidden=True)
    return [name.removesuffix(_LIST) for name in served if name.endswith(_LIST)]


def has_parameters(hub: Hub, node: str) -> bool:
    """Whether a node serves its parameters."""
    return hub.service(node + _LIST) is not None


async def parameter_names(client: HubClient, node: str) -> list[str]:
    """Return the names of a node's parameters.

    Raises:
        CommandError: the node does not answer.
    """
    answer = await _called(client, node, "list_parameters", prefixes=[], depth=0)
    return sorted(answer["result"]["names"])


async def read_parameters(
    client: HubClient, node: str, names: list[str] | None = None
) -> dict[str, ParameterRead]:
    """Return parameters of a node with their descriptors; by default all of them.

    Raises:
        CommandError: the node does not answer.
    """
    if names is None:
        names = await parameter_names(client, node)
    answers = await asyncio.gather(
        _called(client, node, "get_parameters", names=names),
        _called(client, node, "describe_parameters", names=names),
    )
    values, descriptors = answers[0]["values"], answers[1]["descriptors"]
    if len(values) == len(descriptors) == len(names):
        return {
            name: ParameterRead(value_in(value), descriptor["type"], descriptor)
            for name, value, descriptor in zip(names, values, descriptors, strict=True)
        }
    # rclpy's nodes return nothing at all when one of the parameters has no value, or is absent.
    if len(names) > 1:
        found: dict[str, ParameterRead] = {}
        for name in names:
            found |= await read_parameters(client, node, [name])
        return found
    descriptor = descriptors[0] if descriptors else {}
    return {name: ParameterRead(None, descriptor.get("type", 0), descriptor) for name in names}


async def set_parameter(client: HubClient, node: str, name: str, value: Any) -> None:
    """Set a parameter; an integer becomes a double if the parameter is one, None unsets it.

    Raises:
        CommandError: the node refuses the value; the text is the node's own.
    """
    client.check_writable()
    answer = await _called(client, node, "get_parameter_types", names=[name])
    types = answer["types"]
    kinds = base64.b64decode(types) if isinstance(types, str) else bytes(types)
    given = {"name": name, "value": parameter_value(value, kinds[0] if kinds else 0)}
    answer = await _called(client, node, "set_parameters", parameters=[given])
    result = answer["results"][0]
    if not result["successful"]:
        raise CommandError(result["reason"] or f"{node} refuses {name} without a reason")


def value_in(value: dict[str, Any]) -> Any:
    """Return the plain value of a rcl_interfaces/msg/ParameterValue; None if it is not set."""
    field = MESSAGE_FIELDS.get(value.get("type", 0))
    return value.get(field) if field is not None else None


def parameter_value(value: Any, kind: int = 0) -> dict[str, Any]:
    """Return a rcl_interfaces/msg/ParameterValue for a plain value.

    Args:
        value: the value.
        kind: the parameter's type; 0 for the one that fits the value.

    Raises:
        CommandError: no parameter type has such a value.
    """
    if value is None:
        return {"type": 0}
    kind = kind or _kind_of(value)
    if kind == ParameterKind.DOUBLE:
        value = _as_double(value)
    if kind == ParameterKind.DOUBLE_ARRAY and isinstance(value, list):
        value = [_as_double(each) for each in value]
    return {"type": int(kind), MESSAGE_FIELDS[kind]: value}


def _as_double(value: Any) -> Any:
    """Return a number in the JSON form of float64; the node refuses other values."""
    try:
        return number_or_text(float(value)) if type(value) in {int, float} else value
    except OverflowError:
        raise CommandError("the number is too large for a parameter") from None


def _kind_of(value: Any) -> ParameterKind:
    if value == []:  # of any array type
        return ParameterKind.BOOL_ARRAY
    try:
        return ParameterKind.from_parameter_value(value)
    except TypeError:
        raise CommandError(f"no parameter can be {json.dumps(value):.60}") from None


async def _called(client: HubClient, node: str, service: str, **request: Any) -> Any:
    body = msgspec.json.encode(request).decode()
    return read_json(await client.call(f"{node}/{service}", body, timeout_sec=_SEC))
