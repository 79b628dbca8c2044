"""The main job: a closed loop of real processes, from its own launch file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.testing import Graph
from examples.cpu_monitor import Monitor
from examples.cpu_servo import GovernorState, HostStatus
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC

ROOT = Path(__file__).parents[2]


class Loop:
    """A running `launch/cpu_servo.yaml` on a port of its own, and an ear in its graph."""

    def __init__(self, folder: Path) -> None:
        text = (ROOT / "launch/cpu_servo.yaml").read_text()
        (folder / "launch").mkdir()
        file = folder / "launch" / "cpu_servo.yaml"
        file.write_text(text.replace("port: 30008", "port: 0"))
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.launch = processes.Popen(
                [sys.executable, "-m", "dsmq_nodes", "launch", str(file)],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.children: list[psutil.Process] = []
        self.wait_until(lambda: "all nodes ready" in self.output())
        self.children = psutil.Process(self.launch.pid).children(recursive=True)
        port = int(self.output().split("127.0.0.1:")[1].split()[0])
        self.channel = ClientConnection("127.0.0.1", port)
        self.channel.socket.settimeout(PATIENCE_SEC)
        for topic in ("/governor_state", "/cpu_share", "/duty", "/dsmq/graph"):
            self.channel.send(wire.encode_object({"action": "subscribe", "topic": topic}))
        graph = self.next("/dsmq/graph")
        self.pids = {peer["name"]: peer["pid"] for peer in graph["peers"]}

    def output(self) -> str:
        return self.log.read_text()

    def next(self, topic: str) -> dict[str, Any]:
        """The next message of a topic."""
        while True:
            reply = self.channel.receive()
            if reply.event == "message" and reply.topic == topic and reply.text:
                message: dict[str, Any] = json.loads(reply.text)
                return message

    def wait_until(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_SEC
        while not done():
            assert time.monotonic() < until, self.output()
            try:
                self.launch.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"the launch has ended: {self.output()}")

    def interrupt(self) -> int:
        self.channel.close()
        self.launch.send_signal(signal.SIGINT)
        return self.launch.wait(PATIENCE_SEC)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    loop = Loop(tmp_path)
    yield loop
    loop.channel.close()
    if loop.launch.poll() is None:
        loop.launch.kill()
        loop.launch.wait()
    for child in loop.children:
        if child.is_running():
            child.kill()


def value(message: dict[str, Any], key: str) -> float:
    return float(message[key])


def test_the_loop_follows_a_new_setpoint_and_holds_it(loop: Loop) -> None:
    address = {**os.environ, "DSMQ_BROKER": loop.channel.where}
    for setpoint in (0.2, 0.1):  # beside other tests there may be no third of a core
        command = [
            "topic",
            "pub",
            "--once",
            "/setpoint",
            "std_msgs/msg/Float64",
            f"{{data: {setpoint}}}",
        ]
        processes.run(
            [sys.executable, "-m", "dsmq_nodes", *command],
            env=address,
            cwd=ROOT,
            check=True,
            timeout=PATIENCE_SEC,
        )
        while value(state := loop.next("/governor_state"), "setpoint") != setpoint:
            pass
        while abs(value(state, "measured") - setpoint) > 0.04:
            state = loop.next("/governor_state")
    assert loop.interrupt() == 0
    output = loop.output()
    assert "Traceback" not in output
    assert "/governor" in output.split("declared", 1)[1], "no summary"
    assert not [child for child in loop.children if child.is_running()]


@pytest.mark.parametrize("victim", ["/cpu_sensor", "/governor"])
def test_the_burner_stops_when_who_it_depends_on_is_killed(loop: Loop, victim: str) -> None:
    while value(loop.next("/governor_state"), "measured") < 0.2:
        pass
    burner = psutil.Process(loop.pids["/burner"])
    os.kill(int(loop.pids[victim]), signal.SIGKILL)
    if victim == "/cpu_sensor":
        while value(loop.next("/duty"), "duty") > 0:
            pass
    else:
        while value(loop.next("/cpu_share"), "share") > 0.08:
            pass
    assert burner.is_running()
    assert loop.interrupt() == 1, "a node was killed, and the status says so"
    assert f"{victim[1:]} (killed by SIGKILL)" in loop.output()


def test_the_monitor_shows_nothing_that_is_old() -> None:
    def shown(monitor: Monitor) -> str:
        console = Console(width=120, file=StringIO())
        console.print(monitor.table())
        text = console.file.getvalue()  # type: ignore[attr-defined]
        return str(text)

    with Graph() as graph:
        monitor = graph.add(Monitor)
        assert "setpoint -   measured -" in shown(monitor)
        graph.inject("governor_state", GovernorState(setpoint=0.35, measured=0.34, duty=0.3))
        graph.inject("host_status", HostStatus(load_1min=1.25))
        graph.run_for(1.0)
        assert "setpoint 0.350   measured 0.340   duty 0.300" in shown(monitor)
        assert "load 1.25" in shown(monitor)
        graph.run_for(10.0)
        assert "setpoint -   measured -   duty -" in shown(monitor)
        assert "load" not in shown(monitor)
