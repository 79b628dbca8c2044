"""`dsmq-nodes node`: the nodes of the graph, and the processes of a running launch."""

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.listing import columns, print_json, print_names
from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption, new_app
from dsmq_nodes.tools import offers
from dsmq_nodes.tools.ended_nodes import find_running
from dsmq_nodes.tools.machines import machines
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import UPLINK, is_hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsmq_nodes.messages.dsmq_msgs import LaunchProcess
    from dsmq_nodes.tools.graph_model import EndpointModel, GraphModel
    from dsmq_nodes.tools.offers import Offer
    from dsmq_nodes.tools.running_launch import RunningLaunch

app = new_app(
    "Nodes: list, info; of a launch also restart, stop, log.",
    ("dsmq-nodes node list -v", "with state, pid and restarts"),
    ("dsmq-nodes node info /talker", ""),
    ("dsmq-nodes node restart talker", ""),
    ("dsmq-nodes node log talker -f", "its last lines, then new ones"),
)

_Name = Annotated[
    str,
    typer.Argument(metavar="NAME", autocompletion=complete.nodes, help="The node's name."),
]


@app.command("list")
def list_(
    *,
    every: Annotated[
        bool, typer.Option("-a", "--all", help="The kit's own nodes, below /dsmq, too.")
    ] = False,
    count: Annotated[
        bool, typer.Option("-c", "--count-nodes", help="Only how many there are.")
    ] = False,
    as_json: JsonOption = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="The launch's processes, with their state.")
    ] = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the nodes of the graph, or the processes of the launch."""
    if verbose:
        _list_processes(broker, as_json=as_json)
        return
    with Session(broker) as session:
        graph = session.graph()
        others = sorted(set(machines(session, graph).values()) - {""})
    names = offers.nodes(graph, hidden=every)
    if others and not count and not as_json:
        names = [f"{name} ({', '.join(others)})" if name == UPLINK else name for name in names]
    if as_json:
        print_json([peer for name in names for peer in graph.peers if peer.name == name])
    else:
        print_names(names, count=count, none=f"no node is connected to {broker}")


@app.command()
def info(
    name: _Name,
    *,
    hidden: Annotated[
        bool, typer.Option("--include-hidden", help="Also the topics of services.")
    ] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Show a node's topics, services and actions, and its process."""
    with Session(broker) as session:
        graph = session.graph()
        name = find_running(session, graph, name)
    peer = next(peer for peer in graph.peers if peer.name == name)
    ends = _ends(graph, name, hidden=hidden)
    if as_json:
        print_json(
            {"node": peer} | {title.lower().replace(" ", "_"): v for title, v in ends.items()}
        )
        return
    print(name)
    for title, found in ends.items():
        print(f"  {title}:")
        print("\n".join(f"    {each}: {type_ or 'unknown'}" for each, type_ in found.items()))
    print("  Process:")
    print(f"    pid {peer.pid} on {peer.host}, {peer.state}")


@app.command()
def restart(name: _Name, *, broker: BrokerOption = BROKER) -> None:
    """End a node of the launch and start it again. It waits until the node is ready."""
    _command("restart", name, broker)


@app.command()
def stop(name: _Name, *, broker: BrokerOption = BROKER) -> None:
    """End a node of the launch; it stays ended until `start`."""
    _command("stop", name, broker)


@app.command()
def start(name: _Name, *, broker: BrokerOption = BROKER) -> None:
    """Start a node of the launch that was stopped, ended or failed."""
    _command("start", name, broker)


@app.command()
def log(
    name: _Name,
    *,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with new lines, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("-n", "--lines", metavar="N", min=0, help="How many of the last lines.")
    ] = 20,
    broker: BrokerOption = BROKER,
) -> None:
    """Show the last lines of a node of the launch. They are its log and its output."""
    nothing = True
    with _launch(broker) as launch:
        for line in launch.lines(name, lines, follow=follow):
            nothing = False
            print(line, flush=follow)
    if nothing and lines:
        print(f"{name} has written nothing", file=sys.stderr)


@contextlib.contextmanager
def _launch(broker: str) -> "Iterator[RunningLaunch]":
    """Yield the launch that runs at a broker."""
    from dsmq_nodes.tools.running_launch import RunningLaunch  # noqa: PLC0415  75 ms

    with Session(broker) as session:
        yield RunningLaunch(session)


def _command(action: str, name: str, broker: str) -> None:
    with _launch(broker) as launch:
        print(launch.command(action, name).text)


def _list_processes(broker: str, *, as_json: bool) -> None:
    with _launch(broker) as launch:
        state = launch.state()
    if as_json:
        print_json(state.to_dict())
        return
    rows = [("process", "state", "pid", "restarts", "last end"), *map(_row, state.processes)]
    print("\n".join(columns(rows)))


def _row(each: "LaunchProcess") -> tuple[str, ...]:
    pid = str(each.pid) if each.pid else "-"
    return each.name, each.state, pid, str(each.restarts), each.last_end or "-"


def _ends(graph: "GraphModel", name: str, *, hidden: bool) -> dict[str, dict[str, str]]:
    """Return a node's topics and services under ros2's titles: names and types."""
    topics = [each for each in graph.topics if hidden or not is_hidden(each.name)]
    topics.sort(key=lambda topic: topic.name)
    services, actions = offers.services(graph, hidden=hidden), offers.actions(graph)
    return {
        "Subscribers": _of(name, {each.name: each.subscribers for each in topics}),
        "Publishers": _of(name, {each.name: each.publishers for each in topics}),
        "Service Servers": _offered(name, services, "servers"),
        "Service Clients": _offered(name, services, "clients"),
        "Action Servers": _offered(name, actions, "servers"),
        "Action Clients": _offered(name, actions, "clients"),
    }


def _of(node: str, ends: "dict[str, list[EndpointModel]]") -> dict[str, str]:
    return {
        name: next(end.type for end in found if end.node == node)
        for name, found in ends.items()
        if any(end.node == node for end in found)
    }


def _offered(node: str, found: "dict[str, Offer]", side: str) -> dict[str, str]:
    return {
        each.name: each.type
        for each in found.values()
        if any(end.node == node for end in getattr(each, side))
    }
