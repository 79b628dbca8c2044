"""Damages a shared topic's ring between uses: `python -m tests.bench.fuzz_ring [SECONDS] [SEED]`.

Writers, readers and the broker's own following use it as nodes and brokers do. A finding is any
exception except `RingError`, an id that is given to a reader twice, one that is neither given nor
counted, and a message published after the last damage that is not heard by everybody.
"""

import contextlib
import random
import time
import traceback
from pathlib import Path

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.ring.directory import SharedMemory
from dsmq_nodes.dsmq.ring.reader import LENT_BYTES, RingReader
from dsmq_nodes.dsmq.ring.record import RECORD
from dsmq_nodes.dsmq.ring.ring import DATA, EXTENT, INDEX, READERS, Ring
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import OverwrittenError, RingError
from tests.bench.fuzz import command_line

STEPS = 40
NUMBERS = (0, 1, 7, 8, 13, 4096, 65_536, 10**6, 10**9, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 8)
LAST = b'"the last"'


class End:
    """A node at the topic: publishes, or subscribes, by memory while it can."""

    def __init__(self, name: str, target: "Target") -> None:
        self.target = target
        self.peer = ConnectedPeer("unix", is_neighbour=True)
        self.writer: Writer | None = None
        self.reader: RingReader | None = None
        self.rings: list[Ring] = []
        self.after = self.seen = self.heard = self.lost = 0
        self.has_last = self.was_unshared = False
        self.seq = 0
        target.router.connect(self.peer, 0.0)
        target.ends[self.peer] = self
        fields = {"version": 1, "node": name, "shm": True, "unshares": True}
        target.ask(self, action="hello", topic="", **fields)

    def take(self, reply: wire.Reply) -> None:
        match reply.event:
            case "advertised" if reply.ring:
                try:
                    self.rings.append(Ring(Path(reply.ring)))
                except RingError:
                    return
                self.writer = Writer(self.rings[-1], self.peer.name, self.target.doorbells)
            case "ring":
                try:
                    self.rings.append(Ring(Path(reply.ring)))
                    cursor = Cursor(reply.id)
                    self.reader = RingReader(self.rings[-1], reply.seat, cursor)
                except RingError:
                    self.subscribe(shm=False)
            case "unshared":
                self.unshared(reply.id)
            case "message":
                self.hear(reply.id, (reply.text or "").encode())
            case _:
                pass

    def unshared(self, last_id: int) -> None:
        self.writer, self.was_unshared = None, True
        self.read()
        self.seen, self.after = min(self.seen, last_id), min(self.after, last_id)
        if self.reader is not None:
            self.reader = None
            self.subscribe(shm=True)

    def subscribe(self, *, shm: bool) -> None:
        fields = {"after": self.after, "epoch": self.target.router.store.epoch}
        self.target.ask(self, action="subscribe", topic="t", shm=shm, **fields)

    def hear(self, message_id: int, text: bytes) -> None:
        self.has_last = self.has_last or text == LAST
        if message_id <= self.seen:
            return  # as a node does
        self.lost += message_id - self.seen - 1
        self.heard += 1
        self.after = self.seen = message_id

    def read(self) -> None:
        if self.reader is None:
            return
        try:
            while self._read(self.reader):  # a batch ends before a gap
                pass
        except RingError:
            self.reader = None
            self.subscribe(shm=False)
            return
        assert not self.reader.has_more(), "it would look again and again"
        self.reader.sleep()
        self.reader.may_sleep()

    def _read(self, reader: RingReader) -> bool:
        """Read a batch; whether there was one."""
        at = reader.cursor.after - reader.cursor.gap
        records = reader.read()
        for record in records:
            assert record.id == at + record.gap + 1, (record.id, at, record.gap)
            at = record.id
            with contextlib.suppress(OverwrittenError):
                self.hear(record.id, record.text.encode())
        return bool(records)

    def publish(self, text: bytes, raw: bytes = b"") -> None:
        self.seq += 1
        if self.writer is not None:
            try:
                field = "data" if raw else ""
                assert self.writer.append(text, seq=self.seq, stamp_ns=0, field=field, raw=raw)
            except RingError:
                self.writer = None
            else:
                return
        message = wire.whole_text(text.decode(), "data" if raw else "", raw)
        self.target.ask(self, action="put", topic="t", message=message, seq=self.seq)


class Target:
    """A broker's router with one topic, made again now and then."""

    def __init__(self, memory: SharedMemory, doorbells: Doorbells) -> None:
        self.router = Router(Store(budget_bytes=8 << 20), memory=memory)
        self.doorbells = doorbells
        self.ends: dict[ConnectedPeer, End] = {}
        self.now = 0.0
        self.writers = [End(f"/writer{number}", self) for number in range(2)]
        for each in self.writers:
            self.ask(each, action="advertise", topic="t", shm=True)
        self.readers = [End(f"/reader{number}", self) for number in range(3)]
        for number, each in enumerate(self.readers):
            self.ask(each, action="subscribe", topic="t", shm=number < 2)

    def ask(self, end: End, **fields: object) -> None:
        request = wire.decode_request(wire.encode_object(fields)[wire.HEADER_BYTES :])
        self.send(self.router.handle(end.peer, request, self.now))

    def send(self, replies: Replies) -> None:
        for peer, frame in replies:
            self.ends[peer].take(wire.decode_reply(frame[wire.HEADER_BYTES :]))

    def settle(self) -> None:
        """What a broker does all the time, and what nodes read."""
        self.now += 0.05
        for topic in list(self.router.sharing.topics.values()):
            self.send(self.router.sharing.follow_to_the_end(topic, self.now))
        self.send(self.router.tick(self.now))
        for peer in self.ends:
            self.send(self.router.catch_up(peer, self.now))
        for each in self.readers:
            each.read()

    def step(self, rng: random.Random) -> None:
        match rng.randrange(6):
            case 0 | 1 | 2:
                size = rng.choice((2, 10, 100, 3000))
                raw = bytes(rng.choice((0, 0, 0, 10, LENT_BYTES + 8, 300_000)))
                rng.choice(self.writers).publish(b"{%b}" % (b" " * size), raw)
            case 3:
                self.settle()
            case 4:
                rng.choice(self.readers).read()
            case _:
                self.damage(rng)

    def damage(self, rng: random.Random) -> None:
        topic = self.router.topics["t"]
        if topic.log.ring is None:
            return
        ring = Ring(Path(topic.log.ring.path))
        try:
            _damage(ring, rng)
        finally:
            ring.close()

    def finish(self) -> None:
        """After all damage: everybody hears what comes next, and all is counted."""
        for _ in range(2):
            for each in self.writers:
                each.publish(LAST)
            self.settle()
        self.settle()
        for number, each in enumerate(self.readers):
            assert each.has_last, f"reader {number} is deaf"
            known = each.heard + each.lost
            assert known == each.seen or (each.was_unshared and known > each.seen), known
        for cursor in self.router.topics["t"].cursors:
            assert cursor.delivered >= 0 <= cursor.dropped

    def close(self) -> None:
        for end in self.ends.values():
            self.router.disconnect(end.peer)
            for ring in end.rings:
                ring.close()
        self.router.sharing.stop()


def _damage(ring: Ring, rng: random.Random) -> None:
    numbers, head = ring.numbers, ring.head
    value = rng.choice((*NUMBERS, rng.getrandbits(64), head - 1, head + 1, head + 4096)) % 2**64
    extent = min(ring.extent, 1 << 20)
    at = DATA + numbers[INDEX + head % 4096] % ring.capacity
    match rng.randrange(8):
        case 0:
            index = rng.randrange(8, 12)
            # More than is allocated, and no more than there may be, is what no check can tell.
            numbers[index] = value if index != EXTENT or value > ring.capacity else 0
        case 1:
            numbers[INDEX + (head - rng.randrange(3)) % 4096] = value
        case 2:
            numbers[READERS + rng.randrange(16)] = value
        case 3:
            ring.memory[512 + rng.randrange(64)] = rng.randrange(256)
        case 4 if at + RECORD.size <= DATA + extent:
            fields = list(RECORD.unpack_from(ring.memory, at))
            which = rng.randrange(len(fields))
            fields[which] = value % 2 ** (32 if which == 6 else 64)
            RECORD.pack_into(ring.memory, at, *fields)
        case 5 if at + RECORD.size + 40 <= DATA + extent:
            ring.memory[at + RECORD.size + rng.randrange(40)] = rng.randrange(256)
        case 6 if extent > 100:
            begin = DATA + rng.randrange(extent - 64)
            ring.memory[begin : begin + 64] = rng.randbytes(64)
        case _:
            begin = DATA + rng.randrange(max(extent, 1))
            ring.memory[begin] = rng.randrange(256)


def main(seconds: float, seed: int) -> int:
    cases, until = 0, time.monotonic() + seconds
    memory = SharedMemory()
    doorbells = Doorbells(memory.directory)
    try:
        while time.monotonic() < until:
            rng = random.Random(f"{seed}.{cases}")
            target = Target(memory, doorbells)
            try:
                for _ in range(rng.randrange(STEPS)):
                    target.step(rng)
                target.finish()
            except Exception:  # noqa: BLE001  that is what we look for
                traceback.print_exc()
                print(f"seed {seed}, case {cases}")
                return 1
            finally:
                target.close()
            cases += 1
    finally:
        doorbells.close()
        memory.close()
    print(f"{cases} cases in {seconds:g} s, seed {seed}: nothing found")
    return 0


if __name__ == "__main__":
    command_line(main)
