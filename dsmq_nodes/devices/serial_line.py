"""Any microcontroller that exchanges lines: received lines are published, commands are sent.

- name: arduino
  node: dsmq_nodes.devices:SerialLine
  params: {port: /dev/ttyACM0, baud: 115200, safe_line: "0"}

Whatever the device moves has to stop in every case, and only this node has the wire. With a
`safe_line` the node is therefore an actuator, and `~/send` is its command topic. It sends that line
when it opens the device, when there was no line to send for `send_timeout_sec`, when the emergency
stop is pressed, when the broker is lost, and when the node ends.
"""

from typing import Final

from pydantic import Field
from typing_extensions import override

from dsmq_nodes.devices.device import Device, DeviceNode
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.safety import Actuator
from dsmq_nodes.messages.std import String

_WAITING: Final = 100  # lines to send


class DeviceLines:
    """Cuts bytes into lines, which end with LF, CR or CRLF; does no I/O.

    Attributes:
        too_long: lines over `most_bytes`, which were dropped.
    """

    def __init__(self, most_bytes: int = 4096) -> None:
        """Begin without data; `most_bytes` limits the memory for a line without an end."""
        self.too_long = 0
        self._most_bytes = most_bytes
        self._rest = b""
        self._skips = False  # skipping the rest of a line that was too long

    def drop(self) -> None:
        """Drop an incomplete line, because the device was unplugged."""
        self._rest, self._skips = b"", False

    def feed(self, data: bytes) -> list[str]:
        """Return the complete lines, except empty ones; bytes that are no text become U+FFFD."""
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        found = []
        for line in lines:
            if self._skips or len(line) > self._most_bytes:
                self.too_long += not self._skips
                self._skips = False
            elif line:
                found.append(line.decode(errors="replace"))
        if len(self._rest) > self._most_bytes:
            self.too_long += not self._skips
            self._skips, self._rest = True, b""
        return found


class SerialLine(DeviceNode):
    """Publishes and sends the lines of a serial device."""

    class Params(Parameters):
        """The port of the device, and the form of its lines."""

        port: str = Field("/dev/ttyACM0", frozen=True, description="a path, or tcp://HOST:PORT")
        baud: int = Field(115200, frozen=True)
        line_end: str = Field("\n", description="the end of each sent line")
        silent_sec: float = Field(3.0, gt=0, frozen=True, description="then the diagnostics warn")
        safe_line: str = Field("", frozen=True, description="stops what the device moves")
        send_timeout_sec: float = Field(
            1.0, gt=0, frozen=True, description="then the safe line is sent"
        )

    params: Params

    def __init__(self) -> None:
        """Open the device when the node spins."""
        super().__init__("serial_line")
        given = self.params
        self._lines = DeviceLines()
        self._received = self._sent = self._unsent = 0
        self._publisher = self.create_publisher(String, "~/received", 100)
        self._device = Device(
            self,
            given.port,
            given.baud,
            self._on_data,
            silent_sec=given.silent_sec,
            on_open=self._on_open,
            counts=self._counts,
        )
        if given.safe_line:
            self.commands = Actuator(
                self, String, "~/send", self.on_send, timeout=given.send_timeout_sec, depth=_WAITING
            )
        else:
            self.create_subscription(String, "~/send", self.on_send, _WAITING)

    def on_send(self, msg: String) -> None:
        """Send one line; while the device is gone it is dropped and counted."""
        if self._device.write(self._bytes(msg.data)):
            self._sent += 1
        else:
            self._unsent += 1

    def _bytes(self, line: str) -> bytes:
        return (line + self.params.line_end).encode()

    def _on_open(self, _: int) -> None:
        self._lines.drop()
        self.enter_safe_state()  # the port may still have lines of the program before

    def _on_data(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._received += 1
            self._publisher.publish(String(data=line))

    def _counts(self) -> dict[str, object]:
        counts = {"received": self._received, "sent": self._sent, "unsent": self._unsent}
        return {**counts, "too_long": self._lines.too_long}

    @override
    def enter_safe_state(self) -> None:
        if self.params.safe_line:
            safe_line = self._bytes(self.params.safe_line)
            self._device.write_first(safe_line, self.params.line_end.encode())
