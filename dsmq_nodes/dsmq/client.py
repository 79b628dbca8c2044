"""The blocking client: put, get, get_latest.

Its first words are a hello and, right behind it, a `get`. Our broker answers both; an original
dsmq 0.7.0 server answers the `get` alone, and the client then keeps to the original protocol.

A client may be shared by threads: one request and its answer are one step.
"""

import os
import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar, overload

from dsmq_nodes.dsmq import address, wire
from dsmq_nodes.errors import (
    ConnectionFailedError,
    NodeNameTakenError,
    RequestRefusedError,
    WireError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_T = TypeVar("_T")
_RECEIVE_BYTES: Final = 256 * 1024
_PROBE_TOPIC: Final = "/dsmq/probe"


class Channel:
    """A connected socket that sends and receives whole frames, and knows who is at the other end.

    Attributes:
        original: the other end is an original 0.7.0 server.
        epoch: the broker's epoch; empty with an original server.
    """

    def __init__(self, host: str, port: int, *, node: str = "", timeout_sec: float = 5.0) -> None:
        """Connect and say hello.

        Raises:
            ConnectionFailedError: nobody answers there as a dsmq broker does.
            NodeNameTakenError: a node named `node` is connected already.
        """
        self.where = f"{host}:{port}"
        self.socket = address.connect(host, port, timeout_sec)
        self.original = False
        self.epoch = ""
        self._decoder = wire.FrameDecoder()
        self._bodies: Iterator[bytes] = iter(())
        try:
            self._greet(node)
        except TimeoutError:
            self.socket.close()
            raise ConnectionFailedError(
                f"{self.where} accepts connections but does not answer: is a dsmq broker there?"
            ) from None
        except BaseException:
            self.socket.close()
            raise
        self.socket.settimeout(None)

    def _greet(self, node: str) -> None:
        hello = wire.encode_object(
            {
                "action": "hello",
                "topic": _PROBE_TOPIC,
                "version": wire.VERSION,
                "node": node,
                "pid": os.getpid(),
                "host": socket.gethostname(),
            }
        )
        probe = wire.encode_object({"action": "get", "topic": _PROBE_TOPIC})
        self.socket.sendall(hello + probe)
        try:
            first = self.receive()
            if first.event == "error":
                raise NodeNameTakenError(first.error)
            if first.event != "hello":
                self.original = True
                return
            self.epoch = first.epoch
            self.receive()  # the probe's answer
        except WireError as error:
            raise ConnectionFailedError(f"{self.where} is no dsmq broker: {error}") from None

    def send(self, frame: bytes) -> None:
        """Send a whole frame.

        Raises:
            ConnectionFailedError: the connection is gone.
        """
        try:
            self.socket.sendall(frame)
        except TimeoutError:
            raise
        except OSError as error:
            raise self._gone(error.strerror or str(error)) from None

    def receive(self) -> wire.Reply:
        """Wait for the next frame.

        Raises:
            ConnectionFailedError: the connection is gone.
            WireError: what came is not the protocol.
        """
        while True:
            for body in self._bodies:
                return wire.decode_reply(body)
            try:
                data = self.socket.recv(_RECEIVE_BYTES)
            except TimeoutError:
                raise
            except OSError as error:
                raise self._gone(error.strerror or str(error)) from None
            if not data:
                raise self._gone("it closed the connection")
            self._bodies = self._decoder.feed(data)

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def _gone(self, reason: str) -> ConnectionFailedError:
        return ConnectionFailedError(f"lost the broker at {self.where}: {reason}")


class Client:
    """A connection to a broker; made by `connect_to_server`."""

    def __init__(self, host: str, port: int) -> None:
        self._channel = Channel(host, port)
        self._lock = threading.Lock()

    def put(self, topic: str, message: str) -> None:
        """Append a message to a topic.

        Raises:
            ConnectionFailedError: the connection to the broker is gone.
            WireError: the topic's name or the message cannot be sent.
            TypeError: the message is not text.
        """
        if not isinstance(message, str):
            raise TypeError(f"a message is a str, not {type(message).__name__}: encode it first")
        _check_topic(topic)
        with self._lock:
            self._channel.send(
                wire.encode_object({"action": "put", "topic": topic, "message": message})
            )

    @overload
    def get(self, topic: str) -> str: ...
    @overload
    def get(self, topic: str, default: _T) -> str | _T: ...
    def get(self, topic: str, default: object = "") -> object:
        """Take the oldest message of a topic, put since we connected, that we have not had.

        Returns:
            The message, or `default` when there is none. As in the original that is `""`; with
            `default=None` a message that is `""` can be told from nothing.

        Raises:
            ConnectionFailedError: the connection to the broker is gone.
            WireError: the topic's name cannot be sent.
        """
        return self._ask(topic, default, latest=False)

    @overload
    def get_latest(self, topic: str) -> str: ...
    @overload
    def get_latest(self, topic: str, default: _T) -> str | _T: ...
    def get_latest(self, topic: str, default: object = "") -> object:
        """As `get`, but take the newest message and skip the older ones."""
        return self._ask(topic, default, latest=True)

    def _ask(self, topic: str, default: object, *, latest: bool) -> object:
        _check_topic(topic)
        fields: dict[str, object] = {"action": "get", "topic": topic}
        if latest and not self._channel.original:
            fields["latest"] = True
        found = default
        with self._lock:
            while True:
                self._channel.send(wire.encode_object(fields))
                reply = self._channel.receive()
                if reply.event == "error":
                    raise RequestRefusedError(reply.error)
                # An original server has no other word for "nothing" than the empty message.
                if reply.empty or (self._channel.original and not reply.text):
                    return found
                found = reply.text
                if not (latest and self._channel.original):
                    return found

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _check_topic(topic: str) -> None:
    if fault := wire.topic_fault(topic):
        raise WireError(fault)
