"""Answers of the broker that have to be there before a node goes on."""

import threading


class Answers:
    """The topics that the broker was asked something for and has not answered."""

    def __init__(self) -> None:
        self._topics: set[str] = set()
        self._changed = threading.Condition()

    def __bool__(self) -> bool:
        return bool(self._topics)

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def expect(self, topic: str) -> None:
        """The broker is asked."""
        self._topics.add(topic)

    def came(self, topic: str) -> None:
        """It has answered."""
        with self._changed:
            self._topics.discard(topic)
            self._changed.notify_all()

    def wait(self, timeout_sec: float) -> None:
        """Wait until another thread has read them all, no longer than `timeout_sec`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._topics, timeout_sec)

    def give_up(self) -> None:
        """Expect none any more."""
        self._topics.clear()
