"""`dsmq-nodes graph`."""

import contextlib

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from tests.cli.conftest import Place


def test_a_line_a_topic(place: Place, talker: str) -> None:
    done = place.run("graph")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"/hall/talker -> {talker} [std_msgs/msg/String] -> " in done.stdout
    assert "/dsmq/" not in done.stdout


def test_types_that_do_not_fit_are_under_their_topic(place: Place) -> None:
    number, text = ({"properties": {"a": {"type": kind}}} for kind in ("number", "string"))
    with (
        contextlib.closing(ClientConnection("127.0.0.1", place.port, node="/one")) as one,
        contextlib.closing(ClientConnection("127.0.0.1", place.port, node="/two")) as two,
    ):
        one.send(wire.encode_object({"action": "advertise", "topic": "/bad", "schema": number}))
        assert one.receive().event == "advertised"
        two.send(wire.encode_object({"action": "subscribe", "topic": "/bad", "schema": text}))
        while (reply := two.receive()).event != "differs":
            pass
        fault = {"action": "fault", "topic": "/bad", "pair": reply.pair, "error": "a:\n  no"}
        two.send(wire.encode_object(fault))
        done = place.run("graph")
    assert "/one -> /bad [unknown] -> /two\n    a:\n      no\n" in done.stdout


def test_a_mermaid_diagram(place: Place, talker: str) -> None:
    done = place.run("graph", "--mermaid")
    assert done.stdout.startswith("flowchart LR\n")
    assert f'    _hall_chatter["{talker}"]\n' in done.stdout
    assert "    node_hall_talker([/hall/talker]) --> _hall_chatter\n" in done.stdout


def test_one_form_at_a_time(nowhere: Place) -> None:
    done = nowhere.run("graph", "--dot", "--svg")
    assert (done.returncode, done.stdout) == (2, "")
    assert "only one of --mermaid, --dot, --svg, --json; there is --dot and --svg" in done.stderr
