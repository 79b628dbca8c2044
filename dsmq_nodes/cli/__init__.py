"""The command line: `dsmq-nodes`, the only place of the product that prints.

What a command imports is imported inside it: `dsmq-nodes --help` loads typer and nothing else.
"""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line.

    Ctrl-C ends any command with exit status 0; an error is one text on standard error and exit
    status 1; a wrong use of the command line is exit status 2.

    Raises:
        SystemExit: always.
    """
    # Raised where the program is, so that everything is closed on the way out. The broker and the
    # launcher put their own in its place.
    signal.signal(signal.SIGINT, _end)
    status = 0
    try:
        _run()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _flush()
    sys.exit(status)


def _run() -> None:
    from dsmq_nodes.cli.app import app  # noqa: PLC0415
    from dsmq_nodes.errors import DsmqError  # noqa: PLC0415

    try:
        app(prog_name="dsmq-nodes")
    except DsmqError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _flush() -> None:
    """Write out what is left; a reader that is gone (`| head`) is no error of ours."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
