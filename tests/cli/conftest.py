"""The command line as users run it: processes, a real broker, a real node."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes.cli.app import app
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.tools.session import Session
from tests.support import processes
from tests.support.programs import Running
from tests.support.waiting import PATIENCE_SEC

ROOT = Path(__file__).parents[2]
TALKER_HZ = 20.0

Done = subprocess.CompletedProcess[str]


class Place:
    """Runs commands that know one broker by their environment."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self._started: list[Running] = []
        self._channels: list[ClientConnection] = []

    @property
    def port(self) -> int:
        return int(self.broker.rpartition(":")[2])

    def env(self, extra: dict[str, str]) -> dict[str, str]:
        """The environment of its commands."""
        return os.environ | {"DSMQ_BROKER": self.broker, "DSMQ_NODE": ""} | extra

    def run(self, *arguments: str, cwd: Path = ROOT, **env: str) -> Done:
        """Run `dsmq-nodes` to its end."""
        return processes.run(
            [sys.executable, "-W", "error", "-m", "dsmq_nodes", *arguments],
            cwd=cwd,
            env=self.env(env),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SEC,
            check=False,
        )

    def here(self, *arguments: str) -> tuple[str, str, int]:
        """Run a command in this process, which is faster; what it printed, and its status."""
        output, errors = io.StringIO(), io.StringIO()
        status = 0
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setenv("DSMQ_BROKER", self.broker)
            try:
                app([*arguments], prog_name="dsmq-nodes")
            except DsmqError as error:
                errors.write(f"{error}\n")
                status = 1
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
        return output.getvalue(), errors.getvalue(), status

    def start(self, *arguments: str, **env: str) -> Running:
        """Start `dsmq-nodes` and leave it running."""
        return self.start_python("-m", "dsmq_nodes", *arguments, **env)

    def start_python(self, *arguments: str, **env: str) -> Running:
        running = Running([sys.executable, "-W", "error", *arguments], env=self.env(env))
        self._started.append(running)
        return running

    def latch(self, topic: str, message: str, type_name: str = "") -> None:
        """Publish a message that whoever subscribes later is sent too."""
        channel = self.channel()
        for fields in (
            {"action": "advertise", "topic": topic, "type": type_name, "latched": 1},
            {"action": "put", "topic": topic, "message": message, "ack": 1},
        ):
            channel.send(wire.encode_object(fields))
            assert channel.receive().event in {"advertised", "ack"}

    def channel(self, node: str = "") -> ClientConnection:
        self._channels.append(ClientConnection("127.0.0.1", self.port, node=node))
        return self._channels[-1]

    def close(self) -> None:
        for channel in self._channels:
            channel.close()
        for running in self._started:
            running.close()


@pytest.fixture(scope="session")
def _broker() -> Iterator[str]:
    place = Place("")
    place.start("broker", "--port", "0")
    port = place._started[0].wait_for(r"^dsmq broker listening on 127\.0\.0\.1:(\d+)")[1]
    yield f"127.0.0.1:{port}"
    place.close()


@pytest.fixture
def place(_broker: str) -> Iterator[Place]:
    """Commands beside a broker that these tests share: each uses topics of its own."""
    here = Place(_broker)
    yield here
    here.close()


@pytest.fixture(scope="session")
def _talker(_broker: str) -> Iterator[None]:
    here = Place(_broker)
    node = {"rate_hz": TALKER_HZ, "namespace": "/hall"}
    talker = here.start_python("-m", "examples.talker", DSMQ_NODE=json.dumps(node))
    talker.wait_for_error("Publishing")
    yield
    here.close()


@pytest.fixture
def talker(_talker: None) -> str:
    """The topic of a talker that runs, at 20 Hz."""
    return "/hall/chatter"


@contextlib.contextmanager
def started_mall() -> Iterator[Place]:
    """The nodes of small_graph.py, with a broker of their own."""
    place = Place("")
    try:
        broker = place.start("broker", "--port", "0")
        place.broker = broker.wait_for(r"listening on (127\.0\.0\.1:\d+)")[1]
        place.start_python("-m", "tests.cli.small_graph")
        with Session(place.broker) as session:
            for graph in session.graphs(PATIENCE_SEC):
                there = {peer.name for peer in graph.peers if peer.state == "ready"}
                if {"/mall/shop", "/mall/customer"} <= there:
                    break
        yield place
    finally:
        place.close()


@pytest.fixture(scope="session")
def mall() -> Iterator[Place]:
    """Commands beside a small graph."""
    with started_mall() as place:
        yield place


@pytest.fixture
def nowhere() -> Place:
    """Commands beside no broker: the port is one that nothing listens on."""
    return Place("127.0.0.1:1")


@pytest.fixture
def own_place() -> Iterator[Callable[[], Place]]:
    """Starts a broker that this test has for itself."""
    places = [Place("")]

    def start() -> Place:
        broker = places[0].start("broker", "--port", "0")
        port = broker.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
        places.append(Place(f"127.0.0.1:{port}"))
        return places[-1]

    yield start
    for each in reversed(places):
        each.close()


def received(channel: ClientConnection, count: int) -> list[Any]:
    """The next messages that a channel is sent, as JSON values."""
    channel.socket.settimeout(PATIENCE_SEC)
    found: list[Any] = []
    while len(found) < count:
        reply = channel.receive()
        if reply.event == "message":
            found.append(json.loads(reply.text or ""))
    return found
