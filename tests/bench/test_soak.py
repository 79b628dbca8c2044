"""The soak: its arithmetic, and that a short one runs."""

import sys

import pytest

from tests.bench import soak
from tests.bench.harness.processes import ROOT
from tests.support import processes


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([], 0),
        ([7, 8, 9], 0),  # what came before the first is not known
        ([7, 9, 12], 3),
        ([7, 8, 1, 2], 0),  # it began anew
        ([7, 9, 1, 3], 2),
    ],
)
def test_what_is_missing_by_the_publishers_numbers(numbers: list[int], missing: int) -> None:
    found = soak.Numbers()
    for number in numbers:
        found.heard(number)
    assert found.missing == missing


HOUR = 3600.0


@pytest.mark.parametrize(
    ("lives", "slope"),
    [
        ([], None),
        ([[(0.0, 1.0), (1.0, 2.0)]], None),  # too few
        ([[(0.0, 40.0), (HOUR / 2, 40.0), (HOUR, 40.0)]], 0.0),
        ([[(0.0, 40.0), (HOUR / 2, 41.0), (HOUR, 42.0)]], 2.097152),  # 2 MiB
        # A second life that begins lower does not look like memory given back.
        (
            [
                [(0.0, 40.0), (HOUR / 2, 41.0), (HOUR, 42.0)],
                [(HOUR, 10.0), (1.5 * HOUR, 11.0), (2 * HOUR, 12.0)],
            ],
            2.097152,
        ),
    ],
)
def test_the_slope_that_lives_have_in_common(
    lives: list[list[tuple[float, float]]], slope: float | None
) -> None:
    assert soak.slope_mb_per_hour(lives) == pytest.approx(slope)


def test_the_first_seconds_of_a_life_do_not_count() -> None:
    assert soak.settled([(5.0, 1.0), (14.9, 2.0), (15.0, 3.0)], 10.0) == [(15.0, 3.0)]


def test_a_short_soak_kills_a_node_and_nothing_is_lost_uncounted() -> None:
    run = processes.run(
        [sys.executable, "-m", "tests.bench.faults", "--soak", "6"],
        cwd=ROOT, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert ": killed 1 times, back after " in run.stdout
    assert ", 0 uncounted; " in run.stdout
    assert run.stdout.endswith("verdict: passed (too short to judge the memory)\n")
