"""The state that all clients of rosbridge share: frames, global parameters, transforms."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.known_types import KnownType, message_type
from dsmq_nodes.gateways.rosbridge.encoding.publish_frames import PublishFrames
from dsmq_nodes.gateways.rosbridge.transform_feeds import SharedTransforms

if TYPE_CHECKING:
    import asyncio

    from dsmq_nodes.gateways.rosbridge.served_actions import ServedAction
    from dsmq_nodes.gateways.rosbridge.served_names import ServedNames
    from dsmq_nodes.gateways.rosbridge.served_services import ServedService

_MOST_PARAMETERS: Final = 1000
_LONGEST_PARAMETER: Final = 65_536


class GlobalParameters(dict[str, str]):
    """ROS 1's parameters, which belong to no node: names without a colon, values as JSON texts."""

    def put(self, name: str, value: str) -> None:
        """Set a parameter.

        Raises:
            CommandError: there are too many parameters, or the value is too large.
        """
        if len(value) > _LONGEST_PARAMETER:
            raise CommandError(f"a parameter may have at most {_LONGEST_PARAMETER} characters")
        if name not in self and len(self) >= _MOST_PARAMETERS:
            raise CommandError(f"there may be at most {_MOST_PARAMETERS} parameters without a node")
        self[name] = value


class RosbridgeServer:
    """The shared state, one for each gateway."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.frames = PublishFrames()
        self.parameters = GlobalParameters()
        self.transforms = SharedTransforms(hub)
        # For each name, the names of the client that serves it.
        self.services: dict[str, ServedNames[ServedService]] = {}
        self.actions: dict[str, ServedNames[ServedAction]] = {}
        self._types: dict[str, KnownType] = {}
        self._graph: object = None
        self._tasks: set[asyncio.Task[None]] = set()

    def type_of(self, topic: str) -> KnownType:
        """Return a topic's type, looked up once for each change of the graph."""
        if self.hub.graph is not self._graph:
            self._graph, self._types = self.hub.graph, {}
        known = self._types.get(topic)
        if known is None:
            known = message_type(self.hub, topic)
            if known.schema:
                self._types[topic] = known
        return known

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, even if its client is gone."""
        task = self.hub.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
