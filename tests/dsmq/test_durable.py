"""A broker with `--store FILE`: what it promises over crashes, restarts and a full disk."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer
from dsmq_nodes.dsmq.store.disk_reserve import fold_wal
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import StoreError, StoreFullError
from tests.dsmq.conftest import Start
from tests.support.waiting import PATIENCE_SEC


def drain(client: dsmq.Client, topic: str) -> list[str]:
    found = []
    while (message := client.get(topic, None)) is not None:
        found.append(message)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_acknowledged_puts_outlive_the_broker(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    store = str(tmp_path / "queue.db")
    first = start("--store", store)
    with first.connect() as client:
        for count in range(200):
            client.put("t", f"message {count}", ack=True)
    first.end(number)
    second = start("--store", store)
    with second.connect() as client:
        # A plain reader sees what was put since it connected; a resumed one reads on.
        assert client.get("t", None) is None
        client.put("t", "message 200", ack=True)
        assert client.get("t") == "message 200"
    status, said = second.end()
    assert (status, said) == (0, "")


def test_a_client_reads_on_over_a_restart(start: Start, tmp_path: Path) -> None:
    store = str(tmp_path / "queue.db")
    first = start("--store", store)
    with first.connect() as writer, first.connect() as reader:
        for count in range(10):
            writer.put("t", str(count), ack=True)
        assert [reader.get("t") for _ in range(4)] == ["0", "1", "2", "3"]
        first.end(signal.SIGKILL)
        assert reader.get("t", None) is None
        port = str(first.port)
        second = start("--store", store, "--port", port)
        assert second.port == first.port
        until = time.monotonic() + PATIENCE_SEC
        found: list[str] = []
        while len(found) < 6 and time.monotonic() < until:
            found += drain(reader, "t")
        assert found == ["4", "5", "6", "7", "8", "9"]


def test_two_brokers_cannot_share_a_store(start: Start, tmp_path: Path) -> None:
    store = str(tmp_path / "queue.db")
    start("--store", store)
    status, said = start("--store", store).end()
    assert status == 1
    assert said.count("\n") == 1
    assert store in said
    assert "another broker" in said


def test_a_file_that_is_no_store_is_refused(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, " * 1000)
    status, said = start("--store", str(file)).end()
    assert status == 1
    assert str(file) in said
    assert "Traceback" not in said
    assert file.read_text().startswith("not a database")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs a disk of its own: root on Linux can mount one")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_the_oldest_messages_go_and_puts_go_on(
    start: Start, small_disk: Path
) -> None:
    broker = start("--store", str(small_disk / "queue.db"))
    with broker.connect() as client, broker.connect() as late, broker.connect() as other:
        for number in range(500):
            client.put("t", f"{number} " + "x" * 10_000, ack=True)
            if number % 10 == 9:
                assert len(drain(other, "t")) == 10
        found = [int(each.split()[0]) for each in drain(late, "t")]
        assert 20 < len(found) < 200
        assert found == list(range(500 - len(found), 500))
    status, said = broker.end()
    assert status == 0
    assert said.count("the disk of the store is full, with ") == 1


@pytest.mark.parametrize("is_readable", [True, False])
def test_on_a_disk_that_fails_a_store_goes_on_in_memory(
    is_readable: bool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each put was refused, a pressed emergency stop too, until the broker was started again."""
    store = Store(tmp_path / "queue.db", budget_bytes=600_000)
    log, latched = store.log("t"), store.log("map")
    store.set_latched(latched, 1)
    for number in range(3):
        store.append(log, b"%d" % number, 0.0)
    store.append(latched, b"here", 0.0)
    store.commit()
    database = store._rows.database
    if is_readable:
        database.execute("PRAGMA query_only = ON")  # each write fails as on a read-only disk
    else:
        database.set_progress_handler(lambda: 1, 1)  # each statement fails
    monkeypatch.setattr(os, "statvfs", Mock(side_effect=OSError("a file system that has gone")))
    store.expire(1000.0)  # nothing can be deleted
    for number in range(3, 6):
        assert store.append(log, b"%d" % number, 0.0) == number + 1
        store.commit()
    found = [int(frame) for _, frame in store.read(log, 0)]
    assert found == list(range(log.first_id - 1, 6)) == list(range(0 if is_readable else 3, 6))
    assert [frame for _, frame in store.read(latched, 0)] == [b"here"] * is_readable
    assert not store.durable
    (told,) = caplog.messages
    assert told.startswith("the disk of the store fails (")
    for _ in range(100):
        store.append(log, b"x" * 10_000, 1.0)
        store.commit()
    assert 500_000 < store.stored_bytes <= 600_000
    store.expire(1000.0)
    store.close()


@pytest.mark.parametrize("first", ["commit", "read", "find", "expire"])
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_store_whose_file_is_damaged_while_it_runs_goes_on_in_memory(
    is_cut: bool, first: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each put and each read failed from then on."""
    store = Store(tmp_path / "queue.db", budget_bytes=600_000)
    log = store.log("t")
    for _ in range(20):
        store.append(log, b"x" * 20_000, 0.0)
        store.commit()
    fold_wal(store._rows.database)
    store._rows.database.execute("PRAGMA cache_size = 0")
    with (tmp_path / "queue.db").open("r+b") as file:
        if is_cut:
            file.truncate(0)
        else:
            file.write(os.urandom(300_000))
    if first == "read":
        store.read(log, log.first_id - 1)
    elif first == "find":
        assert store.last_id_at(log, 10) == 20, "nothing is left"
    elif first == "expire":
        store.expire(700.0)
    for number in range(5):
        assert store.append(log, b"%d" % number, 700.0) == 21 + number
        store.commit()
    assert [frame for _, frame in store.read(log, 20)] == [b"%d" % n for n in range(5)]
    assert caplog.text.count("the disk of the store fails (") == 1
    assert not store.durable
    store.expire(1400.0)
    assert store.stored_bytes == 0
    store.close()


def test_what_waited_for_a_disk_that_fails_is_delivered(tmp_path: Path) -> None:
    store = Store(tmp_path / "queue.db")
    router, peer = Router(store), ConnectedPeer("it")
    router.connect(peer, 0.0)
    for text in ('"hello", "topic": "", "version": 1', '"subscribe", "topic": "t"'):
        router.handle(peer, wire.decode_request(b'{"action": %s}' % text.encode()), 0.0)
    store._rows.database.execute("PRAGMA query_only = ON")
    put = b'{"action": "put", "topic": "t", "message": "here", "ack": 7}'
    said = router.handle(peer, wire.decode_request(put), 0.0)
    said += router.commit()
    assert [wire.decode_reply(frame[23:]).event for _, frame in said] == ["message", "ack"]
    store.close()


def test_when_a_disk_has_room_again_a_store_keeps_as_much_as_before(small_disk: Path) -> None:
    store = Store(small_disk / "queue.db", budget_bytes=600_000)
    with (small_disk / "of_others").open("wb") as others:
        others.write(b"x" * 500_000)
    for now in (0.0, 1.0):
        log = store.log("t")
        for _ in range(200):
            store.append(log, b"x" * 10_000, now)
            store.commit()
        if now == 0.0:
            assert 0 < store.stored_bytes < 400_000
            (small_disk / "of_others").unlink()
            store.expire(now)
    assert 500_000 < store.stored_bytes <= 600_000
    store.close()


def test_what_comes_as_a_disk_gets_full_is_kept_though_all_before_it_of_the_largest_topic_goes(
    small_disk: Path,
) -> None:
    store = Store(small_disk / "queue.db")
    rare, often = store.log("rare"), store.log("often")
    store.append(rare, b"first", 0.0)
    for _ in range(30):
        store.append(often, b"x" * 10_000, 0.0)
        store.commit()
    with (small_disk / "of_others").open("wb", buffering=0) as others, suppress(OSError):
        while others.write(b"x" * 4096) == 4096:
            pass
    store.append(rare, b"newest", 0.0)
    for _ in range(12):
        store.append(often, b"x" * 10_000, 0.0)
    store.commit()
    assert store.read(rare, 0) == [(1, b"first"), (2, b"newest")]
    assert often.first_id > 20
    assert store.read(often, 41) == [(42, b"x" * 10_000)]
    store.close()


def test_what_is_larger_than_a_disk_is_refused(small_disk: Path) -> None:
    store = Store(small_disk / "queue.db")
    log = store.log("t")
    store.append(log, b"x" * 3_000_000, 0.0)
    with pytest.raises(StoreFullError):
        store.commit()
    assert (log.last_id, store.last_seq) == (0, 0)
    store.expire(0.0)
    for number in range(1, 100):
        assert store.append(log, b"x" * 10_000, 0.0) == number
        store.commit()
    assert log.first_id > 1
    store.append(log, b"x" * 3_000_000, 0.0)
    with pytest.raises(StoreFullError):
        store.commit()
    assert log.last_id == 99
    assert [message_id for message_id, _ in store.read(log, 90)] == list(range(91, 100))
    store.close()


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_lies_where_space_is_reserved_is_replaced_or_left(
    start: Start, tmp_path: Path, kind: str
) -> None:
    reserve, others = tmp_path / "store-reserve", tmp_path / "others"
    others.touch()
    if kind == "pipe":
        os.mkfifo(reserve)
    elif kind == "link":
        reserve.symlink_to(others)
    else:
        reserve.mkdir()
    with start("--store", str(tmp_path / "store")).connect() as client:
        client.put("t", "a", ack=True)
    assert others.stat().st_size == 0
    assert reserve.is_dir() if kind == "folder" else stat.S_ISREG(reserve.lstat().st_mode)


def test_many_small_messages_on_a_full_disk_expire_at_once(small_disk: Path) -> None:
    store = Store(small_disk / "queue.db", ttl_sec=3.0, budget_bytes=1 << 30, now=0.0)
    log = store.log("t")

    def put(batches: int, now: float) -> None:
        for _ in range(batches):
            for _ in range(20):
                store.append(log, b"x" * 100, now)
            store.commit()

    put(5000, 0.0)
    count = log.last_id - log.first_id
    assert 1000 < count < 100_000
    for now in (4.0, 5.0):  # the first one may free the reserve alone
        store.expire(now)
    assert (log.first_id, store.stored_bytes) == (log.last_id + 1, 0)
    put(count // 40, 6.0)
    store.close()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose sockets have a path that the system takes (107 bytes on Linux)."""
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as directory:
        yield Path(directory)


def test_sockets_of_killed_brokers_are_removed_by_the_next(start: Start, short_path: Path) -> None:
    run = {"XDG_RUNTIME_DIR": str(short_path)}
    dead, alive = start(**run), start(**run)
    dead.end(signal.SIGKILL)
    for broker in (dead, alive):
        os.utime(broker.unix, (0, 0))
    start(**run)
    assert not dead.unix.exists()
    assert alive.unix.exists()


@pytest.mark.parametrize(
    ("name", "what_to_do"),
    [
        ("notes.txt", "not a database: it is a file of another kind; give the name of a new f"),
        ("folder", "is it a folder, a device, or a file that this user may not write"),
        ("nowhere/store", "is its folder there"),
    ],
)
def test_what_is_no_store_stays_as_it_is_and_is_told(
    tmp_path: Path, name: str, what_to_do: str
) -> None:
    (tmp_path / "notes.txt").write_text("notes of my own")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=what_to_do):
        Store(tmp_path / name)
    assert {each.name for each in tmp_path.iterdir()} == {"notes.txt", "folder"}
    assert (tmp_path / "notes.txt").read_text() == "notes of my own"
