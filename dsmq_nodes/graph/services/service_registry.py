"""The services and clients of a node."""

import hashlib
import itertools
from typing import Any

from dsmq_nodes.graph.callback import check_callback
from dsmq_nodes.graph.given import subclass_of
from dsmq_nodes.graph.links.link import Link
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.services.service_client import Calls, Client
from dsmq_nodes.graph.services.service_server import (
    Load,
    ServiceCallback,
    ServiceParts,
    ServiceServer,
)
from dsmq_nodes.graph.spin.spinner import Spinner
from dsmq_nodes.graph.topics.graph_view import GraphView
from dsmq_nodes.messages.service_base import RequestT, ResponseT, Service, ServiceType


class Services:
    """The services and clients of a node, by absolute names."""

    def __init__(
        self, node_name: str, link: Link, spinner: Spinner, graph: GraphView, logger: Logger
    ) -> None:
        self._parts = ServiceParts(node_name, link, spinner, graph, logger, itertools.count(1))
        self._servers: dict[str, ServiceServer[Any, Any]] = {}
        self._calls: dict[str, Calls] = {}

    def new_id(self) -> bytes:
        """Return 16 unique bytes, made from the caller's name and start and a count.

        They are not random, so that every run in virtual time is the same.
        """
        text = f"{self._parts.link.client} {next(self._parts.ids)}"
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def add_service(
        self,
        srv_type: ServiceType[RequestT, ResponseT],
        name: str,
        callback: ServiceCallback[RequestT, ResponseT],
    ) -> ServiceServer[RequestT, ResponseT]:
        """Create a server."""
        subclass_of(srv_type, Service, "a service's type")
        check_callback(callback, f"the callback of {name}")
        return self.add_server(name, lambda: (srv_type, callback))

    def add_server(self, name: str, load: Load, type_name: str = "") -> ServiceServer[Any, Any]:
        """Create a server; with a `type_name` it is one of the node's own: see `ServiceServer`."""
        if name in self._servers:
            raise ValueError(f"this node serves {name} already")
        self._parts.spinner.warn_if_ended(f"a service {name}")
        server: ServiceServer[Any, Any] = ServiceServer(name, load, self._parts, type_name)
        self._servers[name] = server
        return server

    def remove_service(self, server: ServiceServer[Any, Any]) -> None:
        """Remove a server."""
        if self._servers.get(server.service_name) is server:
            del self._servers[server.service_name]
            server.close()

    def add_client(
        self, srv_type: ServiceType[RequestT, ResponseT], name: str
    ) -> Client[RequestT, ResponseT]:
        """Create a client."""
        subclass_of(srv_type, Service, "a service's type")
        calls = self._calls.get(name)
        if calls is None:
            calls = self._calls[name] = Calls(srv_type, name, self._parts)
        elif calls.srv_type is not srv_type:
            raise TypeError(
                f"this node calls {name} as {calls.srv_type.type_name} already, so it cannot call "
                "it as another type"
            )
        self._parts.spinner.warn_if_ended(f"a client of {name}")
        calls.clients += 1
        return Client(calls)

    def remove_client(self, client: Client[Any, Any]) -> None:
        """Remove a client."""
        if client.close():
            self._calls.pop(client.service_name).close()

    def close(self) -> None:
        """Fail the calls without a response, since the node ends."""
        for calls in self._calls.values():
            calls.close()
