"""The clock of a link, which its lateness is measured by."""

import pytest

from dsmq_nodes.gateways.uplink.going_topics import LinkClock


def test_a_slow_link_is_late_and_one_that_stands_still_is_not() -> None:
    clock = LinkClock()
    clock.moved(0.0, is_waiting=True)
    for step in range(1, 6):  # it takes a message each 0.2 s
        assert clock.read(0.2 * step) == pytest.approx(0.2 * step)
        clock.moved(0.2 * step, is_waiting=True)
    assert clock.stands_sec(1.2) == 0
    before = clock.read(1.3)
    assert clock.read(4.0) == pytest.approx(before)
    assert clock.stands_sec(4.0) == pytest.approx(2.7)
    clock.moved(4.0, is_waiting=False)
    assert clock.stands_sec(9.0) == 0, "nothing waits"
    assert clock.read(9.0) == pytest.approx(before + 5.0)
