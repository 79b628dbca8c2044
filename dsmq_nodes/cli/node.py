"""`dsmq-nodes node`: the nodes of the graph, and the processes of a launch that runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.options import BROKER, BrokerOption, new_app

if TYPE_CHECKING:
    from dsmq_nodes.messages.dsmq_msgs import Graph

app = new_app(
    "Nodes: list, info; of a launch that runs also restart, stop, start, log.",
    ("dsmq-nodes node list -v", "with state, pid and restarts"),
    ("dsmq-nodes node info /talker", ""),
    ("dsmq-nodes node restart talker", ""),
    ("dsmq-nodes node log talker -f", "its last lines, and what follows"),
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
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="The launch's processes, with their state.")
    ] = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the nodes of the graph, or the processes of the launch."""
    from dsmq_nodes.cli.session import Session  # noqa: PLC0415

    with Session(broker) as session:
        if verbose:
            from dsmq_nodes.cli import running_launch  # noqa: PLC0415

            print("\n".join(running_launch.table(running_launch.state(session))))
            return
        names = _names(session.graph(), own=every)
    print(len(names) if count else "\n".join(names), end="\n" if names or count else "")


@app.command()
def info(name: _Name, *, broker: BrokerOption = BROKER) -> None:
    """Show what a node publishes and subscribes, and its process."""
    from dsmq_nodes.cli.session import Session  # noqa: PLC0415
    from dsmq_nodes.errors import CommandError  # noqa: PLC0415
    from dsmq_nodes.launcher.suggest import did_you_mean  # noqa: PLC0415

    with Session(broker) as session:
        graph = session.graph()
    name = f"/{name.removeprefix('/')}"
    peer = next((peer for peer in graph.peers if peer.name == name), None)
    if peer is None:
        names = _names(graph, own="/dsmq" in name)
        hint = did_you_mean(name, names) if names else "no node is connected here now"
        raise CommandError(f"no node {name}; {hint}")
    print(name)
    for title, lines in _ends(graph, name).items():
        print(f"  {title}:")
        for line in sorted(lines):
            print(f"    {line}")
    print("  Process:")
    print(f"    pid {peer.pid} on {peer.host}, {peer.state}")


@app.command()
def restart(name: _Name, *, broker: BrokerOption = BROKER) -> None:
    """End a node of the launch and start it again; waits until it is ready."""
    _command("restart", name, broker)


@app.command()
def stop(name: _Name, *, broker: BrokerOption = BROKER) -> None:
    """End a node of the launch; it stays so until `start`."""
    _command("stop", name, broker)


@app.command()
def start(name: _Name, *, broker: BrokerOption = BROKER) -> None:
    """Start a node of the launch that was stopped, has finished or failed."""
    _command("start", name, broker)


@app.command()
def log(
    name: _Name,
    *,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Show what follows too, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("-n", "--lines", metavar="N", min=0, help="So many of the last lines.")
    ] = 20,
    broker: BrokerOption = BROKER,
) -> None:
    """Show what a node of the launch has written last: its log and its output."""
    from dsmq_nodes.cli import running_launch  # noqa: PLC0415
    from dsmq_nodes.cli.session import Session  # noqa: PLC0415

    with Session(broker) as session:
        for line in running_launch.lines(session, name, lines, follow=follow):
            print(line, flush=follow)


def _command(action: str, name: str, broker: str) -> None:
    from dsmq_nodes.cli import running_launch  # noqa: PLC0415
    from dsmq_nodes.cli.session import Session  # noqa: PLC0415

    with Session(broker) as session:
        print(running_launch.command(session, action, name).text)


def _ends(graph: "Graph", name: str) -> dict[str, list[str]]:
    """What a node does, under ros2's titles; who publishes a service's replies serves it."""
    from dsmq_nodes.graph.calls import REPLY, REQUEST  # noqa: PLC0415

    found: dict[str, list[str]] = {
        "Subscribers": [],
        "Publishers": [],
        "Service Servers": [],
        "Service Clients": [],
    }
    for topic in graph.topics:
        sends = next((end.type for end in topic.publishers if end.node == name), None)
        hears = next((end.type for end in topic.subscribers if end.node == name), None)
        service, sign, hidden = topic.name.partition("/_")
        if sends is not None and f"/_{hidden}" in {REPLY, REQUEST}:
            kind = sends.removesuffix("_Response").removesuffix("_Request")
            title = "Service Servers" if f"/_{hidden}" == REPLY else "Service Clients"
            found[title].append(f"{service}: {kind or 'unknown'}")
        if sends is not None and not sign:
            found["Publishers"].append(f"{topic.name}: {sends or 'unknown'}")
        if hears is not None and not sign:
            found["Subscribers"].append(f"{topic.name}: {hears or 'unknown'}")
    return found


def _names(graph: "Graph", *, own: bool) -> list[str]:
    names = {peer.name for peer in graph.peers if peer.name}
    return sorted(name for name in names if own or not name.startswith("/dsmq/"))
