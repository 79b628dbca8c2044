"""`dsmq-nodes lifecycle` beside the example."""

import json
from collections.abc import Iterator

import pytest

from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.tools.session import Session
from tests.cli.conftest import Place
from tests.support.waiting import PATIENCE_SEC

NODE = "/lab/thermometer"


@pytest.fixture
def node(place: Place) -> Iterator[str]:
    running = place.start_python("-m", "examples.lifecycle", DSMQ_NODE='{"namespace": "/lab"}')
    last_made = f"{NODE}/get_transition_graph/_reply"
    with Session(place.broker) as session:
        for graph in session.graphs(PATIENCE_SEC):
            if any(topic.name == last_made and topic.publishers for topic in graph.topics):
                break
    yield NODE
    assert running.interrupt() == 0


def test_a_node_is_led_through_its_life(place: Place, node: str) -> None:
    assert place.run("lifecycle", "nodes").stdout == f"{node}\n"
    assert place.run("lifecycle", "nodes", "-c").stdout == "1\n"
    assert place.run("lifecycle", "get", node).stdout == "unconfigured [1]\n"
    assert place.run("lifecycle", "list", node).stdout == (
        "- configure [1]\n\tStart: unconfigured\n\tGoal: configuring\n"
        "- shutdown [5]\n\tStart: unconfigured\n\tGoal: shuttingdown\n"
    )
    assert place.run("lifecycle", "set", node, "configure").stdout == "Transitioning successful\n"
    assert place.run("lifecycle", "set", node, "3").stdout == "Transitioning successful\n"
    assert place.run("lifecycle", "get").stdout == f"{node}: active [3]\n"
    assert json.loads(place.run("lifecycle", "nodes", "--json").stdout) == [node]
    told = json.loads(place.run("lifecycle", "get", node, "--json").stdout)
    assert told == {node: "active [3]"}
    listed = json.loads(place.run("lifecycle", "list", node, "--json").stdout)
    assert [each["transition"]["label"] for each in listed] == ["deactivate", "shutdown"]
    echoed = place.run("topic", "echo", "/lab/temperature", "--once", "--field", "temperature")
    assert echoed.stdout.startswith("21.5\n")
    assert place.run("lifecycle", "list", node, "-a").stdout.count("Start:") == 25
    refused = place.run("lifecycle", "set", node, "configure")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "Unknown transition 'configure' requested in state active [3]; available are:\n"
        "- deactivate [4]\n- shutdown [7]\n"
    )
    wrong = place.run("lifecycle", "get", "/lab/thermometr")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == f"no lifecycle node /lab/thermometr; did you mean '{node}'?\n"


def test_without_lifecycle_nodes(place: Place) -> None:
    assert place.run("lifecycle", "nodes").stdout == ""
    assert place.run("lifecycle", "nodes", "-c").stdout == "0\n"
    refused = place.run("lifecycle", "set", "/x", "configure")
    assert (refused.returncode, refused.stderr) == (1, "no lifecycle node /x; there is none\n")
    peer = ClientConnection("127.0.0.1", place.port, node="/x")
    refused = place.run("lifecycle", "set", "/x", "configure")
    assert (refused.returncode, refused.stderr) == (1, "/x is no lifecycle node; there is none\n")
    peer.close()
