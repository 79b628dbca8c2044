"""`dsmq-nodes interface`: list, show, package, packages; flags and output as ros2's."""

from typing import Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.listing import print_json, print_names
from dsmq_nodes.cli.options import JsonOption, examples_epilog, new_app
from dsmq_nodes.messages.schema.find import find_interface, standard_interfaces
from dsmq_nodes.tools.definitions import definition
from dsmq_nodes.tools.offers import unknown

app = new_app(
    "Types of messages, services and actions.",
    ("dsmq-nodes interface list", "those that come with the kit"),
    ("dsmq-nodes interface show geometry_msgs/msg/Twist", ""),
    ("dsmq-nodes interface show my_robot.messages:BatteryLevel", "your own"),
)

_TITLES = {"msg": "Messages:", "srv": "Services:", "action": "Actions:"}


@app.command("list")
def list_(
    *,
    messages: Annotated[bool, typer.Option("--only-msgs", "-m", help="Only messages.")] = False,
    services: Annotated[bool, typer.Option("--only-srvs", "-s", help="Only services.")] = False,
    actions: Annotated[bool, typer.Option("--only-actions", "-a", help="Only actions.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the types that come with the kit."""
    names = standard_interfaces()
    asked = {"msg": messages, "srv": services, "action": actions}
    kinds = [kind for kind, only in asked.items() if only] or list(asked)
    found = {kind: [name for name in names if f"/{kind}/" in name] for kind in kinds}
    if as_json:
        print_json([name for each in found.values() for name in each])
        return
    for kind, each in found.items():
        print(_TITLES[kind])
        print("".join(f"    {name}\n" for name in each), end="")


@app.command(epilog=examples_epilog(("dsmq-nodes interface show std_srvs/srv/SetBool", "")))
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="TYPE", autocompletion=complete.interfaces, help="Its full name."),
    ],
    *,
    no_comments: Annotated[bool, typer.Option("--no-comments", help="Without comments.")] = False,
) -> None:
    """Show the fields of a type, and those of the types inside it."""
    lines = list(definition(find_interface(name)))
    print("\n".join(line for line in lines if not (no_comments and line.startswith("#"))))


@app.command()
def package(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="As geometry_msgs.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """List the types of a package."""
    names = standard_interfaces()
    found = [each for each in names if each.startswith(f"{name}/")]
    if not found:
        raise unknown("package", name, {each.partition("/")[0] for each in names})
    print_names(found, as_json=as_json)


@app.command()
def packages(*, as_json: JsonOption = False) -> None:
    """List the packages that have types."""
    print_names(sorted({n.partition("/")[0] for n in standard_interfaces()}), as_json=as_json)
