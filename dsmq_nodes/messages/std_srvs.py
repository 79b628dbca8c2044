"""ROS 2's std_srvs. Its `Empty` has to be imported from here: dsmq_nodes.messages has std_msgs'."""

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.service_base import Service

__all__ = ["SetBool", "Trigger"]


class Empty(Service):
    """Ask for something that needs no words and gives no answer but that it is done."""


class SetBool(Service):
    """Switch something on or off."""

    class Request(Message):
        """The new value."""

        data: bool = False

    class Response(Message):
        """Whether that worked, and what there is to say about it."""

        success: bool = False
        message: str = ""


class Trigger(Service):
    """Trigger an action."""

    class Response(Message):
        """Whether that worked, and what there is to say about it."""

        success: bool = False
        message: str = ""
