"""`LaunchService`: a program runs launch descriptions by itself, with this kit's launcher."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dsmq_nodes.launcher.launch_file import launch_plan
from dsmq_nodes.rclpy.launching.actions import visit_all
from dsmq_nodes.rclpy.launching.ros_plan import plan_of
from dsmq_nodes.rclpy.launching.visiting import SourceLine, Visit
from dsmq_nodes.rclpy.running.local_broker import broker_of_program

_SEPARATOR = ":="


class LaunchService:
    """Runs launch descriptions, once."""

    def __init__(
        self,
        *,
        argv: Iterable[str] | None = None,
        noninteractive: bool = False,
        debug: bool = False,
    ) -> None:
        """Prepare a launch; `argv` has its arguments, each as `name:=value`."""
        words = [word.partition(_SEPARATOR) for word in argv or () if _SEPARATOR in word]
        self._arguments = {name: value for name, _, value in words}
        self._descriptions: list[Any] = []

    def include_launch_description(self, launch_description: Any) -> None:
        """Add a launch description."""
        self._descriptions.append(launch_description)

    def run(self, *, shutdown_when_idle: bool = True) -> int:
        """Start the processes of the actions and wait for their end; return 0, or 1 after a fault.

        The processes use the broker of this program.

        Raises:
            LaunchFileError: there is a mistake, or an unknown name; nothing was started.
        """
        program = Path(sys.argv[0]).resolve()
        context = Visit(program, dict(self._arguments))
        visit_all(self._descriptions, context, SourceLine())
        plan = plan_of(context, str(program), self._arguments)
        sys.stdout.flush()  # the launcher writes to the descriptor directly
        return launch_plan(replace(plan, elsewhere=broker_of_program()))
