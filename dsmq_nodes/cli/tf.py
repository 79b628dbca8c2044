"""`dsmq-nodes tf`: echo, tree."""

from typing import Annotated

import typer

from dsmq_nodes.cli.listing import print_json
from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption, examples_epilog, new_app
from dsmq_nodes.errors import CommandError
from dsmq_nodes.tools.session import Session

app = new_app(
    "Coordinate frames: where they are, who publishes them.",
    ("dsmq-nodes tf tree", ""),
    ("dsmq-nodes tf echo odom base_link", "where base_link is in odom, each second"),
)


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes tf echo odom base_link", ""),
        ("dsmq-nodes tf echo map lidar --once --timeout 5", "status 1 when it is not known"),
    )
)
def echo(
    frame: Annotated[
        str, typer.Argument(metavar="FRAME", help="The frame in which the pose is given.")
    ],
    child: Annotated[str, typer.Argument(metavar="CHILD", help="The frame whose pose is printed.")],
    *,
    rate: Annotated[
        float, typer.Option("--rate", "-r", metavar="HZ", min=0.01, help="How many a second.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="End after one.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SEC", min=0, help="Longest wait for the first.")
    ] = None,
    broker: BrokerOption = BROKER,
) -> None:
    """Print the pose of CHILD in FRAME repeatedly, as tf2_echo does."""
    from dsmq_nodes.cli.show.transforms import echo_transform  # noqa: PLC0415  85 ms: messages

    with Session(broker) as session:
        echo_transform(session, frame, child, 1.0 / rate, once=once, timeout_sec=timeout)


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes tf tree", ""),
        ("dsmq-nodes tf tree --yaml", "as Buffer.all_frames_as_yaml"),
    )
)
def tree(
    *,
    wait: Annotated[
        float, typer.Option("--wait", "-w", metavar="SEC", min=0, help="Listen this long.")
    ] = 2.0,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print YAML.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Print the trees of frames, with their rates and publishers."""
    from dsmq_nodes.cli.show.transforms import transforms_within, tree_lines  # noqa: PLC0415  as above

    with Session(broker) as session:
        buffer = transforms_within(session, wait)
    frames = buffer.frames()
    if as_yaml:
        print(buffer.all_frames_as_yaml(), end="")
    elif as_json:
        print_json(frames)
    elif not frames:
        raise CommandError(
            f"no transform within {wait:g} s: does anybody publish /tf or /tf_static?"
        )
    else:
        print("\n".join(tree_lines(frames)))
