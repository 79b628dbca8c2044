"""Publishes the changes of a node's parameters on `/parameter_events`."""

from collections.abc import Sequence
from typing import Final, Literal

from dsmq_nodes import messages
from dsmq_nodes.graph.links.link import Link, Publication
from dsmq_nodes.graph.parameters.parameter import Parameter
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.topic_names import PARAMETER_EVENTS_TOPIC

_EVENT_TYPE: Final = "rcl_interfaces/msg/ParameterEvent"
Change = Literal["new", "changed", "deleted"]


class ParameterEvents:
    """Publishes changes of a node's parameters; the topic is advertised with the first change.

    Declarations before the node spins are not published: others request them from the node.
    """

    def __init__(self, node_name: str, link: Link, clock: BaseClock) -> None:
        self._node_name = node_name
        self._link = link
        self._clock = clock
        self._publication: Publication | None = None

    def publish(self, change: Change, parameters: Sequence[Parameter]) -> None:
        """Publish a change."""
        if self._publication is None:
            self._publication = self._link.advertise(PARAMETER_EVENTS_TOPIC, _EVENT_TYPE, 0)
        event = messages.ParameterEvent(stamp=self._clock.now(), node=self._node_name)
        setattr(event, f"{change}_parameters", [each.to_parameter_msg() for each in parameters])
        self._link.publish(self._publication, event.to_json())
