"""`dsmq-nodes launch`: start a launch file, show what it would start, its schema."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.options import examples_epilog

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA = "schema"

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", autocompletion=complete.launch_files, help="The launch file (YAML)."
    ),
]
ArgsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME:=VALUE]...", help="Arguments that the file declares."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(
        "launch",
        epilog=examples_epilog(
            ("dsmq-nodes launch launch/talker_listener.yaml", ""),
            ("dsmq-nodes launch launch/cpu_servo.yaml --duration 40", "ends after 40 s"),
            ("dsmq-nodes launch robot.yaml port:=0 --dry-run", "what it would start"),
            ("dsmq-nodes launch robot.yaml --record ring=60s", "a bundle when a node fails"),
            ("dsmq-nodes launch schema > launch.schema.json", "for your editor"),
        ),
    )(launch)


def parse_args(words: list[str] | None) -> "Mapping[str, str]":
    """Return `name:=value` words; a wrong one is a wrong use of the command line."""
    from dsmq_nodes.errors import CommandError  # noqa: PLC0415
    from dsmq_nodes.launcher.file.arguments import parse  # noqa: PLC0415

    try:
        return parse(words or [])
    except CommandError as error:
        raise typer.BadParameter(str(error)) from None


def launch(
    file: FileArgument,
    args: ArgsArgument = None,
    *,
    duration: Annotated[
        float | None,
        typer.Option(metavar="SEC", min=0, help="End after this many seconds."),
    ] = None,
    table: Annotated[
        bool,
        typer.Option("--table/--no-table", help="On a terminal: show a table; key t hides it."),
    ] = True,
    strict_rates: Annotated[
        bool,
        typer.Option("--strict-rates", help="Fail when a node misses its rate by 5 % over 5 s."),
    ] = False,
    record: Annotated[
        str,
        typer.Option(
            metavar="NAME|ring=60s",
            help="Record all topics to a bag; or keep the last so long, for when a node fails.",
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be started, and start nothing.")
    ] = False,
) -> None:
    """Start the broker and the nodes of a launch file; Ctrl-C ends them.

    `launch schema [FOLDER]` prints a JSON Schema of launch files for your editor, with the node
    classes that are found in the folder, else in the current one, and their parameters.

    The exit status is 0 when all went well, 1 when the file is wrong or something failed.
    """
    # Here, because `--help` is to be quick.
    from dsmq_nodes.graph.parameters.yaml_source import working_directory  # noqa: PLC0415
    from dsmq_nodes.launcher import launch as launch_file  # noqa: PLC0415
    from dsmq_nodes.launcher import load_plan  # noqa: PLC0415

    working_directory()  # nodes run there
    if str(file) == _SCHEMA and not file.exists():
        _print_schema(args or ["."])
        return
    given = parse_args(args)
    if dry_run:
        print(load_plan(file, given))
        return
    extend = None
    if record:
        from dsmq_nodes.cli.show.launch_record import recorder_beside  # noqa: PLC0415  an extra's

        extend = recorder_beside(record, file)
    if duration is not None and math.isnan(duration):
        raise typer.BadParameter("--duration is no number")
    status = launch_file(
        file,
        given,
        duration_sec=duration,
        table=table,
        strict_rates=strict_rates,
        extend=extend,
    )
    raise typer.Exit(status)


def _print_schema(folders: list[str]) -> None:
    import json  # noqa: PLC0415

    from dsmq_nodes.graph.parameters.yaml_source import resolved  # noqa: PLC0415
    from dsmq_nodes.launcher.check.editor_schema import launch_schema  # noqa: PLC0415

    folder = Path(folders[0])
    if len(folders) > 1 or not folder.is_dir():
        raise typer.BadParameter("launch schema takes one folder, that of your project")
    print(json.dumps(launch_schema(resolved(folder)), indent=2))
