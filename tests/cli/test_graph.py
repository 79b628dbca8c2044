"""`dsmq-nodes graph`."""

from tests.cli.conftest import Place


def test_a_line_a_topic(place: Place, talker: str) -> None:
    done = place.run("graph")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"/hall/talker -> {talker} [std_msgs/msg/String] -> " in done.stdout
    assert "/dsmq/" not in done.stdout


def test_a_mermaid_diagram(place: Place, talker: str) -> None:
    done = place.run("graph", "--mermaid")
    assert done.stdout.startswith("flowchart LR\n")
    assert f'    _hall_chatter["{talker}"]\n' in done.stdout
    assert "    node_hall_talker([/hall/talker]) --> _hall_chatter\n" in done.stdout
