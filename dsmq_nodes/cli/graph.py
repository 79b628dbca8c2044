"""`dsmq-nodes graph`: who publishes and subscribes what, as text or as a Mermaid diagram."""

from typing import Annotated

import typer

from dsmq_nodes.cli.options import BROKER, BrokerOption


def show(
    *,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="As a Mermaid diagram, for Markdown.")
    ] = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Show which node publishes and subscribes which topic."""
    from dsmq_nodes.cli.session import Session  # noqa: PLC0415
    from dsmq_nodes.graph.names import is_hidden  # noqa: PLC0415

    with Session(broker) as session:
        found = session.graph()
    topics = [topic for topic in found.topics if not is_hidden(topic.name)]
    if not mermaid:
        for topic in topics:
            sources = ", ".join(sorted({end.node or "(client)" for end in topic.publishers})) or "-"
            sinks = ", ".join(sorted({end.node or "(client)" for end in topic.subscribers})) or "-"
            print(f"{sources} -> {topic.name} [{topic.type or 'unknown'}] -> {sinks}")
            for line in (line for fault in topic.faults for line in fault.splitlines()):
                print(f"    {''.join(letter for letter in line if letter.isprintable())}")
        return
    print("flowchart LR")
    for topic in topics:
        box = _identifier(topic.name)
        print(f'    {box}["{topic.name}"]')
        for end in topic.publishers:
            print(f"    {_identifier('node' + end.node)}([{end.node or 'client'}]) --> {box}")
        for end in topic.subscribers:
            print(f"    {box} --> {_identifier('node' + end.node)}([{end.node or 'client'}])")


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)
