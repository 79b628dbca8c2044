"""Limits the web gateway's log: anyone who reaches a port can cause any number of warnings."""

import logging
import time
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError
from typing_extensions import override

from dsmq_nodes.printable import one_line

logger = logging.getLogger("dsmq_nodes.web")

_SPAN_SEC: Final = 10.0
_MOST: Final = 20  # different ones in a span


class LimitedWarnings(logging.Filter):
    """Passes each warning once in a span, and counts the others; errors pass."""

    def __init__(self) -> None:
        super().__init__()
        self._began_sec = time.monotonic()
        self._logged: set[str] = set()  # in this span
        self._more = 0

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        _in_one_line(record)
        if record.levelno != logging.WARNING:
            return True
        if time.monotonic() - self._began_sec > _SPAN_SEC:
            self._began_sec = time.monotonic()
            self.end_span()
        text = record.getMessage()
        if text in self._logged or len(self._logged) >= _MOST:
            self._more += 1
            return False
        self._logged.add(text)
        return True

    def end_span(self) -> None:
        """Log how many more warnings there were, and begin to count again."""
        more, self._more = self._more, 0
        self._logged.clear()
        if more:
            logger.warning("there were %d more warnings like these", more)


def _in_one_line(record: logging.LogRecord) -> None:
    """Log a request that is not HTTP in one line, without aiohttp's traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg = f"{record.getMessage()}: {one_line(error.message)}"
        record.args, record.exc_info = (), None
