"""Nodes as processes, nodes spun in a thread; the broker is the plugin's."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmq_nodes import Node, spin
from dsmq_nodes.testing import BrokerProcess
from tests.support.programs import Program


@pytest.fixture(params=["shm", "no-shm"])
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether nodes share memory: what a user sees is the same."""
    monkeypatch.setenv("DSMQ_NO_SHM", "" if request.param == "shm" else "1")


@pytest.fixture
def broker(memory: None, broker: BrokerProcess) -> BrokerProcess:
    """The plugin's, both ways."""
    return broker


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Starts Python programs from their text; those still running at the end are killed."""
    started: list[Program] = []

    def start(text: str, name: str = "program.py") -> Program:
        path = tmp_path / name
        path.write_text(text)
        started.append(Program(str(path)))
        return started[-1]

    yield start
    for program in started:
        program.kill()


@contextlib.contextmanager
def spinning(*nodes: Node) -> Iterator[None]:
    """Spin nodes in a thread meanwhile; what a callback raised there is raised here."""
    raised: list[BaseException] = []

    def target() -> None:
        try:
            spin(*nodes)
        except BaseException as error:  # noqa: BLE001  shown in the test's thread
            raised.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        while thread.is_alive():  # `shutdown` of a node not yet spinning does nothing
            for node in nodes:
                node.shutdown()
            thread.join(0.05)
        for node in nodes:
            node.destroy_node()
    if raised:
        raise raised[0]
