"""The services that one client serves: sends it the requests, and the callers its responses."""

import itertools
import time
from typing import Final

from typing_extensions import override

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError, DsmqError, WireError
from dsmq_nodes.gateways.client_values import message_text
from dsmq_nodes.gateways.known_types import KnownService, service_type
from dsmq_nodes.gateways.message_json import decoded
from dsmq_nodes.gateways.rosbridge.operation import Answer, Operation, text_in
from dsmq_nodes.gateways.rosbridge.served_names import ServedNames
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.graph import service_wire
from dsmq_nodes.messages.schema.dynamic import without_special
from dsmq_nodes.topic_names import REPLY, REQUEST

MOST_WAITING: Final = 1000  # calls that a client has not answered


def fields_of(text: str) -> dict[str, object]:
    """Return a request's own fields."""
    return {name: each for name, each in decoded(text).items() if name not in {"_client", "_id"}}


class ServedServices(ServedNames["ServedService"]):
    """The services of one client."""

    FIELD, KIND = "service", "srv"

    @override
    def _make(self, name: str, spelled: str, type_name: str) -> "ServedService":
        kind = service_type(self._client.hub, name, type_name)
        return ServedService(self._client, name, spelled, kind)

    def respond(self, operation: Operation) -> None:
        """Send a response to its caller."""
        self._of(operation).respond(operation)


class ServedService:
    """A service of a client: its topics, and the calls that wait for the client."""

    def __init__(self, client: HubClient, service: str, spelled: str, kind: KnownService) -> None:
        self._client, self._spelled, self._kind = client, spelled, kind
        self._service = service
        self._waiting: dict[str, service_wire.Call] = {}
        self._numbers = itertools.count(1)
        self._requests = client.subscribe(service + REQUEST, self._take, depth=0, is_prompt=True)
        try:  # in this order: a node may call as soon as the service is in the graph
            self._replies = client.advertise(
                service + REPLY, kind.response.name, kind.response.schema_text
            )
        except CommandError:
            client.release(self._requests)
            raise

    def _take(self, entry: Entry) -> None:
        try:
            call = service_wire.read(entry.text)
        except WireError:
            return  # not a service call
        if len(self._waiting) >= MOST_WAITING:
            self._fail(call, f"{self._service}: {MOST_WAITING} calls already wait for its client")
            return
        number = f"service_request:{self._spelled}:{next(self._numbers)}"
        self._waiting[number] = call
        args = without_special(fields_of(entry.text or ""), self._kind.request.schema)
        answer = Answer(self._client.outbox, {"id": number})
        answer.send("call_service", service=self._spelled, args=args)

    @property
    def type_name(self) -> str:
        """Its type, in ROS 2's spelling."""
        return self._kind.name

    def respond(self, operation: Operation) -> None:
        """Answer a call.

        An object in `values` is a response, whatever `result` says, as in rosbridge_suite: a
        handler of roslibpy that returns False has answered. Otherwise `values` is the error.
        """
        number = text_in(operation, "id")
        call = self._waiting.pop(number, None)
        if call is None:
            raise CommandError(f"no call of {self._service} has the id {number:.80}")
        values = operation.get("values")
        if not isinstance(values, dict) and not operation.get("result", True):
            self._fail(call, values if isinstance(values, str) else "the service has failed")
            return
        kind = self._kind.response
        try:
            body = message_text(values or {}, kind, time.time_ns())
            self._replies.publish(service_wire.write(call.client, call.id, body))
        except DsmqError as error:
            self._fail(call, f"its client has answered with something invalid: {error}")
            raise

    def _fail(self, call: service_wire.Call, reason: str) -> None:
        self._replies.publish(service_wire.write_error(call, reason))

    def close(self) -> None:
        """Answer the waiting callers with an error, and withdraw the service."""
        for call in self._waiting.values():
            self._fail(call, f"{self._service}: the client that served it is gone")
        self._waiting.clear()
        self._client.release(self._requests)
        self._client.release(self._replies)
