"""ROS 2's std_srvs. Import its `Empty` from here: dsmq_nodes.messages has the one of std_msgs."""

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.service_base import Service

__all__ = ["SetBool", "Trigger"]


class Empty(Service):
    """Trigger something; neither the request nor the response has fields."""

    # Type checkers take only a class that is written here for a type.
    class Request(Message):
        """The trigger."""

    class Response(Message):
        """The end of what was triggered."""


class SetBool(Service):
    """Switch something on or off."""

    class Request(Message):
        """The new value."""

        data: bool = False

    class Response(Message):
        """Whether the call succeeded, and an explanation."""

        success: bool = False
        message: str = ""


class Trigger(Service):
    """Trigger an action."""

    class Request(Message):
        """The trigger."""

    class Response(Message):
        """Whether the call succeeded, and an explanation."""

        success: bool = False
        message: str = ""
