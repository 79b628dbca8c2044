"""`dsmq-nodes check`: the mistakes in a launch file, without starting it."""

from typing import Annotated

import typer

from dsmq_nodes.cli.launch import ArgsArgument, FileArgument
from dsmq_nodes.cli.options import examples_epilog, new_app

app = new_app()


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes check launch/cpu_servo.yaml", ""),
        ("dsmq-nodes check robot.yaml port:=0 --json", "for other programs"),
    ),
)
def check(
    file: FileArgument,
    args: ArgsArgument = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find every mistake in a launch file; nothing is started.

    The classes are imported and made, in another process and without a broker: parameters, types
    at both ends of every topic, and names are checked against the real ones.

    The exit status is 1 when there is an error, 0 when there are only warnings or none.
    """
    from dsmq_nodes.cli.show.launch.check_report import check_and_print  # noqa: PLC0415  240 ms: the launcher

    if not check_and_print(file, args or [], as_json=as_json):
        raise typer.Exit(1)
