"""ROS 2's action_msgs: its service."""

from typing import ClassVar

from dsmq_nodes.messages.action import GoalInfo
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.fields import int8
from dsmq_nodes.messages.service_base import Service

__all__ = ["CancelGoal"]


class CancelGoal(Service):
    """Ask an action's server to cancel goals."""

    class Request(Message):
        """Which: one, all (id and stamp are zero), or those accepted up to the stamp."""

        goal_info: GoalInfo = GoalInfo()

    class Response(Message):
        """Whether any is being cancelled, and which."""

        ERROR_NONE: ClassVar[int8] = 0
        ERROR_REJECTED: ClassVar[int8] = 1
        ERROR_UNKNOWN_GOAL_ID: ClassVar[int8] = 2
        ERROR_GOAL_TERMINATED: ClassVar[int8] = 3

        return_code: int8 = 0
        goals_canceling: list[GoalInfo] = []
