"""Detects a broker that no longer answers: it is stopped, or the network to it is gone.

A connection to a stopped broker never ends, and one whose cable is pulled ends after
`keepalive.SILENT_SEC`. A robot must stop before that. So a node that spins sends its broker an
empty request once a second. After two turns without anything from the broker, the broker is silent:
2 to 3 s after its last answer. A second in which the node itself was blocked, or its machine
asleep, counts as one turn.

The connection stays. A broker that continues answers again, and then nothing is lost.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

logger = logging.getLogger("dsmq_nodes.link")

EVERY_SEC: Final = 1.0
MOST_UNANSWERED: Final = 2


class Heartbeat:
    """Asks a broker once a second whether it is there.

    Attributes:
        unanswered: turns since the broker last sent anything; while it is above 0, the reader calls
            `note_answer` when something comes.
        is_silent: whether the broker counts as lost.
    """

    def __init__(
        self,
        node: str,
        where: str,
        ask: Callable[[], object],
        on_change: Callable[[], object],
        dropped: Callable[[], int],
    ) -> None:
        """Ask with `ask`; `on_change` is called when the broker falls silent or answers again."""
        self.unanswered = 0
        self.is_silent = False
        self._node, self._where = node, where
        self._ask, self._on_change, self._dropped = ask, on_change, dropped
        self._timer: asyncio.TimerHandle | None = None
        self._heard_sec = 0.0

    @property
    def silent_sec(self) -> float:
        """For how long a silent broker has not answered; else 0."""
        return time.monotonic() - self._heard_sec if self.is_silent else 0.0

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask from now on, over a new connection or in another loop."""
        self.end()
        self._timer = loop.call_later(EVERY_SEC, self._beat, loop)

    def end(self) -> None:
        """Stop asking."""
        self.unanswered = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def note_answer(self) -> None:
        """Count the broker as answering again, after a turn without anything from it."""
        silent_sec, was_silent = self.silent_sec, self.is_silent
        self.unanswered, self.is_silent = 0, False
        if was_silent:
            logger.warning(
                "%s: the broker at %s answers again after %.1f s; %d messages dropped so far",
                *(self._node, self._where, silent_sec, self._dropped()),
            )
            self._on_change()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(EVERY_SEC, self._beat, loop)
        if not self.unanswered:
            self._heard_sec = time.monotonic()
            self._ask()
        self.unanswered += 1
        if self.unanswered > MOST_UNANSWERED and not self.is_silent:
            self.is_silent = True
            logger.warning(
                "%s: the broker at %s has not answered for %.1f s: it is stopped, or the network "
                "is gone",
                *(self._node, self._where, self.silent_sec),
            )
            self._on_change()
