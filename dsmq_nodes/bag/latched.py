"""The latched messages at one time: the newest of each latched topic."""

from collections import deque

from dsmq_nodes.bag.file.mcap_reader import Record


class Latched:
    """The latched messages that a new subscriber would receive now."""

    def __init__(self) -> None:
        """Begin without messages."""
        self._newest: dict[str, deque[Record]] = {}

    def take(self, record: Record) -> None:
        """Add a message of any topic; messages come in the order of time."""
        depth = record.channel.latched
        if not depth:
            return
        topic = record.channel.topic
        kept = self._newest.get(topic)
        if kept is None or depth > (kept.maxlen or 0):
            kept = self._newest[topic] = deque(kept or (), maxlen=depth)
        kept.append(record)

    def records(self) -> list[Record]:
        """Return the messages, by time."""
        found = [record for kept in self._newest.values() for record in kept]
        return sorted(found, key=lambda record: record.log_time_ns)
