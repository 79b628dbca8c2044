"""A dataset as a bag."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import av
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from av.video.frame import VideoFrame

from dsmq_nodes.bag import Bag
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.convert.convert import convert
from dsmq_nodes.bag.episode_marks import episodes_of
from dsmq_nodes.bag.file.information import information
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.lerobot import dataset_layout
from dsmq_nodes.bag.lerobot.lerobot_options import LerobotOptions
from dsmq_nodes.bag.lerobot.pictures import VideoWriter, rgb_of
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from dsmq_nodes.errors import BagError
from tests.bag.lerobot.arm_bag import write_arm_bag
from tests.bag.lerobot.dataset_referee import check_dataset
from tests.bag.lerobot.test_dataset import DATA, EPISODES, VIDEO, pictures

MARKS = [(0.0, "start", "pick"), (0.9, "stop", ""), (1.0, "start", "place"), (1.9, "stop", "")]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two episodes of a calibrated arm."""
    folder = tmp_path_factory.mktemp("arm")
    joint = {"id": 6, "homing_offset": 3, "range_min": 1500, "range_max": 2500}
    (folder / "arm.json").write_text(json.dumps({"gripper": joint}))
    bag = open_source([write_arm_bag(folder / "run", 2.0, marks=MARKS)])
    options = LerobotOptions(calibration=folder / "arm.json")
    convert(bag, folder / "dataset", "lerobot", lerobot=options)
    return folder / "dataset"


def test_a_bag_of_a_dataset_has_its_episodes_joints_and_pictures(
    dataset: Path, tmp_path: Path
) -> None:
    source = open_source([dataset])
    told = information(source)
    assert [each["task"] for each in told["episodes"]] == ["pick", "place"]
    made = Bag(convert(source, tmp_path / "again", "mcap").path)
    assert len(made) == told["messages"] == len(list(made))
    assert not source.omitted
    assert [each.task for each in episodes_of(made)] == ["pick", "place"]
    states = [each.msg for each in made if each.topic == "/joint_states"]
    rows = pq.read_table(dataset / DATA)["observation.state"].to_pylist()
    for state, row in zip(states, rows, strict=True):
        assert state.name == SO101  # type: ignore[union-attr]
        assert state.position[0] == pytest.approx(math.radians(row[0]))  # type: ignore[union-attr]
    shown = [each.msg for each in made if each.topic == "/front/image_raw"]
    levels = [sum(each.data) / len(each.data) for each in shown]  # type: ignore[union-attr]
    assert levels == pytest.approx(pictures(dataset / VIDEO), abs=1)


def as_version_2(dataset: Path, folder: Path, version: str) -> None:
    """Write a dataset as LeRobot did before 0.4: an episode has its own files."""
    info = json.loads((dataset / dataset_layout.INFO).read_text())
    chunk = "chunk-{episode_chunk:03d}"
    info |= {
        "codebase_version": version,
        "total_videos": 2,
        "total_chunks": 2,
        "chunks_size": 1,
        "data_path": f"data/{chunk}/episode_{{episode_index:06d}}.parquet",
        "video_path": f"videos/{chunk}/{{video_key}}/episode_{{episode_index:06d}}.mp4",
    }
    (folder / "meta").mkdir(parents=True)
    (folder / dataset_layout.INFO).write_text(json.dumps(info))
    shutil.copy(dataset / dataset_layout.CALIBRATION, folder / dataset_layout.CALIBRATION)
    episodes = pq.read_table(dataset / EPISODES).to_pylist()
    lines = [{key: each[key] for key in ("episode_index", "tasks", "length")} for each in episodes]
    text = "".join(f"{json.dumps(each)}\n" for each in lines)
    (folder / "meta" / "episodes.jsonl").write_text(text)
    with av.open(str(dataset / VIDEO)) as container:
        frames = [rgb_of(each) for each in container.decode(video=0)]
    camera = info["features"]["observation.images.front"]
    height, width, _ = camera["shape"]
    for number, each in enumerate(episodes):
        place = {"episode_chunk": number, "episode_index": number}
        data = folder / info["data_path"].format(**place)
        data.parent.mkdir(parents=True)
        rows = [("episode_index", "=", number)]
        pq.write_table(pq.read_table(dataset / DATA, filters=rows), data)
        video = info["video_path"].format(video_key="observation.images.front", **place)
        writer = VideoWriter(folder / video, info["fps"], dataset_layout.Video(width, height))
        for pixels in frames[: each["length"]]:
            writer.add(VideoFrame.from_ndarray(pixels).reformat(format="yuv420p"))
        del frames[: each["length"]]
        writer.close()


@pytest.mark.parametrize("version", ["v2.1", "v2.0"])
def test_a_dataset_of_version_2_is_the_same_bag(
    dataset: Path, tmp_path: Path, version: str
) -> None:
    as_version_2(dataset, tmp_path / "old", version)
    old, new = open_source([tmp_path / "old"]), open_source([dataset])
    assert old.counts() == new.counts()
    for one, other in zip(old.records(), new.records(), strict=True):
        assert one[:4] == other[:4]
        if not one.channel.topic.endswith("image_raw"):
            assert one.data == other.data
    convert(open_source([tmp_path / "old"]), tmp_path / "again", "lerobot")
    levels = [pictures(each / VIDEO) for each in (tmp_path / "again", dataset)]
    assert levels[0] == pytest.approx(levels[1], abs=2)


def test_depth_in_a_video_is_left_out_and_told(dataset: Path, tmp_path: Path) -> None:
    """Its numbers are logarithms: as grey they would be a wrong picture."""
    shutil.copytree(dataset, tmp_path / "dataset")
    file = tmp_path / "dataset" / dataset_layout.INFO
    info = json.loads(file.read_text())
    info["features"]["observation.images.front"]["info"]["is_depth_map"] = True
    file.write_text(json.dumps(info))
    source = open_source([tmp_path / "dataset"])
    assert "/front/image_raw" not in source.topics
    (told,) = source.omitted.lines()
    assert told.startswith("left out: /front/image_raw: its depth was quantized")


def test_features_whose_names_end_alike_have_topics_of_their_own(
    dataset: Path, tmp_path: Path
) -> None:
    shutil.copytree(dataset, tmp_path / "dataset")
    file = tmp_path / "dataset" / dataset_layout.INFO
    info = json.loads(file.read_text())
    picture = info["features"].pop("observation.images.front")
    for name in ("images.left.front", "images.right.front", "images.top", "left-top", "left_top"):
        info["features"][f"observation.{name}"] = picture
    file.write_text(json.dumps(info))
    source = open_source([tmp_path / "dataset"])
    assert [each for each in source.topics if each.endswith("/image_raw")] == [
        "/observation/images/left/front/image_raw",
        "/observation/images/right/front/image_raw",
        "/top/image_raw",
        "/observation/left_top/image_raw",
    ]
    told = "left out: observation.left_top: /observation/left_top/image_raw is already a feature"
    assert list(source.omitted.lines()) == [told]


def test_names_and_codecs_as_lerobot_has_them_elsewhere(dataset: Path, tmp_path: Path) -> None:
    """A gamepad's action has its names with their places; codecs are told since version 2.1."""
    shutil.copytree(dataset, tmp_path / "dataset")
    file = tmp_path / "dataset" / dataset_layout.INFO
    info = json.loads(file.read_text())
    names = info["features"]["action"]["names"]
    info["features"]["action"]["names"] = {
        name: place for place, name in reversed(list(enumerate(names)))
    }
    info["features"]["observation.state"] |= {"names": {"motors": names}, "info": None}
    del info["features"]["observation.images.front"]["info"]["video.codec"]
    file.write_text(json.dumps(info))
    source = open_source([tmp_path / "dataset"])
    assert source.compression() == "snappy"
    shown = {each.topic: each.msg for each in Bag(tmp_path / "dataset")}
    assert shown["/joint_command"].name == SO101  # type: ignore[union-attr]
    assert shown["/joint_states"].name == SO101  # type: ignore[union-attr]


def test_pictures_that_are_not_in_the_table_are_told(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "dataset")
    file = tmp_path / "dataset" / dataset_layout.INFO
    info = json.loads(file.read_text())
    info["features"]["observation.images.side"] = {"dtype": "image", "shape": [4, 4, 3]}
    file.write_text(json.dumps(info))
    table = pq.read_table(tmp_path / "dataset" / DATA)
    column = pa.array([{"bytes": None, "path": "side/0.png"}] * table.num_rows)
    pq.write_table(
        table.append_column("observation.images.side", column), tmp_path / "dataset" / DATA
    )
    with pytest.raises(BagError, match=r"the picture side/0.png is not in the table"):
        list(open_source([tmp_path / "dataset"]).records())


def test_there_and_back_it_is_the_same_dataset(dataset: Path, tmp_path: Path) -> None:
    bag = convert(open_source([dataset]), tmp_path / "bag", "mcap")
    convert(open_source([bag.path]), tmp_path / "again", "lerobot")  # with its calibration
    before, after = pq.read_table(dataset / DATA), pq.read_table(tmp_path / "again" / DATA)
    for name in before.column_names:
        flat = [table[name].to_pylist() for table in (before, after)]
        for one, other in zip(*flat, strict=True):
            assert one == pytest.approx(other, rel=1e-5, abs=1e-4), name
    tasks = [pq.read_table(each / EPISODES)["tasks"] for each in (dataset, tmp_path / "again")]
    assert tasks[0] == tasks[1]


def test_a_video_file_ends_in_time_and_the_next_one_is_read_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_layout, "LONGEST_VIDEO_SEC", 1)
    marks = [(0.0, "start", "a"), (0.5, "stop", ""), (0.6, "start", "b"), (2.9, "stop", "")]
    made = convert(open_source([write_arm_bag(tmp_path / "run", 3.0, marks=marks)]),
                   tmp_path / "out", "lerobot")  # fmt: skip
    episodes = pq.read_table(made.path / EPISODES).to_pylist()
    lengths = [each["length"] for each in episodes]
    assert lengths[1:3] == [30, 30]  # an episode longer than a video may be is split
    column = "videos/observation.images.front/file_index"
    assert [each[column] for each in episodes] == [0, 1, 2, 3]
    assert check_dataset(made.path) == []
    shown = [r for r in open_source([made.path]).records() if "image" in r.channel.topic]
    assert len(shown) == sum(lengths)


def test_a_data_file_of_many_episodes_is_read_once(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source([dataset])
    expected = list(source.records())
    read, paths = pq.read_table, list[Path]()

    def noted(path: Path, **options: Any) -> Any:
        paths.append(path)
        return read(path, **options)

    monkeypatch.setattr(pq, "read_table", noted)
    assert list(source.records()) == expected
    assert paths == [dataset / DATA]


def test_statistics_of_episodes_are_not_read(dataset: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(dataset, tmp_path / "copy")
    table = pq.read_table(folder / EPISODES)
    beyond = pa.array([1 << 62] * table.num_rows, pa.timestamp("us"))  # no datetime holds it
    pq.write_table(table.append_column("stats/odd/max", beyond), folder / EPISODES)
    assert list(open_source([folder]).records()) == list(open_source([dataset]).records())


def test_a_part_of_a_dataset_is_read(dataset: Path) -> None:
    source = open_source([dataset], Selection(("/front/image_raw",)))
    assert list(source.topics) == ["/front/image_raw"]
    whole = list(source.records())
    middle = whole[len(whole) // 2].log_time_ns
    assert list(source.records(middle)) == whole[len(whole) // 2 :]
    assert list(source.records(None, middle)) == whole[: len(whole) // 2]
    with pytest.raises(BagError, match="has no topic /nothing"):
        open_source([dataset], Selection(("/nothing",)))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"fps": 0}, "it has 0 frames a second"),
        ({"features": [1]}, "is no complete dataset"),
        ({"features": {"x": {"dtype": "float32", "shape": [10**12]}}}, "of 1000000000000 numbers"),
        ({"data_path": "{file_index:>999999999d}"}, "its data_path is"),
        ({"data_path": "../x/{file_index}.parquet"}, "its data_path leads out of the folder"),
        ({"data_path": "/etc/{file_index}.parquet"}, "its data_path leads out of the folder"),
    ],
)
def test_a_dataset_is_no_more_than_its_own_files(
    dataset: Path, tmp_path: Path, told: dict[str, Any], why: str
) -> None:
    shutil.copytree(dataset, tmp_path / "x")
    info = tmp_path / "x" / "meta" / "info.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), **told}))
    with pytest.raises(BagError, match=why):
        list(open_source([tmp_path / "x"]).records())


@pytest.mark.parametrize("damaged", [DATA, EPISODES, VIDEO])
def test_a_damaged_file_is_named_in_one_line(dataset: Path, tmp_path: Path, damaged: str) -> None:
    shutil.copytree(dataset, tmp_path / "x")
    path = tmp_path / "x" / damaged
    whole = path.read_bytes()
    places = range(4, len(whole), len(whole) // 40)
    cut = whole[: whole.find(b"stts") + 5]  # of a video, within its index
    for data in (cut, *(whole[:at] + b"\xff" * 20 + whole[at + 20 :] for at in places)):
        path.write_bytes(data)
        try:
            list(open_source([tmp_path / "x"]).records())
        except BagError as error:
            assert "\n" not in str(error)  # noqa: PT017  most of the damages are errors
            assert str(path) in str(error) or "episode" in str(error)  # noqa: PT017  its contents


def test_another_version_and_a_part_of_a_dataset_are_told(dataset: Path, tmp_path: Path) -> None:
    info = tmp_path / "old" / "meta" / "info.json"
    info.parent.mkdir(parents=True)
    info.write_text('{"codebase_version": "v1.6", "fps": 30}')
    with pytest.raises(BagError, match=r"has version v1.6; supported are v3.0, v2.1, v2.0"):
        open_source([tmp_path / "old"])
    text = (dataset / "meta/info.json").read_text()
    info.write_text(text)
    source = open_source([tmp_path / "old"])  # without episodes
    assert len(source) == 0
    assert list(source.records()) == []
