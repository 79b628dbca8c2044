"""Topics in shared memory, at a real broker: peers share, it follows, nothing is left behind."""

import asyncio
import contextlib
import fcntl
import os
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.broker.follow_rings import Following
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.ring import directory as shared_memory
from dsmq_nodes.dsmq.ring import leftovers
from dsmq_nodes.dsmq.ring.directory import SharedMemory
from dsmq_nodes.dsmq.ring.reader import Bell, RingReader
from dsmq_nodes.dsmq.ring.ring import Ring
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import RingError
from tests.dsmq.sharer import Sharer, needs_shared_memory
from tests.support import processes
from tests.support.brokers import ForkedBroker
from tests.support.waiting import PATIENCE_SEC, until

pytestmark = needs_shared_memory


@pytest.fixture
def broker() -> Iterator[ForkedBroker]:
    with ForkedBroker() as process:
        yield process


@pytest.fixture
def sharer(broker: ForkedBroker) -> Iterator[Callable[[str], Sharer]]:
    with contextlib.ExitStack() as stack:

        def make(name: str) -> Sharer:
            made = Sharer(broker.port, name)
            stack.callback(made.close)
            return made

        yield make


def test_the_broker_follows_what_is_written_to_memory(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    talker, listener = sharer("/talker"), sharer("/listener")
    writer = talker.writer("/t")
    reader = listener.reader("/t")
    tool = dsmq.connect_to_server(broker.host, broker.port)
    pushed = ClientConnection(broker.host, broker.port)
    pushed.send(wire.encode_object({"action": "subscribe", "topic": "/t", "depth": 0}))
    assert pushed.receive().event == "subscribed"
    for number in range(1, 3001):
        assert writer.append(b"%d" % number, seq=number, stamp_ns=7) == number
    assert [int(each.data) for each in reader.read()] == list(range(2001, 3001))
    for number in range(1, 3001):
        reply = pushed.receive()
        assert (reply.id, reply.text, reply.sender, reply.seq, reply.stamp, reply.gap) == (
            *(number, str(number), "/talker", number, 7, 0),
        )
    assert tool.get("/t") == "1"
    assert tool.get_latest("/t") == "3000"
    tool.close()
    pushed.close()


class Counted(Doorbells):
    """How often it is rung."""

    used = 0

    def ring(self, number: int) -> None:
        self.used += 1
        super().ring(number)


class Shell:
    """What following needs of a broker."""

    def __init__(self) -> None:
        self.memory = SharedMemory()
        self.router = Router(Store(), memory=self.memory)
        self.pushed: list[int] = []

    def ask(self, peer: ConnectedPeer, **fields: object) -> wire.Reply:
        request = wire.decode_request(wire.encode_object(fields)[wire.HEADER_BYTES :])
        replies = self.router.handle(peer, request, time.monotonic())
        return wire.decode_reply(replies[0][1][wire.HEADER_BYTES :])

    def peer(self, node: str, *, shm: bool) -> ConnectedPeer:
        peer = ConnectedPeer("unix", is_neighbour=True)
        self.router.connect(peer, time.monotonic())
        assert self.ask(peer, action="hello", topic="", version=1, node=node, shm=shm).event
        return peer

    def gather(self, replies: Replies) -> None:
        found = (wire.decode_reply(frame[wire.HEADER_BYTES :]) for _, frame in replies)
        self.pushed += [reply.id for reply in found if reply.topic == "/t"]

    def flush(self) -> None:
        pass

    def follow_a_writer(self) -> tuple[Following, Writer]:
        """Follow a ring, which a tool reads through the broker; return its writer too."""
        following = Following(self.router, self.memory, self.gather, self.flush)
        talker, reader = self.peer("/talker", shm=True), self.peer("", shm=False)
        path = self.ask(talker, action="advertise", topic="/t", type="T", shm=True).ring
        assert self.ask(reader, action="subscribe", topic="/t").event == "subscribed"
        following.poll_as_wanted()
        return following, Writer(Ring(Path(path)), "/talker", Doorbells(self.memory.directory))


def test_who_rings_late_does_not_leave_the_broker_deaf() -> None:
    async def main(shell: Shell) -> None:
        memory = shell.memory
        following, writer = shell.follow_a_writer()
        late = 0

        def clear() -> None:
            nonlocal late
            late += 1
            if late <= 5:  # whose message was read before it has looked who sleeps
                writer.wake()
            Bell.clear(memory.bell)

        async def rests(last_id: int) -> None:
            async with asyncio.timeout(PATIENCE_SEC):
                while shell.pushed[-1:] != [last_id] or following._next_poll is not None:
                    await asyncio.sleep(0.005)

        writer.append(b"1", seq=1, stamp_ns=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(memory.bell, "clear", clear)
            await rests(1)
            writer.append(b"2", seq=2, stamp_ns=0)
            await rests(2)
        following.close()

    asyncio.run(main(Shell()))


def test_a_message_that_finds_no_memory_is_skipped_and_the_next_one_comes() -> None:
    """The whole poll failed: its readers got nothing more, and the ring was not polled again."""

    async def main(shell: Shell) -> None:
        following, writer = shell.follow_a_writer()
        encode_push = wire.encode_push

        def encode(topic: bytes, message_id: int, *args: Any, **options: Any) -> bytes:
            if message_id == 2:
                raise MemoryError
            return encode_push(topic, message_id, *args, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "encode_push", encode)
            for number in (1, 2, 3, 4):
                writer.append(b"%d" % number, seq=number, stamp_ns=0)
                if number != 2:
                    async with asyncio.timeout(PATIENCE_SEC):
                        while shell.pushed[-1:] != [number]:
                            await asyncio.sleep(0.005)
        following.close()
        assert shell.pushed == [1, 3, 4]

    asyncio.run(main(Shell()))


@pytest.mark.parametrize("recorded", [False, True], ids=["nobody", "a recorder"])
def test_writers_of_many_topics_need_not_wake_a_broker_that_is_up(
    broker: ForkedBroker, sharer: Callable[[str], Sharer], recorded: bool
) -> None:
    talker = sharer("/talker")
    rings = [talker.writer(f"/t{number}").ring for number in range(20)]
    recorder = ClientConnection(broker.host, broker.port, patient=True)
    for number in range(20 if recorded else 0):
        fields = {"action": "subscribe", "topic": f"/t{number}", "depth": 0}
        recorder.send(wire.encode_object(fields))
        assert recorder.receive().event == "subscribed"
    with contextlib.closing(Counted(talker.directory)) as doorbells:
        writers = [Writer(ring, "/talker", doorbells) for ring in rings]
        for number in range(600):  # some 50 Hz each, one after the other
            writers[number % 20].append(b"1", seq=number // 20 + 1, stamp_ns=0)
            threading.Event().wait(0.001)
        assert doorbells.used < 200  # all 600 had to
    recorder.socket.settimeout(PATIENCE_SEC)
    heard = [recorder.receive() for _ in range(600 if recorded else 0)]
    recorder.close()
    for number in range(20 if recorded else 0):
        ids = [each.id for each in heard if each.topic == f"/t{number}"]
        assert ids == list(range(1, 31))


def test_a_get_sees_what_was_written_just_before(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    writer = sharer("/talker").writer("/t")
    with contextlib.closing(dsmq.connect_to_server(broker.host, broker.port)) as tool:
        for number in range(1, 51):
            writer.append(b"%d" % number, seq=number, stamp_ns=0)
            get = tool.get if number % 2 else tool.get_latest
            assert get("/t") == str(number)
        assert tool.get("/t") == ""
        with contextlib.closing(dsmq.connect_to_server(broker.host, broker.port)) as other:
            assert other.get("/t") == ""
            for number in range(51, 3051):  # more than the broker follows at once
                writer.append(b"%d" % number, seq=number, stamp_ns=0)
            assert tool.get_latest("/t") == "3050"
            for number in range(51, 3051):
                assert other.get("/t") == str(number)


def test_who_is_patient_has_all_that_was_written_before_the_broker_ends(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    writer = sharer("/talker").writer("/t")
    with contextlib.closing(ClientConnection(broker.host, broker.port, patient=True)) as patient:
        patient.socket.settimeout(PATIENCE_SEC)
        patient.send(wire.encode_object({"action": "subscribe", "topic": "/t", "depth": 0}))
        assert patient.receive().event == "subscribed"
        for number in range(1, 3001):
            writer.append(b"%d" % number, seq=number, stamp_ns=0)
        patient.send(wire.encode_object({"action": "shutdown"}))
        assert [patient.receive().id for _ in range(3000)] == list(range(1, 3001))


def test_all_that_was_written_is_kept_when_the_last_writer_goes(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    talker = sharer("/talker")
    with contextlib.closing(dsmq.connect_to_server(broker.host, broker.port)) as tool:
        writer = talker.writer("/t")
        for number in range(1, 2001):  # more than the broker follows at once
            writer.append(b"%d" % number, seq=number, stamp_ns=7)
        talker.close()
        assert [int(tool.get_wait("/t", timeout=PATIENCE_SEC)) for _ in range(2000)] == list(
            range(1, 2001)
        )


def test_what_is_put_over_a_socket_is_in_the_same_order_for_all(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    talker, listener = sharer("/talker"), sharer("/listener")
    writer = talker.writer("/t")
    reader = listener.reader("/t")
    with contextlib.closing(dsmq.connect_to_server(broker.host, broker.port)) as tool:
        for number in range(100):
            writer.append(b"w%d" % number, seq=number + 1, stamp_ns=0)
            tool.put("/t", f"p{number}", ack=True)
        expected = [f"{kind}{number}" for number in range(100) for kind in "wp"]
        assert [each.data.decode() for each in reader.read()] == expected
        assert [tool.get("/t") for _ in range(200)] == expected
        assert tool.get("/t") == ""


def test_who_subscribed_before_the_topic_was_shared_is_seated_without_a_gap(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    listener = sharer("/listener")
    assert listener.ask(action="subscribe", topic="/t", depth=9, shm=True).event == "subscribed"
    with contextlib.closing(dsmq.connect_to_server(broker.host, broker.port)) as tool:
        tool.put("/t", "over the socket")
        first = listener.channel.receive()
        assert (first.id, first.text) == (1, "over the socket")
        writer = sharer("/talker").writer("/t")
        reader = listener.seated()
        assert writer.append(b"in memory", seq=1, stamp_ns=0) == 2
        assert [(each.id, each.data) for each in reader.read()] == [(2, b"in memory")]
        assert [tool.get("/t"), tool.get("/t")] == ["over the socket", "in memory"]


def test_a_late_reader_has_what_is_latched_and_then_the_ring(
    sharer: Callable[[str], Sharer],
) -> None:
    writer = sharer("/talker").writer("/map", latched=2)
    for number in range(5):
        writer.append(b"%d" % number, seq=number + 1, stamp_ns=0)
    late = sharer("/late")
    assert late.ask(action="subscribe", topic="/map", depth=5, shm=True).event == "subscribed"
    assert [late.channel.receive().text for _ in range(2)] == ["3", "4"]
    reader = late.seated()
    writer.append(b"5", seq=6, stamp_ns=0)
    assert [each.data for each in reader.read()] == [b"5"]


def test_a_large_field_is_whole_for_who_reads_text(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    writer = sharer("/camera").writer("/image")
    pushed = ClientConnection(broker.host, broker.port)
    pushed.send(wire.encode_object({"action": "subscribe", "topic": "/image", "depth": 0}))
    assert pushed.receive().event == "subscribed"
    writer.append(b'{"height":1}', seq=1, stamp_ns=0, field="data", raw=b"\x00\xff\xfe")
    writer.append(b"{}", seq=2, stamp_ns=0, field="data", raw=b"a")
    assert pushed.receive().text == '{"height":1,"data":"AP/+"}'
    assert pushed.receive().text == '{"data":"YQ=="}'
    pushed.close()


def test_a_ring_goes_when_nobody_shares_it(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    talker, listener = sharer("/talker"), sharer("/listener")
    talker.writer("/t").append(b"1", seq=1, stamp_ns=0)
    listener.reader("/t")
    directory = talker.directory
    assert list(directory.glob("r*"))
    talker.close()
    with contextlib.closing(dsmq.connect_to_server(broker.host, broker.port)) as tool:
        tool.put("/t", "2", ack=True)  # by memory still, for the listener
        assert list(directory.glob("r*"))
        listener.close()
        until(lambda: not list(directory.glob("r*")))
        assert sorted(each.name for each in directory.iterdir()) == ["1"]
        tool.put("/t", "3", ack=True)
        assert tool.get_latest("/t") == "3"


def test_a_ring_goes_when_nobody_shares_it_any_more_though_all_are_still_there(
    sharer: Callable[[str], Sharer],
) -> None:
    talker, listener = sharer("/talker"), sharer("/listener")
    talker.writer("/t")
    listener.reader("/t")
    talker.channel.send(wire.encode_object({"action": "unadvertise", "topic": "/t"}))
    listener.channel.send(wire.encode_object({"action": "unsubscribe", "topic": "/t"}))
    until(lambda: not list(talker.directory.glob("r*")))


@pytest.mark.slow
def test_who_wrote_once_is_not_remembered() -> None:
    memory = shared_memory.SharedMemory()
    log = memory.make(0)

    def hear_of_many(kind: str) -> int:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(2000):
            assert log.append(f"/{kind}{number:0>250}", b"x", 1, 0)
            log.read(read_here=True)
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        hear_of_many("some")  # as many as are remembered
        assert hear_of_many("more") < 100_000  # they were 500,000 characters
    finally:
        tracemalloc.stop()
        log.close()
        memory.close()


def test_a_writer_that_is_killed_leaves_its_readers_a_whole_log(broker: ForkedBroker) -> None:
    program = (
        "import itertools, sys\n"
        "from dsmq_nodes import Node\n"
        "from dsmq_nodes.messages import Int64\n"
        "node = Node('flood')\n"
        "publisher = node.create_publisher(Int64, 'n', 10)\n"
        "for number in itertools.count(): publisher.publish(Int64(data=number))\n"
    )
    with contextlib.closing(dsmq.connect_to_server(broker.host, broker.port)) as tool:
        for _ in range(3):
            flood = processes.Popen(
                [sys.executable, "-c", program],
                env={**os.environ, "DSMQ_BROKER": f"{broker.host}:{broker.port}"},
            )
            try:
                assert tool.get_wait("/n", timeout=PATIENCE_SEC)
            finally:
                flood.kill()
                flood.wait()
            tool.get_latest("/n")
            tool.put("/n", "after it", ack=True)
            last = ""
            while text := tool.get("/n"):
                last = text
            assert last == "after it"


@pytest.mark.parametrize("end", [ForkedBroker.close, ForkedBroker.kill])
def test_nothing_stays_once_the_next_broker_has_looked(
    end: Callable[[ForkedBroker], None],
) -> None:
    first = ForkedBroker()
    peer = Sharer(first.port, "/talker")
    peer.writer("/t").append(b"1", seq=1, stamp_ns=0)
    directory = peer.directory
    end(first)
    peer.close()
    second = ForkedBroker()
    try:
        assert not directory.exists()
    finally:
        second.close()


def test_without_shared_memory_all_goes_through_the_broker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    durable = ("--store", str(tmp_path / "queue.db"))
    for off, options in (("1", ()), ("", durable), ("", ("--no-shm",))):
        monkeypatch.setenv("DSMQ_NO_SHM", off)
        broker = ForkedBroker(0, *options)
        monkeypatch.setenv("DSMQ_NO_SHM", "")
        try:
            channel = ClientConnection(broker.host, broker.port, node="/a", shm=True)
            assert channel.memory is None
            channel.close()
        finally:
            broker.close()


@contextlib.contextmanager
def held(ring: str) -> Iterator[None]:
    with Path(ring).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_put_waits_for_memory_that_is_held_for_a_moment_and_no_longer() -> None:
    shell = Shell()
    talker, tool = shell.peer("/talker", shm=True), shell.peer("", shm=False)
    ring = shell.ask(talker, action="advertise", topic="/t", type="T", shm=True).ring
    put_x = wire.encode_object({"action": "put", "topic": "/t", "message": "x", "ack": 1})
    request = wire.decode_request(put_x[wire.HEADER_BYTES :])
    began = time.monotonic()

    def put(after_sec: float) -> list[str]:
        tool.is_to_repeat = False
        replies = shell.router.handle(tool, request, began + after_sec) + shell.router.commit()
        told = [wire.decode_reply(frame[wire.HEADER_BYTES :]) for _, frame in replies]
        return [each.error or each.event for each in told]

    try:
        with held(ring):
            assert (put(0.0), tool.is_to_repeat) == ([], True)
            assert (put(0.2), tool.is_to_repeat) == ([], True)
        assert (put(0.2), tool.is_to_repeat) == (["ack"], False)
        with held(ring):
            assert (put(10.0), tool.is_to_repeat) == ([], True)
            for _ in range(2):
                (why,) = put(10.3)
                assert ("held by a process" in why, tool.is_to_repeat) == (True, False)
        assert shell.router.topics["/t"].refused == 2
    finally:
        shell.memory.close()


def test_a_peer_whose_put_waits_holds_up_nobody_and_loses_nothing(
    broker: ForkedBroker, sharer: Callable[[str], Sharer]
) -> None:
    talker, honest = sharer("/talker"), ClientConnection("127.0.0.1", broker.port)
    ring = str(talker.writer("/t").ring.path)
    tool = ClientConnection("127.0.0.1", broker.port)

    def acknowledged(number: int) -> bool:
        """Put while the ring is held: whether both puts were taken when it was free in time."""
        began_sec = time.monotonic()
        with held(ring):
            for ack in (number, number + 1):
                put = {"action": "put", "topic": "/t", "message": "x", "ack": ack}
                tool.send(wire.encode_object(put))
            for _ in range(2):  # another peer is answered meanwhile
                honest.send(wire.encode_object({"action": "get", "topic": "/other"}))
                assert honest.receive().error == ""
        was_in_time = time.monotonic() - began_sec < 0.2
        told = [tool.receive() for _ in range(2)]
        assert not was_in_time or [each.ack for each in told] == [number, number + 1]
        assert not was_in_time or [each.event for each in told] == ["ack", "ack"]
        tool.send(wire.encode_object({"action": "put", "topic": "/t", "message": "x", "ack": 0}))
        # With a new record in the ring, the next try's wait begins at zero.
        assert tool.receive().event == "ack"
        return was_in_time

    with closing(tool), closing(honest):
        for each in (tool, honest):
            each.socket.settimeout(PATIENCE_SEC)
        numbers = iter(range(1, 1000, 2))
        until(lambda: acknowledged(next(numbers)), "a moment in which this machine was not busy")


def test_a_directory_that_is_locked_is_left_alone() -> None:
    memory = shared_memory.SharedMemory()
    try:
        leftovers.remove_leftovers()
        assert memory.directory.is_dir()
        assert memory.directory.stat().st_mode & 0o777 == 0o700
    finally:
        memory.close()
    assert not memory.directory.exists()


def test_a_directory_that_another_broker_takes_for_a_leftover_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock, calls = fcntl.flock, 0

    def flock(file: int, how: int) -> None:
        """Let another broker begin before the first lock is taken."""
        nonlocal calls
        calls += 1
        if calls == 1:
            leftovers.remove_leftovers()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    memory = shared_memory.SharedMemory()
    try:
        assert memory.directory.is_dir()
    finally:
        memory.close()


def test_little_shared_memory_is_used_to_its_end_and_no_further(tmp_path: Path) -> None:
    # In a mount namespace of its own: the small file system is gone with the process.
    program = f"from tests.dsmq.test_shared import *; fill(Path({str(tmp_path)!r}))"
    script = 'mount -t tmpfs -o size=3m tmpfs "$0" || exit 77; exec "$@"'
    run = processes.run(
        ["unshare", "--mount", "sh", "-c", script, str(tmp_path), sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode == 77 or "unshare:" in run.stderr:
        pytest.skip("this user may not mount")
    assert run.returncode == 0, run.stderr


def fill(small: Path) -> None:
    with closing(Doorbells(small)) as doorbells:
        ring = Ring.create(small / "r")
        try:
            writer = Writer(ring, "/w", doorbells)
            reader = RingReader(ring, ring.seat(1, after=0, depth=0), Cursor())
            for number in range(1, 101):
                assert writer.append(bytes(100_000), seq=number, stamp_ns=0) == number
            records = reader.read()
            assert records[-1].id == 100
            assert sum(each.gap + 1 for each in records) == 100
            assert len(records) > 5
        finally:
            ring.close()
    with pytest.raises(RingError, match="no shared memory"):
        [Ring.create(small / f"r{number}") for number in range(10)]
