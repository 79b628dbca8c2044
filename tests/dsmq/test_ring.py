"""The log in shared memory, against a list; with writers that die and readers that sleep."""

import contextlib
import fcntl
import gc
import os
import random
import resource
import runpy
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dsmq_nodes.dsmq.limits import MAX_BODY_BYTES
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.ring import reader as ring_reader
from dsmq_nodes.dsmq.ring import ring as ring_file
from dsmq_nodes.dsmq.ring.reader import Bell, RingReader
from dsmq_nodes.dsmq.ring.ring import (
    BUSY,
    DATA,
    HEAD,
    INDEX,
    MOST_READERS,
    ORDERED,
    OWNER,
    RESERVE,
    Ring,
)
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from dsmq_nodes.errors import RingError
from tests.dsmq.flooding import is_whole, text_of
from tests.support import processes

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.ring.record import Loan

pytestmark = pytest.mark.skipif(
    not Path("/dev/shm").is_dir(),
    reason="no /dev/shm on this system",
)


@pytest.fixture
def directory() -> Iterator[Path]:
    yield from _directory()


def _directory() -> Iterator[Path]:
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    path = Path(tempfile.mkdtemp(prefix="dsmq-test-", dir="/dev/shm"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def doorbells(directory: Path) -> Iterator[Doorbells]:
    with contextlib.closing(Doorbells(directory)) as found:
        yield found


def test_what_is_written_is_read(directory: Path, doorbells: Doorbells) -> None:
    ring = Ring.create(directory / "a", last_id=41)
    writer = Writer(ring, "/talker", doorbells)
    reader = RingReader(ring, ring.seat(1, after=41, depth=10), Cursor(41, 10))
    assert reader.read() == []
    assert writer.append(b'{"x":1}', seq=1, stamp_ns=5) == 42
    assert writer.append(b"{}", seq=2, stamp_ns=6, field="data", raw=b"\x00\xff") == 43
    first, second = reader.read()
    assert (first.id, first.seq, first.stamp, first.sender) == (42, 1, 5, "/talker")
    assert (first.data, first.raw, first.gap) == (b'{"x":1}', b"", 0)
    assert (second.id, second.data, second.field) == (43, b"{}", "data")
    assert (second.raw, second.sender) == (b"\x00\xff", "/talker")
    assert reader.read() == []
    ring.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Python's mmap keeps one more")
def test_a_ring_costs_one_descriptor_and_gives_it_back(directory: Path) -> None:
    Ring.create(directory / "first").close()  # what is loaded once is loaded now
    before = psutil.Process().num_fds()
    ring = Ring.create(directory / "a")
    assert psutil.Process().num_fds() == before + 1
    mapped = Path("/proc/self/maps").read_text()
    assert f"{directory}/a" in mapped
    ring.close()
    assert psutil.Process().num_fds() == before
    assert f"{directory}/a" not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("bits", [32, 64])
def test_a_ring_fits_the_largest_message_and_a_hundred_fit_half_of_a_processs_addresses(
    bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "maxsize", 2 ** (bits - 1) - 1)
    capacity_bytes = runpy.run_path(str(ring_file.__file__))["CAPACITY_BYTES"]
    assert MAX_BODY_BYTES < capacity_bytes < sys.maxsize // 100


def test_a_reader_that_lags_more_than_its_depth_jumps_and_the_gap_is_told(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a")
    writer = Writer(ring, "/w", doorbells)
    reader = RingReader(ring, ring.seat(1, after=0, depth=3), Cursor(0, 3))
    for number in range(10):
        writer.append(b"%d" % number, seq=number + 1, stamp_ns=0)
    records = reader.read()
    assert [record.data for record in records] == [b"7", b"8", b"9"]
    assert [record.gap for record in records] == [7, 0, 0]
    assert ring.reader_state(0) == (10, 7)
    ring.close()


def test_a_depth_may_be_more_than_the_index_holds(directory: Path, doorbells: Doorbells) -> None:
    ring = Ring.create(directory / "a", last_id=7)
    writer = Writer(ring, "/w", doorbells)
    reader = RingReader(ring, ring.seat(1, after=7, depth=10_000), Cursor(7, 10_000))
    for number in range(8, 9008):
        writer.append(b"%d" % number, seq=number, stamp_ns=0)
    assert [int(record.data) for record in reader.read()] == list(range(8, 9008))
    ring.close()


@pytest.mark.parametrize("other", [False, True])
def test_a_bundle_ends_with_a_lap_that_the_index_has_forgotten(
    directory: Path, doorbells: Doorbells, other: bool
) -> None:
    ring = Ring.create(directory / "r", capacity=512 * 1024)
    writers = [Writer(ring, name, doorbells) for name in ("/a", "/b")]
    reader = RingReader(ring, ring.seat(1, after=0, depth=10_000), Cursor(0, 10_000))
    lap, seqs = 512 * 1024 // 64, [0, 0]
    for number in range(1, lap + 5000):
        who = int(other and number == lap - 20)
        seqs[who] += 1
        assert writers[who].append(b"%5d" % number, seq=seqs[who], stamp_ns=1) == number
        if number == lap - 100:
            assert len(reader.read()) == number
    found = reader.bundle()
    if other:  # somebody else wrote on that lap: it is read one by one
        assert found is None
    else:
        assert found is not None
        told = [int(record.data) for record in found.records() if record is not None]
        assert told == list(range(lap - 99, found.first_id + found.count))
        behind = reader.bundle()
        assert behind is not None
        assert behind.first_id == told[-1] + 1
        assert behind.first_id + behind.count - 1 == ring.head
    ring.close()


def test_memory_follows_depth_and_lag(directory: Path, doorbells: Doorbells) -> None:
    ring = Ring.create(directory / "a", capacity=8 << 20)
    writer = Writer(ring, "/w", doorbells)
    reader = RingReader(ring, ring.seat(1, after=0, depth=10), Cursor(0, 10))
    for number in range(10_000):  # 5 MB in all, read as they come
        writer.append(b"x" * 500, seq=number + 1, stamp_ns=0)
        reader.read()
    for number in range(10_000):  # 5 MB that it does not read, and will skip
        writer.append(b"y" * 500, seq=number + 1, stamp_ns=0)
    assert ring.extent < 200_000
    broker = RingReader(ring, ring.seat(2, after=20_000, depth=0), Cursor(20_000))
    for number in range(40_000):  # 20 MB that nobody reads
        writer.append(b"z" * 500, seq=number + 1, stamp_ns=0)
    assert 8 << 20 <= ring.extent < 9 << 20
    assert broker.read()[-1].id == 60_000
    records = reader.read()
    assert [record.id for record in records] == list(range(59_991, 60_001))
    assert sum(record.gap for record in records) == 50_000 - 10
    ring.close()


def test_memory_is_for_what_a_depth_holds_of_small_and_large(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a")
    writer = Writer(ring, "/w", doorbells)
    reader = RingReader(ring, ring.seat(1, after=0, depth=10), Cursor(0, 10))
    for number in range(1, 2001):
        writer.append(b"x" * (100_000 if number % 2 else 10), seq=number, stamp_ns=0)
        if number % 100 == 0:
            assert [record.id for record in reader.read()] == list(range(number - 9, number + 1))
    assert ring.extent < 1_500_000
    ring.close()


def test_a_broker_that_is_always_a_little_behind_makes_no_ring_grow_for_ever(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a")
    writer = Writer(ring, "/w", doorbells)
    broker = RingReader(ring, ring.seat(1, after=0, depth=0), Cursor())
    heard = 0
    for number in range(1, 50_001):  # 25 MB
        writer.append(b"x" * 500, seq=number, stamp_ns=0)
        if number % 10 == 0:  # as each 10 ms at 1 kHz
            heard += len(broker.read(10 if heard else 5))
    assert heard == 50_000 - 5  # five behind, for ever
    assert ring.extent < 1_000_000
    ring.close()


def test_without_a_depth_an_overtaken_reader_goes_on_at_what_is_whole(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a", capacity=1 << 20)
    writer = Writer(ring, "/w", doorbells)
    reader = RingReader(ring, ring.seat(1, after=0, depth=0), Cursor())
    for number in range(1, 5001):
        writer.append(b"%d" % number + b"." * 1000, seq=number, stamp_ns=0)
    records = reader.read()
    assert [int(record.data.strip(b".")) for record in records] == [each.id for each in records]
    assert records[-1].id == 5000
    assert len(records) > 900
    assert sum(record.gap for record in records) + len(records) == 5000
    ring.close()


def test_a_message_larger_than_the_ring_is_refused(directory: Path, doorbells: Doorbells) -> None:
    ring = Ring.create(directory / "a", capacity=1 << 20)
    writer = Writer(ring, "/w", doorbells)
    with pytest.raises(RingError, match="no room in shared memory for a message of 1048"):
        writer.append(b"x" * (1 << 20), seq=1, stamp_ns=0)
    assert writer.append(b"x" * (1 << 19), seq=1, stamp_ns=0) == 1
    ring.close()


def test_a_reader_that_sleeps_is_woken_once(directory: Path, doorbells: Doorbells) -> None:
    ring = Ring.create(directory / "a")
    writer = Writer(ring, "/w", doorbells)
    reader = RingReader(ring, ring.seat(7, after=0, depth=1), Cursor(0, 1))
    with contextlib.closing(Bell(directory, 7)) as bell:
        writer.append(b"1", seq=1, stamp_ns=0)
        assert select.select([bell], [], [], 0)[0] == []
        reader.sleep()
        assert reader.has_more()
        reader.read()
        assert not reader.has_more()
        writer.append(b"2", seq=2, stamp_ns=0)
        writer.append(b"3", seq=3, stamp_ns=0)
        assert os.read(bell.fileno(), 10) == b"\0"
        with pytest.raises(BlockingIOError):
            os.read(bell.fileno(), 10)
    reader.sleep()
    writer.append(b"4", seq=4, stamp_ns=0)  # the reader has died: no error
    ring.close()


def test_a_writer_without_a_free_descriptor_wakes_its_readers(
    directory: Path, doorbells: Doorbells
) -> None:
    with (
        contextlib.closing(Ring.create(directory / "a")) as ring,
        contextlib.closing(Bell(directory, 1)) as old,
        contextlib.closing(Bell(directory, 2)) as new,
    ):
        writer = Writer(ring, "/w", doorbells)
        RingReader(ring, ring.seat(1, after=0, depth=1), Cursor(0, 1)).sleep()
        writer.append(b"1", seq=1, stamp_ns=0)
        RingReader(ring, ring.seat(2, after=1, depth=1), Cursor(1, 1)).sleep()
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        gc.collect()  # so that no descriptor becomes free meanwhile
        least = os.dup(0)
        os.close(least)
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, before[1]))
        try:
            writer.append(b"2", seq=2, stamp_ns=0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert [os.read(bell.fileno(), 10) for bell in (old, new)] == [b"\0", b"\0"]


def test_who_rings_late_does_not_leave_its_reader_deaf(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a")
    writer = Writer(ring, "/w", doorbells)
    reader = RingReader(ring, ring.seat(7, after=0, depth=1), Cursor(0, 1))
    with contextlib.closing(Bell(directory, 7)) as bell:
        writer.append(b"1", seq=1, stamp_ns=0)
        assert [each.id for each in reader.read()] == [1]  # before its writer has looked who sleeps
        reader.sleep()
        writer.wake()
        bell.clear()
        assert not reader.may_sleep(), "nobody would ring any more"
        reader.sleep()
        bell.clear()
        assert reader.may_sleep()
        writer.append(b"2", seq=2, stamp_ns=0)
        assert not reader.may_sleep()
        assert os.read(bell.fileno(), 10) == b"\0"
    ring.close()


@contextlib.contextmanager
def no_sleep(why: str) -> Iterator[None]:
    """Meanwhile a writer that sleeps fails the test."""
    # Not `time.sleep` itself: another thread of this process may sleep meanwhile.
    own = {**vars(time), "sleep": lambda _: pytest.fail(why)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dsmq_nodes.dsmq.ring.writer.time", SimpleNamespace(**own))
        yield


def test_a_writer_that_was_stopped_in_mid_write_holds_up_nobody_for_good(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a")
    program = (
        "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDWR); fcntl.flock(fd, 2);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with processes.Popen(
        [sys.executable, "-c", program, str(ring.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        writer = Writer(ring, "/w", doorbells)
        assert writer.append(b"1", seq=1, stamp_ns=0) == 0
        with no_sleep("it waits again"):
            assert writer.append(b"1", seq=1, stamp_ns=0) == 0, "and at once"
        hasty = Writer(ring, "/w", doorbells, patience_sec=0.0)
        with no_sleep("it waits"):
            assert hasty.append(b"1", seq=1, stamp_ns=0) == 0
        holder.kill()
        holder.wait()
        assert writer.append(b"2", seq=2, stamp_ns=0) == 1
        assert hasty.append(b"3", seq=2, stamp_ns=0) == 2
    ring.close()


def test_an_owner_that_is_stopped_or_killed_in_mid_write_holds_up_nobody_for_good(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a")
    program = (
        "import sys; from pathlib import Path; from dsmq_nodes.dsmq.ring import ring, writer;"
        "mapped = ring.Ring(Path(sys.argv[1])); owner = writer.Writer(mapped, '/o', None);"
        "owner.own(); mapped.numbers[ring.BUSY] = owner.owns; print('owns', flush=True);"
        "sys.stdin.read(1); mapped.numbers[ring.BUSY] = 0; print('wrote', flush=True);"
        "sys.stdin.read(1); mapped.numbers[ring.BUSY] = 1; print('writes', flush=True);"
        "sys.stdin.read()"
    )
    with processes.Popen(
        [sys.executable, "-c", program, str(ring.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        assert owner.stdout.readline() == b"owns\n"
        writer = Writer(ring, "/w", doorbells)
        writer.own()
        assert not writer.owns
        assert writer.append(b"1", seq=1, stamp_ns=0) == 0
        with no_sleep("it waits again"):
            assert writer.append(b"1", seq=1, stamp_ns=0) == 0, "and at once"
        owner.stdin.write(b" ")
        owner.stdout.readline()
        assert writer.append(b"2", seq=2, stamp_ns=0) == 1
        writer.own()
        assert not writer.owns, "the other has not been asked since"
        owner.stdin.write(b" ")
        owner.stdout.readline()
        ring.numbers[OWNER] = 1
        owner.kill()
        owner.wait()
        assert writer.append(b"3", seq=3, stamp_ns=0) == 2
        writer.own()
        assert ring.numbers[OWNER] == 1
    ring.close()


@pytest.mark.skipif(not ORDERED, reason="Python has no memory fence for this processor")
def test_a_writer_that_is_alone_takes_no_lock_until_another_writes(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a")
    reader = RingReader(ring, ring.seat(1, after=0, depth=0), Cursor())
    owner, other = (Writer(Ring(ring.path), name, doorbells) for name in ("/owner", "/other"))
    for number in range(1, 121):
        assert owner.append(b"1", seq=number, stamp_ns=0) == number
    with ring.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert owner.append(b"2", seq=121, stamp_ns=0) == 121
        assert other.append(b"3", seq=1, stamp_ns=0) == 0
    assert other.append(b"3", seq=2, stamp_ns=0) == 122
    assert owner.append(b"4", seq=122, stamp_ns=0) == 123
    assert (owner.owns, ring.numbers[OWNER], ring.numbers[BUSY]) == (False, 0, 0)
    for number in range(124, 300):
        assert other.append(b"5", seq=number, stamp_ns=0) == number
    assert (owner.owns, other.owns, ring.numbers[BUSY]) == (False, True, 0)
    with pytest.raises(RingError, match="no room"):
        other.append(bytes(65 << 20), seq=300, stamp_ns=0)
    assert ring.numbers[BUSY] == 0
    assert owner.append(b"6", seq=123, stamp_ns=0) == 300
    assert [record.id for record in reader.read()] == [*range(1, 301)]


def test_a_writer_killed_over_the_newest_record_mutes_nobody(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a", capacity=4096)
    first = Writer(ring, "/first", doorbells)
    for seq in range(1, 4):
        assert first.append(b"x" * 1500, seq=seq, stamp_ns=0) == seq
    # As a writer leaves it that has said how far it will write, and has begun with its record.
    newest = ring.numbers[INDEX + 3]
    before = RingReader(ring, ring.seat(1, after=3, depth=10), Cursor(3, 10))
    ring.numbers[RESERVE] = newest + ring.capacity + 1600
    at = DATA + newest % ring.capacity
    ring.memory[at : at + 8] = bytes(8)
    later = RingReader(ring, ring.seat(2, after=3, depth=10), Cursor(3, 10))
    second = Writer(ring, "/second", doorbells)
    for seq in range(1, 6):
        assert second.append(b"y" * 500, seq=seq, stamp_ns=0) == 3 + seq
        for reader in (before, later):
            heard = [(each.seq, each.sender, each.gap) for each in reader.read()]
            assert heard == [(seq, "/second", 0)]
    ring.close()


def test_a_writer_killed_in_a_new_ring_costs_nobody_a_message(
    directory: Path, doorbells: Doorbells
) -> None:
    ring = Ring.create(directory / "a", last_id=7)
    reader = RingReader(ring, ring.seat(1, after=7, depth=0), Cursor(7))
    Writer(ring, "/dying", doorbells)._write(b"/dying", b"x" * 40, 0, 0, b"")
    ring.numbers[HEAD] = 7  # all of it but what makes it visible
    assert Writer(ring, "/next", doorbells).append(b"1", seq=1, stamp_ns=0) == 8
    assert [(each.id, each.sender, each.gap) for each in reader.read()] == [(8, "/next", 0)]
    ring.close()


def test_what_is_no_ring_is_told(directory: Path) -> None:
    with pytest.raises(RingError, match="No such file"):
        Ring(directory / "none")
    (directory / "other").write_bytes(b"x" * 5000)
    with pytest.raises(RingError, match="not a ring"):
        Ring(directory / "other")
    (directory / "empty").touch()
    with pytest.raises(RingError, match="cannot be mapped"):
        Ring(directory / "empty")


def test_no_more_readers_than_there_are_places(directory: Path) -> None:
    ring = Ring.create(directory / "a")
    for number in range(1, MOST_READERS + 1):
        ring.seat(number, after=0, depth=1)
    with pytest.raises(RingError, match="64 readers"):
        ring.seat(1000, after=0, depth=1)
    ring.unseat(5)
    assert ring.seat(1000, after=0, depth=1) == 5
    ring.close()


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(1, 400), (1, 100_000)])
def test_writers_killed_at_any_moment_harm_no_reader(
    directory: Path, sizes: tuple[int, int]
) -> None:
    ring = Ring.create(directory / "a", capacity=1 << 20)
    reader = RingReader(ring, ring.seat(1, after=0, depth=0), Cursor())
    command = [sys.executable, "-m", "tests.dsmq.flooding", str(ring.path), *map(str, sizes)]
    heard, begin = os.pipe()
    writers = [processes.Popen(command, stdin=heard) for _ in range(3)]
    for end in (heard, begin):
        os.close(end)
    seen, gaps, newest, by_sender = 0, 0, 0, dict[str, int]()

    def read() -> None:
        nonlocal seen, gaps, newest
        for record in reader.read(500):
            assert is_whole(record.data)
            assert record.id == newest + record.gap + 1
            newest = record.id
            assert record.seq > by_sender.get(record.sender, 0)
            by_sender[record.sender] = record.seq
            seen, gaps = seen + 1, gaps + record.gap

    for each in writers:
        want = seen + 3000
        while seen < want or f"/{each.pid}" not in by_sender:
            assert each.poll() is None
            read()
        each.kill()
        each.wait()
    while reader.has_more():
        read()
    assert len(by_sender) == 3
    assert newest == ring.head == seen + gaps
    assert ring.reader_state(0) == (newest, gaps)
    ring.close()


class RingMachine(RuleBasedStateMachine):
    """Two writers and readers of every kind, in any interleaving, against a list."""

    def __init__(self) -> None:
        super().__init__()
        self._directories = _directory()
        self.directory = next(self._directories)
        self.ring = Ring.create(self.directory / "a", last_id=7, capacity=1 << 16)
        self.doorbells = Doorbells(self.directory)
        self.maps = [Ring(self.ring.path) for _ in range(2)]
        self.writers = [Writer(each, f"/{i}", self.doorbells) for i, each in enumerate(self.maps)]
        self.written: dict[int, tuple[bytes, bytes, str]] = {}
        self.readers: list[RingReader] = []
        self.positions: list[int] = []
        self.seqs = [0, 0]
        self.lent: dict[int, Loan] = {}
        self._lent_bytes, ring_reader.LENT_BYTES = ring_reader.LENT_BYTES, 4000  # type: ignore[misc]

    @rule(who=st.integers(0, 1), size=st.integers(0, 9000), raw=st.integers(0, 9000))
    def write(self, who: int, size: int, raw: int) -> None:
        number = len(self.written) + 8
        text, more = text_of(number, size), random.Random(number).randbytes(raw)
        self.seqs[who] += 1
        seq = self.seqs[who]
        assert self.writers[who].append(text, seq=seq, stamp_ns=number, raw=more) == number
        self.written[number] = (text, more, f"/{who}")

    @rule(who=st.integers(0, 1), size=st.integers(0, 90), times=st.integers(10, 40))
    def write_many(self, who: int, size: int, times: int) -> None:
        for _ in range(times):
            self.write(who, size, 0)

    @rule(who=st.integers(0, 1), size=st.integers(0, 9000))
    def die_in_mid_write(self, who: int, size: int) -> None:
        writer = self.writers[who]
        head = self.ring.numbers[8]
        writer._write(b"/dying", b"\xee" * size, 0, 0, b"")
        self.ring.numbers[8] = head  # all of it but what makes it visible
        self.maps.append(Ring(self.ring.path))
        self.writers[who] = Writer(self.maps[-1], f"/{who}", self.doorbells)

    @precondition(lambda self: len(self.readers) < 4)
    @rule(depth=st.integers(0, 20))
    def open_reader(self, depth: int) -> None:
        after = self.ring.head
        seat = self.ring.seat(len(self.readers) + 1, after=after, depth=depth)
        ring = Ring(self.ring.path)
        self.readers.append(RingReader(ring, seat, Cursor(after, depth)))
        self.positions.append(after)

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0, 3), most=st.integers(1, 50))
    def read(self, which: int, most: int) -> None:
        which %= len(self.readers)
        reader = self.readers[which]
        before = self.ring.head
        for record in reader.read(most):
            text, raw, sender = self.written[record.id]
            assert (record.data, record.sender) == (text, sender)
            if record.loan is not None:
                self.lent[record.id] = record.loan
                assert (record.raw, record.loan.is_whole) == (b"", True)
            else:
                assert record.raw == raw
            assert record.gap == record.id - self.positions[which] - 1
            if reader.cursor.depth:
                assert record.id > before - reader.cursor.depth
            self.positions[which] = record.id
        if most >= 50 and self.written:
            assert reader.cursor.after == before or reader.has_more()

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0, 3), part=st.integers(0, 40))
    def read_at_once(self, which: int, part: int) -> None:
        which %= len(self.readers)
        found = self.readers[which].bundle()
        if found is None:
            return
        front = found.split(min(part, found.count))
        records = [*front.records(), *found.records()]
        first_id = self.positions[which] + 1
        for number, record in enumerate(records, first_id):
            assert record is not None
            assert (record.data, record.raw, record.sender) == self.written[number]
            assert (record.id, record.stamp, record.gap) == (number, number, 0)
        self.positions[which] += len(records)

    @precondition(lambda self: self.readers and self.written)
    @rule(which=st.integers(0, 3), back=st.integers(0, 30))
    def find(self, which: int, back: int) -> None:
        number = max(len(self.written) + 7 - back, 8)
        record = self.readers[which % len(self.readers)].find(number)
        if record is not None:
            assert (record.data, record.sender) == self.written[number][::2]
        else:
            assert back > 0

    @invariant()
    def what_is_lent_is_whole_until_it_says_that_it_is_not(self) -> None:
        for number, loan in list(self.lent.items()):
            if loan.is_whole:
                assert loan.view == self.written[number][1]
            else:
                del self.lent[number]

    @invariant()
    def readers_are_known(self) -> None:
        for reader, position in zip(self.readers, self.positions, strict=True):
            assert self.ring.reader_state(reader.seat)[0] == position

    def teardown(self) -> None:
        ring_reader.LENT_BYTES = self._lent_bytes  # type: ignore[misc]
        self.doorbells.close()
        for each in [self.ring, *self.maps, *(reader.ring for reader in self.readers)]:
            each.close()
        for _ in self._directories:
            pass


TestRing = RingMachine.TestCase
TestRing.settings = settings(stateful_step_count=60)


@given(st.text(max_size=1000), st.binary(max_size=3000))
@settings(max_examples=50)
def test_any_text_and_any_bytes_go_through(words: str, raw: bytes) -> None:
    text = words.encode("utf-8", "replace")
    directories = _directory()
    directory = next(directories)
    ring = Ring.create(directory / "a", capacity=1 << 16)
    with contextlib.closing(Doorbells(directory)) as doorbells:
        Writer(ring, "/é", doorbells).append(text, seq=1, stamp_ns=2**63 - 1, raw=raw)
    reader = RingReader(ring, ring.seat(1, after=0, depth=0), Cursor())
    assert [(each.data, each.raw, each.sender) for each in reader.read()] == [(text, raw, "/é")]
    ring.close()
    for _ in directories:
        pass


def test_a_closed_bell_leaves_alone_the_file_that_has_its_number_now(tmp_path: Path) -> None:
    bell = Bell(tmp_path, 2)
    number = bell.fileno()
    bell.close()
    read, write = os.pipe()
    if read != number:
        os.dup2(read, number)
    try:
        bell.forked()
        os.write(write, b"x")
        assert os.read(number, 1) == b"x"
    finally:
        for each in {read, write, number}:
            os.close(each)
