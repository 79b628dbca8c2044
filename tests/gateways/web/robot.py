"""A robot with a dashboard, for tests: a launch of the diffbot and its gateway, as a process."""

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final, Self

from dsmq_nodes.tools.session import Session
from tests.support.processes import ROOT, Popen
from tests.support.waiting import until

_URL: Final = re.compile(r"dashboard: (\S+)")
_BROKER: Final = re.compile(r"listening on (\S+:\d+)")


class Robot:
    """The launch.

    Attributes:
        lines: what it has said.
    """

    def __init__(self, folder: Path, web: str, *, nodes: str = "", env: Any = None) -> None:
        """Start it; `web` is the gateway's entry, `nodes` its nodes, by default the diffbot."""
        diffbot = f"- {{include: {ROOT}/launch/diffbot.yaml, args: {{picture: ''}}}}\n"
        file = folder / "robot.yaml"
        file.write_text(f"broker: {{port: 0}}\nweb: {web}\nnodes:\n{nodes or diffbot}")
        self.lines: list[str] = []
        self.process = Popen(
            [sys.executable, "-m", "dsmq_nodes", "launch", str(file), "--no-table"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **({} if env is None else {"env": env}),
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        until(lambda: self._found(_URL) and "all nodes ready" in self.said, f"{self.lines}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def _found(self, pattern: re.Pattern[str]) -> str:
        found = pattern.search(self.said)
        return found[1] if found is not None else ""

    @property
    def said(self) -> str:
        """All it has said."""
        return "".join(self.lines)

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return self._found(_URL)

    @property
    def broker(self) -> str:
        """The broker's address."""
        return self._found(_BROKER)

    def session(self) -> Session:
        """A tool's connection to its broker."""
        return Session(self.broker)

    def pid_of(self, process: str) -> int:
        """The process of a node, or the broker's."""
        with self.session() as session:
            if process == "broker":
                from dsmq_nodes.tools.running_launch import RunningLaunch  # noqa: PLC0415

                found = RunningLaunch(session).state().processes
                return next(each.pid for each in found if each.name == "broker")
            return next(each.pid for each in session.graph().peers if each.name == process)

    def close(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self._reading.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
