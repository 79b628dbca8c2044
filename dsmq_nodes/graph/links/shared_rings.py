"""The rings that a link writes and reads, shared with other processes of this machine."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.ring.reader import Bell, RingReader
from dsmq_nodes.dsmq.ring.ring import Ring
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from dsmq_nodes.errors import RingError
from dsmq_nodes.graph.links.link import OnReadable, Publication
from dsmq_nodes.graph.links.link_reader import LinkReader
from dsmq_nodes.speedups import wake

_MOST_RECORDS: Final = 1 << 30
_FEW_RECORDS: Final = 100  # as many as Python reads in about a millisecond


class _Reading(NamedTuple):
    """A topic that is read; `take` takes usual messages to the callback, where it can."""

    ring_reader: RingReader
    reader: LinkReader
    take: Callable[[], bool] | None


class SharedTopics:
    """The rings of one link, for as long as one connection lasts."""

    __slots__ = ("__dict__", "__weakref__", "_is_closed", "_is_drained")  # used at each wake

    def __init__(
        self,
        directory: str,
        number: int,
        node: str,
        on_unreadable: Callable[[LinkReader, RingError], None],
    ) -> None:
        """Make the bell of the process that the broker has given this number.

        `on_unreadable` is called by `drain` for a reader whose ring can no longer be read.

        Raises:
            RingError: the broker's shared memory cannot be reached: a container, another user.
        """
        self._node = node
        # A ring that is neither written nor read is unmapped: the broker may have removed its file.
        self._rings: WeakValueDictionary[str, Ring] = WeakValueDictionary()
        self._reading: dict[str, _Reading] = {}
        try:
            self.bell = Bell(Path(directory), number)
        except (OSError, ValueError) as error:  # the latter: the name is not valid
            reason = getattr(error, "strerror", None) or str(error)
            raise RingError(f"no shared memory in {directory!a}: {reason}") from None
        self._doorbells = Doorbells(Path(directory))
        self._on_unreadable = on_unreadable
        self._is_drained = False  # since the last `arm`
        self._is_closed = False

    def write(self, publication: Publication, path: str) -> None:
        """Publish a topic to its ring from now on.

        Raises:
            RingError: the ring cannot be mapped.
        """
        publication.writer = Writer(self._ring(path), self._node, self._doorbells)

    def read(self, reader: LinkReader, path: str, seat: int, after: int) -> None:
        """Read a topic from its ring, from the id behind `after` on.

        Raises:
            RingError: the ring cannot be mapped.
        """
        ring = self._ring(path)
        reader.cursor.begin(after)
        reader.cursor.depth = reader.depth
        # Large bytes are copied when their callback runs: in a flood most are never copied.
        ring_reader = RingReader(ring, seat, reader.cursor)
        take = reader.call_now.taker(ring_reader, reader) if reader.call_now is not None else None
        self._reading[reader.topic] = _Reading(ring_reader, reader, take)

    def forget(self, topic: str) -> bool:
        """Stop reading a topic; returns whether it was read."""
        return self._reading.pop(topic, None) is not None

    def fileno(self) -> int:
        """Return the bell's descriptor, to wait for."""
        return self.bell.fileno()

    def on_bell(self, on_readable: OnReadable) -> Callable[[], None]:
        """Return the function to call when the bell has rung: `on_readable`, or the compiled one.

        If every topic that is read has a `take`, and nothing else waits, the compiled part does in
        one call what the node's dispatcher does (graph/spin/dispatcher.py).
        """
        if wake is None or not hasattr(on_readable, "call_now"):
            return partial(on_readable, self)
        return partial(wake, on_readable, self, self._reading, self.bell.fileno())

    def drain(self) -> None:
        """Read and deliver the messages that are there; of a flood, only for a limited time.

        The others wait in their rings: `arm` then returns False.
        """
        if self._is_drained and not self._is_closed:
            self.bell.clear()  # it has rung again before all was dispatched
        self._is_drained = True
        for topic, reading in list(self._reading.items()):
            if self._reading.get(topic) is not reading:
                continue  # a callback has unsubscribed it, or closed the link
            if reading.take is None or not reading.take():
                self._read_batch(reading)

    def _read_batch(self, reading: "_Reading") -> None:
        # Others would have to wait in a mailbox, which takes longer: `arm` finds them.
        most = _MOST_RECORDS if reading.reader.call_now is None else _FEW_RECORDS
        try:
            records = reading.ring_reader.read(most)
        except RingError as error:
            self.forget(reading.reader.topic)
            self._on_unreadable(reading.reader, error)
            return
        if records:
            reading.reader.take(records)

    def arm(self) -> bool:
        """Wake the loop at the next message; False when one has come already: drain again."""
        if self._is_closed:
            return True
        self._is_drained = False
        return self.bell.arm([reading.ring_reader for reading in self._reading.values()])

    def close(self) -> None:
        """Close all rings and bells."""
        self._is_closed = True
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
