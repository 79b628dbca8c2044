"""Rates and latencies of topics and of their ends."""

from dataclasses import dataclass
from typing import Final

NOT_KNOWN: Final = -1.0  # a latency: the publisher sent no stamp


@dataclass(slots=True)
class RateMeter:
    """Messages and bytes a second, between the last two updates."""

    hz: float = 0.0
    bytes_per_sec: float = 0.0
    _messages: int = 0
    _size_bytes: int = 0
    _at_sec: float = 0.0

    def update(self, messages: int, size_bytes: int, now: float) -> None:
        """Take the counters at `now`; the first call gives no rate."""
        elapsed = now - self._at_sec
        if self._at_sec and elapsed > 0:
            self.hz = (messages - self._messages) / elapsed
            self.bytes_per_sec = (size_bytes - self._size_bytes) / elapsed
        self._messages, self._size_bytes, self._at_sec = messages, size_bytes, now


@dataclass(slots=True)
class Latency:
    """Mean time since `publish()`, by the publishers' stamps: an exponential moving average."""

    mean_sec: float = 0.0

    def add(self, latency_sec: float) -> None:
        """Add the latency of one message, which must be known, with the weight 1/16."""
        self.mean_sec += (latency_sec - self.mean_sec) / 16 if self.mean_sec else latency_sec
