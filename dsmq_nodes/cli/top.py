"""`dsmq-nodes top`: live tables of nodes and topics; see live_table.py."""

import sys
from typing import Annotated

import typer

from dsmq_nodes.cli.options import BROKER, BrokerOption, examples_epilog, new_app
from dsmq_nodes.printable import is_drawn_on
from dsmq_nodes.tools.session import Session

app = new_app()


@app.command(epilog=examples_epilog(("dsmq-nodes top", "Ctrl-C ends it")))
def show(
    *,
    count: Annotated[
        int,
        typer.Option(
            "--count", "-n", metavar="N", min=0, help="How often to draw; 0: without end."
        ),
    ] = 0,
    broker: BrokerOption = BROKER,
) -> None:
    """Show nodes and topics with rates, latencies and losses. They are drawn each second.

    Without a terminal, or on one with TERM=dumb, the tables are printed once.
    """
    from dsmq_nodes.cli.show.live_table import draw, print_tables  # noqa: PLC0415  170 ms: rich

    with Session(broker) as session:
        if is_drawn_on(sys.stdout):
            draw(session, count)
        else:
            print_tables(session, count or 1)
