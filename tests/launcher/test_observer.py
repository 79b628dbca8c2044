"""What the launcher's own node is told or not told by others never ends the supervision."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dsmq_nodes import Node, spin_once
from dsmq_nodes.launcher.watch.observer import GraphObserver
from dsmq_nodes.messages.dsmq_msgs import LaunchCommand, LaunchResult, LaunchState, NodeStatistics
from tests.launcher.running import launched, write_launch
from tests.support.waiting import until


def test_a_broker_that_does_not_answer_holds_up_nothing_else() -> None:
    nobody: Any = None

    async def main() -> None:
        asked = asyncio.Event()

        async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            try:
                await reader.read()
            finally:
                writer.close()

        server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        watching = asyncio.create_task(GraphObserver().watch(host, port, nobody))
        hearing = asyncio.create_task(asked.wait())
        await asyncio.wait({watching, hearing}, return_when=asyncio.FIRST_COMPLETED)
        assert not watching.done()
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        server.close()
        hearing.cancel()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for each in left:
            each.cancel()
        await asyncio.wait(left)

    asyncio.run(main())


def test_of_many_nodes_that_come_and_go_those_that_last_are_kept() -> None:
    supervisor: Any = SimpleNamespace(all_ready=False)

    async def main() -> None:
        observer = GraphObserver()
        for number in range(12_000):
            for name in (f"/short_lived_{number}", "/lasting"):
                observer._on_node(NodeStatistics(name=name), "/dsmq/launch", supervisor)
        assert "/lasting" in observer.statistics
        assert len(observer.statistics) <= 1000

    asyncio.run(main())


def test_a_process_that_has_written_much_is_asked_for_its_last_lines(tmp_path: Path) -> None:
    path = write_launch(tmp_path, {"quiet": "robot:Quiet"})
    code = "[print('x' * 60_000) for _ in range(200)]; print('last'); import time; time.sleep(60)"
    entry = json.dumps({"name": "long", "exec": [sys.executable, "-c", code]})
    path.write_text(f"{path.read_text()}  - {entry}\n")
    with launched(path) as launch:
        where = launch.wait_for("listening on").split("listening on ")[1].split()[0].rstrip(",;")
        launch.wait_for("last")
        host, port = where.rsplit(":", 1)
        with Node("asker", broker=(host, int(port))) as asker:
            found: list[LaunchResult] = []
            asker.create_subscription(LaunchResult, "/dsmq/launch/result", found.append, 10)
            asked = asker.create_publisher(LaunchCommand, "/dsmq/launch/command", 10)
            asker.create_timer(
                0.2, lambda: asked.publish(LaunchCommand(id="1", action="lines", name="long"))
            )
            while not found:
                spin_once(asker, timeout_sec=1.0)
        assert found[0].ok
        assert found[0].lines[-1] == "last"
        launch.process.send_signal(signal.SIGINT)
        launch.end()
    assert "watched" not in launch.text  # neither "no longer" nor "not just now"


def test_a_stopped_guard_is_woken_to_end_the_launch(tmp_path: Path) -> None:
    with launched(write_launch(tmp_path, {"quiet": "robot:Quiet"})) as launch:
        launch.wait_for("all nodes ready")
        for pid in (launch.guard_pid(), launch.keeper_pid()):
            os.kill(pid, signal.SIGSTOP)  # no `suspend`: each is soon woken by the other
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert "[quiet] goodbye from /quiet" in launch.lines
    assert "still running" not in launch.text


@pytest.mark.slow
def test_a_node_that_hangs_is_told_and_is_not_shown_as_ready(tmp_path: Path) -> None:
    """It has no rate, and hangs before it has told any statistics; a gateway never tells any."""
    path = write_launch(tmp_path, {"stuck": "robot:Stuck"})
    path.write_text(f"web: {{port: 0, rosbridge: 0, foxglove: 0}}\n{path.read_text()}")
    with launched(path) as launch:
        where = launch.wait_for("listening on").split("listening on ")[1].split()[0].rstrip(",;")
        launch.wait_for("stuck: no statistics for 10 s: it hangs")
        with Node("asker", broker=where) as asker:
            states: list[str] = []
            asker.create_subscription(
                LaunchState,
                "/dsmq/launch/state",
                lambda msg: states.extend(
                    each.state for each in msg.processes if each.name == "stuck"
                ),
                10,
            )

            def is_shown_as(state: str) -> bool:
                spin_once(asker, timeout_sec=0.1)
                return states[-1:] == [state]

            until(lambda: is_shown_as("hangs"))
            (path.parent / "go").touch()
            until(lambda: is_shown_as("ready"))
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    assert "web: no statistics" not in launch.text
