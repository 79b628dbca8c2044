"""The calling end of a service; service_wire.py has the format of calls."""

import asyncio
import threading
from functools import partial
from typing import Any, Final, Generic, cast

import msgspec

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import (
    DsmqError,
    ServiceError,
    ServiceTimeoutError,
    ServiceUnavailableError,
    SpinError,
)
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.graph.services.future import Future
from dsmq_nodes.graph.services.service_server import ServiceParts
from dsmq_nodes.graph.topics.graph_view import GraphEndpoint
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.graph.wrong_message import given_instead
from dsmq_nodes.messages.service_base import RequestT, ResponseT
from dsmq_nodes.topic_names import REPLY, REQUEST

_MOST_WAITING: Final = 10_000  # calls of one service; cancel a future to stop waiting


class _Waiting(msgspec.Struct, eq=False):
    """A call without an answer; it is sent once the graph shows the server."""

    future: Future[Any]
    body: str
    server: GraphEndpoint | None = None


class Calls:
    """The calls of one service by one node, from all its clients."""

    def __init__(self, srv_type: Any, service_name: str, parts: ServiceParts) -> None:
        self.srv_type = srv_type
        self.service_name = service_name
        self.clients = 0
        self.spinner, self.graph = parts.spinner, parts.graph
        self._what = f"call of {service_name}"
        self._caller, self._ids = parts.link.client, parts.ids
        self._link, self._logger = parts.link, parts.logger
        self._waiting: dict[int, _Waiting] = {}
        self._sending = threading.Lock()
        self._ready: GraphEndpoint | None = None  # the server, if its type is right
        self._is_closed = False
        request, response = srv_type.Request, srv_type.Response
        self._requests = self._link.advertise(
            service_name + REQUEST, request.type_name, 0, schema_text(request)
        )
        topic, type_name = service_name + REPLY, response.type_name
        self._link.subscribe(topic, 0, type_name, self._deliver, schema_text(response))
        self.graph.watchers.append(self._on_graph)
        self.graph.start()

    @property
    def server(self) -> GraphEndpoint | None:
        """The server, as far as is known."""
        return next(iter(self.graph.publishers(self.service_name + REPLY)), None)

    def begin(self, body: str) -> Future[Any]:
        """Start a call; `body` is the request as JSON."""
        future: Future[Any] = Future(self._what, self.spinner.dispatcher, self._logger)
        call_id = next(self._ids)
        if len(self._waiting) >= _MOST_WAITING:
            oldest = next(iter(self._waiting))
            self._fail(oldest, f"{_MOST_WAITING:,} calls wait already: the oldest was given up")
        future.on_cancel = partial(self._waiting.pop, call_id, None)
        with self._sending:  # `_on_graph` finds this call, or this call finds its server
            waiting = self._waiting[call_id] = _Waiting(future, body, self._ready)
        if waiting.server is not None:
            self._publish(call_id, body)
        elif self._why_unavailable() or self.graph.is_known:
            self._send(call_id, waiting)
        return future

    def _send(self, call_id: int, waiting: _Waiting) -> None:
        with self._sending:
            if waiting.server is not None or waiting.future.done():
                return
            server = self.server
            fault = self._fault(server)
            waiting.server = None if fault else server
        if fault:
            self._fail(call_id, fault)
        else:
            self._publish(call_id, waiting.body)

    def _publish(self, call_id: int, body: str) -> None:
        try:
            self._link.publish(self._requests, calls.write(self._caller, call_id, body))
        except DsmqError as error:
            self._fail(call_id, str(error))

    def _why_unavailable(self) -> str:
        """Return why no service can be called now; empty: calls can be sent."""
        if self._is_closed:
            return "its client was destroyed"
        if not self._link.has_graph:
            return "an original dsmq server knows no services: start `dsmq-nodes broker` instead"
        return "the broker is lost" if self.graph.is_lost else ""

    def _fault(self, server: GraphEndpoint | None) -> str:
        if fault := self._why_unavailable():
            return fault
        if server is None:
            return (
                "nobody serves it: is its node started, and is that its name? "
                "wait_for_service() waits for it"
            )
        # Compare class names only: a type's module depends on how its script was started.
        if server.type.split("/")[-1] != self.srv_type.Response.type_name.split("/")[-1]:
            theirs = calls.service_type(server.type)
            return (
                f"{server.node} serves it as {theirs}, this client is of {self.srv_type.type_name}"
            )
        return ""

    def _deliver(self, reply: Entry, again: bool) -> None:
        text = reply.text or ""
        try:
            call = calls.read(text)
        except DsmqError:
            return  # not a reply: another publisher on this topic
        if call.client != self._caller:
            return
        waiting = self._waiting.pop(call.id, None)
        if waiting is None:
            return  # it was cancelled, or took too long
        if call.error:
            waiting.future.set_exception(ServiceError(f"{self.service_name}: {call.error}"))
            return
        try:
            waiting.future.set_result(self.srv_type.Response.from_json(text))
        except DsmqError as error:
            waiting.future.set_exception(ServiceError(f"{self.service_name}: {error}"))

    def _on_graph(self) -> None:
        """Send calls that waited for the graph; fail those whose server is lost."""
        publishers = self.graph.publishers(self.service_name + REPLY)
        server = self.server
        with self._sending:
            self._ready = None if self._fault(server) else server
        for call_id, waiting in list(self._waiting.items()):
            if waiting.future.done():
                self._waiting.pop(call_id, None)
            elif waiting.server is None:
                self._send(call_id, waiting)
            elif waiting.server not in publishers:
                who = "the broker was" if self.graph.is_lost else f"{waiting.server.node} was"
                self._fail(call_id, f"{who} lost in mid-call: whether it was done is not known")

    def _fail(self, call_id: int, fault: str) -> None:
        waiting = self._waiting.pop(call_id, None)
        if waiting is not None:
            error = ServiceUnavailableError(f"{self.service_name}: {fault}")
            waiting.future.set_exception(error)

    def close(self) -> None:
        """Stop calling."""
        if self._on_graph in self.graph.watchers:
            self.graph.watchers.remove(self._on_graph)
        with self._sending:
            self._is_closed, self._ready = True, None
        for call_id in list(self._waiting):
            self._fail(call_id, self._why_unavailable())
        self._link.unsubscribe(self.service_name + REPLY)
        self._link.unadvertise(self._requests)


class Client(Generic[RequestT, ResponseT]):
    """Calls a service; made by `Node.create_client`."""

    def __init__(self, calls_of_it: Calls) -> None:
        self.srv_type = calls_of_it.srv_type
        self.service_name = calls_of_it.service_name
        self._calls = calls_of_it
        self._spinner = calls_of_it.spinner
        self._is_closed = False

    def call_async(self, request: RequestT) -> Future[ResponseT]:
        """Call without waiting, from any thread; the future will have the response.

        The future's exception is a ServiceUnavailableError when no node serves, or the server is
        lost before it has answered; it is a ServiceError with the service's text when its callback
        raised.

        Raises:
            TypeError: the request is not of this service's type.
            MessageError: a field of the request holds a value of the wrong type.
            ValueError: the client was destroyed.
        """
        if not isinstance(request, self.srv_type.Request):
            raise TypeError(
                f"{self.service_name} takes a {self.srv_type.Request.type_name}, "
                f"{given_instead(self.srv_type.Request, request)}"
            )
        if self._is_closed:
            raise ValueError(f"{self.service_name}: this client was destroyed")
        self._spinner.warn_if_ended(f"a call of {self.service_name}")
        return self._calls.begin(request.to_json())

    def call(self, request: RequestT, timeout_sec: float | None = None) -> ResponseT:
        """Call the service and wait for the response; in a coroutine: `await client.call(request)`.

        Outside of callbacks call it without `await`; the node's callbacks run meanwhile.

        Raises:
            ServiceUnavailableError: no node serves, or the server is lost during the call.
            ServiceTimeoutError: there was no response within `timeout_sec`; None waits forever.
            ServiceError: the service's callback raised, or the node was shut down.
            SpinError: called in a callback that is not a coroutine, and so cannot wait.
        """
        if not self._spinner.is_in_callback():
            self._spinner.warn_if_ended(f"a call of {self.service_name}")
            work = self._call(request, timeout_sec)
            response = self._spinner.block_on(work, "await client.call(...)")
            if response is None:
                raise ServiceError(f"{self.service_name}: the node was shut down in mid-call")
            return response
        if self._spinner.dispatcher.is_calling or asyncio.current_task() is None:
            raise SpinError(
                f"{self.service_name}: a call in a callback would block the node, and never end: "
                "make the callback an `async def` and write `await client.call(...)`"
            )
        # A message can be awaited, as far as type checkers know.
        return cast("ResponseT", self._call(request, timeout_sec))

    async def _call(self, request: RequestT, timeout_sec: float | None) -> ResponseT:
        future = self.call_async(request)
        if timeout_sec is None:
            return await future
        try:
            async with asyncio.timeout(timeout_sec):
                return await future
        except TimeoutError:
            raise ServiceTimeoutError(
                f"{self.service_name}: no response in {timeout_sec:g} s"
            ) from None

    def service_is_ready(self) -> bool:
        """Whether a node serves, as far as is known."""
        return self._calls.server is not None

    def wait_for_service(self, timeout_sec: float | None = None) -> bool:
        """Wait until a node serves; callbacks run meanwhile. Returns False on timeout.

        Raises:
            SpinError: called from a callback: `await client.wait_for_service_async()` there.
        """
        work = self.wait_for_service_async(timeout_sec)
        return bool(self._spinner.block_on(work, "await client.wait_for_service_async()"))

    async def wait_for_service_async(self, timeout_sec: float | None = None) -> bool:
        """Do the same as `wait_for_service`, in a coroutine."""
        return await self._calls.graph.within(self.service_is_ready, timeout_sec)

    def close(self) -> bool:
        """Stop calling, for `Node.destroy_client`; return whether this was the last client."""
        if self._is_closed:
            return False
        self._is_closed = True
        self._calls.clients -= 1
        return self._calls.clients == 0
