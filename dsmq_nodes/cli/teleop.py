"""`dsmq-nodes teleop`: driving by the keys of this terminal."""

import contextlib
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from dsmq_nodes.cli.options import BROKER, BrokerOption, new_app
from dsmq_nodes.devices.teleop.keyboard_teleop import (
    ARM_HELP,
    DRIVE_HELP,
    KeyboardArm,
    KeyboardDrive,
)
from dsmq_nodes.errors import CommandError
from dsmq_nodes.graph.run import run
from dsmq_nodes.launcher.watch.keys import in_background, single_keys

app = new_app(
    "Drive a robot, or move an arm, by the keys of a terminal. It moves while one is held.",
    ("dsmq-nodes teleop drive", "a base, on /cmd_vel"),
    ("dsmq-nodes teleop drive --topic /robot1/cmd_vel --linear 0.5", ""),
    ("dsmq-nodes teleop arm", "the joints of /joint_states, by /joint_command"),
)


@app.command()
def drive(
    *,
    topic: Annotated[
        str, typer.Option(metavar="TOPIC", help="A topic of type Twist.")
    ] = "/cmd_vel",
    linear: Annotated[float, typer.Option(metavar="M/S", min=0.0, help="At most.")] = 0.3,
    angular: Annotated[float, typer.Option(metavar="RAD/S", min=0.0, help="At most.")] = 1.0,
    broker: BrokerOption = BROKER,
) -> None:
    """Drive a base. Without a held key, a stop is published, then nothing."""
    with _single_keys(DRIVE_HELP):
        run(partial(KeyboardDrive, topic=topic, linear=linear, angular=angular, broker=broker))


@app.command()
def arm(
    *,
    states: Annotated[
        str, typer.Option(metavar="TOPIC", help="The topic of its state.")
    ] = "/joint_states",
    command: Annotated[
        str, typer.Option(metavar="TOPIC", help="The topic of its goals.")
    ] = "/joint_command",
    speed: Annotated[float, typer.Option(metavar="RAD/S", min=0.0, help="At most.")] = 0.5,
    broker: BrokerOption = BROKER,
) -> None:
    """Move an arm's joints; without a held key its driver holds."""
    with _single_keys(ARM_HELP):
        run(partial(KeyboardArm, states=states, commands=command, speed=speed, broker=broker))


@contextlib.contextmanager
def _single_keys(help_text: str) -> Iterator[None]:
    """Deliver each key at once, without echo, also after Ctrl-Z and `fg`.

    Raises:
        CommandError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise CommandError("teleop reads keys: start it in a terminal")
    fd = sys.stdin.fileno()

    def set_mode(*_: object) -> None:
        if in_background(fd):
            return
        with contextlib.suppress(termios.error):  # its window was closed meanwhile
            tty.setcbreak(fd, termios.TCSANOW)
            mode = termios.tcgetattr(fd)
            mode[0] &= ~termios.IXON  # Ctrl-S, which stops a terminal, is a key here
            termios.tcsetattr(fd, termios.TCSANOW, mode)

    with single_keys(fd):
        set_mode()
        signal.signal(signal.SIGCONT, set_mode)
        print(help_text, flush=True)
        yield
