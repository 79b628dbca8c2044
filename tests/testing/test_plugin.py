"""The fixtures as a user's tests have them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from dsmq_nodes import Node
from dsmq_nodes.messages import Int64
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.support.reserved import free_port
from tests.support.waiting import PATIENCE_SEC

TEST = """\
from dsmq_nodes import Node, dsmq
from dsmq_nodes.messages import Int64

def test_in_memory(graph):
    seen = graph.observe(Int64, "n")
    graph.inject("n", Int64(data=1))
    graph.run_for(3600)
    assert seen == [Int64(data=1)]

def test_for_real(broker):
    with Node("a") as node:
        node.create_publisher(Int64, "n", 1)
    with dsmq.connect_to_server(broker.host, broker.port) as client:
        client.put("t", "x")
        assert client.get("t") == "x"
"""


LOADED_FIRST = """\
import sys

IS_LOADED = "pydantic" in sys.modules

def test_the_plugin_costs_other_peoples_tests_nothing():
    assert not IS_LOADED
"""


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "-p", "no:hypothesis"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SEC,
    )


def test_both_fixtures_come_with_the_package_and_cost_other_peoples_tests_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_first.py").write_text(LOADED_FIRST)
    (tmp_path / "test_it.py").write_text(TEST)
    result = run_pytest(tmp_path)
    assert "3 passed" in result.stdout, result.stdout + result.stderr


WITHOUT_BROKER = """\
import pytest

from dsmq_nodes import Node

@pytest.fixture(scope="module")
def lonely():
    return Node("lonely", broker=("127.0.0.1", {port}))

def test_without_a_broker():
    Node("lonely", broker=("127.0.0.1", {port}))

def test_of_a_module(lonely):
    pass

def test_of_the_same_module(lonely):
    pass
"""


def test_a_test_without_a_broker_gets_advice(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(WITHOUT_BROKER.format(port=free_port()))
    printed = run_pytest(tmp_path).stdout
    assert "1 failed, 2 errors" in printed
    advice = "in a test, `graph.add(MyNode)` of the fixture `graph` needs no broker"
    # Not those of the summary, which has whole texts in CI.
    assert sum(line.startswith("E ") and advice in line for line in printed.splitlines()) == 3


def test_a_broker_can_be_killed_and_comes_back_on_its_port() -> None:
    with BrokerProcess() as broker:
        address = broker.address
        Node("a", broker=address).destroy_node()
        broker.kill()
        broker.start()
        assert broker.address == address
        Node("a", broker=address).destroy_node()


def test_a_broker_that_runs_is_not_started_twice() -> None:
    with BrokerProcess() as broker:
        pid = broker.pid
        broker.start()
        assert broker.pid == pid
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        broker.start()
        assert broker.pid != pid
        Node("a", broker=broker.address).destroy_node()


def test_graphs_do_not_see_each_other() -> None:
    with Graph() as first, Graph() as second:
        seen = first.observe(Int64, "n")
        second.inject("n", Int64())
        first.run_for(1)
        second.run_for(1)
        assert not seen
