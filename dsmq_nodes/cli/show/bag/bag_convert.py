"""Converts a bag to another kind of file, or a damaged bag to an undamaged one."""

from pathlib import Path
from typing import cast

import typer

from dsmq_nodes.bag.any_bag import is_mcap, open_source
from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.convert.convert import FORMATS, Format, convert
from dsmq_nodes.bag.file.record_writer import Compression
from dsmq_nodes.bag.file.repair import repair
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.lerobot.lerobot_options import LerobotOptions
from dsmq_nodes.cli.progress import Progress
from dsmq_nodes.cli.unfinished import report_interruption
from dsmq_nodes.printable import one_line


def convert_bag(
    paths: list[Path],
    output: str | None,
    to: str,
    chosen: Selection,
    *,
    compression: Compression,
    lerobot: LerobotOptions,
) -> BagSource:
    """Convert a bag and print the result; return the bag, whose `omitted` lists the rest."""
    if to not in FORMATS:
        raise typer.BadParameter(
            f"{to!r} is none: there is {', '.join(FORMATS)}", param_hint="--to"
        )
    if output is None:
        raise typer.BadParameter("name the new file or folder", param_hint="--output")
    with report_interruption(output):
        source = open_source(paths, chosen)
        total = sum(each.messages or 0 for each in source.counts())
        with Progress("converting", total, "messages") as progress:
            done = convert(
                source,
                Path(output),
                cast("Format", to),
                compression=compression,
                lerobot=lerobot,
                on_progress=progress.at,
            )
    what = f"frames in {done.episodes} episodes" if to == "lerobot" else "messages"
    print(one_line(f"{done.path}: {done.messages} {what}"))
    for note in done.notes:
        print(one_line(note))
    for topic, name in done.numbered.items():
        renamed = f"{topic} is called {name} in it: another topic has the name without the number"
        print(one_line(renamed))
    return source


def repair_bag(bag: Path, output: str, compression: Compression) -> BagSource | None:
    """Save the undamaged messages of a bag in a new file, and print the damage.

    Return the bag if it is of ROS 1 or in SQLite, with the damage in `omitted`; the new file has
    our format.
    """
    name = f"{bag.stem}_repaired{bag.suffix if is_mcap(bag) else '.mcap'}"
    target = Path(output) if output else bag.parent / name
    if not is_mcap(bag):
        everything, none = Selection(("*",)), LerobotOptions()
        return convert_bag(
            [bag], str(target), "mcap", everything, compression=compression, lerobot=none
        )
    size_bytes = bag.stat().st_size if bag.exists() else 0
    with report_interruption(str(target)), Progress("repairing", size_bytes, "bytes") as progress:
        saved = repair(bag, target, compression=compression, on_progress=progress.at)
    print(one_line(f"{saved.path}: {saved.messages} messages saved"))
    if saved.damaged:
        print(f"left out: {saved.damaged} damaged chunks or records")
    if saved.undefined:
        print(f"left out: {saved.undefined} messages of topics whose definition is damaged")
    if saved.of_cut_chunk:
        print(
            f"{saved.of_cut_chunk} of them are from the begin of the last chunk, which is cut off"
        )
    elif saved.lost_bytes:
        print(f"left out: {saved.lost_bytes} bytes at the end, which are no whole record")
    if saved.whole:
        print(one_line(f"nothing was wrong with {bag}"))
    return None
