"""Findings about nodes: an emergency stop, exceptions, faulty parts, and those that do not run."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from dsmq_nodes.messages.diagnostic import DiagnosticStatus
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.tools.diagnosing.seen import (
    ERROR,
    NOTE,
    SILENT_SEC,
    WARNING,
    Finding,
    Seen,
    base_name,
    busy,
    count,
)
from dsmq_nodes.tools.diagnosing.time_findings import SANE_SEC
from dsmq_nodes.topic_names import DIAGNOSTICS_TOPIC

_DEAD: Final = frozenset({"failed", "restarting"})


def node_findings(seen: Seen) -> Iterator[Finding]:
    """Yield the findings about nodes."""
    yield from _stopped(seen)
    yield from _dead(seen)
    yield from _hanging(seen)
    yield from _raising(seen)
    yield from _faulty(seen)


def _stopped(seen: Seen) -> Iterator[Finding]:
    for topic, since_sec in sorted(seen.stops.items()):
        text = f"{topic} is pressed"
        if SANE_SEC[0] < since_sec < SANE_SEC[1]:
            since = datetime.fromtimestamp(since_sec).astimezone()
            text += f" since {since.strftime('%Y-%m-%d %H:%M:%S')}"
        ends = (each.ends for each in seen.graph.topics if each.name == topic)
        obeying = {end.node for each in ends for end in each}
        refusing = []
        for name in sorted(obeying & seen.nodes.keys()):
            refused = _refused(seen.nodes[name]) - _refused(seen.nodes_before.get(name))
            if refused > 0:
                refusing.append(name)
                text += f"; {name} refused {count(refused, 'command')} in {seen.window_sec:.1f} s"
        advice = (
            "Release it when the robot may move: "
            f"`dsmq-nodes topic pub --once {topic} std_msgs/msg/Bool '{{data: false}}'`"
        )
        level = ERROR if refusing else WARNING
        yield Finding(level, "emergency stop", (topic, *sorted(obeying)), text, advice)


def _refused(node: NodeStatistics | None) -> int:
    return sum(each.refused for each in node.subscriptions) if node is not None else 0


def _raising(seen: Seen) -> Iterator[Finding]:
    for name, node in seen.nodes.items():
        before = seen.nodes_before.get(name)
        raised = node.exceptions - (before.exceptions if before is not None else 0)
        if raised > 0:
            text = f"{name}: {count(raised, 'exception')} in its callbacks, the last one "
            text += node.last_exception
            yield Finding(ERROR, "exception", (name,), text, f"dsmq-nodes node log {name}")


def _faulty(seen: Seen) -> Iterator[Finding]:
    """Yield a finding for each error, stale state or warning on `/diagnostics`."""
    there = {peer.name for peer in seen.graph.peers}
    red = {node for node, each in seen.statuses if each.level == DiagnosticStatus.ERROR}
    for node, each in seen.statuses:
        if each.level == DiagnosticStatus.STALE and (node in red or _is_gone(each.name, there)):
            continue  # the error is reported, or the node has ended and cannot report
        if each.level != DiagnosticStatus.OK:
            hangs = each.level == DiagnosticStatus.STALE and each.name in there
            level = ERROR if hangs or each.level == DiagnosticStatus.ERROR else WARNING
            text = f"{each.name.replace(base_name(node), node, 1)}: {each.message}"
            text += busy(seen, each.name) if hangs else ""
            what = f"node log {each.name}" if hangs else f"topic echo {DIAGNOSTICS_TOPIC} --once"
            advice = f"dsmq-nodes {what}"
            about = (node, each.name) if each.name.startswith("/") else (node,)
            yield Finding(level, "faulty part", about, text, advice)


def _is_gone(name: str, there: set[str]) -> bool:
    """Whether it is the name of a node that has ended."""
    return name.startswith("/") and name not in there


def _dead(seen: Seen) -> Iterator[Finding]:
    there = {peer.name for peer in seen.graph.peers}
    for process in seen.processes:
        if process.state in _DEAD or process.state == "stopped":
            level = ERROR if process.state in _DEAD else NOTE  # it was asked to stop
            why = f": {process.last_end}" if process.last_end else ""
            text = f"{process.name} does not run ({process.state}{why})"
            if process.restarts:
                text += f", after {count(process.restarts, 'restart')}"
            advice = f"`dsmq-nodes node log {process.name}` has its last lines, "
            advice += f"`dsmq-nodes node start {process.name}` starts it."
            about = (process.name, *process.nodes)
            yield Finding(level, "dead node", about, text, advice)
        elif process.state == "ready":
            for name in [name for name in process.nodes if name not in there]:
                text = f"{name} has left the graph, but its process runs (pid {process.pid})"
                advice = "It has lost the broker, or is stopped: "
                advice += f"`dsmq-nodes node restart {process.name}`"
                yield Finding(ERROR, "lost node", (process.name, name), text, advice)


def _hanging(seen: Seen) -> Iterator[Finding]:
    pids = {peer.name: peer.pid for peer in seen.graph.peers}
    launched = {node for process in seen.processes for node in process.nodes}
    for name in seen.silent:
        text = f"{name} has told nothing for {SILENT_SEC:g} s: it hangs{busy(seen, name)}"
        advice = f"A callback blocks it, its process (pid {pids.get(name, 0)}) is stopped, or "
        advice += "nothing spins it any longer"
        advice += f": `dsmq-nodes node log {name}`." if name in launched else "; its log says more."
        yield Finding(ERROR, "silent node", (name,), text, advice)
