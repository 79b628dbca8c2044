"""A client of rosbridge in a graph in virtual time, with a server node."""

from collections.abc import Iterator

import pytest

from dsmq_nodes.testing import Graph
from tests.gateways.rosbridge.robots import Bridged, Server
from tests.gateways.web.hubs import hub_in


@pytest.fixture
def server(graph: Graph) -> Server:
    """The node that serves."""
    return graph.add(Server)


@pytest.fixture
def bridged(graph: Graph, server: Server) -> Iterator[Bridged]:
    """The client."""
    bridged = Bridged(graph, hub_in(graph))
    yield bridged
    bridged.leave()
    assert bridged.client.outbox.waiting_bytes >= 0
