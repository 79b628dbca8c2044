"""Computes the goals of an arm's joints, step by step, in rad and s; does no I/O.

A command sets the target. The servos receive the goal, which begins at the arm's position, moves
towards the target by at most `max_speed`, and stays within the limits. After a hold, a loss of
power or a start, the first command must be near the arm: a leader that was moved meanwhile would
pull it across the table. The same holds for the first command after a trajectory. A trajectory is
planned, so a point outside of the limits is an error, and the trajectory is refused.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from dsmq_nodes.devices.servo_bus.calibration import ServoJoint

_OUTSIDE: Final = 0.1  # rad allowed for a trajectory: a model's limits differ from a calibration's


class Waypoint(NamedTuple):
    """A point of a trajectory."""

    at_sec: float
    positions: Mapping[str, float]


def between(one: Waypoint, two: Waypoint, at_sec: float) -> Mapping[str, float]:
    """Return the positions on the straight line between two waypoints."""
    share = (at_sec - one.at_sec) / (two.at_sec - one.at_sec)
    return {
        name: one.positions[name] + share * (two.positions[name] - one.positions[name])
        for name in two.positions
    }


class ArmMotion:
    """The goals of an arm's joints.

    Attributes:
        goals: the positions that the servos receive, by joint.
        stopped: joints that hold and ignore commands, with the reasons.
        limited: the number of commanded positions outside of the limits.
        followed: the trajectory of the newest command; None after another command or a hold.
    """

    def __init__(
        self, joints: Iterable[ServoJoint], *, max_speed: float, first_distance: float
    ) -> None:
        """Begin without positions: commands are refused until the first `see`.

        Args:
            joints: the joints with their limits.
            max_speed: rad/s of each joint.
            first_distance: the greatest distance, rad, of the first command from the arm.
        """
        self.goals: dict[str, float] = {}
        self.stopped: dict[str, str] = {}
        self.limited = 0
        self.followed: Sequence[Waypoint] | None = None
        self._limits = {each.name: each.limits() for each in joints}
        self._max_speed, self._first_distance = max_speed, first_distance
        self._present: dict[str, float] = {}
        self._wishes: dict[str, float] = {}
        self._trajectory: list[Waypoint] = []
        self._began_sec = 0.0
        self._led: set[str] = set()  # joints that have had their first command

    @property
    def names(self) -> Collection[str]:
        """The joints."""
        return self._limits.keys()

    @property
    def present(self) -> Mapping[str, float]:
        """The measured positions of the joints."""
        return self._present

    @property
    def is_moving(self) -> bool:
        """Whether the goals have not reached the commanded positions yet."""
        wishes = self._wishes.items()
        return bool(self._trajectory) or any(self.goals.get(name) != wish for name, wish in wishes)

    def see(self, present: Mapping[str, float]) -> None:
        """Store measured positions."""
        self._present.update(present)
        for name, position in present.items():
            self.goals.setdefault(name, position)

    def forget(self) -> None:
        """Forget all positions and commands, because the arm is gone."""
        self.hold()
        self._present.clear()
        self.goals.clear()

    def hold(self) -> None:
        """Stay at the arm's position; the next command counts as a first one."""
        self._wishes, self._trajectory, self.followed = {}, [], None
        self._led.clear()
        self.goals = dict(self._present)

    def stop(self, name: str, reason: str) -> None:
        """Stop one joint at its position until `resume`."""
        self.stopped[name] = reason
        if name in self._present:
            self.goals[name] = self._present[name]
        self._wishes.pop(name, None)

    def resume(self, name: str) -> None:
        """Let a joint obey commands again."""
        self.stopped.pop(name, None)

    def command(self, positions: Mapping[str, float]) -> str:
        """Command positions of some joints or all; return why they are refused, or ""."""
        if reason := self._refusal(positions):
            return reason
        if self.followed is not None:
            self._led.clear()
        if reason := self._too_far(self._firsts(positions)):
            return reason
        self._led.update(positions)
        self._trajectory, self.followed = [], None
        self._wishes.update(self._limited(positions))
        return ""

    def follow(self, trajectory: Sequence[Waypoint], now_sec: float) -> str:
        """Follow waypoints from now on; return why they are refused, or ""."""
        times = [each.at_sec for each in trajectory]
        if not trajectory:
            self.hold()  # an empty trajectory stops, as in ROS
            return ""
        if times[0] < 0 or any(b <= a for a, b in pairwise(times)):
            return "its times do not increase"
        for each in trajectory:
            if reason := self._refusal(each.positions) or self._outside(each.positions):
                return reason
        is_slow = self._farthest(trajectory[0].positions)[1] <= self._max_speed * times[0]
        if not is_slow and (reason := self._too_far(self._firsts(trajectory[0].positions))):
            return reason
        self._led.update(trajectory[0].positions)
        start = {name: self.goals[name] for name in trajectory[0].positions}
        points = [Waypoint(each.at_sec, self._limited(each.positions)) for each in trajectory]
        self._trajectory = [Waypoint(0.0, start), *points] if times[0] > 0 else points
        self._wishes, self.followed = {}, trajectory
        self._began_sec = now_sec
        return ""

    def advance(self, now_sec: float, step_sec: float) -> dict[str, float]:
        """Move the goals by one step, and return them."""
        if self._trajectory:
            self._wishes.update(self._sample(now_sec - self._began_sec))
        most = self._max_speed * step_sec
        for name, wish in self._wishes.items():
            if name not in self.stopped and name in self.goals:
                goal = self.goals[name]
                self.goals[name] = goal + max(-most, min(most, wish - goal))
        return self.goals

    def _sample(self, at_sec: float) -> Mapping[str, float]:
        trajectory = self._trajectory
        if at_sec >= trajectory[-1].at_sec:
            self._trajectory = []
            return trajectory[-1].positions
        after = next(i for i, each in enumerate(trajectory) if each.at_sec > at_sec)
        if after == 0:
            return {}
        return between(trajectory[after - 1], trajectory[after], at_sec)

    def _refusal(self, positions: Mapping[str, float]) -> str:
        if unknown := [name for name in positions if name not in self._limits]:
            return f"there is no joint {unknown[0]!r}; it has {', '.join(self._limits)}"
        if wrong := [name for name, value in positions.items() if not math.isfinite(value)]:
            return f"the position of {wrong[0]} is {positions[wrong[0]]}"
        if missing := [name for name in positions if name not in self.goals]:
            return f"the position of {missing[0]} is unknown"
        return ""

    def _outside(self, positions: Mapping[str, float]) -> str:
        for name, value in positions.items():
            if abs(value - self._inside(name, value)) > _OUTSIDE:
                low, high = self._limits[name]
                hint = "; positions are rad, not degrees" if abs(value) > math.tau else ""
                return f"{name} cannot go to {value:g} rad, only from {low:.2f} to {high:.2f}{hint}"
        return ""

    def _firsts(self, positions: Mapping[str, float]) -> dict[str, float]:
        """Return the positions of joints that have had no command yet."""
        return {name: value for name, value in positions.items() if name not in self._led}

    def _too_far(self, positions: Mapping[str, float]) -> str:
        name, distance = self._farthest(positions)
        if distance <= self._first_distance:
            return ""
        return (
            f"{name} is {distance:.2f} rad away, but a first command may be at most "
            f"{self._first_distance:g}: begin where the arm is"
        )

    def _farthest(self, positions: Mapping[str, float]) -> tuple[str, float]:
        inside = {name: self._inside(name, value) for name, value in positions.items()}
        far = {name: abs(value - self._present[name]) for name, value in inside.items()}
        return max(far.items(), key=lambda each: each[1], default=("", 0.0))

    def _limited(self, positions: Mapping[str, float]) -> dict[str, float]:
        inside = {name: self._inside(name, value) for name, value in positions.items()}
        self.limited += sum(inside[name] != value for name, value in positions.items())
        return inside

    def _inside(self, name: str, value: float) -> float:
        low, high = self._limits[name]
        return min(max(value, low), high)
