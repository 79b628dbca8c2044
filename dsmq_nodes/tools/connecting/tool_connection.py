"""A tool's connection to the broker. A lasting one is dialed again after it was lost."""

import socket
import time
from collections.abc import Callable
from typing import Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import RESET, AnyAddress, address_of
from dsmq_nodes.dsmq.client_connection import ClientConnection, Redial
from dsmq_nodes.errors import (
    ConnectionFailedError,
    DsmqError,
    RequestRefusedError,
    WireError,
)

_LAST_WORDS_SEC: Final = 1.0  # at the end, for a broker that does not read


class ToolConnection:
    """A connection to a broker of ours.

    Attributes:
        address: the broker's address.
        connection: the connection; None while the broker is lost.
        epoch: the epoch of the last connection's broker.
        ahead_ns: how far the broker's monotonic clock is ahead of ours.
        redial: decides when to dial again.
    """

    def __init__(
        self,
        broker: AnyAddress,
        *,
        node: str,
        client: str,
        patient: bool,
        timeout_sec: float,
        on_back: Callable[[bool], None] | None,
    ) -> None:
        """Connect.

        Args:
            broker: the broker's address; a text is `host:port`.
            node: the name of the node that it is in the graph; empty: a nameless tool.
            client: the signature of its service calls.
            patient: pushes may come a little late.
            timeout_sec: the limit for each answer of the broker.
            on_back: called on each new connection, with whether its log is new; None: a lost
                connection is an error, and is not dialed again.

        Raises:
            ConnectionFailedError: no broker of ours answers there.
        """
        self.address = address_of(broker)
        self.redial = Redial()
        self._node, self._client, self._patient = node, client, patient
        self._timeout_sec = timeout_sec
        self._on_back = on_back
        self.connection: ClientConnection | None = (first := self._dial())
        self.epoch, self.ahead_ns = first.epoch, first.ahead_ns

    def send(self, **fields: object) -> None:
        """Send a request; while the broker is lost it is dropped."""
        if self.connection is None:
            return  # all requests of lasting effect are sent again later
        frame = wire.encode_object(fields)
        try:
            self.connection.send(frame, self._timeout_sec, reads=True)
        except ConnectionFailedError as error:
            self._lost(error)

    def receive(self, timeout_sec: float | None) -> wire.Reply | None:
        """Return the broker's next reply; None if none comes in time, or the broker is lost."""
        while (connection := self.connection or self._dial_again(timeout_sec)) is not None:
            try:
                return connection.receive(timeout_sec)
            except TimeoutError:
                return None
            except (ConnectionFailedError, WireError) as error:
                self._lost(error)
        return None

    def fileno(self) -> int:
        """Return the descriptor for `select`.

        Raises:
            ConnectionFailedError: the broker is lost.
        """
        if self.connection is None:
            raise ConnectionFailedError(f"the broker at {self.address} is away")
        return self.connection.socket.fileno()

    def silent(self) -> ConnectionFailedError:
        """Return the error for an answer that has not come in time."""
        return ConnectionFailedError(
            f"the broker at {self.address} has not answered for {self._timeout_sec:g} s: "
            "is it stopped or overloaded?"
        )

    def close(self, *, sends_late: bool) -> None:
        """End the connection, after sending everything.

        What the broker does not read in time is dropped, unless the system `sends_late`.
        """
        if self.connection is not None:
            if not self.connection.finish(_LAST_WORDS_SEC) and not sends_late:
                self.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.close()
            self.connection = None

    def _lost(self, error: DsmqError) -> None:
        if self._on_back is None:
            if isinstance(error, ConnectionFailedError):
                raise error
            raise ConnectionFailedError(f"lost the broker: {error}") from None
        warn(f"{error}: trying again until it is back")
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self.redial.later()

    def _dial(self) -> ClientConnection:
        host, port = self.address.socket
        connection = ClientConnection(
            *(host, port),
            node=self._node,
            client=self._client,
            patient=self._patient,
            timeout_sec=self._timeout_sec,
        )
        if connection.original:
            connection.close()
            raise ConnectionFailedError(
                f"{connection.where} is an original dsmq server, which cannot tell who publishes "
                "what: start `dsmq-nodes broker` instead"
            )
        return connection

    def _dial_again(self, timeout_sec: float | None) -> ClientConnection | None:
        """Dial again when that is due; return the new connection, or None."""
        if wait_sec := self.redial.left_sec:
            time.sleep(wait_sec if timeout_sec is None else max(min(wait_sec, timeout_sec), 0.0))
            if self.redial.left_sec:
                return None
        try:
            connection = self._dial()
        except (ConnectionFailedError, RequestRefusedError):
            self.redial.later()
            return None
        warn(f"the broker at {connection.where} is back")
        is_new_log = connection.epoch != self.epoch
        self.connection, self.epoch = connection, connection.epoch
        self.ahead_ns = connection.ahead_ns
        if self._on_back is not None:
            self._on_back(is_new_log)
        return self.connection


def warn(text: str) -> None:
    """Log a warning of the tools."""
    import logging  # noqa: PLC0415  3 ms, and most commands warn of nothing

    logging.getLogger("dsmq_nodes.tools").warning("%s", text)
