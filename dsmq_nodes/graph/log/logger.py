"""A node's logger: rclpy's calls on the standard library's logging, and on `/rosout`."""

import inspect
import logging
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from dsmq_nodes.graph.log.rosout import Rosout
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.printable import traceback_text
from dsmq_nodes.standard_streams import StandardErrorHandler, keep_from_waiting
from dsmq_nodes.suggest import did_you_mean

_ROOT: Final = "dsmq_nodes.node"

# For programs that configure no logging: nodes warn just before they enter the safe state.
logging.lastResort = StandardErrorHandler(logging.WARNING)


_FOR_LOGGING: Final = {
    "exception": "write `traceback(text, error)` with the exception",
    "critical": "write `fatal(text)`",
    "log": "write `info(text)`, or another level's method",
}
_METHODS: Final = ("debug", "info", "warning", "error", "fatal", "get_child", "set_level")


class LogOptions(TypedDict, total=False):
    """When a call logs; counts are kept for each place in the code."""

    throttle_duration_sec: float
    once: bool
    skip_first: bool


class Logger:
    """Logs under a node's name; made by `Node.get_logger`.

    Every call takes, as in rclpy, `throttle_duration_sec` (at most once in that time from this
    place), `once` (only the first time) and `skip_first` (every time except the first).
    """

    def __init__(self, name: str, clock: BaseClock, rosout: Rosout | None = None) -> None:
        self.name = name
        self.rosout = rosout
        self._clock = clock
        self._logger = logging.getLogger(f"{_ROOT}.{_dotted(name)}")
        keep_from_waiting(self._logger)
        self._has_failed = False  # whether a failure of /rosout was logged
        self._skipped: set[tuple[str, int]] = set()
        self._logged_sec: dict[tuple[str, int], float] = {}

    def debug(self, text: str, **options: Unpack[LogOptions]) -> None:
        """Log for developers."""
        self._log(logging.DEBUG, text, options)

    def info(self, text: str, **options: Unpack[LogOptions]) -> None:
        """Log for users."""
        self._log(logging.INFO, text, options)

    def warning(self, text: str, **options: Unpack[LogOptions]) -> None:
        """Log a warning."""
        self._log(logging.WARNING, text, options)

    warn = warning

    def error(self, text: str, **options: Unpack[LogOptions]) -> None:
        """Log an error."""
        self._log(logging.ERROR, text, options)

    def fatal(self, text: str, **options: Unpack[LogOptions]) -> None:
        """Log an error that ends the node."""
        self._log(logging.CRITICAL, text, options)

    def traceback(self, what: str, error: BaseException) -> None:
        """Log an exception with its traceback, after a text."""
        text = f"{what}:\n{traceback_text(error).rstrip()}"
        self._log(logging.ERROR, text, {}, is_traceback=True)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise the error for a method that does not exist; Python calls this only then.

            Raises:
                AttributeError: The text says what to write instead of a method of `logging`.
            """
            hint = _FOR_LOGGING.get(name) or did_you_mean(name, _METHODS)
            raise AttributeError(f"a node's logger has no {name!r}; {hint}")

    def get_child(self, name: str) -> "Logger":
        """Return a logger for a part of the node; its name is `<node>.<name>`."""
        child = Logger(f"{self.name}.{name}", self._clock, self.rosout)
        # Shared, since programs often make a child for each call.
        child._skipped, child._logged_sec = self._skipped, self._logged_sec
        return child

    def named(self, name: str) -> "Logger | None":
        """Return this logger, or one below it, by its full name; None for any other name."""
        own, wanted = _dotted(self.name), _dotted(name)
        if wanted == own:
            return self
        return self.get_child(wanted[len(own) + 1 :]) if wanted.startswith(f"{own}.") else None

    def set_level(self, level: int) -> None:
        """Set the lowest level that is logged; levels are those of the `logging` module."""
        self._logger.setLevel(level)

    def get_effective_level(self) -> int:
        """Return the lowest level that is logged; levels are those of the `logging` module."""
        return self._logger.getEffectiveLevel()

    def _log(
        self, level: int, text: str, options: LogOptions, *, is_traceback: bool = False
    ) -> None:
        if options and not options.keys() <= LogOptions.__annotations__.keys():
            wrong = ", ".join(options.keys() - LogOptions.__annotations__.keys())
            raise TypeError(
                f"a logger's options are {', '.join(LogOptions.__annotations__)}, not {wrong}"
            )
        if not self._logger.isEnabledFor(level):
            return
        file, function, line = _place_of_call()
        if not options or self._is_due(options, (file, line)):
            extra = {"node": self.name, "is_traceback": is_traceback}
            keep_from_waiting(self._logger)  # a handler may have been added since
            # With this level a formatter's file and line are the program's.
            self._logger.log(level, "%s", text, extra=extra, stacklevel=3)
            if self.rosout is not None:
                self._publish(self.rosout, level, text, (file, function, line))

    def _publish(self, rosout: Rosout, level: int, text: str, place: tuple[str, str, int]) -> None:
        try:
            rosout.write(level, _dotted(self.name), str(text), place)
        except Exception as error:  # noqa: BLE001  a line of the log must not end a callback
            if not self._has_failed:
                self._has_failed = True
                self._logger.warning(
                    "not on /rosout, and others like it: %s: %s",
                    *(type(error).__name__, error),
                    extra={"node": self.name},
                )

    def _is_due(self, options: LogOptions, place: tuple[str, int]) -> bool:
        if options.get("skip_first") and place not in self._skipped:
            self._skipped.add(place)
            return False
        now_sec, last_sec = self._clock.monotonic_sec(), self._logged_sec.get(place)
        wait_sec = options.get("throttle_duration_sec", 0.0)
        if last_sec is not None and (options.get("once") or now_sec - last_sec < wait_sec):
            return False
        self._logged_sec[place] = now_sec
        return True


def _dotted(name: str) -> str:
    """Return a logger's name as ROS 2 and Python write it."""
    return name.strip("/").replace("/", ".")


def _place_of_call() -> tuple[str, str, int]:
    """Return the file, function and line of the call into this file."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    if frame is None:
        return "", "", 0
    return frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno
