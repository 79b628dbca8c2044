"""The names that one client serves, of services or of actions.

A name that another client of this gateway serves passes to the client that advertises it later, as
in rosbridge_suite: a client that lost its network comes back before its old connection has ended.
"""

from typing import ClassVar, Generic, Protocol, TypeVar

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.known_types import ros2_name
from dsmq_nodes.gateways.rosbridge.operation import Operation, SendStatus, full_name, text_in
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.topic_names import is_kits_own


class Served(Protocol):
    """A service or an action that a client serves."""

    @property
    def type_name(self) -> str:
        """Its type, in ROS 2's spelling."""

    def close(self) -> None:
        """Answer whoever waits with an error, and withdraw it."""


ServedT = TypeVar("ServedT", bound=Served)


class ServedNames(Generic[ServedT]):
    """The services, or the actions, of one client by their full names.

    Attributes:
        FIELD: the field of an operation that has the name.
        KIND: the middle of a type's name in ROS 2, `srv` or `action`.
        PART: what follows the name in that of the service by which others of the graph serve it.
        served: the services or actions.
    """

    FIELD: ClassVar[str]
    KIND: ClassVar[str]
    PART: ClassVar[str] = ""

    def __init__(
        self, client: HubClient, holders: "dict[str, ServedNames[ServedT]]", send_status: SendStatus
    ) -> None:
        """Serve nothing yet.

        Args:
            client: the client.
            holders: which of the gateway's clients serves a name; shared by all of them.
            send_status: sends the client a status message.
        """
        self._client, self._holders, self._send_status = client, holders, send_status
        self.served: dict[str, ServedT] = {}

    def _make(self, name: str, spelled: str, type_name: str) -> ServedT:
        """Make what is served: its full name, the client's spelling, its type."""
        raise NotImplementedError

    def advertise(self, operation: Operation) -> None:
        """Serve a name, unless this client serves it already.

        Raises:
            CommandError: the name is reserved, a node serves it, or a client does with another
                type.
        """
        spelled, type_name = text_in(operation, self.FIELD), text_in(operation, "type")
        name, type_name = full_name(spelled), ros2_name(type_name, self.KIND)
        if is_kits_own(name):
            raise CommandError(f"{name} is reserved: choose another name")
        holder = self._holders.get(name)
        if holder is not None:
            _check_type(name, holder.served[name].type_name, type_name)
        if holder is self:
            return
        if nodes := self._other_servers(name + self.PART):
            raise CommandError(f"{name} is already served by {nodes}")
        if holder is not None:
            holder._lose(name)  # noqa: SLF001  of the same class
        served = self._make(name, spelled, type_name)
        if served.type_name != type_name:  # the graph still shows one that has just been withdrawn
            served.close()
            _check_type(name, served.type_name, type_name)
        self.served[name] = served
        self._holders[name] = self

    def _other_servers(self, service: str) -> str:
        """Return the nodes that serve a service, except this gateway."""
        offer = self._client.hub.service(service)
        ends = offer.servers if offer is not None else ()
        return ", ".join(
            end.node or "a client" for end in ends if end.node != self._client.hub.name
        )

    def _of(self, operation: Operation) -> ServedT:
        """Return the service or the action that an operation is about.

        Raises:
            CommandError: this client does not serve it.
        """
        name = full_name(text_in(operation, self.FIELD))
        if name not in self.served:
            raise CommandError(f"{name} is not advertised by this client")
        return self.served[name]

    def unadvertise(self, operation: Operation) -> None:
        """Stop serving a name.

        Raises:
            CommandError: this client does not serve it.
        """
        self._of(operation)
        self._end(full_name(text_in(operation, self.FIELD)))

    def _lose(self, name: str) -> None:
        """Stop serving a name, because another client serves it now."""
        self._end(name)
        self._send_status("warning", f"{name}: another client serves it now", None)

    def _end(self, name: str) -> None:
        self.served.pop(name).close()
        del self._holders[name]

    def closed(self) -> None:
        """Stop serving all names, because the client is gone."""
        for name in list(self.served):
            self._end(name)


def _check_type(name: str, known: str, named: str) -> None:
    """Check that a client names the type that callers know already.

    Raises:
        CommandError: it names another one.
    """
    if named != known:
        raise CommandError(f"{name} already has the type {known}, not {named:.80}")
