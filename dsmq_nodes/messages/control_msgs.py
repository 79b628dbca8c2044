"""ROS 2's control_msgs, the part that an arm's driver needs to follow a trajectory."""

from typing import ClassVar

from dsmq_nodes.messages.action_type import Action
from dsmq_nodes.messages.base import Duration, Header, Message
from dsmq_nodes.messages.fields import float64, int32, uint16
from dsmq_nodes.messages.trajectory import (
    JointTrajectory,
    JointTrajectoryPoint,
    MultiDOFJointTrajectory,
    MultiDOFJointTrajectoryPoint,
)


class JointTolerance(Message):
    """The allowed distance of a joint from its target; 0: the server's default, -1: no limit."""

    name: str = ""
    position: float64 = 0.0
    velocity: float64 = 0.0
    acceleration: float64 = 0.0


class JointComponentTolerance(Message):
    """The tolerance of one component of a joint with several degrees of freedom."""

    X_AXIS: ClassVar[uint16] = 1
    Y_AXIS: ClassVar[uint16] = 2
    Z_AXIS: ClassVar[uint16] = 3
    TRANSLATION: ClassVar[uint16] = 4
    ROTATION: ClassVar[uint16] = 5

    joint_name: str = ""
    component: uint16 = 0
    position: float64 = 0.0
    velocity: float64 = 0.0
    acceleration: float64 = 0.0


class FollowJointTrajectory(Action):
    """Move joints along a trajectory."""

    class Goal(Message):
        """The trajectory, and its tolerances."""

        trajectory: JointTrajectory = JointTrajectory()
        multi_dof_trajectory: MultiDOFJointTrajectory = MultiDOFJointTrajectory()
        path_tolerance: list[JointTolerance] = []
        component_path_tolerance: list[JointComponentTolerance] = []
        goal_tolerance: list[JointTolerance] = []
        component_goal_tolerance: list[JointComponentTolerance] = []
        goal_time_tolerance: Duration = Duration()

    class Result(Message):
        """The reason why the motion ended."""

        SUCCESSFUL: ClassVar[int32] = 0
        INVALID_GOAL: ClassVar[int32] = -1
        INVALID_JOINTS: ClassVar[int32] = -2
        OLD_HEADER_TIMESTAMP: ClassVar[int32] = -3
        PATH_TOLERANCE_VIOLATED: ClassVar[int32] = -4
        GOAL_TOLERANCE_VIOLATED: ClassVar[int32] = -5

        error_code: int32 = 0
        error_string: str = ""

    class Feedback(Message):
        """The desired and the actual state of the joints, and their difference."""

        header: Header = Header()
        joint_names: list[str] = []
        desired: JointTrajectoryPoint = JointTrajectoryPoint()
        actual: JointTrajectoryPoint = JointTrajectoryPoint()
        error: JointTrajectoryPoint = JointTrajectoryPoint()
        multi_dof_joint_names: list[str] = []
        multi_dof_desired: MultiDOFJointTrajectoryPoint = MultiDOFJointTrajectoryPoint()
        multi_dof_actual: MultiDOFJointTrajectoryPoint = MultiDOFJointTrajectoryPoint()
        multi_dof_error: MultiDOFJointTrajectoryPoint = MultiDOFJointTrajectoryPoint()
