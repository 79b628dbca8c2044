"""Signals that end a command: SystemExit in the running code, so that everything is closed."""

# The module `signal` takes as long to import as everything else before `main`.
import _signal  # type: ignore[import-not-found]
import _thread
import sys
import time

# Commands that do one thing and end: what a user has chained to them by `&&` must not begin.
_DO_ONE_THING = {
    ("check",),
    ("doctor",),
    ("action", "send_goal"),
    ("service", "call"),
    ("lifecycle", "set"),
    *(("param", verb) for verb in ("set", "load", "delete")),
    *(("node", verb) for verb in ("start", "restart", "stop")),
    *(("bag", verb) for verb in ("convert", "repair", "rerun")),
    *(("servo", verb) for verb in ("set-id", "calibrate")),
}
_COUNTED = ("-1", "--once", "-t", "--times")  # of `topic`
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
    asked.append(128 + number if _does_one_thing(sys.argv[1:]) else 0)
    sys.exit(asked[0])


def _does_one_thing(words: list[str]) -> bool:
    if words[:1] == ["topic"]:
        return any(word.startswith(_COUNTED) for word in words)
    return not _DO_ONE_THING.isdisjoint({tuple(words[:1]), tuple(words[:2])})


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
