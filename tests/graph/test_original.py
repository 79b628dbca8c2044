"""Nodes on an unmodified dsmq 0.7.0 server."""

import pytest

from dsmq_nodes import Node
from dsmq_nodes.errors import ConnectionFailedError
from tests.dsmq.servers import ORIGINAL, serving


def test_a_node_refuses_an_original_server_and_says_what_to_start() -> None:
    told = "is an original dsmq server, .* start `dsmq-nodes broker`"
    with serving(ORIGINAL) as server, pytest.raises(ConnectionFailedError, match=told):
        Node("reader", broker=("127.0.0.1", server.port))
