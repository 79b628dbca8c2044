"""The serving end of a service; service_wire.py has the format of calls."""

from asyncio import CancelledError
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.graph.callback import as_error, awaited, callback_name, takes_two, to_await
from dsmq_nodes.graph.links.link import Link
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin.spinner import Spinner
from dsmq_nodes.graph.topics.graph_view import GraphView
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.service_base import RequestT, ResponseT
from dsmq_nodes.printable import error_text
from dsmq_nodes.topic_names import REPLY, REQUEST

ServiceCallback = (
    Callable[[RequestT, ResponseT], ResponseT | Awaitable[ResponseT]]
    | Callable[[RequestT], ResponseT | Awaitable[ResponseT]]
)
Load = Callable[[], tuple[Any, Callable[..., Any]]]
"""Returns the type of a service and its callback."""

_MOST_WAITING: Final = 1000  # requests; further ones are refused


class ServiceParts(NamedTuple):
    """The parts that a node's services and clients use; `ids` yields the numbers of its calls."""

    node_name: str
    link: Link
    spinner: Spinner
    graph: GraphView
    logger: Logger
    ids: Iterator[int]


class ServiceServer(Generic[RequestT, ResponseT]):
    """Answers the calls of a service; made by `Node.create_service`.

    Only one node serves: the first one. A second node stands by, and takes over when the first has
    gone.

    Attributes:
        is_standby: whether another node serves it.
        answered: how many calls were answered by a response.
        failed: how many calls were answered by an error.
        caller: the caller of the current call, and `entry`: its message.
    """

    def __init__(
        self, service_name: str, load: Load, parts: ServiceParts, type_name: str = ""
    ) -> None:
        """Serve as soon as the graph shows no other server.

        With a `type_name` it is one of the node's own: it serves at once, and its type and callback
        are loaded with the first call.
        """
        self.service_name = service_name
        self.callback: Callable[..., Any] | None = None
        self.is_standby = False
        self.answered = 0
        self.failed = 0
        self.caller: calls.Call | None = None
        self.entry: Entry | None = None
        self._load = load
        self._node_name, self._link, self._logger = parts.node_name, parts.link, parts.logger
        self._dispatcher = parts.spinner.dispatcher
        self._graph = graph = None if type_name else parts.graph
        self._mail: deque[Entry] = deque()
        self._serves = graph is None
        self._invalid = 0
        request, response = f"{type_name}_Request", f"{type_name}_Response"
        request_schema = response_schema = b""
        if not type_name:
            types = self.srv_type
            request, response = types.Request.type_name, types.Response.type_name
            request_schema, response_schema = map(schema_text, (types.Request, types.Response))
        topic = service_name + REQUEST
        self._link.subscribe(topic, 0, request, self._deliver, request_schema)
        # In this order: a node that finds us in the graph may call at once.
        self._replies = self._link.advertise(service_name + REPLY, response, 0, response_schema)
        if graph is not None:
            graph.watchers.append(self._serve_or_stand_by)
            graph.start()
            self._serve_or_stand_by()

    @cached_property
    def srv_type(self) -> Any:
        """The service's type."""
        srv_type, callback = self._load()
        self.callback = callback
        self._wants_response = takes_two(callback, "a service's callback", "request", "response")
        fields = srv_type.Response.model_fields
        self._required = [name for name, field in fields.items() if field.is_required()]
        return srv_type

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._mail)

    def dispatch(self) -> None:
        """Answer the oldest call."""
        if not self._mail:
            return
        reply = self.entry = self._mail.popleft()
        try:
            call = calls.read(reply.text)
        except DsmqError as error:
            self._invalid += 1
            if self._invalid == 1:
                self._logger.warning(
                    f"{self.service_name}: from {reply.sender or 'a client'}: {error}; others like "
                    "it are skipped"
                )
            return
        try:
            request = self.srv_type.Request.from_json(reply.text or "")
        except DsmqError as error:
            self._publish_error(call, str(error))
            return
        self._answer(call, request)

    def _answer(self, call: calls.Call, request: Message) -> None:
        self.caller = call
        assert self.callback is not None
        try:
            if self._wants_response:
                result = self.callback(request, self._new_response())
            else:
                result = self.callback(request)
            work = to_await(result, self.callback)
        except (Exception, CancelledError) as error:  # noqa: BLE001  for the log and the caller
            self._raised(call, as_error(error))
            return
        if work is not None:
            self._dispatcher.begin(self._await(call, work), self.callback)
        else:
            self._respond(call, result)

    def _new_response(self) -> Message:
        """Return a response for the callback to fill; fields without a default are not set."""
        response: type[Message] = self.srv_type.Response
        return response.model_construct() if self._required else response()

    async def _await(self, call: calls.Call, result: Awaitable[Any]) -> None:
        try:
            response = await awaited(result)
        except Exception as error:  # noqa: BLE001  as above
            self._raised(call, error)
        else:
            self._respond(call, response)

    def _respond(self, call: calls.Call, response: object) -> None:
        wanted = self.srv_type.Response
        try:
            if not isinstance(response, wanted):
                raise TypeError(
                    f"{callback_name(self.callback)} is to return {wanted.type_name}, not "
                    f"{response!r:.60}"
                )
            missing = [name for name in self._required if name not in response.__dict__]
            if missing:
                raise TypeError(
                    f"{callback_name(self.callback)} returned a {wanted.type_name} without "
                    f"{', '.join(missing)}"
                )
            text = calls.write(call.client, call.id, response.to_json())
            self._link.publish(self._replies, text)
        except Exception as error:  # noqa: BLE001  also for a response that cannot be sent
            self._raised(call, error)
        else:
            self.answered += 1

    def _raised(self, call: calls.Call, error: Exception) -> None:
        caller = f" from {call.node}" if call.node else ""
        self._logger.traceback(f"{self.service_name}: exception in a call{caller}", error)
        self._publish_error(call, error_text(error))

    def _publish_error(self, call: calls.Call, error: str) -> None:
        self.failed += 1
        self._link.publish(self._replies, calls.write_error(call, error))

    def _deliver(self, reply: Entry, again: bool) -> None:
        if self.is_standby:
            return
        if len(self._mail) >= _MOST_WAITING:
            self._refuse(reply)
            return
        self._mail.append(reply)
        if self._serves:
            self._dispatcher.enqueue(self)

    def _refuse(self, reply: Entry) -> None:
        try:
            call = calls.read(reply.text)
        except DsmqError:
            return
        self._publish_error(
            call, f"{_MOST_WAITING} calls wait already, so this one was not carried out"
        )

    def _serve_or_stand_by(self) -> None:
        """Serve or stand by, as the changed graph requires."""
        assert self._graph is not None
        names = [each.node for each in self._graph.publishers(self.service_name + REPLY)]
        if self._node_name not in names:
            return  # the graph does not show us yet, or the broker is lost
        served, self._serves = self._serves, names[0] == self._node_name
        if self._serves:
            for _ in () if served else self._mail:
                self._dispatcher.enqueue(self)
        elif not self.is_standby:
            self._logger.error(
                f"{self.service_name} is served by {names[0]} already: this node stands by until "
                "that one has gone; is it started twice, or should one have another name?"
            )
            self._mail.clear()
        self.is_standby = not self._serves

    def close(self) -> None:
        """Stop serving; `Node.destroy_service` calls this."""
        if self._graph is not None and self._serve_or_stand_by in self._graph.watchers:
            self._graph.watchers.remove(self._serve_or_stand_by)
        self._link.unsubscribe(self.service_name + REQUEST)
        self._link.unadvertise(self._replies)
        self._mail.clear()
