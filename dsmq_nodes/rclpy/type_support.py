"""Checks of message, service and action types."""

from typing import Any, TypeVar

from dsmq_nodes.rclpy.exceptions import (
    InvalidTypeSupportException,  # noqa: F401  as there
    NoTypeSupportImportedException,
)

# For the annotations of programs.
Action = Msg = Srv = Any
ActionT, FeedbackT, GoalT = TypeVar("ActionT"), TypeVar("FeedbackT"), TypeVar("GoalT")
MsgT, MsgType, ResultT, T = TypeVar("MsgT"), TypeVar("MsgType"), TypeVar("ResultT"), TypeVar("T")
SrvT, SrvRequestT, SrvResponseT = TypeVar("SrvT"), TypeVar("SrvRequestT"), TypeVar("SrvResponseT")
SrvType, SrvTypeRequest = TypeVar("SrvType"), TypeVar("SrvTypeRequest")
SrvTypeResponse = TypeVar("SrvTypeResponse")
_ROS1 = (
    " This might be a ROS 1 message type but it should be a ROS 2 message type. Make sure to source"
    " your ROS 2 workspace after your ROS 1 workspace."
)


def check_for_type_support(msg_or_srv_type: Any) -> None:
    """Check that it is a type.

    Raises:
        AttributeError: it is something else.
    """
    try:
        support = msg_or_srv_type._TYPE_SUPPORT  # noqa: SLF001
    except AttributeError as error:
        raise AttributeError(f"{error.args[0]}{_ROS1}", *error.args[1:]) from None
    if support is None:
        msg_or_srv_type.__import_type_support__()
    if msg_or_srv_type._TYPE_SUPPORT is None:  # noqa: SLF001
        raise NoTypeSupportImportedException


def _has(given: Any, *names: str) -> bool:
    return all(hasattr(given, name) for name in names)


def check_is_valid_msg_type(msg_type: Any) -> None:
    """Check that it is a message type.

    Raises:
        RuntimeError: it is something else.
    """
    check_for_type_support(msg_type)
    parts = ("_CREATE_ROS_MESSAGE", "_CONVERT_FROM_PY", "_CONVERT_TO_PY", "_DESTROY_ROS_MESSAGE")
    if any(getattr(msg_type, part, None) is None for part in parts):
        raise RuntimeError(
            f"The message type provided is not valid ({msg_type}), "
            "this might be a service or action"
        )


def check_is_valid_srv_type(srv_type: Any) -> None:
    """Check that it is a service type.

    Raises:
        RuntimeError: it is something else.
    """
    check_for_type_support(srv_type)
    if str(srv_type._TYPE_SUPPORT).startswith("dsmq_nodes service "):  # noqa: SLF001
        return  # reading its Event would create that class: 1 ms a service
    if not _has(srv_type, "Request", "Response", "Event"):
        raise RuntimeError(
            f"The service type provided is not valid ({srv_type}), "
            "this might be a message or action"
        )


def check_is_valid_action_type(action_type: Any) -> None:
    """Check that it is an action type.

    Raises:
        RuntimeError: it is something else.
    """
    check_for_type_support(action_type)
    if not _has(action_type, "Goal", "Result", "Feedback", "Impl"):
        raise RuntimeError(
            f"The action type provided is not valid ({action_type}), "
            "this might be a message or service"
        )
