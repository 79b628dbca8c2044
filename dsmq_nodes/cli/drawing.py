"""A graph as text, for Mermaid and for Graphviz."""

import json
from collections.abc import Iterable, Iterator

from dsmq_nodes.cli.live import Endpoint, GraphTopic


def text(topics: Iterable[GraphTopic]) -> Iterator[str]:
    """A line a topic; under it what does not fit."""
    for topic in topics:
        sources, sinks = (
            ", ".join(sorted({end.node or "(client)" for end in ends})) or "-"
            for ends in (topic.publishers, topic.subscribers)
        )
        yield f"{sources} -> {topic.name} [{topic.type or 'unknown'}] -> {sinks}"
        for line in (line for fault in topic.faults for line in fault.splitlines()):
            yield f"    {''.join(letter for letter in line if letter.isprintable())}"


def mermaid(topics: Iterable[GraphTopic]) -> Iterator[str]:
    """A flowchart for Mermaid."""
    yield "flowchart LR"
    for topic in topics:
        box = _identifier(topic.name)
        yield f'    {box}["{topic.name}"]'
        for end in topic.publishers:
            yield f"    {_identifier('node' + end.node)}([{end.node or 'client'}]) --> {box}"
        for end in topic.subscribers:
            yield f"    {box} --> {_identifier('node' + end.node)}([{end.node or 'client'}])"


def dot(topics: Iterable[GraphTopic]) -> Iterator[str]:
    """A digraph for Graphviz: nodes are ellipses, topics are boxes."""
    yield "digraph nodes {"
    yield "    rankdir=LR;"
    for source, target in edges(topics):
        yield f"    {_quoted(source)} -> {_quoted(target)};"
    for topic in topics:
        yield f"    {_quoted(topic.name)} [shape=box, tooltip={_quoted(topic.type)}];"
    yield "}"


def edges(topics: Iterable[GraphTopic]) -> list[tuple[str, str]]:
    """From node to topic and from topic to node, each once; a node's name ends with a space.

    So a node is told from a topic of its name.
    """
    found: dict[tuple[str, str], None] = {}
    for topic in topics:
        found |= dict.fromkeys((_node(end), topic.name) for end in topic.publishers)
        found |= dict.fromkeys((topic.name, _node(end)) for end in topic.subscribers)
    return list(found)


def _node(end: Endpoint) -> str:
    return f"{end.node or '(client)'} "


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)
