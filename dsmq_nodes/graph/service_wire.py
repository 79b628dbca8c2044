"""How a service is called: two topics and two extra fields. No I/O here.

Requests go on `<service>/_request`, responses on `<service>/_reply`. A publisher of the first topic
is a client, a publisher of the second one a server; tools that only listen are neither. The leading
underscore hides both from lists of topics, as in ROS 2.

A request is the service's `Request` as JSON with two more fields. The reply repeats these, and is
either the `Response` or the reason why there is none. So each is a valid message of its topic's
type:

    {"_client": "/arm@812.17e2f0", "_id": 7, "a": 1, "b": 2}
    {"_client": "/arm@812.17e2f0", "_id": 7, "sum": 3}
    {"_client": "/arm@812.17e2f0", "_id": 7, "_error": "ZeroDivisionError: division by zero"}

`_client` is the caller's name (empty for a tool) and, after the @, a text that distinguishes it
from earlier callers of that name; `_id` counts its calls. When the text has a process number and a
dot, the caller has also sent its `_client` in its hello to the broker, and the graph shows whether
it is still connected. Every client of a service receives all replies and ignores those for others.
The graph alone shows which node serves: no heartbeats are sent.
"""

import os
from typing import Final

import msgspec

from dsmq_nodes.errors import WireError
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.topic_names import REPLY, REQUEST

NODE_SERVICES: Final = {
    "describe_parameters": "DescribeParameters",
    "get_parameter_types": "GetParameterTypes",
    "get_parameters": "GetParameters",
    "list_parameters": "ListParameters",
    "set_parameters": "SetParameters",
    "set_parameters_atomically": "SetParametersAtomically",
    "get_logger_levels": "GetLoggerLevels",
    "set_logger_levels": "SetLoggerLevels",
}
"""The names of the services, below the node's, and the names of their types."""


class Call(msgspec.Struct):
    """The call that a request or a reply belongs to; `error` is for replies."""

    client: str = msgspec.field(name="_client")
    id: int = msgspec.field(name="_id")
    error: str = msgspec.field(name="_error", default="")

    @property
    def node(self) -> str:
        """The caller's name; empty for a tool."""
        return node_of(self.client)


def node_of(client: str) -> str:
    """Return the node that signs its calls `client`; empty for a tool."""
    return client.rpartition("@")[0]


def is_in_graph(client: str) -> bool:
    """Whether the graph can show this caller itself, and not only its node."""
    return "." in client.rpartition("@")[2]


def described(client: str) -> str:
    """Return a text that names a caller, for logs."""
    pid = client.rpartition("@")[2].partition(".")[0]
    return node_of(client) or (f"the tool with pid {pid}" if is_in_graph(client) else "the tool")


_read: Final = json_reader(Call)
_read_fields: Final = json_reader(dict[str, msgspec.Raw])


def read(text: str | None) -> Call:
    """Return the call that a text belongs to.

    Raises:
        WireError: it is neither a request nor a reply.
    """
    try:
        return _read(text or "")
    except ValueError as error:
        raise WireError(f"not a call of a service: {error}") from None


def write(client: str, call_id: int, body: str) -> str:
    """Return a request or a reply; `body` is the message as JSON."""
    head = f'{{"_client":{_text(client)},"_id":{call_id}'
    return head + ("}" if body == "{}" else f",{body[1:]}")


def new_client() -> str:
    """Return the signature of a tool's calls, which it sends in its hello."""
    return f"@{os.getpid()}.{os.urandom(8).hex()}"


def signed(text: str, client: str) -> str:
    """Return a recorded request signed by `client`, since its sender is no longer connected."""
    try:
        fields = _read_fields(text)
    except ValueError:
        return text  # not a request: the server reports it
    fields["_client"] = msgspec.Raw(_text(client).encode())
    return msgspec.json.encode(fields).decode()


def write_error(call: Call, error: str) -> str:
    """Return a reply that says why there is no response."""
    return write(call.client, call.id, f'{{"_error":{_text(error)}}}')


def service_type(topic_type: str) -> str:
    """Return the service's type, from the type of its request or its response."""
    return topic_type.removesuffix("_Request").removesuffix("_Response")


def is_of_every_node(topic: str) -> bool:
    """Whether a topic belongs to a service that every node has, and that is rarely called."""
    service, _, end = topic.rpartition("/")
    return f"/{end}" in {REQUEST, REPLY} and service.rpartition("/")[2] in NODE_SERVICES


def _text(text: str) -> str:
    # A traceback may hold a lone surrogate, which no frame can.
    return msgspec.json.encode(text.encode("utf-8", "replace").decode()).decode()
