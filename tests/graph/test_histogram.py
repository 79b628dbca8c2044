"""Percentiles from buckets, against the sorted durations themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.graph.time.histogram import Histogram


@given(st.lists(st.floats(1e-9, 1e9), min_size=1), st.sampled_from([1, 50, 99, 100]))
def test_a_percentile_is_within_four_percent(durations: list[float], percent: int) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    ordered = sorted(durations)
    exact = ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
    assert histogram.percentile_sec(percent) == pytest.approx(exact, rel=0.04)
    assert histogram.longest_sec == ordered[-1]
    assert histogram.count == len(durations)


def test_nothing_and_what_is_negative() -> None:
    histogram = Histogram()
    assert histogram.percentile_sec(50) == 0.0
    histogram.add(-5.0)
    assert histogram.percentile_sec(50) == pytest.approx(1e-9, rel=0.04)
    assert histogram.longest_sec == 0.0


def test_it_may_be_asked_at_any_time() -> None:
    asked, histogram = Histogram(), Histogram()
    for number in range(1, 1001):
        for each in (asked, histogram):
            each.add(number * 1e-3)
        assert (asked.count, asked.longest_sec) == (number, number * 1e-3)
        assert sum(asked.buckets.values()) == number
    assert asked.buckets == histogram.buckets
    assert (histogram.count, histogram.longest_sec) == (1000, 1.0)
