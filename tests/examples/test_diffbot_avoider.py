"""The diffbot's avoider: its stop rule, in a made-up scan and on a real robot's recording."""

import bz2
import math
from itertools import groupby
from pathlib import Path

import pytest

from dsmq_nodes.messages import LaserScan, Twist
from dsmq_nodes.testing import Graph
from examples.diffbot import Avoider
from examples.diffbot.robot import Obstacle

ACES = Path(__file__).parents[3] / "shared/data/radish_carmen/aces.clf.bz2"


def scan_of(ranges: list[float], angle_min: float, range_max: float) -> LaserScan:
    return LaserScan(
        angle_min=angle_min,
        angle_increment=math.radians(1),
        range_max=range_max,
        ranges=ranges,
    )


@pytest.mark.parametrize(
    ("degrees", "distance", "is_near"),
    [
        (-16, 0.3, False),
        (-15, 0.499, True),
        (0, 0.5, False),
        (0, 0.499, True),
        (14, 0.3, True),
        (15, 0.3, False),
    ],
)
def test_it_stops_for_what_is_near_in_front(
    graph: Graph, degrees: int, distance: float, is_near: bool
) -> None:
    graph.add(Avoider)
    commands, obstacles = graph.observe(Twist, "cmd_vel"), graph.observe(Obstacle, "obstacle")
    ranges = [3.0] * 360
    ranges[180 + degrees] = distance
    graph.inject("scan", scan_of(ranges, -math.pi, 10.0))
    graph.run_for(0)
    assert obstacles[-1].is_near == is_near
    assert (commands[-1].linear.x == 0.0) == is_near


def test_it_stands_still_while_it_sees_nothing_new(graph: Graph) -> None:
    graph.add(Avoider)
    commands = graph.observe(Twist, "cmd_vel")
    graph.run_for(1.0)
    assert set(map(Twist.to_json, commands)) == {Twist().to_json()}, "no scan yet"
    graph.inject("scan", scan_of([3.0] * 360, -math.pi, 10.0))
    graph.run_for(0.2)
    assert commands[-1].linear.x > 0.3
    graph.run_for(0.2)
    assert commands[-1] == Twist(), "the scan is old"


FRONT = range(165, 195)


@pytest.mark.parametrize(
    ("value", "drives"),
    [(math.inf, True), (math.nan, False), (-math.inf, False), (0.01, True)],
    ids=["no echo", "not measured", "too near to measure", "below range_min"],
)
def test_what_is_no_range_is_taken_as_rep_117_has_it(
    graph: Graph, value: float, drives: bool
) -> None:
    graph.add(Avoider)
    commands = graph.observe(Twist, "cmd_vel")
    ranges = [value if beam in FRONT else 3.0 for beam in range(360)]
    msg = scan_of(ranges, -math.pi, 10.0)
    msg.range_min = 0.05
    graph.inject("scan", msg)
    graph.run_for(0.2)
    assert (commands[-1].linear.x > 0.3) == drives


@pytest.mark.parametrize("msg", [LaserScan(), scan_of([], 0.0, 1.0), scan_of([0.0] * 9, 3.0, 1.0)])
def test_a_scan_that_shows_nothing_in_front_moves_nothing(graph: Graph, msg: LaserScan) -> None:
    graph.add(Avoider)
    commands = graph.observe(Twist, "cmd_vel")
    graph.inject("scan", msg)
    graph.run_for(0.2)
    assert set(map(Twist.to_json, commands)) == {Twist().to_json()}


def test_in_open_space_it_drives_straight_ahead(graph: Graph) -> None:
    graph.add(Avoider)
    commands = graph.observe(Twist, "cmd_vel")
    graph.inject("scan", scan_of([math.inf] * 360, -math.pi, 10.0))
    graph.run_for(0.2)
    assert commands[-1].linear.x == 0.5
    assert commands[-1].angular.z == pytest.approx(0.0, abs=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(not ACES.exists(), reason=f"no recording: {ACES} is not there")
def test_a_real_robots_scans_have_eleven_stops_in_three_episodes(graph: Graph) -> None:
    graph.add(Avoider)
    obstacles = graph.observe(Obstacle, "obstacle")
    lines = bz2.decompress(ACES.read_bytes()).decode().splitlines()
    # Of 7,374; after these nothing is near.
    scans = [line.split() for line in lines if line.startswith("FLASER")][:3000]
    first_sec = float(scans[0][-1])
    for words in scans:
        graph.run_for(float(words[-1]) - first_sec - graph.now_sec)
        ranges = [float(word) for word in words[2 : 2 + int(words[1])]]
        graph.inject("scan", scan_of(ranges, -math.pi / 2, 50.0))
    graph.run_for(0)
    assert len(obstacles) == len(scans) == 3000
    near = [obstacle.is_near for obstacle in obstacles]
    assert sum(near) == 11
    assert [found for found, _ in groupby(near)].count(True) == 3
