"""Answers of the broker that have to be there before a node goes on."""

import threading


class Answers:
    """The `topics` that the broker was asked something for and has not answered."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self._changed = threading.Condition()

    def expect(self, topic: str) -> None:
        """The broker is asked."""
        self.topics.add(topic)

    def came(self, topic: str) -> None:
        """It has answered."""
        with self._changed:
            self.topics.discard(topic)
            self._changed.notify_all()

    def wait(self, timeout_sec: float) -> None:
        """Wait until another thread has read them all, no longer than `timeout_sec`."""
        with self._changed:
            self._changed.wait_for(lambda: not self.topics, timeout_sec)

    def give_up(self) -> None:
        """Stop waiting for answers."""
        with self._changed:
            self.topics.clear()
            self._changed.notify_all()
