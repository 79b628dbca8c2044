"""Nodes, services and actions of a graph, found from its peers and its topics alone.

The publisher of a service's replies serves it (graph/service_wire.py). An action is three
services and two topics below `<action>/_action`, as in ROS 2; the server of its `send_goal` serves
it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.graph.service_wire import service_type
from dsmq_nodes.suggest import did_you_mean, nearest
from dsmq_nodes.tools.graph_model import EndpointModel, GraphModel
from dsmq_nodes.topic_names import ACTION, REPLY, REQUEST, is_hidden

_SEND_GOAL: Final = f"{ACTION}/send_goal"
_CHANGE: Final = f"/change_state{REPLY}"


@dataclass
class Offer:
    """A service or an action: its type ("" when unknown), its servers, its clients."""

    name: str
    type: str = ""
    servers: list[EndpointModel] = field(default_factory=list)
    clients: list[EndpointModel] = field(default_factory=list)


def services(graph: GraphModel, *, hidden: bool = False) -> dict[str, Offer]:
    """Return the services by name; with `hidden` also those of actions."""
    found: dict[str, Offer] = {}
    for topic in graph.topics:
        for sign in (REQUEST, REPLY):
            if topic.name.endswith(sign) and topic.publishers:
                name = topic.name.removesuffix(sign)
                offer = found.setdefault(name, Offer(name))
                (offer.servers if sign == REPLY else offer.clients).extend(topic.publishers)
                types = (service_type(end.type) for end in topic.publishers if end.type)
                offer.type = offer.type or next(types, "").removesuffix("_SendGoal")
    return {name: found[name] for name in sorted(found) if hidden or not is_hidden(name)}


def served(offers: Mapping[str, Offer]) -> dict[str, Offer]:
    """Return the offers that have a server, without those that clients only wait for."""
    return {name: offer for name, offer in offers.items() if offer.servers}


def actions(graph: GraphModel) -> dict[str, Offer]:
    """Return the actions by name."""
    found = {}
    for offer in services(graph, hidden=True).values():
        if offer.name.endswith(_SEND_GOAL):
            name = offer.name.removesuffix(_SEND_GOAL)
            found[name] = Offer(name, offer.type, offer.servers, offer.clients)
    return found


def nodes(graph: GraphModel, *, hidden: bool = False) -> list[str]:
    """Return the names of the nodes; with `hidden` also the kit's own."""
    names = {peer.name for peer in graph.peers if peer.name}
    return sorted(name for name in names if hidden or not is_hidden(name))


def lifecycle_nodes(graph: GraphModel) -> list[str]:
    """Return the names of the lifecycle nodes: those that serve `change_state`."""
    served = [each.name for each in graph.topics if each.publishers and each.name.endswith(_CHANGE)]
    return sorted(name.removesuffix(_CHANGE) for name in served)


def find_node(graph: GraphModel, name: str) -> str:
    """Return a node's full name; the first slash may be left out.

    Raises:
        CommandError: there is no such node; the text has the nearest name.
    """
    full_name = absolute(name)
    if full_name not in nodes(graph, hidden=True):
        raise unknown("node", full_name, nodes(graph, hidden="/dsmq" in full_name))
    return full_name


def find_offer(kind: str, name: str, offers: Mapping[str, Offer]) -> Offer:
    """Return the service or action that a user calls `name`.

    Raises:
        CommandError: there is none of this name; the text has the nearest name.
    """
    offer = offers.get(absolute(name))
    if offer is None:
        raise unknown(kind, absolute(name), to_name(absolute(name), offers))
    return offer


def find_service(graph: GraphModel, name: str) -> Offer:
    """Return the service that a user calls `name`.

    Raises:
        CommandError: there is no such service; the text has the nearest name.
    """
    if absolute(name) in (found := services(graph, hidden=True)):
        return found[absolute(name)]
    return find_offer("service", name, services(graph))


def to_name(name: str, offers: Mapping[str, Offer]) -> list[str]:
    """Return names for an error text; nodes' own services if one is similar, or all are."""
    names = [each for each in offers if "/_" not in each]
    if nearest(name, names):
        return names
    own = [each for each in names if not offers[each].type.startswith("rcl_interfaces/")]
    return own or names


def unknown(kind: str, name: str, names: Iterable[str], *, nearest_to: str = "") -> CommandError:
    """Return the error for an unknown name, with the nearest name or some existing ones."""
    return CommandError(f"no {kind} {name}; {did_you_mean(nearest_to or name, names)}")


def absolute(name: str) -> str:
    """Return a name as a node without a namespace resolves it."""
    return name if name.startswith("/") else f"/{name}"
