"""Paths that lose large packets, as some tunnels do. Does no I/O.

A connection on such a path fails; the next ones to that machine use small packets.
"""

from typing import Final

from dsmq_nodes.gateways.uplink.over_udp.resent_stream import SMALL_DATA_BYTES, ResentStream

_MOST_HOSTS: Final = 1000


class NarrowPaths:
    """The machines that large packets do not reach."""

    def __init__(self) -> None:
        """Begin without such machines."""
        self._hosts: dict[str, None] = {}

    def stream_to(self, host: str, name: bytes, *, is_dialled: bool) -> ResentStream:
        """Return a stream whose packets should reach a machine."""
        if host not in self._hosts:
            return ResentStream(name, is_dialled=is_dialled)
        return ResentStream(name, is_dialled=is_dialled, data_bytes=SMALL_DATA_BYTES)

    def ended(self, host: str, stream: ResentStream) -> None:
        """Note that a stream to a machine has ended."""
        if stream.loses_large:
            self._hosts[host] = None
        if len(self._hosts) > _MOST_HOSTS:
            del self._hosts[next(iter(self._hosts))]
