"""A launch that runs, as a tool sees it: its topics below `/dsmq/launch`, see dsmq_msgs."""

import re
import time
import uuid
from collections.abc import Iterator
from typing import Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages.dsmq_msgs import (
    LaunchCommand,
    LaunchLines,
    LaunchResult,
    LaunchState,
)
from dsmq_nodes.printable import one_line, visible
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import LAUNCH_LINES_TOPIC, LAUNCH_NODE, LAUNCH_STATE_TOPIC

_COLOUR: Final = re.compile("\x1b\\[[0-9;]*m")
_COMMAND: Final = f"{LAUNCH_NODE}/command"
_RESULT: Final = f"{LAUNCH_NODE}/result"
_STATE_SEC: Final = 2.0
_RESULT_SEC: Final = 60.0  # a process may need SIGTERM and SIGKILL


class RunningLaunch:
    """The launch at a session's broker."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state(self) -> LaunchState:
        """The states of the launch's processes.

        Raises:
            CommandError: no launch runs there.
        """
        self._check()
        self._session.subscribe(LAUNCH_STATE_TOPIC, depth=1)
        reply = self._session.next_message([LAUNCH_STATE_TOPIC], _STATE_SEC)
        if reply is None:
            raise CommandError("the launch does not answer: is it stopped or overloaded?")
        found = self._session.understood(reply, LaunchState.from_json)
        if found is None:
            raise CommandError(
                f"what is on {LAUNCH_STATE_TOPIC} is not of a launch: is another version running?"
            )
        return found

    def command(self, action: str, name: str) -> LaunchResult:
        """Ask the launch to do something with one of its processes.

        Raises:
            CommandError: it cannot be done; the text is the launch's.
        """
        self._check()
        number = uuid.uuid4().hex
        self._session.subscribe(_RESULT)
        self._session.advertise(_COMMAND, LaunchCommand.type_name, schema_text(LaunchCommand))
        self._session.put(_COMMAND, LaunchCommand(id=number, action=action, name=name).to_json())
        until_sec = time.monotonic() + _RESULT_SEC
        while (left_sec := until_sec - time.monotonic()) > 0:
            reply = self._session.next_message([_RESULT], left_sec)
            if reply is None:
                break
            result = self._session.understood(reply, LaunchResult.from_json, exact=True)
            if result is None or result.id != number:
                continue
            if not result.ok:
                raise CommandError(one_line(result.text))
            return result
        raise CommandError(f"the launch has not answered for {_RESULT_SEC:g} s: is it stopped?")

    def lines(self, name: str, last: int, *, follow: bool) -> Iterator[str]:
        """The `last` lines of a process, and those that follow.

        Raises:
            CommandError: there is no such process.
        """
        if follow:
            self._session.subscribe(LAUNCH_LINES_TOPIC)
        result = self.command("lines", name)
        yield from map(_shown, result.lines[max(0, len(result.lines) - last) :])
        seen = result.first + len(result.lines) - 1 if result.lines else 0
        while follow and (reply := self._session.next_message([LAUNCH_LINES_TOPIC])) is not None:
            found = self._session.understood(reply, LaunchLines.from_json, exact=True)
            if found is None or found.process != result.process:
                continue
            # Lines that came between our two requests are in both answers.
            yield from map(_shown, found.lines[max(0, seen + 1 - found.first) :])
            seen = max(seen, found.first + len(found.lines) - 1)

    def _check(self) -> None:
        if not any(peer.name == LAUNCH_NODE for peer in self._session.graph().peers):
            raise CommandError(
                "no launch runs at this broker: start one with `dsmq-nodes launch FILE`, or name "
                "its broker with --broker HOST:PORT"
            )


def _shown(line: str) -> str:
    """A line that a process has written, without its colours."""
    return visible(_COLOUR.sub("", line)).replace("\n", "\\n")
