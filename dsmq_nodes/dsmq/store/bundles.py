"""Messages of a log that are no rows of the store yet: a bundle becomes rows when it is read.

Messages from shared memory are kept in bundles, in the form that they had there; a large message is
a bundle that still lies there. Most of them expire before anybody reads them, so that their
messages are never decoded one by one. A bundle has the ids and the `seq` that its rows would have,
and retention counts its bytes.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Generic, Protocol, Self, TypeVar

_MOST_ROWS: Final = 500  # made at once

_R_co = TypeVar("_R_co", covariant=True)


class Bundle(Protocol[_R_co]):
    """Consecutive messages."""

    @property
    def count(self) -> int:
        """The number of messages."""

    @property
    def size_bytes(self) -> int:
        """The memory of ours that they take together, in bytes."""

    def split(self, count: int) -> Self:
        """Remove the first `count`, and return them as a bundle of their own."""

    def records(self) -> "Iterator[_R_co | None]":
        """Return the messages; None for one that is damaged or overwritten."""


@dataclass(eq=False, slots=True)
class Bundled(Generic[_R_co]):
    """A bundle with its place in a log."""

    first_id: int
    first_seq: int
    bundle: Bundle[_R_co]
    to_frame: Callable[[_R_co], bytes]

    @property
    def last_id(self) -> int:
        """The id of its last message."""
        return self.first_id + self.bundle.count - 1

    @property
    def last_seq(self) -> int:
        """The seq of its last message."""
        return self.first_seq + self.bundle.count - 1

    def split(self, count: int) -> "Bundled[_R_co]":
        """Remove the first `count`, and return them."""
        front = Bundled(self.first_id, self.first_seq, self.bundle.split(count), self.to_frame)
        self.first_id += count
        self.first_seq += count
        return front

    def frames(self) -> Iterator[bytes]:
        """Yield the frames as rows hold them; one that is damaged, gone or too large is empty."""
        for record in self.bundle.records():
            yield b"" if record is None else self.to_frame(record)


class Bundles:
    """The bundles of one log, oldest first; there may be rows between two of them."""

    def __init__(self) -> None:
        self._bundled: deque[Bundled[Any]] = deque()

    def __len__(self) -> int:
        return len(self._bundled)

    def __iter__(self) -> Iterator[Bundle[Any]]:
        return (each.bundle for each in self._bundled)

    def add(
        self,
        first_id: int,
        first_seq: int,
        bundle: Bundle[_R_co],
        to_frame: Callable[[_R_co], bytes],
    ) -> None:
        """Add the newest messages of the log."""
        self._bundled.append(Bundled(first_id, first_seq, bundle, to_frame))

    def first_behind(self, message_id: int) -> tuple[int, int] | None:
        """Return the first bundled id after `message_id`, and its seq; None: there is none."""
        at = self._place(message_id)
        if at == len(self._bundled):
            return None
        found = self._bundled[at]
        more = max(message_id + 1 - found.first_id, 0)
        return found.first_id + more, found.first_seq + more

    def _place(self, message_id: int) -> int:
        """Return the index of the bundle with the first id after `message_id`, or their number."""
        return bisect_right(self._bundled, message_id, key=attrgetter("last_id"))

    def seq_of(self, message_id: int) -> int | None:
        """Return the seq of an id; None if it is not bundled."""
        found = self.first_behind(message_id - 1)
        return found[1] if found is not None and found[0] == message_id else None

    def first_after(self, seq: int) -> tuple[int, int] | None:
        """Return the first id whose seq is greater, and its seq; None: there is none."""
        for each in self._bundled:
            if each.last_seq > seq:
                more = max(seq + 1 - each.first_seq, 0)
                return each.first_id + more, each.first_seq + more
        return None

    def take_behind(self, message_id: int) -> Bundled[Any] | None:
        """Remove and return the first messages that are bundled after an id."""
        at = self._place(message_id)
        if at == len(self._bundled):
            return None
        found = self._bundled[at]
        if message_id >= found.first_id:
            self._bundled.insert(at, found.split(message_id + 1 - found.first_id))
            at += 1
        if found.bundle.count <= _MOST_ROWS:
            del self._bundled[at]
            return found
        return found.split(_MOST_ROWS)

    def drop_before(self, message_id: int) -> None:
        """Drop bundles whose ids are all before this one."""
        while self._bundled and self._bundled[0].last_id < message_id:
            self._bundled.popleft()
