"""`dsmq-nodes check`: prints the mistakes in a launch file."""

import json
import sys
from pathlib import Path
from typing import Any

from dsmq_nodes.cli.show.launch.launch_run import found, parse_args
from dsmq_nodes.errors import CommandError, LaunchFileError, LaunchProblem
from dsmq_nodes.launcher.check.launch_check import Report, check
from dsmq_nodes.launcher.launch_file import is_of_ros


def check_and_print(file: Path, args: list[str], *, as_json: bool) -> bool:
    """Print the mistakes in a launch file; return whether there is none, except warnings."""
    file, args = found(file, args)
    given = parse_args(args)
    if is_of_ros(file):
        raise CommandError(
            f"{file} is a launch file of ROS: `dsmq-nodes launch --dry-run {file}` shows its plan "
            "or its mistakes, and starts nothing"
        )
    try:
        report = check(file, given)
    except LaunchFileError as error:
        report = Report(error.file, list(error.problems))
    if as_json:
        print(json.dumps(_as_json(report), indent=2))
    else:
        _show(report)
    return not report.errors


def _show(report: Report) -> None:
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


def _as_json(report: Report) -> dict[str, Any]:
    def shown(problem: LaunchProblem) -> dict[str, Any]:
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
