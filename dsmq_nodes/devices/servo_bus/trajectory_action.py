"""The action to follow a trajectory, `control_msgs/action/FollowJointTrajectory`.

Points are joined by straight lines; their velocities and accelerations are ignored. A stamp in the
header is the begin of the trajectory: until then the arm goes to its first point. A goal succeeds
when its last point is passed and every joint is within its goal tolerance (0.1 rad if the goal has
none), at the latest `goal_time_tolerance` (1 s if it has none) later. The goal is aborted when the
arm holds or obeys another command, when one of its joints stops, and when a given path tolerance is
violated; the text says which. When the goal is cancelled, or its client has gone, the arm holds.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from dsmq_nodes.devices.servo_bus.arm_motion import ArmMotion, Waypoint, between
from dsmq_nodes.graph.actions.action_server import ActionServer
from dsmq_nodes.graph.node import Node
from dsmq_nodes.messages.base import Duration
from dsmq_nodes.messages.control_msgs import FollowJointTrajectory, JointTolerance
from dsmq_nodes.messages.trajectory import JointTrajectory, JointTrajectoryPoint

if TYPE_CHECKING:
    from dsmq_nodes.graph.actions.goal import ServerGoalHandle

    Handle = ServerGoalHandle[
        FollowJointTrajectory.Goal, FollowJointTrajectory.Result, FollowJointTrajectory.Feedback
    ]

_PERIOD_SEC: Final = 0.05
_GOAL_TOLERANCE: Final = 0.1  # rad; a stretched arm sags by 0.07
_GOAL_TIME_SEC: Final = 1.0
_Result = FollowJointTrajectory.Result


def waypoints(msg: JointTrajectory, now_ns: int) -> list[Waypoint]:
    """Return the points of a trajectory, in seconds from now.

    A stamp in its header is its begin, as for ros2_control: until then the arm goes to the first
    point; of a trajectory that should have begun earlier, the remaining part is followed.

    Raises:
        ValueError: a point lacks a position for a joint, or the trajectory is over.
    """
    names = msg.joint_names
    if any(len(each.positions) != len(names) for each in msg.points):
        raise ValueError(f"a point does not have {len(names)} positions, one for each joint name")
    if late := too_late(msg, now_ns):
        raise ValueError(late)
    begins_sec = _begins_sec(msg, now_ns)
    points = [
        Waypoint(
            begins_sec + _sec(each.time_from_start), dict(zip(names, each.positions, strict=True))
        )
        for each in msg.points
    ]
    passed = sum(each.at_sec <= 0 for each in points)
    if begins_sec >= 0 or not passed or passed == len(points):
        return points
    return [Waypoint(0.0, between(points[passed - 1], points[passed], 0.0)), *points[passed:]]


def too_late(msg: JointTrajectory, now_ns: int) -> str:
    """Return a text if a trajectory is over before it begins; otherwise ""."""
    late_sec = -_begins_sec(msg, now_ns)
    takes_sec = _sec(msg.points[-1].time_from_start) if msg.points else 0.0
    return f"it should have begun {late_sec:.1f} s ago, and is over" if late_sec > takes_sec else ""


def _begins_sec(msg: JointTrajectory, now_ns: int) -> float:
    begins_ns = msg.header.stamp.to_nanoseconds()
    return (begins_ns - now_ns) * 1e-9 if begins_ns else 0.0


class TrajectoryAction:
    """Serves the action of an arm's driver."""

    def __init__(
        self,
        node: Node,
        name: str,
        begin: Callable[[JointTrajectory], str],
        motion: Callable[[], ArmMotion],
    ) -> None:
        """Serve the action.

        Args:
            node: the driver.
            name: the name of the action.
            begin: makes the arm follow a trajectory; returns why it does not, or "".
            motion: returns the arm's current motion.
        """
        self._node, self._begin, self._motion = node, begin, motion
        ActionServer(node, FollowJointTrajectory, name, self._execute, when_busy="preempt")

    async def _execute(self, handle: "Handle") -> FollowJointTrajectory.Result:
        goal = handle.request
        if reason := self._refusal(goal):
            handle.abort()
            return reason
        motion = self._motion()
        points = motion.followed
        end_sec = _now_sec() + (points[-1].at_sec if points else 0.0)
        latest_sec = end_sec + (_sec(goal.goal_time_tolerance) or _GOAL_TIME_SEC)
        while not (ended := self._ended(goal, points, end_sec, latest_sec)):
            if handle.is_cancel_requested:
                motion.hold()
                handle.canceled()
                return _Result(error_string="cancelled: the arm holds")
            handle.publish_feedback(self._feedback(goal.trajectory.joint_names))
            await asyncio.sleep(_PERIOD_SEC)
        if ended.error_code and self._motion().followed is points:
            self._motion().hold()
        (handle.abort if ended.error_code else handle.succeed)()
        return ended

    def _refusal(self, goal: FollowJointTrajectory.Goal) -> FollowJointTrajectory.Result | None:
        trajectory = goal.trajectory
        if unknown := [n for n in trajectory.joint_names if n not in self._motion().names]:
            text = f"there is no joint {unknown[0]!r}; it has {', '.join(self._motion().names)}"
            return _Result(error_code=_Result.INVALID_JOINTS, error_string=text)
        if text := too_late(trajectory, self._node.get_clock().now().to_nanoseconds()):
            return _Result(error_code=_Result.OLD_HEADER_TIMESTAMP, error_string=text)
        reason = "it has no points" if not trajectory.points else self._begin(trajectory)
        if reason:
            return _Result(error_code=_Result.INVALID_GOAL, error_string=reason)
        return None

    def _ended(
        self,
        goal: FollowJointTrajectory.Goal,
        points: Sequence[Waypoint] | None,
        end_sec: float,
        latest_sec: float,
    ) -> FollowJointTrajectory.Result | None:
        now_sec = _now_sec()
        if text := self._why_stopped(goal, points):
            return _Result(error_code=_Result.PATH_TOLERANCE_VIOLATED, error_string=text)
        if now_sec < end_sec:
            return None
        last = points[-1].positions if points else {}
        text = self._violation(last, goal.goal_tolerance, _GOAL_TOLERANCE)
        if not text and self._motion().is_moving:
            text = "the speed limit is lower than the trajectory needs"
        if text and now_sec < latest_sec:
            return None
        code = _Result.GOAL_TOLERANCE_VIOLATED if text else _Result.SUCCESSFUL
        return _Result(error_code=code, error_string=text)

    def _why_stopped(
        self, goal: FollowJointTrajectory.Goal, points: Sequence[Waypoint] | None
    ) -> str:
        """Return why the arm cannot continue; "" if it can."""
        motion, names = self._motion(), goal.trajectory.joint_names
        if motion.followed is not points:
            return "the arm holds, or obeys another command"
        if stopped := [name for name in names if name in motion.stopped]:
            return f"{stopped[0]} stopped: {motion.stopped[stopped[0]]}"
        desired = {name: motion.goals[name] for name in names}
        return self._violation(desired, goal.path_tolerance, 0.0)

    def _violation(
        self, desired: Mapping[str, float], given: Iterable[JointTolerance], usual: float
    ) -> str:
        """Return a text about a joint beyond its tolerance; "" if there is none."""
        present = self._motion().present
        tolerances = dict.fromkeys(desired, usual)
        tolerances |= {each.name: each.position for each in given if each.position}
        for name, position in desired.items():
            distance = abs(position - present[name])
            if 0 < tolerances[name] < distance:
                return f"{name} is {distance:.3f} rad from its target"
        return ""

    def _feedback(self, names: list[str]) -> FollowJointTrajectory.Feedback:
        motion = self._motion()
        desired = [motion.goals[name] for name in names]
        actual = [motion.present[name] for name in names]
        error = [goal - there for goal, there in zip(desired, actual, strict=True)]
        return FollowJointTrajectory.Feedback(
            header=self._node.stamp(),
            joint_names=names,
            desired=JointTrajectoryPoint(positions=desired),
            actual=JointTrajectoryPoint(positions=actual),
            error=JointTrajectoryPoint(positions=error),
        )


def _sec(duration: Duration) -> float:
    return duration.sec + duration.nanosec * 1e-9


def _now_sec() -> float:
    return asyncio.get_running_loop().time()
