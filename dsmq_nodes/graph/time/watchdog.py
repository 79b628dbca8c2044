"""Watches for messages that do not come, and calls back."""

import asyncio
from collections.abc import Callable

from dsmq_nodes.graph.callback import Callback
from dsmq_nodes.graph.given import number
from dsmq_nodes.graph.time.timeline import Handle, Timeline


class Watchdog:
    """Calls back when no message has come for `timeout_sec`.

    It does so once, until the next message; with `repeat`, again after each further `timeout_sec`.

    Attributes:
        count: how often it has called back.
    """

    def __init__(
        self,
        timeout_sec: float,
        callback: Callback,
        execute: Callable[[Callback], object],
        *,
        what: str = "timeout",
        repeat: bool = False,
    ) -> None:
        self.count = 0
        self._timeout_sec = number(timeout_sec, f"a {what}")
        self._callback = callback
        self._execute = execute
        self._repeat = repeat
        self._timeline: Timeline | None = None
        self._handle: Handle | None = None
        self._heard_sec = 0.0
        self._running: object = None

    def attach(self, timeline: Timeline) -> None:
        """Start; the silence counts from now."""
        self._timeline = timeline
        self.heard()

    def heard(self, ago_sec: float = 0.0) -> None:
        """Measure the silence from a message that has come now, or `ago_sec` ago."""
        timeline = self._timeline
        if timeline is None:
            return
        # One timer checks this later; moving a timer at every message would cost more. With
        # `repeat` there always is one, and this method may be called from any thread.
        self._heard_sec = timeline.time() - ago_sec
        if self._handle is None:
            self._handle = timeline.call_at(self._heard_sec + self._timeout_sec, self._check)

    def detach(self) -> None:
        """Stop watching."""
        self._timeline = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _check(self) -> None:
        self._handle = None
        timeline = self._timeline
        if timeline is None:
            return
        due_sec = self._heard_sec + self._timeout_sec
        if timeline.time() < due_sec:
            self._handle = timeline.call_at(due_sec, self._check)
            return
        if self._repeat:
            self._heard_sec = timeline.time()
            self._handle = timeline.call_at(self._heard_sec + self._timeout_sec, self._check)
        self.count += 1
        if isinstance(self._running, asyncio.Task) and not self._running.done():
            if self._repeat:
                return  # the same silence: its coroutine still runs
            # A message has come since, so whatever that coroutine stops may move again.
            self._running.cancel()
        self._running = self._execute(self._callback)
