"""Loggers by name, and their levels."""

import os
from pathlib import Path
from typing import Final

from dsmq_nodes.rclpy.impl.log_output import log_output
from dsmq_nodes.rclpy.impl.logging_severity import LoggingSeverity
from dsmq_nodes.rclpy.impl.names.c_text import c_text
from dsmq_nodes.rclpy.impl.names.ros_arguments import LEVELS
from dsmq_nodes.rclpy.impl.rcutils_logger import RcutilsLogger

_root_logger = RcutilsLogger()
_SET_LEVEL: Final = (
    "rclpy_logging_set_logger_level(name: str, level: typing.SupportsInt, "
    "detailed_error: bool = False) -> None"
)


def get_logger(name: str) -> RcutilsLogger:
    """Return a logger that belongs to no node.

    Raises:
        ValueError: the name is empty.
    """
    if not name:
        raise ValueError("Logger name must not be empty.")
    return _root_logger.get_child(name)


def initialize() -> None:
    """Do nothing: the log works before `init`."""


def shutdown() -> None:
    """Forget the levels."""
    log_output.clear()


def clear_config() -> None:
    """Forget the levels."""
    shutdown()
    initialize()


def set_logger_level(name: str, level: int | LoggingSeverity, detailed_error: bool = False) -> None:
    """Set the level of a logger, which need not exist.

    Raises:
        ValueError: it is no level.
        TypeError: the name is no text.
    """
    number = LoggingSeverity(level)
    given = name, number, detailed_error
    known = c_text(name, RuntimeError("Failed to set level for logger"), _SET_LEVEL, *given)
    log_output.levels[known] = number


def get_logger_effective_level(name: str) -> LoggingSeverity:
    """Return the level that applies to a logger."""
    return LoggingSeverity(log_output.level(name))


def get_logger_level(name: str) -> LoggingSeverity:
    """Return the level that was set for this logger itself; UNSET if none was."""
    return LoggingSeverity(log_output.levels.get(name, 0 if name else LoggingSeverity.INFO))


def get_logging_severity_from_string(log_severity: str) -> LoggingSeverity:
    """Return the level of a name, upper or lower case.

    Raises:
        RuntimeError: no level has it.
    """
    level = LEVELS.get(log_severity.lower())
    if level is None:
        raise RuntimeError("Failed to get severity name")
    return LoggingSeverity(level)


def get_logging_directory() -> Path:
    """Return the folder of ROS's log files; none are written here."""
    found = os.environ.get("ROS_LOG_DIR")
    if found:
        return Path(found).expanduser()
    home = os.environ.get("ROS_HOME") or "~/.ros"
    return Path(home).expanduser() / "log"
