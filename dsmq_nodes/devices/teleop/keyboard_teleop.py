"""Driving by the keys of a terminal; `dsmq-nodes teleop` starts it.

A robot moves while a key is held; see `held_keys` for what a terminal reports. Space stops at once,
`x` presses the emergency stop and `c` releases it. Escape, Ctrl-C and the end of the terminal end
the program. `q` does not: ROS's teleop_twist_keyboard uses it for "faster", and an arm for a joint.
Any other key stops a base, and the first such key logs the keys that exist.
"""

import asyncio
import os
import sys
from typing import Final

from typing_extensions import override

from dsmq_nodes.devices.teleop.hand_control import ArmControl, BaseControl
from dsmq_nodes.devices.teleop.held_keys import HeldKeys, TerminalKeys
from dsmq_nodes.graph.emergency_stop import EmergencyStop
from dsmq_nodes.graph.node import Node

_DRIVE: Final = {  # shares of the speed and of the turn rate
    "up": (1, 0), "down": (-1, 0), "left": (0, 1), "right": (0, -1),
    "i": (1, 0), ",": (-1, 0), "j": (0, 1), "l": (0, -1),
    "u": (1, 1), "o": (1, -1), "m": (-1, -1), ".": (-1, 1),
}  # fmt: skip
_FASTER: Final = {"+": 1.1, "-": 1 / 1.1}
# Each joint has a column of keys: the upper key turns it forwards, the lower one back.
_FORWARDS: Final = "qwertyui"
_BACK: Final = "asdfghjk"
_STEP_SEC: Final = 0.05

DRIVE_HELP: Final = """\
Hold a key to drive; without one the robot stops.
    u  i  o    or the arrows     + -    faster, slower
    j     l                      space  stop now
    m  ,  .                      x c    press, release the emergency stop
    Escape or Ctrl-C ends; any other key, q too, stops the robot and no more"""
ARM_HELP: Final = """\
Hold a key to move a joint; without one the arm holds.
    q w e r t y    joints 1 to 6 forwards    + -    faster, slower
    a s d f g h    and back                  space  stop now
    x c            press, release the emergency stop; Escape or Ctrl-C ends"""


class KeyboardTeleop(Node):
    """The common part of both kinds: keys, speed, the emergency stop, the end."""

    _control: BaseControl | ArmControl

    def __init__(self, name: str, keys_fd: int | None, broker: str | None) -> None:
        """Read keys when the node spins.

        Args:
            name: the name of the node.
            keys_fd: the descriptor of a terminal; None for standard input.
            broker: the address of the broker; None for that of the environment.
        """
        super().__init__(name, broker=broker)
        self._keys = HeldKeys()
        self._typed = TerminalKeys()
        self._ended = asyncio.Event()
        self._share = 1.0
        self._stop = EmergencyStop(self)
        self._keys_fd = sys.stdin.fileno() if keys_fd is None else keys_fd
        self.create_timer(_STEP_SEC, self.tick)
        self.create_task(self._read())

    def tick(self) -> None:
        """Publish the command of the held key."""
        now_sec = asyncio.get_running_loop().time()
        self._take(self._typed.due(now_sec))
        key = self._keys.held(now_sec)
        if key:
            self.command(key)
        else:
            self.release()

    def command(self, key: str) -> None:
        """Publish the command of a held key."""

    def release(self) -> None:
        """Stop: no key is held."""
        self._control.release()

    @override
    def enter_safe_state(self) -> None:
        self._control.end()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._keys_fd, self._readable)
        try:
            await self._ended.wait()
        finally:
            loop.remove_reader(self._keys_fd)
        self.shutdown()

    def _readable(self) -> None:
        try:
            data = os.read(self._keys_fd, 256)
        except BlockingIOError:
            return
        except OSError:  # the terminal is closed
            data = b""
        now_sec = asyncio.get_running_loop().time()
        self._take(self._typed.feed(data, now_sec) if data else ["escape"])

    def _take(self, keys: list[str]) -> None:
        for key in keys:
            self._press(key)
        if "escape" in keys:
            self._ended.set()

    def _press(self, key: str) -> None:
        if key in {"x", "c"}:
            (self._stop.press if key == "x" else self._stop.release)()
        if key in _FASTER:
            self._share = min(max(self._share * _FASTER[key], 0.1), 1.0)
            self.get_logger().info(f"speed: {self._share:.0%}")
        elif key in {" ", "x", "escape"}:
            self._keys.release()
            self.release()
        else:
            self._keys.press(key, asyncio.get_running_loop().time())


class KeyboardDrive(KeyboardTeleop):
    """Drives a base."""

    def __init__(
        self,
        keys_fd: int | None = None,
        *,
        topic: str = "cmd_vel",
        linear: float = 0.3,
        angular: float = 1.0,
        broker: str | None = None,
    ) -> None:
        """Publish on `topic`, with at most these speeds, m/s and rad/s."""
        super().__init__("keyboard_drive", keys_fd, broker)
        self._most = (linear, angular)
        self._control = self._base = BaseControl(self, topic)

    @override
    def command(self, key: str) -> None:
        if key not in _DRIVE:
            self.release()
            self.get_logger().info(
                f"{key!r} has no function and stops the robot: Escape or Ctrl-C ends, + and - are "
                "faster and slower",
                once=True,
            )
            return
        (linear, angular), (ahead, left) = self._most, _DRIVE[key]
        self._base.drive(ahead * linear * self._share, left * angular * self._share)


class KeyboardArm(KeyboardTeleop):
    """Moves an arm's joints."""

    def __init__(
        self,
        keys_fd: int | None = None,
        *,
        states: str = "joint_states",
        commands: str = "joint_command",
        speed: float = 0.5,
        broker: str | None = None,
    ) -> None:
        """Move the joints of topic `states` by topic `commands`, at most at `speed`, rad/s."""
        super().__init__("keyboard_arm", keys_fd, broker)
        self._most = speed
        self._control = self._arm = ArmControl(self, states, commands)

    @override
    def command(self, key: str) -> None:
        at = max(_FORWARDS.find(key), _BACK.find(key))
        if not 0 <= at < len(self._arm.names):
            self.release()
            return
        sign = 1 if key in _FORWARDS else -1
        self._arm.move({self._arm.names[at]: sign * self._most * self._share}, _STEP_SEC)
