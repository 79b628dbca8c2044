"""`dsmq-nodes topic echo`."""

import itertools
import sys
from typing import TYPE_CHECKING

from dsmq_nodes.cli import lookup
from dsmq_nodes.errors import CommandError

if TYPE_CHECKING:
    from dsmq_nodes.cli.session import Session
    from dsmq_nodes.cli.show import Style


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
        topics = [lookup.find_published(session, name).name]
    for topic in topics:
        session.subscribe(topic, type_name=type_name)
    for number in itertools.count(1):
        reply = session.next_message(topics, timeout_sec)
        if reply is None:
            raise CommandError(f"no message on {topics[0]} within {timeout_sec:g} s")
        if reply.gap:
            print(f"skipped {reply.gap} messages: too many to print", file=sys.stderr)
        print(style.show(reply.text or ""), flush=True)
        if number == count:
            return


def _to_wait_for(session: "Session", name: str) -> list[str]:
    """The names a topic may have that is not there yet: a node's, and a plain client's."""
    topic = lookup.find(session.graph(), name)
    if topic is not None:
        return [topic.name]
    print(f"{lookup.unpublished(lookup.absolute(name))}: waiting", file=sys.stderr)
    return list(dict.fromkeys((lookup.absolute(name), name)))
