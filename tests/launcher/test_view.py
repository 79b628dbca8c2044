"""The live view, on a terminal of its own: what is drawn, and what is left."""

import contextlib
import os
import pty
import re
import select
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launcher.running import write_launch
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC

# As a shell does it: the terminal belongs to the launch.
LAUNCH = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from pathlib import Path
from dsmq_nodes.launcher import launch
sys.exit(launch(Path(sys.argv[1]), table=sys.argv[2] == "table"))
"""
TABLE = re.compile(rb"node +state +pid .*rate")
WIPE = re.compile(rb"\x1b\[(\d+)A\x1b\[J")


class Terminal:
    """A launch on a terminal; all that it has drawn."""

    def __init__(self, path: Path, columns: int = 120, table: str = "table") -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (30, columns))
        self.before = termios.tcgetattr(slave)
        environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        for key in ("COLUMNS", "LINES"):
            environ.pop(key, None)
        self.process = processes.Popen(
            [sys.executable, "-c", LAUNCH, str(path), table],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=environ | {"TERM": "xterm-256color"},
        )
        os.close(slave)
        self.drawn = b""

    @property
    def text(self) -> bytes:
        """What was drawn lately, without colours."""
        return re.sub(rb"\x1b\[[0-9;]*m", b"", self.drawn[-20_000:])

    def until(self, done: Callable[[], object]) -> None:
        """Read on until something is so."""
        until_sec = time.monotonic() + PATIENCE_SEC
        while not done():
            assert time.monotonic() < until_sec, self.text[-3000:].decode()
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):  # it is closed
                    self.drawn += os.read(self.master, 65536)

    def key(self, key: bytes) -> None:
        os.write(self.master, key)


@pytest.fixture
def launch_file(tmp_path: Path) -> Path:
    return write_launch(tmp_path, {"talker": "robot:Talker", "chatty": "robot:Chatty"})


@contextlib.contextmanager
def on_terminal(path: Path, columns: int = 120, table: str = "table") -> Iterator[Terminal]:
    terminal = Terminal(path, columns, table)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)


def test_tables_of_nodes_and_topics_stay_below_the_lines(launch_file: Path) -> None:
    with on_terminal(launch_file) as terminal:
        terminal.until(lambda: re.search(rb"talker .*\d\d\.\d / 50 Hz", terminal.text))
        terminal.until(lambda: re.search(rb"/chatter +1 > 0 +\d", terminal.text))
        # Every line comes in one piece with the tables: wiped, written, drawn again.
        wiped = [int(found[1]) for found in WIPE.finditer(terminal.text)]
        assert wiped
        assert set(wiped) <= set(range(4, 9))
        terminal.process.send_signal(signal.SIGINT)
        terminal.until(lambda: terminal.process.poll() is not None)
        assert terminal.process.returncode == 0
        # In the end they are gone: nothing is drawn after they were wiped for the last time.
        rest = terminal.text[[found.end() for found in WIPE.finditer(terminal.text)][-1] :]
        assert b"/talker" in rest
        assert not TABLE.search(rest)


def test_a_key_hides_the_tables_and_shows_them_again(launch_file: Path) -> None:
    with on_terminal(launch_file) as terminal:
        terminal.until(lambda: TABLE.search(terminal.text))
        terminal.key(b"t")
        chats = rb"(\[chatty\][^\n]*chat\r\n){20}"
        terminal.until(lambda: re.search(chats, terminal.text))
        terminal.drawn = b""
        terminal.key(b"t")
        terminal.until(lambda: TABLE.search(terminal.text))


def test_the_tables_can_be_left_out_from_the_start(launch_file: Path) -> None:
    with on_terminal(launch_file, table="none") as terminal:
        terminal.until(lambda: terminal.text.count(b"chat\r\n") > 100)
        assert not WIPE.search(terminal.drawn)
        assert not TABLE.search(terminal.text)


def test_a_narrow_terminal_goes_without_some_columns(launch_file: Path) -> None:
    with on_terminal(launch_file, columns=50) as terminal:
        terminal.until(
            lambda: re.search(rb"node +state +(restarts +)?rate +dropped", terminal.text)
        )
        assert b"memory" not in terminal.text


def test_the_terminal_is_left_as_it_was(launch_file: Path) -> None:
    with on_terminal(launch_file) as terminal:
        terminal.until(lambda: TABLE.search(terminal.text))
        assert termios.tcgetattr(terminal.master) != terminal.before
        terminal.process.send_signal(signal.SIGINT)
        terminal.until(lambda: terminal.process.poll() is not None)
        assert termios.tcgetattr(terminal.master) == terminal.before
        assert b"\x1b[?25l" not in terminal.text


def test_a_stopped_terminal_holds_up_neither_the_launch_nor_its_end(launch_file: Path) -> None:
    with on_terminal(launch_file) as terminal:
        terminal.until(lambda: TABLE.search(terminal.text))
        terminal.key(b"\x13")  # Ctrl-S
        terminal.until(lambda: not select.select([terminal.master], [], [], 0.5)[0])
        terminal.process.send_signal(signal.SIGWINCH)  # it draws again, at once
        terminal.process.send_signal(signal.SIGINT)
        terminal.until(lambda: terminal.process.poll() is not None)
        assert terminal.process.returncode == 0
        assert termios.tcgetattr(terminal.master) == terminal.before


def test_what_came_while_a_terminal_was_stopped_is_shown_when_it_goes_on(launch_file: Path) -> None:
    with on_terminal(launch_file) as terminal:
        terminal.until(lambda: TABLE.search(terminal.text))
        terminal.key(b"\x13")
        terminal.key(b"\x11")  # Ctrl-Q
        terminal.drawn = b""
        terminal.until(lambda: TABLE.search(terminal.text) and terminal.text.count(b"chat") > 50)


IN_THE_BACKGROUND = """\
import fcntl, os, pty, signal, termios
from dsmq_nodes.launcher.watch.keys import single_keys
os.setsid()
_, terminal = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # as a shell does
has_begun, may_end = os.pipe(), os.pipe()
job = os.fork()
if not job:
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    with single_keys(terminal):
        os.write(has_begun[1], b"!")
        os.read(may_end[0], 1)
    os._exit(0)
os.read(has_begun[0], 1)
os.tcsetpgrp(terminal, os.getpgrp())
os.write(may_end[1], b"!")
_, status = os.waitpid(job, os.WUNTRACED)
print("ended" if os.WIFEXITED(status) else "frozen")
if os.WIFSTOPPED(status):
    os.kill(job, signal.SIGKILL)
"""


def test_a_launch_that_ends_in_the_background_is_not_frozen_by_its_terminal() -> None:
    """As after Ctrl-Z and `kill %1`."""
    done = processes.run([sys.executable, "-c", IN_THE_BACKGROUND], capture_output=True, text=True)
    assert done.stdout == "ended\n"
