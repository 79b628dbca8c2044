"""Counts messages that ROS loses on their way to the bridge, by their publishers' numbers. Pure.

A best-effort publisher sends nothing again, and a reliable one only what its depth holds. ROS does
not report messages that are lost so. But the middleware numbers the messages of each publisher, so
a reader sees a hole.
"""

from collections.abc import Mapping
from typing import Any, Final

_MOST_PUBLISHERS: Final = 1000  # a node that was restarted counts again


class PublisherNumbers:
    """The last message of each publisher of a topic."""

    def __init__(self) -> None:
        self._last: dict[bytes, int] = {}

    def lost_before(self, info: Mapping[str, Any]) -> int:
        """Take a message; return how many of its publisher are missing since the one before it.

        `info` is what rclpy knows of a message: its number is None where the middleware has none.
        """
        number, publisher = info.get("publication_sequence_number"), publisher_of(info)
        if type(number) is not int or not publisher:
            return 0
        last = self._last.get(publisher, 0)
        if len(self._last) >= _MOST_PUBLISHERS:
            self._last.clear()
        self._last[publisher] = max(number, last)
        # What a publisher has sent before we read it is not missing.
        return max(number - last - 1, 0) if last else 0


def publisher_of(info: Mapping[str, Any]) -> bytes:
    """Return the identity of a message's publisher; empty where the middleware has none."""
    gid = info.get("publisher_gid")
    return bytes(gid.get("data", b"")) if isinstance(gid, dict) else b""
