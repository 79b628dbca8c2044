"""`dsmq-nodes lifecycle`: nodes, get, set, list; flags and output as ros2's."""

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.listing import print_json, print_names
from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption, examples_epilog, new_app
from dsmq_nodes.cli.param import NodeArgument
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.offers import lifecycle_nodes
from dsmq_nodes.tools.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsmq_nodes.cli.show.lifecycle_calls import LifecycleCalls

app = new_app(
    "Lifecycle nodes: list them, see their states and change them.",
    ("dsmq-nodes lifecycle get", "the state of each"),
    ("dsmq-nodes lifecycle set /camera configure", ""),
)


@app.command()
def nodes(
    *,
    count: Annotated[bool, typer.Option("-c", "--count-nodes", help="Only how many.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the lifecycle nodes."""
    with Session(broker) as session:
        names = lifecycle_nodes(session.graph())
    print_names(names, count=count, as_json=as_json)


@app.command(epilog=examples_epilog(("dsmq-nodes lifecycle get /camera", "active [3]")))
def get(
    node: Annotated[
        str,
        typer.Argument(
            metavar="NODE",
            autocompletion=complete.nodes,
            show_default=False,
            help="The node's name; without it, all.",
        ),
    ] = "",
    *,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Show the state of a lifecycle node, or of all."""
    with _lifecycles(broker) as lifecycles:
        names = [lifecycles.find(node)] if node else lifecycles.names()
        states = {name: lifecycles.state(name) for name in names}
    if as_json:
        print_json(states)
    elif node:
        print(*states.values())
    else:
        print("".join(f"{name}: {state}\n" for name, state in states.items()), end="")


@app.command(
    "set",
    epilog=examples_epilog(
        ("dsmq-nodes lifecycle set /camera configure", ""),
        ("dsmq-nodes lifecycle set /camera 3", "the same as activate"),
    ),
)
def set_(
    node: NodeArgument,
    transitions: Annotated[
        list[str],
        typer.Argument(metavar="TRANSITION...", help="Its label or number: see `list`."),
    ],
    *,
    timeout: Annotated[
        float, typer.Option(metavar="SEC", min=0, help="How long its callback may take.")
    ] = 30.0,
    wait: Annotated[
        float, typer.Option(metavar="SEC", min=0, help="Longest wait for the node.")
    ] = 0.0,
    broker: BrokerOption = BROKER,
) -> None:
    """Trigger transitions of a lifecycle node in turn. The status is 1 when one fails."""
    with _lifecycles(broker) as lifecycles:
        name = lifecycles.find(node, wait)
        for each in transitions:
            lifecycles.change(name, each, timeout)
            print("Transitioning successful", flush=True)


@app.command("list", epilog=examples_epilog(("dsmq-nodes lifecycle list /camera -a", "")))
def list_(
    node: NodeArgument,
    *,
    every: Annotated[
        bool, typer.Option("-a", "--all", help="From all states, not only from the current one.")
    ] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the transitions that a lifecycle node can make now."""
    with _lifecycles(broker) as lifecycles:
        found = lifecycles.transitions(lifecycles.find(node), every=every)
    if as_json:
        print_json([each.to_dict() for each in found])
        return
    for each in found:
        print(f"- {one_line(each.transition.label)} [{each.transition.id}]")
        print(f"\tStart: {one_line(each.start_state.label)}")
        print(f"\tGoal: {one_line(each.goal_state.label)}")


@contextlib.contextmanager
def _lifecycles(broker: str) -> "Iterator[LifecycleCalls]":
    """Yield the lifecycle nodes at a broker."""
    from dsmq_nodes.cli.show.lifecycle_calls import LifecycleCalls  # noqa: PLC0415  75 ms: messages

    with Session(broker) as session:
        yield LifecycleCalls(session)
