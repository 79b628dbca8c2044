"""ROS 2's trajectory_msgs: target positions of joints over time."""

from dsmq_nodes.messages.base import Duration, Header, Message
from dsmq_nodes.messages.fields import float64
from dsmq_nodes.messages.geometry import Transform, Twist


class JointTrajectoryPoint(Message):
    """The target of joints (rad or m, and its derivatives) at a time after the start."""

    positions: list[float64] = []
    velocities: list[float64] = []
    accelerations: list[float64] = []
    effort: list[float64] = []
    time_from_start: Duration = Duration()


class JointTrajectory(Message):
    """The path of joints over time; the values are in the order of `joint_names`."""

    header: Header = Header()
    joint_names: list[str] = []
    points: list[JointTrajectoryPoint] = []


class MultiDOFJointTrajectoryPoint(Message):
    """The target of joints with several degrees of freedom at a time after the start."""

    transforms: list[Transform] = []
    velocities: list[Twist] = []
    accelerations: list[Twist] = []
    time_from_start: Duration = Duration()


class MultiDOFJointTrajectory(Message):
    """The path of joints with several degrees of freedom over time."""

    header: Header = Header()
    joint_names: list[str] = []
    points: list[MultiDOFJointTrajectoryPoint] = []
