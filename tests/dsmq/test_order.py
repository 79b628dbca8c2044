"""Who reads several topics has them in the order in which they were put, however far it lags."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.ring.ring import Ring
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from tests.dsmq.sharer import needs_shared_memory
from tests.support.brokers import ForkedBroker
from tests.support.waiting import PATIENCE_SEC

TOPICS = ("/a", "/b", "/c")
FILLER = "x" * 2000


@pytest.fixture
def broker() -> Iterator[ForkedBroker]:
    with ForkedBroker() as process:
        yield process


@pytest.fixture
def reader(broker: ForkedBroker) -> Iterator[ClientConnection]:
    with contextlib.closing(ClientConnection(broker.host, broker.port)) as channel:
        channel.socket.settimeout(PATIENCE_SEC)
        yield channel


def subscribe(channel: ClientConnection, topic: str, **more: object) -> None:
    fields = {"action": "subscribe", "topic": topic, "depth": 0, **more}
    channel.send(wire.encode_object(fields))
    while channel.receive().event != "subscribed":
        pass


def by_pattern(channel: ClientConnection) -> None:
    subscribe(channel, "/?", pattern=True)


def by_name(channel: ClientConnection) -> None:
    for topic in TOPICS:
        subscribe(channel, topic)


def numbers(channel: ClientConnection, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        if (reply := channel.receive()).event == "message":
            found.append(int((reply.text or "").removesuffix(FILLER)))
    return found


@pytest.mark.parametrize("ask", [by_pattern, by_name])
def test_a_lagging_reader_has_all_topics_in_one_order(
    broker: ForkedBroker, reader: ClientConnection, ask: Callable[[ClientConnection], None]
) -> None:
    ask(reader)
    with contextlib.closing(dsmq.connect_to_server(broker.host, broker.port)) as tool:

        def put(first: int, last: int) -> None:
            """Topics take turns, the last one now and then only."""
            for number in range(first, last):
                topic = TOPICS[2 if number % 50 == 0 else number % 2]
                tool.put(topic, f"{number}{FILLER}", ack=number == last - 1)

        put(0, 2000)  # far more than its socket takes
        assert numbers(reader, 200) == list(range(200))
        put(2000, 2100)  # while it lags
        assert numbers(reader, 1900) == list(range(200, 2100))
        put(2100, 2110)  # and when it has caught up
        assert numbers(reader, 10) == list(range(2100, 2110))


@needs_shared_memory
def test_a_reader_goes_on_behind_what_the_broker_has_missed(
    broker: ForkedBroker, reader: ClientConnection
) -> None:
    subscribe(reader, "/t")
    talker = ClientConnection(broker.host, broker.port, node="/talker", shm=True)
    with contextlib.closing(talker):
        assert talker.memory is not None
        talker.send(
            wire.encode_object({"action": "advertise", "topic": "/t", "type": "T", "shm": True})
        )
        ring = Ring(Path(talker.receive().ring))
        doorbells = Doorbells(Path(talker.memory[0]))
        writer = Writer(ring, "/talker", doorbells)
        process = psutil.Process(broker.pid)
        process.suspend()
        try:
            for number in range(1, 3001):  # more than the ring holds
                writer.append(b"%d" % number + b"x" * 50_000, seq=number, stamp_ns=0)
        finally:
            process.resume()
        seen, last = 0, 0
        while last < 3000:
            reply = reader.receive()
            seen, last = seen + 1 + reply.gap, reply.id
            assert seen == last
        ring.close()
        doorbells.close()
