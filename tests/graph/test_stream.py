"""What a socket does not take at once: kept up to a limit, whole and in order; else refused."""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmq_nodes.dsmq import address, wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.graph.links.stream import Stream

LARGEST = 2_000_000


@dataclass
class Ends:
    """Both ends of a connection: the stream, and what the broker would have."""

    stream: Stream[int]
    other: socket.socket

    def read(self, size: int) -> bytes:
        try:
            return self.other.recv(size)
        except BlockingIOError:
            return b""


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = make_ends()
    yield made
    made.stream.close()
    made.other.close()


def make_ends() -> Ends:
    ours, other = socket.socketpair()
    hello = wire.encode_object({"event": "hello", "epoch": "e", "seq": 0})
    other.sendall(hello + wire.encode_object({"message": ""}))
    with mock.patch.object(address, "connect", return_value=ours):
        stream = Stream[int](ClientConnection("here", 1))
    other.recv(1 << 16)  # what it greeted with
    other.setblocking(False)
    return Ends(stream, other)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(1, LARGEST - 100), st.integers(0, 3_000_000)), max_size=30))
def test_frames_come_whole_and_in_order_or_not_at_all(steps: list[tuple[int, int]]) -> None:
    ends = make_ends()
    decoder, came = wire.FrameDecoder(), list[bytes]()
    taken: list[bytes] = []
    for number, (size, read) in enumerate(steps):
        body = b"%d " % number + b"x" * size
        if ends.stream.send(wire.encode_frame(body), number):
            taken.append(body)
        came += map(bytes, decoder.feed(ends.read(read)) if read else ())
        assert ends.stream.waiting_bytes <= max(1 << 20, LARGEST)
    while not ends.stream.flush():
        came += map(bytes, decoder.feed(ends.read(1 << 20)))
    while data := ends.read(1 << 20):
        came += map(bytes, decoder.feed(data))
    assert came == taken
    ends.stream.close()
    ends.other.close()


def test_what_was_not_sent_at_the_end_is_told(ends: Ends) -> None:
    frame = wire.encode_frame(b"x" * 100_000)
    accepted = 0
    while ends.stream.send(frame, accepted):
        accepted += 1
    ends.stream.send_surely(frame)
    data = b""
    while more := ends.read(1 << 20):
        data += more
    assert ends.stream.unsent() == list(range(len(data) // len(frame), accepted))
    assert ends.stream.waiting_bytes == 0


def test_what_must_not_be_lost_ends_the_connection_before_it_fills_the_memory(ends: Ends) -> None:
    frame = wire.encode_frame(b"x" * 1_000_000)

    def send() -> None:
        for _ in range(100):
            ends.stream.send_surely(frame)

    with pytest.raises(OSError, match="does not read"):
        send()
    assert ends.stream.connection.is_ended()


def test_a_thread_waits_for_one_that_reads_on_and_not_for_one_that_does_not(ends: Ends) -> None:
    frame = wire.encode_frame(b"x" * 100_000)
    stop = threading.Event()

    def read() -> None:
        ends.other.settimeout(0.01)
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                ends.other.recv(random.randint(1, 1 << 18))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(300):
        ends.stream.await_room()
        assert ends.stream.send(frame, number)
    stop.set()
    reader.join()
    for number in range(10_000):  # with 0.1 s each it would take a quarter of an hour
        ends.stream.await_room()
        ends.stream.send(frame, number)
    assert ends.stream.waiting_bytes <= max(1 << 20, LARGEST)


def test_what_comes_is_read_without_waiting_and_in_turns(ends: Ends) -> None:
    connection = ends.stream.connection
    assert list(connection.ready_bodies()) == []
    bodies = [b"%d" % number * 1000 for number in range(20)]
    frames = b"".join(map(wire.encode_frame, bodies))
    ends.other.sendall(frames[:10_123])  # in the middle of one
    came = list(map(bytes, connection.ready_bodies()))
    assert came == bodies[: len(came)]
    ends.other.sendall(frames[10_123:])
    assert came + list(map(bytes, connection.ready_bodies())) == bodies
    ends.other.close()
    assert connection.is_ended()
    with pytest.raises(ConnectionResetError):
        list(connection.ready_bodies())


def test_what_came_right_behind_the_greeting_is_read_too() -> None:
    ours, other = socket.socketpair()
    told: list[dict[str, object]] = [{"event": "hello"}, {"message": ""}, {"event": "x"}]
    other.sendall(b"".join(map(wire.encode_object, told)))
    with mock.patch.object(address, "connect", return_value=ours):
        connection = ClientConnection("here", 1)
    assert [wire.decode_reply(each).event for each in connection.ready_bodies()] == ["x"]
    connection.close()
    other.close()
