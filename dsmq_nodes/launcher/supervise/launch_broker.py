"""The broker of a launch: its address, and the plan to start it again at that address."""

import asyncio
import dataclasses
import re
from typing import Final

from dsmq_nodes.dsmq.address import Address, reached_at
from dsmq_nodes.launcher.output.output import LaunchOutput
from dsmq_nodes.launcher.supervise.plan import ProcessPlan

_IN_USE: Final = re.compile(r"port \d+ on \S+ is in use: .*; stop it, ")
_USE_IT: Final = re.compile(r"--broker [^`]+")
_LISTENING: Final = re.compile(rb"listening on (\S+):(\d+)")


class BrokerLines:
    """Finds the broker's address in its first lines, and then passes all lines on.

    Attributes:
        where: a future of the broker's address.
    """

    def __init__(self, output: LaunchOutput) -> None:
        self._unshown: list[bytes] = []
        self.where: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        self._output = output

    @property
    def unshown_lines(self) -> list[str]:
        """The lines that were not passed on."""
        return [line.decode("utf-8", "replace") for line in self._unshown]

    def why_not(self, another_port: str) -> list[str]:
        """Return the reason why the broker does not listen, with a launch's advice for a used port.

        Args:
            another_port: how the launch gives the broker another port; empty: no advice.
        """
        for line in self.unshown_lines:
            if (found := _IN_USE.search(line)) is not None and another_port:
                broker = _USE_IT.search(line)
                use_it = f"use it with `{broker[0]}`, " if broker is not None else ""
                return [f"{found[0]}{use_it}or {another_port}"]
        return self.unshown_lines

    def __call__(self, lines: list[bytes]) -> None:
        """Take lines."""
        self._unshown += lines
        found = next(filter(None, map(_LISTENING.search, lines)), None)
        if found is not None and not self.where.done():
            host = reached_at(found[1].decode().strip("[]"))
            self.where.set_result(Address(host, int(found[2])))
        if self.where.done():
            self._output.lines("broker", self._unshown)
            self._unshown = []


def started_again(plan: ProcessPlan, port: int) -> ProcessPlan:
    """Return the plan to start an ended broker again: at its former port, and as a fork."""
    argv = list(plan.argv)
    if "--port" in argv:
        argv[argv.index("--port") + 1] = str(port)
    return dataclasses.replace(plan, argv=tuple(argv), fork=True)
