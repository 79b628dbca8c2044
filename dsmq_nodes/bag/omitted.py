"""What a source has and does not give: which topics and messages, and why."""

from collections.abc import Iterator
from typing import Final

_MOST_REASONS: Final = 100
_OTHER: Final = "for other reasons"


class Omitted:
    """What was left out of a conversion or a playback, so that it is told and the rest is done."""

    def __init__(self) -> None:
        """Nothing so far."""
        self._topics: dict[str, str] = {}
        self._messages: dict[tuple[str, str], tuple[int, float]] = {}
        self._notes: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._topics or self._messages or self._notes)

    def topic(self, topic: str, reason: str) -> None:
        """A whole topic."""
        self._topics.setdefault(topic, reason)

    def message(self, topic: str, reason: str, at_sec: float) -> None:
        """A message, by seconds since the beginning of the bag."""
        key = topic, reason  # a thousand messages that are wrong in the same way are one line
        if key not in self._messages and len(self._messages) >= _MOST_REASONS:
            key = topic, _OTHER
        count, first_sec = self._messages.get(key, (0, at_sec))
        self._messages[key] = count + 1, min(first_sec, at_sec)

    def note(self, text: str) -> None:
        """What is announced and is not there."""
        self._notes.setdefault(text)

    def lines(self) -> Iterator[str]:
        """What to tell, a line each."""
        for topic, reason in self._topics.items():
            yield f"left out: {topic}: {reason}"
        for (topic, reason), (count, first_sec) in self._messages.items():
            many = "1 message" if count == 1 else f"{count} messages, the first"
            yield f"left out: {topic}: {many} at {first_sec:.3f} s: {reason}"
        yield from self._notes
