"""The levels of a log."""

from enum import IntEnum


class LoggingSeverity(IntEnum):
    """The severity of a line."""

    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50
