"""Writes a dataset, episode by episode; only one picture is in memory at a time."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from av.video.frame import VideoFrame

from dsmq_nodes.bag.lerobot import dataset_layout as layout
from dsmq_nodes.bag.lerobot import feature_statistics
from dsmq_nodes.bag.lerobot.dataset_layout import EpisodeRow, Layout, VideoPlace
from dsmq_nodes.bag.lerobot.feature_statistics import PictureLevels, Statistics
from dsmq_nodes.bag.lerobot.pictures import VideoWriter, rgb_of
from dsmq_nodes.bag.lerobot.resampling import Vectors

_TASK_INDEX: Final = {
    "index_columns": ["task"],
    "column_indexes": [
        {
            "name": None,
            "field_name": None,
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": {"encoding": "UTF-8"},
        }
    ],
    "columns": [
        {
            "name": name,
            "field_name": name,
            "pandas_type": kind,
            "numpy_type": numpy,
            "metadata": None,
        }
        for name, kind, numpy in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    ],
    "pandas_version": "2.3.3",
}


class DatasetWriter:
    """Writes a dataset into a folder: call `episode` for each, then `picture`, then `close`.

    Attributes:
        episodes: the episodes so far.
    """

    def __init__(self, root: Path, form: Layout) -> None:
        """Begin in `root`, an existing folder."""
        self.episodes: list[EpisodeRow] = []
        self._root, self._layout = root, form
        self._frames = 0
        self._tasks: dict[str, int] = {}
        self._vectors: dict[str, list[Any]] = {}  # also LeRobot's own columns
        self._statistics: list[dict[str, Statistics]] = []
        self._schema = form.data_schema()
        for each in (layout.DATA, layout.EPISODES):
            (root / each).parent.mkdir(parents=True)
        self._data = pq.ParquetWriter(root / layout.DATA, self._schema, compression="snappy")
        self._videos = {name: _VideoFiles(root, form, name) for name in form.videos}

    def episode(self, task: str, vectors: dict[str, Vectors]) -> None:
        """Append an episode; its pictures come later, in the same order.

        Args:
            task: what the episode shows, in words.
            vectors: the rows of each feature.
        """
        frames = len(next(iter(vectors.values())))
        number, begin = len(self.episodes), self._frames
        task_index = self._tasks.setdefault(task, len(self._tasks))
        columns: dict[str, Any] = {
            **vectors,
            "timestamp": np.arange(frames, dtype=np.float32) / np.float32(self._layout.fps),
            "frame_index": np.arange(frames),
            "episode_index": np.full(frames, number),
            "index": np.arange(begin, begin + frames),
            "task_index": np.full(frames, task_index),
        }
        self._data.write_table(
            pa.table([_arrow(columns[each.name], each.type) for each in self._schema], self._schema)
        )
        places = {name: files.reserve(frames) for name, files in self._videos.items()}
        self.episodes.append(EpisodeRow(task, frames, begin, places))
        self._statistics.append(
            {name: feature_statistics.of_rows(each) for name, each in columns.items()}
        )
        for name, each in columns.items():
            self._vectors.setdefault(name, []).append(each)
        self._frames += frames

    def picture(self, feature: str, frame: VideoFrame, times: int) -> None:
        """Append a picture to a feature, for `times` frames.

        Raises:
            ValueError: the picture has another size than the feature.
        """
        form = self._layout.videos[feature]
        if (frame.width, frame.height) != (form.width, form.height):
            raise ValueError(f"it is {frame.width}x{frame.height}, not {form.width}x{form.height}")
        self._videos[feature].add(frame, times)

    def close(self) -> None:
        """Write the remaining files: episodes, tasks, statistics, info."""
        self._data.close()
        levels = {name: files.close() for name, files in self._videos.items()}
        self._write_episodes(levels)
        tasks = pa.table(
            {"task_index": pa.array(range(len(self._tasks)), pa.int64()), "task": [*self._tasks]}
        )
        tasks = tasks.replace_schema_metadata({"pandas": json.dumps(_TASK_INDEX)})
        pq.write_table(tasks, self._root / layout.TASKS)
        total = {
            name: feature_statistics.of_rows(np.concatenate(parts))
            for name, parts in self._vectors.items()
        }
        for name, parts in levels.items():
            whole = PictureLevels()
            for each in parts:
                whole.join(each)
            total[name] = whole.statistics()
        _write_json(self._root / layout.STATS, total)
        info = self._layout.info(len(self.episodes), self._frames, len(self._tasks))
        _write_json(self._root / layout.INFO, info)

    def _write_episodes(self, levels: dict[str, list[PictureLevels]]) -> None:
        rows = []
        for number, each in enumerate(self.episodes):
            row: dict[str, Any] = {
                "episode_index": number,
                "tasks": [each.task],
                "length": each.frames,
                "data/chunk_index": 0,
                "data/file_index": 0,
                "dataset_from_index": each.begin,
                "dataset_to_index": each.begin + each.frames,
            }
            found = dict(self._statistics[number])
            for name, place in each.places.items():
                row |= place.columns(name, each.frames, self._layout.fps)
                found[name] = levels[name][number].statistics()
            for name, values in found.items():
                row |= {f"stats/{name}/{what}": value for what, value in values.items()}
            rows.append(row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0})
        table = pa.Table.from_pylist(rows)
        pq.write_table(table, self._root / layout.EPISODES, compression="snappy")


@dataclass
class _Expected:
    """An episode whose pictures have not all been added."""

    file: int
    frames: int
    counted: frozenset[int]


class _VideoFiles:
    """The videos of a feature: each file has complete episodes, and at most LONGEST_VIDEO_SEC."""

    def __init__(self, root: Path, form: Layout, name: str) -> None:
        self._root, self._layout, self._name = root, form, name
        self._file = self._reserved = 0
        self._waiting: list[_Expected] = []
        self._number = self._at = 0  # the episode and the frame of the next picture
        self._writer: VideoWriter | None = None
        self._file_open = -1
        self._levels: list[PictureLevels] = []

    def reserve(self, frames: int) -> VideoPlace:
        """Reserve and return the place of the next episode."""
        most = layout.LONGEST_VIDEO_SEC * self._layout.fps
        if self._reserved and self._reserved + frames > most:
            self._file, self._reserved = self._file + 1, 0
        place = VideoPlace(self._file, self._reserved)
        self._reserved += frames
        counted = feature_statistics.counted_frames(frames)
        self._waiting.append(_Expected(self._file, frames, counted))
        self._levels.append(PictureLevels())
        return place

    def add(self, frame: VideoFrame, times: int) -> None:
        """Append a picture, for `times` frames."""
        encoded = frame.reformat(format=self._layout.videos[self._name].pixels)
        for _ in range(times):
            episode = self._waiting[self._number]
            if self._at in episode.counted:
                self._levels[self._number].add(rgb_of(frame))
            self._in_file(episode.file).add(encoded)
            self._at += 1
            if self._at == episode.frames:
                self._number, self._at = self._number + 1, 0

    def _in_file(self, file: int) -> VideoWriter:
        if self._writer is None or file != self._file_open:
            if self._writer is not None:
                self._writer.close()
            form = self._layout.videos[self._name]
            place = divmod(file, layout.CHUNK_FILES)
            path = layout.video_path(self._root, self._name, *place)
            self._writer = VideoWriter(path, self._layout.fps, form)
            self._file_open = file
        return self._writer

    def close(self) -> list[PictureLevels]:
        """Close the last file, and return the picture levels of each episode."""
        if self._writer is not None:
            self._writer.close()
        return self._levels


def _arrow(values: Any, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(np.ravel(values), kind)
    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel(), kind.value_type)
    return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=4) + "\n", encoding="utf-8")
