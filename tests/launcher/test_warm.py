"""Processes that are forked from one that has imported the kit: they are like any other."""

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from dsmq_nodes.launcher.supervise.plan import ProcessPlan
from dsmq_nodes.launcher.supervise.process import may_fork
from tests.launcher import running
from tests.launcher.running import Launch, gone, launched
from tests.support.processes import suspend
from tests.support.waiting import PATIENCE_SEC, until

# What a launch starts then, a fork of the tests' own (tests/support/forked.py) starts as others do.
STARTS_INTERPRETERS = """
import subprocess
start = subprocess.Popen._execute_child
subprocess.Popen._execute_child = start.__globals__.get("_execute", start)
"""


@pytest.fixture(autouse=True)
def interpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard of a launch and its warm process are no forks of the tests' own."""
    monkeypatch.setattr(running, "_LAUNCH", STARTS_INTERPRETERS + running._LAUNCH)


# All that a program can see of the process it runs in. Two processes of the same program differ in
# nothing of it, except what `unlike` removes.
PROBE = """
import __main__, asyncio, ctypes, gc, json, locale, logging, os, resource, signal, stat, sys
import threading, time, warnings

libc = ctypes.CDLL(None)


def told(*, name, keep=None):
    with open(f"/proc/self/{name}") as file:
        lines = file.read().splitlines()
    return [line for line in lines if keep is None or line.startswith(keep)]


def descriptor(number):
    if stat.S_ISFIFO(os.fstat(number).st_mode):
        return ["pipe", os.get_inheritable(number)]
    return [os.readlink(f"/proc/self/fd/{number}"), os.get_inheritable(number)]


def stream(file):
    return [file.encoding, file.errors, file.line_buffering, file.write_through, file.name,
            file.mode, file.newlines, file.seekable(), repr(file), repr(file.buffer)]


def asked_to_die():
    number = ctypes.c_int()
    libc.prctl(2, ctypes.byref(number))
    return number.value


def opened():
    numbers = [int(each) for each in os.listdir("/proc/self/fd")]
    return sorted(descriptor(each) for each in numbers if os.path.exists(f"/proc/self/fd/{each}"))


seen = {
    "stack": [line.split()[0] for line in told(name="maps") if line.endswith("[stack]")],
    "argv": [sys.argv, sys.orig_argv], "path": sys.path, "flags": repr(sys.flags),
    "options": [sys.warnoptions, sys._xoptions, sys.dont_write_bytecode],
    "python": [sys.executable, sys._base_executable, sys.prefix, sys.base_prefix],
    "main": {name: repr(value)[:60] for name, value in vars(__main__).items() if "__" in name},
    "__main__": [__main__ is sys.modules["__main__"], __name__],
    "environ": dict(os.environ),
    "/proc environ": dict(each.split("=", 1) for each in told(name="environ")[0].split("\\0")[:-1]),
    "cmdline": told(name="cmdline"), "comm": told(name="comm"),
    "exe": os.readlink("/proc/self/exe"),
    "status": told(name="status", keep=(
        "Cap", "Cpus", "Gid", "Groups", "NoNew", "Seccomp", "Shd", "SigB", "SigC", "SigI", "SigP",
        "Threads", "Uid", "Umask",
    )),
    "limits": [resource.getrlimit(number) for number in range(16)],
    "session": [os.getpid() == os.getpgid(0), os.getpid() == os.getsid(0)],
    "parent": open(f"/proc/{os.getppid()}/cmdline").read(), "dies": asked_to_die(),
    "opened": opened(), "cwd": os.getcwd(), "nice": os.nice(0),
    "handlers": {each.name: repr(signal.getsignal(each)) for each in signal.Signals},
    "mask": repr(signal.pthread_sigmask(0, [])), "wakeup": signal.set_wakeup_fd(-1) >= 0,
    "streams": [stream(each) for each in (sys.stdin, sys.stdout, sys.stderr)],
    "logs": [len(logging.getLogger().handlers), logging.getLogger("dsmq_nodes").level],
    "threads": [each.name for each in threading.enumerate()],
    "is main": threading.current_thread() is threading.main_thread(),
    "gc": [gc.isenabled(), gc.get_threshold()], "warnings": repr(warnings.filters),
    "limit": [sys.getrecursionlimit(), sys.getswitchinterval()],
    "locale": locale.setlocale(locale.LC_ALL, None), "time": [time.timezone, time.tzname],
    "hooks": [sys.excepthook is sys.__excepthook__, repr(threading.excepthook)],
    "traced": [sys.gettrace(), sys.getprofile()], "finders": len(sys.meta_path),
}
with open(os.environ["OUT"] + ".part", "w") as file:
    file.write(json.dumps(seen))
os.rename(file.name, os.environ["OUT"])
"""
NODE = """
from dsmq_nodes import Node


class Probed(Node):
    def __init__(self):
        super().__init__("probed")
        import probe
"""


def write(directory: Path, nodes: str, **files: str) -> Path:
    """Write a launch file with these entries, and modules beside it."""
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    path = directory / "robot.yaml"
    path.write_text(f"broker: {{port: 0}}\nnodes:\n{nodes}")
    return path


def unlike(seen: dict[str, Any]) -> dict[str, Any]:
    """Without what is different for each process, or for each entry."""
    text = json.dumps(seen)
    text = re.sub(r"0x[0-9a-f]+|\[\d+\]", "", text)  # addresses, and inodes of sockets
    text = re.sub(r'"DSMQ_GUARD": "\d+:\d+:"', '"DSMQ_GUARD": ""', text)
    text = re.sub(r"/(forked|own)\b", "/x", text)
    told: dict[str, Any] = json.loads(text)
    del told["stack"]
    return told


def is_forked(seen: dict[str, Any], warm: str) -> bool:
    """Whether it has the random place of the stack that its parent has."""
    end = seen["stack"][0].partition("-")[2]
    return re.search(rf"-{end} .*\[stack\]$", warm, re.MULTILINE) is not None


@pytest.mark.parametrize(
    "program",
    [
        "exec: [python, probe.py, a, 'b c', '']",
        "exec: [python3, -m, probe, a, --path, 'b c']",
        "node: 'robot:Probed'",
    ],
)
def test_a_forked_process_is_what_an_interpreter_begins(tmp_path: Path, program: str) -> None:
    entries = "- {name: stays, exec: [sleep, '600']}\n"  # the warm process ends with the last one
    for name, fork in (("forked", "true"), ("own", "false")):
        env = f"{{OUT: {tmp_path}/{name}, TZ: Asia/Tokyo, DSMQ_NODE_X: 'ä'}}"
        entries += f"- {{name: x, namespace: /{name}, {program}, fork: {fork}, env: {env}}}\n"
    with launched(write(tmp_path, entries, probe=PROBE, robot=NODE)) as launch:
        for name in ("forked", "own"):
            until((tmp_path / name).exists)
        launch.wait_for("all nodes ready")
        warm = Path(f"/proc/{launch.warm_pid()}/maps").read_text()
        launch.process.send_signal(signal.SIGINT)
        launch.end()
    forked, own = (json.loads((tmp_path / name).read_text()) for name in ("forked", "own"))
    assert (is_forked(forked, warm), is_forked(own, warm)) == (True, False), launch.text
    assert unlike(forked) == unlike(own)


ENDS = """
import atexit, multiprocessing, os, signal, sys, threading, time


def square(number):
    return number * number


def inner(how):
    if how == "raises":
        raise ValueError("no hardware") from KeyError("x")
    if how == "interrupted":
        raise KeyboardInterrupt
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "says":
        sys.exit("why it ends")
    if how == "status":
        sys.exit(3)
    if how == "hook":
        sys.excepthook = lambda kind, error, trace: print(kind, trace.tb_frame.f_code.co_filename)
        raise ValueError
    if how == "spawns":
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            print(pool.map(square, [3]))
    if how == "thread":
        threading.Thread(target=lambda: (time.sleep(0.05), print("thread ends"))).start()


if __name__ == "__main__":
    atexit.register(print, "atexit", flush=True)
    inner(sys.argv[1])
"""
HOWS = ["raises", "interrupted", "killed", "says", "status", "hook", "spawns", "thread", "wrong"]


def test_a_forked_process_ends_as_an_interpreter_does(tmp_path: Path) -> None:
    entries = ""
    for how in HOWS:
        program = "wrong.py" if how == "wrong" else "ends.py"
        for way, fork in (("forked", "true"), ("own", "false")):
            entries += f"- {{name: {how}, namespace: {way}, exec: [python, {program}, {how}]"
            entries += f", fork: {fork}}}\n"
    path = write(tmp_path, entries, ends=ENDS, wrong="x = (1,\nprint('no')\n")
    with launched(path) as launch:
        assert launch.end() == 1
    said: dict[str, dict[str, list[str]]] = {"forked": {}, "own": {}}
    for line in launch.lines:
        if found := re.match(r"\[(launch\] |)(forked|own)/(\w+)(.*)", line):
            what = found[4].partition("; the ")[0]  # of the last one to end, the launch ends
            said[found[2]].setdefault(found[3] + found[1], []).append(what)
    assert {key.removesuffix("launch] ") for key in said["own"]} == set(HOWS)
    for how in said["own"]:
        assert said["forked"][how] == said["own"][how]


RESTARTED = """
import os, sys, time

print("forked", "dsmq_nodes" in sys.modules, flush=True)
time.sleep(60)
"""
SLEEPERS = """
- {name: a, exec: [python, sleeper.py], restart: {policy: on-failure, delay: 0.01, jitter: 0}}
- {name: b, exec: [python, sleeper.py]}
"""


def sleepers(tmp_path: Path) -> Path:
    return write(tmp_path, SLEEPERS, sleeper=RESTARTED)


def asleep(launch: Launch) -> int:
    """Wait until both sleep, forked; return the pid of the one that is started again."""
    launch.wait_for("forked True")
    launch.wait_for("forked True")
    return launch.pid_of("a")


BUILT = """
import sys

services = sys.modules["dsmq_nodes.graph.parameters.parameter_services"]
print("built", services.SetParameters.Request.__pydantic_complete__)
"""


def test_a_forked_node_imports_nothing_at_the_first_call_of_its_parameters(tmp_path: Path) -> None:
    """It took 0.2 s on a small computer, in which a controller stood still."""
    path = write(tmp_path, "- {name: a, exec: [python, told.py]}\n", told=BUILT)
    with launched(path) as launch:
        launch.wait_for("built True")
        launch.end()


def test_nothing_depends_on_the_warm_process(tmp_path: Path) -> None:
    with launched(sleepers(tmp_path)) as launch:
        a, b, warm = asleep(launch), launch.pid_of("b"), launch.warm_pid()
        os.kill(warm, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(warm))
        assert launch.pids() >= {a, b}
        os.kill(a, signal.SIGKILL)  # the launch still learns how it ends
        launch.wait_for("a: killed by SIGKILL; it is started again")
        launch.wait_for("[a] forked True")  # by another one
        assert launch.warm_pid() not in {0, warm}
        os.kill(b, signal.SIGTERM)
        launch.wait_for("b: killed by SIGTERM")
        launch.process.send_signal(signal.SIGINT)
        launch.end()


VERSION = """
import sys, time

print("version", sys.modules["sitecustomize"].VERSION, flush=True)
time.sleep(60)
"""


def test_after_an_update_a_process_begins_in_the_new_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fork had imported a part of the old one, and imported the rest from the new one."""
    module = tmp_path / "site" / "sitecustomize.py"
    module.parent.mkdir()
    module.write_text("VERSION = 1")
    monkeypatch.setenv("PYTHONPATH", str(module.parent))
    with launched(write(tmp_path, SLEEPERS, sleeper=VERSION)) as launch:
        launch.wait_for("[b] version 1")
        warm = launch.warm_pid()
        module.with_suffix(".new").write_text("VERSION = 'new'")
        module.with_suffix(".new").replace(module)
        for is_forked in (False, True):
            os.kill(launch.pid_of("a"), signal.SIGKILL)
            launch.wait_for("[a] version new")
            assert launch.warm_pid() != warm or not is_forked


def test_a_broker_that_was_killed_is_forked(tmp_path: Path) -> None:
    with launched(sleepers(tmp_path)) as launch:
        nodes = {asleep(launch), launch.pid_of("b")}
        (broker,) = launch.pids() - nodes
        for has_imported_the_kit in (False, True):
            maps = Path(f"/proc/{broker}/maps").read_text()
            assert ("pydantic_core" in maps) == has_imported_the_kit
            os.kill(broker, signal.SIGKILL)
            launch.wait_for("dsmq broker listening on")
            (broker,) = launch.pids() - nodes


def test_a_stopped_warm_process_delays_nothing(tmp_path: Path) -> None:
    with launched(sleepers(tmp_path)) as launch:
        a = asleep(launch)
        suspend(launch.warm_pid())
        os.kill(a, signal.SIGKILL)
        launch.wait_for("[a] forked True")


@pytest.mark.parametrize("whom", ["launcher", "guard", "keeper"])
def test_nothing_forked_outlives_its_launch(tmp_path: Path, whom: str) -> None:
    with launched(sleepers(tmp_path)) as launch:
        asleep(launch)
        pids = launch.pids() | launch.serving_pids()
        assert len(pids) == 6
        pid = {
            "launcher": launch.process.pid,
            "guard": launch.guard_pid(),
            "keeper": launch.keeper_pid(),
        }
        os.kill(pid[whom], signal.SIGKILL)
        assert gone(pids, PATIENCE_SEC)


def test_a_programs_own_module_comes_before_one_that_is_imported_already(tmp_path: Path) -> None:
    entries = "- {name: n, exec: [python, program.py]}\n"
    files = {"program": "import csv", "csv": 'print("its own csv", __file__)'}
    with launched(write(tmp_path, entries, **files)) as launch:
        launch.wait_for(f"[n] its own csv {tmp_path}/csv.py")


def test_without_a_warm_process(tmp_path: Path) -> None:
    with launched(sleepers(tmp_path), warm=False) as launch:
        launch.wait_for("forked False")
        assert launch.warm_pid() == 0


@pytest.mark.parametrize(
    ("argv", "env"),
    [
        ((sys.executable, "-O", "x.py"), {}),
        ((sys.executable, "-c", "pass"), {}),
        ((sys.executable, "-m"), {}),
        ((sys.executable,), {}),
        ((sys.executable, "directory"), {}),
        (("/usr/bin/env", "x.py"), {}),
        (("/elsewhere/bin/python", "x.py"), {}),
        ((str(Path(sys.executable).parent / "pytest"), "x.py"), {}),
        ((sys.executable, "x.py"), {"PYTHONPATH": "lib"}),
        ((sys.executable, "x.py"), {"PYTHONHASHSEED": "0"}),
        ((sys.executable, "x.py"), {"LD_PRELOAD": "x.so"}),
        ((sys.executable, "x.py"), {"LC_ALL": "C"}),
        ((sys.executable, "x.py"), {"DSMQ_NODES_PURE": "1"}),
    ],
)
def test_what_begins_in_an_interpreter_of_its_own(
    argv: tuple[str, ...], env: dict[str, str]
) -> None:
    assert may_fork(ProcessPlan("x", (sys.executable, "x.py"), {"DSMQ_NODES": "[]"}))
    assert not may_fork(ProcessPlan("x", argv, env))


@pytest.mark.parametrize("name", ["COVERAGE_PROCESS_START", "PYTHONPROFILEIMPORTTIME"])
def test_nothing_is_forked_where_each_interpreter_is_measured(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    assert not may_fork(ProcessPlan("x", (sys.executable, "x.py")))
