"""A web gateway as users start it, with a robot beside it."""

import re
import sys
from collections.abc import Iterator

import pytest

from dsmq_nodes.testing import BrokerProcess
from tests.support.programs import Running


@pytest.fixture
def gateway(broker: BrokerProcess) -> Iterator[str]:
    """Where the gateway is, as `127.0.0.1:PORT`."""
    assert broker.port
    python = [sys.executable, "-u", "-m"]
    robot = Running([*python, "tests.gateways.rosbridge.run_server"], is_merged=True)
    options = '{"port": 0, "rosbridge": 0, "foxglove": 0}'
    process = Running([*python, "dsmq_nodes.gateways.web", options], is_merged=True)
    try:
        found = process.wait_for(r"dashboard: http://(\S+)")
        yield re.sub(r"/$", "", found[1])
        assert "Traceback" not in process.output
    finally:
        process.close()
        robot.close()
