"""`dsmq-nodes param`: list, get, set, describe, dump, load, delete; flags and output as ros2's."""

import contextlib
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.listing import print_json
from dsmq_nodes.cli.options import (
    BROKER,
    BrokerOption,
    JsonOption,
    ValueCommand,
    examples_epilog,
    new_app,
)
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsmq_nodes.tools.node_parameters import NodeParameters

app = new_app(
    "Parameters of the nodes: see and change them.",
    ("dsmq-nodes param list", "of all nodes"),
    ("dsmq-nodes param set /blinker period 0.1", ""),
    ("dsmq-nodes param dump /blinker > blinker.yaml", ""),
)

NodeArgument = Annotated[
    str, typer.Argument(metavar="NODE", autocompletion=complete.nodes, help="The node's name.")
]
ParameterArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", autocompletion=complete.parameters, help="The parameter's name."
    ),
]


@contextlib.contextmanager
def _parameters(broker: str) -> "Iterator[NodeParameters]":
    """Yield the parameters of the nodes at a broker."""
    from dsmq_nodes.tools.node_parameters import NodeParameters  # noqa: PLC0415  140 ms: messages

    with Session(broker) as session:
        yield NodeParameters(session)


@app.command("list")
def list_(
    node: Annotated[
        str,
        typer.Argument(
            metavar="[NODE]",
            autocompletion=complete.nodes,
            show_default=False,
            help="Only this node; else all.",
        ),
    ] = "",
    *,
    types: Annotated[bool, typer.Option("--param-type", help="Show types.")] = False,
    prefixes: Annotated[
        list[str] | None,
        typer.Option("--param-prefixes", metavar="PREFIX", help="Only of this group; repeatable."),
    ] = None,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List parameters."""
    with _parameters(broker) as parameters:
        found = parameters.listed(node, prefixes or [], with_types=types or as_json)
    if as_json:
        print_json([{"node": name, "parameters": types_} for name, types_ in found.items()])
        return
    for name, of_node in found.items():
        if not node:
            print(f"{name}:")
        for parameter, type_ in of_node.items():
            shown = one_line(parameter)
            print(f"  {shown} (type: {type_})" if types else f"  {shown}")


@app.command(epilog=examples_epilog(("dsmq-nodes param get /blinker period", "")))
def get(
    node: NodeArgument,
    name: ParameterArgument,
    *,
    hide_type: Annotated[bool, typer.Option("--hide-type", help="Only the value.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Show a parameter's value."""
    with _parameters(broker) as parameters:
        value = parameters.got(node, name)
    if as_json:
        print_json(value.value)
    else:
        print(parameters.shown(value, hide_type=hide_type))


@app.command(
    "set",
    cls=ValueCommand,
    epilog=examples_epilog(
        ("dsmq-nodes param set /blinker period 0.1", ""),
        ("dsmq-nodes param set /arm gains '[1.0, 0.5]'", ""),
    ),
)
def set_(
    node: NodeArgument,
    name: ParameterArgument,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="As YAML.")],
    *,
    broker: BrokerOption = BROKER,
) -> None:
    """Set a parameter; status 1 when the node refuses it."""
    with _parameters(broker) as parameters:
        print(parameters.set_one(node, name, value))


@app.command()
def describe(
    node: NodeArgument,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", autocompletion=complete.parameters, help="The parameters."
        ),
    ],
    *,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Show the types of parameters, and the values they may have."""
    with _parameters(broker) as parameters:
        found = parameters.described(node, names)
    if as_json:
        print_json([each.to_dict() for each in found])
        return
    for each in found:
        print("\n".join(parameters.description(each)))


@app.command(epilog=examples_epilog(("dsmq-nodes param dump /blinker > blinker.yaml", "")))
def dump(node: NodeArgument, *, broker: BrokerOption = BROKER) -> None:
    """Print a node's parameters as a file for `load` and `launch`."""
    with _parameters(broker) as parameters:
        print(parameters.dumped(node), end="")


@app.command(epilog=examples_epilog(("dsmq-nodes param load /blinker blinker.yaml", "")))
def load(
    node: NodeArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file as written by `dump`.")],
    *,
    broker: BrokerOption = BROKER,
) -> None:
    """Set the parameters that a file has for a node. The status is 1 when one was refused."""
    with _parameters(broker) as parameters:
        for line in parameters.loaded(node, file, partial(print, file=sys.stderr)):
            print(line)


@app.command()
def delete(node: NodeArgument, name: ParameterArgument, *, broker: BrokerOption = BROKER) -> None:
    """Unset a parameter, if the node allows that."""
    with _parameters(broker) as parameters:
        print(parameters.deleted(node, name))
