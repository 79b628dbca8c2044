"""Messages that a connection does not take yet; if it is late, the newest of each topic. Pure.

A socket's send buffer is set small (`dsmq/address.py`), since the socket sends whatever it has
taken, however old that is by then. So messages wait here, in order, and an old one can be dropped:

- Once a message has waited for half a second (`late_sec`), the connection is late: only the newest
  message of each topic waits, until for a second no message has had to wait. It takes the place of
  its topic's oldest one, so that each topic has its turn: otherwise an IMU behind a laser scanner
  would have none.
- A message has a time after which it is not sent at all: a velocity that is seconds old must not
  move a robot.

The owner of a dropped message's topic is told, and counts it. Messages without an owner, and those
that are `is_sure`, are never dropped.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

_Item = TypeVar("_Item")
_Owner = TypeVar("_Owner")

LATE_SEC: Final = 0.5  # longer than lost packets usually delay a connection
CALM_SEC: Final = 1.0


class _WaitingItem(msgspec.Struct, Generic[_Item, _Owner], eq=False):
    item: _Item
    owner: _Owner | None
    size: int
    since_sec: float
    until_sec: float
    is_sure: bool


class Backlog(Generic[_Item, _Owner]):
    """Items that wait, each with the owner of its topic.

    Attributes:
        waiting_bytes: the size of all waiting items.
    """

    def __init__(
        self, on_dropped: Callable[[_Owner, _Item], object], late_sec: float = LATE_SEC
    ) -> None:
        """Make an empty backlog.

        Args:
            on_dropped: called for each dropped item.
            late_sec: the connection is late once a message has waited for this long.
        """
        self._late_sec = late_sec
        self.waiting_bytes = 0
        self._is_late = False
        self._added_sec = -math.inf
        self._on_dropped = on_dropped
        self._waiting: deque[_WaitingItem[_Item, _Owner]] = deque()
        self._newest: dict[int, _WaitingItem[_Item, _Owner]] = {}  # by the owner's id

    def __len__(self) -> int:
        return len(self._waiting)

    def is_late(self, now_sec: float) -> bool:
        """Whether only the newest message of each topic waits."""
        return self._is_late and now_sec - self._added_sec < CALM_SEC

    def add(
        self,
        item: _Item,
        owner: _Owner | None,
        size: int,
        now_sec: float,
        *,
        is_sure: bool = False,
        lasts_sec: float = math.inf,
    ) -> None:
        """Let an item wait, for `lasts_sec` at most."""
        self._is_late = self.is_late(now_sec)
        self._added_sec = now_sec
        is_sure = is_sure or owner is None
        until_sec = math.inf if is_sure else now_sec + lasts_sec
        self.waiting_bytes += size
        self._put(_WaitingItem(item, owner, size, now_sec, until_sec, is_sure))
        self._drop_late(now_sec)

    def first(self, now_sec: float) -> tuple[_Item, _Owner | None] | None:
        """Return the next item to send, and its owner; None: nothing waits."""
        self._drop_late(now_sec)
        return (self._waiting[0].item, self._waiting[0].owner) if self._waiting else None

    def pop(self) -> None:
        """Remove the first item."""
        self._forget(self._waiting.popleft())

    def make_room(self, owner: _Owner, size: int) -> None:
        """Drop the oldest items of a topic, until at least `size` bytes fewer wait."""
        most_bytes = self.waiting_bytes - size
        for each in list(self._waiting):
            if self.waiting_bytes <= most_bytes:
                return
            if each.owner is owner and not each.is_sure:
                self._waiting.remove(each)
                self._drop(each)

    def clear(self) -> list[_Owner]:
        """Drop everything and report nothing; return the owner of each item that has one."""
        owners = [each.owner for each in self._waiting if each.owner is not None]
        self._waiting.clear()
        self._newest.clear()
        self.waiting_bytes, self._is_late = 0, False
        return owners

    def _drop_late(self, now_sec: float) -> None:
        """Drop what has waited for too long; without a walk through all that waits each time."""
        if self._waiting and now_sec - self._waiting[0].since_sec > self._late_sec:
            if not self._is_late:
                self._is_late = True
                before, self._waiting = self._waiting, deque()
                self._newest.clear()
                for each in before:
                    self._put(each)
            while self._waiting and now_sec > self._waiting[0].until_sec:
                self._drop(self._waiting.popleft())

    def _put(self, new: _WaitingItem[_Item, _Owner]) -> None:
        """Append an item, or, when late, let it take the place of its topic's waiting one."""
        older = self._newest.get(id(new.owner)) if self._is_late and not new.is_sure else None
        if older is None:
            self._waiting.append(new)
        else:
            self._drop(older)
            older.item, older.size = new.item, new.size
            older.since_sec, older.until_sec = new.since_sec, new.until_sec
        if not new.is_sure:
            self._newest[id(new.owner)] = older or new

    def _forget(self, waiting: _WaitingItem[_Item, _Owner]) -> None:
        self.waiting_bytes -= waiting.size
        if self._newest.get(id(waiting.owner)) is waiting:
            del self._newest[id(waiting.owner)]

    def _drop(self, waiting: _WaitingItem[_Item, _Owner]) -> None:
        """Count the item as no longer waiting, and report it to its owner."""
        self._forget(waiting)
        assert waiting.owner is not None
        self._on_dropped(waiting.owner, waiting.item)
