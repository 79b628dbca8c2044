"""Signals that end a command: SystemExit in the running code, so that everything is closed."""

# The module `signal` takes as long to import as everything else before `main`.
import _signal  # type: ignore[import-not-found]
import _thread
import sys
import time

_JUDGED_BY_STATUS = (["check"], ["bag", "convert"], ["bag", "repair"])
_AGAIN_SEC = 0.02
asked: list[int] = []
"""The exit statuses requested by signals."""


def end_at_ctrl_c() -> None:
    """Let Ctrl-C end the command."""
    _signal.signal(_signal.SIGINT, end)
    sys.unraisablehook = _unraisable


def end(number: int, frame: object) -> None:
    """Handle a signal.

    Raises:
        SystemExit: always.
    """
    # A status other than 0, for `check ... && launch ...`, even before the command begins.
    is_judged = any(sys.argv[1 : 1 + len(each)] == each for each in _JUDGED_BY_STATUS)
    asked.append(128 + number if is_judged else 0)
    sys.exit(asked[0])


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """Send the signal again where Python drops exceptions, as at the end of each import."""
    if asked and what.exc_type is SystemExit:
        _thread.start_new_thread(_ask_again, (_thread.get_ident(),))
    else:
        sys.__unraisablehook__(what)


def _ask_again(main_thread: int) -> None:
    # the hook has returned by then: an exception in the hook would be dropped too
    time.sleep(_AGAIN_SEC)
    _signal.pthread_kill(main_thread, _signal.SIGINT)  # wakes the main thread, should it sleep
