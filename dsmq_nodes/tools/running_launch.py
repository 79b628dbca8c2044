"""Launches that run, as a tool finds them: by the topics of their nodes, see dsmq_msgs."""

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
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.tools.offers import absolute
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import is_launch

_COLOUR: Final = re.compile("\x1b\\[[0-9;]*m")
_STATE_SEC: Final = 2.0
_RESULT_SEC: Final = 60.0  # a process may need SIGTERM and SIGKILL


class RunningLaunch:
    """The launches at a session's broker: the one that runs it, and others that use it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state(self) -> LaunchState:
        """Return the states of the processes of all launches.

        Raises:
            CommandError: no launch runs there.
        """
        states = [self._state(launch) for launch in self._launches()]
        processes = [each for state in states for each in state.processes]
        return LaunchState(pid=states[0].pid, processes=processes)

    def _state(self, launch: str) -> LaunchState:
        topic = f"{launch}/state"
        self._session.subscribe(topic, depth=1)
        reply = self._session.next_message([topic], _STATE_SEC)
        self._session.unsubscribe(topic)  # the next subscription gets the latched message again
        if reply is None:
            raise CommandError("the launch does not answer: is it stopped or overloaded?")
        found = self._session.understood(reply, LaunchState.from_json)
        if found is None:
            raise CommandError(
                f"a message on {topic} is not a launch's: is another version running?"
            )
        return found

    def command(self, action: str, name: str) -> LaunchResult:
        """Request an action on a process from the launch that runs it.

        Raises:
            CommandError: the launch cannot do it; the text is the launch's.
        """
        return self._command(self._launch_of(name), action, name)

    def _command(self, launch: str, action: str, name: str) -> LaunchResult:
        asking, answers = f"{launch}/command", f"{launch}/result"
        number = uuid.uuid4().hex
        self._session.subscribe(answers)
        self._session.advertise(asking, LaunchCommand.type_name, schema_text(LaunchCommand))
        self._session.put(asking, LaunchCommand(id=number, action=action, name=name).to_json())
        until_sec = time.monotonic() + _RESULT_SEC
        while (left_sec := until_sec - time.monotonic()) > 0:
            reply = self._session.next_message([answers], left_sec)
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
        """Yield the `last` lines of a process, and with `follow` the later ones.

        Raises:
            CommandError: there is no such process.
        """
        launch = self._launch_of(name)
        topic = f"{launch}/lines"
        if follow:
            self._session.subscribe(topic)
        result = self._command(launch, "lines", name)
        yield from map(_shown, result.lines[max(0, len(result.lines) - last) :])
        seen = result.first + len(result.lines) - 1 if result.lines else 0
        while follow and (reply := self._session.next_message([topic])) is not None:
            found = self._session.understood(reply, LaunchLines.from_json, exact=True)
            if found is None or found.process != result.process:
                continue
            # Lines that came between the two requests are in both answers.
            yield from map(_shown, found.lines[max(0, seen + 1 - found.first) :])
            seen = max(seen, found.first + len(found.lines) - 1)

    def _launches(self) -> list[str]:
        found = sorted({peer.name for peer in self._session.graph().peers if is_launch(peer.name)})
        if not found:
            raise CommandError(
                "no launch runs at this broker: start one with `dsmq-nodes launch FILE`, or name "
                "its broker with --broker HOST:PORT"
            )
        return found

    def _launch_of(self, name: str) -> str:
        """Return the launch that has a process or a node of this name."""
        launches = self._launches()
        if len(launches) == 1:
            return launches[0]
        known: list[str] = []
        for launch in launches:
            for process in self._state(launch).processes:
                if name.removeprefix("/") == process.name or absolute(name) in process.nodes:
                    return launch
                known.append(process.name)
        raise CommandError(f"no process {name!r} in any launch; {did_you_mean(name, known)}")


def _shown(line: str) -> str:
    """Return a line that a process has written, without colours, with escapes."""
    return visible(_COLOUR.sub("", line)).replace("\n", "\\n")
