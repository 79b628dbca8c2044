"""The nodes and the topics of a launch that runs, as tables."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dsmq_nodes.launcher.supervise.member import Member
from dsmq_nodes.launcher.watch.figures import STATE_STYLES, Figures, Row, tables

if TYPE_CHECKING:
    from dsmq_nodes.launcher.supervise.supervisor import Supervisor
    from dsmq_nodes.launcher.watch.observer import GraphObserver


class Status:
    """Makes the tables, once a second."""

    def __init__(self, supervisor: "Supervisor", observer: "GraphObserver") -> None:
        self._supervisor = supervisor
        self._observer = observer
        self._figures = Figures()

    def tables(self, columns: int, most_lines: int) -> Iterator[Table]:
        """Yield the tables, in at most `most_lines`; rows that do not fit are counted."""
        rows = [row for member in self._supervisor.processes for row in self._rows(member)]
        topics = self._observer.broker_statistics.topics
        yield from tables(rows, topics, self._observer.statistics.values(), columns, most_lines)

    def _rows(self, member: Member) -> Iterator[Row]:
        cpu, memory = self._figures.used(member.pid)
        restarts = max(0, member.starts - 1)
        process = (
            Text(member.shown_state, STATE_STYLES.get(member.shown_state, "yellow")),
            str(member.pid or "-"),
            Text(str(restarts), "yellow" if restarts else ""),
            cpu,
            memory,
        )
        found = [self._observer.statistics.get(node.name) for node in member.plan.nodes]
        # The last statistics of an ended process are out of date.
        nodes = [node for node in found if node is not None and node.pid == member.pid]
        if len(member.plan.nodes) == 1 and nodes:
            yield (member.name, *process, *self._figures.node(nodes[0]))
            return
        yield (member.name, *process, "-", "-", "-")
        for node in nodes if len(member.plan.nodes) > 1 else []:
            yield (f"  {node.name}", "", "", "", "", "", *self._figures.node(node))
