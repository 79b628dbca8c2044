"""The base class of action types: a goal, its result, and the feedback while it runs.

class Fibonacci(Action):
    class Goal(Message):
        order: int

    class Result(Message):
        sequence: list[int] = []

    class Feedback(Message):
        sequence: list[int] = []
"""

from functools import cache
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from pydantic import create_model
from typing_extensions import override

from dsmq_nodes.messages.base import Message, Time, package_of
from dsmq_nodes.messages.fields import int8
from dsmq_nodes.messages.service_base import Service, name_parts
from dsmq_nodes.messages.unique_identifier import UUID

__all__ = ["Action"]

GoalT = TypeVar("GoalT", bound=Message)
ResultT = TypeVar("ResultT", bound=Message)
FeedbackT = TypeVar("FeedbackT", bound=Message)
_GoalT_co = TypeVar("_GoalT_co", bound=Message, covariant=True)
_ResultT_co = TypeVar("_ResultT_co", bound=Message, covariant=True)
_FeedbackT_co = TypeVar("_FeedbackT_co", bound=Message, covariant=True)


class Action:
    """A type of action: subclass it and nest `Goal`, `Result` and `Feedback`, all messages.

    A part that is not nested gets a class without fields. The type's name in the graph is
    `<package>/action/<Class>` unless the class keyword gives another name:
    `class Dock(Action, type_name="dock_msgs/action/Dock")`.
    """

    Goal: ClassVar[type[Message]]
    Result: ClassVar[type[Message]]
    Feedback: ClassVar[type[Message]]
    type_name: ClassVar[str]

    @override
    def __init_subclass__(cls, *, type_name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.type_name = type_name or f"{package_of(cls.__module__)}/action/{cls.__name__}"
        name_parts(cls, "Goal", "Result", "Feedback")


class ActionType(Protocol[_GoalT_co, _ResultT_co, _FeedbackT_co]):
    """A subclass of `Action` as type checkers see it."""

    def Goal(self, *args: Any, **kwargs: Any) -> _GoalT_co:  # noqa: N802  it is a class
        """Make a goal."""

    def Result(self, *args: Any, **kwargs: Any) -> _ResultT_co:  # noqa: N802
        """Make a result."""

    def Feedback(self, *args: Any, **kwargs: Any) -> _FeedbackT_co:  # noqa: N802
        """Make a feedback."""


class ActionParts(NamedTuple):
    """The services and the message that an action uses on the wire, named as in ROS 2."""

    send_goal: Any
    get_result: Any
    feedback_message: Any


def action_parts(action_type: Any) -> ActionParts:
    """Return the services and the message of an action type; they are made once."""
    return _parts(action_type)


@cache
def _parts(action_type: Any) -> ActionParts:
    name, module = action_type.type_name, action_type.__module__
    goal, result, feedback = action_type.Goal, action_type.Result, action_type.Feedback

    def message(part: str, **fields: Any) -> type[Message]:
        made = create_model(part, __base__=Message, __module__=module, **fields)
        made.type_name = f"{name}_{part}"
        return made

    def service(part: str, request: type[Message], response: type[Message]) -> Any:
        nested = {"Request": request, "Response": response, "__module__": module}
        return type(part, (Service,), nested, type_name=f"{name}_{part}")

    return ActionParts(
        service(
            "SendGoal",
            message("Request", goal_id=(UUID, ...), goal=(goal, ...)),
            message("Response", accepted=(bool, False), stamp=(Time, Time())),
        ),
        # The result is None when a goal failed and the result has fields without a default.
        service(
            "GetResult",
            message("Request", goal_id=(UUID, ...)),
            message("Response", status=(int8, 0), result=(result | None, None)),
        ),
        message("FeedbackMessage", goal_id=(UUID, ...), feedback=(feedback, ...)),
    )
