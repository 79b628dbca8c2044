"""ROS 2's action_msgs: the service."""

from typing import ClassVar

from dsmq_nodes.messages.action import GoalInfo
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.fields import int8
from dsmq_nodes.messages.service_base import Service


class CancelGoal(Service):
    """Ask an action server to cancel goals."""

    class Request(Message):
        """The goals: one, all (id and stamp are zero), or those accepted up to the stamp."""

        goal_info: GoalInfo = GoalInfo()

    class Response(Message):
        """The result, and the goals that are being cancelled."""

        ERROR_NONE: ClassVar[int8] = 0
        ERROR_REJECTED: ClassVar[int8] = 1
        ERROR_UNKNOWN_GOAL_ID: ClassVar[int8] = 2
        ERROR_GOAL_TERMINATED: ClassVar[int8] = 3

        return_code: int8 = 0
        goals_canceling: list[GoalInfo] = []
