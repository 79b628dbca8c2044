"""Exceptions of callbacks: each kind is shown once with its traceback, then counted."""

import asyncio
from collections import Counter
from collections.abc import Callable
from types import CodeType
from typing import Final

from dsmq_nodes.graph.callback import callback_name
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin.event_loop import running_loop
from dsmq_nodes.printable import error_text

_MOST_KINDS: Final = 1000
_UNAWAITED_SEC: Final = 1.0
_Kind = tuple[str, type[BaseException], str, int]


class Exceptions:
    """The exceptions of one node's callbacks.

    Attributes:
        count: how many exceptions there were.
        last: the newest, in one line; empty when there was none.
    """

    def __init__(self, logger: Logger, on_new: Callable[[], None]) -> None:
        """Count them; `on_new` is called for each new kind (callback, type and line)."""
        self.count = 0
        self.last = ""
        self._on_new = on_new
        self._logger = logger
        self._kinds: Counter[_Kind] = Counter()

    def note(self, named: object, error: BaseException) -> int:
        """Count an exception; return how many of its kind there were, including this one."""
        name = callback_name(named)
        self.count += 1
        self.last = f"{name}: {error_text(error)}"
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        kind = (name, type(error), *_place(error))
        self._kinds[kind] += 1
        return self._kinds[kind]

    def log(self, named: object, error: BaseException) -> None:
        """Count an exception and log it: the first of its kind in full, then the 10th, 100th..."""
        times = self.note(named, error)
        if times == 1:
            self._logger.traceback(f"exception in {callback_name(named)}", error)
            self._on_new()
        elif str(times).rstrip("0") == "1":
            self._logger.error(f"exception in {self.last} (so far {times} times)")

    def log_briefly(self, named: object, error: BaseException) -> None:
        """Count an exception and log it in one line."""
        self.note(named, error)
        self._logger.error(f"exception in {self.last}")


def call_if_unawaited(work: CodeType, log: Callable[[BaseException], object]) -> None:
    """Report the exception that ends the running task, unless it is retrieved within a second.

    Only if the whole task is a call of the function `work`. asyncio itself reports the exception
    when the task is garbage: in a notebook, which keeps the task in a variable, that is never.
    """
    loop = running_loop()
    task = asyncio.current_task(loop) if loop is not None else None  # without one: trio's
    if loop is None or task is None or getattr(task.get_coro(), "cr_code", None) is not work:
        return

    def check() -> None:
        if getattr(task, "_log_traceback", False) and (error := task.exception()) is not None:
            log(error)

    task.add_done_callback(lambda _: loop.call_later(_UNAWAITED_SEC, check))


def _place(error: BaseException) -> tuple[str, int]:
    """Return the file and line that raised an exception."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ("", 0)
