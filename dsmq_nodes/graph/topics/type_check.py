"""Checks types where they meet: at both ends of a topic, once for each pair that differs.

A node sends the schema of its type when it advertises or subscribes. The broker compares only the
texts, and reports a difference to both ends (wire.py, `differs`). Each end then compares the
schemas by the rules of compatible.py, so that both show the same text, which is also in the graph.
None of this is on the path of a message.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Final

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import TypeMismatchError
from dsmq_nodes.graph.links.link import Link, Publication
from dsmq_nodes.graph.links.link_reader import LinkReader
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.topics.compatible import TopicEnd, Verdict, compare, explain, remark
from dsmq_nodes.json_text import read_json
from dsmq_nodes.messages.base import Message

_MOST_REPORTED: Final = 1000
_encode = msgspec.json.Encoder(order="sorted").encode


@cache
def schema_text(msg_type: type[Message]) -> bytes:
    """Return a type's schema as text for the broker; equal types give equal texts everywhere."""
    return _encode(msg_type.schema())


class TypeCheck:
    """Compares the types of a node with those at the other ends."""

    def __init__(
        self, link: Link, logger: Logger, node: str, fails: Callable[[Exception], bool] | None
    ) -> None:
        """Report differences to the graph, and to `fails`; without that, to the log."""
        self._link = link
        self._logger = logger
        self._node = node
        self._fails = fails
        self._reported: set[str] = set()

    def check_end(self, reply: wire.Reply, own: Publication | LinkReader) -> None:
        """Compare this node's type with that of another end, which the broker says differs."""
        own_end = TopicEnd(self._node, os.getpid(), own.type_name)
        other_end = TopicEnd(reply.sender, reply.pid, reply.type)
        try:
            theirs, ours = read_json(reply.schema), read_json(own.schema)
        except ValueError:
            return  # no schema, or no JSON: nothing to compare
        if reply.end == "publisher":
            self._judge(reply, own_end, other_end, compare(ours, theirs))
        else:
            self._judge(reply, other_end, own_end, compare(theirs, ours))

    def _judge(
        self, reply: wire.Reply, subscriber: TopicEnd, publisher: TopicEnd, verdict: Verdict
    ) -> None:
        if not verdict.differences:
            self._remark(
                remark(reply.topic, subscriber, publisher, verdict),
                verdict.same_fields or subscriber.class_name == publisher.class_name,
            )
            return
        text = explain(reply.topic, subscriber, publisher, verdict.differences)
        self._link.set_fault(reply.topic, reply.pair, text)
        if self._fails is not None and self._fails(TypeMismatchError(text)):
            return  # the spinning node raises it
        if self._is_news(text):
            self._logger.error(text)

    def _remark(self, text: str, is_expected: bool) -> None:
        if text and self._is_news(text):
            (self._logger.info if is_expected else self._logger.warning)(text)

    def _is_news(self, text: str) -> bool:
        """Whether the text is new; the same peer is compared again when it reconnects."""
        if text in self._reported:
            return False
        if len(self._reported) >= _MOST_REPORTED:
            self._reported.clear()
        self._reported.add(text)
        return True
