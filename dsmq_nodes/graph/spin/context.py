"""The surroundings of a node when it is constructed: a clock, an environment, the queue.

A node in a process of its own has the machine's clock, the process's environment and a broker.
`dsmq_nodes.testing` gives a node others; the node's class does not depend on them.
"""

from collections.abc import Callable
from contextvars import ContextVar

import msgspec

from dsmq_nodes.dsmq.address import AnyAddress, address_of, broker_address
from dsmq_nodes.graph.links.broker_link import DsmqLink
from dsmq_nodes.graph.links.link import Link, OnDiffers
from dsmq_nodes.graph.spin.environment import NodeEnvironment
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.graph.time.node_clock import NodeClock

Connect = Callable[[str, AnyAddress | None, OnDiffers], Link]


class NodeContext(msgspec.Struct, frozen=True):
    """The surroundings of a node.

    `connect` takes the node's absolute name, the given broker, if any, and the node's check of
    types. `node_clock` makes the node's clock from the machine's.
    """

    clock: BaseClock
    environment: Callable[[], NodeEnvironment]
    connect: Connect
    node_clock: type[NodeClock] = NodeClock


def _over_a_socket(name: str, broker: AnyAddress | None, on_differs: OnDiffers) -> Link:
    host, port = (address_of(broker) if broker else broker_address()).socket
    return DsmqLink(host, port, name, _CLOCK, on_differs)


_CLOCK = BaseClock()
_PROCESS = NodeContext(_CLOCK, NodeEnvironment.take, _over_a_socket)
surroundings: ContextVar[NodeContext] = ContextVar("surroundings", default=_PROCESS)
