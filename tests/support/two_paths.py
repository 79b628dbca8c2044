"""One ring, written and read in both ways: by the compiled seams, and by the Python beside them.

`BothPaths` has a publisher and a subscription of each way on one ring. Whatever happens to the ring
happens to both, and both have to come to the same end: the same callbacks, counters and errors.
"""

import random
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self
from unittest import mock

from msgspec.structs import astuple, replace
from typing_extensions import override

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.dsmq.ring.record import RECORD
from dsmq_nodes.dsmq.ring.ring import DATA, READERS, Ring
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from dsmq_nodes.errors import RingError
from dsmq_nodes.graph.links.broker_link import DsmqLink
from dsmq_nodes.graph.links.incoming import Incoming
from dsmq_nodes.graph.links.link import Publication, UsualMessages
from dsmq_nodes.graph.links.link_reader import LinkReader, Losses
from dsmq_nodes.graph.links.outgoing import Outgoing
from dsmq_nodes.graph.links.shared_rings import SharedTopics
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin.dispatcher import Dispatcher
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.graph.topics.at_once import AtOnce
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.subscription import MessageInfo, Subscription
from dsmq_nodes.messages.codec import codec
from dsmq_nodes.messages.std import String
from dsmq_nodes.speedups import make_appender, make_taker

TOPIC: Final = "/t"
_LONG_SEC: Final = 1e9
_COMPILED, _PYTHON = "compiled", "python"
_MOST_TURNS: Final = 1000
_quiet: Final = Logger("/two_paths", BaseClock(), SimpleNamespace(publish=lambda *_: None))  # type: ignore[arg-type]


class Unplanned(String):
    """A type that reads its texts itself: it has no plan."""

    @override
    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        return super().from_json(text)


def expire(subscription: Subscription[Any], asked: list[tuple[object, ...]]) -> None:
    """Let each third message of a publisher be too old, where the subscription asks for that."""

    def has_expired(entry: Entry) -> bool:
        asked.append((entry.id, entry.seq, entry.stamp, entry.at, entry.sender))
        subscription._waited_sec = entry.seq / 8
        is_late = entry.seq % 3 == 0
        subscription.late += is_late
        return is_late

    subscription.has_expired = has_expired  # type: ignore[assignment, method-assign]


class ReadingEnd:
    """A subscription, by one of the paths; of `Unplanned` its callback wants the MessageInfo.

    Where it `expires`, each third message of a publisher is too old: not by a clock, which is
    another one when the other path asks.
    """

    def __init__(
        self,
        path: str,
        ring: Ring,
        number: int,
        depth: int,
        *,
        msg_type: type[String] = String,
        expires: bool = False,
    ) -> None:
        self._since_ns = 0
        self.asked: list[tuple[object, ...]] = []  # whether these are too old
        self.heard: list[float] = []
        self.got: list[Any] = []
        self.infos: list[tuple[object, ...]] = []
        self.errors: list[str] = []
        self.raised: list[str] = []
        exceptions: Any = SimpleNamespace(
            note=lambda _, error: self.raised.append(str(error)),
            log=lambda _, error: self.raised.append(str(error)),
        )

        def on_message(msg: Any) -> None:
            self.got.append(msg)
            if msg.data.startswith("fail"):
                raise ValueError(f"refused {len(self.got)}")

        def with_info(msg: Any, info: MessageInfo) -> None:
            assert self._since_ns <= info.received_timestamp <= time.time_ns()
            self.infos.append(astuple(replace(info, received_timestamp=0)))
            on_message(msg)

        link: Any = SimpleNamespace()
        self.dispatcher = Dispatcher(link, _quiet, exceptions, raises=False)
        self.subscription: Subscription[Any] = Subscription(
            *(msg_type, TOPIC, on_message if msg_type is String else with_info, QoSProfile(depth)),
            longest_wait_sec=1.0 if expires else None,
            clock=BaseClock(),
            logger=_quiet,
            graph=link,
        )
        expire(self.subscription, self.asked)
        watchdog: Any = SimpleNamespace(heard=self.heard.append)
        self.subscription.watchdogs.append(watchdog)
        self.reader = LinkReader(TOPIC, depth, "", self._deliver)
        self.reader.losses = Losses("/n", TOPIC)
        self.reader.call_now = AtOnce(self.subscription, self.dispatcher)
        self.rings = SharedTopics(
            str(ring.path.parent), number, "/n", lambda _, error: self.errors.append(str(error))
        )
        head = ring.head
        self.seat = ring.seat(number, after=head, depth=depth)
        made = make_taker if path == _COMPILED else None
        with mock.patch("dsmq_nodes.graph.topics.at_once.make_taker", made):
            self.rings.read(self.reader, str(ring.path), self.seat, head)

    def _deliver(self, reply: Any, again: bool) -> None:
        self.subscription.post(reply, again)

    def drain(self, *, at_once: bool) -> None:
        """Read all there is, in as many turns as it takes; with `at_once` callbacks are called."""
        self._since_ns = time.time_ns()
        for _ in range(_MOST_TURNS):
            self.dispatcher._may_call_until_sec = _LONG_SEC if at_once else 0.0
            self.rings.drain()
            self.dispatcher._may_call_until_sec = 0.0
            while self.subscription.waiting:
                self.dispatcher.execute(self.subscription.dispatch, self.subscription.callback)
            if self.rings.arm():
                return
        raise AssertionError("there is always more to read")

    def state(self, ring: Ring) -> dict[str, Any]:
        """Return the values that have to be the same on both paths."""
        subscription, cursor, losses = self.subscription, self.reader.cursor, self.reader.losses
        assert losses is not None
        [busy] = self.dispatcher.busy.values() or [None]
        at = READERS + 4 * self.seat
        return {
            "got": [msg.model_dump() for msg in self.got],
            "infos": self.infos,
            "raised": self.raised,
            "errors": self.errors,
            "subscription": (subscription.messages, subscription.dropped, subscription.invalid),
            "too old": (subscription.late, self.asked),
            "heard": self.heard,
            "latencies": subscription.latency.count,
            "cursor": (cursor.after, cursor.gap, cursor.dropped, cursor.delivered),
            "publishers": {
                name: (each.number, each.stamp) for name, each in losses.publishers.items()
            },
            "calls": busy.calls if busy else 0,
            "seat": [*ring.numbers[at + 1 : at + 4]],
        }


class WritingEnd:
    """A publication, by one of the paths."""

    def __init__(
        self, path: str, ring: Ring, name: str, doorbells: Doorbells, msg_type: type[String]
    ) -> None:
        self.publication = Publication(TOPIC, "", 0, b"")
        self.writer = self.publication.writer = Writer(ring, name, doorbells)
        clock = BaseClock()
        outgoing = Outgoing(name, "", clock, on_broken=_never, on_lost=_never, on_unshared=_never)
        outgoing.loop = SimpleNamespace()  # type: ignore[assignment]
        outgoing.stream = SimpleNamespace(waiting_bytes=0)  # type: ignore[assignment]
        link: Any = DsmqLink.__new__(DsmqLink)
        heartbeat: Any = SimpleNamespace()
        link._outgoing = outgoing
        link._incoming = Incoming(name, _never, heartbeat, {}, _never)
        link._clock = clock
        self.lock = threading.RLock()
        made = make_appender if path == _COMPILED else None
        with mock.patch("dsmq_nodes.graph.links.outgoing.make_appender", made):
            usual = UsualMessages(msg_type, msg_type.to_record, codec(msg_type), _ignore)
            found = link.appender(self.publication, usual)
        assert found is not None
        self.append = found

    def state(self) -> tuple[int, int]:
        """Return the values that have to be the same on both paths."""
        return self.publication.messages, self.publication.dropped


def _ignore(_: object) -> None:
    """Nothing: the general way is another's."""


def _never(*_: Any) -> None:
    raise AssertionError("it was not to be called")


class BothPaths:
    """A ring with both ends by both paths, in a directory of its own."""

    def __init__(
        self,
        directory: Path,
        capacity: int,
        depth: int,
        msg_type: type[String] = String,
        *,
        expires: bool = False,
    ) -> None:
        self.ring = Ring.create(directory / "r", capacity=capacity)
        self.doorbells = Doorbells(directory)
        self.ends = [
            ReadingEnd(path, self.ring, number, depth, msg_type=msg_type, expires=expires)
            for number, path in enumerate((_COMPILED, _PYTHON), 2)
        ]
        self.writers = [
            WritingEnd(path, self.ring, name, self.doorbells, msg_type)
            for path, name in ((_COMPILED, "/c"), (_PYTHON, "/p"), (_COMPILED, "/é"))
        ]
        self.raw = Writer(self.ring, "/raw", self.doorbells)
        self.seq = 0
        self.msg_type = msg_type

    def publish(self, who: int, text: str) -> None:
        """Publish a text by one of the writers."""
        self.writers[who].append(self.msg_type(data=text))

    def write(self, text: bytes, seq: int, field: str = "", raw: bytes = b"") -> None:
        """Append what no node would."""
        try:
            self.raw.append(text, seq=seq, stamp_ns=1, field=field, raw=raw)
        except RingError:
            return

    def damage(self, at: int, value: int) -> None:
        """Change a byte of the ring."""
        self.ring.memory[at % len(self.ring.memory)] = value

    def cut(self) -> None:
        """Cut the file, as a stranger may."""
        with self.ring.path.open("r+b") as file:
            file.truncate(DATA // 2)

    def drain(self, *, at_once: bool = True) -> None:
        """Let both read, and compare them."""
        for end in self.ends:
            end.drain(at_once=at_once)
        compiled, python = (end.state(self.ring) for end in self.ends)
        for key, value in python.items():
            assert compiled[key] == value, f"{key}: compiled {compiled[key]}, Python {value}"

    def records(self) -> list[tuple[int, int, bytes]]:
        """What lies in the ring's first lap: ids, numbers, and the bytes after the header."""
        found, at = [], DATA
        while at + RECORD.size < len(self.ring.memory):
            number, _, _, seq, _, lengths, names = RECORD.unpack_from(self.ring.memory, at)
            if not number or number > self.ring.head:
                break
            end = at + RECORD.size + names + (lengths >> 32)
            found.append((number, seq, self.ring.memory[at + RECORD.size : end]))
            at = end + 7 & ~7
        return found

    def close(self) -> None:
        """End it."""
        for end in self.ends:
            end.rings.close()
        self.doorbells.close()
        self.ring.close()


def random_step(both: BothPaths, chance: random.Random) -> None:
    """Do something to the ring."""
    text = "".join(chance.choices('ab "\\é\u2028\U0001f600\n', k=chance.choice((0, 1, 5, 300))))
    match chance.randrange(12):
        case 0 | 1 | 2 | 3 | 4:
            for _ in range(chance.choice((1, 1, 3, 20, 120))):
                both.publish(chance.randrange(3), chance.choice((text, "x" * 300, "fail")))
        case 5:
            body = chance.choice((b'{"data":"raw"}', b"{}", b'{"data":1}', b"\xff", text.encode()))
            both.seq += chance.choice((0, 1, 1, 1, 2, 50))
            field = chance.choice(("", "", "", "data"))
            both.write(body, both.seq, field, b"raw" if field else b"")
        case 6:
            at = chance.choice((64, 72, 80, 88, 96, 104, DATA)) + chance.randrange(8)
            both.damage(
                at if chance.random() < 0.2 else DATA + chance.randrange(3000),
                chance.randrange(256),
            )
        case 7 if chance.random() < 0.05:
            both.cut()
            if chance.random() < 0.5:
                both.publish(chance.randrange(3), text)
            else:
                both.drain()
            both.ring.restore_size()  # as the broker's next poll, where nobody has used it
        case _:
            both.drain(at_once=chance.random() < 0.8)
