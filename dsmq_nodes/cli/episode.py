"""`dsmq-nodes episode`: marks in a running recording."""

from enum import StrEnum
from typing import Annotated

import typer

from dsmq_nodes.cli.options import BROKER, BrokerOption, examples_epilog, new_app
from dsmq_nodes.errors import CommandError
from dsmq_nodes.messages.dsmq_msgs import MarkEpisode
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.offers import served, services
from dsmq_nodes.tools.service_calls import call_typed
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import MARK_EPISODE

app = new_app()


class _Command(StrEnum):
    START = "start"
    STOP = "stop"
    DISCARD = "discard"


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes episode start --task 'put the cube in the box'", ""),
        ("dsmq-nodes episode stop", ""),
        ("dsmq-nodes episode discard", "the running one, else the last"),
    )
)
def episode(
    mark: Annotated[_Command, typer.Argument(help="What to mark.", show_default=False)],
    *,
    task: Annotated[
        str, typer.Option(metavar="TEXT", help="The task in it; with stop: a corrected text.")
    ] = "",
    broker: BrokerOption = BROKER,
) -> None:
    """Mark episodes in a running recording.

    A recorder is `dsmq-nodes bag record`, or `launch --record`. `bag info` shows the episodes, and
    `bag convert --to lerobot` makes those of a dataset of them.
    """
    request = MarkEpisode.Request(mark=mark.value, task=task)
    with Session(broker) as session:
        if MARK_EPISODE not in served(services(session.graph())):
            raise CommandError(
                "no recorder runs: start one, as `dsmq-nodes bag record --all -o run`"
            )
        done = call_typed(session, MARK_EPISODE, request, MarkEpisode.Response)
    if not done.success:
        raise CommandError(one_line(done.message))
    print(one_line(done.message))
