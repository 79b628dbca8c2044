"""`dsmq-nodes graph`: the ends of topics, as text or drawn; see show/drawing.py."""

from typing import Annotated

import typer

from dsmq_nodes.cli.listing import print_json
from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption, examples_epilog, new_app
from dsmq_nodes.cli.show import drawing
from dsmq_nodes.cli.show.picture import svg as picture
from dsmq_nodes.tools.lookup import visible_topics
from dsmq_nodes.tools.session import Session

app = new_app()


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes graph", "a line a topic"),
        ("dsmq-nodes graph --mermaid >> README.md", "a diagram"),
        ("dsmq-nodes graph --svg > graph.svg", "a picture"),
    )
)
def show(
    *,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="As a Mermaid diagram, for Markdown.")
    ] = False,
    dot: Annotated[bool, typer.Option("--dot", help="As a DOT text, for Graphviz.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="As a picture, SVG.")] = False,
    as_json: JsonOption = False,
    hidden: Annotated[
        bool, typer.Option("--include-hidden-topics", "-a", help="Also the kit's own.")
    ] = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Show which node publishes and subscribes which topic."""
    forms = {"--mermaid": mermaid, "--dot": dot, "--svg": svg, "--json": as_json}
    if sum(forms.values()) > 1:
        wanted = " and ".join(name for name, is_wanted in forms.items() if is_wanted)
        raise typer.BadParameter(f"only one of {', '.join(forms)}; there is {wanted}")
    with Session(broker) as session:
        found = session.graph()
    topics = visible_topics(found, own=hidden)
    if as_json:
        print_json(found)
    elif mermaid:
        print("\n".join(drawing.mermaid(topics)))
    elif dot:
        print("\n".join(drawing.dot(topics)))
    elif svg:
        print(picture(topics))
    else:
        print("\n".join(drawing.text(topics)), end="\n" if topics else "")
