"""What a link shares with other processes of this machine: the rings that it writes and reads."""

from pathlib import Path
from weakref import WeakValueDictionary

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.ring.bell import Bell, Doorbells
from dsmq_nodes.dsmq.ring.reader import RingReader
from dsmq_nodes.dsmq.ring.ring import Ring
from dsmq_nodes.dsmq.ring.writer import Writer
from dsmq_nodes.errors import RingError
from dsmq_nodes.graph.links.link import LinkReader, Publication


class SharedTopics:
    """The rings of one link, from one greeting of the broker to the loss of it."""

    def __init__(self, directory: str, number: int, node: str) -> None:
        """Be the process that the broker knows by this number.

        Raises:
            RingError: the broker's shared memory is not ours to use: a container, another user.
        """
        self._node = node
        # A ring that is neither written nor read is unmapped: the broker may have removed it.
        self._rings: WeakValueDictionary[str, Ring] = WeakValueDictionary()
        self._reading: dict[str, tuple[RingReader, LinkReader]] = {}
        try:
            self.bell = Bell(Path(directory), number)
        except (OSError, ValueError) as error:  # the latter: no such name can be
            reason = getattr(error, "strerror", None) or str(error)
            raise RingError(f"no shared memory in {directory!a}: {reason}") from None
        self._doorbells = Doorbells(Path(directory))
        self._is_awake = False

    def write(self, publication: Publication, path: str) -> None:
        """Publish a topic into its ring from now on.

        Raises:
            RingError: the ring cannot be mapped.
        """
        publication.writer = Writer(self._ring(path), self._node, self._doorbells)

    def read(self, reader: LinkReader, path: str, seat: int, after: int) -> None:
        """Read a topic from its ring, beginning after an id.

        Raises:
            RingError: the ring cannot be mapped.
        """
        ring = self._ring(path)
        # What is large is copied when its turn comes, if ever: much of a flood never is.
        ring_reader = RingReader(ring, seat, after=after, depth=reader.depth, lends=True)
        self._reading[reader.topic] = (ring_reader, reader)

    def forget(self, topic: str) -> bool:
        """Stop reading a topic; returns whether it was read."""
        return self._reading.pop(topic, None) is not None

    def drain(self) -> list[tuple[LinkReader, RingError]]:
        """Deliver all there is to read; gives who can read its ring no longer, and why."""
        failed = []
        for ring_reader, reader in list(self._reading.values()):
            try:
                records = ring_reader.read()
            except RingError as error:
                self.forget(reader.topic)
                failed.append((reader, error))
                continue
            for record in records:
                reader.take(record)
        return failed

    def heard(self) -> bool:
        """The bell has rung; False: what it rang for is read in any case, before `rest`."""
        if self._is_awake:
            self.bell.clear()
            return False
        self._is_awake = True
        return True

    def rest(self) -> bool:
        """Have the bell rung at the next message; False: look for one once more."""
        ring_readers = [ring_reader for ring_reader, _ in self._reading.values()]
        for ring_reader in ring_readers:
            ring_reader.sleep()
        self.bell.clear()  # also what it rang for until now
        self._is_awake = not all(ring_reader.may_sleep() for ring_reader in ring_readers)
        return not self._is_awake

    def close(self) -> None:
        """Let go of everything."""
        self._reading.clear()
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()
        self.bell.close()
        self._doorbells.close()

    def _ring(self, path: str) -> Ring:
        ring = self._rings.get(path)
        if ring is None:
            if descriptors.is_scarce():
                raise RingError(descriptors.SCARCE)
            ring = self._rings[path] = Ring(Path(path))
        return ring
