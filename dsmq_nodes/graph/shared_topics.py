"""What a link shares with other processes of this machine: the rings that it writes and reads."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from dsmq_nodes.dsmq import ring as rings
from dsmq_nodes.dsmq import shared_memory
from dsmq_nodes.errors import RingError
from dsmq_nodes.graph.link import Publication, Reader

if TYPE_CHECKING:
    import socket


class SharedTopics:
    """The rings of one link, from one greeting of the broker to the loss of it."""

    def __init__(self, directory: str, number: int, node: str) -> None:
        """Be the process that the broker knows by this number.

        Raises:
            RingError: the broker's shared memory is not ours to use: a container, another user.
        """
        self._node = node
        # One that is neither written nor read any more is unmapped: the broker may have removed it.
        self._rings: WeakValueDictionary[str, rings.Ring] = WeakValueDictionary()
        self._reading: dict[str, tuple[rings.Reader, Reader]] = {}
        try:
            self.bell: socket.socket = shared_memory.bell(Path(directory), number)
        except OSError as error:
            raise RingError(f"no shared memory in {directory}: {error.strerror}") from None

    def write(self, publication: Publication, path: str) -> None:
        """Publish a topic into its ring from now on.

        Raises:
            RingError: the ring cannot be mapped.
        """
        publication.writer = rings.Writer(self._ring(path), self._node, self.bell)

    def read(self, reader: Reader, path: str, seat: int, after: int) -> None:
        """Read a topic from its ring, beginning after an id.

        Raises:
            RingError: the ring cannot be mapped.
        """
        ring_reader = rings.Reader(self._ring(path), seat, after=after, depth=reader.depth)
        self._reading[reader.topic] = (ring_reader, reader)

    def forget(self, topic: str) -> None:
        """Read a topic no more."""
        self._reading.pop(topic, None)

    def drain(self) -> None:
        """Deliver all there is to read."""
        for ring_reader, reader in list(self._reading.values()):
            for record in ring_reader.read():
                reader.take(record)

    def heard(self) -> None:
        """The bell has rung."""
        with contextlib.suppress(OSError):
            self.bell.recv(1)

    def rest(self) -> bool:
        """Have the bell rung at the next message; False: there is one already."""
        for ring_reader, _ in self._reading.values():
            ring_reader.sleep()
        shared_memory.clear(self.bell)
        return not any(ring_reader.has_more() for ring_reader, _ in self._reading.values())

    def close(self) -> None:
        """Let go of everything."""
        self._reading.clear()
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()
        self.bell.close()

    def _ring(self, path: str) -> rings.Ring:
        ring = self._rings.get(path)
        if ring is None:
            ring = self._rings[path] = rings.Ring(Path(path))
        return ring
