"""A launch that uses a broker which is there already, perhaps on another machine."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from dsmq_nodes.cli.show.live_table import LiveTables
from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.launcher.launch_file import load_plan
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.running_launch import RunningLaunch
from dsmq_nodes.tools.session import Session
from tests.support.programs import Running
from tests.support.waiting import until

CLASS = """
from dsmq_nodes import Node


class Quiet(Node):
    def __init__(self):
        super().__init__("quiet")
"""


def write(tmp_path: Path, *, name: str, broker: str = "") -> Path:
    (tmp_path / "parts.py").write_text(CLASS)
    file = tmp_path / f"{name}.yaml"
    file.write_text(f"{broker}\nnodes:\n- {{name: {name}, node: parts:Quiet}}\n")
    return file


def launch(*words: str, **env: str) -> Running:
    command = [sys.executable, "-m", "dsmq_nodes", "launch", *words]
    return Running(command, env={**os.environ, **env}, is_merged=True)


def nodes(broker: BrokerProcess) -> set[str]:
    with Session(broker.address) as session:
        return {peer.name for peer in session.graph().peers}


def names_of(launches: RunningLaunch) -> set[str]:
    with suppress(CommandError):  # not yet
        return {each.name for each in launches.state().processes}
    return set()


def restarts_of(tables: LiveTables) -> dict[str, str]:
    """As `top` shows them."""
    tables.take_until(time.monotonic() + 0.05)
    return {str(name): str(restarts) for name, _, _, restarts, *_ in tables._rows()}


def test_two_launches_share_a_broker_that_outlives_them(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    where = f"{broker.host}:{broker.port}"
    one = launch(str(write(tmp_path, name="one")), "--broker", where)
    connect = f"broker: {{connect: '{where}'}}"
    other = launch(str(write(tmp_path, name="other", broker=connect)))
    until(lambda: {"/one", "/other"} <= nodes(broker), "both nodes")
    with Session(broker.address) as session:
        tables = LiveTables(session)
        until(lambda: restarts_of(tables) == {"/one": "0", "/other": "0"})
        launches = RunningLaunch(session)
        until(lambda: names_of(launches) >= {"one", "other"}, "both processes")
        assert launches.command("stop", "/other").text == "other is stopped (exit status 0)"
        assert list(launches.lines("one", 0, follow=False)) == []
        with pytest.raises(CommandError, match="no process 'on' in any launch; did you mean 'one'"):
            launches.command("stop", "on")
    assert one.interrupt() == 0
    assert other.interrupt() == 0
    assert "listening" not in one.output + other.output
    until(lambda: not {"/one", "/other"} & nodes(broker), "the end of both nodes")
    one.close()
    other.close()


def test_a_broker_that_is_not_there_ends_the_launch_in_one_line(tmp_path: Path) -> None:
    running = launch(str(write(tmp_path, name="one")), "--broker", "127.0.0.1:1")
    assert running.wait() == 1
    assert "broker: " in running.output
    assert "127.0.0.1:1" in running.output
    assert "one" not in "".join(line for line in running.lines if line.startswith("[one]"))
    running.close()


def test_the_plan_says_where_the_broker_is(tmp_path: Path) -> None:
    file = write(tmp_path, name="one", broker="broker: {connect: robot.local}")
    assert str(load_plan(file)).splitlines()[0] == "[broker] at robot.local, not started"


@pytest.mark.parametrize(
    ("broker", "told"),
    [
        ("broker: {connect: a:1, port: 5}", "port would have no effect"),
        ("broker: {connect: 'a:b:c:d'}", "HOST:PORT"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, broker: str, told: str) -> None:
    with pytest.raises(LaunchFileError, match=told):
        load_plan(write(tmp_path, name="one", broker=broker))


def test_a_broker_of_the_environment_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    file = write(tmp_path, name="one", broker="broker: {port: 0}")
    running = launch(str(file), "--dry-run", DSMQ_BROKER="robot.local:30008")
    assert running.wait() == 0
    assert "DSMQ_BROKER=robot.local:30008 is not used" in running.output
    running.close()


def test_the_launchs_own_address_in_the_environment_is_no_other_broker(tmp_path: Path) -> None:
    file = write(tmp_path, name="one", broker="broker: {port: 31877}")
    running = launch(str(file), "--dry-run", DSMQ_BROKER="127.0.0.1:31877")
    assert running.wait() == 0
    assert "is not used" not in running.output
    running.close()
