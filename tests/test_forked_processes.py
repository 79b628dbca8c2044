"""A process that a test forks is what a new interpreter would be, as far as a test can see."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes
from tests.support.forked import COLD
from tests.support.processes import ROOT
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC

PROGRAMS = {
    "where it is": "import os, sys; print(sys.argv, sys.path[0], os.getcwd(), __name__, __file__)",
    "what is imported": "import sys; print('tests' in sys.modules)",
    "its streams": "import sys; print([(s.encoding, s.errors, s.line_buffering, s.write_through)"
    " for s in (sys.stdin, sys.stdout, sys.stderr)], sys.stdin.read(), sys.warnoptions)",
    "an exception": "def f():\n    return 1 / 0\nf()",
    "an exit status": "raise SystemExit(3)",
    "an exit text": "import sys; sys.exit('that is all')",
    "an exit at the end": "import atexit; atexit.register(print, 'last'); print('first')",
    "an interrupt": "raise KeyboardInterrupt",
    "a signal": "import os; os.kill(os.getpid(), 15)",
    "a warning": "import warnings; warnings.warn('no good')",
    "a thread that goes on": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.1), print('done'))).start(); print('main')",
    "one more of the kit": "import subprocess, sys\n"
    "command = [sys.executable, '-m', 'dsmq_nodes', 'topic', 'ecko']\n"
    "print(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True))",
    "no reader": "import sys, os; os.close(1); print('nobody sees it')",
}


def seen(done: subprocess.CompletedProcess[str]) -> tuple[int, str, list[str]]:
    """What it left, without the addresses of objects."""
    errors = [line for line in done.stderr.splitlines() if "0x" not in line]
    return done.returncode, done.stdout, errors


@pytest.mark.skipif(bool(os.environ.keys() & {COLD, "COVERAGE_PROCESS_START"}), reason="not wanted")
def test_what_the_test_files_do_to_the_environment_makes_it_no_interpreter() -> None:
    assert processes._request([sys.executable, "-c", ""], {})


@pytest.mark.parametrize("options", [[], ["-u", "-W", "error"]])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_the_same(tmp_path: Path, name: str, options: list[str]) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[name])
    command = [sys.executable, *options, str(program), "word"]
    given: dict[str, Any] = {
        "cwd": tmp_path,
        "input": "given",
        "capture_output": True,
        "text": True,
    }
    new = subprocess.run(command, check=False, **given)
    assert seen(processes.run(command, **given)) == seen(new)


def test_what_is_left_open_at_the_end_is_told() -> None:
    program = Program("-c", "import sys; left = open(sys.executable)")
    assert program.wait() == 0
    assert "ResourceWarning: unclosed file" in program.output
    program.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import sys; print(sys.argv, repr(sys.path[0]), __name__)", "word"],
        ["-m", "dsmq_nodes", "--version"],
        ["-m", "dsmq_nodes", "topic", "ecko"],
        ["-m", "tests.no_such_module"],
    ],
)
def test_a_command_line_does_the_same(arguments: list[str]) -> None:
    command = [sys.executable, *arguments]
    new = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert seen(processes.run(command, cwd=ROOT, capture_output=True, text=True)) == seen(new)


def test_it_is_a_process_of_its_own_that_gets_signals_and_has_its_environment() -> None:
    code = "import os, time; print(os.getpid(), os.environ['DSMQ_TESTS_WORD']); time.sleep(60)"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSMQ_TESTS_WORD", "word")
        program = Program("-c", code)
    assert program.wait_for(r"(\d+) word")[1] == str(program.process.pid) != str(os.getpid())
    assert program.process.poll() is None
    assert program.interrupt() == -signal.SIGINT
    assert "KeyboardInterrupt" in program.output
    program.close()


def test_where_a_fork_would_not_be_the_same_an_interpreter_is_started() -> None:
    shown = "import sys; print(sys.flags.optimize, 'dsmq_nodes' in sys.modules)"
    done = processes.run([sys.executable, "-O", "-c", shown], capture_output=True, text=True)
    assert done.stdout == "1 False\n"
    env = os.environ | {"PYTHONOPTIMIZE": "2"}
    done = processes.run([sys.executable, "-c", shown], env=env, capture_output=True, text=True)
    assert done.stdout == "2 False\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_has_nothing_forked() -> None:
    """The address is in /proc/net/unix, and any user of the machine may connect to it."""
    address = processes._started()[0]._control.getpeername()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asker:
        asker.settimeout(PATIENCE_SEC)
        os.seteuid(65534)
        try:
            asker.connect(address)
        finally:
            os.seteuid(0)
        assert not asker.recv(1)
