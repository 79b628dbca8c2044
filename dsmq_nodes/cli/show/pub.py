"""`dsmq-nodes topic pub`."""

import contextlib
import itertools
import json
import math
import shlex
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dsmq_nodes.cli.listing import is_type
from dsmq_nodes.cli.show.value_texts import message_of, text_of
from dsmq_nodes.errors import CommandError, DsmqError
from dsmq_nodes.graph.names import resolve_topic
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.schema.dynamic import decoded, written
from dsmq_nodes.messages.schema.find import find_type, from_others
from dsmq_nodes.suggest import nearest
from dsmq_nodes.tools import lookup
from dsmq_nodes.tools.graph_model import EndpointModel, TopicModel
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import is_emergency_stop, is_kits_own

if TYPE_CHECKING:
    from collections.abc import Callable

_MOMENT_SEC: Final = 1.0
_LONGEST: Final = 1000


@dataclass(frozen=True)
class MessageText:
    """A message to publish, as JSON and as text for the user.

    Attributes:
        again: makes the message again for each publication, if it may contain the current time.
    """

    type_name: str
    schema: bytes
    text: str
    shown: str
    again: "Callable[[], MessageText] | None" = None


def message_text(broker: str, name: str, type_name: str, values: str) -> MessageText:
    """Return the message with these values, a YAML or JSON text, and defaults for the rest.

    A type that this process does not have is taken from the ends of the topic.

    Raises:
        CommandError: there is no such type, or the text does not have fields.
        LaunchFileError: the text is not YAML; the error says where.
        MessageError: a value does not fit; the text says which.
    """
    if is_emergency_stop(f"/{name}") and values.strip() in {"", "{}"}:
        raise CommandError(
            f"{name}: the VALUES are missing: '{{data: true}}' presses it, '{{data: false}}' "
            "releases it"
        )
    try:
        make = partial(_of_class, find_type(type_name), values)
    except CommandError:
        schema = _announced_schema(broker, name, type_name)
        if not schema:
            raise
        make = partial(_of_schema, type_name, schema, values)
    message = make()
    return replace(message, again=make) if "now" in values or "auto" in values else message


def _of_schema(type_name: str, schema: dict[str, Any], values: str) -> MessageText:
    text = text_of(type_name, schema, values)
    shown = written(decoded(json.loads(text), schema), schema, type_name)
    return MessageText(type_name, msgspec.json.encode(schema, order="sorted"), text, _cut(shown))


def _of_class(msg_type: type[Message], values: str) -> MessageText:
    message = message_of(msg_type, values)
    shown = f"{message.type_name.rpartition('/')[0].replace('/', '.')}.{message!r}"
    return MessageText(message.type_name, schema_text(msg_type), message.to_json(), _cut(shown))


def _announced_schema(broker: str, name: str, type_name: str) -> dict[str, Any]:
    """Return the schema of a type from an end of the topic; empty if no end has announced it."""
    with contextlib.suppress(DsmqError), Session(broker) as session:
        topic = lookup.find(session.graph(), name)
        for end in topic.ends if topic is not None else ():
            if is_type(end.type, type_name) and end.schema_id:
                return session.schema(end.schema_id)
    return {}


def type_of(broker: str, name: str, values: str) -> str:
    """Return the type of a topic, for values without a type.

    Raises:
        CommandError: the topic has no type, or several; the text says what to write.
    """
    with Session(broker) as session:
        topic = lookup.find(session.graph(), name)
    types = lookup.types(topic) if topic is not None else []
    if len(types) == 1 and from_others(types[0]):
        return types[0]
    why = (
        f"{name} has {', '.join(types)}" if types else "no publisher or subscriber has announced it"
    )
    raise CommandError(f"the TYPE is missing, and {why}: write {name} TYPE {shlex.quote(values)}")


@dataclass(frozen=True)
class Publishing:
    """How a message is published.

    Attributes:
        rate_hz: the number of messages a second.
        times: the number of messages; 0: no limit.
        wait_for: the number of subscribers to wait for first; 0: when the messages are counted and
            not kept, wait a moment for one.
        longest_wait_sec: how long to wait for the subscribers; None: no limit.
        latched: how many messages are kept for late subscribers.
        print_every: every how many messages one is printed; 0: none.
    """

    rate_hz: float
    times: int
    wait_for: int
    longest_wait_sec: float | None
    latched: int
    print_every: int


def publish(session: Session, name: str, message: MessageText, how: Publishing) -> None:
    """Publish a message, each time acknowledged by the broker.

    Args:
        session: the connection.
        name: a plain client's topic with exactly this name if there is one, else a node's.
        message: the message to publish.
        how: how often, and for whom.

    Raises:
        CommandError: the topic carries another type, too few subscribe in time, or nobody
            subscribes to an emergency stop.
    """
    known = lookup.find(session.graph(), name)
    topic = known.name if known else resolve_topic(name, "topic_pub", "/", {})
    if known:
        _check_type(known, message.type_name)
    session.advertise(topic, message.type_name, message.schema, latched=how.latched)
    # The press of a stop is never too late.
    session.sends_late = is_emergency_stop(topic) and "true" in message.text
    has_subscriber = True
    if how.wait_for:
        _wait_for(session, topic, how.wait_for, how.longest_wait_sec)
    elif how.times and not how.latched:
        has_subscriber = _has_subscriber(session, topic)
    print("publisher: beginning loop", flush=True)
    due_sec = time.monotonic()
    for number in itertools.count(1):
        current = message if message.again is None else message.again()
        if how.print_every and number % how.print_every == 0:
            print(f"publishing #{number}: {current.shown}\n", flush=True)
        session.put(topic, current.text)
        if number == how.times:
            break
        # Late messages are not caught up in a burst.
        due_sec = max(due_sec + 1 / how.rate_hz, time.monotonic())
        time.sleep(max(due_sec - time.monotonic(), 0))
    if not has_subscriber:
        _warn_of_no_subscriber(session, topic)


def _check_type(topic: TopicModel, type_name: str) -> None:
    used = lookup.types(topic)
    if used and type_name not in used:
        raise CommandError(
            f"{topic.name} carries {', '.join(used)}, not {type_name}: nothing is published"
        )


def _has_subscriber(session: Session, topic: str) -> bool:
    """Whether a subscriber is there, or comes within a moment, as from another machine."""
    until_sec = time.monotonic() + _MOMENT_SEC
    for graph in session.graphs(_MOMENT_SEC):
        found = lookup.find(graph, topic)
        if found and _subscribers(found):
            return True
        if time.monotonic() > until_sec:
            break
    return False


def _subscribers(topic: TopicModel) -> list[EndpointModel]:
    """Return its subscribers, without the launcher's, which only keeps the emergency stop."""
    is_stop = is_emergency_stop(topic.name)
    return [each for each in topic.subscribers if not (is_stop and is_kits_own(each.node))]


def _warn_of_no_subscriber(session: Session, topic: str) -> None:
    """Report that nobody subscribes to a topic, if that is still so.

    Raises:
        CommandError: the topic is an emergency stop, or a nearly equal name.
    """
    subscribed = [
        each.name for each in lookup.visible_topics(session.graph(), own=True) if _subscribers(each)
    ]
    if topic in subscribed:
        return
    consequence = ": this stops nothing" if is_emergency_stop(topic) else ""
    close = nearest(topic, subscribed) or ""
    hint = f"; did you mean '{close}'?" if close else ""
    text = f"nobody subscribes to {topic}{consequence}{hint}"
    if consequence or is_emergency_stop(close):
        raise CommandError(text)
    print(f"WARNING: {text}", file=sys.stderr)


def _wait_for(session: Session, topic: str, subscribers: int, longest_sec: float | None) -> None:
    until_sec = math.inf if longest_sec is None else time.monotonic() + longest_sec
    is_reported, count = False, 0
    for graph in session.graphs(longest_sec):
        found = lookup.find(graph, topic)
        count = len(found.subscribers) if found else 0
        if count >= subscribers:
            return
        if time.monotonic() >= until_sec:
            break
        if not is_reported:
            print(f"Waiting for at least {subscribers} matching subscription(s)...", flush=True)
            is_reported = True
    raise CommandError(
        f"{topic} has {count} of {subscribers} subscribers after {longest_sec:g} s: nothing is "
        "published"
    )


def _cut(shown: str) -> str:
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
