"""What the end of one process means for the others: restarts, what is required, dependencies."""

import asyncio
import dataclasses
import errno
import itertools
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes.launcher.output.log_file import LogFile
from dsmq_nodes.launcher.supervise import crowd, supervisor
from dsmq_nodes.launcher.supervise.crowd import cores
from dsmq_nodes.launcher.supervise.plan import (
    Dependency,
    LogPlan,
    NodePlan,
    ProcessPlan,
    RestartPlan,
)
from dsmq_nodes.launcher.supervise.process import Guard, Process
from dsmq_nodes.rclpy.launching.visiting import after_exit, after_start
from tests.launcher.test_supervisor import Observer, Run, ctrl_c_on, patient, script, sleeper
from tests.support.waiting import PATIENCE_SEC

SOON = RestartPlan("on-failure", 0.01, 0.05, 0.0, max_restarts=2)


def node(name: str, *nodes: str) -> ProcessPlan:
    """A process of nodes, which nobody calls ready but one named /a; it takes a signal."""
    take = "import time; signal.signal(2, signal.SIG_DFL); signal.pthread_sigmask(2, [])"
    plan = script(name, f"{take}; time.sleep(60)")
    return with_(plan, nodes=tuple(NodePlan(each, "m:Any") for each in nodes))


def once(path: Path) -> str:
    """Code that fails the first time, and is well then."""
    return (
        f"import os, sys, time; failed = os.path.exists({str(path)!r}); "
        f"open({str(path)!r}, 'w').close(); print('failed before:', failed); "
        "sys.exit(0 if failed else 3)"
    )


def with_(plan: ProcessPlan, **fields: object) -> ProcessPlan:
    """The plan with other fields."""
    return dataclasses.replace(plan, **fields)  # type: ignore[arg-type]


def test_a_process_that_comes_back_is_no_fault(tmp_path: Path) -> None:
    run = Run(with_(script("a", once(tmp_path / "x")), restart=SOON))
    assert run.run() == 0
    assert run.said() == [
        "[a] failed before: False",
        "[launch] a: exit status 3; it is started again in 0.0 s",
        "[a] failed before: True",
        "[launch] a has finished (exit status 0)",
        "[launch] a: was started again 1 time, last after exit status 3",
    ]


def test_a_crash_loop_ends_in_failed_and_the_others_go_on(tmp_path: Path) -> None:
    failed = tmp_path / "failed"
    waits = f"import os, time\nwhile not os.path.exists({str(failed)!r}): time.sleep(0.01)"
    run = Run(
        with_(script("bad", "print('no sensor'); raise SystemExit(7)"), restart=SOON),
        script("good", f"{waits}\nprint('still here')"),
    )

    def on_line(line: bytes) -> None:
        if b"FAILED" in line:
            failed.touch()

    assert run.run(on_line=on_line) == 1
    told = [line for line in run.said() if "[launch] bad" in line]
    assert told == [
        "[launch] bad: exit status 7; it is started again in 0.0 s",
        "[launch] bad: exit status 7; it is started again in 0.0 s",
        "[launch] bad: its last lines:",
        "[launch] bad: FAILED after 3 starts, exit status 7; the others go on",
        "[launch] bad: was started again 2 times, last after exit status 7",
    ]
    assert "[good] still here" in run.lines
    assert run.lines[-1] == "[launch] ended with faults: bad (FAILED after 3 starts, exit status 7)"
    assert run.lines.count("[bad] no sensor") == 6  # three times as it came, three as its last


def test_no_others_go_on_where_there_are_none() -> None:
    run = Run(with_(script("bad", "raise SystemExit(7)"), restart=SOON))
    assert run.run() == 1
    assert "[launch] bad: FAILED after 3 starts, exit status 7; the launch ends" in run.said()


@pytest.mark.parametrize(("code", "status"), [("pass", 0), ("raise SystemExit(4)", 1)])
def test_what_is_required_ends_the_launch(code: str, status: int) -> None:
    run = Run(with_(script("a", code), required=True), sleeper("b"))
    assert run.run() == status
    assert any(line.startswith("[launch] a") and "the launch ends" in line for line in run.lines)


def test_a_process_waits_for_what_it_depends_on() -> None:
    other = node("a", "/a")
    waits = with_(
        script("b", "print('after a')"), depends_on=(Dependency("a", "/a"),), required=True
    )
    run = Run(waits, other)
    assert run.run(observer=Observer()) == 0
    assert "[b] after a" in run.lines


def test_a_dependency_that_does_not_come_about_ends_the_launch() -> None:
    waits = with_(script("b", "print('b')"), depends_on=(Dependency("a", "/a", "/map", 0.2),))
    run = Run(sleeper("a"), waits)
    assert run.run(observer=Observer()) == 1
    assert "[launch] b: waited 0.2 s for /map of a; the launch ends" in run.lines
    assert "[b] b" not in run.lines


def test_a_dependency_that_is_over_is_not_waited_for() -> None:
    waits = with_(script("b", "print('b')"), depends_on=(Dependency("a", "/a", "/map", 60.0),))
    run = Run(script("a", "pass"), waits)
    assert run.run(observer=Observer()) == 1
    assert "[launch] b: waited for /map of a, in vain; the launch ends" in run.lines


def test_a_node_that_never_becomes_ready_is_told_and_a_fault_as_is_who_waits_for_it() -> None:
    never = node("stuck", "/stuck")
    both = node("both", "/b", "/c")
    waits = with_(script("b", "print('b')"), depends_on=(Dependency("stuck", "/stuck"),))
    run = Run(sleeper("well"), never, both, waits)
    late = {
        "stuck: not ready after 0.5 s: is it still in its constructor?",
        "both: not ready after 0.5 s: is a node of it still in its constructor?",
        "b: not started after 0.5 s: it waits for stuck to be ready",
    }
    over = ctrl_c_on(*(each.encode() for each in late))
    assert run.run(on_line=over, observer=Observer(), patience_sec=0.5) == 1
    faults = {
        "stuck": "never became ready",
        "both": "never became ready",
        "b": "was never started, it waited for stuck to be ready",
    }
    assert run.said()[-5:] == [
        *(f"[launch] {name}: {what}" for name, what in faults.items()),
        "the summary",
        f"[launch] ended with faults: {'; '.join(f'{n} ({w})' for n, w in faults.items())}",
    ]


def test_who_is_busy_starting_has_longer_as_on_a_slow_machine() -> None:
    take = "signal.signal(2, signal.SIG_DFL); signal.pthread_sigmask(2, [])"
    busy = script("busy", f"{take}\nwhile True: pass")
    run = Run(with_(busy, nodes=(NodePlan("/busy", "m:Any"),)))
    assert run.run(1.0, observer=Observer(), patience_sec=0.3, once_ready=True) == 1
    assert run.said()[:2] == [
        "[launch] busy: not ready after 1.8 s: is it still in its constructor?",
        "[launch] busy: never became ready",
    ]


def test_who_has_had_no_time_to_become_ready_is_told_and_no_fault() -> None:
    slow = node("slow", "/slow")
    waits = with_(script("b", "print('b')"), depends_on=(Dependency("slow", "/slow"),))
    run = Run(slow, waits)
    assert run.run(0.7, observer=Observer()) == 0
    assert run.said() == [
        "[launch] slow: was not ready yet when the 0.7 s were over",
        "[launch] b: was not started yet, it waits for slow to be ready when the 0.7 s were over",
    ]


def test_a_process_for_an_event_or_a_time_that_does_not_come_is_no_fault() -> None:
    never = with_(script("b", "print('b')"), depends_on=(after_exit("a"),))
    late = with_(script("c", "print('c')"), delay_sec=3600.0)
    after = with_(script("d", "print('d')"), depends_on=(after_start("c"),))
    run = Run(sleeper("a"), never, late, after)
    assert run.run(0.7, observer=Observer(), patience_sec=0.3) == 0
    assert run.said() == ["the summary"]
    assert sum(line.startswith("[launch] all nodes ready: 1 in") for line in run.lines) == 1


def test_a_delay_comes_before_the_first_start_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noted(delay_sec: float) -> None:
        slept.append(delay_sec)
        await sleep(delay_sec)

    monkeypatch.setattr(asyncio, "sleep", noted)
    run = Run(with_(script("a", once(tmp_path / "x")), restart=SOON, delay_sec=0.125), sleeper("b"))
    observer = Observer()

    def on_line(line: bytes) -> None:
        if line.startswith(b"a has finished"):
            assert observer.supervisor is not None
            if run.lines.count("[a] failed before: True") == 1:
                asyncio.get_running_loop().call_soon(observer.supervisor.start, "a")
            else:
                os.kill(os.getpid(), signal.SIGINT)

    assert run.run(on_line=on_line, observer=observer) == 0
    assert run.lines.count("[a] failed before: True") == 2
    assert slept.count(0.125) == 1


def test_a_user_who_starts_a_delayed_process_does_not_wait_for_its_delay() -> None:
    run = Run(with_(script("a", "print('begun')"), delay_sec=3600.0), sleeper("b"))
    observer = Observer()
    asked: list[asyncio.Task[None]] = []

    async def stop_and_start() -> None:
        assert observer.supervisor is not None
        await observer.supervisor.stop("a")
        observer.supervisor.start("a")

    def on_line(line: bytes) -> None:
        if b"all nodes ready" in line:
            asked.append(asyncio.get_running_loop().create_task(stop_and_start()))
        elif line.startswith(b"a has finished"):
            os.kill(os.getpid(), signal.SIGINT)

    assert run.run(20.0, on_line=on_line, observer=observer) == 0
    assert asked
    assert "[a] begun" in run.lines


def test_a_duration_may_count_from_when_all_nodes_are_ready() -> None:
    run = Run(node("slow", "/slow"))
    began_sec = time.monotonic()
    assert run.run(0.1, observer=Observer(), patience_sec=0.6, once_ready=True) == 1
    assert time.monotonic() - began_sec > 0.7
    assert "[launch] slow: never became ready" in run.said()


def test_lines_go_to_a_file_that_rotates(tmp_path: Path) -> None:
    log = LogPlan(tmp_path / "deep" / "a.log", most_bytes=1000, keep=1)
    code = "for n in range(100): print('line', n, '%s', 'ü')"
    run = Run(with_(script("a", code), screen=False, log=log))
    assert run.run() == 0
    assert not [line for line in run.lines if line.startswith("[a]")]
    newest = log.path.read_text("utf-8").splitlines()
    older = log.path.with_name("a.log.1").read_text("utf-8").splitlines()
    assert [*older, *newest][-50:] == [f"line {n} %s ü" for n in range(50, 100)]
    assert len(list(log.path.parent.iterdir())) == 2


@pytest.mark.parametrize("guards_delay_sec", [0.0, 0.1])
def test_a_log_file_says_where_each_start_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guards_delay_sec: float
) -> None:
    take = Guard._take_answer

    def late(guard: Guard, answer: dict[str, Any]) -> None:
        asyncio.get_running_loop().call_later(guards_delay_sec, take, guard, answer)

    monkeypatch.setattr(Guard, "_take_answer", late)
    log = LogPlan(tmp_path / "a.log")
    for text in ("of yesterday", "of today"):
        assert Run(with_(script("a", f"print({text!r})"), screen=False, log=log)).run() == 0
    first, old, second, new = log.path.read_text().splitlines()
    assert (old, new) == ("of yesterday", "of today")
    for line in (first, second):
        assert re.fullmatch(r"--- a started at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S+, pid \d+", line)


def test_a_log_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = LogPlan(tmp_path / "file" / "a.log")
    run = Run(with_(script("a", "print(1); print(2)"), log=log))
    assert run.run() == 0
    told = [line for line in run.lines if "nothing is written to" in line]
    assert len(told) == 1
    assert str(log.path) in told[0]
    assert "[a] 2" in run.lines


def test_a_log_file_goes_on_when_the_disk_has_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full for a moment ended the log of a launch that runs for weeks."""
    write, room_bytes = os.write, 22

    def on_a_full_disk(fd: int, data: memoryview) -> int:
        nonlocal room_bytes
        if not room_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = write(fd, data[:room_bytes])
        room_bytes -= taken
        return taken

    monkeypatch.setattr(os, "write", on_a_full_disk)
    told: list[str] = []
    file = LogFile(LogPlan(tmp_path / "a.log"), told.append)
    file.append(["the first", "the second", "the third"])
    file.append(["the fourth"])
    assert len(told) == 1
    room_bytes = 1000
    file.append(["the fifth"])
    file.append(["the sixth"])
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert lines == [
        *("the first", "the second", "t"),
        *("--- 2 lines are missing here", "the fifth", "the sixth"),
    ]
    assert len(told) == 1


def test_a_log_file_that_is_a_pipe_holds_up_no_other(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.log")  # nobody reads it
    one, other = LogPlan(tmp_path / "a.log"), LogPlan(tmp_path / "b.log")
    run = Run(
        with_(script("a", "print(1); print(2)"), log=one),
        with_(script("b", "print(3)"), log=other),
    )
    assert run.run() == 0
    assert len([line for line in run.lines if f"is written to {one.path}" in line]) == 1
    assert other.path.read_text().splitlines()[1:] == ["3"]


def test_a_disk_that_hangs_holds_up_nobody_and_its_lines_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_WRITTEN_SEC", 0.1)
    goes_on = threading.Event()
    monkeypatch.setattr(LogFile, "append", lambda *_: goes_on.wait())
    log = LogPlan(tmp_path / "a.log")
    run = Run(with_(script("a", "print(1); print(2)"), log=log))
    try:
        assert run.run() == 0
    finally:
        goes_on.set()
    assert "[a] 2" in run.lines
    told = "3 lines are not in the log files: the disk does not take them"
    assert f"[launch] {told}" in run.lines


def test_what_is_being_started_at_ctrl_c_ends_as_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Guard.run

    async def pressed(self: Guard, plan: ProcessPlan, *given: Any, **named: Any) -> Process:
        if plan.name == "it":
            os.kill(os.getpid(), signal.SIGINT)  # it is heard when the guard has been asked
        return await start(self, plan, *given, **named)

    monkeypatch.setattr(Guard, "run", pressed)
    safe = "import time; signal.signal(2, lambda *_: exit(print('safe', flush=True)))"
    code = f"{safe}; signal.pthread_sigmask(2, []); time.sleep(60)"
    run = Run(with_(script("it", code), nodes=(NodePlan("/it", "m:Any"),)))
    assert run.run() == 0
    assert "[it] safe" in run.lines


def test_niceness_and_cpus_are_the_file_s() -> None:
    cpu, nice = min(os.sched_getaffinity(0)), min(19, os.nice(0) + 7)
    wanted = f"{nice} {{{cpu}}}"
    code = (  # they are set a moment after it was begun
        f"import os, time; until_sec = time.monotonic() + {PATIENCE_SEC}\n"
        "def seen(): return f'{os.nice(0)} {os.sched_getaffinity(0)}'\n"
        f"while seen() != {wanted!r} and time.monotonic() < until_sec: time.sleep(0.01)\n"
        "print(seen())"
    )
    run = Run(with_(script("a", code), nice=nice, affinity=(cpu,)))
    assert run.run() == 0
    assert f"[a] {wanted}" in run.lines


def test_cpus_that_are_not_there_are_told() -> None:
    run = Run(with_(script("a", "print('runs')"), affinity=(4711,)))
    assert run.run() == 0
    assert "[launch] a: cpus [4711] are not available" in run.lines
    assert "[a] runs" in run.lines


def test_a_broker_that_ends_again_and_again_ends_the_launch() -> None:
    run = Run(sleeper("a"), broker=script("broker", "print('listening on 127.0.0.1:1')"))
    assert run.run() == 1
    told = [line for line in run.lines if line.startswith("[launch] broker: ")]
    assert told[-2:] == [
        "[launch] broker: exit status 0, again and again; the launch ends",
        "[launch] broker: was started again 3 times, last after exit status 0",
    ]


def test_no_more_processes_start_at_once_than_there_are_cpus(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    code = (
        f"import os, time; fd = os.open({str(starts)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "os.write(fd, b'+'); until = time.process_time() + 0.15\n"
        "while time.process_time() < until: pass\n"
        "os.write(fd, b'-')"
    )
    run = Run(*(script(f"n{number}", code) for number in range(4 * cores())))
    assert run.run() == 0
    running = list(itertools.accumulate(1 if each == "+" else -1 for each in starts.read_text()))
    assert running[-1] == 0
    assert max(running) <= cores() + 2  # one waits for the disk, one may be at its very end


def test_who_waits_in_its_start_does_not_hold_up_the_others() -> None:
    waits = [node(f"w{number}", f"/w{number}") for number in range(2 * cores())]
    run = Run(*waits, with_(script("last", "print('here')"), required=True))
    assert run.run(observer=Observer()) == 0
    assert "[last] here" in run.lines


def test_the_time_for_a_dependency_counts_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def first_message(*_: object) -> None:
        await asyncio.sleep(1.0)

    monkeypatch.setattr(Observer, "first_message", first_message)
    other = with_(node("a", "/a"), depends_on=(Dependency("map", "/map", "/map"),))
    on_a = (Dependency("a", "/a", timeout_sec=0.7),)
    waits = with_(script("b", "print('after a')"), depends_on=on_a, required=True)
    run = Run(waits, other, sleeper("map"))
    assert run.run(observer=Observer()) == 0
    assert "[b] after a" in run.lines


class Early(Observer):
    """Sees that a node is ready before the launcher hears that its process has begun."""

    def changed(self) -> None:
        """Nothing is seen later."""


def test_a_node_that_is_ready_before_its_process_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    observer, start = Early(), Guard.run

    async def started_late(self: Guard, plan: ProcessPlan, *given: Any, **named: Any) -> Process:
        process = await start(self, plan, *given, **named)
        while plan.name == "a" and observer.supervisor is None:
            await asyncio.sleep(0.001)
        if observer.supervisor is not None:
            observer.supervisor.nodes_ready({("/a", process.pid)})
        return process

    monkeypatch.setattr(Guard, "run", started_late)
    run = Run(node("a", "/a"))
    assert run.run(0.1, observer=observer, once_ready=True) == 0
    assert any("all nodes ready" in line for line in run.lines)


def test_many_that_end_at_once_have_their_time_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "cores", lambda: 1)
    code = (
        "import time\n"
        "def end(*_):\n"
        "    until = time.process_time() + 0.12\n"
        "    while time.process_time() < until: pass\n"
        "    raise SystemExit(0)\n"
        "signal.signal(signal.SIGINT, end); print('up', flush=True); time.sleep(60)"
    )
    # Two CPUs need 1 s for all of them. Each has 0.5 s, times 16: even of a busy machine.
    nodes = [patient(script(f"n{number}", code), 0.5) for number in range(16)]
    run = Run(*nodes)
    up: list[bytes] = []

    def on_line(line: bytes) -> None:
        up.append(line)
        if up.count(b"up") == len(nodes):
            os.kill(os.getpid(), signal.SIGINT)

    assert run.run(on_line=on_line) == 0
    assert not [line for line in run.lines if "still running" in line]
