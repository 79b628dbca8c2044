"""From the loss of a broker to the connection that replaces it."""

import contextlib
import logging
import threading
from collections.abc import Callable

from dsmq_nodes.dsmq.client_connection import ClientConnection, Redial
from dsmq_nodes.errors import DsmqError, RequestRefusedError
from dsmq_nodes.graph.time.clock import BaseClock

logger = logging.getLogger("dsmq_nodes.link")


class Outage:
    """Dials again and again, with a jittered back-off, while the broker is away.

    It dials in a thread, because a host that does not answer must not delay the node's timers; the
    thread is a daemon, because it must not delay the node's end either.
    """

    def __init__(
        self,
        dial: Callable[[], ClientConnection],
        clock: BaseClock,
        node: str,
        on_found: Callable[[], None],
    ) -> None:
        """Dial with `dial`; `on_found` is called in the dialling thread when that succeeded."""
        self._dial = dial
        self._clock = clock
        self._node = node
        self._on_found = on_found
        self._lock = threading.Lock()
        self._since_sec: float | None = None
        self._is_dialling = False
        self._refusal = ""  # the last one logged in this outage
        self._redial = Redial()
        self._found: ClientConnection | None = None
        self._closed = threading.Event()

    @property
    def has_found(self) -> bool:
        """Whether a new connection is ready."""
        return self._found is not None

    @property
    def is_closed(self) -> bool:
        """Whether the connection is no longer wanted."""
        return self._closed.is_set()

    def begin(self, reason: str, silent_sec: float = 0.0) -> bool:
        """Begin to dial, since the broker is lost; called by the first thread that detects it.

        Return False if the system gives no thread to dial in: begin again later. A connection that
        was taken and lost before `end` counts as one more try. The outage began `silent_sec` ago,
        when the broker fell silent.
        """
        with self._lock:
            if self._is_dialling:
                return True
            is_new = self._since_sec is None
            if is_new:
                self._since_sec = self._clock.monotonic_sec() - silent_sec
                self._refusal = ""
                self._redial.reset()
            with contextlib.suppress(RuntimeError, MemoryError):
                threading.Thread(target=self._dial_again, daemon=True).start()
                self._is_dialling = True
            is_dialling = self._is_dialling
        if is_new:
            logger.warning(
                "%s: lost the broker (%s): trying again, messages are dropped and counted",
                *(self._node, reason),
            )
        return is_dialling

    def take(self) -> ClientConnection | None:
        """Return the new connection; None when it was taken already, or is no longer wanted."""
        with self._lock:
            connection, self._found = self._found, None
            if connection is None or self._closed.is_set():
                return None
            self._is_dialling = False
            return connection

    def end(self) -> float | None:
        """End the outage, as the new connection lasts; return its seconds, None without one."""
        with self._lock:
            if self._is_dialling:
                return None
            since_sec, self._since_sec = self._since_sec, None
            return None if since_sec is None else self._clock.monotonic_sec() - since_sec

    def close(self) -> None:
        """Stop dialling."""
        self._closed.set()
        if self._found is not None:
            self._found.close()

    def _dial_again(self) -> None:
        self._redial.later()
        while not self._closed.wait(self._redial.left_sec):
            try:
                connection = self._dial()
            # Whatever answers there may be no broker of ours.
            except (OSError, DsmqError, ValueError) as error:
                self._log_failure(error)
                self._redial.later()
                continue
            self._found = connection
            if self._closed.is_set():
                connection.close()
            else:
                self._on_found()
            return

    def _log_failure(self, error: Exception) -> None:
        """Log why a try has failed; as a warning, once, if the broker is there and refuses us.

        For some seconds a broker may not know that our last connection is lost.
        """
        is_own = "is taken by this process" in str(error)
        if isinstance(error, RequestRefusedError) and str(error) != self._refusal and not is_own:
            self._refusal = str(error)
            logger.warning("%s: the broker is there and refuses it: %s", self._node, error)
        else:
            logger.debug("%s: %s", self._node, error)
