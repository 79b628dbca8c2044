"""Runs a plan with this process's terminal."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import override

from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.output.output import LaunchOutput
from dsmq_nodes.launcher.supervise.plan import Plan
from dsmq_nodes.launcher.supervise.supervisor import Supervisor
from dsmq_nodes.launcher.watch.observer import GraphObserver
from dsmq_nodes.launcher.watch.stop_memory import StopMemory
from dsmq_nodes.printable import is_drawn_on
from dsmq_nodes.topic_names import launch_node


def run_plan(
    plan: Plan,
    *,
    duration_sec: float | None = None,
    table: bool = True,
    strict_rates: bool = False,
    warm: bool = True,
) -> int:
    """Run a plan with this process's output; return the exit status of the launch.

    Args:
        plan: the plan to run.
        duration_sec: seconds after which the launch ends, once all nodes are ready.
        table: show a table of the processes, on a terminal; the key `t` hides and shows it.
        strict_rates: end when a node misses the rate that it declares.
        warm: fork Python processes from one that has imported the kit, where possible.

    Raises:
        CommandError: There is no /proc, in which the guard finds the processes that it ends.
    """
    if sys.platform == "linux" and not Path("/proc/self").exists():
        raise CommandError("a launch finds its processes in /proc: run `mount -t proc proc /proc`")
    out = sys.stdout.buffer
    output = LaunchOutput(
        out, sys.stderr.buffer, [each.name for each in (plan.broker, *plan.nodes)]
    )
    view = None
    # A node that draws on the terminal has the terminal for itself.
    if is_drawn_on(out) and not any(each.terminal for each in plan.nodes):
        from dsmq_nodes.launcher.watch.view import View  # noqa: PLC0415  26 ms: rich

        view = View(output, out, shown=table)

    async def run() -> int:
        name = launch_node(os.getpid() if plan.elsewhere else 0).rpartition("/")[2]
        stop = StopMemory(plan.stop_file, output.print_line) if plan.stop_file else None
        observer = GraphObserver(view, strict_rates=strict_rates, name=name, stop=stop)
        return await Supervisor(plan, output, observer, warm=warm).run(
            duration_sec, once_ready=True
        )

    with _logs_to(output):
        return asyncio.run(run())


class _OutputHandler(logging.Handler):
    """Writes log records with the launcher's lines, which never block."""

    def __init__(self, output: LaunchOutput) -> None:
        super().__init__(logging.WARNING)
        self._output = output

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._output.print_line(self.format(record))


@contextlib.contextmanager
def _logs_to(output: LaunchOutput) -> Iterator[None]:
    """Show this process's log in the output, unless the program configures logging itself."""
    root, handler = logging.getLogger(), _OutputHandler(output)
    if not root.handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
