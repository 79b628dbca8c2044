"""The destinations of log lines: standard error, in rcutils's format, and `/rosout`.

RCUTILS_CONSOLE_OUTPUT_FORMAT, RCUTILS_COLORIZED_OUTPUT and RCUTILS_LOGGING_USE_STDOUT in the
environment change the output.
"""

import os
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple, TextIO

from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.names.ros_arguments import LogSettings
from dsmq_nodes.standard_streams import write_error, write_output

_DEFAULT: Final = "[{severity}] [{time}] [{name}]: {message}"
_NAMES: Final = {10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "FATAL"}
_COLORS: Final = {10: "\x1b[32m", 20: "\x1b[0m", 30: "\x1b[33m", 40: "\x1b[31m", 50: "\x1b[31m"}
_INFO: Final = 20


class Line(NamedTuple):
    """One line of a log, and the place of the program that wrote it."""

    severity: int
    name: str
    message: str
    stamp_ns: int
    function: str
    file: str
    line: int


class LogOutput:
    """The loggers of this process: their levels, and the destinations of their lines.

    Attributes:
        rosout: the functions that publish the lines of a logger, by its name.
        to_rosout: whether lines are published at all.
    """

    def __init__(self) -> None:
        self.levels: dict[str, int] = {}
        self.rosout: dict[str, Callable[[Line], object]] = {}
        self.to_rosout = True
        self._to_console = True
        self._contexts = 0
        self._format: Callable[[Line], str] | None = None
        self._is_colored: bool | None = None
        self._to_stdout = False

    def begin(self, settings: LogSettings) -> None:
        """Begin a context: its command line's settings apply if there is no other context."""
        self._contexts += 1
        if self._contexts == 1:
            self.levels.update(settings.levels)
            self.to_rosout = settings.to_rosout
            self._to_console = settings.to_stdout

    def end(self) -> None:
        """End a context: after the last one, lines are written to the console again."""
        self._contexts -= 1
        if self._contexts == 0:
            self._to_console = True

    def clear(self) -> None:
        """Forget all levels."""
        self.levels.clear()
        self._format = None

    def level(self, name: str) -> int:
        """Return the level of a logger: its own, else its parent's, else INFO."""
        while name:
            found = self.levels.get(name, 0)
            if found:
                return found
            name = name.rpartition(".")[0]
        return self.levels.get("", _INFO)

    def drop_rosout(self, name: str) -> None:
        """End publishing the lines of a destroyed node's logger and of its children."""
        publish = self.rosout.pop(name, None)
        for child in [each for each, write in self.rosout.items() if write == publish]:
            del self.rosout[child]

    def write(self, line: Line) -> None:
        """Write a line to the console and to `/rosout`."""
        if self._to_console:
            self._print(line)
        if self.to_rosout:
            publish = self.rosout.get(line.name)
            if publish is not None:
                publish(line)

    def _print(self, line: Line) -> None:
        if self._format is None:
            self._read_environment()
        assert self._format is not None
        stream: TextIO | None = sys.stdout if self._to_stdout else sys.stderr
        if stream is None:
            return
        text = self._format(line)
        is_colored = stream.isatty() if self._is_colored is None else self._is_colored
        if is_colored:
            text = f"{_COLORS[line.severity]}{text}\x1b[0m"
        (write_output if self._to_stdout else write_error)(f"{text}\n")

    def _read_environment(self) -> None:
        color = os.environ.get("RCUTILS_COLORIZED_OUTPUT", "")
        if color not in {"", "0", "1"}:
            raise RCLError(f"RCUTILS_COLORIZED_OUTPUT is {color!r} in the environment: say 0 or 1")
        self._is_colored = {"": None, "0": False, "1": True}[color]
        self._to_stdout = os.environ.get("RCUTILS_LOGGING_USE_STDOUT") == "1"
        given = os.environ.get("RCUTILS_CONSOLE_OUTPUT_FORMAT") or _DEFAULT
        self._format = _default_format if given == _DEFAULT else _custom(given)


def _default_format(line: Line) -> str:
    sec, nanosec = divmod(line.stamp_ns, 1_000_000_000)
    severity = _NAMES[line.severity]
    return f"[{severity}] [{sec}.{nanosec:09}] [{line.name}]: {line.message}"


def _custom(template: str) -> Callable[[Line], str]:
    text = template.replace("\\n", "\n").replace("\\t", "\t")

    def write(line: Line) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: _token(found, line), text)

    return write


def _token(found: re.Match[str], line: Line) -> str:
    make = _TOKENS.get(found[1])
    return found[0] if make is None else make(line)


def _date(line: Line) -> str:
    moment = datetime.fromtimestamp(line.stamp_ns // 1_000_000 / 1000).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{line.stamp_ns // 1_000_000 % 1000:03}"


_TOKENS: Final[dict[str, Callable[[Line], str]]] = {
    "severity": lambda line: _NAMES[line.severity],
    "name": lambda line: line.name,
    "message": lambda line: line.message,
    "time": lambda line: "{}.{:09}".format(*divmod(line.stamp_ns, 1_000_000_000)),
    "time_as_nanoseconds": lambda line: f"{line.stamp_ns:019}",
    "date_time_with_ms": _date,
    "file_name": lambda line: line.file,
    "function_name": lambda line: line.function,
    "line_number": lambda line: str(line.line),
}

log_output: Final = LogOutput()
"""The process's."""


def log_inside(severity: int, name: str, message: str) -> None:
    """Write a line of rclpy's own."""
    if severity >= log_output.level(name):
        log_output.write(Line(severity, name, message, time.time_ns(), "", "", 0))
