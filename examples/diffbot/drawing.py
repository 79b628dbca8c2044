"""The map in a terminal: a character shows two dots, one above the other, which are then square."""

import math
from collections.abc import Iterable
from itertools import groupby

from rich.style import Style
from rich.text import Text

from dsmq_nodes.messages import OccupancyGrid

UNKNOWN, FREE, WALL, TRAIL = "#14171c", "#39414d", "#f2e9d8", "#38b6c6"
ROBOT = Style(color="#ff9f43", bgcolor=FREE, bold=True)
ARROWS = "→↗↑↖←↙↓↘"

Point = tuple[float, float]
Dots = list[list[str]]  # colours, the lowest row first


def draw_map(
    grid: OccupancyGrid, trail: Iterable[Point], pose: tuple[float, float, float], size: Point
) -> Text:
    """The map, where the robot was, and an arrow where it is, in (width, height) characters."""
    cells = max(grid.info.width / size[0], grid.info.height / (2 * size[1]))  # along a dot's side
    dots = dots_of(grid, cells)
    dot, origin = grid.info.resolution * cells, grid.info.origin.position

    def place(x: float, y: float) -> tuple[int, int]:
        return math.floor((x - origin.x) / dot), math.floor((y - origin.y) / dot)

    for x, y in trail:
        column, row = place(x, y)
        if 0 <= row < len(dots) and 0 <= column < len(dots[row]):
            dots[row][column] = TRAIL
    column, row = place(pose[0], pose[1])
    return text_of(dots, (column, row // 2), ARROWS[round(pose[2] / (math.pi / 4)) % 8])


def dots_of(grid: OccupancyGrid, cells: float) -> Dots:
    """One dot for a square of cells: a wall if any of them is one, free if any is."""
    columns = math.ceil(grid.info.width / cells)
    dots = [[UNKNOWN] * columns for _ in range(2 * math.ceil(grid.info.height / cells / 2))]
    for cell, value in enumerate(grid.data):
        if value >= 0:
            row, column = divmod(cell, grid.info.width)
            line, at = dots[int(row / cells)], int(column / cells)
            if line[at] != WALL:
                line[at] = WALL if value > 60 else FREE
    return dots


def text_of(dots: Dots, robot: tuple[int, int], arrow: str) -> Text:
    """Two rows of dots as one of characters; `robot` is the column and the row of its character."""
    lines = []
    for row in range(len(dots) // 2 - 1, -1, -1):
        line = Text(no_wrap=True)
        for (lower, upper), run in groupby(zip(*dots[2 * row : 2 * row + 2], strict=True)):
            line.append("▀" * len(list(run)), Style(color=upper, bgcolor=lower))
        if robot[1] == row and 0 <= robot[0] < len(line):
            line = Text.assemble(line[: robot[0]], (arrow, ROBOT), line[robot[0] + 1 :])
        lines.append(line)
    return Text("\n").join(lines)
