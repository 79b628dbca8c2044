"""Answers of the broker that a node waits for."""

import threading


class Answers:
    """The `topics` of requests that the broker has not answered yet."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self._changed = threading.Condition()

    def remove(self, topic: str) -> None:
        """Remove a topic whose answer has come."""
        with self._changed:
            self.topics.discard(topic)
            self._changed.notify_all()

    def wait(self, timeout_sec: float) -> None:
        """Wait until another thread has read all answers, for `timeout_sec` at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self.topics, timeout_sec)

    def stop_waiting(self) -> None:
        """Stop waiting for answers."""
        with self._changed:
            self.topics.clear()
            self._changed.notify_all()
