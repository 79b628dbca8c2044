"""Driving by a gamepad's `joy`, while its left shoulder button is held.

    - name: drive
      node: dsmq_nodes.devices:GamepadDrive
      params: {linear: 0.4, angular: 1.5}

Nothing moves without the button: it is the dead man's switch. `b`, the right button of the four,
presses the emergency stop; `start` releases it. When `joy` is silent for 0.3 s, as with an
unplugged pad, the button counts as released. What a network holds up for longer only presses the
emergency stop.
"""

from collections.abc import Callable
from typing import Final

from pydantic import Field
from typing_extensions import override

from dsmq_nodes.devices.teleop.hand_control import ArmControl, BaseControl
from dsmq_nodes.graph.emergency_stop import EmergencyStop
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.messages.sensor import Joy

# In the order of ROS's joy, as in gamepad.py.
_B: Final = 1
_LEFT_SHOULDER: Final = 4
_START: Final = 7
_SILENT_SEC: Final = 0.3
_STEP_SEC: Final = 0.05
_NO_PRESS_SKIPPED: Final = 1000  # a tap on the emergency stop counts, however busy this process is


class GamepadTeleop(Node):
    """The common part of both kinds: the dead man's switch and the emergency stop."""

    _control: BaseControl | ArmControl

    def __init__(self, name: str) -> None:
        """Prepare; nothing moves before the button is held."""
        super().__init__(name)
        self._joy, self._had_b = Joy(), False
        self._stop = EmergencyStop(self)
        self.create_subscription(Joy, "joy", self.on_late_joy, _NO_PRESS_SKIPPED)
        self._kit.topics.add_subscription(
            Joy,
            self.resolve_topic_name("joy"),
            self.on_joy,
            QoSProfile(depth=_NO_PRESS_SKIPPED),
            timeout=_SILENT_SEC,
            on_timeout=self.on_silence,
            longest_wait_sec=None if self._kit.uses_sim_time else _SILENT_SEC,
        )
        self.create_timer(_STEP_SEC, self.tick)

    def on_late_joy(self, msg: Joy) -> None:
        """Press the emergency stop, however late its button comes."""
        had_b, self._had_b = self._had_b, _pressed(msg, _B)
        if self._had_b and not had_b:
            self._stop.press()

    def on_joy(self, msg: Joy) -> None:
        """Handle a new or repeated state of the pad."""
        if _pressed(msg, _START) and not _pressed(self._joy, _START):
            self._stop.release()
        self._joy = msg
        if not _pressed(msg, _LEFT_SHOULDER):
            self.release()

    def on_silence(self) -> None:
        """Release all buttons: the pad is gone."""
        self._joy = Joy()

    def tick(self) -> None:
        """Publish commands from the sticks."""
        if _pressed(self._joy, _LEFT_SHOULDER):
            self.command(lambda at: self._joy.axes[at] if at < len(self._joy.axes) else 0.0)
        else:
            self.release()

    def command(self, axis: Callable[[int], float]) -> None:
        """Publish a command while the button is held; `axis(n)` is a stick's value, -1 to 1."""

    def release(self) -> None:
        """Stop: the button is not held."""
        self._control.release()

    @override
    def enter_safe_state(self) -> None:
        self._control.end()


class GamepadDrive(GamepadTeleop):
    """Drives a base by `cmd_vel`: the left stick forwards, the right one to the side."""

    class Params(Parameters):
        """The greatest speeds."""

        linear: float = Field(0.3, gt=0, description="m/s")
        angular: float = Field(1.0, gt=0, description="rad/s")

    params: Params

    def __init__(self) -> None:
        """Prepare; nothing moves before the button is held."""
        super().__init__("gamepad_drive")
        self._control = self._base = BaseControl(self)

    @override
    def command(self, axis: Callable[[int], float]) -> None:
        self._base.drive(axis(1) * self.params.linear, axis(3) * self.params.angular)


class GamepadArm(GamepadTeleop):
    """Moves an arm's joints by `joint_command`; each joint has an axis of the pad."""

    class Params(Parameters):
        """The speed, and the axis of each joint."""

        speed: float = Field(0.8, gt=0, description="rad/s")
        axes: list[int] = Field(
            [0, 1, 4, 7, 3, 6], description="of joints 1, 2, ...: sticks 0 1 3 4, cross 6 7"
        )

    params: Params

    def __init__(self) -> None:
        """Prepare; nothing moves before the button is held."""
        super().__init__("gamepad_arm")
        self._control = self._arm = ArmControl(self)

    @override
    def command(self, axis: Callable[[int], float]) -> None:
        pairs = zip(self._arm.names, self.params.axes, strict=False)
        speeds = {name: axis(at) * self.params.speed for name, at in pairs}
        self._arm.move(speeds, _STEP_SEC)


def _pressed(joy: Joy, button: int) -> bool:
    return button < len(joy.buttons) and bool(joy.buttons[button])
