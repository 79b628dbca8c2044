"""The pytest plugin: fixtures `graph` and `broker`, and advice for tests that lack them."""

from typing import TYPE_CHECKING, Final

import pytest

from dsmq_nodes import testing  # its names are loaded when a fixture is used
from dsmq_nodes.errors import ConnectionFailedError

_ADVICE: Final = (
    "in a test, `graph.add(MyNode)` of the fixture `graph` needs no broker, "
    "and the fixture `broker` starts one"
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsmq_nodes.testing.broker_process import BrokerProcess
    from dsmq_nodes.testing.virtual_graph import Graph


@pytest.fixture
def graph() -> "Iterator[Graph]":
    """A graph in this process, in virtual time, with seed 0."""
    with testing.Graph() as graph:
        yield graph


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> "Iterator[BrokerProcess]":
    """A real broker on a free port, which the nodes of this test connect to."""
    with testing.BrokerProcess() as broker:
        monkeypatch.setenv("DSMQ_BROKER", f"{broker.host}:{broker.port}")
        # The first node of a process removes its settings from the environment; restore them.
        monkeypatch.setenv("DSMQ_NODE", "")
        yield broker


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Advise a test that has failed because there is no broker."""
    error = call.excinfo and call.excinfo.value
    # A fixture of several tests raises the same exception in each of them.
    if isinstance(error, ConnectionFailedError) and _ADVICE not in getattr(error, "__notes__", ()):
        error.add_note(_ADVICE)
