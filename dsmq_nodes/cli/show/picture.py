"""A graph as a picture: columns from left to right, in the order in which data flows.

It is the usual way of drawing such graphs (Sugiyama et al. 1981), each step in its simplest form:
edges that would close a circle are reversed, a box is one column to the right of the last box that
leads to it, and within the columns boxes move to the mean of their neighbours.
"""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import Final, NamedTuple

from dsmq_nodes.cli.show.drawing import edges
from dsmq_nodes.tools.graph_model import TopicModel

_CHARACTER: Final = 7.3  # the width of a character of a monospaced font at 12 px
_PAD: Final = 24
_HEIGHT: Final = 28
_GAP_X: Final = 56
_GAP_Y: Final = 16
_MARGIN: Final = 16
_SWEEPS: Final = 8
_PASSAGE: Final = "\0"  # begins the name of a place through which an edge goes

_STYLE: Final = (
    "text{font:12px ui-monospace,monospace;fill:#1f2328;text-anchor:middle;"
    "dominant-baseline:central}rect{fill:#fff;stroke:#57606a}.node{fill:#ddf4ff;stroke:#0969da}"
    "path{fill:none;stroke:#57606a}.wrong{stroke:#cf222e}"
)


class _Box(NamedTuple):
    x: float
    y: float
    width: float


def svg(topics: Sequence[TopicModel]) -> str:
    """Return the picture; nodes are round, a topic with types that do not match is red."""
    ties = edges(topics)
    names = dict.fromkeys([name for tie in ties for name in tie] + [each.name for each in topics])
    columns, paths = _columns(list(names), ties)
    boxes = _places(columns)
    wrong = {topic.name for topic in topics if topic.faults}
    width = max((box.x + box.width for box in boxes.values()), default=0.0) + _MARGIN
    height = max((box.y + _HEIGHT for box in boxes.values()), default=0.0) + _MARGIN
    arrow = (
        '<marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#57606a;stroke:none"/></marker>'
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">',
        f"<style>{_STYLE}</style><defs>{arrow}</defs>",
        *(_curve([boxes[name] for name in path]) for path in paths),
        *(_drawn(name, boxes[name], is_wrong=name in wrong) for name in names),
        "</svg>",
    ]
    return "\n".join(lines)


def _columns(
    names: list[str], ties: Sequence[tuple[str, str]]
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the boxes by columns, each in its final order, and the boxes on the path of each edge.

    An edge across several columns has a place of its own in each, so that no box hides it.
    """
    forward = _without_circles(names, ties)
    column = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for source, target, _is_turned in forward:
            if column[target] <= column[source]:
                column[target] = column[source] + 1
                moved = True
        if not moved:
            break
    columns: list[list[str]] = [[] for _ in range(max(column.values(), default=0) + 1)]
    for name in names:
        columns[column[name]].append(name)
    paths = []
    for number, (source, target, is_turned) in enumerate(forward):
        path = [source]
        for at in range(column[source] + 1, column[target]):
            columns[at].append(f"{_PASSAGE}{number} {at}")
            path.append(columns[at][-1])
        path.append(target)
        paths.append(path[::-1] if is_turned else path)
    _order_boxes(columns, [tie for path in paths for tie in pairwise(path)])
    return columns, paths


def _order_boxes(columns: list[list[str]], ties: Sequence[tuple[str, str]]) -> None:
    """Move each box to the mean place of its neighbours."""
    tied: dict[str, list[str]] = {name: [] for column in columns for name in column}
    for source, target in ties:
        tied[source].append(target)
        tied[target].append(source)
    for _ in range(_SWEEPS):
        for column in columns:
            rank = {name: at / len(each) for each in columns for at, name in enumerate(each)}
            for name in column:
                if tied[name]:
                    rank[name] = sum(rank[other] for other in tied[name]) / len(tied[name])
            column.sort(key=rank.__getitem__)


def _without_circles(
    names: Iterable[str], ties: Sequence[tuple[str, str]]
) -> list[tuple[str, str, bool]]:
    """Return the edges; those that lead back on a walk are reversed, and marked True."""
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in ties:
        after[source].append(target)
    is_open: dict[str, bool] = {}
    found: list[tuple[str, str, bool]] = []
    for start in sorted(after, key=lambda name: sum(target == name for _, target in ties)):
        if start in is_open:
            continue
        is_open[start] = True
        walk = [(start, iter(after[start]))]
        while walk:
            name, rest = walk[-1]
            for target in rest:
                is_turned = is_open.get(target, False)
                found.append((target, name, True) if is_turned else (name, target, False))
                if target not in is_open:
                    is_open[target] = True
                    walk.append((target, iter(after[target])))
                    break
            else:
                is_open[name] = False
                walk.pop()
    return found


def _places(columns: list[list[str]]) -> dict[str, _Box]:
    tallest = max(map(len, columns))
    boxes = {}
    x = float(_MARGIN)
    for column in columns:
        longest = max((len(n.strip()) for n in column if not n.startswith(_PASSAGE)), default=0)
        width = longest * _CHARACTER + _PAD
        y = _MARGIN + (tallest - len(column)) * (_HEIGHT + _GAP_Y) / 2
        for name in column:
            boxes[name] = _Box(x, y, width)
            y += _HEIGHT + _GAP_Y
        x += width + _GAP_X
    return boxes


def _curve(path: Sequence[_Box]) -> str:
    """Return an edge through the middles of boxes, from side to side of each."""
    is_backward = path[0].x > path[-1].x
    bend = -_GAP_X / 2 if is_backward else _GAP_X / 2
    words: list[str] = []
    for source, target in pairwise(path):
        x = source.x if is_backward else source.x + source.width
        end_x = target.x + target.width if is_backward else target.x
        y, end_y = source.y + _HEIGHT / 2, target.y + _HEIGHT / 2
        words.append(f"{'L' if words else 'M'}{x:.0f} {y:.0f}")
        words.append(f"C{x + bend:.0f} {y:.0f} {end_x - bend:.0f} {end_y:.0f}")
        words.append(f" {end_x:.0f} {end_y:.0f}")
    return f'<path marker-end="url(#a)" d="{"".join(words)}"/>'


def _drawn(name: str, box: _Box, *, is_wrong: bool) -> str:
    is_node = name.endswith(" ")
    kind = "node" if is_node else "wrong" if is_wrong else "topic"
    return (
        f'<rect class="{kind}" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" '
        f'height="{_HEIGHT}" rx="{_HEIGHT // 2 if is_node else 3}"/>'
        f'<text x="{box.x + box.width / 2:.0f}" y="{box.y + _HEIGHT / 2:.0f}">'
        f"{escape(name.strip())}</text>"
    )
