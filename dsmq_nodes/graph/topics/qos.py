"""Quality of service: how much of a topic is kept for a reader."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from dsmq_nodes.dsmq.limits import MOST_NUMBER
from dsmq_nodes.graph.time.clock import seconds
from dsmq_nodes.messages.base import Duration
from dsmq_nodes.messages.python_numbers import as_python


@dataclass(frozen=True, slots=True)
class QoSProfile:
    """How a publisher or a subscription treats its topic. An int stands for its depth.

    No pairing is incompatible: a subscriber receives what the publisher keeps.

    Attributes:
        depth: how many of the newest messages are kept for a slow reader; older ones are
            dropped and counted. For a latched publisher it is also how many a late subscriber
            receives.
        durability: "volatile", or "transient_local": latched, so that late subscribers receive
            the newest messages.
        deadline: seconds, or a Duration, within which the next message is expected: published
            by a publisher, received by a subscription. A miss is counted and reported, see
            `on_deadline`. A publisher's deadline is announced to `topic info -v`, programs for
            rclpy, and ROS 2 nodes behind a bridge.
        lifespan: seconds, or a Duration; a subscription skips an older message and counts it as
            late. Age is by the wall clocks of both ends; a message without a stamp is old. A
            publisher's lifespan is announced as its deadline is, and has no other effect here.
        reliability: "reliable" or "best_effort"; accepted for programs that give it, without
            effect. Messages arrive in order, and those that a reader is too slow for are
            counted in `dropped`.
        history: accepted likewise: "keep_last" with `depth`. "keep_all" is refused, since a
            topic keeps a bounded number of messages.
        liveliness: accepted likewise: "automatic". A publisher is alive as long as its node is
            connected; `deadline` reports one that is silent.
    """

    depth: int = 10
    durability: Literal["volatile", "transient_local"] = "volatile"
    deadline: Duration | float | None = None
    lifespan: Duration | float | None = None
    reliability: Literal["reliable", "best_effort"] = field(default="reliable", compare=False)
    history: Literal["keep_last"] = field(default="keep_last", compare=False)
    liveliness: Literal["automatic"] = field(default="automatic", compare=False)

    def __post_init__(self) -> None:
        for name in ("depth", "deadline", "lifespan"):
            object.__setattr__(self, name, as_python(getattr(self, name)))
        depth: Any = self.depth
        if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= MOST_NUMBER:
            raise ValueError(f"a depth is a whole number from 1, not {depth!r:.60}")
        if self.durability not in {"volatile", "transient_local"}:
            raise ValueError(
                f"durability is 'volatile' or 'transient_local', not {self.durability!r}"
            )
        self._check_words_of_ros()
        for name in ("deadline", "lifespan"):
            given = getattr(self, name)
            if given is None:
                continue
            if isinstance(given, bool) or not isinstance(given, Duration | int | float):
                raise TypeError(f"a {name} is a number of seconds or a Duration, not {given!r}")
            if not 0 < seconds(given) < math.inf:
                raise ValueError(f"a {name} is more than 0 s and finite, not {given!r}")

    def _check_words_of_ros(self) -> None:
        if self.reliability not in {"reliable", "best_effort"}:
            raise ValueError(
                f"reliability is 'reliable' or 'best_effort', not {self.reliability!r}; it has no "
                "effect: no pairing is refused, and what is dropped is counted"
            )
        if self.history != "keep_last":
            raise ValueError(
                f"history is 'keep_last', not {self.history!r}: give the depth that is enough, "
                "since a topic keeps a bounded number of messages"
            )
        if self.liveliness != "automatic":
            raise ValueError(
                f"liveliness is 'automatic', not {self.liveliness!r}: a publisher is alive as long "
                "as its node is connected; give a `deadline` to be told of one that is silent"
            )

    @property
    def latched(self) -> int:
        """How many messages are kept for late subscribers."""
        return self.depth if self.durability == "transient_local" else 0

    @classmethod
    def of(cls, qos: "QoSProfile | int") -> "QoSProfile":
        """Return `qos` itself if it is a profile, else a profile with this depth.

        Raises:
            ValueError: the depth is not a whole number from 1.
        """
        return qos if isinstance(qos, QoSProfile) else cls(depth=qos)
