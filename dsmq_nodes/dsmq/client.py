"""The blocking client: put, get, get_latest, get_wait.

Threads may share a client (a forked process makes its own): a request and its answer are one step,
and a `get` that waits does not block a `put`. A signal handler may put, whatever call of the client
it interrupts: where that call is within a frame, or waits for an answer that the put needs too, the
put has a connection of its own. A get is refused there.

The client survives its broker. While the broker is lost, puts are dropped and counted, gets find
nothing, and one warning is logged. Each call tries to connect again, limited by a jittered
back-off. After that the client gets the messages put in the meantime, as far as the broker has kept
them. An acknowledged put raises instead of being dropped.

A broker that does not answer or does not read counts as lost: no call waits longer than its
`timeout` and a moment, or `_PATIENCE_SEC` if it has no timeout.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Final, Self, TypeVar

from dsmq_nodes.dsmq import inherited, wire
from dsmq_nodes.dsmq.address import DEFAULT_HOST, DEFAULT_PORT
from dsmq_nodes.dsmq.client_connection import ClientConnection, Redial
from dsmq_nodes.errors import (
    ConnectionFailedError,
    DsmqError,
    ForkedError,
    RequestRefusedError,
    WireError,
)

logger = logging.getLogger("dsmq.client")

_T = TypeVar("_T")
_POLL_SEC: Final = 0.01  # between two polls of an original server, which has no `wait`
_WAIT_SLICE_SEC: Final = 1.0  # then another thread may ask, and a lost broker is noticed
_PATIENCE_SEC: Final = 5.0  # for an answer
_LATE_SEC: Final = 1.0  # a busy broker may answer this much later than requested
_ROOM_SEC: Final = 1.0  # to wait for room for a put without `ack`; and to reconnect
_LEAST_SEC: Final = 0.2  # to connect, however short the timeout of a `get_wait`
_INTERRUPTED: Final = (
    "a signal handler has interrupted a call of this client, and cannot get here: get with another "
    "client, or set a flag that the program looks at"
)


class _Turn:
    """A lock that its holder cannot take again before others that wait for it."""

    def __init__(self) -> None:
        self._next, self._taken = threading.Lock(), threading.Lock()
        self._threads: set[int] = set()  # that hold it, or wait for it

    @property
    def is_mine(self) -> bool:
        """Whether this thread holds it, or waits for it: a signal handler has interrupted that."""
        return threading.get_ident() in self._threads

    def take_if_free(self) -> bool:
        """Take the lock if it is free, without waiting; return whether it is taken."""
        if self.is_mine:
            return False
        self._threads.add(threading.get_ident())
        is_taken = self._taken.acquire(blocking=False)
        if not is_taken:
            self._threads.discard(threading.get_ident())
        return is_taken

    def release(self) -> None:
        """Give the lock to another thread."""
        self._taken.release()
        self._threads.discard(threading.get_ident())

    def __enter__(self) -> None:
        if self.is_mine:
            raise DsmqError(_INTERRUPTED)
        self._threads.add(threading.get_ident())  # first: a signal may come at any moment
        try:
            with self._next:
                self._taken.acquire()
        except BaseException:
            self._threads.discard(threading.get_ident())
            raise

    def __exit__(self, *_: object) -> None:
        self.release()


class Client:
    """A connection to a broker; made by `connect_to_server`.

    Attributes:
        dropped: how many puts were lost because the broker was lost.
    """

    def __init__(self, host: str, port: int) -> None:
        self.dropped = 0
        self._host, self._port = host, port
        self._connection: ClientConnection | None = ClientConnection(host, port)
        self._last_connection = self._connection
        # by topic: the newest id that was read, and its epoch
        self._read: dict[str, dict[str, object]] = {}
        self._sending = threading.RLock()
        self._is_sending = False  # a frame
        self._asking = _Turn()
        self._redial = Redial()
        self._closed = False
        self._refusal = ""  # why a forked child must not use it
        self._logged = ""  # the last refusal by the broker that was logged
        self._acks = 0
        inherited.register(self)

    def put(self, topic: str, message: str, *, ack: bool = False) -> None:
        """Append a message to a topic.

        Args:
            topic: the topic's name.
            message: any text.
            ack: wait until the broker has stored it.

        Raises:
            WireError: the topic's name or the message cannot be sent.
            TypeError: the message is not text.
            ConnectionFailedError: with `ack`, the broker is lost, or has not answered for 5 s (then
                it may still store the message); or the client was closed.
            RequestRefusedError: with `ack`, the broker refused the message.
        """
        if not isinstance(message, str):
            raise TypeError(f"a message is a str, not {type(message).__name__}: encode it first")
        _check_topic(topic)
        fields: dict[str, object] = {"action": "put", "topic": topic, "message": message}
        with self._sending:  # a frame of another thread is over then, but not one of this thread
            is_within = self._is_sending or (ack and self._asking.is_mine)
        if is_within:
            self._put_beside(topic, message, ack=ack)
        elif ack:
            with self._asking:
                self._acks += 1
                frame = wire.encode_object({**fields, "ack": self._acks})
                if error := self._try(lambda connection: self._put_acknowledged(connection, frame)):
                    raise error
        else:
            frame = wire.encode_object(fields)
            if self._try(lambda connection: self._send(connection, frame, is_put=True)):
                with self._sending:
                    self.dropped += 1

    def _put_beside(self, topic: str, message: str, *, ack: bool) -> None:
        """Put over another connection, because a signal handler has interrupted a call of ours."""
        try:
            with Client(self._host, self._port) as another:
                another.put(topic, message, ack=ack)
        except ConnectionFailedError:
            if ack:
                raise
            self.dropped += 1

    def _put_acknowledged(self, connection: ClientConnection, frame: bytes) -> None:
        if connection.original:
            raise RequestRefusedError(f"{connection.where} is an original server: it never acks")
        self._send(connection, frame)
        until_sec = time.monotonic() + _PATIENCE_SEC
        while (reply := _answer(connection, until_sec)).ack != self._acks:
            pass
        if reply.event == "error":
            raise RequestRefusedError(reply.error)

    def get(self, topic: str, default: str | _T = "") -> str | _T:
        """Take the oldest unread message of a topic that was put after this client connected.

        Returns:
            The message, or `default` when there is none. As in the original, `default` is `""`; use
            `default=None` to tell the message `""` from none.

        Raises:
            WireError: the topic's name cannot be sent.
            RequestRefusedError: the broker refused the request.
            ConnectionFailedError: the client was closed.
        """
        return self._get(topic, default)

    def get_latest(self, topic: str, default: str | _T = "") -> str | _T:
        """Do as `get`, but take the newest message and skip the older ones."""
        return self._get(topic, default, latest=True)

    def get_wait(
        self, topic: str, timeout: float | None = None, default: str | _T = ""
    ) -> str | _T:
        """Do as `get`, but wait for a message, for `timeout` seconds at most; None: forever."""
        until_sec = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            wait_sec = min(max(until_sec - time.monotonic(), 0.0), _WAIT_SLICE_SEC)
            found = self._get(topic, None, wait_sec, wait=wait_sec)
            if found is not None:
                return found
            if (left_sec := until_sec - time.monotonic()) <= 0:
                return default
            connection = self._connection
            if connection is None or connection.original:
                time.sleep(min(_POLL_SEC, left_sec))

    def _get(
        self, topic: str, default: _T, wait_sec: float = _PATIENCE_SEC, **options: object
    ) -> str | _T:
        _check_topic(topic)
        found: str | _T = default
        fields: dict[str, object] = {"action": "get", "topic": topic}

        def ask(connection: ClientConnection) -> None:
            nonlocal found
            until_sec = time.monotonic() + wait_sec + _LATE_SEC
            if connection.original:
                # It answers `""` for "nothing", and has no `latest`.
                while text := self._ask(connection, fields, until_sec).text:
                    found = text
                    if "latest" not in options or time.monotonic() > until_sec - _LATE_SEC:
                        break
                return
            place = self._read.get(topic, {})
            reply = self._ask(connection, {**fields, **options, **place}, until_sec)
            if not reply.empty:
                self._read[topic] = {"after": reply.id, "epoch": connection.epoch}
                found = reply.text or ""

        with self._asking:
            self._try(ask, min(max(wait_sec, _LEAST_SEC), _ROOM_SEC))
        return found

    def _ask(
        self, connection: ClientConnection, fields: dict[str, object], until_sec: float
    ) -> wire.Reply:
        """Return the answer to a `get`."""
        self._send(connection, wire.encode_object(fields))
        while (reply := _answer(connection, until_sec)).event:
            if reply.event == "error" and reply.action == "get":
                raise RequestRefusedError(reply.error)
            self._refused(reply)  # of an earlier put: our answer is still to come
        return reply

    def _refused(self, reply: wire.Reply) -> None:
        """Log a refusal by the broker, unless the last one logged was the same."""
        what = f"{reply.action}: {reply.error}"
        if reply.event == "error" and what != self._logged:
            self._logged = what
            logger.warning("the broker refused a %s", what)

    def shutdown_server(self) -> None:
        """Shut the broker down for all its clients; it must be on this machine, or have a token."""
        frame = wire.encode_object({"action": "shutdown"})
        with self._asking:
            self._try(lambda connection: self._send(connection, frame))

    def close(self) -> None:
        """End the connection; later calls raise."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()

    def forked(self) -> None:
        """Refuse all use in a forked child: the connection and the locks are the parent's."""
        self._sending, self._asking = threading.RLock(), _Turn()
        where = f"{self._host}:{self._port}"
        self._refusal = inherited.made_before_the_fork(f"the client of the broker at {where}")

    def _send(self, connection: ClientConnection, frame: bytes, *, is_put: bool = False) -> None:
        with self._sending:
            if self._is_sending:
                raise DsmqError(_INTERRUPTED)
            self._is_sending = True
            try:
                if is_put:
                    self._read_refusals(connection)
                connection.send(frame, _ROOM_SEC)
            finally:
                self._is_sending = False

    def _read_refusals(self, connection: ClientConnection) -> None:
        """Read the broker's answers to earlier puts, unless another thread reads.

        A program that only puts would not learn of refusals otherwise, and a broker stops reading
        from a peer that does not read its answers.
        """
        if (byte := connection.peek()) == b"":
            raise connection.lost_error("it closed the connection")
        if (byte or connection.is_tls) and self._asking.take_if_free():
            try:
                for _ in range(1000):  # not more: a broker may send without end
                    self._refused(connection.receive(0.0))
            except TimeoutError:
                pass
            finally:
                self._asking.release()

    def _try(
        self, action: Callable[[ClientConnection], None], connect_sec: float = _ROOM_SEC
    ) -> DsmqError | None:
        """Call `action` with the connection; return why it failed, None if it did not."""
        connection = self._connected(connect_sec)
        if connection is None:
            return ConnectionFailedError(f"no broker at {self._host}:{self._port}")
        try:
            action(connection)
        except (ConnectionFailedError, WireError) as error:
            if self._closed:
                raise ConnectionFailedError("this client is closed") from None
            self._lost(connection, error)  # the next call tries to connect again
            return error
        return None

    def _lost(self, connection: ClientConnection, error: Exception) -> None:
        with self._sending:
            if self._connection is not connection:
                return  # another thread has noticed it too
            connection.close()
            self._connection = None
        logger.warning("%s: puts are dropped and counted until it is back", error)

    def _connected(self, connect_sec: float) -> ClientConnection | None:
        """Return the connection; a lost one is renewed when the back-off allows."""
        if self._refusal:
            raise ForkedError(self._refusal)
        if self._closed:
            raise ConnectionFailedError("this client is closed")
        with self._sending:
            if self._connection is not None or self._redial.left_sec:
                return self._connection
            began_sec = time.monotonic()
            try:
                self._connection = ClientConnection(
                    *(self._host, self._port), since=self._last_connection, timeout_sec=connect_sec
                )
            except (OSError, RequestRefusedError):  # ConnectionFailedError is an OSError
                self._redial.later(time.monotonic() - began_sec)
                return None
            self._last_connection = self._connection
            self._redial.reset()
            logger.warning(
                "the broker at %s is back; %d puts dropped so far",
                self._connection.where,
                self.dropped,
            )
            return self._connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect_to_server(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> Client:
    """Connect to a broker, ours or an original one.

    Raises:
        ConnectionFailedError: no dsmq broker answers there.
    """
    return Client(host, port)


def _check_topic(topic: str) -> None:
    if fault := wire.topic_fault(topic):
        raise WireError(fault)


def _answer(connection: ClientConnection, until_sec: float) -> wire.Reply:
    """Return the next answer.

    Raises:
        ConnectionFailedError: no answer came in time. The answer could later be taken for that to
            another request: the connection is unusable.
    """
    try:
        return connection.receive(until_sec - time.monotonic())
    except TimeoutError as error:
        raise ConnectionFailedError(f"{error} (is it stopped or overloaded?)") from None
