"""Episodes of a recording: parts with a task, between marks on `/episode`.

Marks are ordinary messages, so every kind of bag can store them, and playing publishes them again.
An episode without a stop ends with the recording, or where the next one starts. A discard removes
the running episode, or else the last kept one.
"""

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from dsmq_nodes.bag.bag_source import BagSource, note_omitted
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.topic_names import EPISODE_TOPIC

MARKS: Final = ("start", "stop", "discard")


class _Marked(msgspec.Struct):
    """An EpisodeMark as a struct: importing message types would double the time of `bag info`."""

    mark: str
    task: str = ""


_read: Final = json_reader(_Marked)


@dataclass(frozen=True, slots=True)
class Episode:
    """A part of a recording between two log times, both included."""

    task: str
    start_ns: int
    end_ns: int


class Episodes:
    """The episodes that a sequence of marks defines.

    Attributes:
        kept: the episodes that are finished and not discarded.
        running: the episode that was started and not stopped yet.
    """

    def __init__(self) -> None:
        """Begin without episodes."""
        self.kept: list[Episode] = []
        self.running: Episode | None = None

    def refusal(self, mark: str) -> str:
        """Return why a mark is refused now; empty if it is accepted."""
        if mark not in MARKS:
            return f"mark is {mark!r}: write {', '.join(MARKS)}"
        if mark == "start" and self.running is not None:
            return f"episode {len(self.kept)} is running: stop or discard it first"
        if mark == "stop" and self.running is None:
            return "no episode is running: start one"
        if mark == "discard" and self.running is None and not self.kept:
            return "there is no episode to discard"
        return ""

    def take(self, mark: str, task: str, at_ns: int) -> None:
        """Apply a mark. A mark that `refusal` refuses changes nothing, but a start also stops."""
        running = self.running
        match mark:
            case "start":
                self.end(at_ns)
                self.running = Episode(task, at_ns, at_ns)
            case "stop" if running is not None:
                self.kept.append(replace(running, task=task or running.task, end_ns=at_ns))
                self.running = None
            case "discard" if running is not None:
                self.running = None
            case "discard" if self.kept:
                self.kept.pop()
            case _:
                pass

    def end(self, at_ns: int) -> None:
        """End the running episode, which has no stop mark."""
        if self.running is not None:
            self.kept.append(replace(self.running, end_ns=at_ns))
            self.running = None


def episodes_of(source: BagSource) -> list[Episode]:
    """Return the episodes of a bag; a mark that cannot be read is added to its `omitted`.

    Raises:
        BagError: the bag is damaged.
    """
    found = Episodes()
    if EPISODE_TOPIC not in source.topics:
        return []
    for record in source.records(topics={EPISODE_TOPIC}):
        try:
            marked = _read(record.data)
        except ValueError as error:
            note_omitted(source, record, error)
            continue
        found.take(marked.mark, marked.task, record.log_time_ns)
    found.end(source.end_ns)
    return found.kept
