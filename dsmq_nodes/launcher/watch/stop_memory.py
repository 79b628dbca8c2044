"""Keeps a pressed emergency stop while a launch lives, and over an end that nobody asked for.

The nodes of a graph know the stop (graph/emergency_stop.py), and it is forgotten with the last of
them. So the launcher keeps it too: broker and actuators may be killed together. And it writes a
file, for the launch that systemd starts when this one was killed, has failed, or the power was
gone: what was stopped must not move by itself then. A launch that was asked to end, by Ctrl-C or
SIGTERM, has a person at hand: the next one starts afresh.

The file is made when the launch begins, under another name: a press only renames it, which a full
disk allows. Without a state in it the stop was pressed all the same.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dsmq_nodes.graph.emergency_stop import EmergencyStop
from dsmq_nodes.graph.node import Node
from dsmq_nodes.topic_names import EMERGENCY_STOP_TOPIC

_MOST_BYTES: Final = 65_536
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC


class StopMemory:
    """The emergency stop of a launch."""

    def __init__(self, file: Path, say: Callable[[str], None]) -> None:
        """Keep it in `file`; `say` shows a line."""
        self._file, self._say = file, say
        self._spare = file.with_suffix(".new")
        self._stop: EmergencyStop | None = None

    @property
    def is_kept(self) -> bool:
        """Whether an earlier launch has left it pressed."""
        return os.path.lexists(self._file)  # False, too, where it may not look

    def begin(self, node: Node) -> None:
        """Take part in the topic, as this node; press what an earlier launch has left pressed."""
        if self._stop is not None:
            return
        self._stop = EmergencyStop(node, self._changed)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._spare.touch()
        except OSError as error:
            self._say_unkept(error)
        if self.is_kept:
            since_ns = self._stop.recall(self._kept())
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since_ns / 1e9))
            self._say(
                f"the emergency stop is pressed, since {since}: commands are refused until it is "
                f"released, as by `dsmq-nodes topic pub --once {EMERGENCY_STOP_TOPIC} "
                "std_msgs/msg/Bool '{data: false}'`"
            )

    def forget(self) -> None:
        """The launch was asked to end."""
        for each in (self._file, self._spare):
            with contextlib.suppress(OSError):
                each.unlink(missing_ok=True)

    def _changed(self, is_pressed: bool) -> None:
        if not is_pressed:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
                self._spare.touch()
            return
        try:
            self._write("" if self._stop is None else self._stop.kept)
        except OSError as error:
            self._say_unkept(error)

    def _say_unkept(self, error: OSError) -> None:
        self._say(
            "a pressed emergency stop is forgotten if this launch is killed: "
            f"{self._file.parent} cannot be written ({error.strerror}); XDG_STATE_HOME names "
            "another place"
        )

    def _write(self, text: str) -> None:
        # The disk is full, or no descriptor is left: that the file is there says it.
        with contextlib.suppress(OSError):
            fd = os.open(self._spare, _WRITE, 0o666)
            try:
                os.write(fd, text.encode())
                os.fsync(fd)
            finally:
                os.close(fd)
        self._spare.replace(self._file)

    def _kept(self) -> str:
        """Return the state in the file; what cannot be read was pressed, too."""
        try:
            return self._read().decode()
        except (OSError, UnicodeDecodeError):
            return ""

    def _read(self) -> bytes:
        # What is no file, as a named pipe, must neither hold up the launch nor be read for ever.
        fd = os.open(self._file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(fd, _MOST_BYTES)
        finally:
            os.close(fd)
