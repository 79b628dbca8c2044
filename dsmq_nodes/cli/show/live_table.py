"""The tables of `top`, from the statistics of broker, nodes and launcher."""

import shutil
import socket
import time
from collections import ChainMap
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from dsmq_nodes.cli.terminal import console
from dsmq_nodes.launcher.supervise.member import MemberState
from dsmq_nodes.launcher.watch.figures import STATE_STYLES, Figures, Row, tables
from dsmq_nodes.messages.dsmq_msgs import BrokerStatistics, LaunchState, NodeStatistics
from dsmq_nodes.tools.graph_model import GraphModel, read_graph
from dsmq_nodes.topic_names import (
    GRAPH_TOPIC,
    NODES_TOPIC,
    STATISTICS_TOPIC,
    is_hidden,
    is_launch,
)

if TYPE_CHECKING:
    from dsmq_nodes.tools.session import Session

_PERIOD_SEC: Final = 1.0
_ANY_LINES: Final = 10_000  # for output to a file


class LiveTables:
    """Follows the statistics, and makes rows of them for the tables."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._graph = GraphModel()
        self._statistics = BrokerStatistics()
        self._nodes: dict[str, NodeStatistics] = {}
        self._restarts: dict[str, dict[str, int]] = {}  # of each launch
        self._figures = Figures()
        self._takers: dict[str, Callable[[str], None]] = {}
        self._follow(GRAPH_TOPIC, self._take_graph)
        self._follow(STATISTICS_TOPIC, self._take_statistics)
        self._follow(NODES_TOPIC, self._take_node, depth=1000)

    def _follow(self, topic: str, take: Callable[[str], None], depth: int = 1) -> None:
        if topic not in self._takers:
            self._takers[topic] = take
            self._session.subscribe(topic, depth=depth)

    def take_until(self, until_sec: float) -> None:
        """Take all messages that come before this monotonic time."""
        while (left_sec := until_sec - time.monotonic()) > 0:
            reply = self._session.next_message([*self._takers], left_sec)
            if reply is not None:
                self._session.understood(reply, self._takers[reply.topic])

    def _take_graph(self, text: str) -> None:
        self._graph = read_graph(text)
        names = {peer.name for peer in self._graph.peers}
        self._nodes = {name: each for name, each in self._nodes.items() if name in names}
        for peer in self._graph.peers:
            if is_launch(peer.name):
                self._follow(f"{peer.name}/state", partial(self._take_launch, peer.name))

    def _take_statistics(self, text: str) -> None:
        self._statistics = BrokerStatistics.from_json(text)

    def _take_node(self, text: str) -> None:
        statistics = NodeStatistics.from_json(text)
        self._nodes[statistics.name] = statistics

    def _take_launch(self, launch: str, text: str) -> None:
        processes = LaunchState.from_json(text).processes
        self._restarts[launch] = {name: each.restarts for each in processes for name in each.nodes}

    def group(self, columns: int, most_lines: int) -> Group:
        """Return the current tables."""
        rows = list(self._rows())
        topics, nodes = self._statistics.topics, self._nodes.values()
        return Group(*tables(rows, topics, nodes, columns, most_lines))

    def _rows(self) -> Iterator[Row]:
        here = socket.gethostname()
        restarts_of = ChainMap(*self._restarts.values())
        for peer in sorted(self._graph.peers, key=lambda peer: peer.name):
            if not peer.name or is_hidden(peer.name):
                continue
            style = (
                STATE_STYLES.get(MemberState(peer.state), "")
                if peer.state in set(MemberState)
                else ""
            )
            restarts = restarts_of.get(peer.name)
            node = self._nodes.get(peer.name)
            yield (
                peer.name,
                Text(peer.state, style),
                str(peer.pid),
                "-" if restarts is None else str(restarts),
                *(self._figures.used(peer.pid) if peer.host == here else ("-", "-")),
                *(self._figures.node(node) if node is not None else ("-", "-", "-")),
            )


def draw(session: "Session", count: int) -> None:
    """Draw on the terminal, `count` times (0: without end)."""
    tables = LiveTables(session)
    first = Text("looking ...")
    with Live(first, console=console(), screen=True, auto_refresh=False) as live:
        drawn = 0
        while not count or drawn < count:
            tables.take_until(time.monotonic() + _PERIOD_SEC)
            columns, lines = shutil.get_terminal_size()
            live.update(tables.group(columns - 1, lines - 1), refresh=True)
            drawn += 1


def print_tables(session: "Session", count: int) -> None:
    """Print the tables `count` times."""
    tables = LiveTables(session)
    columns = shutil.get_terminal_size().columns
    # Rates need two readings; a node publishes its counters once a second.
    tables.take_until(time.monotonic() + 1.5 * _PERIOD_SEC)
    tables.group(columns, _ANY_LINES)
    tables.take_until(time.monotonic() + 1.5 * _PERIOD_SEC)
    for number in range(count):
        if number:
            tables.take_until(time.monotonic() + _PERIOD_SEC)
        console(columns).print(tables.group(columns, _ANY_LINES))
