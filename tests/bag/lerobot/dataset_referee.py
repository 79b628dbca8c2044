"""Whether a dataset is right: what LeRobot relies on, and does not check itself.

Each line below is a fault that LeRobot 0.6 loads without a word, or tells at some item in the
middle of a training.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dsmq_nodes.bag.lerobot import dataset_layout as layout
from dsmq_nodes.json_text import read_loose_json


def check_dataset(root: Path) -> list[str]:
    """The faults of a dataset, a line each; empty when there are none."""
    try:
        return list(_Checks(root).faults())
    except (OSError, ValueError, KeyError, TypeError, av.FFmpegError) as error:
        return [f"it cannot be read: {type(error).__name__}: {error}"]


class _Checks:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._info = read_loose_json((root / layout.INFO).read_bytes())
        self._fps = self._info["fps"]
        self._data = pq.read_table(root / layout.DATA)
        self._episodes = pq.read_table(root / layout.EPISODES).to_pylist()
        self._tasks = pq.read_table(root / layout.TASKS)["task"].to_pylist()
        stats = read_loose_json((root / layout.STATS).read_bytes())
        self._without_statistics = set(self._info["features"]) - set(stats)

    def faults(self) -> Iterator[str]:
        """All of them."""
        if self._without_statistics:
            yield f"there are no statistics of {', '.join(sorted(self._without_statistics))}"
        yield from self._totals()
        yield from self._numbers()
        yield from self._rows()
        for name, feature in self._info["features"].items():
            if feature["dtype"] == "video":
                yield from self._video(name, feature["shape"])

    def _totals(self) -> Iterator[str]:
        told = self._info
        found = {
            "total_frames": self._data.num_rows,
            "total_episodes": len(self._episodes),
            "total_tasks": len(self._tasks),
            "codebase_version": layout.VERSION,
        }
        for name, value in found.items():
            if told[name] != value:
                yield f"{name} is {told[name]}, and there is {value}"

    def _numbers(self) -> Iterator[str]:
        for name in self._data.column_names:
            column = self._data[name].combine_chunks()
            flat = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
            if flat.null_count or not np.isfinite(flat.to_numpy(zero_copy_only=False)).all():
                yield f"{name} has values that are not finite"

    def _rows(self) -> Iterator[str]:
        """The columns of LeRobot's are what the episodes say."""
        episodes: list[dict[str, Any]] = self._episodes
        lengths = [each["length"] for each in episodes]
        begins = np.cumsum([0, *lengths])
        frame = np.concatenate([np.arange(each) for each in lengths])
        times = (frame.astype(np.float32) / np.float32(self._fps)).astype(np.float32)
        expected = {
            "index": np.arange(begins[-1]),
            "frame_index": frame,
            "episode_index": np.repeat(np.arange(len(episodes)), lengths),
            "task_index": np.repeat([self._tasks.index(e["tasks"][0]) for e in episodes], lengths),
            "timestamp": times,
        }
        for name, values in expected.items():
            if not np.array_equal(self._data[name].to_numpy(), values):
                yield f"{name} is not what the episodes say"
        for number, each in enumerate(episodes):
            place = each["dataset_from_index"], each["dataset_to_index"]
            if place != (begins[number], begins[number + 1]):
                yield f"episode {number} has the wrong rows {place}"

    def _video(self, name: str, shape: list[int]) -> Iterator[str]:
        places: dict[Path, int] = {}
        for number, each in enumerate(self._episodes):
            chunk, file = (each[f"videos/{name}/{what}_index"] for what in ("chunk", "file"))
            path = layout.video_path(self._root, name, chunk, file)
            begin = places.get(path, 0)
            if abs(each[f"videos/{name}/from_timestamp"] - begin / self._fps) > 1e-9:
                yield f"the pictures of episode {number} do not begin where those before end"
            places[path] = begin + each["length"]
        for path, frames in places.items():
            yield from self._file(path, frames, shape)

    def _file(self, path: Path, frames: int, shape: list[int]) -> Iterator[str]:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times = sorted(
                packet.pts * stream.time_base * self._fps
                for packet in container.demux(stream)
                if packet.pts is not None and stream.time_base is not None
            )
            size = [stream.codec_context.height, stream.codec_context.width]
        if times != list(range(frames)):
            yield f"{path.name} has {len(times)} frames, not {frames}, or at other times"
        if size != shape[:2]:
            yield f"{path.name} is {size}, not {shape[:2]}"
        if frames > layout.LONGEST_VIDEO_SEC * self._fps:
            yield f"{path.name} is longer than {layout.LONGEST_VIDEO_SEC} s"
