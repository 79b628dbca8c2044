"""The world from above: walls, how far away they are, and what a lidar sees of them.

Pure geometry, in metres and radians. A wall is a line from (x1, y1) to (x2, y2).
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

Wall = tuple[float, float, float, float]

_SEAM = 1e-9  # beams: where two walls meet, none passes between them


def _chain(*corners: tuple[float, float]) -> list[Wall]:
    """Walls from corner to corner."""
    return [(*one, *other) for one, other in pairwise(corners)]


SIZE_M = (8.0, 6.0)
WALLS: list[Wall] = [
    *_chain((0, 0), (8, 0), (8, 6), (0, 6), (0, 0)),  # around
    *_chain((3.2, 0), (3.2, 2.1)),  # two rooms, and the door between them
    *_chain((3.2, 3.7), (3.2, 6)),
    *_chain((5.3, 1.5), (6.5, 1.5), (6.5, 2.3), (5.3, 2.3), (5.3, 1.5)),  # a table
    *_chain((1.2, 4.1), (1.7, 4.1), (1.7, 4.6), (1.2, 4.6), (1.2, 4.1)),  # a pillar
    *_chain((6.3, 6), (8, 4.6)),  # a corner cut off
]


class World:
    """Walls to drive among."""

    def __init__(self, walls: Iterable[Wall] = WALLS) -> None:
        self.walls = list(walls)

    def distance(self, x: float, y: float) -> float:
        """From a point to the nearest wall."""
        return min(_distance(x, y, wall) for wall in self.walls)

    def ranges(
        self, x: float, y: float, heading: float, beams: Sequence[tuple[float, float]]
    ) -> list[float]:
        """How far each beam of a lidar goes; infinity where there is no wall.

        Args:
            x: where the lidar is.
            y: where the lidar is.
            heading: where its x axis points to.
            beams: as `beam_directions` gives them.
        """
        count = len(beams)
        step = 2 * math.pi / count
        found = [math.inf] * count
        c, s = math.cos(heading), math.sin(heading)
        for x1, y1, x2, y2 in self.walls:
            # The wall's ends in the lidar's frame, the first of them at the right hand.
            ax, ay = c * (x1 - x) + s * (y1 - y), c * (y1 - y) - s * (x1 - x)
            bx, by = c * (x2 - x) + s * (y2 - y), c * (y2 - y) - s * (x2 - x)
            area = ax * by - ay * bx
            if area < 0:
                ax, ay, bx, by, area = bx, by, ax, ay, -area
            if area < 1e-9:
                continue  # seen edge on
            # Only the beams between its ends meet it: a few, and no more are tried.
            begin = (math.atan2(ay, ax) + math.pi) / step
            end = begin + math.atan2(area, ax * bx + ay * by) / step
            ex, ey = bx - ax, by - ay
            for beam in range(math.ceil(begin - _SEAM), math.floor(end + _SEAM) + 1):
                at = beam - count  # below 0 a list counts from its end: a full turn is no seam
                bc, bs = beams[at]
                found[at] = min(found[at], area / (ey * bc - ex * bs))
        return found


def beam_directions(count: int) -> list[tuple[float, float]]:
    """Cosine and sine of so many beams, counter-clockwise from straight behind."""
    angles = [-math.pi + beam * 2 * math.pi / count for beam in range(count)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def _distance(x: float, y: float, wall: Wall) -> float:
    x1, y1, x2, y2 = wall
    ex, ey = x2 - x1, y2 - y1
    along = ((x - x1) * ex + (y - y1) * ey) / (ex * ex + ey * ey)
    along = min(max(along, 0.0), 1.0)
    return math.hypot(x1 + along * ex - x, y1 + along * ey - y)
