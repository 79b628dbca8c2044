"""The supervisor with stand-ins that real nodes should not be: deaf, slow, mute, absent."""

import asyncio
import dataclasses
import errno
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest

from dsmq_nodes.launcher.output.output import LaunchOutput
from dsmq_nodes.launcher.supervise import process
from dsmq_nodes.launcher.supervise.plan import Plan, ProcessPlan
from dsmq_nodes.launcher.supervise.process import Guard
from dsmq_nodes.launcher.supervise.supervisor import Supervisor
from tests.launcher.running import gone
from tests.support.waiting import PATIENCE_SEC

# It writes what a broker writes, and ends as one. Nothing here connects to it.
STAND_IN = """
import signal
ends = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, ends)
print("listening on 127.0.0.1:1", flush=True)
signal.sigwait(ends)
"""
BROKER = ProcessPlan("broker", (sys.executable, "-I", "-S", "-c", STAND_IN))
DEAF = (
    "import time\n"
    "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)\n"
    "print('deaf', flush=True)\n"
    "time.sleep(60)\n"
)


def script(name: str, code: str) -> ProcessPlan:
    """Plan a program that takes signals from the start, as it is no node."""
    return ProcessPlan(name, (sys.executable, "-c", f"import signal\n{code}"))


def sleeper(name: str) -> ProcessPlan:
    """A program that ends on a signal, from its first moment on."""
    return ProcessPlan(name, ("sleep", "60"))


def patient(plan: ProcessPlan, step_sec: float) -> ProcessPlan:
    """The same, with so long to wait between signals."""
    return dataclasses.replace(plan, sigterm_timeout_sec=step_sec, sigkill_timeout_sec=step_sec)


def children() -> set[int]:
    """The processes below this one."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


class Run:
    """A supervisor's run in this process."""

    def __init__(self, *nodes: ProcessPlan, broker: ProcessPlan = BROKER) -> None:
        self.out = io.BytesIO()
        self.plan = Plan(broker, nodes)
        self.children: set[int] = set()
        self._others = children()  # of tests that are not over yet

    def run(
        self,
        duration_sec: float | None = None,
        *,
        on_line: Callable[[bytes], None] = lambda _: None,
        observer: "Observer | None" = None,
        patience_sec: float = PATIENCE_SEC,
        once_ready: bool = False,
    ) -> int:
        run = self

        class Watched(LaunchOutput):
            def lines(self, name: str, lines: list[bytes]) -> None:
                run.children |= children() - run._others
                super().lines(name, lines)
                for line in lines:
                    on_line(line)

            def print_line(self, text: str, name: str = "launch") -> None:
                super().print_line(text, name)
                on_line(text.encode())

        async def main() -> int:
            names = ["broker", *(node.name for node in self.plan.nodes)]
            output = Watched(self.out, self.out, names)
            supervisor = Supervisor(self.plan, output, observer, patience_sec)
            return await supervisor.run(duration_sec, once_ready=once_ready)

        return asyncio.run(main())

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().decode().splitlines()

    def said(self) -> list[str]:
        """All lines but those that every launch has."""
        return [
            line
            for line in self.lines
            if not line.startswith(("[broker]", "[launch] all nodes ready"))
        ]


class Observer:
    """Calls every process ready that it is told to."""

    def __init__(self) -> None:
        self.ended: set[int] = set()
        self.supervisor: Supervisor | None = None

    async def watch(self, host: str, port: int, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.changed()
        await asyncio.Event().wait()

    async def first_message(self, topic: str) -> None:
        await asyncio.Event().wait()

    def changed(self) -> None:
        if self.supervisor is not None:
            pids = [member.pid for member in self.supervisor.members.values()]
            self.supervisor.nodes_ready({("/a", pid) for pid in pids})

    async def last_words(self, pids: set[int]) -> None:
        self.ended = pids

    def summary(self) -> Iterable[str]:
        return ["the summary"]


def ctrl_c_on(*lines: bytes) -> Callable[[bytes], None]:
    """Press Ctrl-C when all of these lines have come."""
    missing = set(lines)

    def on_line(line: bytes) -> None:
        if line in missing:
            missing.remove(line)
            if not missing:
                os.kill(os.getpid(), signal.SIGINT)

    return on_line


def test_a_node_that_does_not_listen_is_killed_in_steps() -> None:
    run = Run(patient(script("deaf", DEAF), 0.2))
    assert run.run(on_line=ctrl_c_on(b"deaf")) == 1
    assert run.said() == [
        "[deaf] deaf",
        "[launch] deaf: still running; SIGTERM now",
        "[launch] deaf: still running; SIGKILL now",
        "[launch] deaf: did not end well, killed by SIGKILL",
        "[launch] ended with faults: deaf (did not end well, killed by SIGKILL)",
    ]
    assert gone(run.children, 0)


@pytest.mark.parametrize(
    ("kills", "why"),
    [(3, ""), (4, " (memory ran out meanwhile: `dmesg` names what the kernel has killed)")],
)
def test_a_kill_by_the_kernel_for_memory_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, why: str
) -> None:
    file = tmp_path / "vmstat"
    file.write_text("pgfault 17\noom_kill 3\nnuma_hit 5\n")
    monkeypatch.setattr(process, "VIRTUAL_MEMORY", file)
    code = f"import os\nopen({str(file)!r}, 'w').write('oom_kill {kills}\\n')\n"
    run = Run(script("hog", f"{code}os.kill(os.getpid(), signal.SIGKILL)"))
    assert run.run() == 1
    assert run.said()[0] == f"[launch] hog: killed by SIGKILL{why}; the launch ends"


def test_another_ctrl_c_hurries() -> None:
    began_sec = time.monotonic()

    def interrupt(line: bytes) -> None:
        if line == b"deaf":
            loop = asyncio.get_running_loop()
            for delay_sec in (0.0, 0.2, 1.5):
                loop.call_later(delay_sec, os.kill, os.getpid(), signal.SIGINT)

    run = Run(patient(script("deaf", DEAF), 30.0))
    assert run.run(on_line=interrupt) == 1
    assert time.monotonic() - began_sec < 25.0  # its patience is 30 s
    assert gone(run.children, 0)


def test_ctrl_c_that_is_held_down_leaves_time_for_the_safe_state() -> None:
    # As a node, it is deaf while it ends: on a busy machine the next signal comes before its end.
    end = "(signal.signal(15, signal.SIG_IGN), time.sleep(0.1), print('safe', flush=True), exit(0))"
    code = DEAF.replace("signal.SIG_IGN", f"lambda *_: {end}", 1)

    def interrupt(line: bytes) -> None:
        if line == b"deaf":
            loop = asyncio.get_running_loop()
            for press in range(10):
                loop.call_later(press * 0.02, os.kill, os.getpid(), signal.SIGINT)

    run = Run(patient(script("deaf", code), 30.0))
    assert run.run(on_line=interrupt) == 0
    assert "[deaf] safe" in run.said()


def test_a_program_without_a_handler_ends_well_on_a_signal() -> None:
    run = Run(sleeper("plain"))
    assert run.run(0.1, once_ready=True) == 0
    assert run.said() == []


def test_lines_of_several_nodes_stay_whole() -> None:
    code = (
        "import sys, time\n"
        "for n in range(200):\n"
        "    for piece in ('x' * 500, str(n), '\\n'):\n"
        "        sys.{stream}.write(piece); sys.{stream}.flush()\n"
        "sys.{stream}.write('no end')\n"
    )
    run = Run(
        script("a", code.format(stream="stdout")),
        script("b", code.format(stream="stderr")),
    )
    assert run.run() == 0
    for name in "ab":
        lines = [line for line in run.lines if line.startswith(f"[{name}] ")]
        assert lines == [*(f"[{name}] {'x' * 500}{n}" for n in range(200)), f"[{name}] no end"]


def test_processes_are_told_where_the_broker_listens_and_write_unbuffered() -> None:
    code = "import os; print(os.environ['DSMQ_BROKER'], os.environ['PYTHONUNBUFFERED'])"
    run = Run(script("a", code))
    assert run.run() == 0
    address = run.lines[0].split("listening on ")[1].split()[0]
    assert f"[a] {address} 1" in run.lines


def test_nodes_wait_for_the_launch_s_broker_as_long_as_it_lives() -> None:
    code = "import os; print(float(os.environ['DSMQ_PATIENCE_SEC']) >= 600)"
    run = Run(script("a", code))
    assert run.run() == 0
    assert "[a] True" in run.lines


def test_a_program_that_is_not_there_ends_the_launch() -> None:
    run = Run(ProcessPlan("absent", ("/no/such/program",)), script("b", "print('b')"))
    assert run.run() == 1
    (line,) = [line for line in run.lines if "absent" in line and "faults" not in line]
    assert line.startswith("[launch] absent: cannot be started: [Errno 2]")
    assert line.endswith("'/no/such/program'; the launch ends")


def test_a_broker_that_says_why_it_ends_is_passed_on() -> None:
    broker = script("broker", "import sys; sys.exit('no disk')")
    run = Run(script("a", "print('a')"), broker=broker)
    assert run.run() == 1
    assert run.lines == ["[broker] no disk"]


def test_a_broker_that_ends_without_a_word_is_named() -> None:
    run = Run(script("a", "print('a')"), broker=script("broker", "import sys; sys.exit(3)"))
    assert run.run() == 1
    assert run.lines == ["[broker] ended before it listened, exit status 3"]


def test_an_observer_tells_when_all_are_ready_and_has_the_last_word() -> None:
    observer = Observer()
    run = Run(sleeper("a"))
    assert run.run(0.1, observer=observer, once_ready=True) == 0
    assert len(observer.ended) == 1
    assert run.lines[1].startswith("[launch] all nodes ready: 1 in ")
    assert run.lines[-1] == "the summary"


def test_an_observer_that_fails_is_told_and_the_nodes_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def watch(*_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(Observer, "watch", watch)
    run = Run(script("a", "print('a')"))
    assert run.run(observer=Observer()) == 0
    assert "[launch] the graph is no longer watched: OSError('no route')" in run.lines
    assert "[a] a" in run.lines


def test_ctrl_c_before_the_broker_listens_is_no_fault() -> None:
    press = f"import os, time; os.kill({os.getpid()}, signal.SIGINT)"
    take = "signal.pthread_sigmask(signal.SIG_SETMASK, [])"
    run = Run(broker=script("broker", f"{press}; {take}; time.sleep(60)"))
    assert run.run() == 0
    assert run.lines == []


@pytest.mark.parametrize("refused", ["pipe", "dup"])
def test_a_process_without_descriptors_left_leaves_none_open(
    monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    made = os.pipe

    def pipe() -> tuple[int, int]:
        monkeypatch.setattr(os, "pipe", full)  # one is made, and no second one
        return made()

    def full(*_: object) -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def run() -> None:
        async with await Guard.start() as guard:
            before = set(Path("/proc/self/fd").iterdir())
            monkeypatch.setattr(os, refused, pipe if refused == "pipe" else full)
            with pytest.raises(OSError, match="Too many open files"):
                await guard.run(sleeper("a"), {}, lambda _: None, lambda _: None)
            monkeypatch.undo()
            assert set(Path("/proc/self/fd").iterdir()) == before

    asyncio.run(run())
