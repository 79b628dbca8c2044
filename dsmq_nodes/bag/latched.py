"""What is latched at a moment: the newest messages of each latched topic."""

from collections import deque

from dsmq_nodes.bag.file.mcap_reader import Record


class Latched:
    """The messages that a subscriber of the latched topics is given that comes now."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._newest: dict[str, deque[Record]] = {}

    def take(self, record: Record) -> None:
        """A message of any topic, by time."""
        depth = record.channel.latched
        if not depth:
            return
        topic = record.channel.topic
        kept = self._newest.get(topic)
        if kept is None or depth > (kept.maxlen or 0):
            kept = self._newest[topic] = deque(kept or (), maxlen=depth)
        kept.append(record)

    def records(self) -> list[Record]:
        """The messages, by time."""
        found = [record for kept in self._newest.values() for record in kept]
        return sorted(found, key=lambda record: record.log_time_ns)
