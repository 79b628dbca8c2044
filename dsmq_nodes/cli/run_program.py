"""`dsmq-nodes run`: one program for rclpy, or one node. `rclpy.running` parses the arguments."""

from typing import Annotated

import typer

from dsmq_nodes.cli.options import examples_epilog, new_app
from dsmq_nodes.rclpy.running.program import exit_with

app = new_app()


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=examples_epilog(("dsmq-nodes run talker.py --ros-args -r chatter:=/a", "")),
)
def run(
    words: Annotated[
        list[str],
        typer.Argument(metavar="PROGRAM [WORDS]...", help="The program, and its arguments."),
    ],
) -> None:
    """Run one program for rclpy, unchanged, or one node. The words are those of `ros2 run`."""
    exit_with(words)
