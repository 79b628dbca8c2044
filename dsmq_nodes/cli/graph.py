"""`dsmq-nodes graph`: who publishes and subscribes what, as text or drawn; see drawing.py."""

from typing import Annotated

import typer

from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption


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
    from dsmq_nodes.cli.listing import print_json  # noqa: PLC0415
    from dsmq_nodes.cli.show import drawing  # noqa: PLC0415
    from dsmq_nodes.tools.lookup import shown  # noqa: PLC0415
    from dsmq_nodes.tools.session import Session  # noqa: PLC0415

    forms = {"--mermaid": mermaid, "--dot": dot, "--svg": svg, "--json": as_json}
    if sum(forms.values()) > 1:
        wanted = " and ".join(name for name, is_wanted in forms.items() if is_wanted)
        raise typer.BadParameter(f"only one of {', '.join(forms)}; there is {wanted}")
    with Session(broker) as session:
        found = session.graph()
    topics = shown(found, own=hidden)
    if as_json:
        print_json(found)
    elif mermaid:
        print("\n".join(drawing.mermaid(topics)))
    elif dot:
        print("\n".join(drawing.dot(topics)))
    elif svg:
        from dsmq_nodes.cli.show.picture import svg as picture  # noqa: PLC0415

        print(picture(topics))
    else:
        print("\n".join(drawing.text(topics)), end="\n" if topics else "")
