"""`dsmq-nodes launch`: start a launch file, print its plan or the schema of launch files."""

from pathlib import Path
from typing import Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.options import examples_epilog, new_app

app = new_app()

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


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes launch launch/talker_listener.yaml", ""),
        ("dsmq-nodes launch launch/cpu_servo.yaml --duration 40", "ends after 40 s"),
        ("dsmq-nodes launch robot.yaml port:=0 --dry-run", "what it would start"),
        ("dsmq-nodes launch robot.yaml --record ring=60s", "a bundle when a node fails"),
        ("dsmq-nodes launch robot.yaml --web", "see it and drive it in a browser"),
        ("dsmq-nodes launch arm.yaml --broker robot.local:30008", "on a second machine"),
        ("dsmq-nodes launch schema > launch.schema.json", "for your editor"),
    ),
)
def launch(
    file: FileArgument,
    args: ArgsArgument = None,
    *,
    duration: Annotated[
        float | None,
        typer.Option(metavar="SEC", min=0, help="End so many seconds after all nodes are ready."),
    ] = None,
    table: Annotated[
        bool,
        typer.Option("--table/--no-table", help="On a terminal: show a table; key t hides it."),
    ] = True,
    strict_rates: Annotated[
        bool,
        typer.Option("--strict-rates", help="Fail when a node misses its rate by 5 % over 5 s."),
    ] = False,
    warm: Annotated[
        bool,
        typer.Option(
            "--warm/--no-warm", help="Fork Python nodes from one process; else an interpreter each."
        ),
    ] = True,
    record: Annotated[
        str,
        typer.Option(
            metavar="NAME|ring=60s",
            help="Record all topics to a bag; or keep the last 60 s, for when a node fails.",
        ),
    ] = "",
    web: Annotated[
        bool, typer.Option("--web", help="With a dashboard, as `web: 8080` in the file.")
    ] = False,
    broker: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Use this broker and start none; its token is in DSMQ_TOKEN.",
        ),
    ] = "",
    show_args: Annotated[
        bool,
        typer.Option("--show-args", "-s", help="Show the file's arguments, and start nothing."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, and start nothing.")
    ] = False,
) -> None:
    """Start the broker and the nodes of a launch file. Ctrl-C ends them.

    A launch file of a ROS or Python package is also named as for ros2: `launch PACKAGE FILE`.

    `launch schema [FOLDER]` prints a JSON Schema of launch files for your editor, with the node
    classes that are found in the folder, else in the current one, and their parameters.

    The exit status is 0 when all went well, 1 when the file is wrong or something failed.
    """
    from dsmq_nodes.cli.show.launch import launch_run  # noqa: PLC0415  190 ms: the launcher

    if str(file) == _SCHEMA and not file.exists():
        launch_run.print_schema(args or ["."])
        return
    file, args = launch_run.found(file, args or [])
    if show_args:
        launch_run.print_arguments(file, args)
        return
    status = launch_run.run(
        file,
        args,
        duration_sec=duration,
        table=table,
        strict_rates=strict_rates,
        warm=warm,
        record=record,
        web=web,
        broker=broker,
        dry_run=dry_run,
    )
    raise typer.Exit(status)
