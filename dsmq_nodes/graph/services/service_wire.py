"""How a service is called: two topics and two words. No I/O here.

The request goes on `<service>/_request`, the response on `<service>/_reply`. Whoever publishes the
first is a client, whoever publishes the second serves; tools that only listen are neither. The
leading underscore hides both from lists of topics, as in ROS 2.

A request is the service's `Request` as JSON, with two fields more; the reply repeats them, and is
the `Response`, or says why there is none. So each is a valid message of its topic's type:

    {"_client": "/arm@812.17e2f0", "_id": 7, "a": 1, "b": 2}
    {"_client": "/arm@812.17e2f0", "_id": 7, "sum": 3}
    {"_client": "/arm@812.17e2f0", "_id": 7, "_error": "ZeroDivisionError: division by zero"}

`_client` is the caller's name (empty: a tool) and, after the @, what tells it from an earlier one
of that name; `_id` counts its calls. A caller that has told the broker its `_client` in its hello
has the number of its process and a dot there: the graph shows whether it still is connected. Every
client of a service hears all replies, and passes over those that are not for it. Who serves is
known from the graph alone: nobody sends signs of life.
"""

import os
from typing import Final

import msgspec

from dsmq_nodes.errors import WireError
from dsmq_nodes.topic_names import REPLY, REQUEST

"""What comes after an action's name, in the names of its services and topics."""
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
    """Whose call a request or a reply belongs to; `error` is for replies."""

    client: str = msgspec.field(name="_client")
    id: int = msgspec.field(name="_id")
    error: str = msgspec.field(name="_error", default="")

    @property
    def node(self) -> str:
        """The caller's name; empty: it is a tool, which has none."""
        return node_of(self.client)


def node_of(client: str) -> str:
    """The name of the node that calls as `client`; empty: it is a tool, which has none."""
    return client.rpartition("@")[0]


def is_in_graph(client: str) -> bool:
    """Whether the graph shows the very caller, as far as the broker can."""
    return "." in client.rpartition("@")[2]


def described(client: str) -> str:
    """A caller, for people."""
    pid = client.rpartition("@")[2].partition(".")[0]
    return node_of(client) or (f"the tool with pid {pid}" if is_in_graph(client) else "the tool")


_decode: Final = msgspec.json.Decoder(Call).decode


def read(text: str | None) -> Call:
    """Whose call a text belongs to.

    Raises:
        WireError: it is neither a request nor a reply.
    """
    try:
        return _decode(text or "")
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise WireError(f"not a call of a service: {error}") from None


def write(client: str, call_id: int, body: str) -> str:
    """A request or a reply; `body` is the message as JSON."""
    head = f'{{"_client":{_text(client)},"_id":{call_id}'
    return head + ("}" if body == "{}" else f",{body[1:]}")


def new_client() -> str:
    """What a tool signs its calls with; it is to tell the broker in its hello."""
    return f"@{os.getpid()}.{os.urandom(8).hex()}"


def signed(text: str, client: str) -> str:
    """A request of somebody else as one of `client`: who has sent it is no longer there."""
    try:
        fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return text  # no request: its server tells of it
    fields["_client"] = msgspec.Raw(_text(client).encode())
    return msgspec.json.encode(fields).decode()


def write_error(call: Call, error: str) -> str:
    """A reply that says why there is no response."""
    return write(call.client, call.id, f'{{"_error":{_text(error)}}}')


def service_type(topic_type: str) -> str:
    """The service's type, from the type of its request or its response."""
    return topic_type.removesuffix("_Request").removesuffix("_Response")


def is_of_every_node(topic: str) -> bool:
    """Whether a topic belongs to a service that every node has, and hardly anybody calls."""
    service, _, end = topic.rpartition("/")
    return f"/{end}" in {REQUEST, REPLY} and service.rpartition("/")[2] in NODE_SERVICES


def _text(text: str) -> str:
    # A traceback may hold a lone surrogate, which no frame can.
    return msgspec.json.encode(text.encode("utf-8", "replace").decode()).decode()
