"""Publishers: the sending end of a topic."""

from typing import TYPE_CHECKING, Generic, TypeVar

from dsmq_nodes.messages.base import Message

if TYPE_CHECKING:
    from dsmq_nodes.graph.link import Link, Publication

MessageT = TypeVar("MessageT", bound=Message)


class Publisher(Generic[MessageT]):
    """Publishes messages of one type on one topic; made by `Node.create_publisher`."""

    def __init__(self, msg_type: type[MessageT], publication: "Publication", link: "Link") -> None:
        self.msg_type = msg_type
        self._publication = publication
        self._link = link

    @property
    def topic_name(self) -> str:
        """The topic's absolute name."""
        return self._publication.topic

    @property
    def messages(self) -> int:
        """How many messages were published, dropped ones included."""
        return self._publication.messages

    @property
    def dropped(self) -> int:
        """How many of them could not be handed to the broker."""
        return self._publication.dropped

    def publish(self, msg: MessageT) -> None:
        """Send a message; returns at once, and may be called from any thread.

        Raises:
            TypeError: the message is not of this publisher's type.
            MessageError: a field holds a value of the wrong type.
            WireError: the message is over the 8,999,999 bytes of a frame.
        """
        if not isinstance(msg, self.msg_type):
            raise TypeError(
                f"{self.topic_name} carries {self.msg_type.type_name}, "
                f"not {getattr(msg, 'type_name', type(msg).__name__)}"
            )
        self._link.publish(self._publication, msg.to_json())
