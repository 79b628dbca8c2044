"""The compiled `forward` does with a broker's sockets what the Python beside it does."""

import asyncio
import contextlib
import random
import re
import socket
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.broker import loop as broker_loop
from dsmq_nodes.dsmq.broker.listener import Security
from dsmq_nodes.dsmq.broker.loop import Broker
from dsmq_nodes.dsmq.selector import new_loop
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.speedups import forward

pytestmark = pytest.mark.skipif(forward is None, reason="there is no compiled part to compare")

TOPICS: Final = ("/t", "/ü", '/"', "/dsmq/graph")
_NODES: Final = ("/a", "/b", "/ü", "/recorder")
_TIMES: Final = re.compile(rb'"(at|age|msg_length)": ?[0-9.e-]+')


class Side:
    """A broker by one of the paths, and the far ends of its peers' sockets."""

    def __init__(self, *, compiled: bool) -> None:
        self.store = Store()
        self.store.epoch = "e"
        self.used = forward if compiled else None
        self.broker = Broker(self.store, Security(insecure=True), shares_memory=False)
        self.peers: list[socket.socket] = []
        self.said: defaultdict[int, bytearray] = defaultdict(bytearray)
        self.ended: set[int] = set()
        for name in (*_NODES, ""):  # the last never says hello
            self.connect(name)

    def connect(self, name: str) -> None:
        near, far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as little as the system allows
        near.setblocking(False)
        far.setblocking(False)
        listener: Any = SimpleNamespace(spare_descriptor=contextlib.nullcontext)
        with mock.patch.object(broker_loop, "forward", self.used):
            self.broker._add_connection(listener, near, "unix")
        self.peers.append(far)
        if name:
            hello = {"action": "hello", "topic": "", "version": 1, "node": name}
            patient = {"patient": True} if name == "/recorder" else {}
            far.sendall(wire.encode_object(hello | patient))

    def send(self, who: int, data: bytes) -> None:
        for each in self.broker._connections.values():
            each.woken_ns = 0  # long ago: what follows at once goes to Python, with others
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self.peers[who].sendall(data)

    def read(self, who: int) -> bool:
        """Read what one peer was sent; whether that was something."""
        try:
            data = self.peers[who].recv(1 << 20)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        self.said[who] += data
        if not data:
            self.ended.add(who)
        return bool(data)

    def state(self) -> dict[str, Any]:
        """What has to be the same on both paths."""
        router = self.broker.router
        found: dict[str, Any] = {
            str(who): _TIMES.sub(rb'"\1":0', said)
            for who, said in self.said.items()
            if who not in self.ended  # how much of the last words fits depends on the moment
        }
        found["ended"] = self.ended
        for name, topic in router.topics.items():
            log = topic.log.stored
            cursors = [
                (each.peer.name, each.after, each.gap, each.dropped, each.delivered)
                for each in topic.cursors
            ]
            ends = [(each.peer.name, each.messages) for each in topic.publications]
            if name in TOPICS[:3]:  # the others are written by a clock
                found[name] = (topic.messages, log.first_id, log.last_id, cursors, ends)
                found[f"{name} in the store"] = len(self.store.read(log, 0))
        return found

    def close(self) -> None:
        """End it."""
        self.broker.close()
        self.store.close()
        for each in self.peers:
            each.close()


def _put(topic: str, seq: int, text: str) -> bytes:
    return wire.encode_put(wire.encode_text(topic), seq, seq, wire.encode_text(text))


def _step(chance: random.Random, seq: int) -> bytes:
    topic = chance.choice(TOPICS[:2] * 4 + TOPICS)
    text = "".join(chance.choices('ab "\\é\u2028\U0001f600\n\x01/', k=chance.choice((0, 5, 900))))
    put: dict[str, object] = {"action": "put", "topic": topic, "seq": seq, "message": text}
    read = chance.choice(TOPICS[:3])
    unusual: list[dict[str, object]] = [
        put | {"ack": seq},
        put | {"message": chance.choice((1, None, [text]))},
        {"action": "subscribe", "topic": read, "depth": chance.choice((1, 10, 0))},
        {"action": "unsubscribe", "topic": read},
        {"action": "get", "topic": read},
        {"action": "get", "topic": read, "wait": 60.0},
        {"action": "advertise", "topic": topic, "latched": 2},
    ]
    if chance.random() < 0.3:
        return wire.encode_object(chance.choice(unusual))
    frame = _put(topic, seq, text)
    if chance.random() < 0.05:  # one that is a byte away from a usual one
        at = chance.randrange(wire.HEADER_BYTES, len(frame))
        return frame[:at] + bytes([chance.choice(b'0 "\\,:{}\xff\x00')]) + frame[at + 1 :]
    return frame * chance.choice((1, 1, 1, 1, 2, 30))


async def _turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _exchange(sides: list[Side], chance: random.Random) -> None:
    """Let random peers say random things to all brokers, and read what they are sent."""
    for who in (1, 2, 3):
        for side in sides:
            side.send(who, wire.encode_object({"action": "subscribe", "topic": "/t"}))
    await _turns()
    for seq in range(1, 40):
        who, data = chance.choice((0, 0, 0, 1, 2, 4)), _step(chance, seq)
        cut = chance.randrange(len(data)) if chance.random() < 0.1 else 0
        readers = [reader for reader in range(5) if chance.random() < 0.1]
        for side in sides:
            for part in filter(None, (data[:cut], data[cut:])):
                side.send(who, part)
                await _turns()
            for reader in readers:
                side.read(reader)
                await _turns()


async def _compare(seed: int) -> None:
    sides = [Side(compiled=True), Side(compiled=False)]
    try:
        await _turns()
        await _exchange(sides, random.Random(seed))
        for side in sides:
            quiet = 0
            while quiet < 5:
                found = [side.read(who) for who in range(5)]
                quiet = 0 if any(found) else quiet + 1
                await asyncio.sleep(0.02)
        compiled, python = (side.state() for side in sides)
        for key, value in python.items():
            assert compiled[key] == value, key
    finally:
        for side in sides:
            side.close()


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_whatever_comes_both_come_to_the_same_end(seed: int) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_compare(seed))


def test_what_is_usual_takes_no_other_way() -> None:
    async def run() -> None:
        side = Side(compiled=True)
        try:
            await _turns()
            side.send(1, wire.encode_object({"action": "subscribe", "topic": "/t"}))
            side.send(0, _put("/t", 1, "first"))  # makes the topic
            await _turns()
            with mock.patch.object(side.broker.router, "handle", side_effect=AssertionError):
                for number in range(2, 5):
                    side.send(0, _put("/t", number, f"é {number}"))
                    await _turns()
            side.read(1)
            for number in range(2, 5):
                assert f'"é {number}"'.encode() in side.said[1]
            while side.store.uncommitted:
                await asyncio.sleep(0.01)
            assert len(side.store.read(side.store.logs["/t"], 0)) == 4
        finally:
            side.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
