"""The files of a LeRobotDataset v3.0, as LeRobot 0.4 and 0.6 read it.

    meta/info.json       version, fps, features {name: dtype, shape, names}, totals, path patterns
    meta/stats.json      for each feature: min, max, mean, std, count, quantiles
    meta/tasks.parquet   task_index, task (the index of pandas)
    meta/episodes/chunk-000/file-000.parquet     a row for each episode: length, data rows,
                                                 places of the pictures, statistics
    data/chunk-000/file-000.parquet              a row for each frame
    videos/<feature>/chunk-000/file-000.mp4      frame n of a file is at n / fps, exactly

A data row has the vectors (fixed lists of float32; a vector of one number is only that number) and
five columns of LeRobot's: timestamp (float32, frame_index / fps), frame_index (within the episode),
episode_index, index (of the whole dataset), task_index. LeRobot looks up a frame's picture at
`from_timestamp` of its episode + timestamp, within 1e-4 s. Times are float32, so it no longer finds
pictures after 1024 s of a file.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

VERSION: Final = "v3.0"
LONGEST_VIDEO_SEC: Final = 600
"""The greatest length of a video file, and so of an episode; see above."""

OWN_COLUMNS: Final = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
INFO: Final = Path("meta/info.json")
STATS: Final = Path("meta/stats.json")
TASKS: Final = Path("meta/tasks.parquet")
EPISODES: Final = Path("meta/episodes/chunk-000/file-000.parquet")
DATA: Final = Path("data/chunk-000/file-000.parquet")
CALIBRATION: Final = Path("meta/calibration.json")
"""LeRobot's calibration file of the arm, if known; LeRobot itself ignores it."""
PICTURES: Final = "observation.images."
STATE: Final = "observation.state"
ACTION: Final = "action"
JOINT: Final = ".pos"
"""The end of a joint's name in a vector."""

_DATA_PATTERN: Final = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_VIDEO_PATTERN: Final = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
CHUNK_FILES: Final = 1000
_DATA_MB, _VIDEO_MB = 100, 200
_ARROW: Final = {"float32": pa.float32(), "int64": pa.int64()}


@dataclass(frozen=True)
class Vector:
    """A feature that is a list of numbers."""

    names: tuple[str, ...]

    def info(self) -> dict[str, Any]:
        """Return the entry of the feature in info.json."""
        return {"dtype": "float32", "shape": [len(self.names)], "names": list(self.names)}


@dataclass(frozen=True)
class Video:
    """A feature that is a picture."""

    width: int
    height: int

    @property
    def pixels(self) -> str:
        """FFmpeg's pixel format; yuv420p, with one colour for 2 x 2 pixels, needs even sizes."""
        return "yuv444p" if self.width % 2 or self.height % 2 else "yuv420p"

    def info(self, fps: int) -> dict[str, Any]:
        """Return the entry of the feature in info.json."""
        return {
            "dtype": "video",
            "shape": [self.height, self.width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": self.height,
                "video.width": self.width,
                "video.codec": "h264",
                "video.pix_fmt": self.pixels,
                "video.is_depth_map": False,
                "video.fps": fps,
                "video.channels": 3,
                "has_audio": False,
            },
        }


@dataclass(frozen=True)
class Layout:
    """The features of a dataset, and its frames per second."""

    fps: int
    robot_type: str | None
    vectors: dict[str, Vector]
    videos: dict[str, Video]

    def info(self, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
        """Return the contents of info.json."""
        own = {name: {"dtype": t, "shape": [1], "names": None} for name, t in OWN_COLUMNS.items()}
        return {
            "codebase_version": VERSION,
            "robot_type": self.robot_type,
            "total_episodes": episodes,
            "total_frames": frames,
            "total_tasks": tasks,
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": _DATA_MB,
            "video_files_size_in_mb": _VIDEO_MB,
            "fps": self.fps,
            "splits": {"train": f"0:{episodes}"},
            "data_path": _DATA_PATTERN,
            "video_path": _VIDEO_PATTERN if self.videos else None,
            "features": {
                **{name: each.info() for name, each in self.vectors.items()},
                **{name: each.info(self.fps) for name, each in self.videos.items()},
                **own,
            },
        }

    def data_schema(self) -> pa.Schema:
        """Return the columns of the data, with the metadata for Hugging Face's `datasets`."""
        columns: list[tuple[str, pa.DataType]] = []
        features: dict[str, Any] = {}
        for name, vector in self.vectors.items():
            size = len(vector.names)
            value = {"dtype": "float32", "_type": "Value"}
            is_one = size == 1
            columns.append((name, pa.float32() if is_one else pa.list_(pa.float32(), size)))
            features[name] = (
                value if is_one else {"feature": value, "length": size, "_type": "List"}
            )
        for name, dtype in OWN_COLUMNS.items():
            columns.append((name, _ARROW[dtype]))
            features[name] = {"dtype": dtype, "_type": "Value"}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        return pa.schema(columns, metadata=metadata)


@dataclass
class VideoPlace:
    """The place of an episode's pictures: the file's number, and the first frame in it."""

    file: int
    begin: int

    def columns(self, name: str, frames: int, fps: int) -> dict[str, Any]:
        """Return the columns for the table of episodes."""
        chunk, file = divmod(self.file, CHUNK_FILES)
        return {
            f"videos/{name}/chunk_index": chunk,
            f"videos/{name}/file_index": file,
            f"videos/{name}/from_timestamp": self.begin / fps,
            f"videos/{name}/to_timestamp": (self.begin + frames) / fps,
        }


@dataclass
class EpisodeRow:
    """An episode as in the table of episodes."""

    task: str
    frames: int
    begin: int
    places: dict[str, VideoPlace] = field(default_factory=dict)


def video_path(root: Path, name: str, chunk: int, file: int) -> Path:
    """Return the path of the video file with these numbers."""
    return root / _VIDEO_PATTERN.format(video_key=name, chunk_index=chunk, file_index=file)
