"""Action clients of other machines, shown in this machine's graph.

An action server cancels the goals of a client that is no longer in the graph: whatever moves for it
has to stop. A client on another machine is in the graph of another broker. Its signature therefore
gets a connection to this broker for as long as its machine offers its requests: when the link is
cut, or the client is gone, the server here gets the same graph as there.
"""

import contextlib
import logging
import threading
from typing import Final

from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import DsmqError, WireError
from dsmq_nodes.graph import service_wire
from dsmq_nodes.topic_names import ACTION, REQUEST

logger = logging.getLogger("dsmq_nodes.uplink")

_GOALS: Final = f"{ACTION}/send_goal{REQUEST}"
_MOST: Final = 1000  # clients; the oldest is dropped first


class RemoteClients:
    """The connections that represent clients of other machines."""

    def __init__(self, broker: Address) -> None:
        """Begin without clients; `broker` is the broker to show them in."""
        self._broker = broker
        self._shown: dict[str, tuple[str, ClientConnection | None]] = {}  # by signature
        self._lock = threading.Lock()

    def see(self, topic: str, text: str) -> None:
        """Show the client of a request, if the request sends a goal."""
        if not topic.endswith(_GOALS):
            return
        with contextlib.suppress(WireError):  # the server reports it
            client = service_wire.read(text).client
            if service_wire.is_in_graph(client) and client not in self._shown:
                self._shown[client] = (topic, None)
                self._connect(client)
        while len(self._shown) > _MOST:
            self._hide(next(iter(self._shown)))

    def hide_clients(self, topic: str) -> None:
        """Hide the clients of a topic whose requests no machine offers any longer."""
        for client in [client for client, (of, _) in self._shown.items() if of == topic]:
            self._hide(client)

    def show_again(self) -> None:
        """Connect all clients again, because the broker is back."""
        for client in list(self._shown):
            self._connect(client)

    def close(self) -> None:
        """End all connections."""
        for client in list(self._shown):
            self._hide(client)

    def _hide(self, client: str) -> None:
        with self._lock:
            _, connection = self._shown.pop(client)
        if connection is not None:
            connection.close()

    def _connect(self, client: str) -> None:
        # In a thread, because a stopped broker would delay the uplink.
        threading.Thread(target=self._dial, args=(client,), daemon=True).start()

    def _dial(self, client: str) -> None:
        try:
            connection = ClientConnection(self._broker.host, self._broker.port, client=client)
        except DsmqError as error:
            logger.warning("%s cannot be shown in the graph: %s", client, error)
            return
        with self._lock:
            topic, old = self._shown.get(client, ("", None))
            if topic:
                self._shown[client] = (topic, connection)
        for each in (old if topic else connection,):
            if each is not None:
                each.close()
