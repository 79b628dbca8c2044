"""A graph as text, for Mermaid and for Graphviz."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, count
from typing import Final

from dsmq_nodes.tools.graph_model import EndpointModel, TopicModel

_MERMAID_PLAIN: Final = frozenset("/_-.~ ")


def text(topics: Iterable[TopicModel]) -> Iterator[str]:
    """Yield a line for each topic; below it the types that do not match."""
    for topic in topics:
        sources, sinks = (
            ", ".join(sorted({end.node or "(client)" for end in ends})) or "-"
            for ends in (topic.publishers, topic.subscribers)
        )
        yield f"{sources} -> {topic.name} [{topic.type or 'unknown'}] -> {sinks}"
        for line in (line for fault in topic.faults for line in fault.splitlines()):
            yield f"    {''.join(letter for letter in line if letter.isprintable())}"


def mermaid(topics: Iterable[TopicModel]) -> Iterator[str]:
    """Yield a flowchart for Mermaid."""
    yield "flowchart LR"
    identifiers = _Identifiers()
    for topic in topics:
        box = identifiers.of(topic.name)
        yield f'    {box}["{_in_mermaid(topic.name)}"]'
        for end in topic.publishers:
            yield f"    {_mermaid_node(end, identifiers)} --> {box}"
        for end in topic.subscribers:
            yield f"    {box} --> {_mermaid_node(end, identifiers)}"


def _mermaid_node(end: EndpointModel, identifiers: "_Identifiers") -> str:
    name = _in_mermaid(end.node or "client")
    label = name if name == end.node or not end.node else f'"{name}"'
    return f"{identifiers.of(end.node, 'node')}([{label}])"


def _in_mermaid(name: str) -> str:
    """Return a name without Mermaid's syntax: such characters are written as numbers."""
    return "".join(
        letter if letter.isalnum() or letter in _MERMAID_PLAIN else f"#{ord(letter)};"
        for letter in name
    )


class _Identifiers:
    """Unique words for names: `/a_b` and `/a/b` are two boxes."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], str] = {}

    def of(self, name: str, kind: str = "") -> str:
        """Return the word that represents a name of a kind."""
        if (kind, name) not in self._words:
            letters = (each if each.isascii() and each.isalnum() else "_" for each in name)
            word = kind + "".join(letters)
            taken = {"end", *self._words.values()}  # `end` is Mermaid's own
            self._words[kind, name] = next(
                each
                for each in chain([word], (f"{word}_{n}" for n in count(2)))
                if each not in taken
            )
        return self._words[kind, name]


def dot(topics: Iterable[TopicModel]) -> Iterator[str]:
    """Yield a digraph for Graphviz: nodes are ellipses, topics are boxes."""
    yield "digraph nodes {"
    yield "    rankdir=LR;"
    for source, target in edges(topics):
        yield f"    {_quoted(source)} -> {_quoted(target)};"
    for topic in topics:
        yield f"    {_quoted(topic.name)} [shape=box, tooltip={_quoted(topic.type)}];"
    yield "}"


def edges(topics: Iterable[TopicModel]) -> list[tuple[str, str]]:
    """Return the edges from and to topics, each once; a node's name ends with a space.

    The space distinguishes a node from a topic of its name.
    """
    found: dict[tuple[str, str], None] = {}
    for topic in topics:
        found |= dict.fromkeys((_node(end), topic.name) for end in topic.publishers)
        found |= dict.fromkeys((topic.name, _node(end)) for end in topic.subscribers)
    return list(found)


def _node(end: EndpointModel) -> str:
    return f"{end.node or '(client)'} "


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
