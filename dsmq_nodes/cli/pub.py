"""`dsmq-nodes topic pub`."""

import itertools
import sys
import time
from typing import TYPE_CHECKING, Final

from dsmq_nodes.cli import lookup
from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.graph.names import resolve_topic
from dsmq_nodes.graph.type_check import schema_text
from dsmq_nodes.launcher.source import parse
from dsmq_nodes.messages.find import find_type

if TYPE_CHECKING:
    from dsmq_nodes.cli.session import Session
    from dsmq_nodes.messages.base import Message
    from dsmq_nodes.messages.dsmq_msgs import GraphTopic

_LONGEST: Final = 1000


def message_of(type_name: str, values: str) -> "Message":
    """The message with these values, a YAML or JSON text, and defaults for the rest.

    Raises:
        CommandError: there is no such type, or the text is not of fields.
        LaunchFileError: the text is not YAML; says where.
        MessageError: a value does not fit; says which.
    """
    msg_type = find_type(type_name)
    if not values.strip():
        return msg_type.from_dict({})
    document = parse(values, "VALUES")
    if document.problems:
        raise LaunchFileError(document.file, document.problems)
    if not isinstance(document.data, dict):
        raise CommandError(
            f"the values are {document.data!r}, not fields: write them as '{{field: value}}'; "
            f"{msg_type.type_name} has {', '.join(msg_type.model_fields) or 'none'}"
        )
    return msg_type.from_dict(document.data)


def publish(
    session: "Session", name: str, message: "Message", rate_hz: float, *, times: int, wait_for: int
) -> None:
    """Publish a message `times` times (0: for ever), each acknowledged by the broker.

    Args:
        session: the connection.
        name: a plain client's topic of that very name if there is one, else the name is a node's.
        message: what to publish.
        rate_hz: how often.
        times: how many times.
        wait_for: how many subscribers to wait for first.
    """
    known = lookup.find(session.graph(), name)
    topic = known.name if known else resolve_topic(name, "topic_pub", "/", {})
    if known:
        _warn_of_other_types(known, message.type_name)
    session.advertise(topic, message.type_name, schema_text(type(message)))
    _wait_for(session, topic, wait_for)
    text, shown = message.to_json(), _shown(message)
    print("publisher: beginning loop", flush=True)
    due_sec = time.monotonic()
    for number in itertools.count(1):
        print(f"publishing #{number}: {shown}\n", flush=True)
        session.put(topic, text, number)
        if number == times:
            return
        # What is late is not made up for in a burst.
        due_sec = max(due_sec + 1 / rate_hz, time.monotonic())
        time.sleep(max(due_sec - time.monotonic(), 0))


def _warn_of_other_types(topic: "GraphTopic", type_name: str) -> None:
    others = [used for used in lookup.types(topic) if used != type_name]
    if others:
        print(
            f"WARNING: topic [{topic.name}] carries {', '.join(others)}, not {type_name}",
            file=sys.stderr,
        )


def _wait_for(session: "Session", topic: str, subscribers: int) -> None:
    if not subscribers:
        return
    told = False
    for graph in session.graphs():
        found = lookup.find(graph, topic)
        if found and len(found.subscribers) >= subscribers:
            return
        if not told:
            print(f"Waiting for at least {subscribers} matching subscription(s)...", flush=True)
            told = True


def _shown(message: "Message") -> str:
    """The message as ros2 shows it, but for the packages of the messages inside."""
    shown = f"{message.type_name.rpartition('/')[0].replace('/', '.')}.{message!r}"
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
