"""The services that one client calls."""

import time
from collections.abc import Mapping
from typing import Any, Final

from dsmq_nodes.errors import CommandError, DsmqError
from dsmq_nodes.gateways.client_values import message_text
from dsmq_nodes.gateways.known_types import KnownType, service_type
from dsmq_nodes.gateways.message_json import decoded
from dsmq_nodes.gateways.rosbridge.operation import (
    Answer,
    Operation,
    full_name,
    seconds_in,
    text_in,
)
from dsmq_nodes.gateways.rosbridge.rosapi import RosApi
from dsmq_nodes.gateways.rosbridge.rosbridge_server import RosbridgeServer
from dsmq_nodes.gateways.rosbridge.transform_feeds import TopicOfTransforms
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.messages.schema.dynamic import without_special
from dsmq_nodes.messages.schema.schema_walk import as_mapping, resolved
from dsmq_nodes.topic_names import ACTION

_TIMEOUT_SEC: Final = 10.0
_CANCEL_ALL: Final = f"{ACTION}/cancel_goal"


class ClientServices:
    """Calls services; the gateway itself answers those of rosapi and `/republish_tfs`."""

    def __init__(self, client: HubClient, server: RosbridgeServer) -> None:
        self._client = client
        self._rosapi = RosApi(client, server)
        self._transforms = TopicOfTransforms(client, server.transforms)

    def call(self, operation: Operation) -> None:
        """Call a service; the answer is sent later."""
        spelled = text_in(operation, "service")
        # roslib's cancelAllGoals expects no answer.
        is_silent = spelled.endswith(_CANCEL_ALL) and operation.get("id") is None
        answer = None if is_silent else Answer(self._client.outbox, operation)
        self._client.spawn(self._call(spelled, operation, answer))

    def closed(self) -> None:
        """End the client's feeds of transforms, because it is gone."""
        self._transforms.closed()

    async def _call(self, spelled: str, operation: Operation, answer: Answer | None) -> None:
        try:
            timeout_sec = seconds_in(operation, "timeout", _TIMEOUT_SEC)
            values = await self._answer(full_name(spelled), operation.get("args"), timeout_sec)
            result = True
        except (DsmqError, ValueError) as error:
            values, result = str(error) or type(error).__name__, False
        if answer is not None:
            await answer.send_large(
                "service_response", service=spelled, values=values, result=result
            )

    async def _answer(self, service: str, args: Any, timeout_sec: float) -> Any:
        is_served = self._client.hub.service(service) is not None
        if not is_served and self._rosapi.has(service):
            await self._client.hub.settled()
            return await self._rosapi.call(service, args)
        if not is_served and service == self._transforms.service:
            return self._transforms.begin(args)
        await self._client.hub.served(service, timeout_sec)
        kind = service_type(self._client.hub, service)
        body = request_text(args, kind.request)
        text = await self._client.call(service, body, timeout_sec=timeout_sec)
        return without_special(decoded(text), kind.response.schema)


def request_text(args: Any, kind: KnownType) -> str:
    """Return a request as JSON; its fields may be given by name or in their order.

    Raises:
        CommandError: a value does not fit.
    """
    return message_text(fields_by_name(args, kind), kind, time.time_ns())


def fields_by_name(args: Any, kind: KnownType) -> Mapping[str, Any]:
    """Return the `args` of a call or a goal by name; they may be an object, a list or absent.

    Raises:
        CommandError: `args` is something else, or the order of its fields is unknown.
    """
    if isinstance(args, list):
        names = list(as_mapping(resolved(kind.schema, kind.schema).get("properties")))
        if len(args) > len(names):
            raise CommandError(f"{kind.name} has {len(names)} fields, not {len(args)}")
        if len(args) > 1 and kind.cls is None:
            # A schema from the broker has its names sorted.
            raise CommandError(f"give the fields of {kind.name} by name: their order is unknown")
        args = dict(zip(names, args, strict=False))
    if not isinstance(args, Mapping | None):
        raise CommandError(f"args has to be an object or a list, not {args!r:.60}")
    return args or {}
