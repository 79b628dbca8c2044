"""Keeps a pressed emergency stop while a launch lives, and after an end that nobody requested.

The nodes of a graph keep the stop (graph/emergency_stop.py), and it is lost with the last of them.
So the launcher keeps it too, since broker and actuators may be killed together. It also writes a
file, for the launch that systemd starts after this one was killed, has failed, or lost its power:
then nothing that was stopped may move by itself. A launch that a person has ended, by Ctrl-C or
SIGTERM, leaves no file: the next launch starts afresh.

The file is made when the launch begins, under another name: a press only renames it, which is
possible even on a full disk. A file without a state in it also counts as pressed. Another thread
writes it: while a disk hangs, Ctrl-C has to end the launch.
"""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from dsmq_nodes.graph.emergency_stop import EmergencyStop
from dsmq_nodes.graph.node import Node
from dsmq_nodes.launcher.output.line_queue import LineQueue
from dsmq_nodes.topic_names import EMERGENCY_STOP_TOPIC

_MOST_BYTES: Final = 65_536
_DISK_SEC: Final = 1.0  # what the disk has not done by then is left undone at the end
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC


class StopMemory:
    """The emergency stop of a launch."""

    def __init__(self, file: Path, report: Callable[[str], None]) -> None:
        """Keep the stop in `file`; `report` shows a line."""
        self._file, self._report = file, report
        self._spare = file.with_suffix(".new")
        self._stop: EmergencyStop | None = None
        self._steps: LineQueue[Callable[[], object]] = LineQueue(_do)

    @property
    def is_kept(self) -> bool:
        """Whether an earlier launch has left it pressed."""
        return os.path.lexists(self._file)  # also False if the file may not be looked up

    def begin(self, node: Node) -> None:
        """Join the topic as `node`, and press the stop if an earlier launch has left it pressed."""
        if self._stop is not None:
            return
        self._stop = EmergencyStop(node, self._changed)
        self._later(self._prepare)
        if self.is_kept:
            since_ns = self._stop.recall(self._kept())
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since_ns / 1e9))
            self._report(
                f"the emergency stop is pressed, since {since}: commands are refused until it is "
                f"released, as by `dsmq-nodes topic pub --once {EMERGENCY_STOP_TOPIC} "
                "std_msgs/msg/Bool '{data: false}'`"
            )

    async def end(self, *, is_asked: bool) -> None:
        """Remove the files if a user has ended the launch; else let a press be written."""
        if is_asked:
            self._later(self._remove)
        await self._steps.finish(_DISK_SEC)

    def _later(self, step: Callable[[], object]) -> None:
        self._steps.put(step, 1, 0)

    def _prepare(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._spare.touch()
        except OSError as error:
            self._report_unkept(error)

    def _remove(self) -> None:
        for each in (self._file, self._spare):
            with contextlib.suppress(OSError):
                each.unlink(missing_ok=True)

    def _changed(self, is_pressed: bool) -> None:
        kept = "" if self._stop is None else self._stop.kept
        self._later(partial(self._write, kept) if is_pressed else self._release)

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
            self._spare.touch()

    def _report_unkept(self, error: OSError) -> None:
        self._report(
            "a pressed emergency stop is forgotten if this launch is killed: "
            f"{self._file.parent} cannot be written ({error.strerror}); XDG_STATE_HOME names "
            "another place"
        )

    def _write(self, text: str) -> None:
        fd = -1
        # If the disk is full, or no descriptor is left, the file's existence alone says it.
        with contextlib.suppress(OSError):
            fd = os.open(self._spare, _WRITE, 0o666)
            os.write(fd, text.encode())
        try:
            self._spare.replace(self._file)
        except OSError as error:
            self._report_unkept(error)
        with contextlib.suppress(OSError):
            try:
                os.fsync(fd)  # last: it saves the new name too, and a kill meanwhile loses no press
            finally:
                os.close(fd)

    def _kept(self) -> str:
        """Return the state in the file; an unreadable one counts as pressed, too."""
        try:
            return self._read().decode()
        except (OSError, UnicodeDecodeError):
            return ""

    def _read(self) -> bytes:
        # A named pipe must not hold up the launch, and an endless file must not be read forever.
        fd = os.open(self._file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(fd, _MOST_BYTES)
        finally:
            os.close(fd)


def _do(steps: Sequence[Callable[[], object]], _: int) -> None:
    for step in steps:
        step()
