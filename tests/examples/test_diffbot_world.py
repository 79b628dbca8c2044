"""The diffbot's world: distances and lidar ranges against the plain formulas."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from examples.diffbot.world import SIZE_M, WALLS, Wall, World, beam_directions

BEAMS = 60


def along(x: float, y: float, angle: float, wall: Wall) -> float:
    """How far from a point in a direction a wall is, by Cramer's rule; infinite when beside it."""
    x1, y1, x2, y2 = wall
    dx, dy, ex, ey = math.cos(angle), math.sin(angle), x2 - x1, y2 - y1
    determinant = dx * ey - dy * ex
    if abs(determinant) < 1e-12:
        return math.inf
    length = ((x1 - x) * ey - (y1 - y) * ex) / determinant
    part = ((x1 - x) * dy - (y1 - y) * dx) / determinant
    return length if length >= 0 and -1e-9 <= part <= 1 + 1e-9 else math.inf


@given(st.floats(0.01, SIZE_M[0] - 0.01), st.floats(0.01, SIZE_M[1] - 0.01), st.floats(-10.0, 10.0))
def test_ranges_are_those_of_every_beam_tried_with_every_wall(
    x: float, y: float, heading: float
) -> None:
    assume(World().distance(x, y) > 1e-6)  # in a wall there is nothing to see
    ranges = World().ranges(x, y, heading, beam_directions(BEAMS))
    assert len(ranges) == BEAMS
    for beam, found in enumerate(ranges):
        angle = heading - math.pi + beam * 2 * math.pi / BEAMS
        lengths = [along(x, y, angle, wall) for wall in WALLS]
        assert math.isfinite(found), "the world is closed"
        # At the very end of a wall the two formulas may differ about whether it is met.
        assert any(found == pytest.approx(each, abs=1e-6) for each in lengths)
        shorter = [each for each in lengths if each < found - 1e-6]
        ends = [math.hypot(cx - x, cy - y) for a, b, c, d in WALLS for cx, cy in ((a, b), (c, d))]
        assert all(any(abs(each - end) < 1e-4 for end in ends) for each in shorter)


def test_no_wall_is_infinitely_far() -> None:
    world = World([(1.0, -1.0, 1.0, 1.0)])
    ahead, behind = world.ranges(0.0, 0.0, 0.0, beam_directions(2))[::-1]
    assert ahead == pytest.approx(1.0)
    assert behind == math.inf


@pytest.mark.parametrize(
    ("x", "y", "distance"),
    [(0.0, 0.5, 1.0), (0.0, 2.0, math.hypot(1, 1)), (1.0, 0.0, 0.0), (3.0, -1.0, 2.0)],
)
def test_distance_is_to_the_nearest_point_of_a_wall(x: float, y: float, distance: float) -> None:
    assert World([(1.0, -1.0, 1.0, 1.0)]).distance(x, y) == pytest.approx(distance)
