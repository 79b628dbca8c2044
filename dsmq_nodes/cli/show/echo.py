"""`dsmq-nodes topic echo`."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from dsmq_nodes.cli.listing import is_type
from dsmq_nodes.cli.show.message_text import may_have_field, read
from dsmq_nodes.errors import CommandError
from dsmq_nodes.suggest import nearest
from dsmq_nodes.tools import lookup
from dsmq_nodes.tools.machines import machines
from dsmq_nodes.tools.offers import absolute
from dsmq_nodes.topic_names import is_kits_own

if TYPE_CHECKING:
    from dsmq_nodes.cli.show.message_text import Style
    from dsmq_nodes.tools.session import Session


def echo_topic(
    session: "Session",
    name: str,
    type_name: str,
    style: "Style",
    *,
    count: int,
    timeout_sec: float | None,
) -> None:
    """Print the messages of a topic, `count` of them (0: all).

    Raises:
        CommandError: there is no such topic, or no message came in time.
    """
    if type_name or timeout_sec is not None:
        topics = _to_wait_for(session, name)
    else:
        topics = [lookup.find_published(session, name, partial(print, file=sys.stderr)).name]
        _print_machine(session, topics[0])
    schemas = _Schemas(session)
    _check_type(session, topics, type_name)
    for topic in topics:
        session.subscribe(topic, type_name=type_name)
    number = 0
    while not number or number != count:
        reply = session.next_message(topics, timeout_sec)
        if reply is None:
            raise CommandError(f"no message on {topics[0]} within {timeout_sec:g} s")
        if reply.gap:
            print(f"skipped {reply.gap} messages: too many to print", file=sys.stderr)
        schema = {} if style.form == "json" else schemas.of(reply.topic)
        text = reply.text or ""
        try:
            shown = style.show(text, schema)
        except CommandError as error:  # no such field: the user's mistake, or an unusual message
            if (
                not number
                and isinstance(read(text), dict)
                and not may_have_field(schema, style.field)
            ):
                raise
            session.skip(reply.topic, str(error))
            continue
        print(shown, flush=True)
        number += 1


def _check_type(session: "Session", topics: list[str], wanted: str) -> None:
    for topic in session.graph().topics if wanted else ():
        used = dict.fromkeys(end.type for end in topic.publishers if end.type)
        if topic.name in topics and used and not any(is_type(each, wanted) for each in used):
            raise CommandError(f"{topic.name} is of type {', '.join(used)}, not {wanted}")


def _print_machine(session: "Session", topic: str) -> None:
    if machine := machines(session, session.graph()).get(topic):
        print(f"{topic} comes from {machine}", file=sys.stderr)


class _Schemas:
    """The schemas of topics, from their publishers; read with the first message."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._found: dict[str, dict[str, Any]] = {}

    def of(self, topic: str) -> dict[str, Any]:
        if is_kits_own(topic):
            return {}  # the kit's own topics: the request would itself use them
        if topic not in self._found:
            self._found[topic] = lookup.schema_of(self._session, topic)
        return self._found[topic]


def _to_wait_for(session: "Session", name: str) -> list[str]:
    """Return the possible names of a future topic: a node's, and a plain client's."""
    graph = session.graph()
    topic = lookup.find(graph, name)
    if topic is not None:
        return [topic.name]
    close = nearest(absolute(name), [each.name for each in lookup.visible_topics(graph, own=False)])
    hint = f"; did you mean '{close}'?" if close else ""
    print(f"{lookup.unpublished(absolute(name))}: waiting{hint}", file=sys.stderr)
    return list(dict.fromkeys((absolute(name), name)))
