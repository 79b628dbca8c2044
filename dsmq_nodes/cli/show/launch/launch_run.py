"""`dsmq-nodes launch`: starts a launch file, or prints its plan, or the schema of launch files."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from dsmq_nodes.bag.optional import need_bag
from dsmq_nodes.class_import import package_folder
from dsmq_nodes.cli.show.launch.launch_web import web_beside
from dsmq_nodes.dsmq.address import DEFAULT_PORT, parse_address
from dsmq_nodes.dsmq.loopback import is_loopback
from dsmq_nodes.errors import CommandError
from dsmq_nodes.given_files import resolved, working_directory
from dsmq_nodes.graph.parameters.yaml_source import read_file
from dsmq_nodes.launcher.file.arguments import parse
from dsmq_nodes.launcher.launch_file import is_of_ros, launch_plan, load_plan
from dsmq_nodes.launcher.supervise.plan import Plan
from dsmq_nodes.messages.schema.ros_packages import PACKAGES
from dsmq_nodes.suggest import did_you_mean, written


def parse_args(words: Sequence[str]) -> Mapping[str, str]:
    """Return the values of `name:=value` words; a wrong word is a wrong use of the command line."""
    try:
        return parse(words)
    except CommandError as error:
        raise typer.BadParameter(str(error)) from None


def found(file: Path, words: list[str]) -> tuple[Path, list[str]]:
    """Return the launch file and its arguments; ros2's words `PACKAGE FILE` are a package's file.

    The package is one of ROS or of Python.

    Raises:
        CommandError: there is no such package, or it has no such file.
    """
    if len(file.parts) > 1 or file.is_file() or (words and "=" in words[0]):
        return file, words
    package = PACKAGES.find(str(file))
    if not words and package is None:
        return file, words
    folder = package.folder if package else package_folder(str(file))
    if folder is None:
        raise CommandError(
            f"there is neither a file nor a package {str(file)!r}; "
            f"{did_you_mean(str(file), PACKAGES.all)}"
        )
    name, *rest = words or [""]
    end = f"/{name.lstrip('/')}"
    files = sorted(each for each in folder.rglob("*") if f"{each}".endswith(end) and each.is_file())
    if not files:
        known = [each.name for each in folder.glob("launch/*") if each.is_file()]
        raise CommandError(f"{file} ({folder}) has no file {name!r}; {did_you_mean(name, known)}")
    return files[0], rest


def print_arguments(file: Path, words: Sequence[str]) -> None:
    """Print the arguments in `args:` of a launch file, in the form of ros2."""
    if is_of_ros(file):
        arguments: Mapping[str, Any] = _ros_plans().arguments_of(file, parse_args(words))
    else:
        data = read_file(file, str(file)).data
        arguments = (data.get("args") if isinstance(data, dict) else None) or {}
    print("Arguments (pass arguments as '<name>:=<value>'):\n" if arguments else "No arguments.")
    for name, each in arguments.items():
        declared = each if isinstance(each, dict) else {"default": each}
        choices = f" Valid choices are: {declared['choices']}" if declared.get("choices") else ""
        print(
            f"    '{name}':\n        {declared.get('description', 'no description given')}{choices}"
        )
        if "default" in declared:
            print(f"        (default: {written(declared['default'])!r})")


def run(
    file: Path,
    args: Sequence[str],
    *,
    duration_sec: float | None,
    table: bool,
    strict_rates: bool,
    warm: bool,
    record: str,
    web: bool,
    broker: str,
    dry_run: bool,
) -> int:
    """Start a launch file and wait for its end; return the exit status."""
    working_directory()  # nodes run there
    if duration_sec is not None and math.isnan(duration_sec):
        raise typer.BadParameter("--duration is no number")
    given = parse_args(args)
    plan: Plan = (
        _ros_plans().load_ros_plan(file, given) if is_of_ros(file) else load_plan(file, given)
    )
    if broker:
        plan = replace(plan, elsewhere=str(parse_address(broker)))
    elif is_of_ros(file) and not dry_run:
        plan, which = _ros_plans().with_local_broker(plan)
        print(which, file=sys.stderr)
    if web:
        plan = web_beside(plan)
    _warn_of_unused_broker(plan)
    if dry_run:
        print(plan)
        return 0
    if record:
        need_bag()
        from dsmq_nodes.cli.show.launch.launch_record import recorder_beside  # noqa: PLC0415  of an extra

        plan = recorder_beside(plan, record, file)
    return launch_plan(
        plan, duration_sec=duration_sec, table=table, strict_rates=strict_rates, warm=warm
    )


def _warn_of_unused_broker(plan: Plan) -> None:
    where = os.environ.get("DSMQ_BROKER")
    if where and not plan.elsewhere and not _is_own_broker(where, plan):
        print(
            f"DSMQ_BROKER={where} is not used: this launch starts its own broker (--broker {where}"
            " uses that one)",
            file=sys.stderr,
        )


def _is_own_broker(where: str, plan: Plan) -> bool:
    """Whether an address is the future address of a plan's own broker."""
    address, argv = parse_address(where), plan.broker.argv
    port = argv[argv.index("--port") + 1] if "--port" in argv else str(DEFAULT_PORT)
    return is_loopback(address.host) and str(address.port) == port


def _ros_plans() -> Any:
    from dsmq_nodes.rclpy.launching import ros_plan  # noqa: PLC0415  100 ms: rclpy

    return ros_plan


def print_schema(folders: Sequence[str]) -> None:
    """Print the JSON Schema of launch files, with the node classes of a folder."""
    from dsmq_nodes.launcher.check.editor_schema import launch_schema  # noqa: PLC0415  20 ms

    working_directory()
    folder = Path(folders[0])
    if len(folders) > 1 or not folder.is_dir():
        raise typer.BadParameter("launch schema takes one folder, that of your project")
    print(json.dumps(launch_schema(resolved(folder)), indent=2))
