"""Draws a map and the paths driven in it, as SVG: in metres, y up, a hundred dots to the metre."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from dsmq_nodes.messages import OccupancyGrid
from examples.diffbot.world import WALLS

Point = tuple[float, float]

PAPER, UNKNOWN, FREE, OCCUPIED, INK = "#f6f4ee", "#d9dce1", "#ffffff", "#33415c", "#22262e"
# What a line is called, and how it is drawn: colour, width in m, dashes in m.
TRUTH = ("true path", "#e4572e", 0.05, "")
ODOMETRY = ("odometry", "#0b7a75", 0.025, "0.10 0.07")
WALL = ("true walls", "#d9a441", 0.02, "")
_MARGIN, _HEAD, _FOOT = 0.35, 0.85, 0.80  # m
_LEGEND_STEP = 1.7  # m

_SHEET = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" \
width="{pixels:g}" font-family="Helvetica, Arial, sans-serif" font-size="0.2" fill="{ink}">
<rect width="{width:g}" height="{height:g}" fill="{paper}"/>
<text x="{margin:g}" y="0.55" font-size="0.3" font-weight="bold">{title}</text>
<g transform="translate({left:g} {bottom:g}) scale(1 -1)" fill="none" stroke-linejoin="round" \
stroke-linecap="round">
{drawing}
</g>
{legend}
</svg>
"""


def picture(
    grid: OccupancyGrid, truth: Sequence[Point], odometry: Sequence[Point], title: str
) -> str:
    """An SVG file's text: the map, the true walls, the true path and the one by odometry."""
    info = grid.info
    wide, high = info.width * info.resolution, info.height * info.resolution
    x, y = info.origin.position.x, info.origin.position.y
    drawing = [
        f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" fill="{UNKNOWN}"/>',
        *(f'<path d="{cells(grid, colour)}" fill="{colour}"/>' for colour in (FREE, OCCUPIED)),
        *(line([(x1, y1), (x2, y2)], WALL) for x1, y1, x2, y2 in WALLS),
        line(truth, TRUTH),
        line(odometry, ODOMETRY),
        *(dot(truth[0], PAPER) if truth else ()),
        *(dot(truth[-1], TRUTH[1]) if truth else ()),
    ]
    width, height = wide + 2 * _MARGIN, high + _HEAD + _FOOT
    foot = height - _FOOT / 2
    legend = [
        *(
            key(_MARGIN + place * _LEGEND_STEP, foot, style)
            for place, style in enumerate((TRUTH, ODOMETRY, WALL))
        ),
        *scale_bar(width - _MARGIN - 1, foot),
    ]
    return _SHEET.format(
        width=width, height=height, pixels=100 * width, ink=INK, paper=PAPER, margin=_MARGIN,
        title=title, left=_MARGIN - x, bottom=_HEAD + high + y,
        drawing="\n".join(drawing), legend="\n".join(legend),
    )  # fmt: skip


def cells(grid: OccupancyGrid, colour: str) -> str:
    """A path around the map's cells of one colour, a run of them at a time."""
    info, parts = grid.info, []
    origin = info.origin.position
    for row in range(info.height):
        for column, length, found in runs(grid.data[row * info.width : (row + 1) * info.width]):
            if found == colour:
                x, y = origin.x + column * info.resolution, origin.y + row * info.resolution
                size = length * info.resolution
                # A hair higher than a row, so that no seam shows.
                parts.append(
                    f"M{x:.3f} {y:.3f}h{size:.3f}v{info.resolution + 0.002:.3f}h-{size:.3f}z"
                )
    return "".join(parts)


def runs(values: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Where each run of equal cells begins, how long it is, and its colour."""
    column = 0
    for colour, run in groupby(values, colour_of):
        length = len(list(run))
        yield column, length, colour
        column += length


def colour_of(value: int) -> str:
    """The colour of a cell."""
    return UNKNOWN if value < 0 else OCCUPIED if value > 60 else FREE


def line(points: Sequence[Point], style: tuple[str, str, float, str]) -> str:
    """A line through points."""
    _, colour, width, dashes = style
    places = " ".join(f"{x:.3f},{y:.3f}" for x, y in points)
    return (
        f'<polyline points="{places}" stroke="{colour}" stroke-width="{width}" '
        f'stroke-dasharray="{dashes}"/>'
    )


def dot(at: Point, colour: str) -> Iterator[str]:
    """Where the robot began or ended."""
    yield (
        f'<circle cx="{at[0]:.3f}" cy="{at[1]:.3f}" r="0.11" fill="{colour}" stroke="{INK}" '
        'stroke-width="0.03"/>'
    )


def key(x: float, y: float, style: tuple[str, str, float, str]) -> str:
    """What a line means."""
    return (
        line([(x, y), (x + 0.4, y)], style)
        + f'<text x="{x + 0.5:g}" y="{y + 0.07:g}">{style[0]}</text>'
    )


def scale_bar(x: float, y: float) -> Iterator[str]:
    """One metre."""
    ends = f"M{x:g} {y - 0.06:g}v0.06h1v-0.06"
    yield f'<path d="{ends}" stroke="{INK}" stroke-width="0.02" fill="none"/>'
    yield f'<text x="{x + 0.5:g}" y="{y - 0.1:g}" text-anchor="middle">1 m</text>'
