"""ROS 2's trajectory_msgs: where joints are to be, and when."""

from dsmq_nodes.messages.base import Duration, Header, Message
from dsmq_nodes.messages.fields import float64
from dsmq_nodes.messages.geometry import Transform, Twist

__all__ = [
    "JointTrajectory",
    "JointTrajectoryPoint",
    "MultiDOFJointTrajectory",
    "MultiDOFJointTrajectoryPoint",
]


class JointTrajectoryPoint(Message):
    """Where joints are to be (rad or m, and their rates), so long after the start."""

    positions: list[float64] = []
    velocities: list[float64] = []
    accelerations: list[float64] = []
    effort: list[float64] = []
    time_from_start: Duration = Duration()


class JointTrajectory(Message):
    """The way of joints; their values are in the order of `joint_names`."""

    header: Header = Header()
    joint_names: list[str] = []
    points: list[JointTrajectoryPoint] = []


class MultiDOFJointTrajectoryPoint(Message):
    """Where joints of several degrees of freedom are to be, so long after the start."""

    transforms: list[Transform] = []
    velocities: list[Twist] = []
    accelerations: list[Twist] = []
    time_from_start: Duration = Duration()


class MultiDOFJointTrajectory(Message):
    """The way of joints of several degrees of freedom."""

    header: Header = Header()
    joint_names: list[str] = []
    points: list[MultiDOFJointTrajectoryPoint] = []
