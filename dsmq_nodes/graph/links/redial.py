"""From the loss of a broker to the connection that replaces it."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Final

from dsmq_nodes.dsmq.client_connection import Channel
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.graph.time.clock import Clock

logger = logging.getLogger("dsmq_nodes.link")

_FIRST_RETRY_SEC: Final = 0.05
_LONGEST_RETRY_SEC: Final = 1.0


class Outage:
    """Dials again and again, with a jittered back-off, while the broker is away.

    In a thread, since a host that does not answer must not hold up the node's timers; a daemon,
    since it must not hold up the node's end either.
    """

    def __init__(
        self, dial: Callable[[], Channel], clock: Clock, node: str, on_found: Callable[[], None]
    ) -> None:
        """Dial with `dial`; `on_found` is called in the dialling thread when that succeeded."""
        self._dial = dial
        self._clock = clock
        self._node = node
        self._on_found = on_found
        self._lock = threading.Lock()
        self._since_sec: float | None = None
        self._is_dialling = False
        self._delay_sec = _FIRST_RETRY_SEC
        self._found: Channel | None = None
        self._closed = threading.Event()

    @property
    def has_found(self) -> bool:
        """Whether there is a new connection to be taken."""
        return self._found is not None

    @property
    def is_closed(self) -> bool:
        """Whether nobody wants a connection any more."""
        return self._closed.is_set()

    def begin(self, reason: str) -> None:
        """The broker is lost; once, from whichever thread sees it first.

        A connection that was taken and lost before the `end` was one more try.
        """
        with self._lock:
            if self._is_dialling:
                return
            self._is_dialling = True
            is_new = self._since_sec is None
            if is_new:
                self._since_sec = self._clock.monotonic_sec()
                self._delay_sec = _FIRST_RETRY_SEC
        if is_new:
            logger.warning(
                "%s: lost the broker (%s): trying again, messages are dropped and counted",
                *(self._node, reason),
            )
        threading.Thread(target=self._redial, daemon=True).start()

    def take(self) -> Channel | None:
        """The new connection; None: somebody else has it, or nobody wants one any more."""
        with self._lock:
            channel, self._found = self._found, None
            if channel is None or self._closed.is_set():
                return None
            self._is_dialling = False
            return channel

    def end(self) -> float | None:
        """The new connection lasts: gives how many seconds the outage did; None: there was none."""
        with self._lock:
            if self._is_dialling:
                return None
            since_sec, self._since_sec = self._since_sec, None
            return None if since_sec is None else self._clock.monotonic_sec() - since_sec

    def close(self) -> None:
        """Dial no more."""
        self._closed.set()
        if self._found is not None:
            self._found.close()

    def _redial(self) -> None:
        while not self._closed.wait(self._delay_sec * random.uniform(0.5, 1.0)):
            self._delay_sec = min(2 * self._delay_sec, _LONGEST_RETRY_SEC)
            try:
                channel = self._dial()
            except (OSError, DsmqError, ValueError) as error:  # whatever is there now, it may end
                logger.debug("%s: %s", self._node, error)
                continue
            self._found = channel
            if self._closed.is_set():
                channel.close()
            else:
                self._on_found()
            return
