"""What a source has and does not give: which topics and messages, and why."""

from collections.abc import Iterator
from typing import Final

_MOST_REASONS: Final = 100
_MOST_COUNTED: Final = 100_000
_OTHER: Final = "for other reasons"


class Omitted:
    """What was left out of a conversion or a playback, so that it is told and the rest is done.

    Attributes:
        topics: whole topics, and why.
    """

    def __init__(self) -> None:
        """Nothing so far."""
        self.topics: dict[str, str] = {}
        self._messages: dict[tuple[str, str], set[float]] = {}
        self._notes: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self.topics or self._messages or self._notes)

    def topic(self, topic: str, reason: str) -> None:
        """A whole topic."""
        self.topics.setdefault(topic, reason)

    def message(self, topic: str, reason: str, at_sec: float) -> None:
        """A message, by seconds since the beginning of the bag."""
        key = topic, reason  # a thousand messages that are wrong in the same way are one line
        if key not in self._messages and len(self._messages) >= _MOST_REASONS:
            key = topic, _OTHER
        times = self._messages.setdefault(key, set())
        if len(times) < _MOST_COUNTED:
            times.add(at_sec)  # in a loop the same message comes again

    def note(self, text: str) -> None:
        """What is announced and is not there."""
        self._notes.setdefault(text)

    def lines(self) -> Iterator[str]:
        """What to tell, a line each."""
        for topic, reason in self.topics.items():
            yield f"left out: {topic}: {reason}"
        for (topic, reason), times in self._messages.items():
            more = "" if len(times) < _MOST_COUNTED else "or more "
            many = "1 message" if len(times) == 1 else f"{len(times)} {more}messages, the first"
            yield f"left out: {topic}: {many} at {min(times):.3f} s: {reason}"
        yield from self._notes
