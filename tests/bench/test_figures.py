"""Tests of the figures that a benchmark makes of its numbers."""

from dataclasses import replace

import pytest

from dsmq_nodes.bench import bench_figures as figures
from dsmq_nodes.bench.bench_figures import Load


@pytest.mark.parametrize(
    ("values", "percent", "wanted"),
    [
        ([], 50, 0.0),
        ([7.0], 1, 7.0),
        ([7.0], 100, 7.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0], 51, 2.0),
        ([float(each) for each in range(1, 101)], 99, 99.0),
        ([float(each) for each in range(1, 101)], 99.5, 100.0),
        ([float(each) for each in range(1, 1001)], 50, 500.0),
    ],
)
def test_a_percentile_is_the_least_that_so_many_do_not_exceed(
    values: list[float], percent: float, wanted: float
) -> None:
    assert figures.percentile(values, percent) == wanted


def test_a_histogram_counts_each_value_once_in_the_bucket_it_is_in() -> None:
    values = [0.0, 0.5, 1.0, 1.9, 2.0, 49.9, 50.0, 999.0, 1000.0, 1e9]
    counts = figures.histogram(values)
    found = {figures.bucket_name(at): count for at, count in enumerate(counts) if count}
    assert found == {
        "0-2 us": 4,
        "2-5 us": 1,
        "20-50 us": 1,
        "50-100 us": 1,
        "500-1000 us": 1,
        "1-2 ms": 1,
        "over 500 ms": 1,
    }
    assert sum(counts) == len(values)


@pytest.mark.parametrize(
    ("histograms", "wanted"),
    [([], (0, 1)), ([[0, 0]], (0, 1)), ([[0, 1, 0, 0], [0, 0, 2, 0]], (1, 3))],
)
def test_the_span_of_histograms(histograms: list[list[int]], wanted: tuple[int, int]) -> None:
    assert figures.span(histograms) == wanted


@pytest.mark.parametrize(
    ("counts", "wanted"), [([], ""), ([0, 0], "  "), ([1, 1000, 500, 0], "▁█▄ ")]
)
def test_a_strip_shows_whatever_is_not_empty(counts: list[int], wanted: str) -> None:
    assert figures.strip(counts) == wanted


# 2 cores, half of them 1 s a second: 10,000 messages of 100 us, at 100 Hz 100 nodes.
LOAD = Load(
    rate_hz=100,
    lost=0,
    p99_us=900,
    cpu_sec=100e-6,
    broker_cpu_sec=20e-6,
    flood_per_sec=50_000,
    cores=2,
)


@pytest.mark.parametrize(
    ("load", "nodes"),
    [
        (LOAD, 100),
        (replace(LOAD, cores=4), 200),
        (replace(LOAD, rate_hz=10), 1000),
        (replace(LOAD, cpu_sec=310e-6), 30),
        (replace(LOAD, broker_cpu_sec=100e-6), 50),  # half of its one core, whatever there are
        (replace(LOAD, cores=64, broker_cpu_sec=100e-6), 50),
        (replace(LOAD, broker_cpu_sec=None), 100),
        (replace(LOAD, broker_cpu_sec=None, flood_per_sec=4000), 20),
        (replace(LOAD, broker_cpu_sec=None, flood_per_sec=4000, is_shared=True), 100),
        (replace(LOAD, lost=1), 0),
        (replace(LOAD, p99_us=10_001), 0),
        (replace(LOAD, p99_us=9999), 100),
        (replace(LOAD, cpu_sec=11e-3), 0),
    ],
)
def test_as_many_nodes_as_half_of_the_cpu_carries_rounded_down(load: Load, nodes: int) -> None:
    assert figures.carried_nodes(load) == nodes


@pytest.mark.parametrize(
    ("load", "wanted"),
    [
        (LOAD, "this setup carries 100 nodes at 100 Hz"),
        (replace(LOAD, cpu_sec=9e-3), "this setup carries 1 node at 100 Hz"),
        (replace(LOAD, lost=3), "does not carry a node at 100 Hz: 3 messages were lost"),
        (replace(LOAD, p99_us=12_000), "p99 is 12 ms, longer than the time to the next message"),
        (replace(LOAD, cpu_sec=11e-3), "a message takes 11 ms of CPU"),
    ],
)
def test_the_verdict_says_what_or_why_not(load: Load, wanted: str) -> None:
    assert figures.verdict(load).endswith(wanted)
