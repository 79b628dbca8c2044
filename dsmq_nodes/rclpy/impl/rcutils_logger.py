"""Loggers: levels, and filters with a state for each line of the program that logs."""

import os
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dsmq_nodes.rclpy.clock import Clock
from dsmq_nodes.rclpy.impl.c_errors import wrong_arguments
from dsmq_nodes.rclpy.impl.log_output import Line, log_output
from dsmq_nodes.rclpy.impl.logging_severity import LoggingSeverity

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SEPARATOR: Final = "."
_OPTIONS_OF: Final = {
    "throttle": ("throttle_duration_sec", "throttle_time_source_type"),
    "skip_first": ("skip_first",),
    "once": ("once",),
}
_OPTIONS: Final = [option for options in _OPTIONS_OF.values() for option in options]
_wall_clock: Final = Clock()
_LOG: Final = (
    "rclpy_logging_rcutils_log(arg0: typing.SupportsInt, arg1: str, arg2: str, arg3: str, "
    "arg4: str, arg5: typing.SupportsInt) -> None"
)


class CallerId(NamedTuple):
    """The place of a call."""

    function_name: str
    file_path: str
    line_number: int
    last_index: int


def _caller() -> CallerId:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    assert frame is not None
    code = frame.f_code
    path = code.co_filename
    if not path.startswith("/"):
        path = os.path.abspath(path)  # noqa: PTH100  it may be no file at all
    return CallerId(code.co_name, path, frame.f_lineno, frame.f_lasti)


class _Filter:
    """The state of one place's filters."""

    def __init__(self, severity: int, name: str, filters: list[str], given: dict[str, Any]) -> None:
        self.severity, self.name, self.filters = severity, name, filters
        self.given = given
        clock = given.get("throttle_time_source_type", _wall_clock)
        if "throttle" in filters and not isinstance(clock, Clock):
            raise ValueError(
                f'Received throttle_time_source_type of "{clock}" is not a clock instance'
            )
        self._last_ns = 0
        self._was_skipped = False
        self._was_logged = False

    def wants_other(
        self, severity: int, name: str, filters: list[str], given: dict[str, Any]
    ) -> bool:
        if (self.severity, self.name, self.filters) != (severity, name, filters):
            return True
        return any(self.given.get(option) != given.get(option) for option in self._options())

    def _options(self) -> list[str]:
        """Return the options that count: those of the filters that are asked for."""
        return [option for each in self.filters for option in _OPTIONS_OF[each]]

    def lets_pass(self) -> bool:
        return all(self._PASS[each](self) for each in self.filters)

    def _throttle(self) -> bool:
        clock = self.given.get("throttle_time_source_type") or _wall_clock
        now_ns = clock.now().nanoseconds
        if now_ns < self._last_ns + self.given["throttle_duration_sec"] * 1e9:
            return False
        self._last_ns = now_ns
        return True

    def _skip_first(self) -> bool:
        was, self._was_skipped = self._was_skipped, True
        return was

    def _once(self) -> bool:
        was, self._was_logged = self._was_logged, True
        return not was

    _PASS: Final[dict[str, "Callable[[_Filter], bool]"]] = {
        "throttle": _throttle,
        "skip_first": _skip_first,
        "once": _once,
    }


def _filters(given: dict[str, Any]) -> list[str]:
    """Return the filters that the options of a call ask for.

    Raises:
        TypeError: an option is not known, or the throttle has no duration.
    """
    for name in given:
        if name not in _OPTIONS:
            raise TypeError(
                f'parameter "{name}" is not one of the recognized logging options "{_OPTIONS}"'
            )
    found = []
    if given.get("throttle_duration_sec") or given.get("throttle_time_source_type"):
        found.append("throttle")
        if "throttle_duration_sec" not in given:
            raise TypeError(
                'required parameter "throttle_duration_sec" not specified but is required for the '
                'the logging filter "throttle"'
            )
    return found + [name for name in ("skip_first", "once") if given.get(name)]


class RcutilsLogger:
    """A logger; two loggers of one name share only the level."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.contexts: dict[CallerId, _Filter] = {}

    def get_child(self, name: str) -> "RcutilsLogger":
        """Return a logger below this one.

        Raises:
            ValueError: the name is empty.
        """
        if not name:
            raise ValueError("Child logger name must not be empty.")
        full = self.name + _SEPARATOR + name if self.name else name
        publish = log_output.rosout.get(self.name) if self.name else None
        if publish is not None:
            log_output.rosout.setdefault(full, publish)
        return RcutilsLogger(full)

    def set_level(self, level: int | LoggingSeverity) -> None:
        """Set the level; UNSET: the parent's.

        Raises:
            ValueError: it is no level.
        """
        log_output.levels[self.name] = LoggingSeverity(level)

    def get_effective_level(self) -> LoggingSeverity:
        """Return the level that applies."""
        return LoggingSeverity(log_output.level(self.name))

    def is_enabled_for(self, severity: int | LoggingSeverity) -> bool:
        """Whether lines of this severity are written."""
        return LoggingSeverity(severity) >= log_output.level(self.name)

    def log(
        self,
        message: str | bytes | None,
        severity: int | LoggingSeverity,
        name: str | None = None,
        **kwargs: Any,
    ) -> bool:
        """Write a line; return whether it was written.

        Args:
            message: a text.
            severity: its level.
            name: the name of another logger to write it as.
            **kwargs: filters: `once`, `skip_first`, `throttle_duration_sec` and
                `throttle_time_source_type`.

        Raises:
            TypeError: an option is not known, or the message is no text.
            ValueError: the same line of the program has asked for other filters before.
        """
        if severity.__class__ is not LoggingSeverity:
            severity = LoggingSeverity(severity)
        if severity < log_output.level(self.name):
            return False
        name = self.name if name is None else name
        filters = _filters(kwargs) if kwargs else []
        place = _caller()
        known = self.contexts.get(place)
        if known is None:
            known = self.contexts[place] = _Filter(severity, name, filters, kwargs)
        elif known.wants_other(severity, name, filters, kwargs):
            _check_same(known, severity, name, filters)
        if filters and not known.lets_pass():
            return False
        given: object = message.decode() if isinstance(message, bytes) else message
        if given is not None and not isinstance(given, str):
            raise wrong_arguments(_LOG, severity, name, given, *place[:3])
        text = "(null)" if given is None else given.partition("\0")[0]
        log_output.write(
            Line(
                severity,
                name,
                text,
                time.time_ns(),
                place.function_name,
                place.file_path,
                place.line_number,
            )
        )
        return True

    def debug(self, message: str, **kwargs: Any) -> bool:
        """Write a line of DEBUG; see `log`."""
        return self.log(message, LoggingSeverity.DEBUG, **kwargs)

    def info(self, message: str, **kwargs: Any) -> bool:
        """Write a line of INFO; see `log`."""
        return self.log(message, LoggingSeverity.INFO, **kwargs)

    def warning(self, message: str, **kwargs: Any) -> bool:
        """Write a line of WARN; see `log`."""
        return self.log(message, LoggingSeverity.WARN, **kwargs)

    def warn(self, message: str, **kwargs: Any) -> bool:
        """Log as `warning` does; deprecated."""
        text = "Deprecated in favor of :py:classmethod:RcutilsLogger.warning:."
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return self.log(message, LoggingSeverity.WARN, **kwargs)

    def error(self, message: str, **kwargs: Any) -> bool:
        """Write a line of ERROR; see `log`."""
        return self.log(message, LoggingSeverity.ERROR, **kwargs)

    def fatal(self, message: str, **kwargs: Any) -> bool:
        """Write a line of FATAL; see `log`."""
        return self.log(message, LoggingSeverity.FATAL, **kwargs)


def _check_same(known: _Filter, severity: int, name: str, filters: list[str]) -> None:
    if known.severity != severity:
        raise ValueError("Logger severity cannot be changed between calls.")
    if known.name != name:
        raise ValueError("Logger name cannot be changed between calls.")
    if known.filters != filters:
        raise ValueError("Requested logging filters cannot be changed between calls.")
    raise ValueError("Logging filter parameters cannot be changed between calls.")
