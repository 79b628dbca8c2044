"""The monitor's screen: the map at the left; at the right the robot, and how each node does."""

from collections.abc import Iterable, Mapping

from rich.align import Align
from rich.console import Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dsmq_nodes.messages import OccupancyGrid
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from examples.diffbot.drawing import Point, draw_map

_SIDE_WIDTH = 46
_BORDER, _DIM, _GOOD, _BAD = "#5b6472", "#8b94a3", "#5fd38d", "bold #ff6b6b"
_MOST_OFF = 0.01  # of a rate, to be kept


class Screen:
    """A terminal, taken over until `close`."""

    def __init__(self) -> None:
        self._live = Live(Text("waiting for the robot"), screen=True, auto_refresh=False)
        self._live.start()

    def show(
        self,
        facts: Mapping[str, str],
        nodes: Mapping[str, NodeStatistics],
        grid: OccupancyGrid,
        path: Iterable[Point],
        pose: tuple[float, float, float],
    ) -> None:
        """Draw all of it anew."""
        size = self._live.console.size
        room = max(size.width - _SIDE_WIDTH - 4, 10), max(size.height - 2, 4)
        drawn = draw_map(grid, path, pose, room) if grid.data else Text("no map yet", style=_DIM)
        side = Group(facts_table(facts), Rule(style=_BORDER), nodes_table(nodes))
        layout = Layout()
        layout.split_row(
            Layout(_panel(Align.center(drawn, vertical="middle"), "map")),
            Layout(_panel(side, "diffbot"), size=_SIDE_WIDTH),
        )
        self._live.update(layout, refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


def _panel(content: Align | Group, title: str) -> Panel:
    return Panel(content, title=title, border_style=_BORDER, padding=0)


def facts_table(facts: Mapping[str, str]) -> Table:
    """What there is to say of the robot."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(Text(f" {name}", style=_DIM), Text(value, _BAD if value.isupper() else ""))
    return table


def nodes_table(nodes: Mapping[str, NodeStatistics]) -> Table:
    """Each node: the rate it keeps, the one it declares, its worst latency, what it has skipped."""
    table = Table(expand=True, box=None, header_style=_DIM, padding=(0, 1))
    table.add_column("node", no_wrap=True)
    for heading in ("Hz", "of", "p99 ms", "skips"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, node in sorted(nodes.items()):
        latency = max((each.latency_p99_sec for each in node.subscriptions), default=0.0)
        row = [f"{latency * 1e3:.1f}"]
        if node.timers:
            timer = node.timers[0]
            kept = abs(timer.achieved_hz - timer.rate_hz) <= _MOST_OFF * timer.rate_hz
            rate = Text(f"{timer.achieved_hz:.1f}", _GOOD if kept else _BAD)
            table.add_row(_short(name), rate, f"{timer.rate_hz:g}", *row, str(timer.overruns))
        else:
            table.add_row(_short(name), Text("-", _DIM), Text("-", _DIM), *row, "")
    return table


def _short(name: str) -> str:
    return name.rpartition("/")[2]
