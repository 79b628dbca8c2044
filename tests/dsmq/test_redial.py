"""The back-off between tries to connect: short at first, never long, jittered."""

from types import SimpleNamespace

import pytest

from dsmq_nodes.dsmq import client_connection
from dsmq_nodes.dsmq.client_connection import Redial


@pytest.fixture
def redial(monkeypatch: pytest.MonkeyPatch) -> Redial:
    """One whose clock stands still."""
    monkeypatch.setattr(client_connection, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    return Redial()


def pauses(redial: Redial, count: int, tried_sec: float = 0.0) -> list[float]:
    found = []
    for _ in range(count):
        redial.later(tried_sec)
        found.append(redial.left_sec)
    return found


def test_the_first_try_is_due_at_once(redial: Redial) -> None:
    assert redial.left_sec == 0


def test_pauses_grow_up_to_a_second_and_are_jittered(redial: Redial) -> None:
    found = pauses(redial, 20)
    assert 0.025 - 1e-9 <= found[0] <= 0.05 + 1e-9
    assert all(0.5 - 1e-9 <= each <= 1.0 + 1e-9 for each in found[-5:])
    assert len({round(each, 9) for each in found[-5:]}) > 1


def test_a_broker_is_found_at_most_as_much_later_as_it_was_away(redial: Redial) -> None:
    away_sec = 0.0
    for pause_sec in pauses(redial, 20):
        assert pause_sec <= 0.05 + away_sec + 1e-9
        away_sec += pause_sec


def test_a_broker_that_is_back_makes_the_next_pause_short(redial: Redial) -> None:
    pauses(redial, 10)
    redial.reset()
    assert pauses(redial, 1)[0] <= 0.05 + 1e-9


def test_no_more_than_a_fifth_of_the_time_is_spent_on_tries_that_take_long(redial: Redial) -> None:
    assert pauses(redial, 3, tried_sec=2.0) == [pytest.approx(10.0)] * 3
