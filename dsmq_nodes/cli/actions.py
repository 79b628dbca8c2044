"""`dsmq-nodes action`: list, info, type, find, send_goal; flags and output as ros2's."""

from typing import TYPE_CHECKING, Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.listing import is_type, print_offers
from dsmq_nodes.cli.options import (
    BROKER,
    BrokerOption,
    JsonOption,
    ServerWaitOption,
    StdinOption,
    TypesOption,
    ValuesArgument,
    examples_epilog,
    new_app,
    type_and_values,
)
from dsmq_nodes.tools.offers import actions, find_offer
from dsmq_nodes.tools.session import Session

if TYPE_CHECKING:
    from dsmq_nodes.tools.graph_model import EndpointModel
    from dsmq_nodes.tools.offers import Offer

app = new_app(
    "Actions: list them, see their servers, send them goals.",
    ("dsmq-nodes action list -t", "names and types"),
    ("dsmq-nodes action send_goal /countdown '{start: 3}' -f", "with feedback; Ctrl-C cancels"),
)

ActionArgument = Annotated[
    str,
    typer.Argument(metavar="ACTION", autocompletion=complete.actions, help="The action's name."),
]
CountOption = Annotated[bool, typer.Option("--count-actions", "-c", help="Only how many.")]


@app.command("list")
def list_(
    *,
    show_types: TypesOption = False,
    count: CountOption = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the actions that are served or called now."""
    print_offers(_offers(broker).values(), show_types=show_types, count=count, as_json=as_json)


@app.command()
def info(
    action: ActionArgument,
    *,
    show_types: TypesOption = False,
    count: Annotated[bool, typer.Option("--count", "-c", help="Only the numbers.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Show the servers and the clients of an action."""
    found = _find(broker, action)
    if as_json:
        print_offers([found], as_json=True)
        return
    print(f"Action: {found.name}")
    for title, ends in (("Action clients", found.clients), ("Action servers", found.servers)):
        print(f"{title}: {len(ends)}")
        for name in [] if count else _names(ends):
            print(f"    {name} [{found.type or 'unknown'}]" if show_types else f"    {name}")


def _names(ends: "list[EndpointModel]") -> list[str]:
    return sorted(end.node or f"(a tool, pid {end.pid})" for end in ends)


@app.command("type")
def type_(action: ActionArgument, *, broker: BrokerOption = BROKER) -> None:
    """Show an action's type."""
    print(_find(broker, action).type or "unknown")


@app.command()
def find(
    type_name: Annotated[
        str,
        typer.Argument(metavar="TYPE", autocompletion=complete.action_types, help="Its full name."),
    ],
    *,
    count: CountOption = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the actions of a type."""
    fitting = [each for each in _offers(broker).values() if is_type(each.type, type_name)]
    none = f"no action is of type {type_name}"
    print_offers(fitting, count=count, as_json=as_json, none=none)


@app.command(
    "send_goal",
    epilog=examples_epilog(
        ("dsmq-nodes action send_goal /countdown '{start: 3}' -f", ""),
        ("dsmq-nodes action send_goal /dock dock_msgs/action/Dock '{}'", "as in ros2"),
    ),
)
def send_goal(
    action: ActionArgument,
    type_or_values: Annotated[
        str,
        typer.Argument(
            metavar="[TYPE]",
            show_default=False,
            autocompletion=complete.action_types,
            help="Not needed: its server announces it.",
        ),
    ] = "",
    values: ValuesArgument = "",
    *,
    feedback: Annotated[
        bool, typer.Option("--feedback", "-f", help="Print the feedback too.")
    ] = False,
    wait: ServerWaitOption = 0.0,
    stdin: StdinOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Send a goal and wait for its result; Ctrl-C cancels it. Status 1 when it is not reached."""
    from dsmq_nodes.cli.show import send_goal, service_call  # noqa: PLC0415  75 ms

    type_name, values = type_and_values(type_or_values, values, stdin=stdin)
    with Session(broker) as session:
        goal = service_call.WantedCall(action, type_name, values)
        if not send_goal.send(session, goal, with_feedback=feedback, wait_sec=wait):
            raise typer.Exit(1)


def _offers(broker: str) -> "dict[str, Offer]":

    with Session(broker) as session:
        return actions(session.graph())


def _find(broker: str, action: str) -> "Offer":

    return find_offer("action", action, _offers(broker))
