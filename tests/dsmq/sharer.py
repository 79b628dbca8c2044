"""A peer that shares memory, by hand."""

import os
from pathlib import Path

import pytest

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import NO_SHM
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.ring import leftovers
from dsmq_nodes.dsmq.ring.reader import Bell, RingReader
from dsmq_nodes.dsmq.ring.ring import Ring
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from tests.support.waiting import PATIENCE_SEC

needs_shared_memory = pytest.mark.skipif(
    not leftovers.PLACE.is_dir() or bool(os.environ.get(NO_SHM)),
    reason=f"no shared memory on this system, or {NO_SHM} is set",
)


class Sharer:
    """One peer."""

    def __init__(self, port: int, name: str) -> None:
        self.channel = ClientConnection("127.0.0.1", port, node=name, shm=True)
        self.name = name
        assert self.channel.memory is not None
        directory, number = self.channel.memory
        self.directory = Path(directory)
        self.bell = Bell(self.directory, number)
        self.doorbells = Doorbells(self.directory)
        self.rings: list[Ring] = []

    def ask(self, **fields: object) -> wire.Reply:
        self.channel.send(wire.encode_object(fields))
        self.channel.socket.settimeout(PATIENCE_SEC)
        return self.channel.receive()

    def writer(self, topic: str, latched: int = 0) -> Writer:
        reply = self.ask(action="advertise", topic=topic, type="T", latched=latched, shm=True)
        assert reply.event == "advertised"
        ring = Ring(Path(reply.ring))
        self.rings.append(ring)
        return Writer(ring, self.name, self.doorbells)

    def reader(self, topic: str, depth: int = 1000) -> RingReader:
        """Subscribe a topic that is shared, and nothing of it latched."""
        assert self.ask(action="subscribe", topic=topic, depth=depth, shm=True).event == (
            "subscribed"
        )
        return self.seated(depth)

    def seated(self, depth: int = 1000) -> RingReader:
        reply = self.channel.receive()
        assert reply.event == "ring", reply
        ring = Ring(Path(reply.ring))
        self.rings.append(ring)
        return RingReader(ring, reply.seat, Cursor(reply.id, depth))

    def close(self) -> None:
        for ring in self.rings:
            ring.close()
        self.bell.close()
        self.doorbells.close()
        self.channel.close()
