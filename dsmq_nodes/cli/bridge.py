"""`dsmq-nodes bridge`: other worlds, joined to the graph."""

from typing import Annotated

import typer

from dsmq_nodes.cli.listing import print_json
from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption, new_app
from dsmq_nodes.gateways.ros2.bridge_process import offers, run
from dsmq_nodes.gateways.ros2.launch_entry import Ros2Entry

app = new_app(
    "Bridges to other worlds: ros2.",
    ("dsmq-nodes bridge ros2 list", "what a ROS 2 graph has"),
    ("dsmq-nodes bridge ros2 --from /scan --to /cmd_vel", ""),
)
_ros2 = new_app(
    "Carry topics, services and actions to and from ROS 2. Only named ones are carried.",
    ("dsmq-nodes bridge ros2 --from /scan --from /odom --to /cmd_vel", "drive a robot"),
    ("dsmq-nodes bridge ros2 --service-from /dock --prefix /ros", "call it as /ros/dock"),
    ("dsmq-nodes bridge ros2 list", "topics and services with their types and QoS"),
)
app.add_typer(_ros2, name="ros2")

NamesOption = list[str] | None
DomainOption = Annotated[
    int | None,
    typer.Option(metavar="ID", min=0, max=232, envvar="ROS_DOMAIN_ID", help="ROS's domain."),
]
DiscoveryOption = Annotated[
    str | None,
    typer.Option(
        metavar="RANGE",
        help="localhost or subnet; else as ROS_AUTOMATIC_DISCOVERY_RANGE says. [localhost]",
    ),
]


@_ros2.callback(invoke_without_command=True, no_args_is_help=True)
def ros2(
    context: typer.Context,
    *,
    from_ros: Annotated[
        NamesOption, typer.Option("--from", metavar="TOPIC", help="A topic of ROS, or a pattern.")
    ] = None,
    to_ros: Annotated[
        NamesOption, typer.Option("--to", metavar="TOPIC", help="A topic of our nodes.")
    ] = None,
    services_from_ros: Annotated[
        NamesOption,
        typer.Option("--service-from", metavar="NAME", help="A service or an action of ROS."),
    ] = None,
    services_to_ros: Annotated[
        NamesOption,
        typer.Option("--service-to", metavar="NAME", help="A service or an action of our nodes."),
    ] = None,
    latched: Annotated[
        NamesOption,
        typer.Option(metavar="TOPIC", help="A topic that ROS gets latched, though it is not here."),
    ] = None,
    prefix: Annotated[
        str, typer.Option(metavar="/NAMESPACE", help="The namespace of all ROS names here.")
    ] = "",
    domain: DomainOption = None,
    discovery: DiscoveryOption = None,
    broker: BrokerOption = BROKER,
) -> None:
    """Carry the named topics, services and actions between our graph and ROS 2, until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    options: dict[str, object] = {
        "from_ros": from_ros or [],
        "to_ros": to_ros or [],
        "services_from_ros": services_from_ros or [],
        "services_to_ros": services_to_ros or [],
        "latched": latched or [],
        "prefix": prefix,
    }
    raise typer.Exit(run(_entry(domain, discovery, options), broker))


@_ros2.command("list")
def list_(
    *, domain: DomainOption = None, discovery: DiscoveryOption = None, as_json: JsonOption = False
) -> None:
    """Show topics and services of a ROS 2 graph. It says why some cannot be converted."""
    found = offers(_entry(domain, discovery, {"from_ros": ["/*"]}))
    if as_json:
        print_json(found)
        return
    for each in found:
        qos = f" {each.qos}" if each.qos else ""
        nodes = f" from {', '.join(each.nodes)}" if each.nodes else ""
        print(f"{each.kind} {each.name} [{each.type_name}]{qos}{nodes}")
        if each.fault:
            print(f"    cannot be bridged: {each.fault}")
    if not found:
        print("no other ROS node is there: is ROS_DOMAIN_ID the same, and --discovery right?")


def _entry(domain: int | None, discovery: str | None, options: dict[str, object]) -> Ros2Entry:
    given = {**options, "domain": domain, "discovery": discovery}
    chosen = {key: value for key, value in given.items() if value not in (None, "")}
    return Ros2Entry.of_command(chosen)
