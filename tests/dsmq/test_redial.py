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


def test_pauses_double_up_to_a_second_and_are_jittered(redial: Redial) -> None:
    longest = [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    found = pauses(redial, len(longest))
    for pause_sec, most_sec in zip(found, longest, strict=True):
        assert 0.5 * most_sec - 1e-9 <= pause_sec <= most_sec + 1e-9
    assert len({round(each, 9) for each in found[-3:]}) > 1


def test_a_broker_that_is_back_makes_the_next_pause_short(redial: Redial) -> None:
    pauses(redial, 10)
    redial.reset()
    assert pauses(redial, 1)[0] <= 0.05 + 1e-9


def test_no_more_than_a_fifth_of_the_time_is_spent_on_tries_that_take_long(redial: Redial) -> None:
    assert pauses(redial, 3, tried_sec=2.0) == [pytest.approx(10.0)] * 3
