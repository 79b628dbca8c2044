"""`dsmq-nodes lifecycle`: nodes, get, set, list; flags and output as ros2's."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption, examples_epilog, new_app
from dsmq_nodes.printable import one_line
from dsmq_nodes.topic_names import REPLY

if TYPE_CHECKING:
    from dsmq_nodes.messages.lifecycle import TransitionDescription
    from dsmq_nodes.tools.session import Session

app = new_app(
    "Lifecycle nodes: which there are, the state they are in, and how to change it.",
    ("dsmq-nodes lifecycle get", "the state of each"),
    ("dsmq-nodes lifecycle set /camera configure", ""),
)

_SERVED: Final = f"/change_state{REPLY}"
_NodeArgument = Annotated[
    str, typer.Argument(metavar="NODE", autocompletion=complete.nodes, help="The node's name.")
]


@app.command()
def nodes(
    *,
    count: Annotated[bool, typer.Option("-c", "--count-nodes", help="Only how many.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the lifecycle nodes."""
    from dsmq_nodes.cli.listing import print_names  # noqa: PLC0415
    from dsmq_nodes.tools.session import Session  # noqa: PLC0415

    with Session(broker) as session:
        names = _names(session)
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
    from dsmq_nodes.cli.listing import print_json  # noqa: PLC0415
    from dsmq_nodes.tools.session import Session  # noqa: PLC0415

    with Session(broker) as session:
        names = [_find(session, node)] if node else _names(session)
        states = {name: _state(session, name) for name in names}
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
    node: _NodeArgument,
    transition: Annotated[
        str, typer.Argument(metavar="TRANSITION", help="Its label or number: see `list`.")
    ],
    *,
    timeout: Annotated[
        float, typer.Option(metavar="SEC", min=0, help="How long its callback may take.")
    ] = 30.0,
    broker: BrokerOption = BROKER,
) -> None:
    """Make a lifecycle node go through a transition; status 1 when that fails."""
    from dsmq_nodes.errors import CommandError  # noqa: PLC0415
    from dsmq_nodes.messages.lifecycle import ChangeState  # noqa: PLC0415
    from dsmq_nodes.tools.service_calls import call_typed  # noqa: PLC0415
    from dsmq_nodes.tools.session import Session  # noqa: PLC0415

    with Session(broker) as session:
        name = _find(session, node)
        available = _transitions(session, name, "get_available_transitions")
        ids = {str(each.transition.id): each.transition for each in available}
        labels = {each.transition.label: each.transition for each in available}
        found = ids.get(transition) or labels.get(transition)
        if found is None:
            lines = "".join(f"\n- {one_line(each.label)} [{each.id}]" for each in ids.values())
            here = f"in state {_state(session, name)}; available are:{lines or ' none'}"
            raise CommandError(f"Unknown transition '{transition}' requested {here}")
        request = ChangeState.Request(transition=found)
        service = f"{name}/change_state"
        response = call_typed(session, service, request, ChangeState.Response, timeout_sec=timeout)
    if not response.success:
        raise CommandError("Transitioning failed: its log says why")
    print("Transitioning successful")


@app.command("list", epilog=examples_epilog(("dsmq-nodes lifecycle list /camera -a", "")))
def list_(
    node: _NodeArgument,
    *,
    every: Annotated[
        bool, typer.Option("-a", "--all", help="From all states, not only from where it is.")
    ] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the transitions that a lifecycle node can make now."""
    from dsmq_nodes.cli.listing import print_json  # noqa: PLC0415
    from dsmq_nodes.tools.session import Session  # noqa: PLC0415

    with Session(broker) as session:
        which = "get_transition_graph" if every else "get_available_transitions"
        found = _transitions(session, _find(session, node), which)
    if as_json:
        print_json([each.to_dict() for each in found])
        return
    for each in found:
        print(f"- {one_line(each.transition.label)} [{each.transition.id}]")
        print(f"\tStart: {one_line(each.start_state.label)}")
        print(f"\tGoal: {one_line(each.goal_state.label)}")


def _names(session: "Session") -> list[str]:
    served = [t.name for t in session.graph().topics if t.publishers and t.name.endswith(_SERVED)]
    return sorted(name.removesuffix(_SERVED) for name in served)


def _find(session: "Session", node: str) -> str:
    from dsmq_nodes.errors import CommandError  # noqa: PLC0415
    from dsmq_nodes.suggest import did_you_mean  # noqa: PLC0415

    name, names = f"/{node.removeprefix('/')}", _names(session)
    if name not in names:
        hint = did_you_mean(name, names) if names else "there is none"
        raise CommandError(f"no lifecycle node {name}; {hint}")
    return name


def _state(session: "Session", name: str) -> str:
    from dsmq_nodes.messages.lifecycle import GetState  # noqa: PLC0415
    from dsmq_nodes.tools.service_calls import call_typed  # noqa: PLC0415

    request = GetState.Request()
    state = call_typed(session, f"{name}/get_state", request, GetState.Response).current_state
    return f"{one_line(state.label)} [{state.id}]"


def _transitions(session: "Session", name: str, service: str) -> "list[TransitionDescription]":
    from dsmq_nodes.messages.lifecycle import GetAvailableTransitions  # noqa: PLC0415
    from dsmq_nodes.tools.service_calls import call_typed  # noqa: PLC0415

    request, response = GetAvailableTransitions.Request(), GetAvailableTransitions.Response
    return call_typed(session, f"{name}/{service}", request, response).available_transitions
