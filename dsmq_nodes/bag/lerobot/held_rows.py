"""The numbers of a topic in an episode, a row for each message, where messages may lack some.

A JointState has only the joints that its driver has received: a servo may be silent, and several
drivers may publish on one topic. A row has the newest value of each joint, and is as old as the
oldest of these values. A joint's last value is thus held until the age limit of messages; then
there is a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dsmq_nodes.bag.lerobot.resampling import Integers, Vectors

_NEVER: Final = -1


@dataclass(frozen=True)
class HeldRows:
    """The rows of an episode, in the order of their stamps; none before every name has a value.

    Attributes:
        values: the values, for each message and name.
        stamps_ns: the stamps of the messages.
        seen_ns: the stamp of the message that each value came from.
    """

    values: Vectors
    stamps_ns: Integers
    seen_ns: Integers

    def oldest(self, row: int, names: Sequence[str]) -> str:
        """Return the name whose value is held for the longest time; "" if no value is held."""
        seen = self.seen_ns[row]
        return names[int(seen.argmin())] if seen.min() < self.stamps_ns[row] else ""


class RowBuilder:
    """Collects the numbers of messages.

    Attributes:
        names: the names so far, in the order of their first message.
    """

    def __init__(self) -> None:
        """Begin without messages."""
        self.names: dict[str, int] = {}  # and the newest stamp of each
        self._stamps: list[int] = []
        self._keys: list[tuple[str, ...]] = []
        self._values: list[list[float]] = []

    def add(self, stamp_ns: int, keys: tuple[str, ...], values: list[float]) -> None:
        """Add a message.

        Raises:
            ValueError: the message is not newer than the previous one with one of its names.
        """
        if any(self.names.get(each, _NEVER) >= stamp_ns for each in keys):
            raise ValueError("its stamp is not later than the previous one")
        self.names.update(dict.fromkeys(keys, stamp_ns))
        self._stamps.append(stamp_ns)
        self._keys.append(keys)
        self._values.append(values)

    def rows(self, names: tuple[str, ...]) -> HeldRows:
        """Return the rows with the columns `names`."""
        stamps = np.array(self._stamps, np.int64)
        if all(keys == names for keys in self._keys):
            values = np.array(self._values, np.float32).reshape(-1, len(names))
            return HeldRows(values, stamps, np.broadcast_to(stamps[:, None], values.shape))
        order = np.argsort(stamps, kind="stable")
        stamps = stamps[order]
        values = np.zeros((len(stamps), len(names)), np.float32)
        newest = np.full(values.shape, _NEVER, np.int64)
        columns = {name: number for number, name in enumerate(names)}
        for row, message in enumerate(order.tolist()):
            for name, value in zip(self._keys[message], self._values[message], strict=True):
                if (column := columns.get(name, _NEVER)) != _NEVER:
                    values[row, column] = value
                    newest[row, column] = row
        newest = np.maximum.accumulate(newest, axis=0)
        values = np.take_along_axis(values, newest, axis=0)
        whole = int((newest.min(axis=1) == _NEVER).sum())  # earlier rows lack a value
        return HeldRows(values[whole:], stamps[whole:], stamps[newest][whole:])
