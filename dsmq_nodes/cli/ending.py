"""Signals that end a command: SystemExit, raised in the running code, closes all on the way out."""

# `signal` around it takes as long to import as all before `main`.
import _signal  # type: ignore[import-not-found]
import _thread
import sys
import time

_MAKERS = (["bag", "convert"], ["bag", "repair"])
_AGAIN_SEC = 0.02
asked: list[int] = []
"""The exit statuses that signals have asked for."""


def end_at_ctrl_c() -> None:
    """Let Ctrl-C end the command."""
    _signal.signal(_signal.SIGINT, end)
    sys.unraisablehook = _unraisable


def end(number: int, frame: object) -> None:
    """Handle a signal.

    Raises:
        SystemExit: always.
    """
    # For `bag convert ... && rm ...`: also before it has begun.
    asked.append(128 + number if sys.argv[1:3] in _MAKERS else 0)
    sys.exit(asked[0])


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """Ask once more where Python drops exceptions, as in the code that each import ends with."""
    if asked and what.exc_type is SystemExit:
        _thread.start_new_thread(_ask_again, (_thread.get_ident(),))
    else:
        sys.__unraisablehook__(what)


def _ask_again(main_thread: int) -> None:
    time.sleep(_AGAIN_SEC)  # the hook itself has returned: in it, too, an exception is dropped
    if sys.platform == "win32":
        _signal.raise_signal(_signal.SIGINT)
    else:  # where the main thread sleeps, this wakes it
        _signal.pthread_kill(main_thread, _signal.SIGINT)
