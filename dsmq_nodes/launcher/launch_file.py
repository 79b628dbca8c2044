"""Loads a launch file and runs it to its end."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dsmq_nodes.given_files import bytes_of, is_endless
from dsmq_nodes.launcher.file.read import load_to_launch
from dsmq_nodes.launcher.supervise.plan import Plan, find_project_root
from dsmq_nodes.launcher.supervise.planning import make_plan

_OF_ROS: Final = re.compile(rb"^launch:", re.MULTILINE)


def is_of_ros(path: Path) -> bool:
    """Whether a launch file is one of ROS: Python, XML, or YAML with a list under `launch:`."""
    if path.suffix in {".py", ".xml", ".launch"}:
        return True
    try:
        return not is_endless(path) and bool(_OF_ROS.search(bytes_of(path)))
    except (OSError, ValueError):
        return False


def load_plan(path: Path, args: Mapping[str, str] | None = None) -> Plan:
    """Return the plan of a launch file.

    Args:
        path: the launch file.
        args: its arguments, by name.

    Raises:
        LaunchFileError: The file is wrong.
    """
    root = find_project_root(path)
    return make_plan(load_to_launch(path, root, args), root)


def launch(
    path: Path,
    args: Mapping[str, str] | None = None,
    *,
    duration_sec: float | None = None,
    table: bool = True,
    strict_rates: bool = False,
    warm: bool = True,
) -> int:
    """Start the broker and the nodes of a launch file, and run them to their end.

    Args:
        path: the launch file.
        args: its arguments, by name.
        duration_sec: seconds after which the launch ends, once all nodes are ready; None: it ends
            on Ctrl-C or SIGTERM.
        table: show a table of the processes, on a terminal; the key `t` hides and shows it.
        strict_rates: end when a node misses the rate that it declares.
        warm: fork Python nodes from one process that has imported the kit, where possible.
    """
    plan = load_plan(path, args)
    return launch_plan(
        plan, duration_sec=duration_sec, table=table, strict_rates=strict_rates, warm=warm
    )


def launch_plan(
    plan: Plan,
    *,
    duration_sec: float | None = None,
    table: bool = True,
    strict_rates: bool = False,
    warm: bool = True,
) -> int:
    """Start the processes of a plan and run them to their end; arguments as for `launch`."""
    from dsmq_nodes.launcher.supervise.run_plan import run_plan  # noqa: PLC0415  130 ms: a node

    return run_plan(
        plan, duration_sec=duration_sec, table=table, strict_rates=strict_rates, warm=warm
    )
