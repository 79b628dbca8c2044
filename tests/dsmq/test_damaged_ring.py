"""A ring that anybody may have written into: a gap where a record cannot be, an error in words."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.ring.directory import SharedMemory
from dsmq_nodes.dsmq.ring.reader import RingReader
from dsmq_nodes.dsmq.ring.record import RECORD
from dsmq_nodes.dsmq.ring.ring import (
    ASLEEP,
    DATA,
    EXTENT,
    HEAD,
    INDEX,
    LAP_END,
    READERS,
    RESERVE,
    Ring,
)
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import RingError
from dsmq_nodes.speedups import outlive_cuts
from dsmq_nodes.testing import BrokerProcess
from tests.dsmq.sharer import Sharer, needs_shared_memory
from tests.support.processes import run
from tests.support.waiting import PATIENCE_SEC

pytestmark = needs_shared_memory

_HIGHEST: Final = 2**64 - 1
Damage = Callable[[Ring], None]


class Ends:
    """A ring with a message of seq 1 to 5, two writers and a reader."""

    def __init__(self, directory: Path, doorbells: Doorbells) -> None:
        self.ring = Ring.create(directory / "ring", capacity=1 << 20)
        self.writers = [Writer(Ring(self.ring.path), name, doorbells) for name in ("/one", "/two")]
        self.reader = self.new_reader(0)
        self.seen: list[int] = []
        for seq in range(1, 6):
            self.put(0, seq)

    def new_reader(self, after: int) -> RingReader:
        seat = self.ring.seat(2, after=after, depth=0)
        return RingReader(self.ring, seat, Cursor(after))

    def put(self, which: int, seq: int) -> int:
        return self.writers[which].append(b"%d" % seq, seq=seq, stamp_ns=0)

    def read(self) -> list[int]:
        """The numbers of what is read; each id once, and what is missing is counted."""
        seqs = []
        for record in (*self.reader.read(), *self.reader.read()):  # a gap ends the first
            assert record.id == record.gap + 1 + (self.seen[-1] if self.seen else 0)
            self.seen.append(record.id)
            seqs.append(record.seq)
        assert not self.reader.has_more(), "it would look again and again"
        after, missed = self.ring.reader_state(self.reader.seat)
        assert after == self.ring.head == len(self.seen) + missed
        return seqs


@pytest.fixture
def ends() -> Iterator[Ends]:
    directory = Path(tempfile.mkdtemp(prefix="dsmq-test-", dir="/dev/shm"))
    try:
        with closing(Doorbells(directory)) as doorbells:
            yield Ends(directory, doorbells)
    finally:
        shutil.rmtree(directory)


def number(index: int, value: int) -> Damage:
    def damage(ring: Ring) -> None:
        ring.numbers[index] = value

    return damage


def newest(field: int, value: int) -> Damage:
    """Something else in the newest record's head."""

    def damage(ring: Ring) -> None:
        at = DATA + ring.numbers[INDEX + ring.head] % ring.capacity
        fields = list(RECORD.unpack_from(ring.memory, at))
        fields[field] = value
        RECORD.pack_into(ring.memory, at, *fields)

    return damage


def newest_bytes(offset: int, value: bytes) -> Damage:
    """Something else behind the newest record's head."""

    def damage(ring: Ring) -> None:
        at = DATA + ring.numbers[INDEX + ring.head] % ring.capacity + RECORD.size + offset
        ring.memory[at : at + len(value)] = value

    return damage


RECORDS = {
    "another's id": newest(0, 77),
    "the mark of a lap's end": newest(0, LAP_END),
    "a stamp that no frame may have": newest(1, 2**63),
    "a time that no frame may have": newest(2, 2**63),
    "a number that no frame may have": newest(3, 2**63),
    "a text beyond the data": newest(5, (2**32 - 1) << 32),
    "a text beyond what is allocated": newest(5, 900_000 << 32),
    "raw bytes beyond the data": newest(5, 1 << 32 | 2**32 - 1),
    "names beyond the data": newest(6, 2**32 - 1),
    "names beyond what is allocated": newest(6, 900_000),
    "a sender that is not UTF-8": newest_bytes(0, b"/\xff"),
    "a sender that cannot be printed": newest_bytes(0, b"/\n"),
    "a text that is not UTF-8": newest_bytes(len("/one"), b"\xff"),
}


@pytest.mark.parametrize("damage", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("next_writer", [0, 1])
def test_a_record_that_cannot_be_is_a_gap(ends: Ends, damage: Damage, next_writer: int) -> None:
    damage(ends.ring)
    assert ends.read() == [1, 2, 3, 4]
    assert ends.reader.find(5) is None
    for seq in range(6, 9):
        assert ends.put(next_writer, seq) == seq
        assert ends.read() == [seq]
    assert ends.reader.find(6) is not None


def test_what_was_read_before_the_damage_was_found_is_delivered(ends: Ends) -> None:
    RECORDS["another's id"](ends.ring)
    assert [each.id for each in ends.reader.read()] == [1, 2, 3, 4]
    assert ends.reader.cursor.after == 4
    ends.ring.numbers[HEAD] = 3
    with pytest.raises(RingError, match="its newest message was 4 and is 3"):
        ends.reader.read()
    cursor = ends.reader.cursor
    assert (cursor.after, cursor.delivered, cursor.dropped) == (4, 4, 0)


INDEXED = {
    "nowhere": number(INDEX + 5, _HIGHEST),
    "behind the data": number(INDEX + 5, (1 << 20) - 8),
    "not at a multiple of 8": number(INDEX + 5, 13),
    "laps ahead": number(INDEX + 5, (1 << 60) + 4 * 64),
}


@pytest.mark.parametrize("damage", INDEXED.values(), ids=INDEXED)
def test_an_index_that_is_wrong_costs_its_writer_a_lap(ends: Ends, damage: Damage) -> None:
    damage(ends.ring)
    assert ends.put(1, 6) == 6
    assert ends.read()[-1] == 6
    assert ends.put(0, 7) == 7
    assert ends.read() == [7]


POSITIONS = {
    "nothing was ever begun": number(RESERVE, 0),
    "laps ahead": number(RESERVE, 100 << 20),
    "nothing is allocated": number(EXTENT, 0),
    "more is allocated than there is": number(EXTENT, _HIGHEST),
}


@pytest.mark.parametrize("damage", POSITIONS.values(), ids=POSITIONS)
@pytest.mark.parametrize("next_writer", [0, 1])
def test_positions_that_cannot_be_are_right_again_with_the_next_message(
    ends: Ends, damage: Damage, next_writer: int
) -> None:
    damage(ends.ring)
    ends.read()
    for seq in range(6, 9):
        assert ends.put(next_writer, seq) == seq
        assert ends.read() == [seq]
    for seq in range(9, 60):
        size = 30_000
        assert ends.writers[next_writer].append(b"x" * size, seq=seq, stamp_ns=0) == seq
        assert ends.read() == [seq]


@pytest.mark.parametrize("head", [10, 10**9])
def test_ids_that_nobody_wrote_are_a_gap(ends: Ends, head: int) -> None:
    ends.read()
    ends.ring.numbers[HEAD] = head
    assert ends.read() == []
    assert ends.put(1, 6) == head + 1
    assert ends.read() == [6]


@pytest.mark.parametrize("head", [4, 0, 2**40, _HIGHEST])
def test_ids_that_go_back_or_cannot_be_are_told_by_both_ends(ends: Ends, head: int) -> None:
    ends.read()
    ends.ring.numbers[HEAD] = head
    with pytest.raises(RingError, match="is damaged"):
        ends.reader.read()
    with pytest.raises(RingError, match="is damaged"):
        ends.put(0, 6)


def test_a_position_beyond_all_numbers_is_told(ends: Ends) -> None:
    ends.ring.numbers[RESERVE] = _HIGHEST
    assert ends.read() == []
    for which in (0, 1):
        with pytest.raises(RingError, match="is damaged"):
            ends.put(which, 6)
    with pytest.raises(RingError, match="is damaged"):
        ends.new_reader(5)


def test_readers_that_cannot_be_cost_only_their_places(ends: Ends) -> None:
    ends.read()
    ends.ring.memory[ASLEEP : 8 * (READERS + 4 * 64)] = b"\xff" * (8 * (READERS + 4 * 64) - ASLEEP)
    ends.reader.sleep()
    assert ends.put(0, 6) == 6
    assert not any(ends.ring.memory[ASLEEP : ASLEEP + 64]), "who sleeps is woken, whatever it says"
    assert ends.read() == [6]
    with pytest.raises(RingError, match="64 readers"):
        ends.ring.seat(3, after=6, depth=1)


def test_a_name_is_not_remembered_beyond_its_length(ends: Ends) -> None:
    ends.read()
    ends.writers[1]._names[""] = b"x" * 300_000
    assert ends.put(1, 6) == 6
    assert ends.put(0, 7) == 7
    assert ends.read() == [7]
    assert max(map(len, ends.reader._names)) < 100


def test_a_file_whose_head_is_wrong_is_no_ring(ends: Ends) -> None:
    for index in (0, 1, 2):
        before, ends.ring.numbers[index] = ends.ring.numbers[index], _HIGHEST
        with pytest.raises(RingError, match="not a ring"):
            Ring(ends.ring.path)
        ends.ring.numbers[index] = before
    with ends.ring.path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(RingError, match="not a ring"):
        Ring(ends.ring.path)


def test_a_ring_that_is_shut_is_read_to_its_end_and_written_no_more(ends: Ends) -> None:
    ends.writers[0].shut()
    ends.writers[0].shut()
    for which in (0, 1):
        with pytest.raises(RingError, match="is closed"):
            ends.put(which, 6)
    assert ends.read() == [1, 2, 3, 4, 5]
    assert ends.reader.find(5) is not None


class Shared:
    """A topic of a real broker: a talker and a listener that share it, and a tool."""

    def __init__(self, broker: BrokerProcess, stack: contextlib.ExitStack) -> None:
        self.broker = broker
        self.talker = Sharer(broker.port, "/talker")
        self.listener = Sharer(broker.port, "/listener")
        self.writer = self.talker.writer("/t")
        self.reader = self.listener.reader("/t")
        self.tool = dsmq.connect_to_server(broker.host, broker.port)
        for each in (self.talker, self.listener, self.tool):
            stack.callback(each.close)
        assert self.writer.append(b"1", seq=1, stamp_ns=0) == 1
        assert [each.id for each in self.reader.read()] == [1]
        assert self.tool.get("/t") == "1"

    def put(self, text: str) -> wire.Reply:
        fields = {"action": "put", "topic": "/t", "message": text, "seq": 2, "ack": 7}
        return self.talker.ask(**fields)


@pytest.fixture
def shared() -> Iterator[Shared]:
    broker = BrokerProcess()
    try:
        with contextlib.ExitStack() as stack:
            yield Shared(broker, stack)
    finally:
        broker.close()


CLOSING = {
    "ids that go back": number(HEAD, 0),
    "ids beyond all": number(HEAD, _HIGHEST),
    "a position beyond all": number(RESERVE, _HIGHEST),
}


@pytest.mark.parametrize("damage", CLOSING.values(), ids=CLOSING)
def test_a_damaged_ring_is_closed_and_its_topic_goes_through_the_broker(
    shared: Shared, damage: Damage
) -> None:
    damage(shared.writer.ring)
    shared.tool.put("/t", "2", ack=True)
    for each in (shared.talker, shared.listener):
        told = each.channel.receive()
        assert (told.event, told.topic, told.id) == ("unshared", "/t", 1)
    assert not list(shared.talker.directory.glob("r*"))
    pushed = shared.listener.channel.receive()
    assert (pushed.text, pushed.id, pushed.gap) == ("2", 2, 0)
    assert shared.put("3").event == "ack"
    assert [shared.tool.get("/t"), shared.tool.get("/t")] == ["2", "3"]
    # Whoever advertises it next shares it again.
    writer = shared.talker.writer("/t")
    assert writer.append(b"4", seq=3, stamp_ns=0) == 4
    assert shared.tool.get("/t") == "4"


@pytest.mark.parametrize("size", [0, DATA + 100])
def test_a_file_that_is_cut_ends_nobody(shared: Shared, size: int) -> None:
    os.truncate(shared.writer.ring.path, size)
    with pytest.raises(RingError, match=r"is closed|is damaged"):
        shared.writer.append(b"2", seq=2, stamp_ns=0)
    assert shared.put("2").event == "unshared"
    assert shared.talker.channel.receive().event == "ack"
    assert shared.tool.get("/t") == "2"
    assert shared.listener.channel.receive().event == "unshared"


CUT = """
import os, sys
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.ring.reader import RingReader
from dsmq_nodes.dsmq.ring.ring import Ring
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from dsmq_nodes.errors import OverwrittenError, RingError
from pathlib import Path

path = Path(sys.argv[1]) / "ring"
ring = Ring.create(path, capacity=1 << 20)
reader = RingReader(ring, ring.seat(2, after=0, depth=0), Cursor(0))
writer = Writer(Ring(path), "/w", Doorbells(path.parent))
writer.append(b"{}", seq=1, stamp_ns=0, field="data", raw=bytes(200_000))
(record,) = reader.read()
other = Ring(path)
for _ in range(3):
    os.truncate(path, 0)
    seen = bytes(record.loan.view)  # what touches it next
    assert not record.loan.is_whole
    os.truncate(path, os.stat(path).st_size + ring.capacity + 36864)  # as another process does
    for use in (lambda: reader.read(), lambda: other.end_of(1)):
        try:
            use()
        except RingError as error:
            print(error)
    try:
        writer.append(b"{}", seq=2, stamp_ns=0)
    except RingError as error:
        print(error)
for each in (ring, writer.ring, other):
    each.close()
print("lives")
os.kill(os.getpid(), 7)
"""


@pytest.mark.skipif(outlive_cuts is None, reason="the compiled part does it")
def test_who_touches_what_was_cut_lives_and_is_told(ends: Ends) -> None:
    command = [sys.executable, "-c", CUT, str(ends.ring.path.parent / "cut")]
    (ends.ring.path.parent / "cut").mkdir()
    done = run(command, capture_output=True, text=True, timeout=PATIENCE_SEC)
    lines = done.stdout.splitlines()
    assert lines[-1] == "lives", (done.returncode, done.stdout, done.stderr)
    assert any("is damaged: its newest message was 1 and is 0" in line for line in lines)
    assert done.returncode == -signal.SIGBUS, "one that is not of a ring ends it as before"


@pytest.mark.parametrize("what", ["a reader ends", "a writer ends", "another reader comes", "get"])
def test_a_file_that_is_cut_while_nothing_is_written_ends_no_broker(
    shared: Shared, what: str
) -> None:
    """The broker looks at it for something else than a message."""
    large = b"x" * 200_000
    assert shared.writer.append(b"{}", seq=2, stamp_ns=0, field="data", raw=large) == 2
    others: list[Sharer] = []
    os.truncate(shared.writer.ring.path, 0)
    if what == "a reader ends":
        shared.listener.channel.close()
    elif what == "a writer ends":
        shared.talker.channel.close()
    elif what == "get":
        shared.tool.get("/t")
    else:
        others.append(Sharer(shared.broker.port, "/another"))
        others[0].ask(action="subscribe", topic="/t", depth=1, shm=True)
    with contextlib.closing(dsmq.connect_to_server(shared.broker.host, shared.broker.port)) as new:
        new.put("/other", "heard", ack=True)
        new.put("/t", "3", ack=True)
    for each in others:
        each.close()


def test_what_lies_in_place_of_a_ring_s_file_stays_there(shared: Shared) -> None:
    path = shared.writer.ring.path
    path.unlink()
    path.mkdir()
    shared.writer.ring.shut()
    assert shared.put("2").event == "unshared"
    assert shared.talker.channel.receive().event == "ack"
    assert shared.tool.get("/t") == "2"


def test_a_record_that_cannot_be_harms_nobody_at_the_broker(shared: Shared) -> None:
    shared.writer.append(b"\xff", seq=2, stamp_ns=0)
    shared.writer._names[""] = b"/\xff"
    shared.writer.append(b"2", seq=3, stamp_ns=0)
    shared.writer._names[""] = b"/talker"
    shared.writer.append(b"{}", seq=4, stamp_ns=0, field="data", raw=bytes(9_000_000))
    assert shared.writer.append(b"5", seq=5, stamp_ns=0) == 5
    assert shared.tool.get("/t") == "5"
    with contextlib.closing(dsmq.connect_to_server(shared.broker.host, shared.broker.port)) as new:
        new.put("/other", "heard", ack=True)
    assert [(each.id, each.gap) for each in shared.reader.read()] == [(4, 2), (5, 0)]


def test_what_a_reader_says_of_itself_is_believed_only_as_far_as_the_log_goes() -> None:
    memory = SharedMemory()
    router = Router(Store(), memory=memory)
    peer = ConnectedPeer("unix", is_neighbour=True)
    router.connect(peer, 0.0)
    for fields in (
        {"action": "hello", "topic": "", "version": 1, "node": "/n", "shm": True},
        {"action": "advertise", "topic": "t", "shm": True},
        {"action": "subscribe", "topic": "t", "shm": True},
        {"action": "put", "topic": "t", "message": "1"},
    ):
        request = wire.decode_request(wire.encode_object(fields)[wire.HEADER_BYTES :])
        router.handle(peer, request, 0.0)
    try:
        topic, cursor = router.topics["t"], peer.cursors["t"]
        assert topic.log.ring is not None
        assert cursor.seat is not None
        numbers, at = Ring(Path(topic.log.ring.path)).numbers, READERS + 4 * cursor.seat
        for after, missed in ((_HIGHEST, _HIGHEST), (1, _HIGHEST), (0, 1)):
            numbers[at + 1], numbers[at + 3] = after, missed
            router.sharing.copy_reader_state(cursor)
            assert (cursor.after, cursor.delivered, cursor.dropped) == (0, 0, 0)
        numbers[at + 1], numbers[at + 3] = _HIGHEST, 0
        router.sharing.copy_reader_state(cursor)
        assert (cursor.after, cursor.delivered, cursor.dropped) == (1, 1, 0)
    finally:
        router.sharing.stop()
        memory.close()
