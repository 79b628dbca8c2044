"""The client's end of the protocol: a connection that carries whole frames, and how it is renewed.

The client first sends a hello and, directly after it, a `get`. Our broker answers both. An original
dsmq 0.7.0 server answers the `get` alone, and the client then keeps to the original protocol.
"""

import contextlib
import math
import os
import random
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from dsmq_nodes.dsmq import address, descriptors, keepalive, wire
from dsmq_nodes.dsmq.address import RECEIVE_BYTES, RECEIVE_MUCH_BYTES
from dsmq_nodes.dsmq.descriptors import NOT_NOW
from dsmq_nodes.dsmq.limits import SLOWEST_BYTES_PER_SEC
from dsmq_nodes.errors import (
    ConnectionFailedError,
    NodeNameTakenError,
    RequestRefusedError,
    WireError,
)
from dsmq_nodes.topic_names import PROBE_TOPIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_READS_A_TURN: Final = 16
_MOST_LATE: Final = 1000  # frames that are read after their time: some brokers send without end
_STUCK: Final = "is it stopped or overloaded?"
_FIRST_PAUSE_SEC: Final = 0.05  # before a try to connect again
_LONGEST_PAUSE_SEC: Final = 1.0
_PAUSES_GROW: Final = 1.25  # we find a broker at most a third later than it came back
_TRYING_SHARE: Final = 0.2  # the most of the time that is spent on trying to connect
_PATIENCE_SEC: Final = 5.0  # for a broker that does not read, or needs long to answer


class ClientConnection:
    """A connected socket that sends and receives whole frames, and has identified the other end.

    The socket never blocks: each call says how long to wait, and two threads may wait at once, one
    to send and one to receive.

    Attributes:
        lock: held by a thread that sends frames in parts; with TLS also to read.
        original: whether the other end is an original 0.7.0 server.
        epoch: the broker's epoch; empty with an original server.
        seq: how many messages the broker had in all when we first connected.
        age_sec: how old the broker was at its answer to our hello; infinite if it did not say.
        ahead_ns: how far the broker's monotonic clock is ahead of ours, within half the time that
            its answer to our hello took; 0 if it may be the same clock.
        is_tls: whether the connection is encrypted.
        memory: the directory of the shared memory, and our number in it; None: there is none.
        decoder: cuts the received bytes into frames.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        node: str = "",
        client: str = "",
        shm: bool = False,
        patient: bool = False,
        since: "ClientConnection | None" = None,
        timeout_sec: float = 5.0,
        connect_sec: float = math.inf,
    ) -> None:
        """Connect and say hello.

        Args:
            host: the broker's host.
            port: its TCP port.
            node: the node's absolute name; empty for a tool or a plain client.
            client: the signature of its service calls; empty when it calls none.
            shm: share memory with the broker and its other local peers, if that is possible.
            patient: pushes may come a little late.
            since: the connection that this one replaces; puts between the two are for us too.
            timeout_sec: the limit for connecting, and again for the answer to our hello.
            connect_sec: a shorter limit for connecting.

        Raises:
            ConnectionFailedError: no dsmq broker answers there.
            NodeNameTakenError: a node named `node` is connected already.
            RequestRefusedError: the broker refused us: a wrong token, another version.
        """
        self.where = f"{host}:{port}"
        self.socket = address.connect(host, port, min(timeout_sec, connect_sec))
        self.original = False
        self.epoch: str = since.epoch if since is not None else ""
        self.seq: int = since.seq if since is not None else 0
        self.ahead_ns = 0
        self.age_sec = math.inf
        self.memory: tuple[str, int] | None = None
        self.decoder = wire.FrameDecoder()
        self._bodies: Iterable[bytes] = ()  # exhausted when it is ()
        self._late = 0
        self.lock = threading.RLock()
        self.is_tls = isinstance(self.socket, ssl.SSLSocket)
        # One TLS connection cannot be read and written at once.
        self._turn = self.lock if self.is_tls else contextlib.nullcontext()
        self.socket.setblocking(False)
        until_sec = time.monotonic() + timeout_sec
        shm = shm and not os.environ.get(address.NO_SHM)
        who = {"node": node, "client": client, "pid": os.getpid(), "host": socket.gethostname()}
        hello = who | {"shm": shm, "unshares": shm, "patient": patient}
        if token := os.environ.get("DSMQ_TOKEN"):
            hello["token"] = token
        if since is not None and not since.original:
            hello |= {"since": self.seq, "epoch": self.epoch}
        try:
            self._greet(hello, until_sec)
        except TimeoutError:
            self.socket.close()
            raise ConnectionFailedError(
                f"{self.where} accepts connections but does not answer: is a dsmq broker there?"
            ) from None
        except BaseException:
            self.socket.close()
            raise

    def _greet(self, fields: dict[str, Any], until_sec: float) -> None:
        hello = {"action": "hello", "topic": PROBE_TOPIC, "version": wire.VERSION, **fields}
        probe = {"action": "get", "topic": PROBE_TOPIC}
        sent_ns = time.monotonic_ns()
        # the broker's last frame may be there to read
        with contextlib.suppress(ConnectionFailedError):
            frames = wire.encode_object(hello) + wire.encode_object(probe)
            self.send(frames, until_sec - sent_ns * 1e-9)
        try:
            try:
                first = self.receive(until_sec - time.monotonic())
                received_ns = time.monotonic_ns()
            except ConnectionFailedError as error:
                raise ConnectionFailedError(
                    f"{error}, before it sent anything: if it wants TLS, set DSMQ_TLS_CA "
                    "(and DSMQ_TLS_CERT)"
                ) from None
            if first.event == "error":
                taken = "node name" in first.error
                raise (NodeNameTakenError if taken else RequestRefusedError)(first.error)
            if first.event != "hello":
                self.original = True
                return
            self.epoch, self.seq = first.epoch, first.seq
            if not sent_ns <= first.at <= received_ns:
                self.ahead_ns = first.at - (sent_ns + received_ns) // 2
            self.age_sec = math.inf if first.age is None else first.age
            self.memory = (first.shm, first.number) if first.shm else None
            self.receive(until_sec - time.monotonic())  # the probe's answer
        except WireError as error:
            raise ConnectionFailedError(f"{self.where} is no dsmq broker: {error}") from None

    def send(
        self, frame: bytes, timeout_sec: float = _PATIENCE_SEC, *, reads: bool = False
    ) -> None:
        """Send a whole frame, as long as the broker reads at a reasonable pace.

        Args:
            frame: the frame.
            timeout_sec: how long the broker may read nothing.
            reads: read meanwhile, for `receive`, as no other thread does: a broker reads no further
                requests of a client that does not read the answers.

        Raises:
            ConnectionFailedError: the connection is gone, or the broker does not read; in this case
                part of the frame may be sent, and the connection is unusable.
        """
        stuck_sec = time.monotonic() + timeout_sec
        until_sec = stuck_sec + len(frame) / SLOWEST_BYTES_PER_SEC
        unsent = memoryview(frame)
        while unsent:
            try:
                with self._turn:
                    sent = self.socket.send(unsent)
            except NOT_NOW as error:
                if reads:
                    self._read_ahead()
                until = min(stuck_sec, until_sec)
                if not self._may_continue(error, until, is_read=False, is_either=reads):
                    raise self.lost_error(f"it does not read ({_STUCK})") from None
            except OSError as error:
                raise self.lost_error(error.strerror or str(error)) from None
            else:
                unsent = unsent[sent:]
                stuck_sec = time.monotonic() + timeout_sec

    def _read_ahead(self) -> None:
        """Read what has come, for `receive`."""
        try:
            data = self._recv(RECEIVE_MUCH_BYTES)
            self._bodies = iter([*self._bodies, *self.decoder.feed(data)])
        except NOT_NOW:
            pass
        except (OSError, WireError) as error:
            raise self.lost_error(str(error)) from None

    def _may_continue(
        self, error: OSError, until_sec: float | None, *, is_read: bool, is_either: bool = False
    ) -> bool:
        """Wait until the socket is ready for more; False when the time is over."""
        left_sec = None if until_sec is None else until_sec - time.monotonic()
        if left_sec is not None and left_sec <= 0:
            return False
        if not isinstance(error, BlockingIOError):  # TLS may have to write in order to read
            is_read = isinstance(error, ssl.SSLWantReadError)
        sockets = [self.socket] * (is_read or is_either), [self.socket] * (not is_read)
        try:
            descriptors.ready(*sockets, left_sec)
        except ValueError:
            raise self.lost_error("it was closed here") from None
        return True

    def is_ended(self) -> bool:
        """Whether the other end has closed the connection, as far as that shows without reading.

        The socket would still take one message after the other end has closed.
        """
        return self.peek() == b""

    def peek(self) -> bytes | None:
        """Return the next byte without reading it; b"" at the end, None if none can be read yet."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, ValueError):  # nothing has come yet; TLS does not let us peek
            return None
        except OSError:
            return b""

    def ready_bodies(self) -> "Iterator[bytes]":
        """Yield the bodies of the frames that have come, up to a limit: others have their turn.

        Raises:
            OSError: the connection is gone.
            WireError: the bytes are not the protocol.
        """
        yield from self._bodies  # those that came with the hello's answer, or to `has_read`
        self._bodies = ()
        most_bytes = RECEIVE_BYTES
        for _ in range(_READS_A_TURN):
            try:
                data = self._recv(most_bytes)
            except NOT_NOW:
                return
            yield from self.decoder.feed(data)
            if len(data) < most_bytes and not self.is_tls:
                return  # TLS may hold more than the socket shows
            most_bytes = RECEIVE_MUCH_BYTES

    def has_read(self, data: bytes) -> None:
        """Take bytes that were read from the socket elsewhere; `ready_bodies` begins with them."""
        self._bodies = self.decoder.feed(data)

    def receive(self, timeout_sec: float | None = None) -> wire.Reply:
        """Wait for the next frame, for `timeout_sec` at most; None: forever.

        If `timeout_sec` is negative, the time is over: a limited number of calls in a row return
        frames that have come already.

        Raises:
            TimeoutError: none has come; the next call continues where this one stopped.
            ConnectionFailedError: the connection is gone.
            WireError: the bytes are not the protocol.
        """
        until_sec = None if timeout_sec is None else time.monotonic() + timeout_sec
        self._late = self._late + 1 if timeout_sec is not None and timeout_sec < 0 else 0
        if self._late > _MOST_LATE:
            raise TimeoutError(f"the broker at {self.where} sends without end, but no answer")
        while True:
            for body in self._bodies:
                reply = wire.decode_reply(body)
                if reply.event == "closing":
                    raise self.lost_error(reply.error)
                return reply
            self._bodies = self.decoder.feed(self._read(until_sec))

    def _read(self, until_sec: float | None) -> bytes:
        while True:
            try:
                return self._recv(RECEIVE_BYTES)
            except NOT_NOW as error:
                if not self._may_continue(error, until_sec, is_read=True):
                    raise TimeoutError(f"the broker at {self.where} has not answered") from None
            except OSError as error:
                raise self.lost_error(error.strerror or str(error)) from None

    def _recv(self, most_bytes: int) -> bytes:
        with self._turn:
            data = self.socket.recv(most_bytes)
        if not data:
            raise ConnectionResetError("it closed the connection")
        if self.original:
            keepalive.acknowledge_now(self.socket)
        return data

    def finish(self, timeout_sec: float) -> bool:
        """End the sending side, and wait until the broker has read everything and closed its own.

        Closing a socket with unread bytes in it resets the connection, and the broker would lose
        the messages that it has not read. Returns whether the broker has closed in time; after this
        call only `close` may be called.
        """
        if self.original:
            return True  # it only answers: nothing is left unread
        until_sec = time.monotonic() + timeout_sec
        with self.lock, contextlib.suppress(OSError, ValueError):
            self.socket.shutdown(socket.SHUT_WR)  # ends TLS, too: the rest is read as it comes
            while (left_sec := until_sec - time.monotonic()) > 0:
                if descriptors.ready([self.socket], timeout_sec=left_sec) and not self.socket.recv(
                    RECEIVE_BYTES
                ):
                    return True
            return False
        return True

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def lost_error(self, reason: str) -> ConnectionFailedError:
        """Return an error that says that the connection is lost, and why."""
        return ConnectionFailedError(f"lost the broker at {self.where}: {reason}")


class Redial:
    """Decides when to connect again to a lost broker: a jittered back-off."""

    def __init__(self) -> None:
        self._pause_sec = _FIRST_PAUSE_SEC
        self._due_sec = -math.inf

    @property
    def left_sec(self) -> float:
        """Seconds until the next try is due; 0 when it is due now."""
        return max(self._due_sec - time.monotonic(), 0.0)

    def later(self, tried_sec: float = 0.0) -> None:
        """Delay the next try: the connection was lost, or a try failed after `tried_sec`.

        Each pause is longer than the last one, and long enough that trying takes at most a fifth of
        the time.
        """
        pause_sec = self._pause_sec * random.uniform(0.5, 1.0)
        self._due_sec = time.monotonic() + max(pause_sec, tried_sec / _TRYING_SHARE)
        self._pause_sec = min(_PAUSES_GROW * self._pause_sec, _LONGEST_PAUSE_SEC)

    def reset(self) -> None:
        """Begin with a short pause the next time, since the broker is back."""
        self._pause_sec = _FIRST_PAUSE_SEC
