"""The known state of an arm's servos: rad for joints, ticks for servos; does no I/O.

A servo that counts turns starts in the first one at power-on. The set-up stores which turn it is
in, so that a joint is in its range whatever turn the servo counts; goals for the servo are in the
same turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dsmq_nodes.devices.servo_bus.answers import TICKS, ServoAnswer
from dsmq_nodes.devices.servo_bus.calibration import ServoJoint
from dsmq_nodes.devices.servo_bus.joint_watch import JointLimits, JointWatch
from dsmq_nodes.devices.servo_bus.servo_family import ServoFamily, ServoState
from dsmq_nodes.diagnostics.updater import DiagnosticStatusWrapper
from dsmq_nodes.messages.diagnostic import DiagnosticStatus

_SILENT_CYCLES: Final = 3


class ArmServos:
    """The known state of an arm's servos.

    Attributes:
        joints: the joints of the arm.
        states: the newest state of each servo, by id.
        alarms: the values of the alarm registers, by id, of servos whose error bytes have an alarm.
    """

    def __init__(self, family: ServoFamily, joints: Sequence[ServoJoint]) -> None:
        """Begin without any state."""
        self.joints = joints
        self.states: dict[int, ServoState] = {}
        self.alarms: dict[int, int] = {}
        self._family = family
        self._tables: dict[int, ServoAnswer] = {}
        self._turns: dict[int, int] = {}  # ticks of whole turns
        self._silent: dict[int, int] = {}  # cycles without an answer
        self._watches: dict[int, JointWatch] = {}

    @property
    def ids(self) -> list[int]:
        """The ids of all servos."""
        return [joint.id for joint in self.joints]

    @property
    def present(self) -> list[ServoJoint]:
        """The joints whose servos answer."""
        absent = {joint.id for joint in self.absent}
        return [joint for joint in self.joints if joint.id not in absent]

    @property
    def absent(self) -> list[ServoJoint]:
        """The joints whose servos have been silent for some cycles."""
        return [j for j in self.joints if self._silent.get(j.id, 0) >= _SILENT_CYCLES]

    def set_up(self, tables: Mapping[int, ServoAnswer], positions: Mapping[int, int]) -> None:
        """Store the registers and the positions of servos that were set up."""
        self._tables.update(tables)
        for servo_id, ticks in positions.items():
            self._silent[servo_id] = 0
            self._turns[servo_id] = ticks - ticks % TICKS if self._family.counts_turns else 0

    def take(
        self, asked: Iterable[ServoJoint], answers: Mapping[int, ServoAnswer]
    ) -> list[ServoJoint]:
        """Store the answers of one cycle; return the joints whose servos just became silent."""
        fallen_silent = []
        for joint in asked:
            answer = answers.get(joint.id)
            silent = self._silent[joint.id] = 0 if answer else self._silent.get(joint.id, 0) + 1
            if answer is not None:
                self.states[joint.id] = self._family.state(answer, self._tables[joint.id])
            elif silent == _SILENT_CYCLES:
                fallen_silent.append(joint)
        self.alarms = {
            i: alarm
            for i, alarm in self.alarms.items()
            if i not in answers or answers[i].error & self._family.alert
        }
        return fallen_silent

    def unexplained(self, answers: Mapping[int, ServoAnswer]) -> list[int]:
        """Servos with an alarm that is not in `alarms` yet."""
        alert = self._family.alert
        return [i for i, each in answers.items() if each.error & alert and i not in self.alarms]

    def fault(self, joint: ServoJoint, limits: JointLimits, now_sec: float) -> str:
        """Return why a joint must not move now; "" if it may."""
        state = self.states[joint.id]
        fault = self._family.fault(state.error, self.alarms.get(joint.id, 0))
        return self._watches.setdefault(joint.id, JointWatch()).see(state, fault, limits, now_sec)

    def position(self, joint: ServoJoint) -> float:
        """Return the position of a joint, rad."""
        return joint.to_rad(self.states[joint.id].position - self._turns.get(joint.id, 0))

    def speed(self, joint: ServoJoint) -> float:
        """Return the speed of a joint, rad/s."""
        return joint.speed(self.states[joint.id].velocity)

    def goal_ticks(self, goals: Mapping[str, float]) -> dict[int, int]:
        """Return the goals of servos in ticks, by id, from the goals of joints in rad, by name."""
        return {
            each.id: each.to_ticks(goals[each.name]) + self._turns.get(each.id, 0)
            for each in self.joints
            if each.name in goals
        }

    def fill_joint_status(
        self, name: str, stat: DiagnosticStatusWrapper, *, is_ready: bool, stopped: str
    ) -> None:
        """Fill in the diagnostics of a joint; `stopped` is the reason why it holds, or ""."""
        joint = next(each for each in self.joints if each.name == name)
        state = self.states.get(joint.id)
        if state is None or not is_ready or self._silent.get(joint.id, 0):
            stat.summary(DiagnosticStatus.STALE, "no answer")
        elif stopped:
            stat.summary(DiagnosticStatus.ERROR, f"stopped: {stopped}")
        else:
            stat.summary(DiagnosticStatus.OK, "ok")
        lower, upper = joint.limits()
        stat.add("lower", f"{lower:.4f}")
        stat.add("upper", f"{upper:.4f}")
        if state is not None:
            stat.add("temperature", state.temperature)
            stat.add("voltage", f"{state.voltage:.1f}")
            stat.add("load", f"{state.load * 1e-3:.3f}")
            stat.add("current", f"{state.current:.3f}")
            stat.add("error", state.error)
