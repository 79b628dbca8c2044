"""A launch in a process of its own, for tests to watch and to disturb."""

import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from tests.support.programs import Running
from tests.support.waiting import PATIENCE_SEC

_LAUNCH = """
import sys
from pathlib import Path
from dsmq_nodes.launcher import launch
duration_sec, options = float(sys.argv[2]) or None, sys.argv[3:]
strict, warm = "strict" in options, "cold" not in options
sys.exit(launch(Path(sys.argv[1]), duration_sec=duration_sec, strict_rates=strict, warm=warm))
"""

NODES = '''
import os, subprocess, sys, time
from dsmq_nodes import Node
from dsmq_nodes.messages import String
from dsmq_nodes.messages.dsmq_msgs import LaunchState


class Quiet(Node):
    def __init__(self):
        super().__init__("quiet")
        print("hello from", self.name, flush=False)

    def on_shutdown(self):
        print("goodbye from", self.name)


class Talker(Node):
    rate_hz = 50.0

    def __init__(self):
        super().__init__("talker")
        self.publisher = self.create_publisher(String, "chatter", 10)
        self.create_timer(self.period_sec, lambda: self.publisher.publish(String(data="x")))


class Chatty(Node):
    def __init__(self):
        super().__init__("chatty")
        self.create_timer(0.02, lambda: print("chat"))


class Listener(Node):
    def __init__(self):
        super().__init__("listener")
        self.create_subscription(String, "chatter", lambda msg: None, 10)


class Hearer(Node):
    def __init__(self):
        super().__init__("hearer")
        self.create_subscription(String, "chatter", lambda msg: print("heard"), 1)


class Slow(Node):
    """Cannot hold its rate."""

    rate_hz = 50.0

    def __init__(self):
        super().__init__("slow")
        self.create_timer(self.period_sec, self.quick)
        self.create_timer(0.2, self.think)

    def quick(self):
        pass

    def think(self):
        time.sleep(0.1)


class Stuck(Node):
    """Its first callback goes on until there is a file `go`."""

    def __init__(self):
        super().__init__("stuck")
        self.create_timer(0.01, self.block)

    def block(self):
        while not os.path.exists("go"):
            time.sleep(0.01)


class Finisher(Node):
    def __init__(self):
        super().__init__("finisher")
        self.create_timer(0.01, self.shutdown)


class Parent(Quiet):
    """Starts a process that does not care for signals."""

    def __init__(self):
        super().__init__()
        code = "import signal as s, time; [s.signal(n, s.SIG_IGN) for n in (2, 15)]; time.sleep(60)"
        self.child = subprocess.Popen([sys.executable, "-c", code])


class Daemon(Node):
    """Starts a process that does not care for signals, and hides it in another session."""

    def __init__(self):
        super().__init__("daemon")
        heard, said = os.pipe()
        deaf = (
            "import os, signal as s, time; [s.signal(n, s.SIG_IGN) for n in (1, 2, 15)]; "
            f"os.write({said}, b'd'); time.sleep(60)"
        )
        code = (
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', "
            f"{deaf!r}], start_new_session=True, close_fds=False)"
        )
        started = [sys.executable, "-c", code]
        subprocess.run(started, start_new_session=True, pass_fds=[said])
        os.read(heard, 1)

    def enter_safe_state(self):
        print("talks to nobody" * 100)
        open("safe", "w").close()


class Broken(Node):
    def __init__(self):
        super().__init__("broken")
        raise ValueError("no hardware")


class CrashesLater(Node):
    def __init__(self):
        super().__init__("later")
        self.create_subscription(LaunchState, "/dsmq/launch/state", self.on_state, 1)

    def on_state(self, state):
        if all(process.state == "ready" for process in state.processes):
            raise ValueError("gone wrong")


class EndsBadly(Quiet):
    def enter_safe_state(self):
        raise OSError("the brake is stuck")


class NoNode:
    pass
'''


def write_launch(directory: Path, nodes: dict[str, str], port: int = 0) -> Path:
    """Write a launch file of name: module:Class, and the classes above, into `directory`."""
    (directory / "launch").mkdir()
    (directory / "robot.py").write_text(NODES)
    path = directory / "launch" / "robot.yaml"
    lines = [f"  - {{name: {name}, node: '{spec}'}}" for name, spec in nodes.items()]
    path.write_text("\n".join([f"broker: {{port: {port}}}", "nodes:", *lines, ""]))
    return path


def gone(pids: set[int], within_sec: float) -> bool:
    """Whether these processes end in time; a zombie that nobody reaps has ended."""

    def runs(pid: int) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        return False

    until_sec = time.monotonic() + within_sec
    while any(runs(pid) for pid in pids):
        if time.monotonic() > until_sec:
            return False
        threading.Event().wait(0.01)
    return True


def _child(pid: int, command: str) -> int:
    """The child of a process that has this in its command; 0 when there is none."""
    with contextlib.suppress(psutil.Error):
        for each in psutil.Process(pid).children() if pid else ():
            with contextlib.suppress(psutil.Error):  # others come and go
                if command in " ".join(each.cmdline()):
                    return each.pid
    return 0


class Launch:
    """A launch that runs: what it has said, line by line, and what it has started."""

    def __init__(
        self,
        path: Path,
        duration_sec: float = 0.0,
        *,
        strict_rates: bool = False,
        warm: bool = True,
        before: Sequence[str] = (),
    ) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("DSMQ_")}
        words = [sys.executable, "-c", _LAUNCH, str(path), str(duration_sec)]
        command = [*before, *words, *["strict"] * strict_rates, *["cold"] * (not warm)]
        self.running = Running(command, is_merged=True, cwd=path.parent, env=environ)
        self.process, self.lines = self.running.process, self.running.lines

    def wait_for(self, part: str, patience_sec: float = PATIENCE_SEC) -> str:
        """Return the first line from here on that contains `part`."""
        return self.running.wait_for(re.escape(part), patience_sec).string

    def wait_for_each(self, *parts: str) -> None:
        """Wait until each of these is said; lines of several processes come in any order."""
        missing = list(parts)
        while missing:
            line = self.running.wait_for("|".join(map(re.escape, missing))).string
            missing = [part for part in missing if part not in line]

    def pids(self) -> set[int]:
        """Return all that this launch has started and that runs; what serves it is not counted."""
        running = psutil.Process(self.process.pid).children(recursive=True)
        return {each.pid for each in running} - self.serving_pids()

    def serving_pids(self) -> set[int]:
        """Return the guard, its keeper, and the process that forks."""
        return {self.guard_pid(), self.keeper_pid(), self.warm_pid()} - {0}

    def keeper_pid(self) -> int:
        """Return the process that waits for the guard; 0 when there is none."""
        return _child(self.process.pid, "launcher.guard")

    def guard_pid(self) -> int:
        """Return the process that has started all the others; 0 when there is none."""
        return _child(self.keeper_pid(), "launcher.guard")

    def warm_pid(self) -> int:
        """Return the process that forks the others; 0 when there is none."""
        return _child(self.guard_pid(), "launcher.warm.forking")

    def broker_pid(self) -> int:
        """Return the broker's process."""
        return _child(self.guard_pid(), "broker")

    def pid_of(self, name: str) -> int:
        """Return the process of a node."""
        for each in psutil.Process(self.process.pid).children(recursive=True):
            if f'"name":"{name}"' in each.environ().get("DSMQ_NODE", ""):
                return each.pid
        raise AssertionError(f"no {name} among {self.pids()}")

    def pid_of_program(self, name: str) -> int:
        """Return a process of that program."""
        running = psutil.Process(self.process.pid).children(recursive=True)
        return next(each.pid for each in running if each.name() == name)

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        return self.running.wait()

    @property
    def text(self) -> str:
        """All lines so far."""
        return self.running.output


@contextlib.contextmanager
def launched(
    path: Path,
    duration_sec: float = 0.0,
    *,
    strict_rates: bool = False,
    warm: bool = True,
    before: Sequence[str] = (),
) -> Iterator[Launch]:
    """Launch a file, with words `before` the command; nothing of it is left afterwards."""
    launch = Launch(path, duration_sec, strict_rates=strict_rates, warm=warm, before=before)
    try:
        yield launch
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for pid in {*launch.pids(), *launch.serving_pids()}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        launch.running.kill()
