"""Restart policies as arithmetic."""

import itertools
import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.launcher.file.read import read
from dsmq_nodes.launcher.supervise.plan import RestartPlan
from dsmq_nodes.launcher.supervise.planning import make_plan
from dsmq_nodes.launcher.supervise.restart import HEALTHY_SEC, Restarts


def starts_sec(plan: RestartPlan, ran_sec: float, seed: int = 0) -> list[float]:
    """When a process is started that always ends after `ran_sec`, within ten minutes."""
    restarts = Restarts(plan, random.Random(seed).random)
    found, now_sec = [0.0], 0.0
    while now_sec < 600.0:
        now_sec += ran_sec
        delay_sec = restarts.delay_sec(ran_sec, now_sec)
        if delay_sec is None:
            break
        now_sec += delay_sec
        found.append(now_sec)
    return found


@given(st.integers(0, 1000))
def test_a_crash_at_once_is_given_up_within_a_minute_and_eight_starts(seed: int) -> None:
    starts = starts_sec(RestartPlan("on-failure"), 0.1, seed)
    assert 3 <= len(starts) <= 8
    assert starts[-1] < 60.0


def test_delays_double_up_to_their_limit() -> None:
    plan = RestartPlan("always", 1.0, 30.0, 0.0, max_restarts=8, window_sec=600.0)
    between = [b - a for a, b in itertools.pairwise(starts_sec(plan, 0.0))]
    assert between == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_always_is_never_given_up_and_not_tried_more_often_than_it_may() -> None:
    text = (
        "nodes:\n- {name: a, exec: [sleep], restart: always}\n"
        "- {name: b, exec: [sleep], restart: {max: 2}}"
    )
    always, limited = (each.restart for each in make_plan(read(text), Path()).nodes)
    assert (always.max_restarts, limited.max_restarts) == (None, 2)
    starts = starts_sec(always, 0.0)
    assert starts[-1] > 600.0
    assert len(starts) < 100


@given(st.floats(0.0, 1.0), st.integers(0, 1000))
def test_jitter_stays_within_its_share(jitter: float, seed: int) -> None:
    plan = RestartPlan("always", 1.0, 30.0, jitter, max_restarts=1)
    first, second = starts_sec(plan, 0.0, seed)
    assert 1.0 - jitter <= second - first <= 1.0 + jitter


def test_who_was_well_for_a_while_begins_anew() -> None:
    plan = RestartPlan("on-failure", 1.0, 30.0, 0.0, max_restarts=2)
    starts = starts_sec(plan, HEALTHY_SEC)
    assert len(starts) > 20
    assert {round(b - a, 6) for a, b in itertools.pairwise(starts)} == {HEALTHY_SEC + 1.0}


def test_restarts_outside_of_the_window_do_not_count() -> None:
    plan = RestartPlan("on-failure", 1.0, 1.0, 0.0, max_restarts=3, window_sec=10.0)
    assert len(starts_sec(plan, 5.0)) > 20
    assert len(starts_sec(plan, 1.0)) == 4


def test_policies() -> None:
    wanted = {
        policy: [Restarts(RestartPlan(policy)).wanted(status) for status in (0, 1, -9)]
        for policy in ("never", "on-failure", "always")
    }
    assert wanted == {
        "never": [False, False, False],
        "on-failure": [False, True, True],
        "always": [True, True, True],
    }
