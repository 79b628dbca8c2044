"""The plot of peers.py, an SVG: a panel a figure, a bar a system, a line from least to greatest."""

import html
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_WIDTH: Final = 720
_NAMES: Final = 170
_FIGURES: Final = 80
_BAR: Final = 18
_TITLE: Final = 34
_OURS: Final = "#0a7d4f"
_THEIRS: Final = "#9aa5b1"


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure: what it is, and each system's values; the first systems with our name are ours."""

    title: str
    values: dict[str, list[float]]


def picture(panels: Sequence[Panel]) -> str:
    """The SVG's text."""
    parts, top = [], 8
    for panel in panels:
        parts += _panel(panel, top)
        top += _TITLE + _BAR * len(panel.values) + 12
    style = "font-family='sans-serif' font-size='12'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{top}' {style}>"
    return "\n".join([head, "<rect width='100%' height='100%' fill='white'/>", *parts, "</svg>\n"])


def scale(values: Sequence[float], length: float) -> tuple[float, float]:
    """A logarithmic scale: where it begins, and how long a power of ten is."""
    least, greatest = min(values), max(values)
    first = math.floor(math.log10(least) - 0.1)
    decades = max(math.log10(greatest) - first, 0.1)
    return first, length / decades


def _panel(panel: Panel, top: int) -> list[str]:
    parts = [
        f"<text x='8' y='{top + 18}' font-weight='bold'>{html.escape(panel.title)}"
        " (logarithmic)</text>"
    ]
    all_values = [each for values in panel.values.values() for each in values if each > 0]
    if not all_values:
        return parts
    first, decade = scale(all_values, _WIDTH - _NAMES - _FIGURES)

    def at(value: float) -> float:
        return _NAMES + (math.log10(value) - first) * decade

    for number, (name, values) in enumerate(panel.values.items()):
        y = top + _TITLE + number * _BAR
        parts.append(f"<text x='8' y='{y + 11}'>{html.escape(name)}</text>")
        good = [each for each in values if each > 0]
        if not good:
            parts.append(f"<text x='{_NAMES}' y='{y + 11}' fill='#777'>-</text>")
            continue
        middle = statistics.median(good)
        colour = _OURS if name.startswith("dsmq") else _THEIRS
        parts += [
            f"<rect x='{_NAMES}' y='{y}' width='{at(middle) - _NAMES:.1f}' height='{_BAR - 5}' "
            f"fill='{colour}'/>",
            f"<line x1='{at(min(good)):.1f}' x2='{at(max(good)):.1f}' y1='{y + 6.5}' "
            f"y2='{y + 6.5}' stroke='black'/>",
            f"<text x='{at(max(good)) + 5:.1f}' y='{y + 11}'>{_shown(middle)}</text>",
        ]
    return parts


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
