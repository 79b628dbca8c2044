"""The file that a process's lines are written to."""

import logging
import logging.handlers
import sys
from collections.abc import Callable

from dsmq_nodes.launcher.plan import LogPlan


class _Rotating(logging.handlers.RotatingFileHandler):
    def __init__(self, plan: LogPlan, on_error: Callable[[str], None]) -> None:
        super().__init__(
            plan.path, maxBytes=plan.most_bytes, backupCount=plan.keep, encoding="utf-8"
        )
        self._on_error = on_error

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the library's
        self._on_error(str(sys.exc_info()[1]))


class LogFile:
    """Appends lines to a file; at its largest size it gives way to a new one.

    A file that cannot be written is told once: the process runs on without.
    """

    def __init__(self, plan: LogPlan, say: Callable[[str], None]) -> None:
        self._path = plan.path
        self._say = say
        self._handler: _Rotating | None = None
        try:
            plan.path.parent.mkdir(parents=True, exist_ok=True)
            self._handler = _Rotating(plan, self._failed)
        except OSError as error:
            self._failed(str(error))

    def write(self, lines: list[str]) -> None:
        """Append lines."""
        for line in lines:
            if self._handler is not None:
                self._handler.handle(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        """Write no more."""
        if self._handler is not None:
            self._handler.close()
            self._handler = None

    def _failed(self, why: str) -> None:
        self._say(f"nothing more is written to {self._path}: {why}")
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.close()
