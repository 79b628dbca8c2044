"""Writes lines without blocking the caller: to a reader that may stop, to a disk that may hang.

A thread writes. Unwritten lines wait in a backlog of bounded size. Beyond that the oldest are
dropped and counted, so that a reader that continues gets the latest lines. A slow reader costs
lines, but does not delay the thread that supervises the robot.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

_MOST_BYTES: Final = 8 << 20
_OVERHEAD_BYTES: Final = 200  # for each chunk in the backlog
_MOST_PAUSED: Final = 1000  # lines
_CHECK_EVERY_SEC: Final = 0.01

ChunkT = TypeVar("ChunkT")


class LineQueue(Generic[ChunkT]):
    """Writes chunks in their order.

    Attributes:
        is_paused: whether writing is paused.
        lost: how many lines were dropped since the last write.
        steps: a counter that grows while lines are written; `write` increases it.
    """

    def __init__(
        self, write: Callable[[Sequence[ChunkT], int], None], *, waits: bool = True
    ) -> None:
        """Write chunks with `write`.

        Args:
            write: called with chunks, and how many lines before them were dropped.
            waits: whether `write` may block, so that a thread calls it; otherwise `put` does.
        """
        self._write = write
        self._waits = waits
        self._backlog: deque[tuple[ChunkT, int, int]] = deque()
        self._bytes = 0
        self._lines = 0
        self._wanted = False  # a write without a chunk is requested
        self.is_paused = False
        self._busy_lines = 0
        self._is_busy = False
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self.lost = 0
        self.steps = 0

    def put(self, chunk: ChunkT, lines: int, size: int) -> None:
        """Queue a chunk, with its number of lines and bytes."""
        with self._news:
            self._backlog.append((chunk, lines, size + _OVERHEAD_BYTES))
            self._bytes += size + _OVERHEAD_BYTES
            self._lines += lines
            while self._bytes > _MOST_BYTES or (self.is_paused and self._lines > _MOST_PAUSED):
                self.lost += self._taken()[1]
        self._wake_writer()

    def poke(self) -> None:
        """Call `write` soon, even without a chunk."""
        with self._news:
            self._wanted = True
        self._wake_writer()

    def pause(self) -> None:
        """Write nothing until `resume`; meanwhile a smaller backlog is kept."""
        with self._news:
            self.is_paused = True

    def resume(self) -> None:
        """Write again."""
        with self._news:
            self.is_paused = False
        self.poke()

    @property
    def unwritten(self) -> int:
        """How many lines wait, are being written, or were dropped without a notice."""
        with self._news:
            return self._lines + self._busy_lines + self.lost

    @property
    def is_idle(self) -> bool:
        """Whether everything is written."""
        with self._news:
            return not (self._backlog or self._wanted or self._is_busy)

    async def finish(self, patience_sec: float) -> None:
        """Wait until everything is written, or until nothing was written for `patience_sec`."""
        seen, since_sec = -1, time.monotonic()
        while not self.is_idle and time.monotonic() - since_sec < patience_sec:
            if self.steps != seen:
                seen, since_sec = self.steps, time.monotonic()
            await asyncio.sleep(_CHECK_EVERY_SEC)

    def _taken(self) -> tuple[ChunkT, int]:
        chunk, lines, size = self._backlog.popleft()
        self._bytes -= size
        self._lines -= lines
        return chunk, lines

    def _wake_writer(self) -> None:
        if not self._waits:
            if not self.is_paused:
                self._turn()
            return
        if self._thread is None:
            # A daemon: a thread that is stuck in a write does not delay the end.
            thread = threading.Thread(target=self._run, name="lines", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads: this one says so
                self._turn()
                return
            self._thread = thread
        with self._news:
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: (self._backlog or self._wanted) and not self.is_paused)
            self._turn()

    def _turn(self) -> None:
        with self._news:
            chunks = []
            while self._backlog:
                chunk, lines = self._taken()
                chunks.append(chunk)
                self._busy_lines += lines
            lost, self.lost, self._wanted, self._is_busy = self.lost, 0, False, True
        try:
            self._write(chunks, lost)
        finally:
            with self._news:
                self._busy_lines, self._is_busy = 0, False
                self.steps += 1
