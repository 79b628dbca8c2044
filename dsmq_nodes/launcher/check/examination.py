"""Constructs node classes in another process (examine.py), and survives whatever they do there.

That process ends the processes that constructors start. If a constructor ends the process itself,
we end what it leaves behind: like the launcher, we are a child subreaper for that time (guard.py).
"""

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from dsmq_nodes.launcher.check.findings import (
    ExaminationRequest,
    NodeClass,
    NodeFinding,
    NodeRequest,
)
from dsmq_nodes.launcher.descendants import MARK, end_descendants, marked, reap
from dsmq_nodes.launcher.prctl import become_subreaper
from dsmq_nodes.launcher.supervise.process import describe

_SILENCE_SEC: Final = 20.0
_EXIT_SEC: Final = 6.0
_numbers: Final = itertools.count()


class Examiner:
    """A process that examines node classes; it imports modules in the background."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mark = f"{os.getpid()}:check{next(_numbers)}:"
        become_subreaper()
        self._process = _start(self._mark)

    def examine(self, nodes: list[NodeRequest]) -> list[NodeFinding]:
        """Return the findings about each node.

        A node that ends the process, or never returns, is skipped; a new process examines the
        others.
        """
        found: list[NodeFinding] = []
        while len(found) < len(nodes):
            rest = nodes[len(found) :]
            begun = -1
            offset = len(found)
            for line in self._ask(ExaminationRequest(str(self._root), rest)):
                finding = msgspec.json.decode(line, type=NodeFinding)
                begun = max(begun, finding.index)
                finding.index += offset
                if not finding.begun:
                    found.append(finding)
            if len(found) < len(nodes):
                if begun >= 0 and offset + begun == len(found):
                    found.append(NodeFinding(len(found), unknown=self._why()))
                elif begun < 0:
                    why = f"the process that examines nodes did not start: {self._why()}"
                    found += [
                        NodeFinding(index, unknown=why) for index in range(offset, len(nodes))
                    ]
                self._end()
                self._process = _start(self._mark)
        return found

    def classes_in(self, modules: list[str]) -> list[NodeClass]:
        """Return the node classes in modules; a module that cannot be imported has none."""
        lines = self._ask(ExaminationRequest(str(self._root), modules=modules))
        return [msgspec.json.decode(line, type=NodeClass) for line in lines]

    def _ask(self, request: ExaminationRequest) -> Iterator[bytes]:
        process = self._process
        assert process.stdin is not None
        lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        self._timed_out = False
        try:
            process.stdin.write(json.dumps(msgspec.to_builtins(request)).encode() + b"\n")
            process.stdin.flush()
            while line := lines.get(timeout=_SILENCE_SEC):
                yield line
        except queue.Empty:
            self._timed_out = process.poll() is None  # else a child of it has the pipe
        except BrokenPipeError:
            pass

    def _why(self) -> str:
        if not self._timed_out:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it has closed the pipe itself
                return f"it ended the process, {describe(self._process.wait(_SILENCE_SEC))}"
        return f"it has not come to an end in {_SILENCE_SEC:g} s"

    def _end(self) -> None:
        """End the process, and all that it has started."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_EXIT_SEC)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        end_descendants(lambda: marked(self._mark), reap)
        process.stdout.close()  # not before: `_read` reads until all writers are gone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        become_subreaper(on=False)


def _start(mark: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "dsmq_nodes.launcher.check.examine"]
    env = os.environ | {MARK: mark}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        start_new_session=True,  # Ctrl-C is for the parent
    )


def _read(process: "subprocess.Popen[bytes]", lines: "queue.Queue[bytes]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(b"")
