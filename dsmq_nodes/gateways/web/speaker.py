"""The contract between the server and a websocket protocol.

A protocol does no I/O. For each connection the server makes one `Speaker` and calls it in the
thread of the event loop:

    connect = endpoint.open(hub)            once, when the gateway starts: state that clients share
    speaker = connect(client)               for each websocket; may answer at once
    speaker.receive("text") or (b"bytes")   for each message
    speaker.closed()                        when the socket has ended, for whatever reason

A speaker writes into `client.outbox`. It subscribes, publishes and calls through `client`
(hub_client.py), which the server closes after `closed()`: this releases all that the client held.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web.hub_client import HubClient


class Speaker(Protocol):
    """One client of a websocket protocol."""

    def receive(self, data: str | bytes) -> None:
        """Process a message of the client; a text frame is a `str`, a binary one is `bytes`.

        An invalid message is answered in the protocol's own form. An exception ends the connection
        and is logged.
        """

    def closed(self) -> None:
        """Release everything: the socket has ended, and nothing more can be sent."""


Connect = Callable[[HubClient], Speaker]


class WebEndpoint(NamedTuple):
    """A websocket protocol, and its address for clients.

    Attributes:
        name: its key in a launch file and its option on the command line.
        path: its path on the dashboard's port.
        port: the default port of its clients; 0 for none.
        open: called once, returns the function that makes a speaker for each client.
        subprotocols: a client has to request one of these; empty for any client.
        origins: web pages that may connect, besides the gateway's own.
    """

    name: str
    path: str
    port: int
    open: Callable[[Hub], Connect]
    subprotocols: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
