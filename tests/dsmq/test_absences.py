"""A peer whose network was gone is told in one line when it is back; sans-I/O."""

import logging
from typing import Any

import pytest

from dsmq_nodes.dsmq.broker.absences import Absences


class Silent:
    """A connection that has been silent for as long as it is told."""

    def __init__(self, name: str) -> None:
        self.peer: Any = self
        self.name = name
        self.now = 0.0

    def silent_sec(self) -> float:
        return self.now


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


def looked(absences: Absences, connection: Any, *seconds: tuple[float, float]) -> list[bool]:
    """What is said at each time, when it has been silent for so long then."""
    gone = []
    for now, silent_sec in seconds:
        connection.now = silent_sec
        gone.append(absences.has_gone(connection, now))
    return gone


def test_in_the_same_connection(told: pytest.LogCaptureFixture) -> None:
    absences, pi = Absences(), Silent("/pi")
    assert not any(looked(absences, pi, (100, 0), (102, 2), (105, 5), (109, 9), (110, 0), (111, 0)))
    assert told.messages == ["/pi is heard again after 10.0 s: its network was gone"]


def test_in_a_new_connection(told: pytest.LogCaptureFixture) -> None:
    absences, pi = Absences(), Silent("/pi")
    assert looked(absences, pi, (105, 5), (112, 12)) == [False, True]
    absences.ended(pi)  # type: ignore[arg-type]
    for _ in range(2):
        absences.greeted("/pi", 120.0)
    absences.greeted("/other", 120.0)
    assert told.messages == ["/pi is heard again after 20.0 s: its network was gone"]


def test_whose_network_is_slow_and_who_has_no_name_is_not_told(
    told: pytest.LogCaptureFixture,
) -> None:
    absences, tool = Absences(), Silent("")
    assert not any(looked(absences, Silent("/pi"), (100, 0.1), (103, 3.2), (104, 0)))
    assert looked(absences, tool, (112, 12)) == [True]
    absences.greeted("", 120.0)
    assert not told.messages
