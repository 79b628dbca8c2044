"""For how long a machine has been connected, by a session of its own and a clock of the test."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

pytest.importorskip("zenoh")

import zenoh

from dsmq_nodes.gateways.uplink.over_zenoh import machine_name
from dsmq_nodes.gateways.uplink.over_zenoh.machine_name import MachineName
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_keys import name_key
from tests.support.waiting import PATIENCE_SEC


class Clock:
    """Seconds that the test counts."""

    def __init__(self) -> None:
        self.now_sec = 0.0

    def monotonic(self) -> float:
        return self.now_sec


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(machine_name, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def session() -> Iterator[Any]:
    config = zenoh.Config()
    for path, value in (
        ("mode", '"peer"'),
        ("scouting/multicast/enabled", "false"),
        ("listen/endpoints", "[]"),
        ("transport/shared_memory/enabled", "false"),
    ):
        config.insert_json5(path, value)
    with zenoh.open(config) as session:
        yield session


def one_that_stays(session: Any, told: list[str], here_sec: float) -> str:
    """Ask the machine, as one that has been here for so long."""
    answered = threading.Event()
    session.get(
        name_key("r1", str(session.zid())),
        zenoh.handlers.Callback(lambda _: None, answered.set),
        payload=msgspec.json.encode({"host": "another", "here_sec": here_sec}),
    )
    assert answered.wait(PATIENCE_SEC)
    return told.pop()


@pytest.mark.parametrize(
    ("links", "stays"),
    [
        ([["a"]], "this"),
        ([["a", "b"], ["b"]], "this"),
        ([[], ["b"]], "other"),
        ([["b"]], "other"),
    ],
    ids=["the same link", "another one before it is lost", "lost, and another", "both at once"],
)
def test_a_machine_without_any_of_its_links_was_cut_off(
    session: Any, clock: Clock, links: list[list[str]], stays: str
) -> None:
    told: list[str] = []
    seen = ["a"]
    name = MachineName(
        *(session, "r1", lambda: seen),
        lambda _: told.append("other"),
        lambda _: told.append("this"),
    )
    clock.now_sec = 1000.0
    for each in links[:-1]:
        seen[:] = each
        name.check_links()
    seen[:] = links[-1]  # the question comes before the word of it
    assert one_that_stays(session, told, here_sec=500.0) == stays
