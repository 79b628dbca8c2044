"""The command `dsmq-nodes`: the list of commands. A command's file is loaded when it is called."""

import gc
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typing_extensions import override

import dsmq_nodes
from dsmq_nodes import speedups
from dsmq_nodes.cli.options import new_app
from dsmq_nodes.cli.ros_words import done_otherwise

# The names, and the first sentence of the help of each: a line of 80 columns holds it.
_COMMANDS: Final = {
    "launch": "Start the broker and the nodes of a launch file.",
    "run": "Run one program for rclpy, unchanged, or one node.",
    "check": "Find every mistake in a launch file; nothing is started.",
    "new": "Make a project: sensor, controller, message, launch file, test.",
    "bench": "Measure what this machine and its broker carry.",
    "graph": "Show which node publishes and subscribes which topic.",
    "log": "Follow the log of all nodes, or change a node's level.",
    "top": "Show nodes and topics with rates, latencies and losses.",
    "doctor": "Find out why a callback is not called.",
    "docs": "Show the guide, also without a network.",
    "web": "Serve the dashboard, rosbridge and Foxglove.",
    "broker": "Run a broker until Ctrl-C; `launch` starts one by itself.",
    "topic": "Topics: see their messages, rates and types; publish.",
    "node": "Nodes: list, info; of a launch also restart, stop, log.",
    "service": "Services: list them, see their servers, call them.",
    "param": "Parameters of the nodes: see and change them.",
    "action": "Actions: list them, see their servers, send them goals.",
    "interface": "Types of messages, services and actions.",
    "lifecycle": "Lifecycle nodes: list them, see their states and change them.",
    "tf": "Coordinate frames: where they are, who publishes them.",
    "uplink": "Join this machine's broker to those of other machines.",
    "bridge": "Bridges to other worlds: ros2.",
    "teleop": "Drive a robot, or move an arm, by the keys of a terminal.",
    "servo": "Bus servos of an arm: find, watch, calibrate them.",
    "episode": "Mark episodes in a running recording.",
    "bag": "Bags: record topics, look at a recording, play it back.",
}
# Whose verbs users write alone; their files load fast.
_NOUNS: Final = ("topic", "node", "service", "param", "action", "lifecycle", "tf", "bag")
# Commands in a file of another name, since file names are unique in the package.
_FILES: Final = {
    "run": "run_program",
    "log": "logs",
    "node": "nodes",
    "action": "actions",
    "lifecycle": "lifecycle_nodes",
    "uplink": "uplinks",
}


class Commands(TyperGroup):
    """All commands, listed and completed by name; the file of a command is loaded to run it.

    So each of these files imports at its top, and delays no other command. A command imports the
    modules that take long and that its neighbours do not need when it runs.
    """

    def __init__(self, **attrs: Any) -> None:
        """Store the names of the commands, each with a line about it."""
        super().__init__(**attrs)
        self.commands = {name: TyperCommand(name, help=about) for name, about in _COMMANDS.items()}

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args[0] == "help":  # as in git and apt
            print(ctx.get_help())
            ctx.exit()
        if hint := done_otherwise(args[0], args[1:]):
            ctx.fail(hint)
        if args[0] not in self.commands and (meant := _with_verb(args[0])):
            ctx.fail(f"No such command '{args[0]}'. Did you mean {', '.join(meant)}?")
        name, command, rest = super().resolve_command(ctx, args)
        found = load(name) if command and name else None
        if not gc.isenabled():  # since `main`: what has been loaded lives as long as the process
            gc.freeze()
            gc.enable()
        return name, found, rest


def load(name: str) -> Any:
    """Return the command of a name, with its options, or with its own commands."""
    return get_command(import_module(f"dsmq_nodes.cli.{_FILES.get(name, name)}").app)


def _with_verb(verb: str) -> list[str]:
    """Return the commands that have this verb, as 'topic echo'."""
    return [f"'{noun} {verb}'" for noun in _NOUNS if verb in load(noun).commands]


app = new_app(
    "ROS-style robot nodes on a dead simple message queue.",
    ("dsmq-nodes launch launch/talker_listener.yaml", "a broker and all nodes"),
    ("dsmq-nodes topic list -t", "in a second terminal"),
    ("dsmq-nodes topic echo /chatter", ""),
    cls=Commands,
    add_completion=True,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dsmq-nodes {dsmq_nodes.__version__}, {speedups.path()}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
