"""The statistics of the nodes of a launch, as a table of text."""

from collections.abc import Iterable

from dsmq_nodes.launcher.watch.rates import rated_timer
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.suggest import ends_of
from dsmq_nodes.topic_names import GRAPH_TOPIC

_LONGEST_NAME = 40
_HEAD = ("node", "declared", "achieved", "sent", "received", "dropped", "latency p50", "p99")


def summary(nodes: Iterable[NodeStatistics]) -> list[str]:
    """Return the table, line by line, without the columns that have no value; maybe empty.

    Latencies are those of the slowest of a node's subscriptions. The achieved rate is that of the
    timer that has the declared rate.
    """
    rows = [_row(node) for node in sorted(nodes, key=lambda node: node.name)]
    if not rows:
        return []
    filled = [n for n in range(len(_HEAD)) if any(row[n] != "-" for row in rows)]
    table = [[row[n] for n in filled] for row in [_HEAD, *rows]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]


def dropped_by(node: NodeStatistics) -> int:
    """Return how many messages a node's publishers and subscriptions have dropped or refused.

    A graph that a newer one has replaced is not lost: nodes for rclpy subscribe to it.
    """
    return (
        node.former_dropped
        + node.former_invalid
        + sum(each.dropped for each in node.publishers)
        + sum(
            each.dropped + each.invalid for each in node.subscriptions if each.topic != GRAPH_TOPIC
        )
    )


def _row(node: NodeStatistics) -> tuple[str, ...]:
    # Not every publisher stamps its messages; the broker does not.
    subscriptions = [each for each in node.subscriptions if each.latency_p99_sec]
    p50_sec = max((each.latency_p50_sec for each in subscriptions), default=None)
    p99_sec = max((each.latency_p99_sec for each in subscriptions), default=None)
    timer = rated_timer(node)
    return (
        ends_of(node.name, _LONGEST_NAME),
        f"{node.rate_hz:g} Hz" if node.rate_hz else "-",
        f"{timer.achieved_hz:.2f} Hz" if timer and timer.achieved_hz else "-",
        str(node.former_sent + sum(each.messages for each in node.publishers)),
        str(node.former_received + sum(each.messages for each in node.subscriptions)),
        str(dropped_by(node)),
        "-" if p50_sec is None else f"{p50_sec * 1e3:.2f} ms",
        "-" if p99_sec is None else f"{p99_sec * 1e3:.2f} ms",
    )
