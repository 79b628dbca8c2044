"""The broker as its peers meet it: real sockets, a real process."""

import contextlib
import errno
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.dsmq.broker.closings import Closings
from dsmq_nodes.dsmq.broker.listener import Security, tcp_listener
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import ConnectionFailedError, NodeNameTakenError, RequestRefusedError
from tests.dsmq.conftest import Broker, Start, put, subscribe
from tests.dsmq.hostile import HOSTILE, framed
from tests.support import processes
from tests.support.ipv6 import needs_ipv6
from tests.support.waiting import PATIENCE_SEC


def closed_by_peer(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE.keys())
def test_who_does_not_speak_the_protocol_is_dropped_and_nobody_else_notices(
    broker: Broker, words: bytes
) -> None:
    honest = broker.channel()
    subscribe(honest, "honest")
    with broker.raw() as stranger:
        put(honest, "honest", "before")
        stranger.sendall(words)
        assert closed_by_peer(stranger)
    put(honest, "honest", "after")
    assert [honest.receive().text for _ in range(2)] == ["before", "after"]
    honest.close()
    status, said = broker.end()
    assert status == 0
    assert said.count("\n") == 1, "one line of log, whatever came"
    assert "\x1b" not in said


def test_a_log_that_nobody_reads_stops_nobody(start: Start) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(write_end, b"x" * 65536):
            pass
    os.set_blocking(write_end, True)
    broker = start(stderr=write_end)
    os.close(write_end)
    for _ in range(3):
        with broker.raw() as stranger:
            stranger.sendall(HOSTILE["http"])
            assert closed_by_peer(stranger)
    honest = broker.channel()
    subscribe(honest, "honest")
    put(honest, "honest", "after")
    assert honest.receive().text == "after"
    honest.close()
    broker.process.send_signal(signal.SIGTERM)
    assert broker.process.wait(PATIENCE_SEC) == 0
    os.close(read_end)


def test_what_a_peer_sent_before_it_closed_is_carried_out(broker: Broker) -> None:
    """It waits for no answer, and the broker finds out when it writes one."""
    reader = broker.channel()
    subscribe(reader, "t", depth=1000)
    request = wire.encode_object({"action": "put", "topic": "t", "message": "x" * 8000})
    broker.process.send_signal(signal.SIGSTOP)
    sent = 0
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sock.connect(str(broker.unix))
        sock.sendall(wire.encode_object({"action": "get", "topic": "t"}))
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while sent < 400 and sock.send(request) == len(request):
                sent += 1
    broker.process.send_signal(signal.SIGCONT)
    for _ in range(sent):
        reader.receive()
    reader.close()


def test_a_peer_that_reads_nothing_and_never_stops_holds_up_nobody(broker: Broker) -> None:
    request = wire.encode_object({"action": "get", "topic": "t"})
    ended = threading.Event()

    def flood(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not ended.is_set():
                sock.sendall(request * 100)

    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(broker.unix))
        sock.shutdown(socket.SHUT_RD)
        flooding = threading.Thread(target=flood, args=(sock,))
        flooding.start()
        try:
            honest = broker.channel()
            subscribe(honest, "honest")
            put(honest, "honest", "heard")
            assert honest.receive().text == "heard"
            honest.close()
            flooding.join(PATIENCE_SEC)
            assert not flooding.is_alive(), "its connection is ended"
        finally:
            ended.set()
            broker.process.kill()
            flooding.join()


def test_two_hundred_hostile_connections_cost_little_memory(broker: Broker) -> None:
    process = psutil.Process(broker.process.pid)
    with broker.raw() as first:
        first.sendall(HOSTILE["http"])
        assert closed_by_peer(first)
    before = process.memory_info().rss
    for number in range(200):
        with broker.raw() as stranger:
            stranger.sendall([*HOSTILE.values()][number % len(HOSTILE)])
            assert closed_by_peer(stranger)
        with broker.raw() as stranger:
            stranger.sendall(b'{"msg_length": 9999999}{"action": "put"')  # and is gone
    assert process.memory_info().rss - before < 20_000_000


@pytest.mark.parametrize("half", [b'{"msg_le', b'{"msg_length": 1000123}{"act'])
def test_half_a_frame_is_waited_for_two_seconds(broker: Broker, half: bytes) -> None:
    with broker.raw() as slow, broker.raw() as idle:
        slow.sendall(half)
        assert closed_by_peer(slow)
        idle.settimeout(0.2)
        with pytest.raises(TimeoutError):
            idle.recv(1)


def test_a_reader_that_sleeps_costs_others_nothing_and_learns_what_it_missed(
    broker: Broker,
) -> None:
    sleeper, reader, writer = broker.channel(), broker.channel(), broker.channel()
    subscribe(sleeper, "t", depth=10)
    subscribe(reader, "t")
    count = 5000
    for seq in range(1, count + 1):
        put(writer, "t", "x" * 1000, seq)
        assert reader.receive().seq == seq
    received, gaps, last = 0, 0, 0
    while last < count:
        reply = sleeper.receive()
        assert reply.seq == last + 1 + reply.gap, "a gap is told where it is, to the message"
        received, gaps, last = received + 1, gaps + reply.gap, reply.seq
    assert received + gaps == count
    assert gaps > 0
    for channel in (sleeper, reader, writer):
        channel.close()


def test_who_does_not_read_its_answers_is_not_served_without_bound(broker: Broker) -> None:
    process = psutil.Process(broker.process.pid)
    channel = broker.channel()
    channel.send(wire.encode_object({"action": "put", "topic": "t", "message": "x" * 100_000}))
    before = process.memory_info().rss
    get = wire.encode_object({"action": "get", "topic": "t", "after": 0, "epoch": channel.epoch})
    channel.socket.settimeout(1.0)
    with pytest.raises(TimeoutError):
        channel.socket.sendall(get * 200_000)
    assert process.memory_info().rss - before < 20_000_000
    channel.close()


def test_a_client_killed_in_mid_frame_leaves_nothing(broker: Broker) -> None:
    process = psutil.Process(broker.process.pid)
    with broker.connect() as client:
        client.get("t")
        before = process.num_fds()
        for _ in range(50):
            sock = broker.raw()
            sock.sendall(b'{"msg_length": 1500000}{"action": "put", ')
            # A reset, as of a process that was killed with data unread.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        until = time.monotonic() + PATIENCE_SEC
        while process.num_fds() > before:
            assert time.monotonic() < until
            client.get("t")


def test_who_has_connected_sees_what_is_put_after(broker: Broker) -> None:
    """The original missed 184 of 200 when it was busy."""
    with broker.connect() as writer:
        for number in range(200):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(PATIENCE_SEC)
                sock.connect(str(broker.unix))
                writer.put("t", str(number), ack=True)
                sock.sendall(framed(b'{"action": "get", "topic": "t"}'))
                body = json.dumps({"message": str(number)}).encode()
                assert sock.recv(1000) == framed(body)


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that says this to the first that says anything, and closes; its port."""

    def serve() -> None:
        try:
            peer, _ = taken.accept()
        except OSError:  # the test was skipped, and nobody came
            return
        with peer:
            peer.recv(1000)
            peer.sendall(answer)
            peer.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while peer.recv(1000):  # a connection closed with something unread is reset
                    pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield taken.getsockname()[1]
        finally:
            taken.shutdown(socket.SHUT_RDWR)  # else `accept` would wait on
            thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_said_with_who_has_it(broker: Broker, start: Start, host: str) -> None:
    second = start("--port", str(broker.port), "--host", host, "--insecure")
    status, said = second.end()
    assert status == 1
    assert said == (
        f"port {broker.port} on {host} is in use: a broker runs there already (see `dsmq-nodes "
        f"topic list --broker 127.0.0.1:{broker.port}`); stop it, or choose another with --port\n"
    )


@pytest.mark.parametrize(
    ("answer", "who"),
    [
        (framed(b'{"message": ""}'), "a server of the original dsmq runs there; stop it, or"),
        (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "another program has it, which is no"),
        (b"", "another program has it, or a broker that does not answer (`ss -tlnp 'sport = :"),
    ],
)
def test_a_port_in_use_may_be_of_another_program(start: Start, answer: bytes, who: str) -> None:
    with answering(answer) as port:
        status, said = start("--port", str(port)).end()
    assert status == 1
    assert said.startswith(f"port {port} on 127.0.0.1 is in use: {who}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_told_to_and_says_so_to_its_peers(
    broker: Broker, number: signal.Signals
) -> None:
    channel = broker.channel()
    subscribe(channel, "t")
    put(channel, "t", "last words")
    assert broker.unix.exists()
    assert broker.end(number) == (0, "")
    assert channel.receive().text == "last words"
    with pytest.raises(ConnectionFailedError, match="it was told to stop"):
        channel.receive()
    channel.close()
    assert not broker.unix.exists()


def test_the_socket_of_a_killed_broker_is_no_obstacle(broker: Broker, start: Start) -> None:
    broker.end(signal.SIGKILL)
    assert broker.unix.exists()
    with pytest.raises(ConnectionFailedError, match=f"no broker at 127.0.0.1:{broker.port}"):
        broker.connect()
    again = start("--port", str(broker.port))
    with again.connect() as client:
        client.put("t", "x", ack=True)


def test_a_name_is_had_by_one(broker: Broker) -> None:
    first = broker.channel("/talker")
    with pytest.raises(NodeNameTakenError, match="'/talker' is taken by "):
        broker.channel("/talker")
    first.close()
    until = time.monotonic() + PATIENCE_SEC
    while True:
        try:
            broker.channel("/talker").close()
        except NodeNameTakenError:
            assert time.monotonic() < until
        else:
            break


def test_shutdown_by_a_client(broker: Broker) -> None:
    with broker.connect() as client:
        client.shutdown_server()
    assert broker.process.wait(PATIENCE_SEC) == 0


@needs_ipv6
def test_a_broker_for_ipv6_and_ipv4_knows_a_peer_of_its_own_machine(start: Start) -> None:
    broker = start("--host", "::", "--insecure")
    with broker.connect() as client:
        client.shutdown_server()
    assert broker.process.wait(PATIENCE_SEC) == 0


def test_shutdown_is_not_for_who_never_said_hello(broker: Broker) -> None:
    with broker.raw() as stranger:
        stranger.sendall(framed(b'{"action": "shutdown", "topic": "x"}'))
        stranger.sendall(framed(b'{"action": "get", "topic": "x"}'))
        assert stranger.recv(1000) == framed(b'{"message": ""}')
    assert broker.process.poll() is None


def test_beyond_this_machine_only_with_a_token(start: Start) -> None:
    status, said = start("--host", "0.0.0.0").end()
    assert status == 1
    assert "DSMQ_TOKEN" in said
    assert said.count("\n") == 1


def hello(sock: socket.socket, token: str) -> dict[str, object]:
    fields = {"action": "hello", "topic": "", "version": 1, "token": token}
    sock.sendall(framed(json.dumps(fields).encode()))
    answer = sock.recv(1000)
    found: dict[str, object] = json.loads(answer[23:])
    return found


def test_a_broker_in_a_program_takes_the_token_of_the_environment() -> None:
    program = "from dsmq_nodes import dsmq; dsmq.start_server('0.0.0.0', 0)"
    server = processes.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DSMQ_TOKEN": "secret"},
    )
    try:
        assert server.stdout is not None
        found = re.search(r":(\d+)", server.stdout.readline())
        assert found, server.communicate(timeout=PATIENCE_SEC)[1]
        with socket.create_connection(("127.0.0.1", int(found[1])), PATIENCE_SEC) as guesser:
            assert "wrong token" in str(hello(guesser, "guess")["error"])
        with socket.create_connection(("127.0.0.1", int(found[1])), PATIENCE_SEC) as honest:
            assert hello(honest, "secret")["event"] == "hello"
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE_SEC)


def test_without_the_token_nothing_is_read_and_nothing_taken(start: Start) -> None:
    broker = start("--host", "0.0.0.0", DSMQ_TOKEN="secret")
    with broker.raw() as stranger:
        stranger.sendall(framed(b'{"action": "get", "topic": "t"}'))
        answer = json.loads(stranger.recv(1000)[23:])
        assert "this broker wants a token" in answer["error"]
        assert closed_by_peer(stranger)
    with broker.raw() as silent:
        assert closed_by_peer(silent), "a hello has two seconds"
    with broker.raw() as large:
        large.sendall(b'{"msg_length": 1016385}')
        assert closed_by_peer(large), "and 16 KiB"
    with broker.raw() as guesser:
        assert "wrong token" in str(hello(guesser, "guess")["error"])
        assert closed_by_peer(guesser)
    with broker.raw() as soon:
        assert "wrong token" in str(hello(soon, "guess again")["error"])
    with broker.raw() as honest:
        assert hello(honest, "secret")["event"] == "hello"
    # The Unix socket is this user's alone: its peers are trusted.
    with broker.connect() as client:
        client.put("t", "x", ack=True)


@pytest.mark.parametrize("token", ["", "secret"])
def test_who_has_said_nothing_gives_way_to_who_comes(start: Start, token: str) -> None:
    resource = pytest.importorskip("resource")
    broker = start(DSMQ_TOKEN=token)
    psutil.Process(broker.process.pid).rlimit(resource.RLIMIT_NOFILE, (40, 40))
    with contextlib.ExitStack() as open_sockets:
        for number in range(4):
            for _ in range(45):  # of this process's descriptors, which may be 256
                open_sockets.enter_context(broker.raw())
            honest = open_sockets.enter_context(broker.raw())
            assert hello(honest, token)["event"] == "hello", number
            honest.sendall(framed(b'{"action": "get", "topic": "t"}'))
            assert b'"empty":true' in honest.recv(1000)
    _, said = broker.end()
    assert (
        "it has sent no request yet, and another connection needs its place: this process has all"
        in said
    )
    assert said.count("\n") < 200, "a flood is counted, not written out"


def test_few_file_descriptors_refuse_and_recover(start: Start) -> None:
    resource = pytest.importorskip("resource")
    broker = start()
    psutil.Process(broker.process.pid).rlimit(resource.RLIMIT_NOFILE, (30, 30))
    with broker.connect() as honest:
        crowd = [broker.raw() for _ in range(60)]
        refused = sum(was_closed(sock) for sock in crowd)
        assert refused > 20
        honest.put("t", "x", ack=True)
        for sock in crowd:
            sock.close()
        until = time.monotonic() + PATIENCE_SEC
        while True:
            with broker.raw() as sock:
                sock.sendall(framed(b'{"action": "get", "topic": "t"}'))
                if not closed_by_peer(sock):
                    break
            assert time.monotonic() < until
    assert broker.end()[0] == 0


def test_a_system_without_descriptors_costs_no_peer_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process may take the descriptor that was freed for a moment."""
    listener = tcp_listener("127.0.0.1", 0, Security())
    taken: list[int] = []

    def full(*_: object) -> int:
        raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))

    open_file = os.open
    with listener.spare_descriptor():
        taken.append(open_file(os.devnull, os.O_RDONLY))  # has its number
        monkeypatch.setattr(os, "open", full)
    listener.refuse_one()
    monkeypatch.undo()
    listener.refuse_one()
    listener.close()
    os.fstat(taken[0])
    os.close(taken[0])


def test_sql_in_a_topic_is_a_name_like_another(broker: Broker) -> None:
    name = "x'); DROP TABLE message; --"
    with broker.connect() as client:
        client.put(name, "still here", ack=True)
        assert client.get(name) == "still here"


def test_of_a_key_that_comes_twice_the_last_counts_as_in_the_original(broker: Broker) -> None:
    with broker.raw() as sock:
        sock.sendall(framed(b'{"action": "get", "topic": "a", "topic": "b"}'))
        assert sock.recv(1000) == framed(b'{"message": ""}')
        put_twice = b'{"action": "put", "topic": "a", "topic": "b", "message": 1, "message": "x"}'
        sock.sendall(framed(put_twice) + framed(b'{"action": "get", "topic": "b"}'))
        assert sock.recv(1000) == framed(b'{"message": "x"}')


FEW_DESCRIPTORS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
from dsmq_nodes.dsmq.broker.serve import Options, run
run(Options(port=0))
"""


def test_there_are_not_endlessly_many_connections() -> None:
    """The limit is below that of file descriptors; who is over it is told by a close."""
    pytest.importorskip("resource")
    server = processes.Popen(
        [sys.executable, "-c", FEW_DESCRIPTORS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = int(re.findall(r":(\d+)", server.stdout.readline())[0])
    get = framed(b'{"action": "get", "topic": "t"}')
    crowd = [socket.create_connection(("127.0.0.1", port), PATIENCE_SEC) for _ in range(100)]
    for sock in crowd[-28:]:
        sock.sendall(get)
        assert sock.recv(1000) == framed(b'{"message": ""}'), "the newest stay"
    assert all(closed_by_peer(sock) for sock in crowd[:-28]), "of those that say nothing"
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SEC) as sock:
        assert closed_by_peer(sock)
    crowd[-28].sendall(get)
    assert crowd[-28].recv(1000) == framed(b'{"message": ""}'), "those before are served"
    for sock in crowd:
        sock.close()
    until = time.monotonic() + PATIENCE_SEC
    answer = b""
    while not answer and time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_SEC) as sock:
            sock.sendall(framed(b'{"action": "get", "topic": "t"}'))
            with contextlib.suppress(ConnectionResetError):
                answer = sock.recv(1000)
    assert answer == framed(b'{"message": ""}'), "and there is room again"
    server.send_signal(signal.SIGINT)
    _, said = server.communicate(timeout=PATIENCE_SEC)
    assert "there are 28 connections already" in said
    assert (
        "it has sent no request yet, and another connection needs its place: there are 28" in said
    )
    assert said.count("\n") < 60, "a flood is counted, not written out"


def test_a_frame_that_was_begun_is_finished_before_the_end(start: Start, tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "queue.db"))
    broker = start(*store)
    channel = broker.channel()
    text = "x" * 5_000_000  # so that its beginning may take long to come
    frame = wire.encode_object({"action": "put", "topic": "t", "message": text})
    channel.socket.setblocking(True)
    channel.socket.sendall(frame[:-1000])  # the broker waits 4 s for the rest
    put(channel_of := broker.channel(), "settled", "x")
    channel_of.send(wire.encode_object({"action": "get", "topic": "settled"}))
    channel_of.receive()
    broker.process.send_signal(signal.SIGTERM)
    with pytest.raises(ConnectionFailedError, match="it was told to stop"):
        channel_of.receive()
    time.sleep(0.3)  # longer than a broker waits for peers that have begun nothing
    channel.socket.sendall(frame[-1000:])
    assert broker.end() == (0, "")
    channel.close()
    channel_of.close()
    again = start(*store).channel()
    assert subscribe(again, "t", after=0, epoch=again.epoch).id == 1
    assert again.receive().text == text
    again.close()


def test_the_time_that_a_broker_was_stopped_is_not_its_peers_fault(broker: Broker) -> None:
    channel = broker.channel()
    # For so large a frame it waits 3 s longer, so that this process may be late with the rest.
    frame = wire.encode_object({"action": "get", "topic": "t", "unknown": "x" * 300_000})
    channel.socket.sendall(frame[:30])
    broker.process.send_signal(signal.SIGSTOP)
    time.sleep(limits.PATIENCE_SEC + len(frame) / limits.SLOWEST_BYTES_PER_SEC + 0.5)
    broker.process.send_signal(signal.SIGCONT)
    time.sleep(0.5)  # it looks after its peers
    channel.socket.sendall(frame[30:])
    assert channel.receive().text == ""
    channel.close()


def test_a_broker_until_its_last_peer_has_seen_one_that_came_and_went_at_once(start: Start) -> None:
    broker = start("--until-last-peer")
    broker.channel("/short").close()
    assert broker.process.wait(PATIENCE_SEC / 4) == 0  # else it waits half a minute for the first


def test_a_broker_until_its_last_peer_ends_if_the_program_that_started_it_has_gone() -> None:
    """It would have the default port for half a minute: nobody waits for it."""
    words = ("--port", "0", "--until-last-peer")
    broker = subprocess.Popen(
        [sys.executable, "-m", "dsmq_nodes.dsmq.broker", *words], stdout=subprocess.PIPE
    )
    assert broker.stdout is not None
    broker.stdout.close()
    try:
        assert broker.wait(PATIENCE_SEC / 4) == 0
    finally:
        broker.kill()
        broker.wait()


def test_who_does_not_read_its_last_words_holds_nobody_up_for_ever(broker: Broker) -> None:
    deaf, writer = broker.channel(), broker.channel()
    subscribe(deaf, "t")
    for seq in range(1, 2000):
        put(writer, "t", "x" * 1000, seq)
    broker.process.send_signal(signal.SIGTERM)
    assert broker.process.wait(PATIENCE_SEC) == 0
    deaf.close()
    writer.close()


def test_a_flood_of_strangers_does_not_flood_the_log(broker: Broker) -> None:
    for _ in range(300):
        with broker.raw() as stranger:
            stranger.sendall(HOSTILE["http"])
            assert closed_by_peer(stranger)
    _, said = broker.end()
    assert said.count("closing 127.0.0.1") < 300
    assert "more connections in the same second" in said


@pytest.mark.parametrize("host", ["unix", "192.0.2.1:{}", "::1:{}"])
def test_the_same_closing_again_is_counted(host: str, caplog: pytest.LogCaptureFixture) -> None:
    closings = Closings()
    first, _, _, other, last = whos = [host.format(port) for port in range(5)]
    for who, reason in zip(whos, ("taken", "taken", "taken", "full"), strict=False):
        closings.note(who, reason)
    closings.end_second()
    closings.note(last, "taken")
    assert [each.getMessage() for each in caplog.records] == [
        f"closing {first}: taken",
        f"closing {other}: full",
        "closed 2 more connections in the same second",
        f"closing {last}: taken",
    ]


def was_closed(sock: socket.socket) -> bool:
    sock.settimeout(0.3)
    try:
        return closed_by_peer(sock)
    except TimeoutError:
        return False


def test_a_pattern_follows_topics_to_come(broker: Broker) -> None:
    tool, writer = broker.channel(), broker.channel()
    put(writer, "/robot1/scan", "old")
    subscribe(tool, "/robot1/*", pattern=True)
    put(writer, "/robot1/scan", "new")
    put(writer, "/robot2/scan", "not for us")
    put(writer, "/robot1/odom", "of a topic that was not there")
    found = [tool.receive() for _ in range(2)]
    assert [(reply.topic, reply.text) for reply in found] == [
        ("/robot1/scan", "new"),
        ("/robot1/odom", "of a topic that was not there"),
    ]
    tool.close()
    writer.close()


def test_latched_messages_wait_for_who_comes_late(broker: Broker) -> None:
    writer = broker.channel("/mapper")
    writer.send(wire.encode_object({"action": "advertise", "topic": "/map", "latched": 1}))
    for text in ("old", "newest"):
        put(writer, "/map", text)
    put(writer, "/plain", "gone")
    writer.close()
    late = broker.channel()
    subscribe(late, "/plain")
    subscribe(late, "/map")
    assert late.receive().text == "newest"
    late.close()


def test_a_reader_resumes_where_it_was(broker: Broker) -> None:
    writer, reader = broker.channel(), broker.channel()
    subscribe(reader, "t")
    put(writer, "t", "1", 1)
    last = reader.receive()
    reader.close()
    for number in (2, 3):
        put(writer, "t", str(number), number)
    again = broker.channel()
    subscribe(again, "t", after=last.id, epoch=again.epoch)
    assert [again.receive().text for _ in range(2)] == ["2", "3"]
    again.close()
    writer.close()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"action": "dance"}, "no action 'dance'"),
        (
            {"action": "put", "topic": "/dsmq/graph", "message": "x", "ack": 1},
            "by the broker itself",
        ),
        ({"action": "put", "topic": "t", "message": 5, "ack": 1}, "must be text"),
        ({"action": "subscribe", "topic": "bad\nname"}, "cannot be printed"),
    ],
)
def test_a_request_that_is_refused_is_answered(
    broker: Broker, request_: dict[str, object], words: str
) -> None:
    channel = broker.channel()
    channel.send(wire.encode_object(request_))
    reply = channel.receive()
    assert reply.event == "error"
    assert words in reply.error
    channel.close()


def test_frames_of_every_size_pass_whatever_the_cuts(broker: Broker) -> None:
    with broker.connect() as reader, broker.raw() as writer:
        for size, slice_bytes in ((0, 1), (1, 7), (3000, 7), (200_000, 1448), (8_999_000, 65_536)):
            body = json.dumps({"action": "put", "topic": "t", "message": "x" * size}).encode()
            frame = framed(body)
            for start in range(0, len(frame), slice_bytes):
                writer.sendall(frame[start : start + slice_bytes])
            assert reader.get_wait("t", PATIENCE_SEC, None) == "x" * size


def test_graph_and_statistics_tell_who_does_what(broker: Broker) -> None:
    talker, listener = broker.channel("/talker"), broker.channel("/listener")
    talker.send(
        wire.encode_object(
            {"action": "advertise", "topic": "/chatter", "type": "std_msgs/msg/String"}
        )
    )
    talker.receive()
    subscribe(listener, "/chatter", depth=3)
    for seq in range(1, 6):
        put(talker, "/chatter", "x", seq)
        listener.receive()
    tool = broker.channel()
    subscribe(tool, "/dsmq/graph")
    graph = json.loads(tool.receive().text or "")
    chatter = next(topic for topic in graph["topics"] if topic["name"] == "/chatter")
    assert chatter["type"] == "std_msgs/msg/String"
    assert [end["node"] for end in chatter["publishers"]] == ["/talker"]
    assert [end["node"] for end in chatter["subscribers"]] == ["/listener"]
    subscribe(tool, "/dsmq/statistics")
    statistics = next_of(tool, "/dsmq/statistics")
    chatter = next(topic for topic in statistics["topics"] if topic["name"] == "/chatter")
    assert chatter["messages"] == 5
    edge = chatter["edges"][0]
    assert (edge["subscriber"], edge["depth"]) == ("/listener", 3)
    assert (edge["delivered"], edge["dropped"], edge["lag"]) == (5, 0, 0)
    assert chatter["publishers"][0]["messages"] == 5
    for channel in (talker, listener, tool):
        channel.close()


def next_of(channel: ClientConnection, topic: str) -> Any:
    while (reply := channel.receive()).topic != topic or reply.event != "message":
        pass
    return json.loads(reply.text or "")


def test_a_wrong_version_is_refused(broker: Broker) -> None:
    with broker.raw() as stranger:
        stranger.sendall(framed(b'{"action": "hello", "topic": "", "version": 99}'))
        answer = json.loads(stranger.recv(1000)[23:])
    assert "speaks version 1" in answer["error"]


def test_ack_of_a_put_that_is_refused_is_an_error(broker: Broker) -> None:
    with broker.connect() as client, pytest.raises(RequestRefusedError, match="broker itself"):
        client.put("/dsmq/graph", "x", ack=True)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux limits another process")
def test_what_needs_more_memory_than_there_is_ends_its_own_connection_alone(
    broker: Broker,
) -> None:
    pid = broker.process.pid
    with broker.connect() as honest, broker.raw() as greedy:
        honest.put("t", "before", ack=True)
        used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (used + (4 << 20), resource.RLIM_INFINITY))
        body = b'{"action": "put", "topic": "t", "message": "%b"}' % (b"x" * 8_900_000)
        with contextlib.suppress(ConnectionError):
            greedy.sendall(wire.encode_frame(body))
            while greedy.recv(1000):
                pass
        honest.put("t", "after", ack=True)
    status, said = broker.end()
    assert status == 0
    assert "no memory is left for what it sends" in said
    assert "Traceback" not in said
