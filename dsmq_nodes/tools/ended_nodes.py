"""Nodes of a launch whose process has ended: texts about them, for commands."""

from typing import Final

import msgspec

from dsmq_nodes.errors import CommandError
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.graph_model import GraphModel
from dsmq_nodes.tools.offers import absolute, find_node
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import is_launch

_OVER: Final = frozenset({"stopped", "finished", "failed"})
_STATE_SEC: Final = 1.0


class _LaunchedProcess(msgspec.Struct):
    """The same as `dsmq_msgs.LaunchProcess`, without 75 ms of imports."""

    name: str
    nodes: list[str] = []
    state: str = ""
    last_end: str = ""


class _LaunchedProcesses(msgspec.Struct):
    processes: list[_LaunchedProcess] = []


_read: Final = json_reader(_LaunchedProcesses)


def find_running(session: Session, graph: GraphModel, name: str) -> str:
    """Return a node's full name; the first slash may be left out.

    Raises:
        CommandError: there is no such node; the text says that its process has ended, or has the
            nearest name.
    """
    try:
        return find_node(graph, name)
    except CommandError as error:
        raise CommandError(explain_end(session, graph, name) or str(error)) from None


def explain_end(session: Session, graph: GraphModel, name: str) -> str:
    """Return a sentence if the process of the node that `name` belongs to has ended; else ""."""
    below = f"{absolute(name)}/"
    for launch in sorted({peer.name for peer in graph.peers if is_launch(peer.name)}):
        topic = f"{launch}/state"
        session.subscribe(topic, depth=1)
        reply = session.next_message([topic], _STATE_SEC)
        session.unsubscribe(topic)
        state = session.understood(reply, _read) if reply is not None else None
        for process in state.processes if state is not None else ():
            for node in process.nodes if process.state in _OVER else ():
                if below.startswith(f"{node}/"):
                    how = f" ({process.last_end})" if process.last_end else ""
                    start = f"`dsmq-nodes node start {process.name}`"
                    return one_line(f"{node} has ended{how}: {start}")
    return ""
