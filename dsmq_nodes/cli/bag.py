"""`dsmq-nodes bag`: record, info, play, convert, repair, rerun; flags and output as ros2's.

The body of each is in show/bag, which needs the extra `bag`: each command checks for that first.
"""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.lerobot.lerobot_options import LerobotOptions
from dsmq_nodes.bag.optional import need_bag
from dsmq_nodes.bag.play.playing import Playing
from dsmq_nodes.bag.rerunning.comparing import Tolerance
from dsmq_nodes.cli import complete
from dsmq_nodes.cli.options import (
    BROKER,
    BrokerOption,
    JsonOption,
    RemapOption,
    examples_epilog,
    new_app,
    renamings,
)
from dsmq_nodes.printable import one_line

if TYPE_CHECKING:
    from dsmq_nodes.bag.bag_source import BagSource
    from dsmq_nodes.bag.file.record_writer import Compression

app = new_app(
    "Bags: record topics, look at a recording, play it back. Needs the extra `bag`.",
    ("dsmq-nodes bag record --all -o run", "until Ctrl-C"),
    ("dsmq-nodes bag info run.mcap", ""),
    ("dsmq-nodes bag play run.mcap --rate 2", ""),
)

BagArgument = Annotated[
    list[Path], typer.Argument(metavar="BAG...", help="The bag's file, or all its files.")
]
TopicsOption = Annotated[
    list[str] | None,
    typer.Option("--topics", metavar="TOPIC", help="Only this, or a pattern; may be repeated."),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option("--exclude-topics", metavar="TOPIC", help="Not this; may be repeated."),
]
RegexOption = Annotated[str, typer.Option("--regex", "-e", help="Topics with this in the name.")]
ExcludeRegexOption = Annotated[
    str, typer.Option("--exclude-regex", "-x", help="Not topics with this in the name.")
]
CompressionOption = Annotated[
    str,
    typer.Option("--compression-format", metavar="zstd|lz4|none", help="The file's compression."),
]


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes bag record /scan /odom", ""),
        ("dsmq-nodes bag record '/robot1/*' -o run", "the quotes keep the shell from it"),
        ("dsmq-nodes bag record --all -x camera -d 60", "a file a minute, without cameras"),
        ("dsmq-nodes bag record --all --duration 60", "ends after a minute"),
    )
)
def record(
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TOPIC...", autocompletion=complete.topics, help="Names or patterns."
        ),
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="All topics except the kit's own.")
    ] = False,
    more_topics: TopicsOption = None,
    exclude: ExcludeOption = None,
    regex: RegexOption = "",
    exclude_regex: ExcludeRegexOption = "",
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="NAME", help="The file; else named by the time."),
    ] = "",
    most_bytes: Annotated[
        int,
        typer.Option("--max-bag-size", "-b", metavar="BYTES", min=0, help="Begin a new file then."),
    ] = 0,
    most_sec: Annotated[
        float,
        typer.Option(
            "--max-bag-duration", "-d", metavar="SEC", min=0, help="Begin a new file then."
        ),
    ] = 0.0,
    duration: Annotated[
        float, typer.Option(metavar="SEC", min=0, help="End after so many seconds.")
    ] = math.inf,
    compression: CompressionOption = "zstd",
    use_sim_time: Annotated[
        bool, typer.Option("--use-sim-time", help="Use the times of /clock.")
    ] = False,
    attach: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Attach a file to the bag, such as the launch file."),
    ] = None,
    broker: BrokerOption = BROKER,
) -> None:
    """Record topics until Ctrl-C. New topics are recorded from their first message on.

    A recorded message is safe from a crash after about a second. The file also gets the parameters
    that the nodes have at the start. At the end the numbers of recorded and lost messages of each
    topic are printed. A new file begins with the latched messages.
    """
    need_bag()
    from dsmq_nodes.cli.show.bag.bag_record import Recording, record  # noqa: PLC0415  96 ms

    selection = _selection(
        [*(topics or ()), *(more_topics or ())], exclude, regex, exclude_regex, everything
    )
    recording = Recording(
        output, selection, _compression(compression), most_bytes, most_sec, duration, use_sim_time
    )
    raise typer.Exit(record(recording, broker, attach or []))


@app.command(epilog=examples_epilog(("dsmq-nodes bag info run.mcap", "")))
def info(
    bag: BagArgument,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the contents of a bag: topics, types, counts, times.

    A ROS 2 bag is a folder, or one of its files; a ROS 1 bag is a .bag file. If a bag announces
    other messages than it has, the difference is printed, and the exit status is 1.
    """
    need_bag()
    from dsmq_nodes.cli.show.bag.bag_info import print_information  # noqa: PLC0415  44 ms

    raise typer.Exit(_print_omitted(print_information(bag, as_json=as_json)))


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes bag play run.mcap", ""),
        ("dsmq-nodes bag play run.mcap --rate 0", "as fast as the readers take it"),
        ("dsmq-nodes bag play run.mcap --topics /scan --remap /scan:=/front/scan", ""),
        ("dsmq-nodes bag play run.mcap --clock 100 --loop", "for nodes with use_sim_time"),
    )
)
def play(
    bag: BagArgument,
    *,
    rate: Annotated[
        float,
        typer.Option(
            "--rate", "-r", min=0, help="2: twice as fast; 0: as fast as the readers take it."
        ),
    ] = 1.0,
    topics: TopicsOption = None,
    exclude: ExcludeOption = None,
    regex: RegexOption = "",
    exclude_regex: ExcludeRegexOption = "",
    remap: RemapOption = None,
    loop: Annotated[
        bool, typer.Option("--loop", "-l", help="Repeat, at most 10 times a second.")
    ] = False,
    start_offset: Annotated[
        float,
        typer.Option(metavar="SEC", min=0, help="Begin there, with the messages latched then."),
    ] = 0.0,
    playback_duration: Annotated[
        float | None, typer.Option(metavar="SEC", min=0, help="Play only this much of it.")
    ] = None,
    clock: Annotated[
        float, typer.Option(metavar="HZ", min=0, help="Publish /clock at this rate; 0: never.")
    ] = 0.0,
    delay: Annotated[
        float, typer.Option("--delay", "-d", metavar="SEC", min=0, help="Wait this long first.")
    ] = 0.0,
    start_paused: Annotated[
        bool, typer.Option("--start-paused", "-p", help="Wait for a key.")
    ] = False,
    wait_for: Annotated[
        int,
        typer.Option(
            "--wait-matching-subscriptions",
            "-w",
            metavar="N",
            min=0,
            help="First wait for this many subscribers of each topic.",
        ),
    ] = 0,
    service_requests: Annotated[
        bool, typer.Option("--publish-service-requests", help="Call services again.")
    ] = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Publish the messages of a bag at their recorded times. A ROS bag is played as it is.

    A message that does not fit its type is left out and reported, and the exit status is 1.

    Services and actions are not called again, unless --publish-service-requests is given. Keys:
    space pauses and goes on, right or s steps while it pauses, up and down change the rate, q ends
    it. If a topic has a subscriber of another type, that is an error, and nothing is played.
    """
    need_bag()
    from dsmq_nodes.cli.show.bag.bag_play import play_bag  # noqa: PLC0415  120 ms

    chosen = _of_a_bag(topics, exclude, regex, exclude_regex)
    playing = Playing(
        rate=rate,
        loop=loop,
        start_offset_sec=start_offset,
        duration_sec=playback_duration,
        delay_sec=delay,
        clock_hz=clock,
        remap=renamings(remap or []),
        wait_for=wait_for,
        start_paused=start_paused,
        service_requests=service_requests,
    )
    raise typer.Exit(_print_omitted(play_bag(bag, chosen, playing, broker)))


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes bag convert old.bag -o run", "of ROS 1 or ROS 2, to run.mcap"),
        ("dsmq-nodes bag convert run.mcap -o run_ros2 --to ros2", "CDR, for ROS's own tools"),
        ("dsmq-nodes bag convert run.mcap -o show --to foxglove", "for Foxglove's panels"),
        ("dsmq-nodes bag convert run.mcap -o tables --to csv --topics /odom", "a file a topic"),
        ("dsmq-nodes bag convert run.mcap -o pick --to lerobot --fps 30", "to train with LeRobot"),
        ("dsmq-nodes bag convert pick -o again", "a bag of a dataset"),
    )
)
def convert(
    bag: BagArgument,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            *("--output", "-o", "--out"),
            metavar="NAME",
            help="The new file; lerobot: by default a folder beside the bag.",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="mcap|ros2|ros1|foxglove|csv|parquet|npz|lerobot",
            help="The kind of file to make.",
        ),
    ] = "mcap",
    topics: TopicsOption = None,
    exclude: ExcludeOption = None,
    regex: RegexOption = "",
    exclude_regex: ExcludeRegexOption = "",
    compression: CompressionOption = "zstd",
    fps: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="lerobot: frames a second.")
    ] = 30,
    task: Annotated[
        str, typer.Option(metavar="TEXT", help="lerobot: the task of episodes without one.")
    ] = "",
    feature: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FEATURE=TOPIC",
            help="lerobot: as observation.state=/joint_states; may be repeated; then name all.",
        ),
    ] = None,
    max_age: Annotated[
        float,
        typer.Option(metavar="SEC", min=0, help="lerobot: refuse older; else 0.1, pictures 0.15."),
    ] = 0.0,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="lerobot: the arm's calibration; else the one in the bag."
        ),
    ] = None,
) -> None:
    """Convert a bag or a dataset to another kind of file. A bag is ours, or of ROS 1 or ROS 2.

    ROS needs the extra `ros`, Parquet needs pyarrow. NaN and infinities are texts in our JSON,
    null in Foxglove's, and numbers in tables and in ROS. An unfinished file is removed.

    A topic of unknown type, and a message that does not fit its type, are left out and reported
    with the time. The rest is converted, and the exit status is 1.

    In tables a field has one type, by the recorded schema; where its values have several, they are
    JSON texts. Bytes are base64 in CSV and Parquet. In npz they are uint8: a row a message, or,
    where their lengths differ, one array with all of them, of which message i has those from
    FIELD:offsets[i] to before FIELD:offsets[i+1]. Where messages lack a field, FIELD:missing is
    true, and FIELD has 0, NaN or an empty text; nothing is rounded.

    A dataset for LeRobot (v3.0, extra `lerobot`) has, at each frame, the newest message of each
    topic by the stamp in its header. Where one is older than --max-age there is no frame: a gap
    ends an episode. Episodes are those of `dsmq-nodes episode`, else the bag is one.
    """
    need_bag()
    from dsmq_nodes.cli.show.bag.bag_convert import convert_bag  # noqa: PLC0415  110 ms

    if to == "lerobot" and (topics or exclude or regex or exclude_regex):
        raise typer.BadParameter("of a dataset name the features instead", param_hint="--feature")
    if output is None and to == "lerobot":
        output = str(bag[0].parent / f"{bag[0].stem}_lerobot")
    chosen = _of_a_bag(topics, exclude, regex, exclude_regex)
    options = LerobotOptions(fps, task, feature or [], max_age, calibration)
    how = _compression(compression)
    source = convert_bag(bag, output, to, chosen, compression=how, lerobot=options)
    raise typer.Exit(_print_omitted(source))


@app.command(epilog=examples_epilog(("dsmq-nodes bag repair run.mcap", "run_repaired.mcap")))
def repair(
    bag: Annotated[Path, typer.Argument(metavar="BAG", help="The bag's file.")],
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="NAME", help="The new file.")
    ] = "",
    compression: CompressionOption = "zstd",
) -> None:
    """Save the undamaged messages of a bag in a new file. The bag was cut off or damaged.

    Of a ROS 1 bag or one in SQLite it is an MCAP of ours, as `convert` makes it.
    """
    need_bag()
    from dsmq_nodes.cli.show.bag.bag_convert import repair_bag  # noqa: PLC0415  110 ms

    source = repair_bag(bag, output, _compression(compression))
    if source is not None:
        _print_omitted(source)


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes bag rerun run.mcap --node examples.diffbot:Avoider --topics /obstacle", ""),
        ("dsmq-nodes bag rerun run.mcap --node my_robot:Controller -p gain:=0.2", "another gain"),
    )
)
def rerun(
    bag: BagArgument,
    *,
    node: Annotated[str, typer.Option(metavar="MODULE:CLASS", help="The node to run.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Its name.")] = None,
    namespace: Annotated[str | None, typer.Option(metavar="NS", help="Its namespace.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME:=VALUE", help="A parameter (YAML)."),
    ] = None,
    remap: RemapOption = None,
    topics: TopicsOption = None,
    exclude: ExcludeOption = None,
    tolerance: Annotated[
        float, typer.Option(metavar="X", min=0, help="For numbers, absolute and relative.")
    ] = 1e-9,
    stamp_tolerance: Annotated[
        float, typer.Option(metavar="SEC", min=0, help="For fields named stamp.")
    ] = 0.1,
) -> None:
    """Run one node on a recording, and compare what it publishes. Its time is virtual.

    The node gets the recorded messages of its subscriptions at their recorded times. The messages
    that it publishes, on --topics or on all, are compared with the recorded ones. The first
    difference is printed, and the exit status is 1. If the node raises, the exit status is 1 too:
    its traceback is printed, and the messages before it are compared.

    Messages before the first recorded one, when the recorded node was not up yet, and after the
    last are left out, with a note. The first is found by the stamp in its header if that is the
    stamp of an input, else by the longest run of messages that agree.
    """
    need_bag()
    from dsmq_nodes.cli.show.bag import bag_rerun  # noqa: PLC0415  240 ms

    compared = Selection(tuple(topics or ()), tuple(exclude or ()), everything=not topics)
    given = bag_rerun.NodeOptions(
        node, name, namespace, bag_rerun.parameters(param or []), renamings(remap or [])
    )
    within = Tolerance(tolerance, stamp_tolerance)
    raise typer.Exit(bag_rerun.rerun_bag(bag, given, compared, within))


def _print_omitted(source: "BagSource") -> int:
    """Print what a conversion or a playback has omitted; return the exit status."""
    for line in source.omitted.lines():
        print(one_line(line), file=sys.stderr)
    return 1 if source.omitted else 0


def _selection(
    topics: list[str],
    exclude: list[str] | None,
    regex: str,
    exclude_regex: str,
    everything: bool,
) -> Selection:
    if not (topics or regex or everything):
        raise typer.BadParameter("name topics, or a --regex, or --all")
    return Selection(tuple(topics), tuple(exclude or ()), regex, exclude_regex, everything)


def _of_a_bag(
    topics: list[str] | None, exclude: list[str] | None, regex: str, exclude_regex: str
) -> Selection:
    """Return the selected topics of a bag; all if nothing is selected."""
    named = topics or ([] if regex else ["*"])
    return Selection(tuple(named), tuple(exclude or ()), regex, exclude_regex)


def _compression(name: str) -> "Compression":
    if name in {"zstd", "lz4", "none"}:
        return cast("Compression", name)
    raise typer.BadParameter(
        f"{name!r} is none: there is zstd, lz4, none", param_hint="--compression-format"
    )
