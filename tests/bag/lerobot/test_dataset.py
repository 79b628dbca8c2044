"""A bag as a dataset for LeRobot: what is in the frames, what ends an episode, what is refused."""

import itertools
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.bag import Bag, BagWriter
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.convert.convert import Converted, convert
from dsmq_nodes.bag.lerobot.feature_statistics import PictureLevels
from dsmq_nodes.bag.lerobot.lerobot_options import LerobotOptions
from dsmq_nodes.bag.lerobot.pictures import VideoWriter
from dsmq_nodes.bag.lerobot.resampling import SECOND_NS, Frames, Samples, resample
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from dsmq_nodes.errors import BagError
from dsmq_nodes.messages import Float64, JointState, Twist, Vector3
from tests.bag.lerobot.arm_bag import ACTION, BEGIN_NS, CAMERA, STATE, channel, level, position
from tests.bag.lerobot.arm_bag import write_arm_bag as write
from tests.bag.lerobot.dataset_referee import check_dataset

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = "videos/observation.images.front/chunk-000/file-000.mp4"


def export(bag: Path, output: Path, **options: Any) -> Converted:
    return convert(open_source([bag]), output, "lerobot", lerobot=LerobotOptions(**options))


def pictures(path: Path) -> list[float]:
    """The mean level of each frame of a video."""
    with av.open(str(path)) as container:
        return [float(f.to_ndarray(format="rgb24").mean()) for f in container.decode(video=0)]


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of an arm, as a dataset at 30 frames/s."""
    folder = tmp_path_factory.mktemp("arm")
    export(write(folder / "wave", 2.0), folder / "dataset")
    return folder / "dataset"


def test_a_frame_has_the_newest_message_of_each_topic_that_is_not_from_later(
    dataset: Path,
) -> None:
    table = pq.read_table(dataset / DATA)
    assert table.num_rows == 59  # the last camera picture is of 1.96 s
    for frame, row in enumerate(table.to_pylist()):
        now_sec = frame / 30 + 1e-9
        state_sec, action_sec = now_sec // 0.01 * 0.01, now_sec // 0.02 * 0.02
        for joint in range(5):
            state, action = row["observation.state"][joint], row["action"][joint]
            assert state == pytest.approx(math.degrees(position(joint, state_sec)), abs=1e-4)
            assert action == pytest.approx(math.degrees(position(joint, action_sec)), abs=1e-4)
    shown = pictures(dataset / VIDEO)
    expected = [level((frame / 30 + 1e-9) // 0.04 * 0.04) for frame in range(59)]
    assert shown == pytest.approx(expected, abs=4)  # h264 loses a little


def test_its_files_are_what_lerobot_writes(dataset: Path) -> None:
    info = json.loads((dataset / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_frames"], info["total_episodes"], info["fps"]) == (59, 1, 30)
    assert info["robot_type"] == "so101_follower"
    names = [f"{joint}.pos" for joint in SO101]
    assert info["features"]["action"] == {"dtype": "float32", "shape": [6], "names": names}
    assert info["features"]["observation.images.front"]["shape"] == [24, 32, 3]
    schema = pq.read_schema(dataset / DATA)
    assert schema.field("observation.state").type == pa.list_(pa.float32(), 6)
    assert schema.field("timestamp").type == pa.float32()
    assert b"huggingface" in schema.metadata
    (episode,) = pq.read_table(dataset / EPISODES).to_pylist()
    assert episode["tasks"] == ["wave"]  # the bag's name, as it has no marks
    assert episode["dataset_to_index"] == 59
    assert episode["videos/observation.images.front/to_timestamp"] == pytest.approx(59 / 30)
    assert np.shape(episode["stats/observation.images.front/mean"]) == (3, 1, 1)
    assert episode["stats/action/count"] == [59]
    stats = json.loads((dataset / "meta/stats.json").read_text())
    assert stats.keys() == info["features"].keys()
    assert stats["frame_index"]["max"] == [58]


def test_the_same_bag_gives_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    export(write(tmp_path / "wave", 2.0), tmp_path / "again")
    assert files(tmp_path / "again") == files(dataset)


def test_a_gap_ends_the_episode_and_is_told(tmp_path: Path) -> None:
    done = export(write(tmp_path / "run", 3.0, silent=(STATE, 1.0, 2.0)), tmp_path / "out")
    # The last state is of 0.99 s, and is refused after 0.1 s.
    episodes = pq.read_table(tmp_path / "out" / EPISODES).to_pylist()
    assert [each["length"] for each in episodes] == [33, 29]
    assert done.episodes == 2
    gap = next(note for note in done.notes if "gap" in note)
    assert f"27 ticks without a frame, {STATE} was" in gap, gap
    assert f"{STATE}: at most 0.0" in "\n".join(done.notes)
    assert pictures(tmp_path / "out" / VIDEO)[33] == pytest.approx(level(2.0), abs=4)


def test_marked_episodes_are_those_of_the_dataset_with_their_tasks(tmp_path: Path) -> None:
    marks = [
        (0.5, "start", "pick"), (1.0, "stop", ""),
        (1.2, "start", "fail"), (1.5, "discard", ""),
        (2.0, "start", "place"), (2.5, "stop", "place it"),
        (2.8, "start", "pick"),  # the recorder was killed here
    ]  # fmt: skip
    export(write(tmp_path / "run", 3.2, marks=marks), tmp_path / "out", fps=50)
    episodes = pq.read_table(tmp_path / "out" / EPISODES).to_pylist()
    assert [each["tasks"] for each in episodes] == [["pick"], ["place it"], ["pick"]]
    # From the first picture after the mark to the last one before the other mark.
    assert [each["length"] for each in episodes] == [23, 25, 19]
    tasks = pq.read_table(tmp_path / "out/meta/tasks.parquet").to_pylist()
    assert tasks == [{"task_index": 0, "task": "pick"}, {"task_index": 1, "task": "place it"}]


def test_the_gripper_is_0_to_100_of_its_calibrated_range(tmp_path: Path) -> None:
    bag = write(tmp_path / "run", 1.0)
    calibration = tmp_path / "arm.json"
    middle, half = 2048, 512  # ticks: an eighth of a turn to each side
    joint = {"id": 6, "drive_mode": 0, "homing_offset": 0}
    joint |= {"range_min": middle - half, "range_max": middle + half}
    calibration.write_text(json.dumps({"gripper": joint}))
    export(bag, tmp_path / "out", calibration=calibration)
    rows = pq.read_table(tmp_path / "out" / DATA)["observation.state"].to_pylist()
    whole = math.tau * 2 * half / 4096
    for frame, row in enumerate(rows):
        rad = position(5, (frame / 30 + 1e-9) // 0.01 * 0.01)
        assert row[5] == pytest.approx(50 + 100 * rad / whole, abs=1e-3)
    done = export(bag, tmp_path / "without")
    assert any("whole turn" in note for note in done.notes)


def test_any_topic_of_numbers_can_be_a_feature(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "base") as writer:
        for step in range(60):
            at_ns = BEGIN_NS + step * 20_000_000
            twist = Twist(linear=Vector3(x=step / 10))
            jaw = JointState(name=["jaw"], position=[step / 100])
            for topic, message in (
                ("/cmd_vel", twist), ("/speed", Float64(data=step)), ("/jaw", jaw),
            ):  # fmt: skip
                writer.write(
                    channel(topic, type(message)), at_ns, message.to_json().encode(), at_ns
                )
    given_features = [
        "action=/cmd_vel", "observation.state=/speed", "observation.state=/cmd_vel",
        "observation.speed=/speed", "observation.jaw=/jaw",
    ]  # fmt: skip
    export(writer.paths[0], tmp_path / "out", fps=25, features=given_features)
    info = json.loads((tmp_path / "out/meta/info.json").read_text())
    axes = ["linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z"]
    assert info["features"]["action"]["names"] == axes
    assert info["features"]["observation.state"]["names"] == ["data", *axes]
    assert info["robot_type"] is None
    table = pq.read_table(tmp_path / "out" / DATA)
    rows = table["action"].to_pylist()
    assert [row[0] for row in rows[:3]] == pytest.approx([0.0, 0.2, 0.4])
    # LeRobot does not load a list of one.
    assert table["observation.speed"].to_pylist()[:3] == pytest.approx([0.0, 2.0, 4.0])
    back: dict[str, Any] = {each.topic: each.msg for each in Bag(tmp_path / "out")}
    assert (back["/observation/speed"].data, back["/observation/jaw"].name) == ([58.0], ["jaw"])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such topic": ({"features": ["action=/nothing"]}, "the bag has no /nothing"),
    "no topic": ({"features": ["action"]}, "write FEATURE=TOPIC"),
    "pictures as numbers": ({"features": [f"action={CAMERA}"]}, "pictures need one topic and"),
    "too old": ({"max_age_sec": 0.02}, "has a message every 0.040 s"),
    "no calibration": ({"calibration": Path("/nowhere.json")}, "--calibration /nowhere.json: No"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_made_is_refused_in_words_and_leaves_nothing(
    name: str, tmp_path: Path
) -> None:
    options, words = REFUSED[name]
    bag = write(tmp_path / "run", 0.5)
    with pytest.raises(BagError, match=words):
        export(bag, tmp_path / "out", **options)
    assert [each.name for each in tmp_path.iterdir()] == ["run.mcap"]


def test_a_message_that_cannot_be_used_is_left_out_and_told(tmp_path: Path) -> None:
    bag = write(tmp_path / "run", 1.0)
    source = open_source([bag])
    bad = {STATE: b'{"name": ["a"], "position": [1.0]}', CAMERA: b'{"encoding": "32FC1"}',
           ACTION: b'{"name": [], "position": ["NaN"]}'}  # fmt: skip
    with BagWriter(tmp_path / "bad") as writer:
        for record in source.records():
            times = record.log_time_ns, record.publish_time_ns
            writer.write(record.channel, times[0], record.data, times[1])
            if record.log_time_ns - BEGIN_NS == 502_000_000 or record.channel.topic == CAMERA:
                writer.write(record.channel, times[0], bad[record.channel.topic], times[1] + 1)
    found = open_source(writer.paths)
    convert(found, tmp_path / "out", "lerobot")
    told = "\n".join(found.omitted.lines())
    assert f"left out: {STATE}: a.pos, which 1 message had, of 101" in told
    assert f"{CAMERA}: 25 messages" in told
    assert check_dataset(tmp_path / "out") == []


def test_pictures_of_odd_sizes_stay_as_large(tmp_path: Path) -> None:
    export(write(tmp_path / "run", 0.5, size=(33, 25)), tmp_path / "out")
    features = json.loads((tmp_path / "out/meta/info.json").read_text())["features"]
    assert features["observation.images.front"]["shape"] == [25, 33, 3]
    with av.open(str(tmp_path / "out" / VIDEO)) as container:
        [*frames] = container.decode(video=0)
    assert {(each.width, each.height) for each in frames} == {(33, 25)}
    assert check_dataset(tmp_path / "out") == []


def test_pictures_that_cannot_be_used_are_the_reason_that_is_told(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "depth") as writer:
        for record in open_source([write(tmp_path / "run", 0.5)]).records():
            data = record.data.replace(b'"rgb8"', b'"32FC1"')
            writer.write(record.channel, record.log_time_ns, data, record.publish_time_ns)
    with pytest.raises(BagError, match=f"no message on {CAMERA}; .*encoding '32FC1' is none of"):
        export(writer.paths[0], tmp_path / "out")


@pytest.mark.parametrize("silent_sec", [0.07, 0.5])
def test_a_joint_whose_servo_is_silent_is_held_and_then_a_gap(
    tmp_path: Path, silent_sec: float
) -> None:
    """As a driver publishes them: the joints that were heard; the first one is silent at first."""
    bag = write(tmp_path / "run", 2.0)
    with BagWriter(tmp_path / "silent") as writer:
        for record in open_source([bag]).records():
            data, at_sec = record.data, (record.log_time_ns - BEGIN_NS) * 1e-9
            is_silent = 1.0 < at_sec < 1.0 + silent_sec or at_sec < 0.02
            if record.channel.topic == STATE and is_silent:
                state = JointState.from_json(data.decode())
                del state.name[2], state.position[2]
                data = state.to_json().encode()
            writer.write(record.channel, record.log_time_ns, data, record.publish_time_ns)
    found = open_source(writer.paths)
    done = convert(found, tmp_path / "out", "lerobot")
    assert not list(found.omitted.lines()), "nothing is left out"
    assert done.episodes == (1 if silent_sec < 0.1 else 2)
    told = "\n".join(done.notes)
    assert f"{STATE}: {round(100 * silent_sec) + 2} messages without elbow_flex.pos" in told
    if silent_sec > 0.1:
        assert f"elbow_flex.pos of {STATE} was 0." in told
    rows = pq.read_table(tmp_path / "out" / DATA).to_pylist()
    assert len(rows) == (59 if silent_sec < 0.1 else 47)
    held = rows[30]  # 1 s after all joints were known
    names = json.loads((tmp_path / "out/meta/info.json").read_text())["features"]
    assert names["observation.state"]["names"] == [f"{each}.pos" for each in SO101]
    state = held["observation.state"]
    assert state[2] == pytest.approx(math.degrees(position(2, 0.99)), abs=0.01)
    assert check_dataset(tmp_path / "out") == []


def test_two_drivers_publish_joints_on_one_topic(tmp_path: Path) -> None:
    bag = write(tmp_path / "run", 1.0)
    with BagWriter(tmp_path / "two") as writer:
        for record in open_source([bag]).records():
            times = record.log_time_ns, record.publish_time_ns
            if record.channel.topic != STATE:
                writer.write(record.channel, times[0], record.data, times[1])
                continue
            state = JointState.from_json(record.data.decode())
            for part in (slice(3), slice(3, 6)):
                names, positions = state.name[part], state.position[part]
                one = JointState(header=state.header, name=names, position=positions)
                writer.write(record.channel, times[0], one.to_json().encode(), times[1])
    found = open_source(writer.paths)
    convert(found, tmp_path / "out", "lerobot")
    assert not list(found.omitted.lines())
    convert(open_source([bag]), tmp_path / "one", "lerobot")
    tables = [pq.read_table(tmp_path / name / DATA).to_pylist() for name in ("out", "one")]
    assert tables[0] == tables[1]


def cut_video(root: Path) -> None:
    (root / VIDEO).write_bytes((root / VIDEO).read_bytes()[:-200])


def edit_info(root: Path) -> None:
    path = root / "meta/info.json"
    path.write_text(path.read_text().replace('"total_frames": 59', '"total_frames": 60'))


def without_statistics(root: Path) -> None:
    (root / "meta/stats.json").write_text("{}")


def edited(column: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        table = pq.read_table(root / DATA)
        at = table.schema.get_field_index(column)
        values = change(table[column].combine_chunks())
        pq.write_table(table.set_column(at, table.schema.field(at), values), root / DATA)

    return edit


def not_a_number(column: Any) -> Any:
    flat = column.flatten().to_numpy(zero_copy_only=False).copy()
    flat[70] = np.nan
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), 6)


BROKEN: dict[str, Callable[[Path], None]] = {
    "wrong total": edit_info,
    "no statistics": without_statistics,
    "no tasks": lambda root: (root / "meta/tasks.parquet").unlink(),
    "no video": lambda root: shutil.rmtree(root / "videos"),
    "cut video": cut_video,
    "wall clock": edited("timestamp", lambda c: pa.array(c.to_numpy() + np.float32(1e6))),
    "index from 5": edited("index", lambda c: pa.array(c.to_numpy() + 5)),
    "not a number": edited("observation.state", not_a_number),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_dataset_is_found_by_our_own_checks(
    name: str, dataset: Path, tmp_path: Path
) -> None:
    assert check_dataset(dataset) == []
    shutil.copytree(dataset, tmp_path / "broken")
    BROKEN[name](tmp_path / "broken")
    assert check_dataset(tmp_path / "broken")


def test_a_video_without_all_of_its_frames_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def losing(writer: VideoWriter, frame: av.VideoFrame) -> None:
        if writer.frames % 10:
            add(writer, frame)
        else:  # as an encoder would that leaves frames out
            writer.frames += 1

    add = VideoWriter.add
    monkeypatch.setattr(VideoWriter, "add", losing)
    bag = write(tmp_path / "wave", 1.0)
    with pytest.raises(BagError, match="frames, not"):
        export(bag, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [bag]


def test_an_episode_longer_than_a_video_may_be_is_split() -> None:
    stamps = np.arange(0, 25 * SECOND_NS, SECOND_NS // 10)
    runs = list(resample({"/x": Samples(stamps, SECOND_NS, stamps)}, 10, 100))
    assert [len(each) for each in runs if isinstance(each, Frames)] == [100, 100, 50]


@given(
    st.lists(st.lists(st.integers(0, 3000), min_size=1, unique=True), min_size=1, max_size=3),
    st.integers(1, 400),
    st.integers(1, 60),
)
def test_no_frame_has_a_message_from_later_or_an_old_one_and_none_is_missing(
    times_ms: list[list[int]], max_age_ms: int, fps: int
) -> None:
    topics = {}
    for number, times in enumerate(times_ms):
        stamps = np.sort(np.array(times)) * 1_000_000
        topics[f"/{number}"] = Samples(stamps, max_age_ms * 1_000_000, stamps)
    begin = max(int(each.stamps_ns[0]) for each in topics.values())
    end = min(int(each.stamps_ns[-1]) for each in topics.values())
    expected = []
    for tick in itertools.count():
        at = begin + tick * SECOND_NS // fps
        if at > end:
            break
        ages = [at - max(t for t in s.stamps_ns if t <= at) for s in topics.values()]
        if max(ages) <= max_age_ms * 1_000_000:
            expected.append([at - age for age in ages])
    found = []
    for run in resample(topics, fps, 10_000):
        if isinstance(run, Frames):
            columns = [topics[name].stamps_ns[taken] for name, taken in run.taken.items()]
            found += np.stack(columns, 1).tolist()
    assert found == expected


def test_the_statistics_of_pictures_are_those_of_their_pixels() -> None:
    random = np.random.default_rng(1)
    given_pictures = [random.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(4)]
    levels = PictureLevels()
    for each in given_pictures:
        levels.add(each)
    found = levels.statistics()
    pixels = np.concatenate([each.reshape(-1, 3) for each in given_pictures]) / 255
    for name, value in {
        "mean": pixels.mean(0), "std": pixels.std(0), "max": pixels.max(0),
        "q10": np.quantile(pixels, 0.1, axis=0),
    }.items():  # fmt: skip
        assert np.ravel(found[name]) == pytest.approx(value, abs=1 / 255), name
    assert found["count"] == [4]


@pytest.mark.slow
@pytest.mark.lerobot
def test_lerobot_doctor_finds_nothing_wrong(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("lerobot-doctor")
    if not program.exists():
        pytest.skip("lerobot-doctor is not installed: `pip install lerobot-doctor`")
    made = export(write(tmp_path / "run", 8.0, silent=(STATE, 3.9, 4.3)), tmp_path / "out")
    assert made.episodes == 2
    done = subprocess.run([program, made.path], capture_output=True, text=True, check=False)
    assert "Summary: 11 PASS" in done.stdout, done.stdout + done.stderr
