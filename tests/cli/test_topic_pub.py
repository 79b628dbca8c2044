"""`topic pub`: typed messages from the command line."""

import time
from pathlib import Path

import pytest

from dsmq_nodes import Node
from dsmq_nodes.cli.show import pub
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.messages import Bool, Message, Twist
from dsmq_nodes.tools import lookup
from dsmq_nodes.tools.session import Session
from tests.cli.conftest import Place, received
from tests.support.waiting import PATIENCE_SEC


def listen(place: Place, topic: str) -> ClientConnection:
    """A subscriber of a topic, whose subscription the broker has."""
    channel = place.channel()
    channel.send(wire.encode_object({"action": "subscribe", "topic": topic}))
    assert channel.receive().event == "subscribed"
    return channel


def test_once_is_ended_when_the_broker_has_the_message(place: Place) -> None:
    channel = listen(place, "/greeting")
    done = place.run("topic", "pub", "--once", "/greeting", "std_msgs/msg/String", "{data: hello}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "publisher: beginning loop\npublishing #1: std_msgs.msg.String(data='hello')\n\n"
    )
    assert received(channel, 1) == [{"data": "hello"}]


def test_what_is_kept_for_late_subscribers(place: Place) -> None:
    one = ("topic", "pub", "--once", "/kept", "std_msgs/msg/Int8")
    assert place.run(*one, "{data: 1}", "--qos-durability", "transient_local").returncode == 0
    assert received(listen(place, "/kept"), 1) == [{"data": 1}]
    few = (
        "--qos-durability",
        "transient_local",
        "--qos-depth",
        "2",
        "--qos-reliability",
        "reliable",
    )
    assert place.run(*one, "{data: 2}", *few).returncode == 0
    assert received(listen(place, "/kept"), 2) == [{"data": 1}, {"data": 2}]
    gone = ("topic", "pub", "--once", "/gone", "std_msgs/msg/Int8", "--qos-durability", "volatile")
    done = place.run(*gone)
    assert (done.returncode, done.stderr) == (0, "WARNING: nobody subscribes to /gone\n")
    listener = listen(place, "/gone")
    assert place.run(*gone[:5], "{data: 3}").returncode == 0
    assert received(listener, 1) == [{"data": 3}]
    wrong = place.run(*one, "--qos-durability", "latched")
    assert (wrong.returncode, wrong.stdout) == (2, "")


@pytest.mark.parametrize("values", ['{"linear": {"x": 0.5}}', "linear:\n  x: 5e-1\n"])
def test_yaml_and_json_are_read_and_the_rest_is_default(place: Place, values: str) -> None:
    channel = listen(place, "/cmd_vel")
    done = place.run("topic", "pub", "-1", "/cmd_vel", "geometry_msgs/Twist", values)
    assert done.returncode == 0
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    assert received(channel, 1) == [{"linear": zero | {"x": 0.5}, "angular": zero}]


def test_a_stop_that_nobody_hears_is_said_and_one_that_comes_a_moment_later_hears_it(
    place: Place,
) -> None:
    one = ("topic", "pub", "-1", "/r1/emergency_stop", "std_msgs/msg/Bool", "{data: true}")
    done = place.run(*one)
    assert (done.returncode, done.stdout.count("publishing #")) == (1, 1)
    assert done.stderr == "nobody subscribes to /r1/emergency_stop: this stops nothing\n"
    pub = place.start(*one)
    with Session(f"127.0.0.1:{place.port}") as session:  # as behind an uplink
        for graph in session.graphs(PATIENCE_SEC):
            if lookup.find(graph, "/r1/emergency_stop"):
                break
        channel = listen(place, "/r1/emergency_stop")
        assert pub.wait() == 0
    assert received(channel, 1) == [{"data": True}]


def test_a_launch_keeps_a_stop_and_obeys_none(place: Place) -> None:
    with Node("launch", namespace="/dsmq", broker=("127.0.0.1", place.port)) as launch:
        launch.create_subscription(Bool, "/emergency_stop", lambda _: None, 1)
        launch.confirm_subscriptions()
        one = ("topic", "pub", "-1", "/emergency_stop", "std_msgs/msg/Bool", "{data: true}")
        done = place.run(*one)
    assert done.returncode == 1
    assert done.stderr == "nobody subscribes to /emergency_stop: this stops nothing\n"


def test_a_name_that_nobody_subscribes_is_an_error_with_the_nearest_one(place: Place) -> None:
    channel = listen(place, "/emergency_stop")
    one = ("topic", "pub", "--once")
    done = place.run(*one, "/emergency_stp", "std_msgs/msg/Bool", "{data: true}")
    assert done.returncode == 1
    assert done.stderr == "nobody subscribes to /emergency_stp; did you mean '/emergency_stop'?\n"
    done = place.run(*one, "/emergency_stop", "std_msgs/msg/Bool")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'{data: true}' presses it, '{data: false}' releases it" in done.stderr
    assert place.run(*one, "/emergency_stop", "std_msgs/msg/Bool", "{data: true}").returncode == 0
    assert received(channel, 1) == [{"data": True}]


def test_times_and_rate(place: Place) -> None:
    channel = listen(place, "/beat")
    began = time.monotonic()
    done = place.run("topic", "pub", "-t", "3", "-r", "10", "beat", "std_msgs/msg/Empty")
    assert done.stdout.count("publishing #") == 3
    assert time.monotonic() - began > 0.2
    assert received(channel, 3) == [{}, {}, {}]


def test_it_waits_for_subscribers_and_is_ended_by_ctrl_c(place: Place) -> None:
    pub = place.start("topic", "pub", "-r", "50", "-w", "1", "/awaited", "std_msgs/msg/Bool")
    pub.wait_for(r"^Waiting for at least 1 matching subscription\(s\)\.\.\.$")
    channel = listen(place, "/awaited")
    assert received(channel, 2) == [{"data": False}] * 2
    assert (pub.interrupt(), pub.errors) == (0, [])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{data: 5}", "std_msgs/msg/String: data: Input should be a valid string, got 5"),
        (
            "{dat: hi}",
            "std_msgs/msg/String: dat: there is no such field; did you mean 'data'?\n",
        ),
        (
            "{data:hi}",
            "std_msgs/msg/String: data:hi: there is no such field; write 'data: hi', with a space",
        ),
        ("{data: 'hi}", "VALUES:1:8: a quote that is never closed\n    1 | {data: 'hi}\n"),
        ("{data: a, data: b}", "VALUES:1:11: key 'data' given twice"),
        ("hello", "the values are 'hello', not fields: write them as '{field: value}'"),
    ],
)
def test_values_that_do_not_fit_are_refused(nowhere: Place, values: str, said: str) -> None:
    done = nowhere.run("topic", "pub", "-1", "/refused", "std_msgs/msg/String", values)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)


def test_a_type_that_is_not_there_is_told_which_is(nowhere: Place) -> None:
    done = nowhere.run("topic", "pub", "-1", "/x", "std_msgs/msg/Strin", "{}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "there is no message type 'std_msgs/msg/Strin': did you mean 'std_msgs/msg/String'?\n"
    )


@pytest.mark.parametrize("name", ["rover/msg/Battery", "rover.power:Battery"])
def test_a_users_type_is_found_in_the_working_directory(
    place: Place, tmp_path: Path, name: str
) -> None:
    listen(place, "/power")
    package = tmp_path / "rover"
    package.mkdir()
    (package / "program.py").write_text("raise SystemExit('this is run, not imported')")
    (package / "power.py").write_text(
        "from dsmq_nodes import Message\nclass Battery(Message):\n    percent: float\n"
    )
    done = place.run("topic", "pub", "-1", "/power", name, "{percent: 9}", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "rover.msg.Battery(percent=9.0)" in done.stdout


def test_another_type_than_the_topic_has_is_refused(place: Place) -> None:
    place.latch("/typed", "{}", "std_msgs/msg/String")
    done = place.run("topic", "pub", "-1", "/typed", "std_msgs/msg/Int32")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "/typed carries std_msgs/msg/String, not std_msgs/msg/Int32: nothing is published\n"
    )


def test_a_topic_of_the_broker_cannot_be_written(place: Place) -> None:
    done = place.run("topic", "pub", "-1", "/dsmq/graph", "dsmq_msgs/msg/Graph")
    assert (done.returncode, done.stdout) == (1, "")
    assert "written by the broker itself" in done.stderr


def test_a_field_deep_inside_that_is_not_there_is_told_which_is(nowhere: Place) -> None:
    values = "{path: [], poses: [{pose: {position: {y: 1}}}, {pose: {positio: {x: 1}}}]}"
    done = nowhere.run("topic", "pub", "-1", "/path", "nav_msgs/msg/Path", values)
    assert done.returncode == 1
    assert done.stderr.startswith("nav_msgs/msg/Path: path: there is no such field; ")
    values = values.replace("path: [], ", "")
    done = nowhere.run("topic", "pub", "-1", "/path", "nav_msgs/msg/Path", values)
    assert done.stderr == (
        "nav_msgs/msg/Path: poses[1].pose.positio: there is no such field; "
        "did you mean 'position'?\n"
    )


@pytest.mark.parametrize("command", ["topic pub -1 /sly {}", "service call /sly {} --timeout 0.1"])
def test_a_peers_name_of_a_type_imports_no_module(
    command: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "side_effect.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    place.latch("/sly", "{}", "side_effect:Thing")
    server = place.channel("/server")
    reply = {"action": "advertise", "topic": "/sly/_reply", "type": "side_effect:Thing_Response"}
    server.send(wire.encode_object(reply))
    assert server.receive().event == "advertised"
    assert place.here(*command.split())[2] == 1


def test_the_type_may_be_left_out_where_the_topic_has_one(place: Place) -> None:
    place.latch("/range", '{"data": 0.0}', "std_msgs/msg/Float64")
    listen(place, "/range")
    done = place.run("topic", "pub", "--once", "/range", "{data: 3.5}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "std_msgs.msg.Float64(data=3.5)" in done.stdout
    done = place.run("topic", "pub", "--once", "/range", "", "{data: 4.5}")  # TYPE of a variable
    assert "std_msgs.msg.Float64(data=4.5)" in done.stdout
    done = place.run("topic", "pub", "--once", "/nosuch_range", "{data: 3.5}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "the TYPE is missing, and no publisher or subscriber has announced it: "
        "write /nosuch_range TYPE '{data: 3.5}'\n"
    )


def test_times_of_now_as_ros2_has_them(place: Place) -> None:
    """Each message has the time at which it is published."""
    before_ns = time.time_ns()
    channel = listen(place, "/pose_of_now")
    values = "{header: auto, pose: {position: {x: 1.0}}}"
    two = ("topic", "pub", "-t", "2", "-r", "50", "-w", "1")
    done = place.run(*two, "/pose_of_now", "geometry_msgs/PoseStamped", values)
    assert (done.returncode, done.stderr) == (0, "")
    stamps = [each["header"]["stamp"] for each in received(channel, 2)]
    times = [each["sec"] * 10**9 + each["nanosec"] for each in stamps]
    assert before_ns < times[0] < times[1] < time.time_ns()
    assert f"nanosec={stamps[1]['nanosec']}" in done.stdout
    channel = listen(place, "/path_of_now")
    values = "{header: {stamp: now, frame_id: now}, poses: [{header: auto}]}"
    place.run("topic", "pub", "-1", "-w", "1", "/path_of_now", "nav_msgs/Path", values)
    path = received(channel, 1)[0]
    assert path["header"]["frame_id"] == "now"
    assert path["header"]["stamp"] == path["poses"][0]["header"]["stamp"] != {}
    wrong = place.run("topic", "pub", "-1", "/pose_of_now", "geometry_msgs/Pose", "{position: now}")
    assert (wrong.returncode, wrong.stdout) == (1, "")


@pytest.mark.parametrize(
    ("topic", "msg_type", "values", "sends_late"),
    [
        ("/r1/emergency_stop", Bool, "{data: true}", True),
        ("/r1/emergency_stop", Bool, "{data: false}", False),
        ("/enable", Bool, "{data: true}", False),
        ("/cmd_vel", Twist, "{}", False),
    ],
)
def test_only_the_press_of_a_stop_may_arrive_after_the_tool_has_ended(
    place: Place, topic: str, msg_type: type[Message], values: str, sends_late: bool
) -> None:
    with Session(place.broker) as session:
        message = pub.message_text("", topic, msg_type.type_name, values)
        pub.publish(session, topic, message, pub.Publishing(1.0, 1, 0, None, 1, 0))
        assert session.sends_late == sends_late
