"""A Foxglove client in a graph in virtual time, with a server node."""

from collections.abc import Iterator

import pytest

from dsmq_nodes.testing import Graph
from tests.gateways.foxglove.viewers import Viewer
from tests.gateways.rosbridge.robots import Server
from tests.gateways.web.hubs import hub_in


@pytest.fixture
def server(graph: Graph) -> Server:
    """The node that serves."""
    return graph.add(Server)


@pytest.fixture
def viewer(graph: Graph, server: Server) -> Iterator[Viewer]:
    """The client, which has seen what is offered."""
    viewer = Viewer(graph, hub_in(graph))
    viewer.got(1.0)
    yield viewer
    viewer.leave()
