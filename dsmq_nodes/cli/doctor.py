"""`dsmq-nodes doctor`: why a callback is not called. The rules are in tools/diagnosing/."""

from typing import Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption, examples_epilog, new_app

app = new_app()


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes doctor", "everything"),
        ("dsmq-nodes doctor /avoider", "why does it not get its messages?"),
    )
)
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            show_default=False,
            autocompletion=complete.nodes_and_topics,
            help="Only findings about this node or topic.",
        ),
    ] = "",
    *,
    wait: Annotated[
        float, typer.Option("--wait", "-w", metavar="SEC", min=1.0, help="Collect data this long.")
    ] = 2.5,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Find out why a callback is not called. The exit status is 1 when there is an ERROR.

    It looks for topics without a publisher, names that nearly agree, types that differ, readers
    that are too slow, stamps and clocks that are off, callbacks that raise, and nodes that died.
    """
    from dsmq_nodes.cli.show.doctor_report import report  # noqa: PLC0415  100 ms: messages

    if not report(broker, name, wait, as_json=as_json):
        raise typer.Exit(1)
