"""A connected socket that carries whole frames: the client's end of the protocol.

Its first words are a hello and, right behind it, a `get`. Our broker answers both; an original
dsmq 0.7.0 server answers the `get` alone, and the client then keeps to the original protocol.
"""

import os
import socket
import time
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import address, wire
from dsmq_nodes.errors import (
    ConnectionFailedError,
    NodeNameTakenError,
    RequestRefusedError,
    WireError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECEIVE_BYTES: Final = 64 * 1024  # over 128 KiB each receive would map memory anew
_PROBE_TOPIC: Final = "/dsmq/probe"


class Channel:
    """A connected socket that sends and receives whole frames, and knows who is at the other end.

    Attributes:
        original: the other end is an original 0.7.0 server.
        epoch: the broker's epoch; empty with an original server.
        seq: how many messages the broker had in all when we first connected.
        ahead_ns: how far the broker's monotonic clock is ahead of ours, within half the time that
            its answer to our hello took; 0 where it may be the same clock.
        memory: the directory of the shared memory, and our number in it; None: there is none.
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
        since: "Channel | None" = None,
        timeout_sec: float = 5.0,
    ) -> None:
        """Connect and say hello.

        Args:
            host: the broker's host.
            port: its TCP port.
            node: the node's absolute name; empty for a tool or a plain client.
            client: what its calls of services are signed with; empty: it calls none.
            shm: share memory with the broker and its other local peers, if that can be.
            patient: what is pushed to us may come a little late.
            since: the connection that this one replaces; what was put meanwhile is for us too.
            timeout_sec: how long connecting and the answer to our hello may each take.

        Raises:
            ConnectionFailedError: nobody answers there as a dsmq broker does.
            NodeNameTakenError: a node named `node` is connected already.
            RequestRefusedError: the broker does not want us: a wrong token, another version.
        """
        self.where = f"{host}:{port}"
        self.socket = address.connect(host, port, timeout_sec)
        self.original = False
        self.epoch: str = since.epoch if since is not None else ""
        self.seq: int = since.seq if since is not None else 0
        self.ahead_ns = 0
        self.memory: tuple[str, int] | None = None
        self._patient = patient
        self._shm = shm and not os.environ.get(address.NO_SHM)
        self._decoder = wire.FrameDecoder()
        self._bodies: Iterator[bytes] = iter(())
        try:
            self._greet(node, client, resume=since is not None and not since.original)
        except TimeoutError:
            self.socket.close()
            raise ConnectionFailedError(
                f"{self.where} accepts connections but does not answer: is a dsmq broker there?"
            ) from None
        except BaseException:
            self.socket.close()
            raise
        self.socket.settimeout(None)

    def _greet(self, node: str, client: str, *, resume: bool) -> None:
        fields: dict[str, object] = {
            "action": "hello",
            "topic": _PROBE_TOPIC,
            "version": wire.VERSION,
            "node": node,
            "client": client,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "shm": self._shm,
            "patient": self._patient,
        }
        if token := os.environ.get("DSMQ_TOKEN"):
            fields["token"] = token
        if resume:
            fields |= {"since": self.seq, "epoch": self.epoch}
        hello = wire.encode_object(fields)
        probe = wire.encode_object({"action": "get", "topic": _PROBE_TOPIC})
        sent_ns = time.monotonic_ns()
        self.send(hello + probe)
        try:
            try:
                first = self.receive()
                received_ns = time.monotonic_ns()
            except ConnectionFailedError as error:
                raise ConnectionFailedError(
                    f"{error}, before a word: if it wants TLS, set DSMQ_TLS_CA (and DSMQ_TLS_CERT)"
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
            self.memory = (first.shm, first.number) if first.shm else None
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

    def check(self) -> None:
        """Look whether the other end has closed: its socket would take one more message, in vain.

        Raises:
            ConnectionFailedError: it has.
        """
        if not hasattr(socket, "MSG_DONTWAIT"):
            return  # not on Windows: there it would wait
        try:
            if not self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                raise self._gone("it closed the connection")
        except (BlockingIOError, ValueError):  # nothing there yet; TLS does not let us peek
            pass
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
                reply = wire.decode_reply(body)
                if reply.event == "closing":
                    raise self._gone(reply.error)
                return reply
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
