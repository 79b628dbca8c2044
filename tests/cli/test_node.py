"""`dsmq-nodes node`: the graph's nodes, and commands on a launch that runs."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Place
from tests.launcher.running import Launch, gone, launched, write_launch
from tests.support.waiting import until

NODES = {"talker": "robot:Talker", "listener": "robot:Listener", "chatty": "robot:Chatty"}


@pytest.fixture(scope="module")
def _launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Launch, Place]]:
    with launched(write_launch(tmp_path_factory.mktemp("node"), NODES)) as launch:
        address = launch.wait_for("listening on").split("listening on ")[1].split()[0]
        launch.wait_for("all nodes ready")
        yield launch, Place(address)


@pytest.fixture
def launch(_launch: tuple[Launch, Place]) -> Launch:
    return _launch[0]


@pytest.fixture
def beside(_launch: tuple[Launch, Place]) -> Iterator[Place]:
    """Commands beside the launch."""
    yield _launch[1]
    _launch[1].close()


def rows(place: Place) -> dict[str, list[str]]:
    done = place.run("node", "list", "-v")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["process", "state", "pid", "restarts", "last", "end"]
    return {line.split()[0]: line.split()[1:] for line in lines}


def start(place: Place, name: str) -> None:
    """Start a process by hand, and wait until it is ready, as the command may not."""
    done = place.run("node", "start", name)
    assert done.returncode == 0 or "is starting after" in done.stderr
    until(lambda: rows(place)[name][0] == "ready")


def test_nodes_are_listed_as_ros2_does(beside: Place) -> None:
    assert beside.run("node", "list").stdout.splitlines() == ["/chatty", "/listener", "/talker"]
    assert "/dsmq/launch" in beside.run("node", "list", "-a").stdout.splitlines()
    assert beside.run("node", "list", "-c").stdout == "3\n"


def test_a_node_s_topics_and_process_are_shown(beside: Place, launch: Launch) -> None:
    lines = beside.run("node", "info", "listener").stdout.splitlines()
    assert lines[:3] == ["/listener", "  Subscribers:", "    /chatter: std_msgs/msg/String"]
    titles = [line for line in lines if line.endswith(":")]
    assert titles == [
        "  Subscribers:", "  Publishers:", "  Service Servers:", "  Service Clients:",
        "  Action Servers:", "  Action Clients:", "  Process:",
    ]  # fmt: skip
    served = lines[lines.index("  Service Servers:") : lines.index("  Service Clients:")]
    assert "    /listener/get_parameters: rcl_interfaces/srv/GetParameters" in served
    assert not [line for line in lines if "/_re" in line]
    assert lines[-1].startswith(f"    pid {launch.pid_of('listener')} on ")
    assert lines[-1].endswith(", ready")


def test_a_node_that_is_not_there_is_told_with_the_nearest(beside: Place) -> None:
    done = beside.run("node", "info", "/lisener")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "no node /lisener; did you mean '/listener'?\n"


def test_a_node_is_restarted(beside: Place, launch: Launch) -> None:
    before = launch.pid_of("talker")
    done = beside.run("node", "restart", "talker")
    after = launch.pid_of("talker")
    if "is starting after" not in done.stderr:  # a busy machine
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"talker is ready, pid {after}, after ")
    assert after != before
    assert gone({before}, 0)
    until(lambda: rows(beside)["talker"][0] == "ready")
    assert rows(beside)["talker"] == ["ready", str(after), "1", "exit", "status", "0"]


def test_a_node_is_stopped_and_started(beside: Place, launch: Launch) -> None:
    assert beside.run("node", "stop", "/listener").stdout == "listener is stopped (exit status 0)\n"
    assert rows(beside)["listener"][:2] == ["stopped", "-"]
    again = beside.run("node", "stop", "listener")
    assert (again.returncode, again.stderr) == (1, "listener does not run: it is stopped\n")
    start(beside, "listener")
    assert rows(beside)["listener"][1] == str(launch.pid_of("listener"))
    again = beside.run("node", "start", "listener")
    assert again.returncode == 1
    assert "listener is ready already" in again.stderr


def test_a_node_s_last_lines_are_shown_and_followed(beside: Place) -> None:
    assert beside.run("node", "log", "chatty", "-n", "2").stdout == "chat\nchat\n"
    following = beside.start("node", "log", "chatty", "-f", "-n", "0")
    for _ in range(20):
        assert following.wait_for(".*")[0] == "chat"
    assert following.interrupt() == 0
    quiet = beside.run("node", "log", "talker")
    assert quiet.stdout or quiet.stderr == "talker has written nothing\n"
    broker = beside.run("node", "log", "broker").stdout
    assert broker.startswith("dsmq broker listening on") or not broker


def test_what_cannot_be_done_is_told(beside: Place) -> None:
    done = beside.run("node", "restart", "talkr")
    assert done.returncode == 1
    assert done.stderr == "no process 'talkr' in this launch; did you mean 'talker'?\n"
    done = beside.run("node", "stop", "broker")
    assert done.returncode == 1
    assert "the broker is not stopped" in done.stderr


def test_a_broker_without_a_launch_takes_no_commands(place: Place) -> None:
    done = place.run("node", "restart", "talker")
    assert done.returncode == 1
    assert done.stderr.startswith("no launch runs at this broker: start one with")


def test_a_killed_node_is_seen_as_failed_and_can_be_started(beside: Place, launch: Launch) -> None:
    os.kill(launch.pid_of("chatty"), signal.SIGKILL)
    launch.wait_for("[launch] chatty: killed by SIGKILL; the others go on")
    assert rows(beside)["chatty"] == ["failed", "-", "0", "killed", "by", "SIGKILL"]
    ended = "/chatty has ended (killed by SIGKILL): `dsmq-nodes node start chatty`\n"
    assert beside.run("node", "info", "chatty").stderr == ended
    assert beside.run("param", "set", "/chatty", "use_sim_time", "true").stderr == ended
    called = beside.run("service", "call", "/chatty/list_parameters")
    assert called.stderr == f"no service /chatty/list_parameters: {ended}"
    start(beside, "chatty")


def test_what_was_looked_after_by_hand_is_no_fault_of_the_launch(tmp_path: Path) -> None:
    nodes = {"chatty": "robot:Chatty", "quiet": "robot:Quiet"}
    with launched(write_launch(tmp_path, nodes)) as launch:
        address = launch.wait_for("listening on").split("listening on ")[1].split()[0]
        launch.wait_for("all nodes ready")
        os.kill(launch.pid_of("chatty"), signal.SIGKILL)
        launch.wait_for("[launch] chatty: killed by SIGKILL; the others go on")
        start(Place(address), "chatty")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert launch.lines[-1].startswith("[launch] chatty: was started again 1 time")
