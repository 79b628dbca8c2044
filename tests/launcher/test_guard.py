"""Nothing outlives a launch, whoever is killed: real launches, and SIGKILL."""

import contextlib
import os
import re
import resource
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.launcher.running import Launch, gone, launched, write_launch
from tests.launcher.test_launch import PAIR, socket_file
from tests.support.processes import suspend
from tests.support.waiting import PATIENCE_SEC, until

limits = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="only Linux limits another process"
)


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
        assert gone(pids | {guard}, PATIENCE_SEC)
    assert not unix.exists()


def test_a_launcher_killed_while_nodes_start_leaves_nothing(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {f"n{n}": "robot:Quiet" for n in range(4)})) as launch:
        launch.wait_for("listening on")
        pids, guard = launch.pids(), launch.guard_pid()
        launch.process.kill()
        assert gone(pids | {guard}, PATIENCE_SEC)


def test_a_killed_launcher_leaves_nothing_of_what_its_nodes_hide(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"hider": "robot:Daemon"})) as launch:
        pids = pids_with_daemon(launch)
        launch.process.kill()
        assert gone(pids, PATIENCE_SEC)
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
        assert gone({node, hidden}, PATIENCE_SEC)


@pytest.mark.parametrize("which", ["guard", "keeper", "both"])
def test_a_killed_guard_ends_the_launch_and_leaves_nothing(tmp_path: Path, which: str) -> None:
    with launched(write_launch(tmp_path, {"hider": "robot:Daemon"})) as launch:
        pids = pids_with_daemon(launch)
        for pid in _which(launch, which):
            os.kill(pid, signal.SIGKILL)
        assert launch.end() == 1
        assert gone(pids, 0)
    assert (tmp_path / "launch" / "safe").exists()
    assert launch.lines[-1].startswith("[launch] ended with faults: guard (is gone")


def _which(launch: Launch, which: str) -> list[int]:
    guard, keeper = launch.guard_pid(), launch.keeper_pid()
    return {"guard": [guard], "keeper": [keeper], "both": [keeper, guard]}[which]


@pytest.mark.parametrize(
    ("which", "number"),
    [("guard", signal.SIGKILL), ("keeper", signal.SIGKILL), ("both", signal.SIGSTOP)],
)
def test_a_killed_launcher_and_a_killed_or_stopped_guard_leave_nothing(
    tmp_path: Path, which: str, number: signal.Signals
) -> None:
    with launched(write_launch(tmp_path, {"hider": "robot:Daemon"})) as launch:
        pids = pids_with_daemon(launch)
        guards = {launch.guard_pid(), launch.keeper_pid()}
        for pid in _which(launch, which):
            os.kill(pid, number)  # no `suspend`: each may already be woken by the other
        launch.process.kill()
        assert gone(pids | guards, PATIENCE_SEC)
    assert (tmp_path / "launch" / "safe").exists()


def test_nodes_are_asked_to_end_even_when_nobody_is_left_to_ask(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"hider": "robot:Daemon"})) as launch:
        pids_with_daemon(launch)
        node, broker = launch.pid_of("hider"), launch.broker_pid()
        hidden = launch.pids() - {node, broker}
        for pid in [launch.process.pid, *_which(launch, "both")]:
            os.kill(pid, signal.SIGKILL)
        try:
            assert gone({node, broker}, PATIENCE_SEC)
        finally:
            for pid in hidden:
                os.kill(pid, signal.SIGKILL)
    assert (tmp_path / "launch" / "safe").exists()


def program(directory: Path, code: str) -> Path:
    """Write a launch file of one program, and the program."""
    (directory / "program.py").write_text(code)
    path = directory / "robot.yaml"
    path.write_text(f"""
broker: {{port: 0}}
nodes:
  - {{name: lasts, exec: [sleep, "1000"]}}
  - {{name: program, exec: [{sys.executable}, program.py]}}
""")
    return path


def test_what_a_killed_program_has_started_without_an_environment_goes_with_it(
    tmp_path: Path,
) -> None:
    code = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'], env={}, process_group=0)\n"
        "print('started', os.getpid(), child.pid, flush=True); time.sleep(1000)"
    )
    with launched(program(tmp_path, code)) as launch:
        *_, parent, child = launch.wait_for("started").split()
        os.kill(int(parent), signal.SIGKILL)
        launch.wait_for("program: killed by SIGKILL")
        assert gone({int(child)}, PATIENCE_SEC)
        assert launch.pid_of_program("sleep")


def test_a_stopped_node_is_woken_to_end_in_its_safe_state(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"quiet": "robot:Quiet", **PAIR})) as launch:
        launch.wait_for("all nodes ready")
        suspend(launch.pid_of("quiet"))
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert "[quiet] goodbye from /quiet" in launch.lines


def test_a_stopped_broker_holds_up_no_end(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, PAIR)) as launch:
        launch.wait_for("all nodes ready")
        pids = launch.pids()
        suspend(launch.broker_pid())
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() in {0, 1}
        assert gone(pids, 0)


def test_a_launch_without_descriptors_says_once_what_to_raise(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("nodes: [{name: s, exec: [sleep, '1000'], count: 30}]\nbroker: {port: 0}\n")
    few = ["sh", "-c", 'ulimit -n 28; exec "$@"', "sh"]
    with launched(path, before=few, warm=False) as launch:
        assert launch.end() == 1
    why = (
        "cannot be started: the launch has all the files open that it may have: raise the limit "
        "(`ulimit -Hn`, LimitNOFILE= in systemd), or open less"
    )
    told = [line for line in launch.lines if "started: " in line]
    assert len(told) == 2, launch.text
    assert re.fullmatch(rf"\[launch\] s\d+: {re.escape(why)}; the launch ends", told[0])
    assert re.fullmatch(rf"\[launch\] ended with faults: s\d+ \({re.escape(why)}\)", told[1])


def test_a_launch_has_more_processes_than_files_may_be_open(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("broker: {port: 0}\nnodes: [{name: s, exec: [sleep, '1000'], count: 60}]\n")
    few = ["sh", "-c", 'ulimit -Sn 48; exec "$@"', "sh"]
    with launched(path, before=few) as launch:
        launch.wait_for("all nodes ready: 60")
        limits = psutil.Process(launch.pid_of_program("sleep")).rlimit(psutil.RLIMIT_NOFILE)
        assert limits[0] == 48
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0


def without_descriptors(*pids: int) -> None:
    """Let these processes open no more files, as if the system had no descriptor left."""
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))


@limits
def test_a_launch_without_descriptors_ends_as_any_other(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"hider": "robot:Daemon"})) as launch:
        pids = pids_with_daemon(launch)
        without_descriptors(launch.process.pid, launch.keeper_pid())
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
        assert gone(pids, 0)
    assert "Traceback" not in launch.text
    assert (tmp_path / "launch" / "safe").exists()


@limits
@pytest.mark.parametrize("mode", ["warm", "cold"])
def test_a_guard_without_descriptors_starts_nothing_and_goes_on(tmp_path: Path, mode: str) -> None:
    path = write_launch(tmp_path, {"hider": "robot:Daemon", "later": "robot:Quiet"})
    path.write_text(path.read_text().replace("'robot:Quiet'}", "'robot:Quiet', restart: always}"))
    with launched(path, warm=mode == "warm") as launch:
        launch.wait_for("all nodes ready")
        pids = launch.pids()
        without_descriptors(launch.guard_pid())
        os.kill(launch.pid_of("later"), signal.SIGKILL)
        launch.wait_for("later: cannot be started: the launch has all the files open")
        assert launch.end() == 1
        assert gone(pids, 0)
    assert "guard" not in launch.text
    assert (tmp_path / "launch" / "safe").exists()


def test_a_stopped_launcher_does_not_stop_a_program_that_prints(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "for n in range(100): print(n, 'x' * 4000, flush=True)\n"
        "print('ready', flush=True); time.sleep(0.1)\n"
        "for n in range(500): print(n, 'x' * 4000, flush=True); time.sleep(0.001)\n"
        "open('printed', 'w').close(); time.sleep(1000)"
    )
    with launched(program(tmp_path, code)) as launch:
        launch.wait_for("[program] ready")
        launch.process.send_signal(signal.SIGSTOP)
        until((tmp_path / "printed").exists, "all lines to be printed")
        launch.process.send_signal(signal.SIGCONT)
        launch.wait_for("lines are not here: the launcher was stopped")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0


def test_a_killed_launcher_of_many_leaves_nothing_and_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("broker: {port: 0}\nnodes: [{name: s, exec: [sleep, '1000'], count: 150}]\n")
    with launched(path) as launch:
        launch.wait_for("all nodes ready")
        pids, guard = launch.pids(), psutil.Process(launch.guard_pid())
        before_sec = used_sec = sum(guard.cpu_times()[:2])
        launch.process.kill()

        def is_over() -> bool:
            nonlocal used_sec
            with contextlib.suppress(psutil.Error):
                used_sec = sum(guard.cpu_times()[:2])
            return not guard.is_running()

        until(is_over, "the end of the guard")
        assert used_sec - before_sec < 1.0
        assert gone(pids, PATIENCE_SEC)


def test_a_killed_launcher_and_a_killed_broker_leave_no_shared_memory(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, PAIR)) as launch:
        launch.wait_for("all nodes ready")
        broker, guard = launch.broker_pid(), launch.guard_pid()
        files = [Path(file).resolve() for file in Path(f"/proc/{broker}/fd").iterdir()]
        shared = [path for path in files if path.is_dir() and path.is_relative_to("/dev/shm")]
        launch.process.kill()
        os.kill(broker, signal.SIGKILL)
        assert gone({broker, guard}, PATIENCE_SEC)
    # Another broker that starts just then may be the one that removes it.
    until(lambda: shared and not shared[0].exists(), "its directory to be removed")
