"""A node's logger: rclpy's calls on the standard library's logging."""

import inspect
import logging
import time
from typing import Final

_ROOT: Final = "dsmq_nodes.node"


class Logger:
    """Logs under a node's name; made by `Node.get_logger`.

    Every call takes, as in rclpy, `throttle_duration_sec` (from this place at most once in so many
    seconds), `once` (only the first time) and `skip_first` (all but the first time).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._logger = logging.getLogger(f"{_ROOT}.{name.strip('/').replace('/', '.')}")
        self._seen: dict[tuple[str, int], float] = {}

    def debug(self, text: str, **options: float) -> None:
        """Log what only a developer wants to see."""
        self._log(logging.DEBUG, text, **options)

    def info(self, text: str, **options: float) -> None:
        """Log what a user wants to see."""
        self._log(logging.INFO, text, **options)

    def warning(self, text: str, **options: float) -> None:
        """Log what may be wrong."""
        self._log(logging.WARNING, text, **options)

    warn = warning

    def error(self, text: str, **options: float) -> None:
        """Log what is wrong."""
        self._log(logging.ERROR, text, **options)

    def fatal(self, text: str, **options: float) -> None:
        """Log what the node will not survive."""
        self._log(logging.CRITICAL, text, **options)

    def set_level(self, level: int) -> None:
        """Log only from this level of the `logging` module on."""
        self._logger.setLevel(level)

    def _log(
        self,
        level: int,
        text: str,
        *,
        throttle_duration_sec: float = 0.0,
        once: float = False,
        skip_first: float = False,
    ) -> None:
        if not self._logger.isEnabledFor(level):
            return
        if (throttle_duration_sec or once or skip_first) and not self._due(
            throttle_duration_sec, once=bool(once), skip_first=bool(skip_first)
        ):
            return
        self._logger.log(level, "%s", text, extra={"node": self.name})

    def _due(self, throttle_sec: float, *, once: bool, skip_first: bool) -> bool:
        frame = inspect.currentframe()
        for _ in range(3):  # this, _log, info: the place is the caller's
            frame = frame.f_back if frame is not None else None
        place = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)
        now, last = time.monotonic(), self._seen.get(place)
        if last is None:
            self._seen[place] = now
            return not skip_first
        if once or now - last < throttle_sec:
            return False
        self._seen[place] = now
        return True
