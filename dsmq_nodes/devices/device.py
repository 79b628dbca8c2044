"""A node's device: it is opened whenever it is present, and reported once when it is missing.

The node continues without it. Its diagnostics, in the part `device`, are an error while the device
is gone, and a warning while it is present and sends nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from typing_extensions import override

from dsmq_nodes.devices.port import Port
from dsmq_nodes.diagnostics.updater import DiagnosticStatusWrapper, DiagnosticUpdater
from dsmq_nodes.errors import PortLostError
from dsmq_nodes.graph.node import Node
from dsmq_nodes.messages.diagnostic import DiagnosticStatus

_OPEN_EVERY_SEC: Final = 0.1
_CLOSE_SEC: Final = 0.5  # other nodes of the process wait for it


class DevicePresence:
    """Reports whether a device is present: in the log at each change, and in the diagnostics.

    Attributes:
        connects: how often the device was opened.
    """

    def __init__(
        self,
        node: Node,
        address: str,
        *,
        silent_sec: float = 3.0,
        counts: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        """Begin with a device that is not opened yet.

        Args:
            node: the node.
            address: the device's address, for the texts.
            silent_sec: the diagnostics warn after this time without data.
            counts: returns more values for the diagnostics.
        """
        self.connects = 0
        self._node, self._address = node, address
        self._silent_sec, self._counts = silent_sec, counts
        self._fault = "it is not opened yet"
        self._is_logged = False
        self._received_sec = 0.0
        updater = DiagnosticUpdater(node)
        updater.hardware_id = address
        updater.add("device", self._fill_status)

    def opened(self) -> None:
        """Report that the device is open."""
        self._is_logged, self._fault = False, ""
        self.connects += 1
        self.received()
        self._node.get_logger().info(f"{self._address} is open")

    def received(self) -> None:
        """Store that data arrived from the device."""
        self._received_sec = asyncio.get_running_loop().time()

    def missed(self, fault: str) -> None:
        """Report that the device is missing or was lost."""
        self._fault = fault
        if not self._is_logged:
            self._is_logged = True
            self._node.get_logger().error(f"{fault}; trying again")

    def _fill_status(self, stat: DiagnosticStatusWrapper) -> None:
        silent_sec = asyncio.get_running_loop().time() - self._received_sec
        if self._fault:
            stat.summary(DiagnosticStatus.ERROR, self._fault)
        elif silent_sec > self._silent_sec:
            stat.summary(DiagnosticStatus.WARN, f"no data for {silent_sec:.0f} s")
        else:
            stat.summary(DiagnosticStatus.OK, "ok")
        for name, value in {"connects": self.connects, **self._counts()}.items():
            stat.add(name, value)


class DeviceNode(Node):
    """A node that releases its device for other processes at its end."""

    _device: "Device"

    @override
    def on_shutdown(self, *_: object) -> None:
        if hasattr(self, "_device"):  # a node that replays a file has none
            self._device.close()


class Device:
    """The device of one node.

    Attributes:
        received_bytes: the number of bytes received.
    """

    def __init__(
        self,
        node: Node,
        address: str,
        baud: int,
        on_data: Callable[[bytes], None],
        *,
        silent_sec: float = 3.0,
        greeting: bytes = b"",
        on_open: Callable[[int], None] = lambda _: None,
        counts: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        """Open the device when the node spins, and again whenever it was lost.

        Args:
            node: the node.
            address: a path, or `tcp://HOST:PORT`.
            baud: the rate of a serial port; 0 for another kind of device, which is only read.
            on_data: called with the received bytes.
            silent_sec: the diagnostics warn after this time without bytes.
            greeting: sent whenever the device was opened.
            on_open: called with the descriptor whenever the device was opened.
            counts: returns more values for the diagnostics.
        """
        self.received_bytes = 0
        self._baud, self._on_data, self._greeting = baud, on_data, greeting
        self._on_open = on_open
        self._port = Port(address, self._receive, self._lost)
        self._is_lost = asyncio.Event()
        self._presence = DevicePresence(
            node,
            address,
            silent_sec=silent_sec,
            counts=lambda: {"bytes": self.received_bytes, **counts()},
        )
        node.create_task(self._keep_open())

    @property
    def is_open(self) -> bool:
        """Whether the device is open."""
        return self._port.is_open

    def write(self, data: bytes) -> bool:
        """Send bytes; return False if the device is gone or accepts none."""
        try:
            self._port.write(data)
        except PortLostError:
            return False
        return True

    def write_first(self, line: bytes, line_end: bytes) -> None:
        """Send a line before data that waits for a slow device; do nothing while it is gone."""
        with contextlib.suppress(PortLostError):
            self._port.write_first(line, line_end)

    def close(self) -> None:
        """Release the device for other processes.

        A slow device may first accept what was sent, for `_CLOSE_SEC` at most.
        """
        self._port.drain(_CLOSE_SEC)
        self._port.close()

    async def _keep_open(self) -> None:
        while True:
            try:
                await self._port.open(self._baud)
            except PortLostError as error:
                self._presence.missed(str(error))
                await asyncio.sleep(_OPEN_EVERY_SEC)
                continue
            self._is_lost.clear()
            self._presence.opened()
            self._on_open(self._port.fileno())
            if self._greeting:
                self.write(self._greeting)
            await self._is_lost.wait()

    def _receive(self, data: bytes) -> None:
        self.received_bytes += len(data)
        self._presence.received()
        self._on_data(data)

    def _lost(self, reason: str) -> None:
        self._presence.missed(f"{self._port.address} is gone: {reason}")
        self._is_lost.set()
