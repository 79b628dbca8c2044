"""Converts bags (the kit's, ROS 1, ROS 2) to these formats, Foxglove's, tables and datasets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal, get_args

from dsmq_nodes.bag.bag_source import BagSource, note_omitted
from dsmq_nodes.bag.convert.foxglove import ToFoxglove
from dsmq_nodes.bag.convert.tables import write_csv
from dsmq_nodes.bag.file.atomic import file_name, removed_if_unfinished
from dsmq_nodes.bag.file.record_writer import Compression
from dsmq_nodes.bag.file.writing import BagWriter, bag_path
from dsmq_nodes.bag.lerobot.lerobot_options import LerobotOptions
from dsmq_nodes.bag.optional import need

Format = Literal["mcap", "ros2", "ros1", "foxglove", "csv", "parquet", "npz", "lerobot"]
FORMATS: Final[tuple[str, ...]] = get_args(Format)


@dataclass(frozen=True, slots=True)
class Converted:
    """The result of a conversion.

    Attributes:
        path: the output.
        messages: the number of messages written; for a dataset, the number of frames.
        numbered: topics whose table name got a number, because another topic has the same name.
        episodes: the number of episodes in a dataset.
        notes: further remarks, one line each.
    """

    path: Path
    messages: int
    numbered: dict[str, str] = field(default_factory=dict)
    episodes: int = 0
    notes: list[str] = field(default_factory=list)


def convert(
    source: BagSource,
    output: Path,
    to: Format,
    *,
    compression: Compression = "zstd",
    lerobot: LerobotOptions | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Converted:
    """Write a bag in another form, and list in the source's `omitted` what the form cannot hold.

    Args:
        source: the bag, from `open_source`.
        output: the file, with or without suffix, or for ROS 2, CSV, Parquet and LeRobot the
            folder; it must not exist. After the conversion it exists completely, or not at all.
        to: the form.
        compression: of MCAP's chunks.
        lerobot: the options of a dataset.
        on_progress: called with the number of messages read so far.

    Raises:
        BagError: the bag cannot be read or written; the text says which output exists.
    """
    match to:
        case "csv":
            return Converted(output, *write_csv(source, output, on_progress))
        case "parquet":
            need("", "pyarrow")
            from dsmq_nodes.bag.convert.parquet_tables import write_parquet  # noqa: PLC0415  pyarrow has 54 MB

            return Converted(output, *write_parquet(source, output, on_progress))
        case "npz":
            need("", "numpy")
            from dsmq_nodes.bag.convert.numpy_arrays import write_npz  # noqa: PLC0415  65 ms: numpy

            path = file_name(output, ".npz")
            return Converted(path, *write_npz(source, path, on_progress))
        case "ros1" | "ros2":
            need("ros", "rosbags", "numpy")
            from dsmq_nodes.bag.ros.ros_writing import write_ros  # noqa: PLC0415  an extra's

            path = file_name(output, ".bag") if to == "ros1" else output
            return Converted(path, write_ros(source, path, to, on_progress))
        case "lerobot":
            need("lerobot", "pyarrow", "av", "numpy")
            from dsmq_nodes.bag.lerobot.exporting import export  # noqa: PLC0415  an extra's

            done = export(source, output, lerobot or LerobotOptions(), on_progress)
            return Converted(output, done.frames, {}, done.episodes, done.notes)
        case "mcap" | "foxglove":
            return _to_mcap(source, output, compression, on_progress, as_foxglove=to == "foxglove")


def _to_mcap(
    source: BagSource,
    output: Path,
    compression: Compression,
    on_progress: Callable[[int], None],
    *,
    as_foxglove: bool,
) -> Converted:
    foxglove = ToFoxglove()
    path = bag_path(output)
    new = partial(BagWriter, path, compression=compression, keeps_unfinished=False)
    with removed_if_unfinished(path, new) as writer, writer:
        for name, values in source.metadata():
            writer.describe(name, values)
        for attachment in source.attachments():
            writer.attach(attachment)
        for number, record in enumerate(source.records(), 1):
            out = record
            if as_foxglove:
                try:
                    out = foxglove.of(record)
                except ValueError as error:
                    note_omitted(source, record, error)
                    continue
            writer.write_record(out)
            on_progress(number)
    return Converted(path, writer.messages)
