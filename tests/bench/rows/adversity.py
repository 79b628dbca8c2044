"""Rows about what a running system meets: limits, clocks, disks, cables, locks of others."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dsmq_nodes import Node
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import NO_SHM
from dsmq_nodes.dsmq.client import Client
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import ConnectionFailedError, RequestRefusedError
from dsmq_nodes.messages.dsmq_msgs import Graph
from dsmq_nodes.messages.std import String
from tests.bench.harness.processes import Broker
from tests.bench.harness.row import Row
from tests.dsmq.servers import OURS, is_locked, serving
from tests.launcher.running import gone, launched, write_launch
from tests.support.network import Network, why_none

_PATIENCE_SEC: Final = 40.0
_TOPIC: Final = "/bench/adversity"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    held_sec: float = 0.4
    after_sec: float = 60.0
    terminations: int = 10
    skip_cable: bool = False  # it takes as long as a dead peer may be taken for a silent one


FULL: Final = Scale()
QUICK: Final = Scale(after_sec=0.5, terminations=1, skip_cable=True)


def _not_tried(row: Row, why: str) -> Row:
    row.met, row.measured = False, f"not tried: {why}"
    return row


def descriptors(_: Scale) -> Row:
    """More connections than file descriptors."""
    row = Row("file descriptor limit 64, 80 connections", "refused, back <= 1 s after they go")
    import resource  # noqa: PLC0415  not everywhere

    with Broker() as broker, Client("127.0.0.1", broker.port) as honest:
        broker.usage.rlimit(resource.RLIMIT_NOFILE, (64, 64))
        crowd = [socket.create_connection(("127.0.0.1", broker.port), 10.0) for _ in range(80)]
        # Nothing tells when it has seen all of them: one that it keeps answers nothing.
        refused = sum(_ends(sock) for sock in reversed(crowd))
        honest.put(_TOPIC, "x", ack=True)
        for sock in crowd:
            sock.close()
        took_sec = _until(lambda: _is_served(broker.port))
    row.expect(int(refused < 10), "is how many were not refused in time")
    row.met = row.met and took_sec <= 1.0
    row.measured = (
        f"{refused} refused, those before served, a new one after {took_sec * 1e3:.0f} ms"
    )
    return row


def _ends(sock: socket.socket) -> bool:
    sock.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        try:
            return not sock.recv(1)
        except ConnectionResetError:
            return True
    return False


def _is_served(port: int) -> bool:
    with contextlib.suppress(ConnectionFailedError, OSError):
        with Client("127.0.0.1", port) as client:
            client.put(_TOPIC, "x", ack=True)
        return True
    return False


def _until(condition: Callable[[], bool]) -> float:
    """How long it takes until something is so."""
    began_sec = time.monotonic()
    while not condition() and time.monotonic() - began_sec < _PATIENCE_SEC:
        time.sleep(0.005)
    return time.monotonic() - began_sec


def port_in_use(_: Scale) -> Row:
    """A second broker on a port."""
    row = Row("a port in use", "said, exit status not 0, <= 1 s")
    with Broker() as broker:
        command = [sys.executable, "-m", "dsmq_nodes", "broker", "--port", str(broker.port)]
        began_sec = time.monotonic()
        second = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_SEC, check=False
        )
        took_sec = time.monotonic() - began_sec
    row.expect(int(second.returncode == 0), "as exit status")
    row.expect(int("is in use" not in second.stderr), "second brokers that did not say why")
    row.met = row.met and took_sec <= 1.0
    row.measured = f"exit status {second.returncode} after {took_sec:.2f} s, the port named"
    return row


def clock(_: Scale) -> Row:
    """A wall clock that is stepped and stands still."""
    row = Row("clock -1 h, +1 h, frozen: 100 messages each", "0 lost, in order")
    found = []
    for orders in (["step -3600"], ["step 3600"], ["freeze"]):
        with (
            serving(OURS) as server,
            Client("127.0.0.1", server.port) as reader,
            Client("127.0.0.1", server.port) as writer,
        ):
            reader.get(_TOPIC)
            for number in range(100):
                if number == 50:
                    for order in orders:
                        server.tell(order)
                writer.put(_TOPIC, str(number), ack=True)
            got = [reader.get(_TOPIC) for _ in range(100)]
        row.expect(sum(each == "" for each in got), f"lost with {orders[0]}")
        row.expect(int(got != sorted(got, key=lambda text: int(text or 0))), "times out of order")
        found.append(f"{sum(each != '' for each in got)}")
    row.measured = f"{', '.join(found)} of 100 got, order kept"
    return row


def half_open(scale: Scale) -> Row:
    """A client whose cable is pulled."""
    row = Row("a client's cable is pulled", "dropped within about 11 s, twice 5 s")
    if scale.skip_cable:
        return _not_tried(row, "it takes too long")
    if why := why_none():
        return _not_tried(row, f"no network can be made here ({why})")
    with contextlib.closing(Network()) as network:
        row.measured, row.met = _pull(network)
    return row


def _pull(network: Network) -> tuple[str, bool]:
    base, robot = network.host(), network.host()
    with base.entered(), Broker("--host", base.address, "--insecure") as broker:
        watch = ClientConnection(base.address, broker.port)
        with robot.entered():
            far = ClientConnection(base.address, broker.port, node="/far")
        with contextlib.closing(watch), contextlib.closing(far):
            watch.send(wire.encode_object({"action": "subscribe", "topic": "/dsmq/graph"}))
            watch.socket.settimeout(_PATIENCE_SEC)
            _wait_for_peer(watch, there=True)
            robot.lose(100)
            began_sec = time.monotonic()
            _wait_for_peer(watch, there=False)
            took_sec = time.monotonic() - began_sec
    return f"dropped after {took_sec:.1f} s", took_sec < 20


def _wait_for_peer(watch: ClientConnection, *, there: bool) -> None:
    while True:
        reply = watch.receive()
        if reply.event == "message" and reply.text is not None:
            peers = {peer.name for peer in Graph.from_json(reply.text).peers}
            if ("/far" in peers) == there:
                return


def disk(_: Scale) -> Row:
    """A store on a disk of 1 MB."""
    row = Row("store on a disk of 1 MB, filled", "puts go on, the newest are read")
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            return _not_tried(row, "this user may not mount")
        try:
            store = str(Path(folder, "queue.db"))
            with Broker("--store", store) as broker:
                _fill(row, broker)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
    return row


def _fill(row: Row, broker: Broker) -> None:
    with (
        Client("127.0.0.1", broker.port) as writer,
        Client("127.0.0.1", broker.port) as reader,
    ):
        reader.get(_TOPIC)
        taken = sum(_is_taken(writer, number) for number in range(200))
        row.expect(200 - taken, "puts refused")
        found = []
        while text := reader.get(_TOPIC):
            found.append(int(text.split()[0]))
        is_newest = bool(found) and found == [*range(found[0], 200)]
        row.expect(int(not is_newest), "times others were read than the newest")
        row.expect(int(len(found) == 200), "full disks that held everything")
    row.measured = f"200 puts of 10 kB taken, the newest {len(found)} read"


def _is_taken(client: Client, number: int) -> bool:
    with contextlib.suppress(RequestRefusedError):
        client.put(_TOPIC, f"{number} " + "x" * 10_000, ack=True)
        return True
    return False


def told_to_end(scale: Scale) -> Row:
    """A launch that is sent SIGTERM, with processes that do not listen."""
    row = Row(
        "launch told to end (SIGTERM), one process deaf", "all gone <= 10 s, grandchildren too"
    )
    slowest_sec = 0.0
    for _ in range(scale.terminations):
        with tempfile.TemporaryDirectory() as folder:
            nodes = {"hider": "robot:Daemon", "talker": "robot:Talker", "parent": "robot:Parent"}
            with launched(write_launch(Path(folder), nodes)) as launch:
                launch.wait_for("all nodes ready")
                pids = launch.pids() | {launch.guard_pid()}
                began_sec = time.monotonic()
                launch.process.send_signal(signal.SIGTERM)
                launch.end()
                row.expect(int(not gone(pids, _PATIENCE_SEC)), "launches that have left something")
                slowest_sec = max(slowest_sec, time.monotonic() - began_sec)
    row.measured = f"all gone after {slowest_sec:.1f} s at most, {scale.terminations} times"
    row.met = row.met and slowest_sec <= 10
    return row


def poison(scale: Scale) -> Row:
    """Somebody holds the lock of a store, or of a topic's shared memory, then is idle."""
    row = Row(
        f"a lock held {scale.held_sec * 1e3:.0f} ms during puts, then {scale.after_sec:g} s idle",
        "the store's cannot be had; other topics unaffected, the topic's own losses counted",
    )
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder, "queue.db"))
        with Broker("--store", store) as broker, Client("127.0.0.1", broker.port) as client:
            client.put(_TOPIC, "x", ack=True)
            row.expect(int(not is_locked(store)), "store's locks to be had by others")
    row.measured = "store: nobody else can lock it; " + _hold_ring(row, scale)
    return row


def _hold_ring(row: Row, scale: Scale) -> str:
    if os.environ.get(NO_SHM) or not Path("/dev/shm").is_dir():
        return "shared memory: there is none"
    with ExitStack() as stack:
        broker = stack.enter_context(Broker())
        address = ("127.0.0.1", broker.port)
        writer = stack.enter_context(Node("writer", broker=address))
        other = stack.enter_context(Node("other", broker=address))
        held = writer.create_publisher(String, "held", 10)
        free = other.create_publisher(String, "free", 10)
        ring = held.publication.writer
        if ring is None:
            return "shared memory: not to be had here"
        file = os.open(ring.ring.path, os.O_RDWR)
        stack.callback(os.close, file)
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(scale.held_sec, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        until_sec = time.monotonic() + scale.held_sec
        slowest_ms = 0.0
        while time.monotonic() < until_sec:
            held.publish(String(data="x"))
            began_sec = time.perf_counter()
            free.publish(String(data="x"))
            slowest_ms = max(slowest_ms, (time.perf_counter() - began_sec) * 1e3)
        lost = held.dropped
        threading.Event().wait(scale.after_sec)
        for publisher in (held, free):
            publisher.publish(String(data="x"))
        row.expect(held.dropped - lost + free.dropped, "lost that were not to be")
        row.met = row.met and slowest_ms < 50
        found = _kept(broker.port, "/held"), _kept(broker.port, "/free")
    row.expect(
        held.messages - held.dropped - found[0], "of the held topic neither kept nor counted"
    )
    row.expect(free.messages - found[1], "of another topic not kept")
    return (
        f"shared memory: {lost} of {held.messages} dropped and counted, on another topic none of "
        f"{free.messages}, slowest publish {slowest_ms:.1f} ms"
    )


def _kept(port: int, topic: str) -> int:
    """How many messages a broker has of a topic."""
    channel = ClientConnection("127.0.0.1", port)
    with contextlib.closing(channel):
        fields = {"action": "subscribe", "topic": topic, "after": 0, "epoch": channel.epoch}
        channel.send(wire.encode_object(fields))
        return int(channel.receive().id)
