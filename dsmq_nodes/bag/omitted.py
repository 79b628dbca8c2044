"""The topics and messages of a source that are left out, with the reasons."""

from collections.abc import Iterator
from typing import Final

_MOST_REASONS: Final = 100
_MOST_COUNTED: Final = 100_000
_OTHER: Final = "for other reasons"


class Omitted:
    """The topics and messages that a conversion or a playback left out, for a report.

    Attributes:
        topics: whole topics, with the reasons.
    """

    def __init__(self) -> None:
        """Begin with nothing left out."""
        self.topics: dict[str, str] = {}
        self._messages: dict[tuple[str, str], set[float]] = {}
        self._notes: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self.topics or self._messages or self._notes)

    def topic(self, topic: str, reason: str) -> None:
        """Leave out a whole topic."""
        self.topics.setdefault(topic, reason)

    def message(self, topic: str, reason: str, at_sec: float) -> None:
        """Leave out a message, at seconds since the beginning of the bag."""
        key = topic, reason  # messages with the same fault share one line
        if key not in self._messages and len(self._messages) >= _MOST_REASONS:
            key = topic, _OTHER
        times = self._messages.setdefault(key, set())
        if len(times) < _MOST_COUNTED:
            times.add(at_sec)  # a loop repeats messages

    def note(self, text: str) -> None:
        """Add another remark, in words."""
        self._notes.setdefault(text)

    def lines(self) -> Iterator[str]:
        """Yield the report, line by line."""
        for topic, reason in self.topics.items():
            yield f"left out: {topic}: {reason}"
        for (topic, reason), times in self._messages.items():
            more = "" if len(times) < _MOST_COUNTED else "or more "
            many = "1 message" if len(times) == 1 else f"{len(times)} {more}messages, the first"
            yield f"left out: {topic}: {many} at {min(times):.3f} s: {reason}"
        yield from self._notes
