"""A reader is told every message or has it counted: expired, skipped, put while it was away."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.store.sqlite import Store

TTL_SEC = 60.0


def request(**fields: object) -> wire.Request:
    return wire.decode_request(json.dumps(fields).encode())


@dataclass
class Scene:
    """One writer, one reader that comes and goes, and what the reader knows."""

    budget_bytes: int = 1_000_000
    now: float = 0.0
    put: int = 0
    last_id: int = 0  # the newest id the reader was pushed or told as skipped
    received: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(ttl_sec=TTL_SEC, budget_bytes=self.budget_bytes, now=0.0)
        self.router = Router(self.store)
        self.writer = self.join()
        self.reader: ConnectedPeer | None = None

    def join(self) -> ConnectedPeer:
        peer = ConnectedPeer("somewhere")
        self.router.connect(peer, self.now)
        self.router.handle(peer, request(action="hello", version=1), self.now)
        return peer

    def write(self, count: int) -> None:
        for _ in range(count):
            self.put += 1
            text = str(self.put) + "x" * 100
            put = request(action="put", topic="t", message=text, seq=self.put)
            self.take(self.router.handle(self.writer, put, self.now))
        self.take(self.router.commit())

    def come(self, depth: int) -> None:
        if self.reader is None:
            self.reader = self.join()
            epoch = self.store.epoch
            ask = request(
                action="subscribe", topic="t", depth=depth, after=self.last_id, epoch=epoch
            )
            self.take(self.router.handle(self.reader, ask, self.now))
        self.router.resume(self.reader)
        while replies := self.router.catch_up(self.reader, self.now):
            self.take(replies)

    def go(self) -> None:
        if self.reader is not None:
            self.router.disconnect(self.reader)
            self.reader = None

    def take(self, replies: Replies) -> None:
        for peer, frame in replies:
            reply = wire.decode_reply(frame[wire.HEADER_BYTES :])
            if peer is not self.reader or reply.event != "message":
                continue
            assert reply.id == reply.seq == self.last_id + 1 + reply.gap
            assert reply.text == str(reply.id) + "x" * 100
            self.last_id = reply.id
            self.received.append(reply.id)


steps = st.lists(
    st.tuples(st.just("write"), st.integers(1, 8))
    | st.tuples(st.just("come"), st.integers(0, 4))
    | st.tuples(st.sampled_from(["go", "sleep"]), st.just(0))
    | st.tuples(st.just("age"), st.sampled_from([1, 30, 70])),
    max_size=30,
)


@given(steps, st.sampled_from([1_000_000, 8_000]))
def test_what_was_not_pushed_was_counted(plan: list[tuple[str, int]], budget_bytes: int) -> None:
    scene = Scene(budget_bytes)
    for what, value in plan:
        if what == "write":
            scene.write(value)
        elif what == "come":
            scene.come(value)
        elif what == "go":
            scene.go()
        elif what == "age":
            scene.now += value
            scene.take(scene.router.tick(scene.now))
        elif scene.reader is not None:
            scene.router.pause(scene.reader)
    scene.come(depth=0)
    scene.write(1)  # a gap at the end is told with what comes next
    assert scene.last_id == scene.put
    assert scene.received == sorted(set(scene.received))
    scene.store.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.store.close()


def test_who_lags_more_than_its_depth_jumps_to_the_newest(scene: Scene) -> None:
    scene.come(depth=3)
    assert scene.reader is not None
    scene.router.pause(scene.reader)
    scene.write(10)
    assert scene.received == []
    scene.come(depth=3)
    assert scene.received == [8, 9, 10]
    scene.write(1)
    assert scene.received == [8, 9, 10, 11]


def test_who_lags_no_more_than_its_depth_misses_nothing(scene: Scene) -> None:
    scene.come(depth=3)
    assert scene.reader is not None
    scene.router.pause(scene.reader)
    scene.write(3)
    scene.come(depth=3)
    assert scene.received == [1, 2, 3]


def test_what_expired_while_a_reader_was_away_is_a_gap(scene: Scene) -> None:
    scene.come(depth=0)
    scene.write(2)
    scene.go()
    scene.write(5)
    scene.now += 2 * TTL_SEC
    scene.router.tick(scene.now)
    scene.write(1)
    scene.come(depth=0)
    assert scene.received == [1, 2, 8]


def test_of_another_epoch_all_there_is_is_new(scene: Scene) -> None:
    scene.write(4)
    reader = scene.join()
    ask = request(action="subscribe", topic="t", after=99, epoch="another")
    replies = scene.router.handle(reader, ask, 0.0)
    pushed = [wire.decode_reply(frame[wire.HEADER_BYTES :]) for _, frame in replies[1:]]
    assert [reply.id for reply in pushed] == [1, 2, 3, 4]


def test_two_gets_that_wait_end_in_time(scene: Scene) -> None:
    """The second finds nothing when the first has taken the message: it waits on, not anew."""
    reader = scene.join()
    for _ in range(2):
        scene.router.handle(reader, request(action="get", topic="t", wait=2.0), 10.0)
    scene.write(1)
    waits: list[float | None] = [scene.router.exchange.waits.next_sec]
    [(peer, frame)] = scene.router.answer_waits(12.0)
    waits.append(scene.router.exchange.waits.next_sec)
    assert peer is reader
    assert wire.decode_reply(frame[wire.HEADER_BYTES :]).empty
    assert waits == [12.0, None]
