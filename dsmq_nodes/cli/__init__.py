"""The command line: `dsmq-nodes`, the only place of the product that prints.

Until `main` has begun Python answers a Ctrl-C, with a traceback: so this file imports next to
nothing, and `main` imports the rest.
"""

import gc
import sys

from dsmq_nodes.cli.ending import end_at_ctrl_c


def main() -> None:
    """Run the command line.

    Ctrl-C, SIGTERM and a closed terminal end a command with exit status 0; one that does a single
    thing, as `check` or `action send_goal`, with 128 plus the signal's number. An error is one text
    on standard error and exit status 1, also when output cannot be written. A wrong use of the
    command line is exit status 2.

    Raises:
        SystemExit: always.
    """
    gc.disable()  # until the modules of the command are loaded (app.py, program.py)
    if sys.argv[1:2] == ["run"]:
        _run_a_program(sys.argv[2:])
    end_at_ctrl_c()
    from dsmq_nodes.cli.command_line import run_command  # noqa: PLC0415  100 ms

    run_command()


def _run_a_program(words: list[str]) -> None:
    """Run `dsmq-nodes run`, which leaves signals, streams and its arguments to the program."""
    try:
        from dsmq_nodes.rclpy.running.program import exit_with  # noqa: PLC0415  for this command alone
    except KeyboardInterrupt:
        sys.exit(0)
    exit_with(words)
