"""Carries out commands for a launch that runs: topics below `/dsmq/launch`, see dsmq_msgs.

Any publisher at the broker may command the launch; a token keeps others away (DSMQ_TOKEN).
"""

import asyncio
import functools
import os
from typing import TYPE_CHECKING, Final

from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.launcher.supervise.member import OVER, Member, MemberState
from dsmq_nodes.messages.dsmq_msgs import (
    LaunchCommand,
    LaunchLines,
    LaunchProcess,
    LaunchResult,
    LaunchState,
)
from dsmq_nodes.suggest import did_you_mean

if TYPE_CHECKING:
    from dsmq_nodes.launcher.supervise.supervisor import Supervisor

_LATCHED: Final = QoSProfile(depth=1, durability="transient_local")
_READY_SEC: Final = 10.0  # how long an answer waits for a node to be ready


class Control:
    """The launcher's topics."""

    def __init__(self, node: Node, supervisor: "Supervisor") -> None:
        """Carry out commands for `supervisor`, by topics of `node`."""
        self._node = node
        self._supervisor = supervisor
        self._state = node.create_publisher(LaunchState, "~/state", _LATCHED)
        self._results = node.create_publisher(LaunchResult, "~/result", 100)
        self._lines = node.create_publisher(LaunchLines, "~/lines", 1000)
        node.create_subscription(LaunchCommand, "~/command", self.on_command, 100)
        self.publish_state()

    def publish_state(self) -> None:
        """Publish the state of every process, and their lines from now on."""
        for member in self._supervisor.processes:
            member.on_lines = functools.partial(self._on_lines, member.name)
        processes = [
            LaunchProcess(
                name=member.name,
                nodes=[node.name for node in member.plan.nodes],
                state=member.shown_state,
                pid=member.pid,
                restarts=max(0, member.starts - 1),
                last_end=member.last_end,
            )
            for member in self._supervisor.processes
        ]
        self._state.publish(LaunchState(pid=os.getpid(), processes=processes))

    def _on_lines(self, process: str, first: int, lines: list[str]) -> None:
        if lines and self._lines.get_subscription_count():
            self._lines.publish(LaunchLines(process=process, first=first, lines=lines))

    def on_command(self, msg: LaunchCommand) -> None:
        """Carry out a command, concurrently with others."""
        self._node.create_task(self._answer(msg))

    async def _answer(self, msg: LaunchCommand) -> None:
        self._results.publish(await self._carry_out(msg))

    async def _carry_out(self, msg: LaunchCommand) -> LaunchResult:
        member = self._find(msg.name)
        if member is None:
            hint = did_you_mean(msg.name, [each.name for each in self._supervisor.processes])
            return LaunchResult(
                id=msg.id, ok=False, text=f"no process {msg.name!r} in this launch; {hint}"
            )
        if msg.action == "lines":
            first = member.recent[0][0] if member.recent else 0
            lines = [text for _, text in member.recent]
            return LaunchResult(id=msg.id, ok=True, process=member.name, first=first, lines=lines)
        actions = {"stop": self._stop, "start": self._start, "restart": self._restart}
        if msg.action not in actions:
            text = f"no action {msg.action!r}; {did_you_mean(msg.action, [*actions, 'lines'])}"
        elif member is self._supervisor.broker:
            text = "the broker is not stopped or started by hand; end the launch instead"
        else:
            ok, text = await actions[msg.action](member)
            return LaunchResult(id=msg.id, ok=ok, text=text, process=member.name)
        return LaunchResult(id=msg.id, ok=False, text=text)

    def _find(self, name: str) -> Member | None:
        for member in self._supervisor.processes:
            nodes = {node.name for node in member.plan.nodes}
            if name.removeprefix("/") == member.name or f"/{name.removeprefix('/')}" in nodes:
                return member
        return None

    async def _stop(self, member: Member) -> tuple[bool, str]:
        if member.state in OVER:
            return False, f"{member.name} does not run: it is {member.state}"
        await self._supervisor.stop(member.name)
        how = f" ({member.last_end})" if member.last_end else ""
        return member.state in OVER, f"{member.name} is {member.state}{how}"

    async def _start(self, member: Member) -> tuple[bool, str]:
        if member.state not in OVER:
            pid = f", pid {member.pid}" if member.pid else ""
            return False, f"{member.name} is {member.state} already{pid}"
        self._supervisor.start(member.name)
        began_sec = asyncio.get_running_loop().time()
        state = await self._settled(member)
        took_sec = asyncio.get_running_loop().time() - began_sec
        if state == MemberState.READY:
            return True, f"{member.name} is ready, pid {member.pid}, after {took_sec:.2f} s"
        how = f" ({member.last_end})" if not member.pid and member.last_end else ""
        return False, f"{member.name} is {state} after {took_sec:.2f} s{how}"

    async def _restart(self, member: Member) -> tuple[bool, str]:
        if member.state not in OVER:
            await self._supervisor.stop(member.name)
        return await self._start(member)

    async def _settled(self, member: Member) -> MemberState:
        """Wait until a process is ready or has ended, within a limit."""
        until_sec = asyncio.get_running_loop().time() + _READY_SEC
        while (left_sec := until_sec - asyncio.get_running_loop().time()) > 0:
            if member.state not in {MemberState.STARTING, MemberState.WAITING}:
                break
            await member.changed_within(left_sec)
        return member.state
