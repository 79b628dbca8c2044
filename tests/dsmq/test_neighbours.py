"""Other users of the machine, other brokers of the port: what lies there is not ours."""

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dsmq_nodes.dsmq import address
from dsmq_nodes.dsmq.broker import listener
from dsmq_nodes.dsmq.broker.peer_user import is_other_user
from dsmq_nodes.dsmq.ring import leftovers
from dsmq_nodes.errors import AddressInUseError
from tests.dsmq.conftest import Broker, Start
from tests.dsmq.hostile import framed
from tests.support.ipv6 import needs_ipv6
from tests.support.processes import run
from tests.support.waiting import PATIENCE_SEC

_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="root alone may be another user")
_NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(leftovers, "PLACE", tmp_path)
    return tmp_path


def test_each_address_has_a_socket_of_its_own() -> None:
    paths = {address.unix_path(host, 30008) for host in ("127.0.0.1", "127.0.0.2", "::1")}
    assert len(paths) == 3
    # They listen on those, too.
    for wide, narrow in (("0.0.0.0", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::", "::1")):
        assert address.unix_path(wide, 30008) == address.unix_path(narrow, 30008)


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1:30008"), ("::1", "[::1]:30008")]
)
def test_a_socket_tells_its_address(host: str, shown: str) -> None:
    assert address.unix_address(address.unix_path(host, 30008)) == shown


def test_a_kind_of_socket_that_the_system_lacks_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lacks(*_: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    monkeypatch.setattr(socket, "socket", lacks)
    assert listener.unix_listener(tmp_path / "127.0.0.1-1.sock") is None
    assert "no Unix socket" in caplog.text
    with pytest.raises(AddressInUseError, match="cannot listen on ::1 port 0: Address family not"):
        listener.tcp_listener("::1", 0, listener.Security())


def test_a_directory_that_others_may_write_to_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = tmp_path / "open"
    opened.mkdir()
    opened.chmod(0o777)
    assert listener.unix_listener(opened / "127.0.0.1-1.sock") is None
    assert "no Unix socket" in caplog.text
    assert "Errno" not in caplog.text
    assert list(opened.iterdir()) == []


def test_a_link_to_a_directory_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    assert listener.unix_listener(tmp_path / "link" / "127.0.0.1-1.sock") is None


def test_a_socket_whose_owner_does_not_accept_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)  # a socket has a short path
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as queued:
        busy.bind("127.0.0.1-1.sock")
        busy.listen(0)
        queued.setblocking(False)
        for _ in range(2):
            queued.connect_ex("127.0.0.1-1.sock")
        os.utime("127.0.0.1-1.sock", (0, 0))
        found = listener.unix_listener(Path("127.0.0.1-2.sock"))
        assert found is not None
        found.close()
    assert Path("127.0.0.1-1.sock").exists(), "it is not dead"


def test_leftovers_of_this_user_are_removed(place: Path) -> None:
    left = place / f"dsmq-{os.getuid()}-left"
    left.mkdir()
    for name in ("lock", "ring", "bell"):
        (left / name).touch()
    leftovers.remove_leftovers()
    assert not left.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from dsmq_nodes.dsmq.ring import directory, leftovers

leftovers.PLACE = directory.PLACE = Path(sys.argv[1])
left = int(sys.argv[2])
CALLS = "open fcntl.flock os.mkdir os.rename os.remove os.rmdir os.listdir".split()

def step(event, arguments):
    global left
    if event in CALLS:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(step)
memory = directory.SharedMemory()
memory.make(0)
(memory.directory / "r2").mkdir()  # another program may do so
(memory.directory / "r2" / "file").touch()
memory.close()
"""


def test_the_next_broker_removes_what_one_leaves_that_is_killed_at_any_step(tmp_path: Path) -> None:
    for step in range(100):
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(step)]
        done = run(command, capture_output=True, text=True, timeout=PATIENCE_SEC)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(leftovers, "PLACE", tmp_path)
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL, done.stderr
            leftovers.remove_leftovers()
        assert list(tmp_path.iterdir()) == [], step
    assert step > 10
    assert list(tmp_path.iterdir()) == [], "it has removed all at its own end"


def test_the_directory_of_a_living_broker_of_0_2_is_no_leftover(place: Path) -> None:
    theirs = place / f"dsmq-{os.getuid()}-theirs"
    theirs.mkdir()
    with (theirs / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        leftovers.remove_leftovers()
        assert theirs.exists()
    leftovers.remove_leftovers()
    assert not theirs.exists()


def test_leftovers_stay_while_no_descriptor_is_left(place: Path) -> None:
    left = place / f"dsmq-{os.getuid()}-left"
    left.mkdir()
    (left / "lock").touch()
    held: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.dup(0))
        leftovers.remove_leftovers()
    finally:
        for each in held:
            os.close(each)
    assert left.exists()
    leftovers.remove_leftovers()
    assert not left.exists()


def test_what_a_link_leads_to_is_no_leftover(place: Path) -> None:
    theirs = place / "theirs"
    theirs.mkdir()
    for name in ("lock", "precious"):
        (theirs / name).touch()
    (place / f"dsmq-{os.getuid()}-evil").symlink_to(theirs)
    left = place / f"dsmq-{os.getuid()}-lock"
    left.mkdir()
    (left / "lock").symlink_to(theirs / "lock")
    (left / "file").touch()
    leftovers.remove_leftovers()
    assert sorted(path.name for path in theirs.iterdir()) == ["lock", "precious"]
    assert (left / "file").exists(), "its lock cannot be known"


@_ROOT
def test_the_directory_of_another_user_is_no_leftover(place: Path) -> None:
    left = place / f"dsmq-{os.getuid()}-theirs"
    left.mkdir()
    (left / "lock").touch()
    os.chown(left, _NOBODY, _NOBODY)
    leftovers.remove_leftovers()
    assert (left / "lock").exists()


def of_nobody(
    broker: Broker, prepare: Callable[[socket.socket], None] = lambda _: None
) -> socket.socket:
    """A TCP connection of another user; a socket is of the user who made it."""
    os.seteuid(_NOBODY)
    try:
        sock = socket.socket()
    finally:
        os.seteuid(0)
    sock.settimeout(PATIENCE_SEC)
    prepare(sock)
    sock.connect(("127.0.0.1", broker.port))
    return sock


def hello(sock: socket.socket, token: str) -> dict[str, object]:
    fields = {"action": "hello", "topic": "", "version": 1, "token": token}
    sock.sendall(framed(json.dumps(fields).encode()))
    answer: dict[str, object] = json.loads(sock.recv(1000)[23:])
    return answer


@_ROOT
def test_another_user_needs_a_token_and_this_one_does_not(start: Start) -> None:
    broker = start()
    with of_nobody(broker) as theirs, of_nobody(broker) as plain, broker.raw() as ours:
        assert "another user of this machine" in str(hello(theirs, "")["error"])
        plain.sendall(framed(b'{"action": "get", "topic": "t"}'))
        assert b"another user of this machine" in plain.recv(1000)
        assert plain.recv(1000) == b"", "nothing is read without a token"
        assert hello(ours, "")["event"] == "hello"
    with broker.raw() as original:  # a client of the original says no hello
        original.sendall(framed(b'{"action": "get", "topic": "t"}'))
        assert b'"message": ""' in original.recv(1000)


@_ROOT
def test_another_user_with_the_token_is_taken_and_any_where_that_is_meant(start: Start) -> None:
    broker, open_to_all = start(DSMQ_TOKEN="secret"), start("--insecure")
    with of_nobody(broker) as knows, of_nobody(open_to_all) as stranger:
        assert hello(knows, "secret")["event"] == "hello"
        assert hello(stranger, "")["event"] == "hello"


@pytest.mark.parametrize(
    ("family", "host"),
    [(socket.AF_INET, "127.0.0.1"), pytest.param(socket.AF_INET6, "::1", marks=needs_ipv6)],
)
def test_this_user_is_no_other_user(family: socket.AddressFamily, host: str) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(family))
        server.bind((host, 0))
        server.listen()
        stack.enter_context(socket.create_connection(server.getsockname()[:2]))
        accepted = stack.enter_context(server.accept()[0])
        assert not is_other_user(accepted)


_RESET = struct.pack("ii", 1, 0)  # struct linger: closing sends a reset


@_ROOT
def test_another_user_that_has_reset_before_it_is_accepted_has_sent_nothing(start: Start) -> None:
    broker = start()
    with broker.raw() as ours:
        hello(ours, "")
        ours.settimeout(PATIENCE_SEC)
        ours.sendall(framed(b'{"action": "subscribe", "topic": "t"}'))
        ours.sendall(framed(b'{"action": "put", "topic": "t", "message": "first"}'))
        received_until(ours, b"first")
        broker.process.send_signal(signal.SIGSTOP)
        try:
            theirs = of_nobody(broker)
            fields = {"action": "hello", "topic": "", "version": 1}
            theirs.sendall(framed(json.dumps(fields).encode()))
            theirs.sendall(framed(b'{"action": "put", "topic": "t", "message": "theirs"}'))
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            theirs.close()
        finally:
            broker.process.send_signal(signal.SIGCONT)
        with broker.raw() as later:  # accepted after it
            hello(later, "")
        ours.sendall(framed(b'{"action": "put", "topic": "t", "message": "ours"}'))
        assert b"theirs" not in received_until(ours, b"ours")


def received_until(sock: socket.socket, last: bytes) -> bytes:
    received = b""
    while last not in received:
        chunk = sock.recv(65536)
        assert chunk, "the broker ended the connection"
        received += chunk
    return received


def bound_to_a_device(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")


def bound_to_another_address(sock: socket.socket) -> None:
    sock.bind((other_address(), 0))


def other_address() -> str:
    """An address of this machine that is not loopback's; empty: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))  # sends nothing: asks which address would be used
        except OSError:
            return ""
        host: str = route.getsockname()[0]
        return host


@_ROOT
@pytest.mark.parametrize("bind", [bound_to_a_device, bound_to_another_address])
def test_another_user_is_known_however_its_socket_is_bound(
    start: Start, bind: Callable[[socket.socket], None]
) -> None:
    if bind is bound_to_another_address and not other_address():
        pytest.skip("this machine has no address except loopback's")
    with of_nobody(start(), bind) as theirs:
        assert "another user of this machine" in str(hello(theirs, "")["error"])


def test_where_the_system_is_not_linux_everybody_is_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK", raising=False)
    with socket.socket() as never_connected:
        assert not is_other_user(never_connected)
