"""Publishers that send nothing while their node is not active."""

from typing_extensions import override

from dsmq_nodes.graph.callback import MessageT
from dsmq_nodes.graph.topics.publisher import Publisher


class LifecyclePublisher(Publisher[MessageT]):
    """Publishes while its node is active; made by `LifecycleNode.create_lifecycle_publisher`.

    Attributes:
        is_activated: whether messages are sent.
    """

    is_activated = False

    @property
    def suppressed(self) -> int:
        """How many messages were not sent because it was not activated."""
        return self.publication.suppressed

    @override
    def publish(self, msg: MessageT) -> None:
        """Send a message if the node is active, else count it as suppressed.

        Raises:
            TypeError: the message is not of this publisher's type.
            MessageError: a field holds a value of the wrong type.
            WireError: the message is larger than the 8,999,999 bytes of a frame.
            ValueError: the publisher was destroyed.
        """
        if self.is_activated:
            super().publish(msg)
        else:
            self._check(msg)
            self.publication.suppressed += 1
