"""What a websocket protocol owes to the server, and what the server owes to it.

A protocol does no I/O. For each connection the server makes one `Speaker` and calls it in one
thread, the event loop's:

    connect = endpoint.open(hub)            once, when the gateway starts: state that clients share
    speaker = connect(client)               for each websocket; may answer at once
    speaker.receive("text") or (b"bytes")   for each message
    speaker.closed()                        when the socket has ended, for whatever reason

A speaker writes into `client.outbox`; it subscribes, publishes and calls through `client`
(hub_client.py), which is closed by the server after `closed()`: what it held is released there.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web.hub_client import HubClient


class Speaker(Protocol):
    """One client of a websocket protocol."""

    def receive(self, data: str | bytes) -> None:
        """Take a message of the client; a text frame is a `str`, a binary one is `bytes`.

        What is wrong with it is answered in the protocol's own words. An exception ends the
        connection and is logged.
        """

    def closed(self) -> None:
        """The socket has ended; nothing more can be sent."""


Connect = Callable[[HubClient], Speaker]


class WebEndpoint(NamedTuple):
    """A websocket protocol, and where clients find it.

    Attributes:
        name: its key in a launch file and its option on the command line.
        path: its path on the dashboard's port.
        port: the port where its clients look for it by default; 0: it has none.
        open: makes, once, the function that makes a speaker for each client.
        subprotocols: those of which a client has to name one; none: any client.
        origins: web pages that may connect besides our own.
    """

    name: str
    path: str
    port: int
    open: Callable[[Hub], Connect]
    subprotocols: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
