"""`topic list` and `topic info`: what is there, as ros2 prints it."""

import json
from collections.abc import Callable

import pytest

from dsmq_nodes import Node, QoSProfile, dsmq
from dsmq_nodes.messages import Duration, String
from tests.cli.conftest import Place
from tests.support.waiting import until


@pytest.fixture
def known(own_place: Callable[[], Place]) -> Place:
    """A broker where one topic is published by a node, one by a plain client, one only read."""
    place = own_place()
    place.latch("/chatter", '{"data": "hi"}', "std_msgs/msg/String")
    with dsmq.connect_to_server("127.0.0.1", place.port) as client:
        client.put("greetings", "hello world!")
        assert client.get("greetings") == "hello world!"
    place.start("topic", "echo", "/odom", "nav_msgs/msg/Odometry")
    echo = place.start("topic", "echo", "chatter", "std_msgs/msg/String")
    echo.wait_for("hi")
    place.run("topic", "pub", "-1", "-w", "1", "/odom", "nav_msgs/Odometry")
    return place


def test_every_form_of_the_list(known: Place) -> None:
    assert known.run("topic", "list").stdout == "/chatter\n/odom\ngreetings\n"
    assert known.run("topic", "list", "-c").stdout == "3\n"
    assert known.run("topic", "list", "-t").stdout == (
        "/chatter [std_msgs/msg/String]\n/odom [nav_msgs/msg/Odometry]\ngreetings [untyped]\n"
    )
    assert known.run("topic", "list", "-v").stdout == (
        "Published topics:\n"
        " * /chatter [std_msgs/msg/String] 1 publisher\n"
        "\n"
        "Subscribed topics:\n"
        " * /chatter [std_msgs/msg/String] 1 subscriber\n"
        " * /odom [nav_msgs/msg/Odometry] 1 subscriber\n"
        "\n"
    )
    assert known.run("topic", "list", "--all", "-t").stdout.splitlines()[1:] == [
        "/dsmq/graph [dsmq_msgs/msg/Graph]",
        "/dsmq/statistics [dsmq_msgs/msg/BrokerStatistics]",
        "/dsmq/types [dsmq_msgs/msg/TypeDescription]",
        "/odom [nav_msgs/msg/Odometry]",
        "greetings [untyped]",
    ]
    listed = json.loads(known.run("topic", "list", "--json").stdout)
    assert [topic["name"] for topic in listed] == ["/chatter", "/odom", "greetings"]
    assert listed[0]["latched"] is True
    assert len(listed[0]["publishers"]) == 1


def test_the_broker_may_be_given_by_an_option(place: Place, talker: str, nowhere: Place) -> None:
    assert talker in nowhere.run("topic", "list", "--broker", place.broker).stdout.split()


def test_info_counts_the_ends_of_a_topic(place: Place, talker: str) -> None:
    done = place.run("topic", "info", talker)
    assert done.stdout == ("Type: std_msgs/msg/String\nPublisher count: 1\nSubscription count: 0\n")


def test_verbose_info_names_the_ends(place: Place, talker: str) -> None:
    shown = place.run("topic", "info", talker, "-v").stdout
    start, pid, end = shown.partition("Process: ")
    assert start == (
        "Type: std_msgs/msg/String\n"
        "\n"
        "Publisher count: 1\n"
        "\n"
        "Node name: talker\n"
        "Node namespace: /hall\n"
        "Topic type: std_msgs/msg/String\n"
        "Endpoint type: PUBLISHER\n"
    )
    assert pid
    assert end.split("\n", 1)[1] == "\nSubscription count: 0\n\n"


def test_verbose_info_has_what_a_publisher_promises(
    own_place: Callable[[], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = own_place()
    monkeypatch.setenv("DSMQ_BROKER", place.broker)
    node = Node("punctual")
    promised = QoSProfile(depth=1, deadline=0.1, lifespan=Duration(sec=2))
    publishers = [node.create_publisher(String, "/promised", promised) for _ in range(2)]
    node.create_publisher(String, "/promised_not", 1)

    def shown() -> list[str]:
        output, _, _ = place.here("topic", "info", "/promised", "-v")
        return [line.strip() for line in output.splitlines()]

    try:
        until(lambda: "Deadline: 0.1 s" in shown(), "the deadline")
        assert "Lifespan: 2 s" in shown()
        assert "Deadline" not in place.here("topic", "info", "/promised_not", "-v")[0]
        node.destroy_publisher(publishers[0])
        assert "Deadline: 0.1 s" in shown()
        node.destroy_publisher(publishers[1])
        node.create_publisher(String, "/promised", 1)
        until(lambda: "Deadline: 0.1 s" not in shown(), "its end")
    finally:
        node.destroy_node()


def test_a_topic_that_is_not_there_is_told_which_is(place: Place, talker: str) -> None:
    done = place.run("topic", "info", "hall/chater")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Unknown topic '/hall/chater': did you mean '{talker}'?\n"


@pytest.mark.parametrize("command", ["list", "echo /x", "pub -1 /x std_msgs/msg/String"])
def test_without_a_broker_one_line_says_where_and_what_to_do(nowhere: Place, command: str) -> None:
    done = nowhere.run("topic", *command.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "no broker at 127.0.0.1:1 (Connection refused)" in done.stderr
    assert "dsmq-nodes broker" in done.stderr


def test_without_any_it_is_told_which_broker_has_none(own_place: Callable[[], Place]) -> None:
    place = own_place()
    for words, what in (("topic", "no topic is published"), ("node", "no node is connected")):
        done = place.run(words, "list")
        assert (done.returncode, done.stdout) == (0, "")
        assert what in done.stderr
        assert place.broker in done.stderr
    assert place.run("topic", "list", "-c").stdout == "0\n"
