"""The original's server and our broker as processes, whose clock and locks a test holds."""

import contextlib
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any, Final

import psutil
from dsmq import dsmq as original  # type: ignore[import-untyped]

from dsmq_nodes.dsmq import wire
from tests.support import processes
from tests.support.reserved import free_port
from tests.support.waiting import PATIENCE_SEC, until

CONTROL: Final = """
import sqlite3, sys, threading, time
offset_sec, frozen_sec, real, held = 0.0, None, time.time, []

def now():
    return real() + offset_sec if frozen_sec is None else frozen_sec

def obey():
    global offset_sec, frozen_sec
    for line in sys.stdin:
        word, _, value = line.strip().partition(" ")
        if word == "step":
            offset_sec = float(value)
        elif word == "freeze":
            frozen_sec = now()
        elif word == "lock":  # as another of the original's connections holds it
            held.append(sqlite3.connect("file:mem1?mode=memory&cache=shared", isolation_level=None,
                                        check_same_thread=False))
            held[0].execute("BEGIN IMMEDIATE")
            held[0].execute("INSERT INTO messages VALUES (0, 'lock', '')")
        elif word == "unlock":
            held.pop().execute("ROLLBACK")
        print("obeyed", flush=True)

time.time, time.time_ns = now, lambda: int(now() * 1e9)
threading.Thread(target=obey, daemon=True).start()
port = int(sys.argv[1])
"""
ORIGINAL: Final = "from dsmq import dsmq; dsmq.start_server('127.0.0.1', port)"
OURS: Final = """
from dsmq_nodes.dsmq.broker.serve import Options, run
run(Options(port=port))
"""


class Server:
    """A server whose wall clock can be stepped and frozen."""

    def __init__(self, program: str) -> None:
        self.port = free_port()
        self.process = processes.Popen(
            [sys.executable, "-u", "-c", CONTROL + program, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.usage = psutil.Process(self.process.pid)
        until(self._listens, "the server to listen")

    def _listens(self) -> bool:
        assert self.process.poll() is None
        # Not by connecting: the original's accept loop keeps the last connection that has ended.
        return any(each.status == psutil.CONN_LISTEN for each in self.usage.net_connections())

    def tell(self, command: str) -> None:
        """Have the clock, or the lock, be otherwise."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        while "obeyed" not in (line := self.process.stdout.readline()):
            assert line, "the server has ended"

    def raw(self, timeout_sec: float = PATIENCE_SEC) -> socket.socket:
        """A connection that has said nothing."""
        return socket.create_connection(("127.0.0.1", self.port), timeout_sec)

    @contextlib.contextmanager
    def client(self, timeout_sec: float = PATIENCE_SEC) -> Iterator[Any]:
        """The original's client, known to the server."""
        client = original.connect_to_server("127.0.0.1", self.port)
        client.dsmq_conn.settimeout(timeout_sec)
        try:
            client.get("hello")
            yield client
        finally:
            client.dsmq_conn.close()

    def close(self) -> None:
        """End it, however stuck it is."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def serving(program: str) -> Iterator[Server]:
    """A server for some lines."""
    server = Server(program)
    try:
        yield server
    finally:
        server.close()


def is_locked(path: str) -> bool:
    """Whether nobody else can write to a database."""
    with contextlib.closing(sqlite3.connect(path, timeout=0.0)) as intruder:
        try:
            intruder.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
    return False


@contextlib.contextmanager
def flooding(frame: dict[str, object]) -> Iterator[int]:
    """The port of a server that greets as a broker does, and then sends a frame without end."""
    hello = {"event": "hello", "version": 1, "epoch": "e", "at": time.monotonic_ns()}
    greeting = wire.encode_object(hello) + wire.encode_object({"message": "", "empty": True})
    many = wire.encode_object(frame) * 500
    until_sec = time.monotonic() + PATIENCE_SEC

    def serve() -> None:
        with contextlib.suppress(OSError), server.accept()[0] as connection:
            connection.sendall(greeting)
            while time.monotonic() < until_sec:
                connection.sendall(many)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()
