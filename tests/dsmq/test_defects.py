"""Each measured defect of dsmq 0.7.0: the same scene on its server, which fails, and on ours.

A scene gives what was seen; `right` is what a queue should show.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dsmq import dsmq as original  # type: ignore[import-untyped]

from dsmq_nodes.dsmq import wire
from tests.dsmq.conftest import Broker, Start, subscribe
from tests.dsmq.servers import CONTROL, ORIGINAL, OURS, Server, is_locked, serving
from tests.support import processes
from tests.support.reserved import free_port
from tests.support.waiting import PATIENCE_SEC

HANGS_SEC = 1.0  # who has not answered until then is taken to hang; only the original does


def seen_by(server: Server, scene: Callable[[Server], object]) -> object:
    try:
        return scene(server)
    except (OSError, ValueError, RuntimeError) as error:  # its client has no better words
        return type(error).__name__


def split_frame(server: Server) -> object:
    """A `get` that arrives in two halves."""
    frame = wire.encode_object({"action": "get", "topic": "t"})
    with server.raw(HANGS_SEC) as sock, server.client() as other:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(frame[:30])
        for _ in range(3):
            other.get("elsewhere")  # so that the server has seen the first half
        sock.sendall(frame[30:])
        return sock.recv(1000)


def large_frame(server: Server) -> object:
    """A put of 300 kB, which no single `recv` gives."""
    with server.client(HANGS_SEC) as client:
        client.put("t", "x" * 300_000)
        return len(our_get(client.dsmq_conn, "t"))


def our_get(sock: socket.socket, topic: str) -> str:
    """A `get` whose answer may come in pieces, as the original's client cannot take it."""
    original._send_message(sock, {"action": "get", "topic": topic})
    decoder = wire.FrameDecoder()
    while data := sock.recv(65536):
        for body in decoder.feed(data):
            return str(json.loads(body)["message"])
    raise ConnectionResetError


def put_and_get(server: Server, *steps: str) -> list[str]:
    """Put a message after each step of the clock; what a reader gets that was there before."""
    with server.client() as reader, server.client() as writer:
        got = []
        for number, step in enumerate(steps):
            if step:
                server.tell(step)
            writer.put("t", str(number))
            writer.get("elsewhere")  # now it is in
            got.append(reader.get("t"))
        return got


def equal_times(server: Server) -> object:
    """The clock stands still."""
    return put_and_get(server, "", "freeze", "", "", "")


def an_hour_back(server: Server) -> object:
    return put_and_get(server, "", "step -3600", "", "")


def an_hour_on_and_back(server: Server) -> object:
    return put_and_get(server, "", "step 3600", "step 0", "")


def bad_frame(server: Server) -> object:
    """Who sends garbage is to be told so, by the end of the connection."""
    with server.raw(HANGS_SEC) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return sock.recv(1) == b""


def connect_race(server: Server) -> object:
    """Connected before a put, accepted after it: the put is for this reader too."""
    missed = 0
    with server.client() as writer:
        writer.dsmq_conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(20):
            server.process.send_signal(signal.SIGSTOP)
            with server.raw() as reader:
                writer.put(f"t{number}", "x")
                server.process.send_signal(signal.SIGCONT)
                writer.get("elsewhere")
                missed += our_get(reader, f"t{number}") != "x"
    return missed


def idle_connections(server: Server) -> object:
    """What 30 connections cost in threads."""
    with server.client() as first:
        before = server.usage.num_threads()
        crowd = [server.raw() for _ in range(30)]
        with server.client():  # accepted after them
            first.get("t")
            found = server.usage.num_threads() - before
        for sock in crowd:
            sock.close()
    return found


def out_of_descriptors(server: Server) -> object:
    """More connections than file descriptors; then they go, and somebody comes."""
    resource = pytest.importorskip("resource")
    server.usage.rlimit(resource.RLIMIT_NOFILE, (40, 40))
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(server.raw()) for _ in range(60)]
        for sock in select.select(crowd, [], [], HANGS_SEC)[0][:1] or crowd[-1:]:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""  # there is no room for all
    until = time.monotonic() + HANGS_SEC
    while time.monotonic() < until:
        try:
            with server.raw(HANGS_SEC) as sock:
                return our_get(sock, "t")
        except ConnectionResetError:  # the crowd is still being let go
            continue
    raise TimeoutError


def end_with_a_client(server: Server) -> object:
    """Ctrl-C while somebody is connected."""
    with server.client():
        server.process.send_signal(signal.SIGINT)
        try:
            server.process.wait(HANGS_SEC if "start_server" in str(server.process.args) else 20.0)
        except subprocess.TimeoutExpired:
            return "goes on"
    return "ended"


@dataclass(frozen=True)
class Defect:
    scene: Callable[[Server], object]
    right: object


NOTHING = b'{"msg_length": 1000015}{"message": ""}'
DEFECTS = [
    Defect(split_frame, NOTHING),
    Defect(large_frame, 300_000),
    Defect(equal_times, ["0", "1", "2", "3", "4"]),
    Defect(an_hour_back, ["0", "1", "2", "3"]),
    Defect(an_hour_on_and_back, ["0", "1", "2", "3"]),
    Defect(bad_frame, True),
    Defect(connect_race, 0),
    Defect(idle_connections, 0),
    Defect(out_of_descriptors, ""),
    Defect(end_with_a_client, "ended"),
]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.scene.__name__)
def test_the_original_fails_and_we_do_not(defect: Defect) -> None:
    with serving(ORIGINAL) as theirs:
        assert seen_by(theirs, defect.scene) != defect.right
    with serving(OURS) as ours:
        assert seen_by(ours, defect.scene) == defect.right


def test_a_put_under_a_lock_is_lost_there_and_nothing_locks_here(
    start: Start, tmp_path: Path
) -> None:
    with serving(ORIGINAL) as theirs, theirs.client() as writer, theirs.client() as reader:
        theirs.tell("lock")
        writer.put("t", "during contention")
        writer.get("elsewhere")  # it has tried five times and given up
        theirs.tell("unlock")
        assert reader.get("t") == ""
    store = str(tmp_path / "queue.db")
    broker = start("--store", store)
    with broker.connect() as client:
        client.put("t", "before", ack=True)
        assert is_locked(store)
        threads = [threading.Thread(target=put_many, args=(broker, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SEC)
        found = [client.get("contended") for _ in range(401)]
    assert found[-1] == ""
    for number in range(4):
        mine = [each for each in found if each.startswith(f"{number} ")]
        assert mine == [f"{number} {count}" for count in range(100)]


def put_many(broker: Broker, number: int) -> None:
    with broker.connect() as client:
        for count in range(99):
            client.put("contended", f"{number} {count}")
        client.put("contended", f"{number} 99", ack=True)


def test_what_is_past_its_time_is_delivered_there_and_not_here(start: Start) -> None:
    """The original purges what is older than its last purge: up to twice the time to live."""
    with serving(ORIGINAL) as theirs, theirs.client() as writer, theirs.client() as reader:
        writer.put("t", "601 s old")
        writer.get("elsewhere")
        theirs.tell("step 601")
        writer.put("other", "has it purge")
        writer.get("elsewhere")
        assert reader.get("t") == "601 s old"
    broker = start("--ttl", "0.5")
    with broker.connect() as client:
        client.put("t", "old", ack=True)
        tool = broker.channel()
        subscribe(tool, "/dsmq/statistics")
        kept = -1
        while kept:
            reply = tool.receive()
            topics = json.loads(reply.text or "{}").get("topics", [])
            kept = sum(each["kept"] for each in topics if each["name"] == "t")
        assert client.get("t", None) is None
        tool.close()


def test_a_client_that_threads_share_mixes_answers_up_there(broker: Broker) -> None:
    """Ours: test_client.py."""
    client = original.connect_to_server("127.0.0.1", broker.port)
    client.dsmq_conn.settimeout(HANGS_SEC)
    wrong: list[object] = []

    def work(topic: str) -> None:
        until = time.monotonic() + PATIENCE_SEC
        try:
            while not wrong and time.monotonic() < until:
                client.put(topic, topic)
                if (found := client.get(topic)) not in {topic, ""}:
                    wrong.append(found)
        except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_SEC)
    client.dsmq_conn.close()
    assert wrong


@pytest.mark.parametrize(("program", "survives"), [(ORIGINAL, False), (OURS, True)])
def test_nobody_reads_what_it_prints(program: str, survives: bool) -> None:
    """The original prints a line for every connection, and dies of a closed pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    port = free_port()
    server = processes.Popen(
        [sys.executable, "-c", CONTROL + program, str(port)],
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    os.close(writing)
    until = time.monotonic() + PATIENCE_SEC
    answer: Any = None
    while server.poll() is None and not answer and time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE_SEC) as sock:
                sock.sendall(wire.encode_object({"action": "get", "topic": "t"}))
                answer = sock.recv(1000)
        except ConnectionError:
            continue
    assert (answer == NOTHING) == survives
    assert (server.poll() is None) == survives
    server.kill()
    server.communicate()


def test_a_port_in_use_is_a_traceback_there() -> None:
    """Ours: one line that says what to do, in test_broker.py."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "dsmq.dsmq", "127.0.0.1", str(taken.getsockname()[1])]
        found = processes.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" in found.stderr
