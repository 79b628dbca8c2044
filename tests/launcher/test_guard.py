"""Nothing outlives a launch, whoever is killed: real launches, and SIGKILL."""

import os
import signal
import time
from pathlib import Path

import psutil

from tests.launcher.running import DEADLINE_SEC, Launch, gone, launched, write_launch
from tests.launcher.test_launch import PAIR, socket_file

WITHIN_SEC = 2.0


def pids_with_daemon(launch: Launch) -> set[int]:
    """Broker, node and the process that the node has hidden: all that was ever started."""
    launch.wait_for("all nodes ready")
    pids = launch.pids()
    assert len(pids) == 3
    return pids


def test_a_killed_launcher_leaves_no_node_and_no_broker(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, PAIR)) as launch:
        unix = socket_file(launch.wait_for("listening on"))
        launch.wait_for("all nodes ready")
        pids, guard = launch.pids(), launch.guard_pid()
        launch.process.kill()
        assert gone(pids | {guard}, WITHIN_SEC)
    assert not unix.exists()


def test_a_launcher_killed_while_nodes_start_leaves_nothing(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {f"n{n}": "robot:Quiet" for n in range(4)})) as launch:
        launch.wait_for("listening on")
        pids, guard = launch.pids(), launch.guard_pid()
        launch.process.kill()
        assert gone(pids | {guard}, WITHIN_SEC)


def test_a_killed_launcher_leaves_nothing_of_what_its_nodes_hide(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"hider": "robot:Daemon"})) as launch:
        pids = pids_with_daemon(launch)
        launch.process.kill()
        assert gone(pids, WITHIN_SEC)
    assert (tmp_path / "launch" / "safe").exists()  # the node could still end as it should


def test_a_launch_that_ends_leaves_nothing_of_what_its_nodes_hide(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"hider": "robot:Daemon"})) as launch:
        pids = pids_with_daemon(launch)
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
        assert gone(pids, 0)


def test_what_a_killed_node_hides_goes_with_it(tmp_path: Path) -> None:
    nodes = {"hider": "robot:Daemon", "quiet": "robot:Quiet"}
    with launched(write_launch(tmp_path, nodes)) as launch:
        launch.wait_for("all nodes ready")
        node = launch.pid_of("hider")
        (hidden,) = launch.pids() - {node, launch.pid_of("quiet"), launch.broker_pid()}
        os.kill(node, signal.SIGKILL)
        assert gone({node, hidden}, DEADLINE_SEC)


def test_a_killed_guard_ends_the_launch_and_leaves_nothing(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"hider": "robot:Daemon"})) as launch:
        pids = pids_with_daemon(launch)
        os.kill(launch.guard_pid(), signal.SIGKILL)
        assert launch.end() == 1
        assert gone(pids, 0)
    assert launch.lines[-1].startswith("[launch] ended with faults: guard (is gone")


def test_a_killed_launcher_and_a_killed_broker_leave_no_shared_memory(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, PAIR)) as launch:
        launch.wait_for("all nodes ready")
        broker, guard = launch.broker_pid(), launch.guard_pid()
        files = [Path(file.path) for file in psutil.Process(broker).open_files()]
        (lock,) = [path for path in files if path.name == "lock"]
        launch.process.kill()
        os.kill(broker, signal.SIGKILL)
        assert gone({broker, guard}, DEADLINE_SEC)
    # Another broker that starts just then may be the one that removes it.
    until_sec = time.monotonic() + WITHIN_SEC
    while lock.parent.exists():
        assert time.monotonic() < until_sec
        time.sleep(0.01)
