"""Signals that end a command: SystemExit, raised in the running code, closes all on the way out."""

# `signal` around it takes as long to import as all before `main`.
import _signal  # type: ignore[import-not-found]
import sys

_MAKERS = (["bag", "convert"], ["bag", "repair"])
asked: list[int] = []
"""The exit statuses that signals have asked for."""


def end_at_ctrl_c() -> None:
    """Let Ctrl-C end the command."""
    _signal.signal(_signal.SIGINT, end)


def end(number: int, frame: object) -> None:
    """Handle a signal.

    Raises:
        SystemExit: always.
    """
    # For `bag convert ... && rm ...`: also before it has begun.
    asked.append(128 + number if sys.argv[1:3] in _MAKERS else 0)
    sys.exit(asked[0])
