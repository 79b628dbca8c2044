"""Real brokers, in processes of their own, on ports of their own."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC


class Broker:
    """A broker process on a port of its own."""

    def __init__(
        self, *options: str, env: dict[str, str] | None = None, stderr: int = subprocess.PIPE
    ) -> None:
        self.process = processes.Popen(
            [sys.executable, "-m", "dsmq_nodes.dsmq.broker", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r":(\d+)(?: \(unix (.*)\))?$", line.strip())
        self.port = int(found[1]) if found else 0
        self.unix = Path(found[2] or "") if found else Path()

    def connect(self) -> dsmq.Client:
        return dsmq.connect_to_server("127.0.0.1", self.port)

    def channel(self, node: str = "") -> ClientConnection:
        """A connection that speaks frames; it waits for answers within the deadline."""
        channel = ClientConnection("127.0.0.1", self.port, node=node, timeout_sec=PATIENCE_SEC)
        channel.socket.settimeout(PATIENCE_SEC)
        return channel

    def raw(self) -> socket.socket:
        """A TCP connection that has said nothing."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_SEC)

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Its exit status and what it said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_SEC)
        return self.process.returncode, said


Start = Callable[..., Broker]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Broker] = []

    def begin(*options: str, stderr: int = subprocess.PIPE, **env: str) -> Broker:
        started.append(Broker(*options, env=env, stderr=stderr))
        return started[-1]

    yield begin
    for broker in started:
        broker.end(signal.SIGKILL)


@pytest.fixture
def broker(start: Start) -> Broker:
    """A broker for this test alone."""
    return start()


def subscribe(channel: ClientConnection, topic: str, **options: object) -> wire.Reply:
    """Subscribe, and the broker's answer."""
    channel.send(wire.encode_object({"action": "subscribe", "topic": topic, **options}))
    return channel.receive()


def put(channel: ClientConnection, topic: str, message: str, seq: int = 0) -> None:
    channel.send(wire.encode_put(wire.encode_text(topic), seq, 0, wire.encode_text(message)))
