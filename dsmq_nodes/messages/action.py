"""ROS 2's action_msgs."""

from typing import ClassVar

from dsmq_nodes.messages.base import Message, Time
from dsmq_nodes.messages.fields import int8
from dsmq_nodes.messages.unique_identifier import UUID


class GoalInfo(Message):
    """The identifier of a goal, and the time when the server accepted it."""

    goal_id: UUID = UUID()
    stamp: Time = Time()


class GoalStatus(Message):
    """The state of a goal."""

    STATUS_UNKNOWN: ClassVar[int8] = 0
    STATUS_ACCEPTED: ClassVar[int8] = 1
    STATUS_EXECUTING: ClassVar[int8] = 2
    STATUS_CANCELING: ClassVar[int8] = 3
    STATUS_SUCCEEDED: ClassVar[int8] = 4
    STATUS_CANCELED: ClassVar[int8] = 5
    STATUS_ABORTED: ClassVar[int8] = 6

    goal_info: GoalInfo = GoalInfo()
    status: int8 = 0


class GoalStatusArray(Message):
    """The states of all goals of an action server."""

    status_list: list[GoalStatus] = []
