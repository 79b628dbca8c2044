"""A command from its first word to its exit status: streams, signals, errors.

`dsmq-nodes --help` loads typer and nothing else. The file of a command is loaded when the command
is called (app.py); a module that takes over 20 ms and serves one command is loaded in that command.
"""

import contextlib
import errno
import gc
import os
import signal
import sys
from typing import TextIO

from dsmq_nodes.cli.app import app
from dsmq_nodes.cli.ending import asked, end
from dsmq_nodes.cli.terminal import TerminalOutput, taken_over
from dsmq_nodes.dsmq.exhausted import exhausted
from dsmq_nodes.errors import CommandError, DsmqError, LaunchFileError
from dsmq_nodes.printable import indented
from dsmq_nodes.signals import ending_signals


def run_command() -> None:
    """Run the command that `sys.argv` names.

    Raises:
        SystemExit: always; its status is that of `main`.
    """
    _open_streams()
    # `shutil.get_terminal_size` asks the original stream, which has been taken over.
    out = sys.stdout = sys.__stdout__ = taken_over(sys.stdout)  # type: ignore[misc]
    sys.stderr = taken_over(sys.stderr)
    # Raised in the running code, so that everything is closed on the way out. The broker and the
    # launcher install their own handlers.
    for number in ending_signals():
        signal.signal(number, end)
    status = 0
    try:
        _run()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(out.failed, BrokenPipeError):
            status = 0  # typer ends with 1
    except Exception as error:
        if asked:  # a library has made another exception of the one that ends the command
            status = asked[0]
        elif error is not out.failed:
            if not (text := exhausted(error) or _unusable(error)):
                raise
            _print_error(text)
            status = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(_flush(out) or status)


def _run() -> None:
    gc.freeze()  # at the end of the process no collection is needed
    try:
        app(prog_name="dsmq-nodes")
    except (CommandError, LaunchFileError) as error:
        _print_error(f"{error}")  # it may have several lines
        sys.exit(1)
    except DsmqError as error:
        _print_error(indented(f"{error}"))
        sys.exit(1)


def _unusable(error: Exception) -> str:
    """Return what is wrong with a path that a user has named; "" for other errors."""
    if not isinstance(error, OSError) or error.errno not in {errno.EACCES, errno.ENAMETOOLONG}:
        return ""
    return f"{error.filename}: {error.strerror}" if error.filename else ""


def _open_streams() -> None:
    """Open all three streams: one that the shell has closed (`>&-`) leads nowhere.

    Otherwise the next file or socket would get its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(fd, True)
            setattr(sys, name, os.fdopen(fd, mode))


def _flush(out: TerminalOutput) -> int:
    """Write out the rest of the output; return 1 when that fails, with a message.

    A reader that has closed the stream (`| head`) is not an error.
    """
    with contextlib.suppress(OSError):
        out.flush()
    if out.failed is None:
        return 0
    _lead_nowhere(out)
    if isinstance(out.failed, BrokenPipeError):
        return 0
    _print_error(f"cannot write to the output: {out.failed.strerror}")
    return 1


def _print_error(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # it cannot be reported anywhere
        _lead_nowhere(sys.stderr)


def _lead_nowhere(stream: TextIO) -> None:
    """Redirect the stream, since Python flushes once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
