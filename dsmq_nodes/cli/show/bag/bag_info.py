"""Shows the contents of a bag, and repairs one."""

import json
from pathlib import Path

from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.file.information import information, information_lines
from dsmq_nodes.bag.file.record_writer import Compression
from dsmq_nodes.bag.file.repair import repair
from dsmq_nodes.cli.progress import Progress
from dsmq_nodes.cli.unfinished import told_if_interrupted
from dsmq_nodes.printable import one_line


def print_information(paths: list[Path], *, as_json: bool) -> BagSource:
    """Print the contents of a bag; return the bag, which knows its missing messages."""
    bag = open_source(paths)
    if as_json:
        print(json.dumps(information(bag), indent=2))
    else:
        for line in information_lines(bag):
            print(line)
    return bag


def repair_bag(bag: Path, target: Path, compression: Compression) -> None:
    """Save the undamaged messages of a bag in a new file, and print the damage."""
    size_bytes = bag.stat().st_size if bag.exists() else 0
    with told_if_interrupted(str(target)), Progress("repairing", size_bytes, "bytes") as progress:
        saved = repair(bag, target, compression=compression, on_progress=progress.at)
    print(one_line(f"{saved.path}: {saved.messages} messages saved"))
    if saved.damaged:
        print(f"left out: {saved.damaged} damaged chunks or records")
    if saved.of_cut_chunk:
        print(
            f"{saved.of_cut_chunk} of them are from the begin of the last chunk, which is cut off"
        )
    elif saved.lost_bytes:
        print(f"left out: {saved.lost_bytes} bytes at the end, which are no whole record")
    if saved.whole:
        print(one_line(f"nothing was wrong with {bag}"))
