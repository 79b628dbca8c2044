"""`dsmq-nodes interface`: the verbs of ros2, and the import of `.msg` files."""

import json
import keyword
from pathlib import Path
from typing import Annotated, Any

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.listing import print_json, print_names
from dsmq_nodes.cli.options import JsonOption, examples_epilog, new_app, read_values
from dsmq_nodes.cli.show.message_text import Style
from dsmq_nodes.errors import CommandError, MessageError
from dsmq_nodes.messages.schema.dynamic import decoded
from dsmq_nodes.messages.schema.find import find_interface, standard_interfaces
from dsmq_nodes.messages.schema.interface_text import PARTS, read_interface
from dsmq_nodes.messages.schema.python_source import Interface, python_module
from dsmq_nodes.messages.schema.ros_packages import (
    PACKAGES,
    RosPackage,
    package_around,
    package_at,
)
from dsmq_nodes.tools.definitions import definition
from dsmq_nodes.tools.offers import unknown

app = new_app(
    "Types of messages, services and actions.",
    ("dsmq-nodes interface list", "those that come with the kit"),
    ("dsmq-nodes interface show geometry_msgs/msg/Twist", ""),
    ("dsmq-nodes interface show my_robot.messages:BatteryLevel", "your own"),
    ("dsmq-nodes interface import arm_interfaces", "Python classes of a ROS package's"),
)

MessagesOption = Annotated[bool, typer.Option("--only-msgs", "-m", help="Only messages.")]
ServicesOption = Annotated[bool, typer.Option("--only-srvs", "-s", help="Only services.")]
ActionsOption = Annotated[bool, typer.Option("--only-actions", "-a", help="Only actions.")]
_OF_RCLPY = Path(__file__).parents[1] / "rclpy" / "share"  # the types of programs for rclpy alone
_TITLES = {"msg": "Messages:", "srv": "Services:", "action": "Actions:"}


@app.command("list")
def list_(
    *,
    messages: MessagesOption = False,
    services: ServicesOption = False,
    actions: ActionsOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the types that come with the kit."""
    names = standard_interfaces()
    kinds = _kinds(messages=messages, services=services, actions=actions)
    found = {kind: [name for name in names if f"/{kind}/" in name] for kind in kinds}
    if as_json:
        print_json([name for each in found.values() for name in each])
        return
    for kind, each in found.items():
        print(_TITLES[kind])
        print("".join(f"    {name}\n" for name in each), end="")


def _kinds(*, messages: bool, services: bool, actions: bool) -> list[str]:
    """Return the requested kinds; all if none is requested."""
    asked = {"msg": messages, "srv": services, "action": actions}
    return [kind for kind, only in asked.items() if only] or list(asked)


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes interface show std_srvs/srv/SetBool", ""),
        ("dsmq-nodes topic type /scan | dsmq-nodes interface show -", "the type of a topic"),
    )
)
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="TYPE", autocompletion=complete.interfaces, help="Its full name; -: from stdin."
        ),
    ],
    *,
    all_comments: Annotated[
        bool, typer.Option("--all-comments", help="Also comments of the types inside.")
    ] = False,
    no_comments: Annotated[bool, typer.Option("--no-comments", help="Without comments.")] = False,
) -> None:
    """Show the fields of a type, and those of the types inside it."""
    name = read_values().strip() if name == "-" else name
    lines = _of_the_tree(name) or list(definition(_known(name), all_comments=all_comments))
    if no_comments:
        lines = [line.partition("  #")[0] for line in lines if not line.startswith("#")]
    print("\n".join(lines))


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes interface proto geometry_msgs/msg/Twist", "to paste behind `topic pub`"),
    )
)
def proto(
    name: Annotated[
        str,
        typer.Argument(metavar="TYPE", autocompletion=complete.interfaces, help="Its full name."),
    ],
    *,
    no_quotes: Annotated[bool, typer.Option("--no-quotes", help="Without quotes around.")] = False,
) -> None:
    """Show a message with its defaults, as YAML.

    Of a service it is the request, of an action the goal.
    """
    found = find_interface(name)
    for part in ("Request", "Goal"):
        found = getattr(found, part, found)
    shown = Style().yaml(decoded(json.loads(found().to_json()), found.schema()))
    print(shown if no_quotes else f'"{shown}"')


def _of_the_tree(name: str) -> list[str]:
    """Return the file of a ROS package found from here, if the kit has no such type."""
    package, _, rest = name.partition("/")
    kind, _, class_name = rest.partition("/")
    if kind not in PARTS or not class_name.isidentifier() or name in standard_interfaces():
        return []
    found = PACKAGES.find(package)
    path = (found.folder if found else _OF_RCLPY / package) / kind / f"{class_name}.{kind}"
    if not path.is_file():
        return []
    _interface(path, package)  # raises if a line is wrong
    return path.read_text("utf-8").splitlines()


def _known(name: str) -> Any:
    """Return a type's class; the hint of an error names types of a package found from here."""
    try:
        return find_interface(name)
    except CommandError:
        package = PACKAGES.find(name.partition("/")[0])
        if package is None or not (there := _types(package)):
            raise
        raise unknown("type", name, there) from None


@app.command()
def package(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="As geometry_msgs.")],
    *,
    messages: MessagesOption = False,
    services: ServicesOption = False,
    actions: ActionsOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the types of a package."""
    names = standard_interfaces()
    found = [each for each in names if each.startswith(f"{name}/")]
    if not found and (there := PACKAGES.find(name)):
        found = _types(there)
    if not found:
        raise unknown("package", name, {each.partition("/")[0] for each in names})
    kinds = _kinds(messages=messages, services=services, actions=actions)
    print_names([each for each in found if each.split("/")[1] in kinds], as_json=as_json)


@app.command()
def packages(
    *,
    messages: MessagesOption = False,
    services: ServicesOption = False,
    actions: ActionsOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the packages that have types."""
    kinds = _kinds(messages=messages, services=services, actions=actions)
    parts = [each.split("/") for each in standard_interfaces()]
    print_names(sorted({package for package, kind, _ in parts if kind in kinds}), as_json=as_json)


@app.command(
    "import",
    epilog=examples_epilog(
        ("dsmq-nodes interface import arm_interfaces", "a package: arm_interfaces.py"),
        ("dsmq-nodes interface import msg/Joint.msg -o joint.py", "a file"),
    ),
)
def import_(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE|PACKAGE...", help=".msg, .srv, .action, or a ROS package."),
    ],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The module to write.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
) -> None:
    """Write ROS interfaces as Python classes.

    A package is looked for in the working tree and in what is installed. A module of a package's
    name is named after it: its types then have the package's name in the graph.
    """
    interfaces = [found for source in sources for found in _read(source)]
    packages = {each.type_name.partition("/")[0] for each in interfaces}
    path = output or Path(f"{min(packages)}.py")
    if path.suffix != ".py" or not _is_word(path.stem):
        raise CommandError(f"{path}: a module's file is named as my_messages.py")
    if path.exists() and not force:
        raise CommandError(f"{path} is there already; --force writes over it, -o names another")
    doc = f"Interfaces of {', '.join(sorted(packages))}, made by `dsmq-nodes interface import`."
    try:
        made = python_module(interfaces, path.stem, doc)
    except MessageError as error:
        raise CommandError(str(error)) from None
    if path.stem in made.missing:
        raise CommandError(
            f"{path} would import itself: a type of {path.stem} is not among the files: name its "
            "file too, or write another module with -o"
        )
    try:
        path.write_text(made.text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from None
    print(f"{path}: {', '.join(each.type_name for each in interfaces)}")
    for package in made.missing:
        there = PACKAGES.find(package)
        how = (
            f"`dsmq-nodes interface import {package}` writes that"
            if there and package not in packages and _files(there.folder)
            else "name its files too"
        )
        print(f"it imports {package}: {how}")


def _read(source: str) -> list[Interface]:
    """Return the interfaces of a file or of a package.

    Raises:
        CommandError: there are no interfaces, or one cannot be read.
    """
    path = Path(source)
    if path.suffix[1:] in PARTS:
        if not path.is_file():
            raise CommandError(f"there is no file {source}")
        around = package_around(path)
        return [_interface(path, around.name if around else path.resolve().parent.name)]
    package = PACKAGES.find(source) or package_at(path)
    if package is None:
        known = {name: "" for name, each in PACKAGES.all.items() if _files(each.folder)}
        if not known:
            where = "neither in a folder of the working tree nor installed"
            raise CommandError(f"no package {source}: it is {where}; or name its .msg files")
        raise unknown("package", source, known)
    files = _files(package.folder)
    if not files:
        raise CommandError(f"{source} ({package.folder}) has no .msg, .srv or .action files")
    return [_interface(each, package.name) for each in files]


def _files(folder: Path) -> list[Path]:
    return [path for kind in PARTS for path in sorted((folder / kind).glob(f"*.{kind}"))]


def _types(package: RosPackage) -> list[str]:
    files = _files(package.folder)
    return [f"{package.name}/{each.parent.name}/{each.stem}" for each in files]


def _is_word(name: str) -> bool:
    """Whether a program may define this name."""
    return name.isidentifier() and not keyword.iskeyword(name)


def _interface(path: Path, package: str) -> Interface:
    package = "my_interfaces" if package in PARTS else package
    name = f"{package}/{path.suffix[1:]}/{path.stem}"
    # It is written into a program.
    if not _is_word(path.stem) or not package.replace("-", "_").isidentifier():
        raise CommandError(f"{str(path)!r}: {name!r} is no name of a type: rename it")
    try:
        return Interface(name, read_interface(path.read_text("utf-8"), name))
    except (MessageError, OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}") from None
