"""Records a launch from inside it: either everything, or the last seconds before a process fails.

`dsmq-nodes launch --record NAME` and `--record ring=60s` start this as one more process of the
launch: `python -m dsmq_nodes.bag.record.flight`. The launcher starts the other processes when this
one is ready, so that it misses nothing, and it ends after they have ended. It reads their states
from `/dsmq/launch/state` and their lines from `/dsmq/launch/lines`; the launcher treats it like any
other process.

When a process fails, or is restarted after a failure, this writes a bundle to a new folder below
`failures/`: the bag, the lines of all processes, the launch file, the plan (programs, parameters,
environment), the state of every process, and the versions of all installed packages.
"""

import argparse
import importlib.metadata
import json
import platform
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from dsmq_nodes.bag.file.contents import Attachment
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.file.writing import OWN_TEXTS, BagWriter, about_here
from dsmq_nodes.bag.record.last_seconds import LastSeconds
from dsmq_nodes.bag.record.recorder import Recorder
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import broker_address
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.messages.dsmq_msgs import LaunchLines, LaunchState
from dsmq_nodes.signals import ending_signals
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import RECORDER_NODE, launch_node

NAME: Final = "recorder"
FAILURES: Final = "failures"
_OVER: Final = frozenset({"stopped", "finished", "failed"})
_FAULTS: Final = frozenset({"failed", "restarting"})
_LINES_KEPT: Final = 2000  # of each process
_LAST_WORDS_SEC: Final = 0.5  # from the failure to the bundle, to include its consequences


class Flight:
    """The processes of a launch: states and last lines."""

    def __init__(self, own_name: str) -> None:
        """Begin empty; `own_name` is the name of this process in the launch."""
        self.is_over = False
        self.failed: list[str] = []  # not yet bundled
        self.state = LaunchState()
        self.lines: dict[str, deque[str]] = {}
        self._own_name = own_name
        self._states: dict[str, str] = {}

    def on_state(self, reply: wire.Reply) -> None:
        """Handle a changed state of the launch."""
        self.state = LaunchState.from_json(reply.text or "")
        others = [p for p in self.state.processes if p.name not in {self._own_name, "broker"}]
        for process in (*others, *(p for p in self.state.processes if p.name == "broker")):
            before = self._states.get(process.name)
            if process.state in _FAULTS and before != process.state:
                self.failed.append(process.name)
            self._states[process.name] = process.state
        self.is_over = bool(others) and all(each.state in _OVER for each in others)

    def on_lines(self, reply: wire.Reply) -> None:
        """Handle lines that a process wrote."""
        written = LaunchLines.from_json(reply.text or "")
        kept = self.lines.setdefault(written.process, deque(maxlen=_LINES_KEPT))
        kept.extend(written.lines)


def write_bundle(
    folder: Path, flight: Flight, ring: LastSeconds, files: Sequence[Attachment]
) -> int:
    """Write a bundle to a new folder, and return the number of messages in its bag.

    Raises:
        OSError: the bundle could not be written.
        BagError: the bundle could not be written.
    """
    folder.mkdir(parents=True)
    for each in files:
        (folder / each.name).write_bytes(each.data)
    (folder / "state.json").write_text(json.dumps(flight.state.to_dict(), indent=2) + "\n")
    (folder / "versions.txt").write_text(versions())
    for process, lines in flight.lines.items():
        (folder / f"{_as_file_name(process)}.log").write_text(
            "".join(f"{line}\n" for line in lines), encoding="utf-8"
        )
    with BagWriter(folder / "run") as writer:
        writer.describe(OWN_TEXTS, about_here())
        return ring.dump(writer)


def _as_file_name(process: str) -> str:
    return re.sub(r"[^\w.-]+", "_", process)


def versions() -> str:
    """Return the installed packages, one line each."""
    found = {
        f"{each.metadata['Name']}=={each.version}" for each in importlib.metadata.distributions()
    }
    system = f"python=={platform.python_version()} ({platform.platform()})"
    return "\n".join([system, *sorted(found, key=str.lower)]) + "\n"


def main(arguments: list[str]) -> int:
    """Record until the launch's nodes have ended, or a signal; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dsmq_nodes.bag.record.flight")
    parser.add_argument("--ring", type=float, default=0.0, help="keep this many seconds in memory")
    parser.add_argument("--output", required=True, help="the bag; with --ring: the folder")
    parser.add_argument("--attach", action="append", default=[], help="a file for the bag")
    parser.add_argument("--launch", default=launch_node(), help="the launch's node")
    parser.add_argument("--plan", default="", help="the launch's plan, as text")
    given = parser.parse_args(arguments)
    asked: list[int] = []
    for number in ending_signals():
        signal.signal(number, lambda number, _: asked.append(number))
    files = [Attachment(Path(each).name, Path(each).read_bytes()) for each in given.attach]
    files.append(Attachment("plan.txt", given.plan.encode()))
    if given.ring:
        return _record_ring(asked, given.ring, Path(given.output), files, given.launch)
    return _record_all(asked, given.output, files, given.launch)


def _record_all(asked: list[int], output: str, files: Sequence[Attachment], launch: str) -> int:
    flight = Flight(NAME)
    with BagWriter(output) as writer:
        writer.describe(OWN_TEXTS, about_here())
        for each in files:
            writer.attach(each)
        recorder = _recorder(writer, flight, launch)
        recorder.run(lambda: bool(asked) or flight.is_over, is_hurried=lambda: len(asked) > 1)
    _print(f"{recorder.messages} messages, {recorder.dropped} dropped, in {writer.paths[0]}")
    return 0


def _record_ring(
    asked: list[int], seconds: float, output: Path, files: Sequence[Attachment], launch: str
) -> int:
    flight, ring = Flight(NAME), LastSeconds(seconds)
    recorder = _recorder(ring, flight, launch)
    due_sec: list[float] = []

    def bundle_if_due(*, at_once: bool = False) -> None:
        if not flight.failed:
            return
        now_sec = time.monotonic()
        if not due_sec:
            due_sec.append(now_sec + _LAST_WORDS_SEC)
        if now_sec >= due_sec[0] or at_once:
            due_sec.clear()
            names, flight.failed = "_".join(dict.fromkeys(flight.failed)), []
            _bundle(output, names, flight, ring, files)

    recorder.run(
        lambda: bool(asked) or (flight.is_over and not flight.failed),
        bundle_if_due,
        lambda: len(asked) > 1,
    )
    bundle_if_due(at_once=True)
    return 0


def _bundle(
    output: Path, names: str, flight: Flight, ring: LastSeconds, files: Sequence[Attachment]
) -> None:
    now = f"{datetime.now().astimezone():%Y_%m_%d-%H_%M_%S.%f}"
    folder = output / f"{now}-{_as_file_name(names)}"
    try:
        count = write_bundle(folder, flight, ring, files)
    except (OSError, DsmqError) as error:
        _print(f"cannot write {folder}: {error}")
    else:
        _print(f"{names} failed: the last {count} messages and the launch's state: {folder}")


def _recorder(writer: BagWriter | LastSeconds, flight: Flight, launch: str) -> Recorder:
    return Recorder(
        Session(broker_address(), node=RECORDER_NODE, patient=True, lasting=True),
        writer,
        Selection(everything=True),
        from_start=True,
        listeners={f"{launch}/state": flight.on_state, f"{launch}/lines": flight.on_lines},
        warn=_print,
    )


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DsmqError as error:
        sys.exit(str(error))
