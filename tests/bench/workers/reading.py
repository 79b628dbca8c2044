"""A worker that subscribes: each topic it is given over a connection of its own.

Loss and order are by the publisher's `seq` in each push, from 1; what the broker says of gaps is
summed beside it, and the two have to agree.
"""

import os
import selectors
import statistics
import time
from array import array
from typing import Any

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from tests.bench.workers.worker import options, say


class Reader:
    """One subscription and what it has seen."""

    def __init__(self, port: int, topic: str, depth: int) -> None:
        channel = ClientConnection("127.0.0.1", port)
        channel.send(wire.encode_object({"action": "subscribe", "topic": topic, "depth": depth}))
        while channel.receive().event != "subscribed":
            pass
        self.socket = channel.socket
        self.socket.setblocking(False)
        self.decoder = wire.FrameDecoder()
        self.received = self.last_seq = self.missing = self.told = self.repeated = 0
        self.latencies_ns: dict[int, array[int]] = {}  # by the second they arrived in
        self.first_sent_ns = self.last_arrived_ns = 0

    def read(self) -> bool:
        """Take in what has come; whether the connection is still there."""
        try:
            data = self.socket.recv(64 * 1024)
        except BlockingIOError:
            return True
        now_ns = time.perf_counter_ns()
        latencies_ns = self.latencies_ns.setdefault(now_ns // 10**9, array("q"))
        for body in self.decoder.feed(data):
            push = wire.decode_reply(body)
            latencies_ns.append(now_ns - push.stamp)
            self.received += 1
            if push.gap:
                self.told += push.gap
            if push.seq == self.last_seq + 1:
                self.last_seq = push.seq
            elif push.seq <= self.last_seq:
                self.repeated += 1
            else:
                self.missing += push.seq - self.last_seq - 1
                self.last_seq = push.seq
            self.first_sent_ns = self.first_sent_ns or push.stamp
        self.last_arrived_ns = now_ns
        return bool(data)


def report(readers: list[Reader]) -> dict[str, Any]:
    """The figures of all readers; latencies are those since the last `reset`."""
    latencies_us = sorted(
        each / 1000
        for reader in readers
        for window in reader.latencies_ns.values()
        for each in window
    )
    windows = [
        sorted(window)[len(window) * 99 // 100] / 1000
        for reader in readers
        for window in reader.latencies_ns.values()
        if len(window) >= 100
    ]
    return {
        "received": [reader.received for reader in readers],
        "last_seq": [reader.last_seq for reader in readers],
        "missing": [reader.missing for reader in readers],
        "told": [reader.told for reader in readers],
        "repeated": sum(reader.repeated for reader in readers),
        "p50_us": latencies_us[len(latencies_us) // 2] if latencies_us else 0.0,
        "p99_us": latencies_us[len(latencies_us) * 99 // 100] if latencies_us else 0.0,
        # The median second's p99: of use where two stretches of a noisy machine are compared.
        "window_p99_us": statistics.median(windows) if windows else 0.0,
        "first_sent_ns": min(reader.first_sent_ns for reader in readers),
        "last_arrived_ns": max(reader.last_arrived_ns for reader in readers),
    }


def main() -> None:
    given = options()
    readers = [Reader(given["port"], topic, depth) for topic, depth in given["topics"]]
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        for reader in readers:
            selector.register(reader.socket, selectors.EVENT_READ, reader)
        say("ready")
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    if not key.data.read():
                        selector.unregister(key.fileobj)
                elif not answer(readers, os.read(0, 4096)):
                    return


def answer(readers: list[Reader], command: bytes) -> bool:
    """Carry out a command; False: the benchmark has ended."""
    if not command:
        return False
    match command.decode().strip():
        case "seen":
            say(sum(reader.received + reader.missing for reader in readers))
        case "reset":
            for reader in readers:
                reader.latencies_ns = {}
            say("reset")
        case _:
            say(report(readers))
    return True


if __name__ == "__main__":
    main()
