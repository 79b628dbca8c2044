"""Whole launches: real brokers, real nodes, real signals."""

import asyncio
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import Node
from dsmq_nodes.launcher import load_plan
from dsmq_nodes.launcher.watch.stop_memory import StopMemory
from dsmq_nodes.messages import Bool
from dsmq_nodes.testing import Graph
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import EMERGENCY_STOP_TOPIC
from tests.launcher.running import Launch, gone, launched, write_launch
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC, until

PAIR = {"talker": "robot:Talker", "listener": "robot:Listener"}


def socket_file(line: str) -> Path:
    found = re.search(r"unix (.+)\)", line)
    assert found is not None
    return Path(found[1])


def test_a_launch_runs_for_its_duration_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_launch(tmp_path, {**PAIR, "quiet": "robot:Quiet"})
    with launched(path, 2.0) as launch:
        unix = socket_file(launch.wait_for("[broker] dsmq broker listening on"))
        assert launch.end() == 0
    assert not unix.exists()
    assert "Traceback" not in launch.text


def test_the_summary_tells_rates_messages_and_latency(tmp_path: Path) -> None:
    nodes = {"talker": "robot:Talker", "hearer": "robot:Hearer"}
    with launched(write_launch(tmp_path, nodes)) as launch:
        launch.wait_for("all nodes ready")
        for _ in range(41):
            launch.wait_for("[hearer] heard")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    head, hearer, talker = (line.split("  ") for line in launch.lines[-3:])
    assert [each.strip() for each in head if each] == [
        "node", "declared", "achieved", "sent", "received", "dropped", "latency p50", "p99",
    ]  # fmt: skip
    rows = {row[0].strip(): [each.strip() for each in row if each] for row in (hearer, talker)}
    assert rows["/talker"][1] == "50 Hz"
    assert 1 < float(rows["/talker"][2].removesuffix(" Hz")) < 55
    # The last statistics of a node come as it ends: nothing sent is missing in them.
    assert int(rows["/talker"][3]) >= int(rows["/hearer"][4]) > 40
    assert rows["/hearer"][6].endswith(" ms")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_a_launch_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with launched(write_launch(tmp_path, {"quiet": "robot:Quiet", **PAIR})) as launch:
        unix = socket_file(launch.wait_for("listening on"))
        launch.wait_for("all nodes ready")
        pids = launch.pids()
        launch.process.send_signal(number)
        assert launch.end() == 0
        assert gone(pids, 0)
    assert not unix.exists()
    assert "[quiet] goodbye from /quiet" in launch.lines
    assert "Traceback" not in launch.text


def test_a_closed_terminal_does_not_end_what_nohup_protects(tmp_path: Path) -> None:
    path = write_launch(tmp_path, {"chatty": "robot:Chatty"})
    with launched(path, before=["nohup"]) as launch:
        launch.wait_for("all nodes ready")
        launch.process.send_signal(signal.SIGHUP)
        for _ in range(50):
            launch.wait_for("[chatty] chat")
        launch.process.send_signal(signal.SIGTERM)
        assert launch.end() == 0


def test_a_hook_that_raises_is_a_fault_of_the_launch(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"bad": "robot:EndsBadly"})) as launch:
        launch.wait_for("all nodes ready")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 1
    assert "OSError: the brake is stuck" in launch.text
    assert launch.lines[-1] == "[launch] ended with faults: bad (did not end well, exit status 1)"


def test_ctrl_c_while_nodes_start_is_quiet(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, PAIR)) as launch:
        launch.wait_for("listening on")
        pids = launch.pids()
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
        assert gone(pids, 0)
    assert "Traceback" not in launch.text


def test_what_a_node_started_goes_with_it(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"parent": "robot:Parent"})) as launch:
        launch.wait_for("all nodes ready")
        pids = launch.pids()
        assert len(pids) == 3
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
        assert gone(pids, 1)


def test_a_killed_node_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"quiet": "robot:Quiet", **PAIR})) as launch:
        launch.wait_for("all nodes ready")
        os.kill(launch.pid_of("talker"), signal.SIGKILL)
        launch.wait_for("[launch] talker: killed by SIGKILL; the others go on")
        assert len(launch.pids()) == 3
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 1
    assert launch.lines[-1] == "[launch] ended with faults: talker (killed by SIGKILL)"


def test_a_node_that_raises_later_is_told_with_one_traceback(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"later": "robot:CrashesLater"})) as launch:
        assert launch.end() == 1
    assert launch.text.count("ValueError: gone wrong") == 1
    assert launch.text.count("Traceback") == 1
    assert launch.lines[-1] == "[launch] ended with faults: later (exit status 1)"


def test_a_launch_ends_when_every_node_has_finished(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"finisher": "robot:Finisher"})) as launch:
        assert launch.end() == 0
    assert "[launch] finisher has finished (exit status 0)" in launch.lines


def test_a_killed_broker_comes_back_and_the_nodes_go_on(tmp_path: Path) -> None:
    nodes = {"talker": "robot:Talker", "hearer": "robot:Hearer"}
    with launched(write_launch(tmp_path, nodes)) as launch:
        first = launch.wait_for("listening on").split(" (")[0]
        launch.wait_for("[hearer] heard")
        running = launch.pid_of("talker"), launch.pid_of("hearer")
        os.kill(launch.broker_pid(), signal.SIGKILL)
        launch.wait_for("[launch] broker: killed by SIGKILL; it is started again, nodes connect")
        assert launch.wait_for("listening on").split(" (")[0] == first
        launch.wait_for("[hearer] heard")
        assert (launch.pid_of("talker"), launch.pid_of("hearer")) == running
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert launch.lines[-1] == (
        "[launch] broker: was started again 1 time, last after killed by SIGKILL"
    )


ACTUATOR = """
from dsmq_nodes import Actuator, Node
from dsmq_nodes.messages import Bool, String


class Wire(Node):
    def __init__(self):
        super().__init__("wire")
        self.create_subscription(String, "line", lambda msg: print("got", msg.data, flush=True), 10)


class Pump(Node):
    def __init__(self):
        super().__init__("pump")
        self.line = self.create_publisher(String, "line", 10)
        self.commands = Actuator(self, Bool, "water", lambda _: self.say("on"), timeout=None)

    def say(self, text):
        self.line.publish(String(data=text))

    def enter_safe_state(self):
        self.say("off")


class Controller(Node):
    rate_hz = 20.0

    def __init__(self):
        super().__init__("controller")
        self.water = self.create_publisher(Bool, "water", 1)
        self.create_timer(self.period_sec, lambda: self.water.publish(Bool(data=True)))
"""
PRESSED = "[launch] the emergency stop is pressed, since "


@pytest.fixture
def pump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The launch file of a pump behind a wire."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = write_launch(tmp_path, {})
    (tmp_path / "pumps.py").write_text(ACTUATOR)
    path.write_text("""
broker: {port: 0}
nodes:
  - {name: wire, node: 'pumps:Wire'}
  - {name: pump, node: 'pumps:Pump', depends_on: [wire], restart: on-failure}
  - {name: controller, node: 'pumps:Controller'}
""")
    return path


def press(launch: Launch) -> None:
    found = re.search(r"listening on (\S+)", launch.text)
    assert found is not None
    with Session(found[1]) as session:
        session.advertise(EMERGENCY_STOP_TOPIC, Bool.type_name)
        session.put(EMERGENCY_STOP_TOPIC, Bool(data=True).to_json())
    launch.wait_for("emergency stop pressed")


def test_a_node_ends_before_the_one_that_it_depends_on(pump: Path) -> None:
    """What moves is stopped through it."""
    with launched(pump) as launch:
        launch.wait_for("[wire] got on")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert [line for line in launch.lines if line.startswith("[wire] got")][-1] == "[wire] got off"


def test_a_pressed_stop_outlives_a_launch_that_nobody_asked_to_end(pump: Path) -> None:
    with launched(pump) as launch:
        launch.wait_for("[wire] got on")
        press(launch)
        for pid in launch.broker_pid(), launch.pid_of("pump"):  # all but the launcher forget it
            os.kill(pid, signal.SIGKILL)
        launch.wait_for("emergency stop pressed")
        launch.process.kill()
        launch.process.wait()
    with launched(pump) as launch:
        launch.wait_for(PRESSED)
        launch.wait_for_each("all nodes ready", "emergency stop pressed")
        launch.process.send_signal(signal.SIGINT)
        launch.end()
    assert "[wire] got on" not in launch.lines
    with launched(pump) as launch:  # a person ended it
        launch.wait_for("[wire] got on")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert PRESSED not in launch.text


def test_a_stop_that_cannot_be_remembered_is_said_at_the_start(
    pump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/nowhere")
    with launched(pump) as launch:
        launch.wait_for("a pressed emergency stop is forgotten if this launch is killed: /dev/null")
        launch.wait_for("[wire] got on")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert PRESSED not in launch.text


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="it limits another process")
def test_a_stop_that_is_pressed_while_the_disk_is_full_is_remembered(pump: Path) -> None:
    with launched(pump) as launch:
        launch.wait_for("[wire] got on")
        resource.prlimit(launch.process.pid, resource.RLIMIT_FSIZE, (0, 0))  # no file may grow
        press(launch)
        file = load_plan(pump).stop_file
        assert file is not None
        until(file.exists)
        launch.process.kill()
        launch.process.wait()
    with launched(pump) as launch:
        launch.wait_for(PRESSED)
        launch.wait_for_each("all nodes ready", "emergency stop pressed")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert "[wire] got on" not in launch.lines
    assert list(file.parent.iterdir()) == []


def test_a_disk_that_hangs_when_the_stop_is_pressed_holds_up_no_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, did_go_on = threading.Event(), list[bool]()
    monkeypatch.setattr(os, "fsync", lambda _: did_go_on.append(goes_on.wait(PATIENCE_SEC)))
    with Graph() as graph:
        StopMemory(tmp_path / "stop", print).begin(graph.add(lambda: Node("launch")))
        graph.inject(EMERGENCY_STOP_TOPIC, Bool(data=True))
        graph.run_for(0.1)
        until((tmp_path / "stop").exists)  # it is remembered if the launch ends now
        goes_on.set()
        until(lambda: did_go_on)
    assert did_go_on == [True]


def test_an_end_that_nobody_asked_for_waits_for_a_press_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, opened = threading.Event(), os.open
    memory = StopMemory(tmp_path / "stop", print)

    def slow(*given: Any) -> int:
        goes_on.wait(PATIENCE_SEC)
        return opened(*given)

    async def end() -> None:
        asyncio.get_running_loop().call_later(0.05, goes_on.set)
        await memory.end(is_asked=False)

    with Graph() as graph:
        memory.begin(graph.add(lambda: Node("launch")))
        monkeypatch.setattr(os, "open", slow)
        graph.inject(EMERGENCY_STOP_TOPIC, Bool(data=True))
        graph.run_for(0.1)
        asyncio.run(end())
    assert (tmp_path / "stop").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        os.mkfifo,
        lambda file: file.write_text("9" * 30),
        lambda file: file.symlink_to("/dev/zero"),
        lambda file: file.symlink_to(file),
    ],
    ids=["named pipe", "odd number", "endless", "link to itself"],
)
def test_a_stop_whose_file_cannot_be_read_was_pressed(
    pump: Path, spoil: Callable[[Path], object]
) -> None:
    file = load_plan(pump).stop_file
    assert file is not None
    file.parent.mkdir(parents=True)
    spoil(file)
    with launched(pump) as launch:
        launch.wait_for(PRESSED)
        launch.wait_for_each("all nodes ready", "emergency stop pressed")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert "[wire] got on" not in launch.lines


def test_a_topic_is_waited_for(tmp_path: Path) -> None:
    path = write_launch(tmp_path, {"quiet": "robot:Quiet"})
    (tmp_path / "launch" / "robot.yaml").write_text("""
broker: {port: 0}
nodes:
  - {name: quiet, node: 'robot:Quiet', depends_on: {talker: topic:/chatter}}
  - {name: own, node: 'robot:Quiet', depends_on: {talker: topic:/dsmq/graph}}  # the launcher's own
  - {name: talker, node: 'robot:Talker'}
""")
    with launched(path) as launch:
        launch.wait_for_each("[quiet] hello from /quiet", "all nodes ready: 3 in")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0


@pytest.mark.parametrize(
    ("spec", "told", "tracebacks"),
    [
        ("robot:os", r"cannot run robot:os: it is no class in .+robot.py; .+", 0),
        ("raises:Any", r"ZeroDivisionError: division by zero", 1),
        ("unfinished:Any", r"SyntaxError: '\(' was never closed", 0),
        ("inner:Any", r"ModuleNotFoundError: No module named 'nothere'", 1),
        ("exits:Any", r"SystemExit: 3", 1),
        ("runs:Any", r".+NodeConfigurationError: runs calls `run` while it is imported .+", 1),
        ("robot:Broken", r"ValueError: no hardware", 1),
    ],
)
def test_a_node_that_cannot_start_ends_the_launch(
    tmp_path: Path, spec: str, told: str, tracebacks: int
) -> None:
    path = write_launch(tmp_path, {"good": "robot:Quiet", "bad": spec})
    (tmp_path / "raises.py").write_text("1 / 0\nAny = 0\n")
    (tmp_path / "unfinished.py").write_text("(\n")
    (tmp_path / "inner.py").write_text("import nothere\nAny = 0\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\nAny = 0\n")
    (tmp_path / "runs.py").write_text("from dsmq_nodes import Node, run\nrun(Node)\nAny = 0\n")
    with launched(path) as launch:
        assert launch.end() == 1
    assert len([line for line in launch.lines if re.fullmatch(rf"\[bad\] {told}", line)]) == 1
    assert launch.text.count("Traceback") == tracebacks
    assert launch.lines[-1] == (
        "[launch] ended with faults: bad (failed before it was ready, exit status 1)"
    )


@pytest.mark.parametrize(
    ("head", "advice"),
    [
        ("broker: {port: PORT}", "give it another in FILE:1:16, where 0 takes any free one"),
        (
            "args: {p: PORT}\nbroker: {port: $(arg p)}",
            "give it another by p:=PORT, where 0 takes any free one",
        ),
    ],
)
def test_a_port_in_use_is_told_at_once_and_no_node_starts(
    tmp_path: Path, head: str, advice: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = write_launch(tmp_path, {"quiet": "robot:Quiet"})
        told = path.read_text().replace("broker: {port: 0}", head.replace("PORT", f"{port}"))
        path.write_text(told)
        with launched(path) as launch:
            assert launch.end() == 1
    (line,) = launch.lines
    assert line == (
        f"[broker] port {port} on 127.0.0.1 is in use: another program has it, or a broker that "
        f"does not answer (`ss -tlnp 'sport = :{port}'` shows which); stop it, or "
        + advice.replace("FILE", f"{path}")
    )


@pytest.mark.usefixtures("broker")
def test_a_broker_that_runs_already_can_be_used(tmp_path: Path) -> None:
    where = os.environ["DSMQ_BROKER"]
    path = write_launch(tmp_path, {"quiet": "robot:Quiet"}, int(where.partition(":")[2]))
    with launched(path) as launch:
        assert launch.end() == 1
    (line,) = launch.lines
    assert f"; stop it, use it with `--broker {where}`, or give it another in {path}:" in line


def test_a_missed_rate_ends_a_strict_launch_and_names_the_callback(tmp_path: Path) -> None:
    nodes = {"slow": "robot:Slow", "quiet": "robot:Quiet"}
    with launched(write_launch(tmp_path, nodes), strict_rates=True) as launch:
        assert launch.end() == 1
    missed = r"slow: [\d.]+ Hz of 50 Hz: Slow.think took [\d.]+ s of [\d.]+ s, up to \d+ ms at once"
    assert re.search(rf"^\[launch\] {missed}; the launch ends$", launch.text, re.MULTILINE)
    assert launch.lines[-1].startswith("[launch] ended with faults: slow (")


def test_a_launch_ends_when_nobody_reads_it(tmp_path: Path) -> None:
    path = write_launch(tmp_path, {"chatty": "robot:Chatty"})
    code = "import sys; from pathlib import Path; from dsmq_nodes.launcher import launch"
    run = [sys.executable, "-c", f"{code}; sys.exit(launch(Path({str(path)!r})))"]
    with processes.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()  # as `| head -1` does; the next line of a node meets nobody
        assert process.wait(PATIENCE_SEC) == 0
        assert b"Traceback" not in process.stderr.read()


def test_a_launch_that_nobody_reads_goes_on_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "prints.py").write_text("while True: print('x' * 4000, flush=True)")
    (tmp_path / "crashes.py").write_text("open('starts', 'a').write('s'); raise SystemExit(3)")
    path = tmp_path / "robot.yaml"
    path.write_text(f"""
broker: {{port: 0}}
nodes:
  - {{name: prints, exec: [{sys.executable}, prints.py]}}
  - name: crashes
    exec: [{sys.executable}, crashes.py]
    restart: {{policy: on-failure, delay: 0.1, max_delay: 0.1, max: 1000}}
""")
    code = "import sys; from pathlib import Path; from dsmq_nodes.launcher import launch"
    run = [sys.executable, "-c", f"{code}; sys.exit(launch(Path({str(path)!r})))"]
    read, written = os.pipe()
    with processes.Popen(run, stdout=written, stderr=written, cwd=tmp_path) as process:
        os.close(written)
        starts = tmp_path / "starts"
        until(lambda: starts.exists() and starts.stat().st_size >= 4, "four starts")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SEC) in {0, 1}  # it may be just crashing
    os.close(read)
