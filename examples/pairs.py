"""Messages of two topics that have the same stamp, in pairs, whichever of them comes first."""

from collections import deque
from collections.abc import Callable
from typing import Any

from dsmq_nodes import Node


class Pairs:
    def __init__(
        self,
        node: Node,
        one: tuple[type[Any], str],
        other: tuple[type[Any], str],
        on_pair: Callable[[Any, Any], None],
    ) -> None:
        """`one` and `other` are a topic's type and name each; what has no partner is left out."""
        self.ones, self.others, self.on_pair = deque[Any](), deque[Any](), on_pair
        node.create_subscription(*one, self.on_one, 1000)
        node.create_subscription(*other, self.on_other, 1000)

    def on_one(self, msg: Any) -> None:
        self.ones.append(msg)
        self.join()

    def on_other(self, msg: Any) -> None:
        self.others.append(msg)
        self.join()

    def join(self) -> None:
        while self.ones and self.others:
            stamps = [each[0].header.stamp.to_nanoseconds() for each in (self.ones, self.others)]
            one = self.ones.popleft() if stamps[0] <= stamps[1] else None
            other = self.others.popleft() if stamps[1] <= stamps[0] else None
            if one and other:
                self.on_pair(one, other)
