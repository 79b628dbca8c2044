"""Tables of what the peers' benchmark (peers.py) has measured."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from dsmq_nodes.bench.running import Case, Measured

OURS: Final = "dsmq_nodes"
OURS_PURE: Final = "dsmq_nodes, pure Python"
OURS_BY_BROKER: Final = "dsmq_nodes, no shm"
OURS_AS_RCLPY: Final = "dsmq_nodes, rclpy's program"

Figure = Callable[[Measured], float]


@dataclass(frozen=True, slots=True)
class Work:
    """A case for everybody, and what it is called."""

    name: str
    case: Case


@dataclass(slots=True)
class Result:
    """What a system did of a work, in all turns.

    Attributes:
        runs: by turn.
        failed: why it could not do it; empty: it could.
    """

    runs: dict[int, Measured] = field(default_factory=dict)
    failed: str = ""


Results = dict[str, dict[str, Result]]
"""By work, then by system."""


def ratios(own: Result, base: Result, figure: Callable[[Measured], float]) -> list[float]:
    """This system's figure by the base's, for each turn that both have."""
    return [
        figure(measured) / (figure(base.runs[turn]) or 1e-12)
        for turn, measured in own.runs.items()
        if turn in base.runs
    ]


def spread(values: Sequence[float], style: str = ",.0f") -> str:
    """Median, least and greatest."""
    if not values:
        return "-"
    middle = format(statistics.median(values), style)
    return f"{middle} ({min(values):{style}}-{max(values):{style}})"


def p50_us(measured: Measured) -> float:
    """Half of the latencies are lower."""
    return measured.latency_us(50)


def p99_us(measured: Measured) -> float:
    """Of a hundred latencies one is higher."""
    return measured.latency_us(99)


def flood_per_sec(measured: Measured) -> float:
    """What came through, as fast as it goes."""
    return measured.flood.per_sec


def cores(measured: Measured) -> float:
    """CPU of all processes together, at the rate."""
    paced, case = measured.paced, measured.case
    used_sec = paced.cpu_sec + (paced.broker_cpu_sec or 0.0)
    return used_sec / (case.count / case.rate_hz)


def lost_share(measured: Measured) -> float:
    """What of the flood did not come."""
    return measured.flood.lost / max(measured.flood.lost + measured.flood.received, 1)


def markdown(wanted: Sequence[Work], results: Results) -> list[str]:
    """A table a work: medians (least-greatest) over the turns."""
    lines: list[str] = []
    for work in wanted:
        case = work.case
        fan = f", {case.subscribers} subscribers" if case.subscribers > 1 else ""
        lines += [
            f"### {case.kind} at {case.rate_hz:g} Hz{fan}, then as fast as it goes",
            "",
            "| system | p50 us | x ours | p99 us | cores at the rate | x ours | lost "
            "| flood/s | x ours | lost of it |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        base = results[work.name][OURS]
        for name, result in results[work.name].items():
            lines.append(_line(name, result, base))
        lines.append("")
    return lines


def _line(name: str, result: Result, base: Result) -> str:
    if result.failed:
        return f"| {name} | failed: {result.failed} |" + " |" * 8
    runs = list(result.runs.values())
    cells = [
        name,
        spread([*map(p50_us, runs)]),
        spread(ratios(result, base, p50_us), ".2f"),
        spread([*map(p99_us, runs)]),
        spread([*map(cores, runs)], ".2f"),
        spread(ratios(result, base, cores), ".2f"),
        f"{sum(each.paced.lost for each in runs)}",
        spread([*map(flood_per_sec, runs)]),
        spread(ratios(result, base, flood_per_sec), ".2f"),
        f"{statistics.median(map(lost_share, runs)):.0%}",
    ]
    return f"| {' | '.join(cells)} |"


def overview(wanted: Sequence[Work], results: Results) -> list[str]:
    """One line a system: medians over the turns, and in brackets their ratio to ours."""
    columns: list[tuple[str, str, Figure]] = []
    for work in wanted:
        if work.case.subscribers > 1:
            columns.append((f"{work.name}: cores", work.name, cores))
        else:
            columns.append((f"{work.name}: p50 us", work.name, p50_us))
            columns.append((f"{work.name}: flood/s", work.name, flood_per_sec))
    lines = [
        f"| system | {' | '.join(title for title, _, _ in columns)} |",
        f"|---{'|---' * len(columns)}|",
    ]
    systems = dict.fromkeys(name for of in results.values() for name in of)
    for name in systems:
        cells = [_cell(results[work], name, figure) for _, work, figure in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(of: dict[str, Result], name: str, figure: Figure) -> str:
    found = [*map(figure, of[name].runs.values())]
    if of[name].failed or not found:
        return "-"
    middle = statistics.median(found)
    ratio = statistics.median(ratios(of[name], of[OURS], figure) or [float("nan")])
    return f"{middle:,.{0 if middle >= 10 else 2}f} ({ratio:.2f})"
