"""The choice between TCP and UDP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.gateways.uplink.over_udp.protocol_choice import LinkCounts, ProtocolChoice

_SHORT_SEC = 0.002


def counts(sent: int, again: int, round_trip_sec: float = _SHORT_SEC) -> LinkCounts:
    """The kernel's counts of a link to a near machine."""
    return LinkCounts(sent, again, round_trip_sec, _SHORT_SEC)


def test_a_link_that_loses_one_packet_of_five_is_to_be_by_udp() -> None:
    choice = ProtocolChoice()
    assert choice.take_counts(counts(100, 3), 0.0) is None
    assert not choice.is_udp
    assert choice.take_counts(counts(200, 23), 1.0) == pytest.approx(0.2)
    assert not choice.is_udp, "before the router has answered"
    choice.asked(2.0, is_answered=True)
    assert choice.is_udp


def test_a_link_that_is_too_slow_stays_by_tcp_and_its_losses_are_not_counted_later() -> None:
    choice = ProtocolChoice()
    assert choice.take_counts(counts(100, 30, round_trip_sec=0.3), 0.0) is None
    assert choice.take_counts(counts(200, 34), 1.0) is None
    assert not choice.is_udp


@given(st.integers(0, 39), st.integers(0, 39))
def test_few_packets_say_nothing(sent: int, again: int) -> None:
    assert ProtocolChoice().take_counts(counts(sent, min(again, sent)), 0.0) is None


def test_udp_that_does_not_get_through_is_left_alone_for_longer_each_time() -> None:
    choice, now_sec, pauses_sec = ProtocolChoice(), 0.0, []
    for _ in range(9):
        failed_sec = now_sec
        choice.linked(now_sec, is_udp=False)
        while choice.take_counts(counts(100, 30), now_sec) is None:
            choice.linked(now_sec, is_udp=False)
            now_sec += 1.0
        pauses_sec.append(now_sec - failed_sec)
        if len(pauses_sec) % 2:
            choice.asked(now_sec, is_answered=False)
            continue
        choice.asked(now_sec, is_answered=True)
        assert choice.linked(now_sec, is_udp=False), "UDP was chosen, and TCP came"
        assert not choice.is_udp
    assert pauses_sec == [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0]


def test_a_link_by_udp_has_it_tried_again_soon_the_next_time() -> None:
    choice = ProtocolChoice()
    for _ in range(3):
        choice.asked(1000.0, is_answered=True)
        choice.linked(1000.0, is_udp=False)
    choice.linked(3000.0, is_udp=False)
    assert choice.take_counts(counts(100, 30), 4000.0) is not None
    choice.asked(4000.0, is_answered=True)
    assert not choice.linked(4000.0, is_udp=True)
    assert choice.is_udp, "the next connection too"
    choice.linked(5000.0, is_udp=False)
    assert choice.take_counts(counts(100, 30), 5009.0) is None
    assert choice.take_counts(counts(200, 60), 5010.0) is not None
