"""Exports a bag as a dataset, in two passes: first stamps and numbers, then picture by picture.

The dataset is written under a temporary name and renamed, so that it is complete or absent.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from dsmq_nodes.bag.bag_source import BagSource, note_omitted
from dsmq_nodes.bag.episode_marks import Episode, episodes_of
from dsmq_nodes.bag.file.atomic import removed_if_unfinished
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.lerobot import dataset_layout as layout
from dsmq_nodes.bag.lerobot.dataset_layout import Layout, Vector, Video
from dsmq_nodes.bag.lerobot.dataset_writing import DatasetWriter
from dsmq_nodes.bag.lerobot.features import (
    VectorReader,
    found_sources,
    is_gripper,
    named_sources,
    stamp_of,
)
from dsmq_nodes.bag.lerobot.held_rows import HeldRows, RowBuilder
from dsmq_nodes.bag.lerobot.lerobot_options import LerobotOptions
from dsmq_nodes.bag.lerobot.pictures import picture_of
from dsmq_nodes.bag.lerobot.recorded_calibration import calibrations_for
from dsmq_nodes.bag.lerobot.resampling import (
    SECOND_NS,
    Frames,
    Gap,
    Integers,
    Samples,
    Vectors,
    resample,
)
from dsmq_nodes.devices.servo_bus.calibration import write_calibration
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from dsmq_nodes.errors import BagError

_MOST_GAPS_NOTED: Final = 10
_LATEST: Final = 0.8  # the greatest usual interval of messages, as a part of the age limit


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export.

    Attributes:
        frames: the number of frames.
        episodes: the number of episodes.
        notes: remarks about ages, gaps and units, one line each.
    """

    frames: int
    episodes: int
    notes: list[str]


def export(
    source: BagSource,
    output: Path,
    options: LerobotOptions,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write a bag as a dataset.

    Args:
        source: the bag; its `omitted` gets the messages that are left out.
        output: the folder, which must not exist.
        options: the options of the dataset.
        on_progress: called with the number of messages read so far, in both passes together.

    Raises:
        BagError: the bag lacks what a dataset needs, or the folder cannot be written.
    """
    if os.path.lexists(output):
        raise BagError(f"{output} exists already and is not overwritten: name another")
    plan = _Plan(source, options)
    beside = output.with_name(f".{output.name}.{os.getpid()}.part")
    with removed_if_unfinished(beside, lambda: beside.mkdir(parents=True)):
        writer = DatasetWriter(beside, plan.layout())
        for run in plan.runs:
            writer.episode(run.task, plan.vectors(run))
        _write_pictures(source, plan, writer, on_progress)
        writer.close()
        if plan.calibrations:
            write_calibration(str(beside / layout.CALIBRATION), plan.calibrations)

        beside.rename(output)
    frames = sum(len(each.frames) for each in plan.runs)
    return Exported(frames, len(plan.runs), plan.notes)


@dataclass
class _Taken:
    """The usable messages of a topic in an episode."""

    stamps: list[int] = field(default_factory=list)  # the stamps of pictures
    numbers: list[int] = field(default_factory=list)  # the numbers of pictures in their topic
    vectors: RowBuilder = field(default_factory=RowBuilder)


@dataclass
class _Run:
    task: str
    rows: Mapping[str, HeldRows]
    pictures: Mapping[str, list[int]]
    frames: Frames


class _Plan:
    """The frames of a dataset, and the messages they are made of.

    Attributes:
        runs: the episodes of the dataset.
        videos: the topics of the pictures, and their features.
        pictures: the number of picture messages to read.
        shown: for each topic of pictures, the number of frames that show each message.
        calibrations: the calibrations of the joints; empty when unknown.
        notes: remarks for the user.
    """

    def __init__(self, source: BagSource, options: LerobotOptions) -> None:
        """Read the bag once.

        Raises:
            BagError: there are no such topics, or no frames.
        """
        types = source.topics
        self._sources = (
            named_sources(options.features, types) if options.features else found_sources(types)
        )
        self._source, self._options = source, options
        self.videos = {topic: name for name, topic in self._sources.videos.items()}
        self._sizes: dict[str, tuple[int, int]] = {}
        self.notes: list[str] = []
        self.calibrations, self._calibration = calibrations_for(source, options.calibration)
        self._readers = {
            topic: VectorReader(types[topic], self.calibrations)
            for topic in sorted(self._sources.topics() - set(self.videos))
        }
        self.runs: list[_Run] = []
        self.pictures = 0
        self._worst_ns: Counter[str] = Counter()
        self._gaps: list[str] = []
        episodes = episodes_of(source) or [Episode("", source.start_ns, source.end_ns)]
        read = [*self._read(episodes)]
        self._settle_names()
        for number, (episode, topics) in enumerate(read):
            self._add(number, episode, topics)
        if not self.runs:
            why = "; ".join([*self._gaps[:_MOST_GAPS_NOTED], *source.omitted.lines()])
            raise BagError(f"at no time do all topics have a recent message: {why}")
        self.shown = self._count_shown()
        self._add_notes()

    # Reading

    def _read(self, episodes: list[Episode]) -> Iterator[tuple[Episode, dict[str, _Taken]]]:
        """Yield the usable messages of each episode."""
        waiting = iter(episodes)
        episode = next(waiting)
        topics: dict[str, _Taken] = defaultdict(_Taken)
        numbers: Counter[str] = Counter()
        for record in self._source.records(topics=self._sources.topics()):
            topic = record.channel.topic
            number, numbers[topic] = numbers[topic], numbers[topic] + 1
            while record.log_time_ns > episode.end_ns:
                yield episode, topics
                topics = defaultdict(_Taken)
                following = next(waiting, None)
                if following is None:
                    return
                episode = following
            if record.log_time_ns >= episode.start_ns:
                self._take(record, number, topics[topic])
        yield episode, topics

    def _take(self, record: Record, number: int, into: _Taken) -> None:
        topic = record.channel.topic
        try:
            stamp = stamp_of(record)
            if topic not in self.videos:
                found = self._readers[topic].read(record.data)
                into.vectors.add(stamp, tuple(found), [*found.values()])
                return
            if into.stamps and stamp <= into.stamps[-1]:
                raise ValueError("its stamp is not later than the previous one")
            self._check_picture(record)
            into.numbers.append(number)
            into.stamps.append(stamp)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            note_omitted(self._source, record, error)

    def _check_picture(self, record: Record) -> None:
        frame = picture_of(record)
        size = frame.width, frame.height
        first = self._sizes.setdefault(record.channel.topic, size)
        if size != first:
            raise ValueError(f"it is {size[0]}x{size[1]}, the first one {first[0]}x{first[1]}")

    def _settle_names(self) -> None:
        for topic, reader in self._readers.items():
            without: dict[int, list[str]] = defaultdict(list)
            for name, times, stays in reader.settle():
                if stays:
                    without[times].append(name)
                else:
                    text = f"{name}, which {_messages(times)} had, of {reader.fields_seen.total()}"
                    self._source.omitted.note(f"left out: {topic}: {text}")
            for times, names in without.items():
                text = f"{topic}: {_messages(times)} without {', '.join(names)}"
                self.notes.append(f"{text}: the last value is held until it is too old")

    # Frames

    def _add(self, number: int, episode: Episode, topics: Mapping[str, _Taken]) -> None:
        rows = {
            topic: topics[topic].vectors.rows(reader.names)
            for topic, reader in self._readers.items()
            if topic in topics
        }
        samples = {
            topic: self._samples(topic, np.array(topics[topic].stamps, np.int64))
            for topic in self.videos
            if topic in topics
        }
        samples |= {t: self._samples(t, each.stamps_ns, each) for t, each in rows.items()}
        missing = sorted(self._sources.topics() - {t for t in samples if len(samples[t].stamps_ns)})
        if missing:
            what = ", ".join(self._describe_missing(topic, topics) for topic in missing)
            self._gaps.append(f"episode {number} is left out: no message on {what}")
            return
        most = layout.LONGEST_VIDEO_SEC * self._options.fps
        task = episode.task or self._options.task or self._source.paths[0].stem
        found_parts = list(resample(samples, self._options.fps, most))
        if not found_parts:
            self._gaps.append(f"episode {number} is left out: the topics' stamps do not overlap")
        for found in found_parts:
            if isinstance(found, Gap):
                self._gaps.append(self._describe_gap(number, found, samples, rows))
                continue
            pictures = {topic: topics[topic].numbers for topic in self.videos}
            self.runs.append(_Run(task, rows, pictures, found))
            for topic, age_ns in found.worst_age_ns.items():
                self._worst_ns[topic] = max(self._worst_ns[topic], age_ns)

    def _samples(self, topic: str, times: Integers, rows: HeldRows | None = None) -> Samples:
        most_ns = round(self._options.max_age_of(is_picture=topic in self.videos) * SECOND_NS)
        usual_ns = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        if usual_ns > most_ns * _LATEST:
            raise BagError(
                f"{topic} has a message every {usual_ns * 1e-9:.3f} s, but the age limit is "
                f"{most_ns * 1e-9:g} s: give --max-age {usual_ns * 2e-9:.2g}"
            )
        return Samples(times, most_ns, times if rows is None else rows.seen_ns.min(axis=1))

    def _describe_missing(self, topic: str, topics: Mapping[str, _Taken]) -> str:
        reader = self._readers.get(topic)
        came = topics[topic].vectors.names if topic in topics else {}
        absent = [each for each in reader.names if each not in came] if reader and came else []
        return f"{topic} with {', '.join(absent)}" if absent else topic

    def _describe_gap(
        self,
        number: int,
        gap: Gap,
        samples: Mapping[str, Samples],
        rows: Mapping[str, HeldRows],
    ) -> str:
        begin = min(int(each.stamps_ns[0]) for each in samples.values())
        what = gap.topic
        if gap.topic in rows:
            held = rows[gap.topic].oldest(gap.taken, self._readers[gap.topic].names)
            what = f"{held} of {what}" if held else what
        return (
            f"episode {number} has a gap at {(gap.begin_ns - begin) * 1e-9:.3f} s: {gap.ticks} "
            f"ticks without a frame, {what} was {gap.age_ns * 1e-9:.3f} s old"
        )

    def _count_shown(self) -> dict[str, Counter[int]]:
        shown: dict[str, Counter[int]] = {topic: Counter() for topic in self.videos}
        for run in self.runs:
            for topic, counts in shown.items():
                numbers = run.pictures[topic]
                counts.update(numbers[each] for each in run.frames.taken[topic].tolist())
        return shown

    def _add_notes(self) -> None:
        if self._calibration and any(
            is_gripper(n) for r in self._readers.values() for n in r.names
        ):
            self.notes.append(self._calibration)
        for topic in sorted(self._worst_ns):
            self.notes.append(f"{topic}: at most {self._worst_ns[topic] * 1e-9:.3f} s old")
        self.notes += self._gaps[:_MOST_GAPS_NOTED]
        if more := len(self._gaps) - _MOST_GAPS_NOTED:
            self.notes += [f"and {more} more gaps"] if more > 0 else []

    # Results

    def layout(self) -> Layout:
        """Return the layout of the dataset."""
        vectors = {name: Vector(self._names(name)) for name in self._sources.vectors}
        sizes = {name: self._sizes[topic] for name, topic in self._sources.videos.items()}
        joints = [
            name.removesuffix(layout.JOINT) for each in vectors.values() for name in each.names
        ]
        robot = "so101_follower" if set(joints) == set(SO101) else None
        videos = {name: Video(*size) for name, size in sizes.items()}
        return Layout(self._options.fps, robot, vectors, videos)

    def _names(self, feature: str) -> tuple[str, ...]:
        topics = self._sources.vectors[feature]
        names = [(topic, name) for topic in topics for name in self._readers[topic].names]
        plain = [name for _, name in names]
        if len(set(plain)) == len(plain):
            return tuple(plain)
        return tuple(f"{topic.strip('/').partition('/')[0]}_{name}" for topic, name in names)

    def vectors(self, run: _Run) -> dict[str, Vectors]:
        """Return the rows of each vector in a run."""
        return {
            name: np.concatenate(
                [run.rows[topic].values[run.frames.taken[topic]] for topic in topics], axis=1
            )
            for name, topics in self._sources.vectors.items()
        }


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _write_pictures(
    source: BagSource,
    plan: _Plan,
    writer: DatasetWriter,
    on_progress: Callable[[int], None],
) -> None:
    if not plan.videos:
        return
    numbers: Counter[str] = Counter()
    total = sum(map(len, plan.shown.values()))
    for done, record in enumerate(source.records(topics=set(plan.videos))):
        topic = record.channel.topic
        number, numbers[topic] = numbers[topic], numbers[topic] + 1
        if times := plan.shown[topic][number]:
            writer.picture(plan.videos[topic], picture_of(record), times)
        on_progress(min(done, total))
