"""The parameters of all nodes, read once and then followed.

Viewers request all parameters every few seconds. The gateway requests a node's parameters once;
then it follows the changes on `/parameter_events`. A restarted node is requested again. A node that
does not answer is requested again only after the graph has changed.

Foxglove names a parameter `/node.name`. A number that may have a fraction is marked `float64`:
otherwise a viewer would send 3.0 as the integer 3.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any, Final

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.message_json import decoded
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.outbox import Outbox
from dsmq_nodes.gateways.web.parameter_calls import (
    has_parameters,
    nodes_with_parameters,
    read_parameters,
    set_parameter,
    value_in,
)
from dsmq_nodes.topic_names import PARAMETER_EVENTS_TOPIC

_TYPES: Final = {3: "float64", 5: "byte_array", 8: "float64_array"}
_NUMBERS: Final = {3, 8}

Wire = dict[str, Any]


class FollowedParameters:
    """The parameters that a gateway follows, from the first request on.

    Attributes:
        listeners: called with the changed parameters.
    """

    def __init__(self, hub: Hub) -> None:
        self.listeners: list[Callable[[list[Wire]], None]] = []
        self._hub = hub
        self._client = HubClient(hub, Outbox())
        self._known: dict[str, dict[str, Wire]] = {}  # by node, by name
        self._changes: dict[str, dict[str, Wire]] = {}  # while a node is requested
        self._pids: dict[str, int] = {}
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._silent: set[str] = set()
        self._follows = False

    async def read(self, names: Collection[str] = ()) -> list[Wire]:
        """Return the existing parameters of these names; without names all."""
        self._follow()
        nodes, wanted = nodes_with_parameters(self._hub), set(names)
        if wanted:
            owners = {name.partition(".")[0] for name in wanted}
            nodes = [node for node in nodes if node in owners]
        await asyncio.gather(*(self._ask(node) for node in nodes if node not in self._known))
        known = [each for node in nodes for each in self._known.get(node, {}).values()]
        found = [each for each in known if each["value"] is not None]
        return [each for each in found if not wanted or each["name"] in wanted]

    async def set(self, client: HubClient, name: str, value: Any) -> None:
        """Set a parameter for a client; None unsets it.

        Raises:
            CommandError: there is no such parameter, or its node refuses the value.
        """
        node, _, own = name.partition(".")
        if not has_parameters(self._hub, node):
            raise CommandError("no node has such a parameter")
        await set_parameter(client, node, own, value)
        known = self._known.get(node)
        if known is not None:  # its event may arrive a little later
            found = (await read_parameters(self._client, node, [own]))[own]
            known[own] = _wire(node, own, found.value, found.type)

    async def _ask(self, node: str) -> None:
        if node in self._silent:
            return
        if node not in self._asked:
            task = self._asked[node] = self._hub.loop.create_task(self._fetch(node))
            task.add_done_callback(lambda _: self._asked.pop(node))
        await asyncio.shield(self._asked[node])

    async def _fetch(self, node: str) -> None:
        self._changes[node] = {}
        try:
            found = await read_parameters(self._client, node)
        except (CommandError, LookupError, TypeError, ValueError):
            self._silent.add(node)
            return
        finally:
            changes = self._changes.pop(node)
        self._pids[node] = self._pids_now().get(node, 0)
        values = {name: _wire(node, name, each.value, each.type) for name, each in found.items()}
        self._known[node] = values | changes

    def _pids_now(self) -> dict[str, int]:
        return {each.name: each.pid for each in self._hub.graph.peers}

    # Following

    def _follow(self) -> None:
        if not self._follows:
            self._follows = True
            self._client.subscribe(PARAMETER_EVENTS_TOPIC, self._take)
            self._client.watch(self._drop_absent_nodes)

    def _drop_absent_nodes(self) -> None:
        """Drop the parameters of nodes that are gone or were restarted."""
        self._silent.clear()
        pids = self._pids_now()
        for node in [each for each in self._known if pids.get(each) != self._pids[each]]:
            del self._known[node], self._pids[node]

    def _take(self, entry: Entry) -> None:
        if entry.gap:
            self._known.clear()  # changes were missed: request all again
            self._pids.clear()
        event = decoded(entry.text or "")
        node = event.get("node")
        if not isinstance(node, str):
            return
        changed = [
            each
            for kind in ("new_parameters", "changed_parameters")
            for parameter in event.get(kind) or ()
            if (each := _read(node, parameter)) is not None
        ]
        known = self._known.get(node, self._changes.get(node))
        if known is not None:
            known.update({each["name"][len(node) + 1 :]: each for each in changed})
            for parameter in event.get("deleted_parameters") or ():
                name = str(parameter.get("name"))
                known[name] = _wire(node, name, None, 0)
        for listener in list(self.listeners):
            listener(changed)


def _read(node: str, parameter: Any) -> Wire | None:
    """Return a parameter of an event, or None if it is invalid or has no value."""
    try:
        value = parameter["value"]
        return _wire(node, str(parameter["name"]), value_in(value), int(value["type"]))
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _wire(node: str, name: str, value: Any, kind: int) -> Wire:
    marked = {"type": _TYPES[kind]} if kind in _TYPES else {}
    if kind in _NUMBERS and isinstance(value, list):  # NaN and infinity are texts in the kit's JSON
        value = [None if isinstance(each, str) else each for each in value]
    elif kind in _NUMBERS and isinstance(value, str):
        marked = {}  # a parameter without a value would be none to a viewer
    return {"name": f"{node}.{name}", "value": value, **marked}
