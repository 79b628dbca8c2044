"""Episodes of a recording: parts with a task, between marks on `/episode`.

Marks are messages among the others, so that every kind of bag keeps them, and playing repeats them.
An episode that was not stopped ends with the recording, or where the next one starts. A discarded
one is the running one, else the last that is kept.
"""

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from dsmq_nodes.bag.bag_source import BagSource, leave_out
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.topic_names import EPISODE_TOPIC

MARKS: Final = ("start", "stop", "discard")


class _Marked(msgspec.Struct):
    """An EpisodeMark, without the types of messages: those would double the time of `bag info`."""

    mark: str
    task: str = ""


_read: Final = json_reader(_Marked)


@dataclass(frozen=True, slots=True)
class Episode:
    """A part of a recording, by log times; it includes both."""

    task: str
    start_ns: int
    end_ns: int


class Episodes:
    """The episodes that marks make.

    Attributes:
        kept: those that are over and not discarded.
        running: the one that was started and not stopped.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.kept: list[Episode] = []
        self.running: Episode | None = None

    def refusal(self, mark: str) -> str:
        """Why a mark cannot be made now; empty: it can."""
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
        """Take a mark; one that does not fit changes nothing, except that a start also stops."""
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
        """End the running one without a stop."""
        if self.running is not None:
            self.kept.append(replace(self.running, end_ns=at_ns))
            self.running = None


def episodes_of(source: BagSource) -> list[Episode]:
    """The episodes of a bag; a mark that cannot be read is noted in its `omitted`.

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
            leave_out(source, record, error)
            continue
        found.take(marked.mark, marked.task, record.log_time_ns)
    found.end(source.end_ns)
    return found.kept
