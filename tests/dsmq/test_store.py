"""Topics as logs: what was put can be read from any cursor until it has to go."""

import copy
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dsmq_nodes.dsmq.store.retention import Retention
from dsmq_nodes.dsmq.store.rows import ROW_OVERHEAD_BYTES
from dsmq_nodes.dsmq.store.sqlite import Store, StoredLog

TTL_SEC = 60.0


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store(ttl_sec=TTL_SEC, now=0.0)
    yield opened
    opened.close()


def put(store: Store, topic: str, *frames: bytes, now: float = 0.0) -> StoredLog:
    log = store.log(topic)
    for frame in frames:
        store.append(log, frame, now)
    store.commit()
    return log


def numbered(first: int, last: int) -> list[tuple[int, bytes]]:
    return [(i, b"%d" % i) for i in range(first, last + 1)]


def ids(found: list[tuple[int, bytes]]) -> list[int]:
    return [message_id for message_id, _ in found]


def test_ids_count_from_one_in_each_topic(store: Store) -> None:
    log, other = store.log("a"), store.log("b")
    assert [store.append(log, b"x", 0.0), store.append(log, b"y", 0.0)] == [1, 2]
    assert store.append(other, b"z", 0.0) == 1
    store.commit()
    assert store.read(log, 0) == [(1, b"x"), (2, b"y")]
    assert store.read(other, 0) == [(1, b"z")]
    assert store.log("a") is log


def test_of_forgotten_topics_the_last_ids_alone_are_kept(store: Store) -> None:
    names = [f"short_lived_{number}" for number in range(50)]
    store.forget([put(store, name, b"x", b"y") for name in names])
    kept = [each for each in gc.get_objects() if isinstance(each, StoredLog)]
    assert [each.name for each in kept if each.name in names] == []
    log = put(store, names[7], b"z")
    assert store.read(log, 0) == [(3, b"z")]


def test_equal_times_lose_nothing(store: Store) -> None:
    log = put(store, "a", *(frame for _, frame in numbered(1, 500)), now=5.0)
    assert store.read(log, 0) == numbered(1, 500)


def test_a_clock_that_steps_back_loses_nothing(store: Store) -> None:
    for i, now in enumerate((3600.0, 0.0, 7200.0, 1.0, 1.0), 1):
        put(store, "a", b"%d" % i, now=now)
    assert store.read(store.log("a"), 0) == numbered(1, 5)


def test_read_from_a_cursor(store: Store) -> None:
    log = put(store, "a", *(frame for _, frame in numbered(1, 9)))
    assert store.read(log, 4) == numbered(5, 9)
    assert store.read(log, 9) == []
    assert store.read(log, 4, limit=2) == numbered(5, 6)
    assert store.read(store.log("never"), 0) == []


def test_a_read_is_cut_by_bytes_but_gives_one_frame_at_least(store: Store) -> None:
    log = put(store, "a", b"x" * 100, b"x" * 100, b"x" * 100)
    assert ids(store.read(log, 0, limit_bytes=150)) == [1, 2]
    assert ids(store.read(log, 0, limit_bytes=1)) == [1]


def test_nothing_uncommitted_is_read(store: Store) -> None:
    log = store.log("a")
    uncommitted = [store.uncommitted]
    store.append(log, b"x", 0.0)
    uncommitted.append(store.uncommitted)
    assert store.read(log, 0) == []
    store.commit()
    uncommitted.append(store.uncommitted)
    assert store.read(log, 0) == [(1, b"x")]
    assert uncommitted == [False, True, False]
    store.commit()  # nothing to write is no error


def test_what_is_past_its_time_goes(store: Store) -> None:
    log = put(store, "a", b"old", now=0.0)
    put(store, "a", b"new", now=40.0)
    store.expire(TTL_SEC)
    assert ids(store.read(log, 0)) == [1, 2]
    store.expire(TTL_SEC + 0.1)
    assert ids(store.read(log, 0)) == [2]
    assert log.first_id == 2
    store.expire(1000.0)
    assert store.read(log, 0) == []
    assert (log.first_id, log.last_id) == (3, 2)
    put(store, "a", b"3", now=1000.0)
    assert store.read(log, 0) == [(3, b"3")]
    assert store.stored_bytes < 100


def test_a_latched_log_keeps_its_newest(store: Store) -> None:
    log = store.log("a")
    store.set_latched(log, 2)
    put(store, "a", *(frame for _, frame in numbered(1, 5)))
    other = put(store, "b", b"x")
    store.expire(1000.0)
    assert store.read(log, 0) == numbered(4, 5)
    assert store.read(other, 0) == []
    put(store, "a", b"6", now=1000.0)
    store.expire(5000.0)
    assert store.read(log, 0) == numbered(5, 6)


def test_the_budget_drops_the_oldest_of_all_topics() -> None:
    store = Store(budget_bytes=64_000, now=0.0)
    logs = [store.log("a"), store.log("b")]
    for i in range(200):
        store.append(logs[i % 2], b"x" * 1000, float(i))
        store.commit()
        assert store.stored_bytes <= 64_000
    kept = [ids(store.read(log, 0)) for log in logs]
    assert kept[0][-1] == kept[1][-1] == 100
    assert abs(len(kept[0]) - len(kept[1])) <= 1
    assert 55 <= len(kept[0]) + len(kept[1]) <= 64
    store.close()


def test_over_the_budget_the_largest_topic_gives_first() -> None:
    store = Store(budget_bytes=640_000, now=0.0)
    camera, bundled, imu = (store.log(name) for name in ("camera", "bundled", "imu"))
    for i in range(500):
        store.append(camera, b"x" * 8000, float(i))
        if i % 5 == 0:
            store.append(imu, b"%d" % (i // 5 + 1), float(i))
        store.append_bundle(bundled, Frames([b"y" * 100, b"z" * 100]), bytes, float(i))
        store.commit()
        assert store.stored_bytes <= 640_000
    assert store.read(imu, 0) == numbered(1, 100)
    assert (bundled.first_id, bundled.last_id) == (1, 1000)
    rows = camera.last_id - camera.first_id + 1
    assert camera.last_id == 500
    assert 40 <= rows <= 64
    assert ids(store.read(camera, 0, limit_bytes=1 << 20))[-1] == 500
    store.close()


def test_many_topics_of_cameras_push_out_no_small_one() -> None:
    store = Store(budget_bytes=640_000, now=0.0)
    imu, cameras = store.log("imu"), [store.log(f"camera{number}") for number in range(12)]
    for i in range(100):
        store.append(imu, b"%d" % (i + 1), float(i))
        for camera in cameras:
            store.append(camera, b"x" * 4000, float(i))
        store.commit()
        assert store.stored_bytes <= 640_000
    assert store.read(imu, 0) == numbered(1, 100)
    assert {camera.last_id - camera.first_id + 1 for camera in cameras} <= {*range(10, 15)}
    store.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("budget_bytes", [0, 10, 100])
def test_a_budget_for_hardly_a_row_is_kept(budget_bytes: int) -> None:
    store = Store(budget_bytes=budget_bytes, now=0.0)
    for name in ("a", "b", "a", "c"):
        put(store, name, b"x", b"y" * 30)
        assert store.stored_bytes <= budget_bytes
    assert [store.log(name).last_id for name in "abc"] == [4, 2, 2]
    store.close()


def test_slots_of_no_size_give_something_each_time() -> None:
    # So it is where the disk had no room for a reserve.
    slots = Retention(600.0, budget_bytes=0)
    for seq, (number, size_bytes) in enumerate([(1, 100), (2, 200), (1, 50)], 1):
        slots.add(number, seq, size_bytes, 0.0)
    sizes: list[int] = []
    while (due := slots.past(float("-inf"), 160)) is not None:
        slots.drop(*due)
        assert slots.size_bytes < min(sizes, default=350)
        sizes.append(slots.size_bytes)
    assert sizes == [150]


def test_the_slots_of_what_has_given_are_merged() -> None:
    store = Store(budget_bytes=640_000, now=0.0)
    for i in range(3000):
        put(store, "camera", b"x" * 8000, now=i / 10)
        put(store, "imu", b"i", now=i / 10)
    assert store.log("imu").first_id == 1
    assert len(store._slots) < 3 * 64
    store.expire(299.9 + 600.0 - 100.0)  # what came in the first 200 seconds is too old
    assert 1900 <= store.log("imu").first_id <= 2001
    store.close()


def test_a_file_is_loaded_with_what_each_topic_has(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    store = Store(path, budget_bytes=640_000, now=0.0)
    put(store, "imu", b"1")
    for _ in range(100):
        put(store, "camera", b"x" * 8000)
    store.close()
    store = Store(path, budget_bytes=640_000, now=0.0)
    for _ in range(100):
        put(store, "camera", b"x" * 8000)
    assert store.read(store.log("imu"), 0) == [(1, b"1")]
    assert store.stored_bytes <= 640_000
    store.close()


def test_one_frame_over_the_budget_leaves_an_empty_store_that_goes_on() -> None:
    store = Store(budget_bytes=1000, now=0.0)
    log = put(store, "a", b"x" * 5000)
    assert store.read(log, 0) == []
    assert store.stored_bytes == 0
    put(store, "a", b"small")
    assert store.read(log, 0) == [(2, b"small")]
    store.close()


def test_where_a_topic_was_when_the_store_was_at_a_sequence_number(store: Store) -> None:
    a, b = put(store, "a", b"1"), put(store, "b", b"1", b"2")
    seq = store.last_seq
    put(store, "a", b"2", b"3")
    assert (store.last_id_at(a, 0), store.last_id_at(b, 0)) == (0, 0)
    assert (store.last_id_at(a, seq), store.last_id_at(b, seq)) == (1, 2)
    assert (store.last_id_at(a, store.last_seq), store.last_id_at(b, store.last_seq)) == (3, 2)


def test_epochs_differ() -> None:
    one, two = Store(), Store()
    assert one.epoch != two.epoch
    one.close()
    two.close()


@dataclass
class Row:
    seq: int
    topic: str
    id: int
    frame: bytes
    at_sec: float


class Frames:
    """A bundle; `damaged` are the places of frames that nobody can read."""

    def __init__(self, frames: list[bytes], *damaged: int) -> None:
        self.frames: list[bytes | None] = [*frames]
        for each in damaged:
            self.frames[each] = None

    @property
    def size_bytes(self) -> int:
        return sum(len(frame) for frame in self.frames if frame is not None)

    @property
    def count(self) -> int:
        return len(self.frames)

    def split(self, count: int) -> Self:
        front = copy.copy(self)
        front.frames, self.frames = self.frames[:count], self.frames[count:]
        return front

    def records(self) -> Iterator[bytes | None]:
        return iter(self.frames)


def test_a_damaged_message_of_a_bundle_takes_only_what_is_before_it(store: Store) -> None:
    log = put(store, "a", b"row")
    store.append_bundle(log, Frames([frame for _, frame in numbered(2, 9)], 2, 3), bytes, 0.0)
    assert (log.last_id, store.read(log, 9)) == (9, [])
    assert store.read(log, 7) == numbered(8, 9)
    assert store.read(log, 0) == numbered(6, 9)
    assert log.first_id == 6


def test_what_is_bundled_comes_in_the_order_of_all_topics(store: Store) -> None:
    logs = [store.log(name) for name in ("a", "b")]
    for first in range(0, 3000, 300):
        for log in logs:
            frames = [b"%d" % number for number in range(first, first + 300)]
            store.append_bundle(log, Frames(frames), bytes, 0.0)
            store.append(log, b"one", 0.0)
            store.commit()
    places, found = {log.number: 0 for log in logs}, []
    while rows := store.read_merged([(log, places[log.number]) for log in logs]):
        found += [(number, message_id) for number, message_id, _ in rows]
        places.update(found)
    expected = []
    for first in range(1, 3010, 301):
        for log in logs:
            expected += [(log.number, message_id) for message_id in range(first, first + 301)]
    assert found == expected


class StoreMachine(RuleBasedStateMachine):
    """The store against a list of rows that forgets nothing."""

    BUDGET_BYTES = 20_000
    topics = st.sampled_from(["a", "b", "/c"])

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(ttl_sec=TTL_SEC, budget_bytes=self.BUDGET_BYTES, now=0.0)
        self.now = 0.0
        self.rows: list[Row] = []
        self.waiting: list[Row] = []
        self.latched: dict[str, int] = {}
        self.may_drop = False
        self.kept_before: list[Row] = []
        self.spared: set[int] = set()

    @rule(topic=topics, size=st.integers(0, 900), times=st.integers(1, 12))
    def append(self, topic: str, size: int, times: int) -> None:
        for _ in range(times):
            log = self.store.log(topic)
            message_id = self.store.append(log, b"x" * size, self.now)
            row = Row(self.store.last_seq, topic, message_id, b"x" * size, self.now)
            before = [r.id for r in self.rows + self.waiting if r.topic == topic]
            assert message_id == max(before, default=0) + 1
            self.waiting.append(row)

    @rule(topic=topics, size=st.integers(0, 90), times=st.integers(1, 40))
    def append_bundle(self, topic: str, size: int, times: int) -> None:
        if self.latched.get(topic):
            return
        self.commit()
        log, before = self.store.log(topic), self.store.last_seq
        frames = [b"%d" % number + b"x" * size for number in range(times)]
        last_id = max((r.id for r in self.rows if r.topic == topic), default=0)
        self.rows += [
            Row(before + number, topic, last_id + number, frame, self.now)
            for number, frame in enumerate(frames, 1)
        ]
        self.store.append_bundle(log, Frames(frames), bytes, self.now)
        self.may_drop = self.may_drop or self.store.stored_bytes > self.BUDGET_BYTES * 0.7

    @rule()
    def commit(self) -> None:
        self.store.commit()
        self.rows += self.waiting
        self.waiting = []
        self.spared |= self.latched_of(self.rows)
        counted = [len(r.frame) for r in self.kept() if r.seq not in self.spared]
        assert sum(counted) <= self.BUDGET_BYTES
        if sum(len(r.frame) + 30 for r in self.rows) > self.BUDGET_BYTES * 0.9:
            self.may_drop = True

    @rule(seconds=st.sampled_from([0.0, 0.5, 7.0, 59.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.waiting)
    @rule()
    def expire(self) -> None:
        self.store.expire(self.now)
        grain = TTL_SEC / 60 + 1e-6  # rows go by slots, which last a sixtieth of it
        late = [row for row in self.kept() if self.now - row.at_sec > TTL_SEC + grain]
        for topic in {row.topic for row in late}:
            # What latching has spared goes when newer ones of its topic do.
            count = sum(1 for row in late if row.topic == topic)
            assert count <= 2 * self.latched.get(topic, 0)
        if any(self.now - row.at_sec > TTL_SEC for row in self.rows):
            self.may_drop = True

    @rule(topic=topics, count=st.integers(0, 3))
    def latch(self, topic: str, count: int) -> None:
        self.store.set_latched(self.store.log(topic), count)
        self.latched[topic] = max(count, self.latched.get(topic, 0))

    @rule(topic=topics, after=st.integers(0, 30), limit=st.integers(1, 9))
    def read(self, topic: str, after: int, limit: int) -> None:
        log = self.store.log(topic)
        found = self.store.read(log, after, limit=limit)
        kept = [(r.id, r.frame) for r in self.kept() if r.topic == topic and r.id > after]
        # A read ends where one more bundle begins.
        assert found == kept[: len(found) or 1 if log.bundles else limit]

    @precondition(lambda self: not self.waiting)
    @rule(topic=topics)
    def last_id_at(self, topic: str) -> None:
        log = self.store.log(topic)
        for seq in range(self.store.last_seq + 1):
            then = sum(1 for r in self.rows if r.topic == topic and r.seq <= seq)
            # What has gone cannot be asked for; where reading begins is the same.
            assert self.store.last_id_at(log, seq) == max(then, log.first_id - 1)

    @invariant()
    def what_is_too_old_goes_or_what_is_of_the_largest(self) -> None:
        gone = [r for r in self.rows if r.id < self.store.log(r.topic).first_id]
        if not self.may_drop:
            assert not gone
        sizes = dict.fromkeys(("a", "b", "/c"), 0)
        for row in self.rows:
            sizes[row.topic] += len(row.frame) + ROW_OVERHEAD_BYTES
        for row in gone:
            assert row.at_sec < self.now - TTL_SEC or sizes[row.topic] > self.BUDGET_BYTES // 64

    @invariant()
    def latched_rows_stay(self) -> None:
        kept = {r.seq: r for r in self.kept()}
        assert not self.latched_of([r for r in self.kept_before if r.seq not in kept])
        self.kept_before = list(kept.values())

    def kept(self) -> list[Row]:
        return [r for r in self.rows if r.id >= self.store.log(r.topic).first_id]

    def latched_of(self, rows: list[Row]) -> set[int]:
        last = {row.topic: row.id for row in self.rows + self.waiting}  # ids only grow
        return {r.seq for r in rows if r.id > last[r.topic] - self.latched.get(r.topic, 0)}

    def teardown(self) -> None:
        self.store.close()


TestStoreAgainstLists = pytest.mark.slow(StoreMachine.TestCase)
TestStoreAgainstLists.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_file_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    store = Store(path, now=0.0)
    log = put(store, "a", b"1", b"2")
    store.set_latched(store.log("latched"), 3)
    epoch = store.epoch
    assert store.durable
    store.close()

    store = Store(path, now=0.0)
    assert store.epoch == epoch
    log = store.log("a")
    assert store.read(log, 0) == numbered(1, 2)
    assert store.log("latched").latched == 3
    put(store, "a", b"3")
    assert store.read(log, 0) == numbered(1, 3)
    store.close()
