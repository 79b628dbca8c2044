"""The numbers of a topic in an episode, a row a message, where messages may lack some of them.

A JointState has the joints that its driver has heard of: a servo may be silent, and several drivers
may publish on one topic. A row has the newest value of each joint, and is as old as the oldest of
them. So a joint's last value is held as long as a message may be old, and then there is a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dsmq_nodes.bag.lerobot.resampling import Integers, Vectors

_NEVER: Final = -1


@dataclass(frozen=True)
class HeldRows:
    """The rows of an episode, in the order of their stamps; none before all names have values.

    Attributes:
        values: one a message and name.
        stamps_ns: of the messages.
        seen_ns: from when each value is.
    """

    values: Vectors
    stamps_ns: Integers
    seen_ns: Integers

    def oldest(self, row: int, names: Sequence[str]) -> str:
        """The name whose value is held for the longest time; "": all are of this message."""
        seen = self.seen_ns[row]
        return names[int(seen.argmin())] if seen.min() < self.stamps_ns[row] else ""


class RowBuilder:
    """Takes the numbers of messages.

    Attributes:
        names: those that came, in the order in which they did.
    """

    def __init__(self) -> None:
        """Nothing came yet."""
        self.names: dict[str, int] = {}  # and the newest stamp of each
        self._stamps: list[int] = []
        self._keys: list[tuple[str, ...]] = []
        self._values: list[list[float]] = []

    def add(self, stamp_ns: int, keys: tuple[str, ...], values: list[float]) -> None:
        """Take a message.

        Raises:
            ValueError: it is not newer than the one before it with the same names.
        """
        if any(self.names.get(each, _NEVER) >= stamp_ns for each in keys):
            raise ValueError("its stamp is not after the one before it")
        self.names.update(dict.fromkeys(keys, stamp_ns))
        self._stamps.append(stamp_ns)
        self._keys.append(keys)
        self._values.append(values)

    def rows(self, names: tuple[str, ...]) -> HeldRows:
        """The rows, of these names."""
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
        whole = int((newest.min(axis=1) == _NEVER).sum())  # rows before it lack something
        return HeldRows(values[whole:], stamps[whole:], stamps[newest][whole:])
