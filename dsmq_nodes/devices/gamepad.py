"""A gamepad, read by Linux's evdev and published as `sensor_msgs/msg/Joy`.

    - name: gamepad
      node: dsmq_nodes.devices:Gamepad
      params: {port: /dev/input/by-id/usb-Microsoft_Controller-event-joystick}

An event is `struct input_event`: two longs of time, type (2), code (2), value (4). Type 3 is an
axis, 1 a button, 0 the end of a group of events. The device reports the range of an axis.

The order is that of ROS's joy for such a pad. Axes: left stick x, y, left trigger, right stick x,
y, right trigger, cross x, y; left and up are positive, a trigger goes from 1 to -1. Buttons: A, B,
X, Y, left and right shoulder, back, start, guide, left and right stick. `joy` is published at each
change and at the node's rate, so that a watchdog can check that the pad is present. Nothing is
published while the pad is gone.
"""

import fcntl
import struct
from typing import Final, NamedTuple

from pydantic import Field

from dsmq_nodes.devices.device import Device, DeviceNode
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.sensor import Joy

_EVENT: Final = struct.Struct("@llHHi")
_END: Final = 0
_BUTTON: Final = 1
_AXIS: Final = 3
_DROPPED: Final = 3  # a code of `_END`: the kernel's queue was full
_AXES: Final = (0, 1, 2, 3, 4, 5, 16, 17)
_BUTTONS: Final = (
    0x130, 0x131, 0x133, 0x134, 0x136, 0x137, 0x13A, 0x13B, 0x13C, 0x13D, 0x13E,
)  # fmt: skip
_ABS_INFO: Final = struct.Struct("@6i")  # value, minimum, maximum, fuzz, flat, resolution
_STICK: Final = (0, -32768, 32767)
_USUAL: Final = {2: (0, 0, 255), 5: (0, 0, 255), 16: (0, -1, 1), 17: (0, -1, 1)}


class AxisRange(NamedTuple):
    """The value of an axis, and its limits."""

    value: int
    low: int
    high: int


def ask_axis(fd: int, code: int) -> AxisRange:
    """Return an axis of a device, with the usual limits if the device reports none."""
    # EVIOCGABS(code) = _IOR('E', 0x40 + code, struct input_absinfo)
    request = 2 << 30 | _ABS_INFO.size << 16 | ord("E") << 8 | 0x40 + code
    try:
        answer = fcntl.ioctl(fd, request, bytes(_ABS_INFO.size))
    except OSError:
        return AxisRange(*_USUAL.get(code, _STICK))
    value, low, high, *_ = _ABS_INFO.unpack(answer)
    return AxisRange(value, low, high) if high > low else AxisRange(*_USUAL.get(code, _STICK))


class PadState:
    """The axes and buttons of a pad, updated from its events; does no I/O."""

    def __init__(self, dead_zone: float) -> None:
        """Begin with nothing pressed; a stick within `dead_zone` of its middle is centred."""
        self._dead_zone = dead_zone
        self._rest = b""
        self.dropped = 0
        self.begin({})

    def begin(self, ranges: dict[int, AxisRange]) -> None:
        """Reset the state, and set the ranges of the axes."""
        known = {code: AxisRange(*_USUAL.get(code, _STICK)) for code in _AXES}
        self._ranges = known | ranges
        self._values = {code: each.value for code, each in self._ranges.items()}
        self._pressed: set[int] = set()
        self._rest = b""

    def feed(self, data: bytes) -> bool:
        """Process bytes of events; return whether a group of events is complete."""
        data = self._rest + data
        end = len(data) - len(data) % _EVENT.size
        self._rest = data[end:]
        is_whole = False
        for _, _, kind, code, value in _EVENT.iter_unpack(data[:end]):
            if kind == _AXIS and code in self._values:
                self._values[code] = value
            elif kind == _BUTTON and code in _BUTTONS:
                (self._pressed.add if value else self._pressed.discard)(code)
            elif kind == _END and code == _DROPPED:
                self.dropped += 1
                self._pressed.clear()  # buttons may have been released meanwhile
            elif kind == _END:
                is_whole = True
        return is_whole

    def axes(self) -> list[float]:
        """Return the axes, each from -1 to 1."""
        return [self._axis(code) for code in _AXES]

    def buttons(self) -> list[int]:
        """Return the buttons, each 0 or 1."""
        return [int(code in self._pressed) for code in _BUTTONS]

    def _axis(self, code: int) -> float:
        _, low, high = self._ranges[code]
        share = (self._values[code] - low) / (high - low)
        value = min(max(1.0 - 2.0 * share, -1.0), 1.0)
        is_trigger = code in {2, 5}
        return 0.0 if not is_trigger and abs(value) < self._dead_zone else value


class Gamepad(DeviceNode):
    """Publishes `joy`."""

    class Params(Parameters):
        """The pad's device file, and the dead zone of its sticks."""

        port: str = Field("/dev/input/event0", frozen=True, description="as by-id/*-event-joystick")
        dead_zone: float = Field(0.05, ge=0, lt=1, frozen=True)

    params: Params
    rate_hz = 20.0

    def __init__(self) -> None:
        """Open the pad when the node spins."""
        super().__init__("gamepad")
        self._state = PadState(self.params.dead_zone)
        self._fd = -1
        self._publisher = self.create_publisher(Joy, "joy", 1)
        self._device = Device(
            self,
            self.params.port,
            0,
            self._on_data,
            on_open=self._on_open,
            silent_sec=float("inf"),  # a pad that nobody touches sends nothing
            counts=lambda: {"dropped": self._state.dropped},
        )
        self.create_timer(self.period_sec, self.tick)

    def tick(self) -> None:
        """Publish the current state again."""
        if self._device.is_open:
            self._publish()

    def _on_open(self, fd: int) -> None:
        self._fd = fd
        self._state.begin({code: ask_axis(fd, code) for code in _AXES})

    def _on_data(self, data: bytes) -> None:
        dropped = self._state.dropped
        is_whole = self._state.feed(data)
        if self._state.dropped > dropped:  # the positions of the axes are unknown
            self._on_open(self._fd)
        if is_whole:
            self._publish()

    def _publish(self) -> None:
        state = self._state
        self._publisher.publish(
            Joy(header=self.stamp(), axes=state.axes(), buttons=state.buttons())
        )
