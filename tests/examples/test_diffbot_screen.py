"""What the diffbot's monitor draws on a terminal."""

import math
import sys
from io import StringIO

import pytest
from rich.console import Console

from dsmq_nodes.messages import OccupancyGrid, Odometry
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics, TimerStatistics
from dsmq_nodes.testing import Graph
from examples.diffbot import Monitor
from examples.diffbot.drawing import FREE, TRAIL, UNKNOWN, WALL, dots_of, draw_map
from examples.diffbot.screen import nodes_table

QUARTER = math.pi / 2


def grid_of(*rows: list[int]) -> OccupancyGrid:
    """A map from rows as one sees them: the highest first; 0.5 m a cell, from (-1, 0)."""
    grid = OccupancyGrid(data=[value for row in reversed(rows) for value in row])
    grid.info.width, grid.info.height, grid.info.resolution = len(rows[0]), len(rows), 0.5
    grid.info.origin.position.x = -1.0
    return grid


ROOM = grid_of([-1, 100, 100, 100], [100, 0, 0, 100], [100, 0, 0, 100], [100, 100, 100, 100])


def test_a_dot_is_a_wall_if_any_cell_is_and_free_if_any_is() -> None:
    assert dots_of(ROOM, 1.0)[3] == [UNKNOWN, WALL, WALL, WALL]
    assert dots_of(grid_of([-1, 0, 0, -1], [-1, -1, 100, 0]), 2.0)[0] == [FREE, WALL]


def test_the_robot_is_an_arrow_where_it_is_and_looks_where_it_looks() -> None:
    for heading, arrow in ((0.0, "→"), (QUARTER, "↑"), (-QUARTER, "↓"), (5 * math.pi, "←")):
        lines = draw_map(ROOM, [], (0.4, 1.2, heading), (4, 2)).plain.splitlines()
        assert lines == [f"▀▀{arrow}▀", "▀▀▀▀"]


def test_a_robot_off_the_map_is_not_drawn_and_does_no_harm() -> None:
    for x, y in ((-9.0, 1.0), (9.0, 1.0), (0.0, -9.0), (0.0, 9.0)):
        assert set(draw_map(ROOM, [(x, y)], (x, y, 0.0), (4, 2)).plain) == {"▀", "\n"}


def test_the_path_is_drawn_over_the_map() -> None:
    text = draw_map(ROOM, [(-0.3, 0.6)], (9.0, 9.0, 0.0), (4, 2))
    console = Console(file=StringIO())
    [style] = {text.get_style_at_offset(console, text.plain.index("\n") + 2)}
    assert style.color is not None
    assert style.color.name == TRAIL


def test_a_rate_that_is_not_kept_is_shown_in_red() -> None:
    nodes = {
        name: NodeStatistics(
            name=name,
            rate_hz=50.0,
            timers=[TimerStatistics(name="tick", rate_hz=50.0, achieved_hz=hz, overruns=3)],
        )
        for name, hz in (("/good", 49.9), ("/bad", 48.0))
    }
    console = Console(file=StringIO(), width=60, color_system="truecolor", force_terminal=True)
    console.print(nodes_table(nodes))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    bad, good = shown.splitlines()[1:]
    assert "\x1b[38;2;95;211;141m" in good
    assert "\x1b[1;38;2;255;107;107m" in bad


class Terminal(StringIO):
    """Takes what is shown."""

    def isatty(self) -> bool:
        return True


def test_the_monitor_takes_the_terminal_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", terminal)
        with Graph() as graph:
            graph.add(Monitor)
            graph.inject("map", ROOM)
            graph.run_for(0.5)
    shown = terminal.getvalue()
    assert shown.count("\x1b[?1049h") == shown.count("\x1b[?1049l") == 1, "another screen"
    assert "emergency stop" in shown
    assert "▀" in shown
    assert shown.endswith("\x1b[?25h\x1b[?1049l"), "the cursor is back"


def test_a_node_that_declares_no_rate_is_not_slow(capsys: pytest.CaptureFixture[str]) -> None:
    with Graph() as graph:
        monitor = graph.add(Monitor, params={"picture": ""})
        monitor.screen = None
        timer = TimerStatistics(name="look", rate_hz=2.0, achieved_hz=1.0)
        monitor.nodes = {"/guest": NodeStatistics(name="/guest", timers=[timer])}
        monitor.next_line_sec = 0.0
        monitor.show()
        monitor.nodes["/slow"] = NodeStatistics(name="/slow", rate_hz=2.0, timers=[timer])
        monitor.next_line_sec = 0.0
        monitor.show()
    first, second = capsys.readouterr().out.splitlines()
    assert "all rates are kept" in first
    assert "/slow 1.0 of 2 Hz" in second


def test_who_has_been_killed_is_seen_to_be_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Graph() as graph:
        monitor = graph.add(Monitor)
        monitor.screen = None
        timer = TimerStatistics(name="tick", rate_hz=20.0, achieved_hz=20.0)
        graph.inject("odom", Odometry())
        graph.inject("/dsmq/nodes", NodeStatistics(name="/plant", rate_hz=20.0, timers=[timer]))
        graph.run_for(2.0)
        assert monitor.facts()["speed"] == "0.00 m/s, 0°/s"
        graph.run_for(20.0)
        assert monitor.facts()["speed"] == "NO ODOM"
    lines = capsys.readouterr().out.splitlines()
    assert "/plant 0.0 of 20 Hz" in lines[-1]
