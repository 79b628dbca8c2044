"""`top` and `log`, beside a small graph."""

import contextlib
import os
import pty
import re
import signal
import sys

from tests.cli.conftest import ROOT, Place
from tests.support import processes


def test_without_a_terminal_the_tables_are_printed_once(mall: Place) -> None:
    done = mall.run("top", COLUMNS="120")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.split()}
    assert rows["node"][:2] == ["state", "pid"]
    assert rows["/mall/shop"][0] == "ready"
    assert rows["topic"][:2] == ["ends", "rate"]
    assert rows["/mall/chatter"][:3] == ["1", ">", "1"]
    assert float(rows["/mall/chatter"][3]) > 1.0
    assert "/dsmq/" not in done.stdout


def test_on_a_terminal_it_is_drawn_until_ctrl_c(mall: Place) -> None:
    ours, theirs = pty.openpty()
    shown = ""
    with processes.Popen(
        [sys.executable, "-m", "dsmq_nodes", "top"],
        cwd=ROOT,
        env=mall.env({"TERM": "xterm", "COLUMNS": "100"}),
        stdout=theirs,
        stderr=theirs,
    ) as top:
        os.close(theirs)
        while "/mall/chatter" not in shown:
            shown += os.read(ours, 10_000).decode(errors="replace")
        top.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # it has closed its end
            while True:
                shown += os.read(ours, 10_000).decode(errors="replace")
        assert top.wait() == 0
    os.close(ours)
    assert shown.count("\x1b[?1049h") == shown.count("\x1b[?1049l") == 1  # a screen of its own
    assert "Traceback" not in shown


def test_the_log_of_nodes_is_followed_from_a_level_on(mall: Place) -> None:
    logs = [
        mall.start("log", "/mall/shop", "-n", "1"),
        mall.start("log", "/mall/shop", "-n", "1", "--level", "warn"),
        mall.start("log", "/mall/shop", "-n", "1", "--level", "error"),
    ]
    while any(log.process.poll() is None for log in logs):
        mall.here("service", "call", "/mall/add_two_ints", "{a: 2, b: 3}")
        mall.here("service", "call", "/mall/add_two_ints", "{b: -1}")
    assert [log.wait() for log in logs] == [0, 0, 0]
    info = r"\[INFO\] \[\d+\.\d{9}\] \[mall\.shop\]: 2 \+ 3 = 5"
    warn = r"\[WARN\] \[\d+\.\d{9}\] \[mall\.shop\]: b is -1"
    error = r"\[ERROR\] \[\d+\.\d{9}\] \[mall\.shop\]: /mall/add_two_ints: exception in a call:"
    # Each is ready at a moment of its own: its first line may be any of those it is to show.
    for log, expected in zip(
        logs, (f"{info}|{warn}|{error}", f"{warn}|{error}", error), strict=True
    ):
        assert re.fullmatch(expected, log.lines[0])
