"""`dsmq-nodes log`: follows the log of all nodes, or sets their levels."""

from typing import Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.options import (
    BROKER,
    BrokerOption,
    JsonLinesOption,
    MostOption,
    examples_epilog,
    new_app,
)
from dsmq_nodes.tools import node_logs
from dsmq_nodes.tools.session import Session

app = new_app()


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes log --level warn", "of all nodes"),
        ("dsmq-nodes log /avoider --set-level debug", ""),
    )
)
def show(
    nodes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NODE]...",
            show_default=False,
            autocompletion=complete.nodes,
            help="Only these nodes; else all.",
        ),
    ] = None,
    *,
    level: Annotated[
        str, typer.Option("--level", "-l", metavar="LEVEL", help="debug, info, warn, error, fatal.")
    ] = "debug",
    set_level: Annotated[
        str,
        typer.Option("--set-level", metavar="LEVEL", help="Set the level of NODE, and end."),
    ] = "",
    as_json: JsonLinesOption = False,
    count: MostOption = 0,
    broker: BrokerOption = BROKER,
) -> None:
    """Follow the log of all nodes, or change a node's level.

    It is read on /rosout, until Ctrl-C.
    """
    with Session(broker) as session:
        if set_level:
            for line in node_logs.set_levels(session, nodes or [], set_level):
                print(line)
            return
        lines = node_logs.follow(session, nodes or [], level, as_json=as_json)
        for number, line in enumerate(lines, start=1):
            print(line, flush=True)
            if number == count:
                break
