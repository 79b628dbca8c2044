"""`dsmq-nodes check`: what is wrong with a launch file, without starting it."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsmq_nodes.cli.launch import ArgsArgument, FileArgument, parse_args
from dsmq_nodes.cli.options import examples_epilog

if TYPE_CHECKING:
    from dsmq_nodes.errors import LaunchProblem
    from dsmq_nodes.launcher.check.launch_check import Report


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(
        "check",
        epilog=examples_epilog(
            ("dsmq-nodes check launch/cpu_servo.yaml", ""),
            ("dsmq-nodes check robot.yaml port:=0 --json", "for other programs"),
        ),
    )(check)


def check(
    file: FileArgument,
    args: ArgsArgument = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find what is wrong with a launch file: nothing is started, all is told at once.

    The classes are imported and made, in another process and without a broker: parameters, types
    at both ends of every topic, and names are checked against what they really have.

    The exit status is 0 when nothing is wrong, warnings aside, and 1 when something is.
    """
    # Here, because `--help` is to be quick.
    from dsmq_nodes.errors import LaunchFileError  # noqa: PLC0415
    from dsmq_nodes.launcher.check.launch_check import Report  # noqa: PLC0415
    from dsmq_nodes.launcher.check.launch_check import check as check_file  # noqa: PLC0415

    given = parse_args(args)
    try:
        report = check_file(file, given)
    except LaunchFileError as error:
        report = Report(error.file, list(error.problems))
    if as_json:
        print(json.dumps(_as_json(report), indent=2))
    else:
        _show(report)
    raise typer.Exit(1 if report.errors else 0)


def _show(report: "Report") -> None:
    from dsmq_nodes.errors import LaunchFileError  # noqa: PLC0415

    if report.errors:
        print(LaunchFileError(report.file, report.errors), file=sys.stderr)
    if report.warnings:
        warnings = [each._replace(message=f"warning: {each.message}") for each in report.warnings]
        print(LaunchFileError(report.file, warnings), file=sys.stderr)
    found = [
        _count(len(each), what)
        for each, what in ((report.errors, "error"), (report.warnings, "warning"))
        if each
    ]
    seen = f"{_count(report.nodes, 'node')}, {_count(report.topics, 'topic')}"
    print(f"{report.file}: {seen}: {', '.join(found) or 'nothing is wrong'}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _as_json(report: "Report") -> dict[str, Any]:
    def shown(problem: "LaunchProblem") -> dict[str, Any]:
        return {
            "file": problem.file or report.file,
            "line": problem.line,
            "column": problem.column,
            "message": problem.message,
            "source": problem.source,
        }

    return {
        "file": report.file,
        "nodes": report.nodes,
        "topics": report.topics,
        "errors": [shown(problem) for problem in report.errors],
        "warnings": [shown(problem) for problem in report.warnings],
    }
